/**
 * Time, as everything outside the pure core sees it. Tests move a manual clock; production reads the system's.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. Never goes backwards between two calls in one process. */
  now(): number;
  /** Calls `callback` once, `delayMs` from now at the earliest. The timer does not keep the process alive. */
  setTimeout(callback: () => void, delayMs: number): Timer;
}

export interface Timer extends Disposable {
  /** Stops the timer; harmless when it has fired. */
  cancel(): void;
}
