/** Settings of the location service. */

export interface LocationConfig {
  /** How many days points are kept. */
  retentionDays: number;
}

/** From the environment: RIDEMESH_LOCATION_RETENTION_DAYS, 2 to 3650, 90 when not set. */
export function locationConfig(env: Record<string, string | undefined>): LocationConfig {
  const text = env["RIDEMESH_LOCATION_RETENTION_DAYS"] ?? "90";
  const retentionDays = Number(text);
  if (!Number.isInteger(retentionDays) || retentionDays < 2 || retentionDays > 3650) {
    throw new Error(
      `RIDEMESH_LOCATION_RETENTION_DAYS must be a whole number from 2 to 3650, not ${text}`,
    );
  }
  return { retentionDays };
}
