/**
 * Remembers what one module last said about each source and observer, for as long as it fails to say it again.
 *
 * Bounded by the number of ids: beyond it the sources answered longest ago are forgotten, and what `on_failure` says holds for them.
 */
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import type { RestrictionRequest } from './restriction-answers.ts';

interface Remembered {
  /** Of everybody who is not in `named`; null: nothing is known of them. */
  others: Form | null;
  named: ReadonlyMap<Observer, Form>;
  /** The same map, unless an answer that was given away has it. */
  own: Map<Observer, Form> | null;
  /** Which call it was that said so. */
  call: number;
}

export class RestrictionMemory {
  readonly #maxIds: number;
  readonly #sources = new Map<string, Remembered>();
  #ids = 0;

  /** @param maxIds - most ids remembered, of sources and of observers who are named with them */
  constructor(maxIds: number) {
    this.#maxIds = maxIds;
  }

  /** Ids remembered. */
  get size(): number {
    return this.#ids;
  }

  /**
   * Takes in an answer.
   *
   * @param call - grows with each call: what an older one says does not replace what a newer one has said
   */
  set({ source, observers }: RestrictionRequest, answer: RestrictionAnswer, call: number): void {
    const known = this.#sources.get(source);
    if (known !== undefined && call < known.call) return;
    if (known !== undefined) this.#forget(source, known);
    const remembered = answer.others === null ? update(known, observers, answer, call) : replace(answer, call);
    if (costOf(remembered) > this.#maxIds) return;
    this.#sources.set(source, remembered);
    this.#ids += costOf(remembered);
    for (const [oldest, theirs] of this.#sources) {
      if (this.#ids <= this.#maxIds) break;
      this.#forget(oldest, theirs);
    }
  }

  /**
   * What was last said of these observers.
   *
   * @param otherwise - the form of those about whom nothing was said
   */
  get({ source, observers }: RestrictionRequest, otherwise: Form): RestrictionAnswer {
    const known = this.#sources.get(source);
    if (known !== undefined && known.others !== null) {
      known.own = null;
      return { others: known.others, observers: known.named };
    }
    const forms = new Map<Observer, Form>();
    for (const observer of observers) {
      const form = known?.named.get(observer) ?? otherwise;
      if (form !== Form.FULL) forms.set(observer, form);
    }
    return { others: null, observers: forms };
  }

  clear(): void {
    this.#sources.clear();
    this.#ids = 0;
  }

  #forget(source: string, remembered: Remembered): void {
    this.#sources.delete(source);
    this.#ids -= costOf(remembered);
  }
}

function replace({ others, observers }: RestrictionAnswer, call: number): Remembered {
  return { others, named: observers, own: null, call };
}

/** Adds what is said of those asked about to what is known of all others. */
function update(
  known: Remembered | undefined,
  asked: readonly Observer[],
  { observers }: RestrictionAnswer,
  call: number,
): Remembered {
  const own = known?.own ?? new Map(known?.named);
  for (const observer of asked) own.set(observer, observers.get(observer) ?? Form.FULL);
  return { others: known?.others ?? null, named: own, own, call };
}

/** The source itself counts, too, so that a million short answers are not free. */
function costOf({ named }: Remembered): number {
  return 1 + named.size;
}
