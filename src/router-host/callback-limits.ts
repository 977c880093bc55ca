/**
 * What a callback may cost before the host passes it over: `module_callbacks`, for all modules and per entry.
 */
export interface CallbackLimits {
  /** Deadline of one call, in ms. @default 2 s */
  readonly timeoutMs: number;
  /** Failures in a row after which a callback rests; 0 for never. @default 5 */
  readonly failuresBeforeRest: number;
  /** How long it rests, in ms. @default 30 s */
  readonly restMs: number;
  /** Entries of one answer that are looked at; what comes after them is dropped. @default 100,000 */
  readonly maxEntries: number;
  /** What holds where `getRestrictions` fails and has never said anything. @default 'deny' */
  readonly onFailure: 'deny' | 'allow';
}

export const DEFAULT_CALLBACK_LIMITS: CallbackLimits = {
  timeoutMs: 2000,
  failuresBeforeRest: 5,
  restMs: 30_000,
  maxEntries: 100_000,
  onFailure: 'deny',
};
