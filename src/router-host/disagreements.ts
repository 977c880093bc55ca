/**
 * What is known about pairs that only one of a module's two callbacks named: how many, and some of them as examples.
 *
 * Examples are the first distinct pairs; more of the same are counted with them, and further pairs only in all.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { Clock } from '../ports/clock.ts';
import type { Disagreement } from './interest-memory.ts';

const MAX_EXAMPLES = 20;

export interface DisagreementExample {
  readonly observer: UserId;
  /** Whose presence it is about. */
  readonly source: UserId;
  /** The callback that named the pair; the other one did not. */
  readonly namedBy: Disagreement['namedBy'];
  readonly count: number;
  /** When it was first seen, and last, in ms since the epoch. */
  readonly firstTs: number;
  readonly lastTs: number;
}

export interface DisagreementReport {
  /** Of all pairs, each time that it was seen. */
  readonly count: number;
  /** The first distinct pairs. */
  readonly examples: readonly DisagreementExample[];
}

type Example = DisagreementExample & { count: number; lastTs: number };

export class Disagreements {
  readonly #clock: Pick<Clock, 'now'>;
  /** By observer: there may be very many that are none. */
  readonly #examples = new Map<UserId, Example[]>();
  #size = 0;
  #count = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  get report(): DisagreementReport {
    const examples = [...this.#examples.values()].flat().map((example) => ({ ...example }));
    return { count: this.#count, examples: examples.toSorted((a, b) => a.firstTs - b.firstTs) };
  }

  /** Returns whether it is the first of all. */
  add({ observer, userId: source, namedBy }: Disagreement): boolean {
    this.#count += 1;
    const ofObserver = this.#examples.get(observer);
    if (ofObserver === undefined && this.#size >= MAX_EXAMPLES) return false;
    const now = this.#clock.now();
    const known = ofObserver?.find((example) => example.source === source && example.namedBy === namedBy);
    if (known !== undefined) {
      known.count += 1;
      known.lastTs = now;
    } else if (this.#size < MAX_EXAMPLES) {
      const example = { observer, source, namedBy, count: 1, firstTs: now, lastTs: now };
      if (ofObserver === undefined) this.#examples.set(observer, [example]);
      else ofObserver.push(example);
      this.#size += 1;
    }
    return this.#count === 1;
  }
}
