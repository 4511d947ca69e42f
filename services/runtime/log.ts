/** Logs: pino, one line a fact, with service, request and trace ids. Request bodies are never logged. */
import pino, { type Logger } from "pino";

export type { Logger } from "pino";

export interface LogOptions {
  /** As pino's, "silent" for none. */
  level: string;
  /** Where lines go: standard output, or a file. */
  destination?: string;
}

/** A logger for one process, or one thread. */
export function createLogger(options: LogOptions): Logger {
  return pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: options.destination ?? 1, sync: true, mkdir: true }),
  );
}

/** Logs nothing. */
export const silentLogger: Logger = pino({ level: "silent" });
