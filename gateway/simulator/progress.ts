/** A progress bar on a terminal, and nothing where there is none. */
import { Presets, SingleBar } from "cli-progress";

export interface Progress {
  show(text: string, done: number, of: number): void;
  clear(): void;
}

/** Draws on the stream if it is a terminal. */
export function createProgress(stream: NodeJS.WriteStream): Progress {
  if (!stream.isTTY) return { show: () => undefined, clear: () => undefined };
  let bar: SingleBar | undefined;
  let text = "";
  return {
    show: (now, done, of) => {
      if (!bar || now !== text) {
        bar?.stop();
        text = now;
        bar = new SingleBar(
          {
            stream,
            format: "{text} {bar} {value}/{total}",
            clearOnComplete: true,
            hideCursor: true,
          },
          Presets.shades_classic,
        );
        bar.start(of, done, { text });
      }
      bar.update(done, { text });
    },
    clear: () => {
      bar?.stop();
      bar = undefined;
    },
  };
}
