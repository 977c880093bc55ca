/**
 * The `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3).
 */

/** In ms, 0 for a date that has passed; null without the header and for what is neither. */
export function retryAfterMs(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  if (/^\d{1,10}$/.test(value.trim())) return Number(value.trim()) * 1000;
  const date = /[A-Za-z]/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}
