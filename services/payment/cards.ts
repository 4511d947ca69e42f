/** Cards on file. */
import type { Card as CardView } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { saveAnswer, type Answer } from "../runtime/idempotency.js";
import { statement, transaction, type Db, type Pool, type Row } from "../runtime/postgres.js";

/** A card on file. */
export interface Card {
  tenantId: string;
  cardId: string;
  riderId: string;
  /** The gateway's token, encrypted. */
  sealedToken: Buffer;
  brand: string;
  lastFour: string;
  isDefault: boolean;
  createTime: Date;
}

interface CardRow extends Row {
  tenant_id: string;
  card_id: string;
  rider_id: string;
  token: Buffer;
  brand: string;
  last_four: string;
  is_default: boolean;
  create_time: Date;
}

const columns = "tenant_id, card_id, rider_id, token, brand, last_four, is_default, create_time";
/** A rider's cards are added one after the other, so that exactly one of the first is the default. */
const lockRider = statement(
  "cards_lock",
  "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 7265))",
);
const insert = statement<CardRow>(
  "card_insert",
  `INSERT INTO cards (${columns})
   SELECT $1, $2, $3::uuid, $4, $5, $6,
          NOT EXISTS (SELECT 1 FROM cards WHERE tenant_id = $1 AND rider_id = $3::uuid), $7
   RETURNING ${columns}`,
);
const ofRider = statement<CardRow>(
  "cards_of_rider",
  `SELECT ${columns} FROM cards WHERE tenant_id = $1 AND rider_id = $2
   ORDER BY create_time, card_id`,
);
const one = statement<CardRow>(
  "card_one",
  `SELECT ${columns} FROM cards WHERE tenant_id = $1 AND rider_id = $2 AND card_id::text = $3`,
);
const usual = statement<CardRow>(
  "card_default",
  `SELECT ${columns} FROM cards WHERE tenant_id = $1 AND rider_id = $2 AND is_default`,
);

/** Adds a card; a rider's first becomes his default. `answer` is made from the card as it is kept. */
export async function addCard(
  pool: Pool,
  card: Omit<Card, "isDefault">,
  answer: (card: Card) => Answer | undefined,
): Promise<Card> {
  const { tenantId, cardId, riderId, sealedToken, brand, lastFour, createTime } = card;
  return transaction(pool, async (tx) => {
    await lockRider(tx, [tenantId, riderId]);
    const values = [tenantId, cardId, riderId, sealedToken, brand, lastFour, createTime];
    const [row] = await insert(tx, values);
    const added = toCard(row!);
    await saveAnswer(tx, answer(added));
    return added;
  });
}

/** A rider's cards, in the order in which they came. */
export async function loadCards(db: Db, tenantId: string, riderId: string): Promise<Card[]> {
  return (await ofRider(db, [tenantId, riderId])).map(toCard);
}

/** A rider's card; his default one when `cardId` is empty. */
export async function findCard(
  db: Db,
  tenantId: string,
  riderId: string,
  cardId: string,
): Promise<Card | undefined> {
  const [row] = cardId
    ? await one(db, [tenantId, riderId, cardId])
    : await usual(db, [tenantId, riderId]);
  return row && toCard(row);
}

/** A card, as the contract shows it: nothing that could be charged. */
export function cardView({ cardId, brand, lastFour, isDefault, createTime }: Card): CardView {
  return { cardId, brand, lastFour, isDefault, createTime };
}

function toCard(row: CardRow): Card {
  return {
    tenantId: row.tenant_id,
    cardId: row.card_id,
    riderId: row.rider_id,
    sealedToken: row.token,
    brand: row.brand,
    lastFour: row.last_four,
    isDefault: row.is_default,
    createTime: row.create_time,
  };
}
