/**
 * The line of destinations whose time has come: in which order, and how far apart, their transactions start.
 *
 * One update for many servers must not become many requests at one instant: starts are 1/50 s apart, or closer when the last of the
 * line would otherwise wait for more than 30 s. Whoever is in the middle of something goes on without pause. Destinations that fail
 * stand in a lane of their own with a quarter of that pace: however many they are, the others wait no longer for it. So do those that
 * have never taken anything, at the full pace: a module can name thousands that do not exist. Source: behaviour §7.3; row 216.
 */
import type { Destination } from './destination.ts';
import type { FederationSenderOptions } from './sender-options.ts';

/** `urgent`: goes on, or was woken. `fresh`: begins. `strangers`: begins, and is not known to take anything. `retries`: failed before. */
export type Lane = 'urgent' | PacedLane;
type PacedLane = (typeof PACED)[number];

/** Which kinds of start there is room for. */
export interface Room {
  readonly fast: boolean;
  /** For a fast one that is not known to take anything. */
  readonly strangers: boolean;
  readonly slow: boolean;
}

interface Pace {
  /** No start before. */
  slotTs: number;
  /** By then everybody in the lane should have started. */
  deadlineTs: number;
  /** Somebody was left in the lane at the last start. */
  isCrowded: boolean;
}

/** In the order in which they are asked. */
const PACED = ['fresh', 'strangers', 'retries'] as const;
/** Starts of others for each retry. */
const RETRY_GAPS = 4;
/** Timers are late on a busy machine, which must not make the pace a slower one; so much is caught up while somebody waits. */
const CATCH_UP_MS = 100;

export class StartLine {
  readonly #options: Pick<FederationSenderOptions, 'wakesPerSecond' | 'maxSpreadMs'>;
  readonly #lanes: Readonly<Record<Lane, Fifo<Destination>>> = {
    urgent: new Fifo(),
    fresh: new Fifo(),
    strangers: new Fifo(),
    retries: new Fifo(),
  };
  readonly #paces: Readonly<Record<PacedLane, Pace>> = {
    fresh: { slotTs: 0, deadlineTs: 0, isCrowded: false },
    strangers: { slotTs: 0, deadlineTs: 0, isCrowded: false },
    retries: { slotTs: 0, deadlineTs: 0, isCrowded: false },
  };

  constructor(options: Pick<FederationSenderOptions, 'wakesPerSecond' | 'maxSpreadMs'>) {
    this.#options = options;
  }

  /** Puts it at the end of a lane; from another lane it moves. */
  add(destination: Destination, lane: Lane, now: number): void {
    if (destination.phase === 'ready' && destination.lane === lane) return;
    destination.phase = 'ready';
    destination.lane = lane;
    this.#lanes[lane].push(destination);
    if (lane !== 'urgent') this.#paces[lane].deadlineTs = now + this.#options.maxSpreadMs;
  }

  /** Takes out the next that may start now; null if none may. The caller makes it open. */
  take(now: number, room: Room): Destination | null {
    if (room.fast && this.#first('urgent') !== null) return this.#lanes.urgent.shift();
    const lane = PACED.find((each) => now >= this.#startTs(each, room));
    return lane === undefined ? null : this.#start(lane, now);
  }

  /** When `take` may give something; Infinity if only more room helps. */
  nextTs(room: Room): number {
    if (room.fast && this.#first('urgent') !== null) return 0;
    return Math.min(...PACED.map((lane) => this.#startTs(lane, room)));
  }

  /** When the first of a lane may start; Infinity if there is none, or no room. */
  #startTs(lane: PacedLane, room: Room): number {
    const hasRoom = { fresh: room.fast, strangers: room.strangers, retries: room.slow }[lane];
    return hasRoom && this.#first(lane) !== null ? this.#paces[lane].slotTs : Infinity;
  }

  #start(lane: PacedLane, now: number): Destination | null {
    const pace = this.#paces[lane];
    const gap = this.#gap(lane, now);
    pace.slotTs = (pace.isCrowded ? Math.max(pace.slotTs, now - CATCH_UP_MS) : now) + gap;
    pace.isCrowded = this.#lanes[lane].size > 1;
    return this.#lanes[lane].shift();
  }

  #gap(lane: PacedLane, now: number): number {
    const left = Math.max(0, this.#paces[lane].deadlineTs - now);
    const widest = (1_000 / this.#options.wakesPerSecond) * (lane === 'retries' ? RETRY_GAPS : 1);
    return Math.min(widest, left / this.#lanes[lane].size);
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
