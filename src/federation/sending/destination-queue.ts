/**
 * What waits for one destination: the newest state of each user, in the order in which the users came. Never a history.
 *
 * Real updates and keep-alives wait apart: an update makes the user's keep-alive needless, keep-alives can wait, and they ride along
 * when something goes anyway.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import { presenceEdu, type StateWriter } from './render-transaction.ts';

export interface TakeLimits {
  readonly maxStatesPerEdu: number;
  readonly maxEdus: number;
  /** No further state is taken once so many characters are. */
  readonly maxLength: number;
}

export interface Taken {
  /** EDUs in JSON, comma between them. */
  readonly edus: string;
  readonly eduCount: number;
  readonly stateCount: number;
  /** Everything in it was told at or after. */
  readonly toldTs: number;
}

/** States in all queues. */
export interface Tally {
  states: number;
}

export class DestinationQueue {
  #tally: Tally;
  readonly #updates = new Map<UserId, UserPresenceState>();
  readonly #keepAlives = new Map<UserId, UserPresenceState>();
  #updatesToldTs = Infinity;
  #keepAlivesToldTs = Infinity;
  /** When the oldest update came, for the coalescing window. */
  sinceTs = Infinity;
  /** When keep-alives go by themselves. */
  keepAlivesDueTs = Infinity;

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  get size(): number {
    return this.#updates.size + this.#keepAlives.size;
  }

  get updates(): number {
    return this.#updates.size;
  }

  get keepAlives(): number {
    return this.#keepAlives.size;
  }

  /** Everything in it was told at or after; Infinity if it is empty. */
  get toldTs(): number {
    return Math.min(this.#updatesToldTs, this.#keepAlivesToldTs);
  }

  /** A newer state replaces the value, and keeps the place. Returns how many replaced one. */
  add(states: readonly UserPresenceState[], now: number): number {
    const before = this.#updates.size;
    const sizeBefore = this.size;
    if (before === 0) this.sinceTs = now;
    for (const state of states) {
      this.#updates.set(state.userId, state);
      if (this.#keepAlives.size > 0) this.#keepAlives.delete(state.userId);
      this.#updatesToldTs = Math.min(this.#updatesToldTs, toldTs(state, now));
    }
    if (this.#keepAlives.size === 0) this.#keepAlivesToldTs = Infinity;
    this.#tally.states += this.size - sizeBefore;
    return states.length - (this.#updates.size - before);
  }

  /** Adds one that is owed, unless something newer waits. Since when it is owed is the destination's concern. */
  addOwed(state: UserPresenceState, now: number): void {
    if (this.#updates.has(state.userId)) return;
    if (this.#updates.size === 0) this.sinceTs = now;
    this.#updates.set(state.userId, state);
    this.#tally.states++;
  }

  addKeepAlives(states: readonly UserPresenceState[], now: number, dueTs: number): void {
    const sizeBefore = this.size;
    if (this.#keepAlives.size === 0) this.keepAlivesDueTs = dueTs;
    for (const state of states) {
      if (this.#updates.has(state.userId)) continue;
      this.#keepAlives.set(state.userId, state);
      this.#keepAlivesToldTs = Math.min(this.#keepAlivesToldTs, toldTs(state, now));
    }
    this.#tally.states += this.size - sizeBefore;
  }

  /** Whether `take` would give something. */
  isDue(now: number): boolean {
    return this.#updates.size > 0 || (this.#keepAlives.size > 0 && this.keepAlivesDueTs <= now);
  }

  /** It is given up: what it holds, or is still put into it, does not count any more. */
  dispose(): void {
    this.#tally.states -= this.size;
    this.#tally = { states: 0 };
  }

  /**
   * Takes the oldest that fit into one transaction, at least one if `isDue`; `now` is what `last_active_ago` counts from.
   * Keep-alives that are not due fill up the last EDU, no more.
   */
  take(limits: TakeLimits, writer: StateWriter, now: number): Taken {
    const edus = new EduBuilder(limits);
    const sizeBefore = this.size;
    const told = Math.min(this.#updatesToldTs, this.#keepAlivesToldTs);
    drain(this.#updates, (state) => edus.add(writer.entry(state, now), false));
    const isDue = this.keepAlivesDueTs <= now;
    drain(this.#keepAlives, (state) => edus.add(writer.entry(state, now), !isDue));
    if (this.#updates.size === 0) {
      this.#updatesToldTs = Infinity;
      this.sinceTs = Infinity;
    }
    if (this.#keepAlives.size === 0) {
      this.#keepAlivesToldTs = Infinity;
      this.keepAlivesDueTs = Infinity;
    }
    this.#tally.states += this.size - sizeBefore;
    return { ...edus.finish(), toldTs: told };
  }
}

/**
 * Since when `state`, told at `now`, counts as told: the time that the engine notes with it, which is before it reaches this place.
 * Whoever asks for what was told since then gets it, too.
 */
export function toldTs({ lastFederationUpdateTs }: UserPresenceState, now: number): number {
  return lastFederationUpdateTs === 0 ? now : Math.min(lastFederationUpdateTs, now);
}

function drain(from: Map<UserId, UserPresenceState>, take: (state: UserPresenceState) => boolean): void {
  for (const [userId, state] of from) {
    if (!take(state)) return;
    from.delete(userId);
  }
}

class EduBuilder {
  readonly #limits: TakeLimits;
  #done = '';
  #open = '';
  #openStates = 0;
  #eduCount = 0;
  #stateCount = 0;

  constructor(limits: TakeLimits) {
    this.#limits = limits;
  }

  /** Whether there was room. @param fillOnly - not in an EDU of its own */
  add(entry: string, fillOnly: boolean): boolean {
    const { maxStatesPerEdu, maxEdus, maxLength } = this.#limits;
    if (this.#stateCount > 0 && this.#done.length + this.#open.length + entry.length > maxLength) return false;
    if (this.#openStates >= maxStatesPerEdu) {
      if (fillOnly || this.#eduCount + 1 >= maxEdus) return false;
      this.#close();
    } else if (fillOnly && this.#stateCount === 0) return false;
    this.#open += this.#openStates === 0 ? entry : `,${entry}`;
    this.#openStates++;
    this.#stateCount++;
    return true;
  }

  finish(): Omit<Taken, 'toldTs'> {
    if (this.#openStates > 0) this.#close();
    return { edus: this.#done, eduCount: this.#eduCount, stateCount: this.#stateCount };
  }

  #close(): void {
    this.#done += `${this.#eduCount === 0 ? '' : ','}${presenceEdu(this.#open)}`;
    this.#open = '';
    this.#openStates = 0;
    this.#eduCount++;
  }
}
