/**
 * How far a long run is: a bar on a terminal, elsewhere a line now and then. On the standard error, so that results stay clean.
 */

export interface Progress extends Disposable {
  /** @param done - of 1; null if nobody knows */
  show(done: number | null, text: string): void;
}

const BAR_EVERY_MS = 100;
const LINE_EVERY_MS = 10_000;
const WIDTH = 30;

/** @param now - in ms */
export function createProgress(
  stream: { readonly isTTY?: boolean; write(text: string): unknown },
  now: () => number = () => performance.now(),
): Progress {
  const isBar = stream.isTTY === true;
  let lastTs = now();
  let isShown = false;
  return {
    show(done, text) {
      if (now() - lastTs < (isBar ? BAR_EVERY_MS : LINE_EVERY_MS)) return;
      lastTs = now();
      const percent = done === null ? '' : `${Math.floor(done * 100)} %, `;
      if (!isBar) {
        stream.write(`${percent}${text}\n`);
        return;
      }
      isShown = true;
      const filled = done === null ? 0 : Math.round(done * WIDTH);
      const bar = done === null ? '' : `[${'#'.repeat(filled)}${' '.repeat(WIDTH - filled)}] `;
      stream.write(`\r\u001B[K${bar}${percent}${text}`);
    },
    [Symbol.dispose]() {
      if (isShown) stream.write('\r\u001B[K');
    },
  };
}
