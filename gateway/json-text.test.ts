import {
  ScalarType,
  create,
  fromBinary,
  toBinary,
  toJson,
  type DescField,
  type DescMessage,
  type Message,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  FieldDescriptorProto_Type as Type,
  TimestampSchema,
  timestampFromMs,
} from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import fc from "fast-check";
import { Role } from "../gen/es/ridemesh/options/v1/options_pb.js";
import { TripState } from "../gen/es/ridemesh/trip/v1/trip_pb.js";
import {
  GetTripResponseSchema,
  type GetTripResponse,
} from "../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { allMethods, isExternal } from "../services/runtime/contract.js";
import { declareMethod } from "../services/testing/declare-method.js";
import { jsonTextOf } from "./json-text.js";

const answers = [
  ...new Set(
    allMethods()
      .filter(isExternal)
      .map((method) => method.output),
  ),
];
const tripField = GetTripResponseSchema.fields.find((field) => field.name === "trip")!;

/** The general way, which is right by definition. */
function slowly(schema: DescMessage, bytes: Uint8Array, defaults: boolean): string {
  return JSON.stringify(
    toJson(schema, fromBinary(schema, bytes), { alwaysEmitImplicit: defaults }),
  );
}

function outcome(work: () => string): string {
  try {
    return work();
  } catch {
    return "refused";
  }
}

