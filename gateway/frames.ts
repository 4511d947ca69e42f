/** gRPC's framing: a flag byte, the length in four bytes, the message. */
import { Code, StatusError } from "../services/runtime/status.js";

/** A message with its prefix, not compressed. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 5);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** The messages in a stream of bytes. Throws for compressed and for too large ones. */
export async function* frames(
  chunks: AsyncIterable<Buffer>,
  maxMessageBytes: number,
): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      if (rest[0] !== 0) throw refuse(Code.UNIMPLEMENTED, "compressed messages are not taken");
      const length = rest.readUInt32BE(1);
      if (length > maxMessageBytes) {
        throw refuse(
          Code.RESOURCE_EXHAUSTED,
          `the message is larger than ${maxMessageBytes} bytes`,
          "BODY_TOO_LARGE",
        );
      }
      if (rest.length < 5 + length) break;
      yield rest.subarray(5, 5 + length);
      rest = rest.subarray(5 + length);
    }
  }
  if (rest.length > 0) throw refuse(Code.INVALID_ARGUMENT, "the last message is not whole");
}

function refuse(code: Code, message: string, reason = "INVALID_REQUEST"): StatusError {
  return new StatusError(code, { reason, domain: "ridemesh", message });
}
