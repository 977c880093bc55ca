/**
 * When a destination that failed is tried again.
 *
 * First quickly, so that a restart of the peer goes nearly unnoticed: after about 1, 4, 16, 60, 60 … seconds. Then it rests, each time
 * longer. Every pause is shortened or stretched by chance (0.8–1.4), so that many that fail together do not come back together.
 * Source: the reference server's `federation` settings; behaviour §7.4.
 */
import type { FederationSenderOptions } from './sender-options.ts';

export type BackoffOptions = Pick<
  FederationSenderOptions,
  | 'maxLongRetries'
  | 'maxLongRetryDelayMs'
  | 'minRetryIntervalMs'
  | 'retryMultiplier'
  | 'maxRetryIntervalMs'
  | 'maxRetryAfterMs'
>;

export interface Pause {
  /** From the failure to the next attempt. */
  readonly delayMs: number;
  /** 0 while retries are quick. */
  readonly retryIntervalMs: number;
}

const FIRST_DELAY_MS = 1_000;
const QUICK_MULTIPLIER = 4;
const MIN_JITTER = 0.8;
const JITTER_RANGE = 0.6;

/**
 * @param failures - in a row, this one included: 1 or more
 * @param retryIntervalMs - of the rest before; 0 if there was none
 * @param retryAfterMs - what the peer asked for; honoured up to a limit, and never shortens the pause
 */
export function pauseAfter(
  failures: number,
  retryIntervalMs: number,
  retryAfterMs: number | null,
  options: BackoffOptions,
  random: () => number,
): Pause {
  const jitter = MIN_JITTER + JITTER_RANGE * random();
  const asked = Math.min(retryAfterMs ?? 0, options.maxRetryAfterMs);
  if (failures <= options.maxLongRetries) {
    const delayMs = Math.min(FIRST_DELAY_MS * QUICK_MULTIPLIER ** (failures - 1), options.maxLongRetryDelayMs) * jitter;
    return { delayMs: Math.round(Math.max(delayMs, asked)), retryIntervalMs: 0 };
  }
  const grown = retryIntervalMs === 0 ? options.minRetryIntervalMs : retryIntervalMs * options.retryMultiplier;
  const interval = Math.round(Math.min(grown * jitter, options.maxRetryIntervalMs));
  return { delayMs: Math.max(interval, Math.round(asked)), retryIntervalMs: interval };
}
