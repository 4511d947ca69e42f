/** What kind of file some bytes are, by how they begin: what the sender says is not believed. */

const signatures: readonly { contentType: string; bytes: readonly number[] }[] = [
  { contentType: "image/png", bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  { contentType: "image/jpeg", bytes: [0xff, 0xd8, 0xff] },
  // "%PDF-"
  { contentType: "application/pdf", bytes: [0x25, 0x50, 0x44, 0x46, 0x2d] },
];

/** "image/png", "image/jpeg" or "application/pdf"; undefined for everything else. */
export function sniffContentType(file: Uint8Array): string | undefined {
  return signatures.find(({ bytes }) => bytes.every((byte, i) => file[i] === byte))?.contentType;
}
