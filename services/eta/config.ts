/** Settings of the eta service. */

export interface EtaConfig {
  /** The learned model. */
  modelFile: URL | string;
}

export const defaultEtaConfig: EtaConfig = { modelFile: new URL("model.json", import.meta.url) };

/** From the environment: RIDEMESH_ETA_MODEL, a path; the model that comes along when not set. */
export function etaConfig(env: Record<string, string | undefined>): EtaConfig {
  return { modelFile: env["RIDEMESH_ETA_MODEL"] ?? defaultEtaConfig.modelFile };
}
