/**
 * Serialised `m.presence` events, made once for an update and form and shared by all who get it.
 *
 * `last_active_ago` ages with every millisecond, so a text is used again for a short time only. Bounded by entries and by characters;
 * when it is full it starts again from nothing, which costs a serialisation each.
 */
import { Form, isHidden } from '../core/forms.ts';
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
  /** In other forms than in full: uid → form → text. */
  readonly #reduced = new Map<number, Map<Form, Body>>();
  #entries = 0;
  #characters = 0;

  constructor(stateOf: (uid: number) => UserPresenceState) {
    this.#stateOf = stateOf;
  }

  get size(): number {
    return this.#entries;
  }

  /** The event about `uid` in the form, rendered at most 250 ms before `now`. */
  get(uid: number, form: Form, now: number): string {
    const known = form === Form.FULL ? this.#bodies.get(uid) : this.#reduced.get(uid)?.get(form);
    if (known !== undefined && now - known.madeTs <= MAX_AGE_MS && now >= known.madeTs) return known.text;
    const text = formatEvent(this.#stateOf(uid), now, form);
    // It says nothing but who: not worth a place.
    if (isHidden(form)) return text;
    const isFull = this.#entries >= MAX_ENTRIES || this.#characters + text.length > MAX_CHARACTERS;
    if (isFull) this.clear();
    else if (known !== undefined) this.#subtract(known);
    this.#put(uid, form, { text, madeTs: now });
    return text;
  }

  /** The user's record has changed. */
  drop(uid: number): void {
    const known = this.#bodies.get(uid);
    if (known !== undefined) {
      this.#bodies.delete(uid);
      this.#subtract(known);
    }
    if (this.#reduced.size === 0) return;
    for (const body of this.#reduced.get(uid)?.values() ?? []) this.#subtract(body);
    this.#reduced.delete(uid);
  }

  clear(): void {
    this.#bodies.clear();
    this.#reduced.clear();
    this.#entries = 0;
    this.#characters = 0;
  }

  #put(uid: number, form: Form, body: Body): void {
    this.#entries++;
    this.#characters += body.text.length;
    if (form === Form.FULL) {
      this.#bodies.set(uid, body);
      return;
    }
    const forms = this.#reduced.get(uid);
    if (forms === undefined) this.#reduced.set(uid, new Map([[form, body]]));
    else forms.set(form, body);
  }

  #subtract({ text }: Body): void {
    this.#entries--;
    this.#characters -= text.length;
  }
}
