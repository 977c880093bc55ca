/**
 * When a quiet local user is sent again: the ping interval after the last send, and up to 3 % later, differently for each user.
 *
 * Users who were told of in the same second (everybody comes back after a restart) would otherwise be due in the same second for ever.
 * With the default of 25 minutes nobody waits longer than 25:45; what a transport adds must leave the 30 minutes of a peer alone.
 */

const SPREAD = 0.03;
/** 2³² divided by the golden ratio: multiples of it, modulo 2³², lie evenly, also those of consecutive ids. */
const GOLDEN = 0x9e3779b1;

/** How long after the last send the user of this dense id is due, in ms. */
export function keepAliveAfterMs(uid: number, intervalMs: number): number {
  const place = (Math.imul(uid + 1, GOLDEN) >>> 0) / 2 ** 32;
  return intervalMs + Math.floor(place * intervalMs * SPREAD);
}
