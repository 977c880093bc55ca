/**
 * How often time has to act: five seconds, or less when a timer is so short that five seconds would blur it (product §4.9).
 */
import type { PresenceTimers } from './engine-api.ts';

const LONGEST_TICK_MS = 5_000;
const SHORTEST_TICK_MS = 10;
const TICKS_PER_TIMER = 6;

/** How often `tick` is to be called, in ms: often enough for the shortest timer. */
export function tickFor(timers: PresenceTimers): number {
  const { observerLingerMs: _, ...presenceTimers } = timers;
  const shortest = Math.min(...Object.values(presenceTimers));
  return Math.max(SHORTEST_TICK_MS, Math.min(LONGEST_TICK_MS, Math.floor(shortest / TICKS_PER_TIMER)));
}
