/**
 * Unites the answers of several modules: per user, without duplicates.
 */
import type { RoutingAnswer } from '../core/engine-api.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { PRESENCE_ALL_USERS } from '../module/callbacks.ts';
import type { CheckedRoutes } from './check-routes.ts';
import { type Interest, NO_ROUTES } from './router-api.ts';
import type { UpdateBatch } from './update-batch.ts';

/** Turns the answers round: from each source to all of its targets, in the order of the modules. Sources without any are left out. */
export function mergeRoutes(batch: UpdateBatch, answers: readonly CheckedRoutes[]): RoutingAnswer {
  if (answers.length === 0) return NO_ROUTES;
  const merged = new Map<UserId, readonly UserId[]>();
  for (const [index, { userId }] of batch.states.entries()) {
    let targets: readonly UserId[] | undefined;
    for (const answer of answers) {
      const more = answer[index];
      if (more === undefined) continue;
      targets = targets === undefined ? more : [...new Set([...targets, ...more])];
    }
    if (targets !== undefined) merged.set(userId, targets);
  }
  return merged;
}

/** Unites answers none of which is ALL. */
export function mergeInterest(answers: readonly Interest[]): readonly UserId[] {
  const merged = new Set<UserId>();
  for (const answer of answers) {
    if (answer === PRESENCE_ALL_USERS) continue;
    for (const userId of answer) merged.add(userId);
  }
  return Object.freeze([...merged]);
}
