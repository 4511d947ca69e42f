/** Licence plates. */

/** The plate as it is shown: in capitals, without blanks around it. */
export function shownPlate(plate: string): string {
  return plate.trim().toUpperCase();
}

/** What tells plates apart: their letters and digits. "ab-12 3" is "AB 123". Empty when it has none. */
export function comparedPlate(plate: string): string {
  return plate.toUpperCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}
