/** gRPC's framing: a flag byte, the length in four bytes, the message. */
import { Code, StatusError } from "../services/runtime/status.js";

/** The bytes before a message. */
export const prefixBytes = 5;

/** A message with its prefix, not compressed. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + prefixBytes);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixBytes);
  return framed;
}

/** The messages in a stream of bytes. Throws for compressed and for too large ones. */
export async function* frames(
  chunks: AsyncIterable<Buffer>,
  maxMessageBytes: number,
): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let size = 0;
  let wanted = prefixBytes;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.length;
    // A large message comes in many chunks: they are put together once.
    if (size < wanted) continue;
    let rest = parts.length === 1 ? parts[0]! : Buffer.concat(parts, size);
    wanted = prefixBytes;
    while (rest.length >= prefixBytes) {
      if (rest[0] !== 0) throw refuse(Code.UNIMPLEMENTED, "compressed messages are not taken");
      const length = rest.readUInt32BE(1);
      if (length > maxMessageBytes) {
        throw refuse(
          Code.RESOURCE_EXHAUSTED,
          `the message is larger than ${maxMessageBytes} bytes`,
          "BODY_TOO_LARGE",
        );
      }
      wanted = prefixBytes + length;
      if (rest.length < wanted) break;
      yield rest.subarray(prefixBytes, wanted);
      rest = rest.subarray(wanted);
      wanted = prefixBytes;
    }
    parts = rest.length === 0 ? [] : [rest];
    size = rest.length;
  }
  if (size > 0) throw refuse(Code.INVALID_ARGUMENT, "the last message is not whole");
}

function refuse(code: Code, message: string, reason = "INVALID_REQUEST"): StatusError {
  return new StatusError(code, { reason, domain: "ridemesh", message });
}
