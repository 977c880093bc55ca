/**
 * How long an answer may be kept, by its headers.
 *
 * Source: RFC 9111, sections 4.2.1 and 5.2.2; the bounds are the Matrix specification's recommendations.
 */

const HOUR_MS = 3_600_000;

export const LIFETIMES = {
  /** Without any header. */
  defaultMs: 24 * HOUR_MS,
  maxMs: 48 * HOUR_MS,
  /** Whatever the header says: nobody can make us ask at every request. */
  minMs: 300_000,
} as const;

/** In ms. @param headers - names in lower case */
export function cacheLifetime(headers: Readonly<Record<string, string>>, now: number): number {
  return Math.min(LIFETIMES.maxMs, Math.max(LIFETIMES.minMs, wished(headers, now)));
}

function wished(headers: Readonly<Record<string, string>>, now: number): number {
  const directives = (headers['cache-control'] ?? '').toLowerCase().split(',');
  let maxAgeMs: number | null = null;
  for (const directive of directives) {
    const [name = '', value = ''] = directive.split('=').map((part) => part.trim());
    if (name === 'no-store' || name === 'no-cache') return 0;
    const seconds = value.replace(/^"(.*)"$/, '$1');
    if (name === 'max-age' && maxAgeMs === null && /^\d+$/.test(seconds)) maxAgeMs = Number(seconds) * 1000;
  }
  const age = /^\d+$/.test(headers['age'] ?? '') ? Number(headers['age']) * 1000 : 0;
  if (maxAgeMs !== null) return maxAgeMs - age;
  if (headers['expires'] === undefined) return LIFETIMES.defaultMs;
  const expires = Date.parse(headers['expires']);
  // "0" and other nonsense means that it has expired.
  if (Number.isNaN(expires)) return 0;
  const date = Date.parse(headers['date'] ?? '');
  return expires - (Number.isNaN(date) ? now : date);
}
