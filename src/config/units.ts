/**
 * Durations and sizes as the configuration spells them: `30s`, `5m`, `50M`, or a plain whole number.
 *
 * Source: the reference server's configuration manual: a whole number with a suffix, and without one milliseconds or bytes.
 */

const DURATION_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** Returns milliseconds, or null if `value` is not a duration. Negative durations are read, so that the caller can name them. */
export function parseDuration(value: unknown): number | null {
  return parseWithUnit(value, /^(-?\d+)([smhdwy]?)$/, DURATION_UNITS);
}

/** Returns bytes, or null if `value` is not a size. */
export function parseSize(value: unknown): number | null {
  return parseWithUnit(value, /^(-?\d+)([KMGT]?)$/, SIZE_UNITS);
}

function parseWithUnit(value: unknown, pattern: RegExp, units: Readonly<Record<string, number>>): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : null;
  const match = typeof value === 'string' ? pattern.exec(value.trim()) : null;
  if (match === null) return null;
  const [, digits = '', unit = ''] = match;
  const result = Number(digits) * (units[unit] ?? Number.NaN);
  return Number.isSafeInteger(result) ? result : null;
}

/** Prints milliseconds in the largest unit that divides them: 90000 → `90s`. */
export function formatDuration(ms: number): string {
  for (const unit of ['w', 'd', 'h', 'm', 's']) {
    const size = DURATION_UNITS[unit] ?? Number.NaN;
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`;
  }
  return String(ms);
}
