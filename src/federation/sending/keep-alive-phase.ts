/**
 * When the keep-alives of a destination go: each destination has its own moment in a period, by the hash of its name.
 *
 * So they collect into full EDUs, and those of many destinations are spread evenly, also when all fall due at once.
 */
import type { ServerName } from '../../matrix/identifiers.ts';

/** The next moment of `destination`, less than `periodMs` after `now`. */
export function keepAlivesDueTs(destination: ServerName, now: number, periodMs: number): number {
  if (periodMs === 0) return now;
  const phase = hash(destination) % periodMs;
  return now + ((((phase - now) % periodMs) + periodMs) % periodMs);
}

/** FNV-1a, 32 bits, and mixed once more: names differ in few characters. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
