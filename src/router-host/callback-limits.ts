/**
 * What a callback may cost before the host passes it over: `module_callbacks`, for all modules and per entry.
 */
import { ConfigError } from '../errors.ts';
import { show } from './describe-value.ts';

export interface CallbackLimits {
  /** Deadline of one call, in ms. @default 2 s */
  readonly timeoutMs: number;
  /** Failures in a row after which a callback rests; 0 for never. @default 5 */
  readonly failuresBeforeRest: number;
  /** How long it rests, in ms. @default 30 s */
  readonly restMs: number;
  /** Entries of one answer that are looked at; what comes after them is dropped. @default 100,000 */
  readonly maxEntries: number;
}

export const DEFAULT_CALLBACK_LIMITS: CallbackLimits = {
  timeoutMs: 2000,
  failuresBeforeRest: 5,
  restMs: 30_000,
  maxEntries: 100_000,
};

const KEYS = ['timeout', 'failures_before_rest', 'rest', 'max_entries'] as const;

/**
 * Reads a `module_callbacks` mapping over `defaults`.
 *
 * @param path - where the mapping is in the configuration
 * @throws ConfigError for the first thing that is wrong
 */
export function parseCallbackLimits(
  value: unknown,
  defaults: CallbackLimits,
  path: readonly (string | number)[],
): CallbackLimits {
  if (value === undefined || value === null) return defaults;
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ConfigError(`must be a mapping with any of ${KEYS.join(', ')}, not ${show(value)}`, path);
  }
  const given = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(given)) {
    if (!(KEYS as readonly string[]).includes(key)) {
      throw new ConfigError(`is not a key of module_callbacks, which are ${KEYS.join(', ')}`, [...path, key]);
    }
  }
  const read = (key: (typeof KEYS)[number], parse: Parse, fallback: number): number =>
    given[key] === undefined ? fallback : parse(given[key], [...path, key]);
  return {
    timeoutMs: read('timeout', parseDuration, defaults.timeoutMs),
    failuresBeforeRest: read('failures_before_rest', parseCount, defaults.failuresBeforeRest),
    restMs: read('rest', parseDuration, defaults.restMs),
    maxEntries: read('max_entries', parseCount, defaults.maxEntries),
  };
}

type Parse = (value: unknown, path: readonly (string | number)[]) => number;

const UNITS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
// What a timer can wait.
const MAX_DURATION_MS = 2 ** 31 - 1;

const parseDuration: Parse = (value, path) => {
  const [, digits, unit = ''] = /^(\d{1,15})(ms|s|m|h|d)?$/.exec(String(value)) ?? [];
  const ms = Number(digits) * (UNITS[unit] ?? Number.NaN);
  if ((typeof value === 'string' || typeof value === 'number') && ms > 0 && ms <= MAX_DURATION_MS) return ms;
  throw new ConfigError(`must be a duration such as "2s" or "500ms", not ${show(value)}`, path);
};

const parseCount: Parse = (value, path) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ConfigError(`must be a whole number, 0 or more, not ${show(value)}`, path);
};
