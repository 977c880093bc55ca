/**
 * What an explanation is: whether an observer sees a target's presence, in what form, and the chain of reasons, in order.
 *
 * Sentences never contain what changes by itself, such as how long ago something was or how long it took: two explanations with the same
 * sentences say the same. Numbers are in `details`.
 */
import type { Observer } from '../core/engine-api.ts';
import { Form, isHidden } from '../core/forms.ts';
import type { RoomId, UserId } from '../matrix/identifiers.ts';

export type ObserverKind = 'local_user' | 'remote_user' | 'server';

/** Which rule a reason is about; callbacks by their names. */
export type ExplainRule =
  | 'presence_mode'
  | 'observer'
  | 'target'
  | 'self'
  | 'shared_rooms'
  | 'excluded_rooms'
  | 'getInterestedUsers'
  | 'getUsersForStates'
  | 'disagreement'
  | 'interest_in_effect'
  | 'kept_answer'
  | 'getRestrictions'
  | 'restriction_in_effect'
  | 'remote_target'
  | 'federation'
  | 'federation_whitelist'
  | 'stranger'
  | 'routed_limit'
  | 'inbox'
  | 'destination'
  | 'delivery';

export interface Reason {
  readonly rule: ExplainRule;
  /**
   * True: it lets the observer see the target, or stands in nobody's way. False: it does not, or keeps something from them altogether.
   * Null: neither, or nobody knows.
   */
  readonly holds: boolean | null;
  /** One sentence. */
  readonly says: string;
  /** For programs: numbers, ids, what went wrong. */
  readonly details: Readonly<Record<string, unknown>>;
}

export type ShownAs = 'full' | 'reduced' | 'offline' | 'nothing';

export interface Explanation {
  readonly observer: Observer;
  readonly observerKind: ObserverKind;
  readonly target: UserId;
  /** In ms since the epoch. */
  readonly ts: number;
  /** Whether the observer gets the target's real presence, in full or in part: not if it is only ever shown as offline. */
  readonly isVisible: boolean;
  readonly shownAs: ShownAs;
  /** Fields that are kept back. */
  readonly hidden: readonly string[];
  /** What `GET …/status` answers the observer now, or their server is sent; null if they may not see the target. */
  readonly status: Readonly<Record<string, unknown>> | null;
  readonly conclusion: string;
  readonly reasons: readonly Reason[];
}

/** What presence does not know by itself, for the words. */
export interface ExplainDirectory {
  /** Null for a room that nobody here has heard of. */
  describeRoom(roomId: RoomId): Promise<{ readonly name: string | null; readonly alias: string | null } | null>;
  /** Whether the user, or any user of the server, is joined. */
  isJoined(roomId: RoomId, observer: Observer): Promise<boolean>;
  hasAccount(userId: UserId): Promise<boolean>;
}

export function reason(
  rule: ExplainRule,
  holds: boolean | null,
  says: string,
  details: Readonly<Record<string, unknown>> = {},
): Reason {
  return { rule, holds, says, details };
}

const FIELDS = [
  [Form.NO_LAST_ACTIVE, 'last_active_ago'],
  [Form.NO_CURRENTLY_ACTIVE, 'currently_active'],
  [Form.NO_STATUS, 'status_msg'],
] as const;

export function hiddenFields(form: Form): string[] {
  return FIELDS.filter(([bit]) => (form & bit) !== 0).map(([, field]) => field);
}

export function shownAs(form: Form): ShownAs {
  if ((form & Form.DENIED) !== 0) return 'nothing';
  if (isHidden(form)) return 'offline';
  return form === Form.FULL ? 'full' : 'reduced';
}

/** `a, b and c` */
export function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

export function time(ts: number): string {
  return new Date(ts).toISOString();
}

/** What becomes of the source's presence for an observer, as a sentence. */
export function describeForm(form: Form, observer: string, source: string): string {
  switch (shownAs(form)) {
    case 'nothing':
      return `nothing of ${source} reaches ${observer}`;
    case 'offline':
      return `${source} is offline to ${observer}, whatever they do`;
    case 'full':
      return `nothing of ${source} is kept from ${observer}`;
    case 'reduced':
      return `${list(hiddenFields(form))} of ${source} ${hiddenFields(form).length === 1 ? 'is' : 'are'} kept from ${observer}`;
  }
}

/** What a module does about it, after its name. */
export function describeDeed(form: Form, observer: string, source: string): string {
  switch (shownAs(form)) {
    case 'nothing':
      return `denies ${observer} the presence of ${source}`;
    case 'offline':
      return `shows ${source} to ${observer} as offline, whatever they do`;
    case 'full':
      return `keeps nothing of ${source} from ${observer}`;
    case 'reduced':
      return `keeps ${list(hiddenFields(form))} of ${source} from ${observer}`;
  }
}
