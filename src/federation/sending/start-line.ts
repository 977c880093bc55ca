/**
 * The line of destinations whose time has come: in which order, and how far apart, their transactions start.
 *
 * One update for many servers must not become many requests at one instant: starts are 1/50 s apart, or closer when the last of the
 * line would otherwise wait for more than 30 s. Whoever is in the middle of something goes on without pause. Destinations that fail
 * stand in a lane of their own, of which every fourth start is. Source: behaviour §7.3; row 216.
 */
import type { Destination } from './destination.ts';
import type { FederationSenderOptions } from './sender-options.ts';

/** `urgent`: goes on, or was woken. `fresh`: begins. `retries`: failed before. */
export type Lane = 'urgent' | 'fresh' | 'retries';

/** Which kinds of start there is room for. */
export interface Room {
  readonly fast: boolean;
  readonly slow: boolean;
}

const RETRY_EVERY = 4;
/** A timer that is late must not turn a narrow pace into a wide one; so much is caught up. */
const CATCH_UP_MS = 20;

export class StartLine {
  readonly #options: Pick<FederationSenderOptions, 'wakesPerSecond' | 'maxSpreadMs'>;
  readonly #lanes: Readonly<Record<Lane, Fifo<Destination>>> = {
    urgent: new Fifo(),
    fresh: new Fifo(),
    retries: new Fifo(),
  };
  /** No paced start before. */
  #slotTs = 0;
  /** By then everybody in line should have started. */
  #deadlineTs = 0;
  #starts = 0;

  constructor(options: Pick<FederationSenderOptions, 'wakesPerSecond' | 'maxSpreadMs'>) {
    this.#options = options;
  }

  /** Puts it at the end of a lane; from another lane it moves. */
  add(destination: Destination, lane: Lane, now: number): void {
    if (destination.phase === 'ready' && destination.lane === lane) return;
    destination.phase = 'ready';
    destination.lane = lane;
    this.#lanes[lane].push(destination);
    if (lane !== 'urgent') this.#deadlineTs = now + this.#options.maxSpreadMs;
  }

  /** Takes out the next that may start now; null if none may. The caller makes it open. */
  take(now: number, room: Room): Destination | null {
    const urgent = room.fast ? this.#first('urgent') : null;
    if (urgent !== null) return this.#shift('urgent');
    if (now < this.#slotTs) return null;
    const fresh = room.fast && this.#first('fresh') !== null;
    const retry = room.slow && this.#first('retries') !== null;
    if (!fresh && !retry) return null;
    const lane = retry && (!fresh || this.#starts % RETRY_EVERY === RETRY_EVERY - 1) ? 'retries' : 'fresh';
    this.#starts++;
    const gap = this.#gap(now);
    this.#slotTs = (gap > CATCH_UP_MS / 2 ? now : Math.max(this.#slotTs, now - CATCH_UP_MS)) + gap;
    return this.#shift(lane);
  }

  /** When `take` may give something; Infinity if only more room helps. */
  nextTs(room: Room): number {
    if (room.fast && this.#first('urgent') !== null) return 0;
    const waits = (room.fast && this.#first('fresh') !== null) || (room.slow && this.#first('retries') !== null);
    return waits ? this.#slotTs : Infinity;
  }

  #gap(now: number): number {
    const waiting = this.#lanes.fresh.size + this.#lanes.retries.size;
    const left = Math.max(0, this.#deadlineTs - now);
    return Math.min(1_000 / this.#options.wakesPerSecond, left / waiting);
  }

  #shift(lane: Lane): Destination | null {
    return this.#lanes[lane].shift();
  }

  /** Drops those that have left this lane in the meantime. */
  #first(lane: Lane): Destination | null {
    const fifo = this.#lanes[lane];
    for (let first = fifo.first; first !== null; first = fifo.first) {
      if (first.phase === 'ready' && first.lane === lane) return first;
      fifo.shift();
    }
    return null;
  }
}

/** First in, first out, at the cost of an array. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | null {
    return this.#items[this.#head] ?? null;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | null {
    const first = this.first;
    if (first === null) return null;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }
}
