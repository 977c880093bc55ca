/**
 * The watchdog's thread, as text: a worker is started from it, so that it runs the same from TypeScript, from dist, and in tests.
 *
 * Plain JavaScript without imports of this project. It shares four cells with the main thread and never writes to them.
 */

/** Cells of the shared Int32Array. */
export const SECTION = 0;
/** Changes at each entering and leaving, so that two calls in a row are not taken for one long one. */
export const TURN = 1;
/** Changes while the main thread's loop turns. */
export const BEAT = 2;
/** The section whose promises are awaited, `SEVERAL`, or 0. */
export const PENDING = 3;
export const SEVERAL = -1;

/** How often the thread looks, and the main thread beats. */
export const POLL_MS = 250;

export interface WatchdogThreadData {
  readonly cells: Int32Array;
  readonly sections: readonly (readonly [module: string, activity: string, spec: string | undefined])[];
  readonly thresholdMs: number;
  readonly fd: number;
  readonly pretty: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
}

export const WATCHDOG_THREAD = `
  'use strict';
  const { writeSync } = require('node:fs');
  const { parentPort, workerData } = require('node:worker_threads');
  const { cells, thresholdMs, fd, pretty, fields } = workerData;
  const sections = [...workerData.sections];
  parentPort.on('message', (section) => sections.push(section));
  parentPort.unref();

  const watched = { calls: { key: '', since: 0, told: false }, loop: { key: '', since: 0, told: false } };

  function tell(section, blockedMs, message) {
    const [module, callback, spec] = sections[section - 1] ?? ['several', 'several'];
    const now = new Date();
    const details = { ...fields, module, spec, callback, blockedMs: Math.round(blockedMs) };
    const clock = now.toTimeString().slice(0, 8) + '.' + String(now.getMilliseconds()).padStart(3, '0');
    const line = pretty
      ? '[' + clock + '] WARN: ' + message + ' ' + JSON.stringify(details)
      : JSON.stringify({ level: 'warn', time: now.toISOString(), ...details, msg: message });
    try {
      writeSync(fd, line + '\\n');
    } catch {}
  }

  function watch(watch, key, section, message) {
    const now = performance.now();
    if (watch.key !== key) {
      watch.key = key;
      watch.since = now;
      watch.told = false;
    } else if (section !== 0 && !watch.told && now - watch.since >= thresholdMs) {
      watch.told = true;
      tell(section, now - watch.since, message);
    }
  }

  setInterval(() => {
    const [section, turn, beat, pending] = [0, 1, 2, 3].map((cell) => Atomics.load(cells, cell));
    watch(watched.calls, section + '/' + turn, section, 'a module is holding up the whole process');
    watch(watched.loop, String(beat), section === 0 ? pending : 0, 'the process is held up while the answer of a module is awaited');
  }, ${POLL_MS});
`;
