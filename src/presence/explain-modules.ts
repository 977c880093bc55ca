/**
 * Reasons that come from modules: what each says now, and what of it is in effect.
 */
import type { Observer } from '../core/engine-api.ts';
import type { PairFacts } from '../core/explain.ts';
import { Form, isHidden, UNKNOWN } from '../core/forms.ts';
import { serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { Examination, ExaminedModule, Examined, Interest } from '../router-host/index.ts';
import { describeDeed, describeForm, list, reason, type Reason, shownAs, time } from './explanation.ts';

/** Who and whom. */
export interface Pair {
  readonly observer: Observer;
  /** The observer's server, if it is another one; then it is the server that gets presence. */
  readonly server: string | null;
  readonly target: UserId;
}

/** All modules, each with what it says for the pair. */
export function moduleReasons(pair: Pair, { modules }: Examination): Reason[] {
  const reasons: Reason[] = [];
  for (const module of modules) {
    const interest = interestReason(pair, module);
    const routes = routesReason(pair, module);
    if (interest !== null) reasons.push(interest);
    if (routes !== null) reasons.push(routes);
    const isAsked = module.interest !== null && module.interest !== 'after_all';
    if (!isAsked || module.interest.answer === undefined || module.routes?.answer === undefined) continue;
    const [wants, gets] = [names(module.interest.answer, pair.target), isRouted(pair, module.routes.answer)];
    if (wants === gets || module.interest.answer === 'ALL') continue;
    const says = `The two callbacks of ${nameOf(module)} disagree about this pair; ${pair.observer} gets the updates all the same, but what they see on other occasions differs`;
    reasons.push(reason('disagreement', null, says, { module: module.name }));
  }
  return reasons;
}

/** The same for what is kept back. */
export function restrictionReasons({ observer, server, target }: Pair, { modules }: Examination): Reason[] {
  const whom = server ?? observer;
  return modules.flatMap((module) => {
    const found = module.restriction;
    if (found === null) return [];
    const details = {
      ...detailsOf(module, found),
      isAboutEverybody: found.isAboutEverybody,
      standing: shownAs(found.standing),
    };
    const holds = isHidden(found.standing) ? false : found.standing === Form.FULL ? true : null;
    if (found.answer !== undefined) {
      const deed = describeDeed(found.standing, whom, target);
      return [reason('getRestrictions', holds, `${nameOf(module)} ${deed}`, details)];
    }
    const why =
      found.remembered === UNKNOWN
        ? `it has said nothing yet, so on_failure decides: ${found.onFailure === Form.FULL ? 'allow' : 'deny'}`
        : 'what it said last stands';
    return [
      reason(
        'getRestrictions',
        holds,
        `${failure(module, found)}; ${why}: ${describeForm(found.standing, whom, target)}`,
        details,
      ),
    ];
  });
}

/** What is in effect of the answers of `getInterestedUsers`, for a local observer. */
export function interestInEffect({ observer, target }: Pair, facts: PairFacts, now: Interest | null): Reason {
  const rule = 'interest_in_effect';
  const { connection } = facts;
  const says = names(now ?? [], target);
  if (connection === null) {
    const words = `${observer} is not connected, so no interest is remembered: modules are asked when they sync, or ask for ${target}`;
    return reason(rule, null, words, { interest: null });
  }
  if (connection.interest === null) {
    const words = `${observer} is connected, but the modules have not answered yet whom they are interested in`;
    return reason(rule, null, words, { interest: null });
  }
  const inEffect = names(connection.interest, target);
  const what =
    connection.interest === 'ALL'
      ? `${observer} is interested in everybody`
      : `${observer} is ${inEffect ? '' : 'not '}interested in ${target}`;
  const change =
    inEffect === says || now === null
      ? ''
      : '; the modules say otherwise now, which takes effect when they sync again, or with api.invalidateInterestedUsers';
  const details = {
    interest: connection.interest === 'ALL' ? 'ALL' : connection.interest.length,
    agrees: inEffect === says,
  };
  return reason(rule, inEffect, `In effect: ${what}${change}`, details);
}

/** What is kept of the answers of `getUsersForStates`, for a local observer. */
export function keptAnswer(pair: Pair, facts: PairFacts, examination: Examination): Reason {
  const { observer, target } = pair;
  const { kept, targetPosition } = facts;
  const says = isRouted(pair, examination.routedTo);
  const isNamed = kept?.isNamed ?? false;
  const details = {
    position: kept?.position ?? null,
    targets: kept?.targets ?? 0,
    updatePosition: targetPosition,
    agrees: isNamed === says,
  };
  const change =
    isNamed === says
      ? ''
      : `; the modules say otherwise now, which takes effect with the next update of ${target}, or with api.invalidateUsersForStates`;
  if (kept === null) {
    return reason(
      'kept_answer',
      false,
      `In effect: nobody was named for the newest update of ${target}${change}`,
      details,
    );
  }
  const words = `In effect: the answer kept with the newest routed update of ${target} ${isNamed ? 'names' : 'does not name'} ${observer}`;
  const newer = kept.position < targetPosition ? '; a newer update is with the modules' : '';
  return reason('kept_answer', isNamed, `${words}${newer}${change}`, details);
}

/** What is in effect of what modules keep back. */
export function restrictionInEffect({ observer, server, target }: Pair, facts: PairFacts, examined: Form): Reason {
  const whom = server ?? observer;
  const { form, isWithheld } = facts;
  const details = { isKnown: form !== UNKNOWN, isWithheld, agrees: form === examined };
  if (form === UNKNOWN) {
    const words = `In effect: the modules have not been asked about ${target} and ${whom} yet; nothing reaches ${whom} before they have answered`;
    return reason('restriction_in_effect', null, words, details);
  }
  const change =
    form === examined ? '' : '; the modules say otherwise now, which takes effect with api.invalidateRestrictions';
  const holds = isHidden(form) ? false : form === Form.FULL ? true : null;
  const words = `In effect: ${describeForm(form, whom, target)}${change}`;
  return reason('restriction_in_effect', holds, words, details);
}

export function names(interest: Interest, target: UserId): boolean {
  return interest === 'ALL' || interest.includes(target);
}

/** Whether an answer of `getUsersForStates` reaches the observer: by name, or their server by any of its users. */
export function isRouted({ observer, server }: Pair, targets: readonly UserId[]): boolean {
  if (server === null) return targets.some((target) => target === observer);
  return targets.some((target) => serverNameOf(target) === server);
}

export function nameOf({ name, spec }: Pick<ExaminedModule, 'name' | 'spec'>): string {
  return spec === null ? `module ${name}` : `module ${name} (${spec})`;
}

function interestReason({ observer, target }: Pair, module: ExaminedModule): Reason | null {
  const found = module.interest;
  const rule = 'getInterestedUsers';
  if (found === null) return null;
  if (found === 'after_all') {
    const says = `${nameOf(module)} is not asked whom ${observer} is interested in: a module before it has answered "everybody"`;
    return reason(rule, null, says, { module: module.name, outcome: 'not_asked' });
  }
  const details = { ...detailsOf(module, found), named: sizeOf(found.answer) };
  const what = (interest: Interest): string =>
    interest === 'ALL'
      ? `has ${observer} interested in everybody`
      : `does ${names(interest, target) ? '' : 'not '}have ${observer} interested in ${target}`.replace(
          'does have',
          'has',
        );
  if (found.answer !== undefined) {
    return reason(rule, names(found.answer, target), `${nameOf(module)} ${what(found.answer)}`, details);
  }
  const { remembered } = found;
  const stands =
    remembered === undefined
      ? 'it has said nothing that could stand'
      : `what it said last stands: it ${what(remembered)}`;
  const holds = remembered === undefined ? null : names(remembered, target);
  return reason(rule, holds, `${failure(module, found)}; ${stands}`, details);
}

function routesReason(pair: Pair, module: ExaminedModule): Reason | null {
  const { observer, server, target } = pair;
  const found = module.routes;
  const rule = 'getUsersForStates';
  if (found === null) return null;
  const details = { ...detailsOf(module, found), named: found.answer?.length ?? null };
  if (found.answer === undefined) {
    return reason(rule, null, `${failure(module, found)}; it adds nobody to updates meanwhile`, details);
  }
  const gives = `gives updates of ${target} to`;
  if (server === null || observer === server) {
    const isGiven = isRouted(pair, found.answer);
    const whom = server === null ? observer : `users of ${server}`;
    return reason(
      rule,
      isGiven,
      `${nameOf(module)} ${isGiven ? gives : gives.replace('gives', 'does not give')} ${whom}`,
      details,
    );
  }
  const isNamed = found.answer.some((named) => named === observer);
  const whom = isNamed ? observer : `other users of ${server}`;
  if (isRouted(pair, found.answer)) return reason(rule, true, `${nameOf(module)} ${gives} ${whom}`, details);
  return reason(rule, false, `${nameOf(module)} does not give updates of ${target} to ${observer}`, details);
}

function failure(module: ExaminedModule, found: Examined<unknown>): string {
  const who = nameOf(module);
  switch (found.outcome) {
    case 'rests':
      return `${who} rests after failures in a row, until ${time(found.restsUntilTs ?? 0)}`;
    case 'threw':
      return `${who} fails: it threw "${found.error ?? ''}"`;
    case 'timed_out':
      return `${who} fails: ${found.error ?? ''}`;
    case 'invalid_return':
      return `${who} fails: it ${found.error ?? ''}`;
    case 'blocked':
      return `${who} fails: it held up the whole process for too long`;
    case 'ok':
      return `${who} answers`;
  }
}

function detailsOf(module: ExaminedModule, found: Examined<unknown>): Record<string, unknown> {
  const dropped = [...found.dropped].map(([why, count]) => `${count} × ${why}`);
  return {
    module: module.name,
    spec: module.spec,
    outcome: found.outcome,
    ms: found.ms === null ? null : Math.round(found.ms * 1000) / 1000,
    error: found.error,
    restsUntilTs: found.restsUntilTs,
    ...(dropped.length === 0 ? {} : { dropped: list(dropped) }),
  };
}

function sizeOf(interest: Interest | undefined): number | 'ALL' | null {
  if (interest === undefined) return null;
  return interest === 'ALL' ? 'ALL' : interest.length;
}
