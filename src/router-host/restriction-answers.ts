/**
 * Answers about who gets what of one source's presence, and how those of several modules add up.
 */
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { Restrictions } from './router-api.ts';

/** What modules are asked: what these observers must not get of the source's presence. */
export interface RestrictionRequest {
  readonly source: UserId;
  /** Frozen, without duplicates and without the source. */
  readonly observers: readonly Observer[];
}

const NOBODY: ReadonlyMap<Observer, Form> = new Map();

/** The same form for everybody, asked about or not. */
export function everybody(form: Form): RestrictionAnswer {
  return { others: form, observers: NOBODY };
}

/**
 * Adds up what several modules say. It is about everybody only if each of them is.
 *
 * @param asked - whom all of the answers are about
 */
export function mergeRestrictions(asked: readonly Observer[], answers: readonly Restrictions[]): Restrictions {
  const [only] = answers;
  if (only !== undefined && answers.length === 1) return only;
  let others: Form | null = Form.FULL;
  for (const answer of answers) others = others === null || answer.others === null ? null : others | answer.others;
  const merged = new Map<Observer, Form>();
  for (const { observers } of answers) {
    for (const observer of observers.keys()) {
      if (!merged.has(observer)) merged.set(observer, sumFor(observer, answers));
    }
  }
  // Whom none of them names gets what they say of all others, which is not the same for all of them when one speaks of those asked only.
  const rest = answers.reduce<Form>((sum, answer) => sum | (answer.others ?? Form.FULL), Form.FULL);
  if (others === null && rest !== Form.FULL) {
    for (const observer of asked) if (!merged.has(observer)) merged.set(observer, rest);
  }
  return { others, observers: merged, isFinal: answers.every(({ isFinal }) => isFinal) };
}

function sumFor(observer: Observer, answers: readonly RestrictionAnswer[]): Form {
  return answers.reduce<Form>((sum, answer) => sum | formIn(answer, observer), Form.FULL);
}

/** What an answer says of somebody it is about. */
export function formIn({ observers, others }: RestrictionAnswer, observer: Observer): Form {
  return observers.get(observer) ?? others ?? Form.FULL;
}
