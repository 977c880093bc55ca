/**
 * Remembers what one module last said about each source and observer, for as long as it fails to say it again.
 *
 * Answers are kept as they are, and put together only when somebody needs them: that is seldom, and there may be many observers.
 * Bounded by the number of ids: beyond it the sources answered longest ago are forgotten, and what `on_failure` says holds for them.
 */
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import type { RestrictionRequest } from './restriction-answers.ts';

/** Answers of one source that are kept as they are. */
const MAX_APART = 8;

interface Saying {
  readonly asked: readonly Observer[];
  readonly observers: ReadonlyMap<Observer, Form>;
}

interface Remembered {
  /** Of everybody who is not in `named`; null: nothing is known of them. */
  others: Form | null;
  named: ReadonlyMap<Observer, Form>;
  /** The same map, unless an answer that came, or was given away, has it. */
  own: Map<Observer, Form> | null;
  /** What was said since, about those asked only, oldest first. */
  since: Saying[];
  /** Which call it was that said so. */
  call: number;
  /** Ids in all of it. */
  cost: number;
}

export class RestrictionMemory {
  readonly #maxIds: number;
  readonly #sources = new Map<string, Remembered>();
  #ids = 0;

  /** @param maxIds - most ids remembered, of sources and of observers who were asked about with them */
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
   * @param request - its array of observers is kept
   * @param call - grows with each call: what an older one says does not replace what a newer one has said
   */
  set({ source, observers: asked }: RestrictionRequest, { others, observers }: RestrictionAnswer, call: number): void {
    const known = this.#sources.get(source);
    if (known !== undefined && call < known.call) return;
    if (known !== undefined) this.#forget(source, known);
    const remembered =
      others === null
        ? (known ?? { others: null, named: NOBODY, own: null, since: [], call, cost: 0 })
        : { others, named: observers, own: null, since: [], call, cost: 0 };
    remembered.call = call;
    if (others === null) add(remembered, { asked, observers });
    remembered.cost = costOf(remembered);
    if (remembered.cost > this.#maxIds) return;
    this.#sources.set(source, remembered);
    this.#ids += remembered.cost;
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
    if (known !== undefined) {
      putTogether(known);
      this.#ids -= known.cost;
      known.cost = costOf(known);
      this.#ids += known.cost;
      if (known.others !== null) {
        known.own = null;
        return { others: known.others, observers: known.named };
      }
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

  #forget(source: string, { cost }: Remembered): void {
    this.#sources.delete(source);
    this.#ids -= cost;
  }
}

const NOBODY: ReadonlyMap<Observer, Form> = new Map();

function add(remembered: Remembered, saying: Saying): void {
  const { since } = remembered;
  const last = since.at(-1);
  // Mostly the same are asked about again.
  if (last !== undefined && isSame(last.asked, saying.asked)) since.pop();
  since.push(saying);
  if (since.length > MAX_APART) putTogether(remembered);
}

function putTogether(remembered: Remembered): void {
  if (remembered.since.length === 0) return;
  const named = remembered.own ?? new Map(remembered.named);
  for (const { asked, observers } of remembered.since) {
    for (const observer of asked) named.set(observer, observers.get(observer) ?? Form.FULL);
  }
  remembered.named = named;
  remembered.own = named;
  remembered.since = [];
}

function isSame(a: readonly Observer[], b: readonly Observer[]): boolean {
  return a.length === b.length && a.every((observer, index) => observer === b[index]);
}

/** The source itself counts, too, so that a million short answers are not free. */
function costOf({ named, since }: Remembered): number {
  return since.reduce((sum, { asked }) => sum + asked.length, 1 + named.size);
}
