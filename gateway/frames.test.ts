import { expect } from "chai";
import fc from "fast-check";
import { Code, type StatusError } from "../services/runtime/status.js";
import { frame, frames } from "./frames.js";

async function* cut(bytes: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) return;
    yield bytes.subarray(at, at + size);
    at += size;
  }
  if (at < bytes.length) yield bytes.subarray(at);
}

async function read(chunks: AsyncIterable<Buffer>, maxMessageBytes = 1000): Promise<string[]> {
  const found: string[] = [];
  for await (const message of frames(chunks, maxMessageBytes)) found.push(message.toString("hex"));
  return found;
}

async function refusalOf(bytes: Buffer): Promise<StatusError> {
  return read(cut(bytes, [])).then(
    () => Promise.reject(new Error("it was taken")),
    (error: StatusError) => error,
  );
}

describe("gRPC frames", () => {
  it("come back as they were, however the bytes are cut", async () => {
    const message = fc.uint8Array({ maxLength: 300 });
    const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 8 }), sizes, async (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((m) => frame(m)));
        const expected = messages.map((m) => Buffer.from(m).toString("hex"));
        expect(await read(cut(bytes, cuts))).to.deep.equal(expected);
      }),
    );
  });

  it("are refused when a message is compressed, too large, or not whole", async () => {
    const compressed = frame(Buffer.from("x"));
    compressed[0] = 1;
    expect((await refusalOf(compressed)).code).to.equal(Code.UNIMPLEMENTED);
    const large = await refusalOf(frame(Buffer.alloc(1001)));
    expect([large.code, large.reason]).to.deep.equal([Code.RESOURCE_EXHAUSTED, "BODY_TOO_LARGE"]);
    const whole = frame(Buffer.from("hello"));
    expect((await refusalOf(whole.subarray(0, 8))).code).to.equal(Code.INVALID_ARGUMENT);
    expect((await refusalOf(whole.subarray(0, 3))).code).to.equal(Code.INVALID_ARGUMENT);
  });

  it("of the largest size are taken", async () => {
    expect(await read(cut(frame(Buffer.alloc(1000)), [7, 11]))).to.have.length(1);
  });
});