describe("JSON text of messages", () => {
  for (const schema of answers) {
    it(`is for ${schema.typeName} what the general way gives`, () => {
      const texts = [true, false].map((defaults) => [defaults, jsonTextOf(schema, { defaults })]);
      fc.assert(
        fc.property(messageArbitrary(schema, 3), (message) => {
          const bytes = toBinary(schema, message);
          for (const [defaults, text] of texts as [boolean, (b: Uint8Array) => string][]) {
            expect(text(bytes)).to.equal(slowly(schema, bytes, defaults));
          }
        }),
        { numRuns: 25 },
      );
    });
  }

  it("is the same for bytes that were damaged: the same text, or refused as well", () => {
    const text = jsonTextOf(GetTripResponseSchema, { defaults: true });
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(
        messageArbitrary(GetTripResponseSchema, 3) as fc.Arbitrary<GetTripResponse>,
        damage,
        fc.nat(),
        (message, changes, cut) => {
          const whole = Buffer.from(toBinary(GetTripResponseSchema, message));
          for (const [at, value] of changes) if (whole.length > 0) whole[at % whole.length] = value;
          const bytes = cut % 3 === 0 ? whole.subarray(0, cut % (whole.length + 1)) : whole;
          expect(outcome(() => text(bytes))).to.equal(
            outcome(() => slowly(GetTripResponseSchema, bytes, true)),
          );
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("writes every scalar type, alone and repeated", () => {
    const types = [
      Type.DOUBLE,
      Type.FLOAT,
      Type.INT64,
      Type.UINT64,
      Type.INT32,
      Type.FIXED64,
      Type.FIXED32,
      Type.BOOL,
      Type.STRING,
      Type.BYTES,
      Type.UINT32,
      Type.SFIXED32,
      Type.SFIXED64,
      Type.SINT32,
      Type.SINT64,
    ];
    const fields = types.flatMap((type) => [
      { name: `one_${Type[type].toLowerCase()}`, type },
      { name: `many_${Type[type].toLowerCase()}`, type, repeated: true },
    ]);
    const schema = declareMethod({ response: fields }).output;
    const texts = [true, false].map((defaults) => jsonTextOf(schema, { defaults }));
    fc.assert(
      fc.property(messageArbitrary(schema, 1), (message) => {
        const bytes = toBinary(schema, message);
        expect(texts[0]!(bytes)).to.equal(slowly(schema, bytes, true));
        expect(texts[1]!(bytes)).to.equal(slowly(schema, bytes, false));
      }),
      { numRuns: 300 },
    );
  });

  it("writes times of every precision, and refuses those that are none", () => {
    const schema = declareMethod({
      response: [{ name: "time", typeName: ".google.protobuf.Timestamp" }],
    }).output;
    const text = jsonTextOf(schema, { defaults: true });
    const bytesOf = (seconds: bigint, nanos: number) => {
      const time = toBinary(TimestampSchema, create(TimestampSchema, { seconds, nanos }));
      return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(time).finish();
    };
    for (const [seconds, nanos] of [
      [0n, 0],
      [1_772_816_400n, 0],
      [1_772_816_400n, 125_000_000],
      [1_772_816_400n, 125_500_000],
      [1_772_816_400n, 1000],
      [1_772_816_400n, 1],
      [253_402_300_799n, 999_999_999],
      [-1n, 5],
      [-62_135_596_800n, 0],
    ] as const) {
      const bytes = bytesOf(seconds, nanos);
      expect(text(bytes), `${seconds}.${nanos}`).to.equal(slowly(schema, bytes, true));
    }
    for (const [seconds, nanos] of [
      [253_402_300_800n, 0],
      [0n, 1_000_000_000],
      [0n, -1],
    ] as const) {
      expect(() => text(bytesOf(seconds, nanos)), `${seconds}.${nanos}`).to.throw();
    }
  });

  it("merges a message that comes in pieces, and lets the last value of a field count", () => {
    const pieces = [
      { trip: { tripId: "a", state: TripState.MATCHING, requestTime: timestampFromMs(1) } },
      { trip: { tripId: "b", cityId: "c" } },
    ].map((init) => toBinary(GetTripResponseSchema, create(GetTripResponseSchema, init)));
    const bytes = Buffer.concat(pieces);
    const text = jsonTextOf(GetTripResponseSchema, { defaults: false });
    expect(JSON.parse(text(bytes))).to.deep.equal({
      trip: {
        tripId: "b",
        state: "TRIP_STATE_MATCHING",
        cityId: "c",
        requestTime: "1970-01-01T00:00:00.001Z",
      },
    });
  });

  it("knows an enum's new values by their numbers, and passes over fields that it does not know", () => {
    const trip = create(GetTripResponseSchema, { trip: { state: 99 as TripState, pin: "1" } });
    const bytes = Buffer.concat([
      toBinary(GetTripResponseSchema, trip),
      new BinaryWriter().tag(999, WireType.LengthDelimited).string("new").finish(),
      new BinaryWriter().tag(998, WireType.Varint).uint32(5).finish(),
      new BinaryWriter().tag(997, WireType.Bit64).double(5).finish(),
      new BinaryWriter().tag(996, WireType.Bit32).float(5).finish(),
    ]);
    const text = jsonTextOf(GetTripResponseSchema, { defaults: false });
    expect(JSON.parse(text(bytes))).to.deep.equal({ trip: { state: 99, pin: "1" } });
  });

  it("leaves types with well-known types of other kinds to the general way", () => {
    const method = declareMethod({
      response: [{ name: "role", type: Type.ENUM, typeName: ".ridemesh.options.v1.Role" }],
    });
    const bytes = new BinaryWriter().tag(1, WireType.Varint).int32(Role.DRIVER).finish();
    expect(jsonTextOf(method.output, { defaults: false })(bytes)).to.equal(
      '{"role":"ROLE_DRIVER"}',
    );
  });

  it("can be of one field alone", () => {
    const only = jsonTextOf(GetTripResponseSchema, { defaults: true, only: tripField });
    const bytes = toBinary(
      GetTripResponseSchema,
      create(GetTripResponseSchema, { trip: { tripId: "a" } }),
    );
    const whole = JSON.parse(slowly(GetTripResponseSchema, bytes, true)) as { trip: object };
    expect(JSON.parse(only(bytes))).to.deep.equal(whole.trip);
    expect(only(new Uint8Array())).to.equal("null");
  });
});

/** Messages of a type with some of their fields set, also to what is rare. */
function messageArbitrary(schema: DescMessage, depth: number): fc.Arbitrary<Message> {
  const fields = schema.fields.filter((field) => depth > 0 || !field.message);
  const values = fc.tuple(
    ...fields.map((f) => fc.option(fieldArbitrary(f, depth - 1), { freq: 2 })),
  );
  return values.map((given) => {
    const message = reflect(schema, create(schema));
    given.forEach((value, i) => {
      if (value !== null) setField(message, fields[i]!, value);
    });
    return message.message;
  });
}

function setField(message: ReturnType<typeof reflect>, field: DescField, value: unknown): void {
  if (field.fieldKind !== "list") {
    const one = field.message ? reflect(field.message, value as Message) : value;
    message.set(field, one);
    return;
  }
  const list = message.get(field) as unknown as { add(item: unknown): void };
  for (const item of value as unknown[]) {
    list.add(field.message ? reflect(field.message, item as Message) : item);
  }
}

function fieldArbitrary(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const one = singleArbitrary(field, depth);
  return field.fieldKind === "list" ? fc.array(one, { maxLength: 3 }) : one;
}

function singleArbitrary(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message) {
    if (field.message.typeName !== "google.protobuf.Timestamp") {
      return messageArbitrary(field.message, depth);
    }
    return fc
      .tuple(fc.bigInt(-62_135_596_800n, 253_402_300_799n), fc.nat({ max: 999_999_999 }))
      .map(([seconds, nanos]) =>
        create(TimestampSchema, { seconds, nanos: nanos % 3 === 0 ? (nanos % 1000) * 1e6 : nanos }),
      );
  }
  if (field.enum) {
    return fc.oneof(fc.constantFrom(...field.enum.values.map((v) => v.number)), fc.constant(77));
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      return fc.oneof(
        fc.string({ unit: "binary" }),
        fc.string(),
        fc.constant('\ufffd\u2028"\\\u0000'),
      );
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity, 5e-324));
    case ScalarType.FLOAT:
      return fc.oneof(fc.float(), fc.constantFrom(0, -0));
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)));
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 2 ** 32 - 1));
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return fc.oneof(
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
        fc.constantFrom(0n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)),
      );
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(0n, 2n ** 64n - 1n));
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 40 });
    default:
      throw new Error("a field of an unknown type");
  }
}
