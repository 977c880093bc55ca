/**
 * The one sentence that an explanation ends in: what the observer gets, and the reason that counts.
 */
import { Form, isHidden } from '../core/forms.ts';
import type { AskedNow, Case } from './explain-case.ts';
import { type ExplainRule, hiddenFields, list, type Reason, shownAs } from './explanation.ts';

/** @param askedNow - what is not in effect, but said by modules whenever somebody needs to know */
export function conclude(it: Case, form: Form, reasons: readonly Reason[], askedNow: AskedNow): string {
  const { kind, observer, server, settings, target } = it;
  if (settings.mode === 'disabled')
    return `${observer} sees ${target} as offline, like everybody: presence is disabled.`;
  if (observer === target) return `${observer} sees their own presence.`;
  const not = shownAs(form) === 'nothing';
  const why = not ? whyNot(it, reasons) : whySo(it, form, reasons);
  const later = askedNow === null ? '' : ` ${NOT_IN_EFFECT[askedNow]}`;
  if (kind === 'local_user') {
    if (not) return `${observer} does not see the presence of ${target}: ${why}.`;
    if (isHidden(form)) return `${observer} sees ${target} as offline, whatever they do: ${why}.${later}`;
    return `${observer} sees the presence of ${target}${without(form)}: ${why}.${later}`;
  }
  if (not) return `${server} is not sent the presence of ${target}: ${why}.`;
  if (isHidden(form)) return `${server} is told that ${target} is offline, and nothing else: ${why}.${later}`;
  return `${server} is sent the presence of ${target}${without(form)}: ${why}.${later}${whatTheyShow(it)}`;
}

const NOT_IN_EFFECT: Readonly<Record<NonNullable<AskedNow>, string>> = {
  interest: 'That is what modules say whenever it is asked for; nothing is remembered.',
  routes: 'That is what modules say now; they are asked again with every update.',
  restrictions: 'What is kept back is what modules say now: they have not been asked about it yet.',
};

/** What a server does with it is its own business. */
function whatTheyShow({ facts, kind, observer, server, target }: Case): string {
  if (kind !== 'remote_user') return '';
  if (facts.shared.count > 0) return ` It shows it to ${observer}, who shares a room with ${target}.`;
  return ` Whether it shows it to ${observer}, who shares no room with ${target}, is up to ${server}.`;
}

const GIVING: readonly ExplainRule[] = [
  'shared_rooms',
  'interest_in_effect',
  'kept_answer',
  'getInterestedUsers',
  'getUsersForStates',
];
const KEEPING: readonly ExplainRule[] = ['restriction_in_effect', 'getRestrictions'];

/** The first rule that lets them, and what takes something off. */
function whySo({ facts, kind, target }: Case, form: Form, reasons: readonly Reason[]): string {
  const words: string[] = [];
  const counts = (rule: ExplainRule): boolean => {
    // What modules say now counts where nothing of it is in effect: of servers, and of observers about whom nothing is remembered.
    if (rule === 'getUsersForStates') return kind !== 'local_user';
    return rule !== 'getInterestedUsers' || (facts.connection?.interest ?? null) === null;
  };
  const giving = reasons.find(({ rule, holds }) => holds === true && GIVING.includes(rule) && counts(rule));
  if (giving !== undefined && !isHidden(form)) words.push(plain(giving.says));
  if (form !== Form.FULL) {
    const modules = restricting(reasons);
    words.push(
      modules.length > 0 ? plain(modules.map(({ says }) => says).join('; ')) : `modules keep it back from ${target}`,
    );
  }
  return words.join(', and ');
}

function whyNot({ facts, isTargetLocal, kind, server, state, target }: Case, reasons: readonly Reason[]): string {
  const first = (rule: ExplainRule): Reason | undefined =>
    reasons.find((candidate) => candidate.rule === rule && candidate.holds === false);
  const barred = first('remote_target') ?? first('federation') ?? first('federation_whitelist');
  if (kind !== 'local_user') {
    if (barred !== undefined) return plain(barred.says);
    if (first('presence_mode') !== undefined) return 'presence is untracked, and nothing goes to other servers';
  }
  if (state === null) return plain(first('target')?.says ?? `nothing is known of ${target}`);
  const unknown = first('observer');
  if (unknown !== undefined) return plain(unknown.says);
  const isShown = kind === 'local_user' ? facts.isShown : facts.sharedWithServer.count > 0;
  const modules = restricting(reasons);
  const gives = reasons.some(({ rule, holds }) => holds === true && GIVING.includes(rule));
  if ((isShown || gives) && modules.length > 0) return plain(modules.map(({ says }) => says).join('; '));
  const limit = first('stranger') ?? first('routed_limit');
  if (limit !== undefined) return plain(limit.says);
  const excluded = first('excluded_rooms');
  const rooms = excluded === undefined ? 'they share no room' : plain(excluded.says);
  const silent = reasons.some(({ rule }) => rule === 'getUsersForStates' || rule === 'getInterestedUsers');
  const failing = reasons.some(
    ({ rule, details }) =>
      (rule === 'getUsersForStates' || rule === 'getInterestedUsers') &&
      !['ok', 'not_asked', undefined].includes(details['outcome'] as string | undefined),
  );
  const whom = kind === 'local_user' || isTargetLocal ? '' : ` ${server ?? ''}`;
  if (!silent) return `${rooms}, and no module routes presence${whom}`;
  if (gives) return `${rooms}, and what modules say now is not in effect yet`;
  return `${rooms}, and no module ${failing ? 'that answers ' : ''}gives it to them`;
}

/** Modules that keep something back: as in effect if known, else as they say. */
function restricting(reasons: readonly Reason[]): Reason[] {
  const saying = reasons.filter(({ rule, details }) => rule === 'getRestrictions' && details['standing'] !== 'full');
  if (saying.length > 0) return saying;
  return reasons.filter(({ rule, holds }) => KEEPING.includes(rule) && holds === false);
}

function without(form: Form): string {
  return form === Form.FULL ? '' : ` without ${list(hiddenFields(form))}`;
}

/** As a part of a sentence. */
function plain(says: string): string {
  const text = says.replace(/^In effect: /, '');
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
