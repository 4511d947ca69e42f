import { expect } from "chai";
import { OfferStatus } from "../../gen/grpc/ridemesh/dispatch/v1/offer.js";
import { childEnvironment, startChildService } from "../testing/child-service.js";
import { waitFor } from "../testing/wait-for.js";
import { startWorld, type StandInTrip, type World } from "./world.test.js";

const { LIVE, EXPIRED } = OfferStatus;
/** A round of 15 s takes 3 s. */
const rate = 5;
const soonMs = 5000;
const nothing = () => Promise.resolve();

const offersOfTrip = (world: World, tripId: string) =>
  world.query("SELECT * FROM dispatch.offers WHERE trip_id = $1 ORDER BY create_time", [tripId]);

describe("a search that its process leaves behind", () => {
  let world: World;
  beforeEach(async () => (world = await startWorld(rate)));
  afterEach(() => world.stop());

  /** Runs the service as a process of its own instead. */
  const startChild = async () => {
    await world.service.stop();
    const env = await childEnvironment(world.host, "dispatch", ["city", "location", "eta", "trip"]);
    const wallOrigin = new Date();
    const child = await startChildService(world.host, "dispatch", {
      ...env,
      DOMAIN_CLOCK_RATE: String(rate),
      DOMAIN_CLOCK_ORIGIN: world.domain.now().toISOString(),
      DOMAIN_CLOCK_WALL_ORIGIN: wallOrigin.toISOString(),
    });
    return {
      kill: async () => {
        child.signal("SIGKILL");
        expect(await child.ended).to.deep.equal({ code: null, signal: "SIGKILL" });
      },
    };
  };
  /** Has the next call never answered; resolves when it has come. */
  const hang = (call: "offerTrip" | "findCandidates"): (() => Promise<unknown>) => {
    let come = false;
    world.before[call] = () => {
      come = true;
      return new Promise(() => undefined);
    };
    return () => waitFor(`${call} to be asked`, () => come);
  };
  const goesOn = (call: "offerTrip" | "findCandidates") => {
    world.before[call] = nothing;
  };
  const offers = ({ tripId }: StandInTrip) => offersOfTrip(world, tripId);

  it("between its offers and the trip goes on, and blocks no driver", async () => {
    const child = await startChild();
    const driver = world.driver(100);
    const hung = hang("offerTrip");
    const trip = await world.request();
    await hung();
    await child.kill();
    const before = await offers(trip);
    expect(before).to.have.length(1);
    expect(trip.offers).to.be.empty;
    goesOn("offerTrip");
    await world.restart();
    const watcher = world.watch(driver);
    const offer = await waitFor(
      "the driver to be asked",
      () => watcher.seen.find(({ offer: one }) => one!.status === LIVE)?.offer,
      soonMs,
    );
    expect(trip.offers.map(({ offerId }) => offerId)).to.deep.equal([offer.offerId]);
    expect(offer.offerId).not.to.equal(before[0]!["offer_id"]);
    await world.accept(trip, driver);
  });

  it("in the middle of a look is looked at again soon", async () => {
    const child = await startChild();
    const driver = world.driver(100);
    const hung = hang("findCandidates");
    const trip = await world.request();
    await hung();
    await child.kill();
    goesOn("findCandidates");
    await world.restart();
    const watcher = world.watch(driver);
    await waitFor("the driver to be asked", () => watcher.seen.length > 0, soonMs);
    expect(watcher.seen[0]!.offer).to.include({ tripId: trip.tripId, status: LIVE });
  });

  it("with live offers shows them again, and lets them run out when they are due", async () => {
    const child = await startChild();
    const [near, far] = [world.driver(100), world.driver(4000)];
    const trip = await world.request();
    await waitFor("the offer to live", async () => (await offers(trip))[0]?.["status"] === LIVE);
    await waitFor("the look to be over", async () => {
      const [row] = await world.query("SELECT * FROM dispatch.searches WHERE trip_id = $1", [
        trip.tripId,
      ]);
      return row!["claim_until"] === null && row!["round"] === 1;
    });
    await child.kill();
    await world.restart();
    const watchers = [world.watch(near), world.watch(far)];
    const offer = await watchers[0]!.told(trip, LIVE);
    expect(offer.pickup!.address).to.equal("5 Pickup Street");
    await watchers[0]!.told(trip, EXPIRED);
    await watchers[1]!.told(trip, LIVE);
    const lateSeconds = (world.domain.now().getTime() - offer.expireTime!.getTime()) / 1000 / rate;
    expect(lateSeconds).to.be.below(2);
  });
});

describe("a search beside others", () => {
  let world: World;
  before(async () => (world = await startWorld(4 * rate)));
  beforeEach(() => (world.drivers.length = 0));
  after(() => world.stop());

  const offers = ({ tripId }: StandInTrip) => offersOfTrip(world, tripId);

  it("keeps its claim on a search for as long as a look takes", async () => {
    world.driver(100);
    let finish: (() => void) | undefined;
    let looks = 0;
    world.before.offerTrip = () => {
      looks += 1;
      return new Promise((resolve) => (finish = resolve));
    };
    const trip = await world.request();
    await waitFor("the trip to be asked", () => looks === 1);
    const claim = async () =>
      (
        await world.query("SELECT claim_until FROM dispatch.searches WHERE trip_id = $1", [
          trip.tripId,
        ])
      )[0]!["claim_until"] as Date;
    const first = await claim();
    await waitFor("the claim to be renewed", async () => (await claim()) > first);
    expect(looks).to.equal(1);
    world.before.offerTrip = nothing;
    finish!();
    await waitFor("the offer to live", async () => (await offers(trip))[0]?.["status"] === LIVE);
    await world.cancel(trip);
  });

  it("makes no offers when the trip was cancelled while it looked for drivers", async () => {
    const driver = world.driver(100);
    let finish: (() => void) | undefined;
    world.before.findCandidates = () => new Promise((resolve) => (finish = resolve));
    const trip = await world.request();
    await waitFor("drivers to be looked for", () => finish !== undefined);
    await world.cancel(trip);
    const isOpen = async () => {
      const [row] = await world.query("SELECT open FROM dispatch.searches WHERE trip_id = $1", [
        trip.tripId,
      ]);
      return row!["open"];
    };
    await waitFor("the search to be closed", async () => !(await isOpen()));
    world.before.findCandidates = nothing;
    finish!();
    const next = await world.request();
    await world.offered(next, driver);
    expect(await offers(trip)).to.be.empty;
    await world.cancel(next);
  });

  it("knows that drivers were asked, although the process did not come to note it", async () => {
    const driver = world.driver(100);
    const trip = await world.request();
    await world.offered(trip, driver);
    await world.query("UPDATE dispatch.searches SET asked_nobody = true, round = 3 WHERE open");
    await waitFor("the search to end", () => trip.state === "EXPIRED");
    expect(trip.expireReason).to.equal("no_driver_accepted");
  });

  it("looks again when another trip's drivers are free", async () => {
    const [one, two] = [world.driver(100), world.driver(200)];
    const first = await world.request();
    await world.offered(first, two);
    const second = await world.request();
    const later = new Date(world.domain.now().getTime() + 3_600_000);
    const isAsleep = async () =>
      (
        await world.query(
          `UPDATE dispatch.searches SET next_time = $2
           WHERE trip_id = $1 AND wants_drivers AND claim_until IS NULL RETURNING 1`,
          [second.tripId, later],
        )
      ).length > 0;
    await waitFor("the second search to be put to sleep", isAsleep);
    one.available = false;
    await world.accept(first, one);
    await world.offered(second, two);
  });
});
