/**
 * Serialised `m.presence` events, made once for an update and shared by all who get it.
 *
 * `last_active_ago` ages with every millisecond, so a text is used again for a short time only. Bounded by entries and by characters;
 * when it is full it starts again from nothing, which costs a serialisation each.
 */
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { formatEvent } from './format-presence.ts';

const MAX_AGE_MS = 250;
const MAX_ENTRIES = 10_000;
const MAX_CHARACTERS = 16_000_000;

interface Body {
  readonly text: string;
  readonly madeTs: number;
}

export class EventBodies {
  readonly #stateOf: (uid: number) => UserPresenceState;
  readonly #bodies = new Map<number, Body>();
  #characters = 0;

  constructor(stateOf: (uid: number) => UserPresenceState) {
    this.#stateOf = stateOf;
  }

  get size(): number {
    return this.#bodies.size;
  }

  /** The event about `uid`, rendered at most 250 ms before `now`. */
  get(uid: number, now: number): string {
    const known = this.#bodies.get(uid);
    if (known !== undefined && now - known.madeTs <= MAX_AGE_MS && now >= known.madeTs) return known.text;
    const text = formatEvent(this.#stateOf(uid), now);
    this.drop(uid);
    if (this.#bodies.size >= MAX_ENTRIES || this.#characters + text.length > MAX_CHARACTERS) this.clear();
    this.#bodies.set(uid, { text, madeTs: now });
    this.#characters += text.length;
    return text;
  }

  /** The user's record has changed. */
  drop(uid: number): void {
    const known = this.#bodies.get(uid);
    if (known === undefined) return;
    this.#bodies.delete(uid);
    this.#characters -= known.text.length;
  }

  clear(): void {
    this.#bodies.clear();
    this.#characters = 0;
  }
}
