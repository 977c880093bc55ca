/**
 * Notices, from a thread of its own, that module code holds up the process, and says so while it still does.
 *
 * The main thread marks in shared memory which section (module and activity) it is inside, and beats while its loop turns. The
 * thread looks four times a second. After `thresholdMs` in one section, or without a beat while a module's promise is awaited, it
 * writes one log line itself: the main thread could not. Counting it as a failure is left to the caller, when it gets that far.
 */
import { Worker } from 'node:worker_threads';
import {
  BEAT,
  PENDING,
  POLL_MS,
  SECTION,
  SEVERAL,
  TURN,
  WATCHDOG_THREAD,
  type WatchdogThreadData,
} from './watchdog-thread.ts';

export interface Watchdog {
  /**
   * Names a section, once at construction. Returns its number.
   *
   * @param spec - the module's file and export
   */
  section(module: string, activity: string, spec?: string): number;
  /** The main thread enters a section. Returns the one it was in, which `leave` wants back. A few nanoseconds. */
  enter(section: number): number;
  leave(previous: number): void;
  /** A promise of this section is awaited. */
  pend(section: number): void;
  /** It is not any more. Returns whether the process was held up meanwhile, and by nothing but this section. */
  unpend(section: number): boolean;
  start(): void;
  stop(): Promise<void>;
}

export interface WatchdogOptions {
  /** How long module code may hold up the process before it is told. @default 1 s */
  readonly thresholdMs?: number;
  /** Where the thread writes its lines: 1 for standard output, 2 for standard error. @default 2 */
  readonly fd?: number;
  /** Lines for people, as the logger's, rather than JSON. @default false */
  readonly pretty?: boolean;
  /** Members that every log line of this process has, such as `pid`. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export const BLOCKED_MS = 1000;

/** For tests with a manual clock, and servers without modules. */
export const NO_WATCHDOG: Watchdog = {
  section: () => 0,
  enter: () => 0,
  leave: () => undefined,
  pend: () => undefined,
  unpend: () => false,
  start: () => undefined,
  stop: () => Promise.resolve(),
};

export function createWatchdog({
  thresholdMs = BLOCKED_MS,
  fd = 2,
  pretty = false,
  fields = {},
}: WatchdogOptions = {}): Watchdog {
  const cells = new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));
  const sections: [module: string, activity: string, spec: string | undefined][] = [];
  const pending = new Map<number, number>();
  let worker: Worker | undefined;
  let beat: NodeJS.Timeout | undefined;
  let lastBeat = 0;

  const tellPending = (): void => {
    const [first = 0] = pending.keys();
    Atomics.store(cells, PENDING, pending.size > 1 ? SEVERAL : first);
  };

  return {
    section(module, activity, spec) {
      // A module that is loaded again has the section it had.
      const known = sections.findIndex((names) => names[0] === module && names[1] === activity && names[2] === spec);
      if (known >= 0) return known + 1;
      const section = sections.push([module, activity, spec]);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker?.postMessage([module, activity, spec]);
      return section;
    },
    enter(section) {
      const previous = Atomics.load(cells, SECTION);
      Atomics.add(cells, TURN, 1);
      Atomics.store(cells, SECTION, section);
      return previous;
    },
    leave(previous) {
      Atomics.add(cells, TURN, 1);
      Atomics.store(cells, SECTION, previous);
    },
    pend(section) {
      pending.set(section, (pending.get(section) ?? 0) + 1);
      tellPending();
    },
    unpend(section) {
      const alone = pending.size === 1;
      const count = (pending.get(section) ?? 1) - 1;
      if (count > 0) pending.set(section, count);
      else pending.delete(section);
      tellPending();
      return alone && lastBeat > 0 && performance.now() - lastBeat >= thresholdMs + POLL_MS;
    },
    start() {
      if (worker !== undefined) return;
      const workerData: WatchdogThreadData = { cells, sections, thresholdMs, fd, pretty, fields };
      worker = new Worker(WATCHDOG_THREAD, { eval: true, workerData, resourceLimits: { maxOldGenerationSizeMb: 16 } });
      worker.on('error', () => undefined);
      worker.unref();
      lastBeat = performance.now();
      beat = setInterval(() => {
        lastBeat = performance.now();
        Atomics.add(cells, BEAT, 1);
      }, POLL_MS);
      beat.unref();
    },
    async stop() {
      clearInterval(beat);
      await worker?.terminate();
      worker = undefined;
      lastBeat = 0;
    },
  };
}
