/**
 * Random histories of full control, as data that fast-check can draw and shrink: relations that come and go, modules that say who must not
 * get what and change their minds, answers that come late, clients with old tokens.
 */
import * as fc from 'fast-check';
import type { Observer } from '../../src/core/engine-api.ts';
import { Form } from '../../src/core/forms.ts';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';
import type { PresenceState } from '../../src/matrix/presence-state.ts';

export const LOCALS: readonly UserId[] = ['@a:test', '@b:test', '@c:test', '@d:test'];
export const REMOTES: readonly UserId[] = ['@p:far', '@r:far', '@q:away'];
/** Of other servers, in no room for most of the time: forgotten, and their numbers given to others. */
export const PASSERS_BY: readonly UserId[] = ['@v1:far', '@v2:away'];
export const SERVERS = ['far', 'away'] as const;
export const SOURCES: readonly UserId[] = [...LOCALS, ...REMOTES, ...PASSERS_BY];
const OBSERVERS: readonly Observer[] = [...LOCALS, ...SERVERS];
const ROOMS: readonly RoomId[] = ['!one:test', '!two:test'];
const STATES: readonly PresenceState[] = ['online', 'online', 'unavailable', 'offline'];
const FORMS = [
  Form.FULL,
  Form.FULL,
  Form.DENIED,
  Form.DENIED,
  Form.OFFLINE,
  Form.NO_STATUS,
  Form.NO_STATUS | Form.NO_CURRENTLY_ACTIVE,
  Form.NO_LAST_ACTIVE,
  Form.NO_LAST_ACTIVE | Form.DENIED,
];

/** What all modules together would say about a source if asked: of `observers`, and of everybody else. */
export interface Policy {
  /** Null: only those asked about are spoken of, and whoever is not named gets everything. */
  readonly others: number | null;
  readonly observers: readonly (readonly [Observer, number])[];
}

export type ControlStep =
  | { readonly do: 'join' | 'leave'; readonly user: UserId; readonly room: RoomId }
  | { readonly do: 'put'; readonly user: UserId; readonly state: PresenceState; readonly status: string | null }
  | {
      readonly do: 'remote';
      readonly user: UserId;
      readonly state: PresenceState;
      readonly status: string | null;
      readonly active: boolean;
    }
  | { readonly do: 'connect' | 'disconnect'; readonly user: UserId }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'take' | 'publish' | 'release' }
  | { readonly do: 'routes'; readonly user: UserId; readonly targets: readonly UserId[] }
  | { readonly do: 'route' }
  | { readonly do: 'interest'; readonly user: UserId; readonly interest: readonly UserId[] | 'ALL' }
  | { readonly do: 'mark'; readonly users: readonly UserId[] }
  | {
      readonly do: 'sync';
      readonly user: UserId;
      /** Which of the tokens given to the user's second device, counted from the newest; null: none. */
      readonly token: number | null;
      readonly includeOffline: boolean;
      readonly limit: number | null;
      /** Whether modules are asked first, as the service does. */
      readonly asks: boolean;
    }
  | { readonly do: 'policy'; readonly user: UserId; readonly policy: Policy }
  | { readonly do: 'answer'; readonly which: number }
  | { readonly do: 'invalidate'; readonly user: UserId | null }
  | { readonly do: 'restricting'; readonly is: boolean };

const local = fc.constantFrom(...LOCALS);
const source = fc.constantFrom(...LOCALS, ...LOCALS, ...REMOTES, ...PASSERS_BY);
const status = fc.constantFrom(null, 'x', 'y');
const state = fc.constantFrom(...STATES);
const form = fc.constantFrom(...FORMS);

const policy: fc.Arbitrary<Policy> = fc.record({
  others: fc.oneof(fc.constant(null), fc.constant(null), form),
  observers: fc.uniqueArray(fc.tuple(fc.constantFrom(...OBSERVERS), form), {
    maxLength: 4,
    selector: ([observer]) => observer,
  }),
});

function step(name: ControlStep['do'], rest: Record<string, fc.Arbitrary<unknown>> = {}): fc.Arbitrary<ControlStep> {
  return fc.record({ do: fc.constant(name), ...rest }) as fc.Arbitrary<unknown> as fc.Arbitrary<ControlStep>;
}

const steps = fc.oneof(
  { weight: 6, arbitrary: step('join', { user: source, room: fc.constantFrom(...ROOMS) }) },
  { weight: 4, arbitrary: step('leave', { user: source, room: fc.constantFrom(...ROOMS) }) },
  { weight: 8, arbitrary: step('put', { user: local, state, status }) },
  {
    weight: 5,
    arbitrary: step('remote', {
      user: fc.constantFrom(...REMOTES, ...PASSERS_BY),
      state,
      status,
      active: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: step('connect', { user: local }) },
  { weight: 2, arbitrary: step('disconnect', { user: local }) },
  {
    weight: 3,
    arbitrary: step('advance', { ms: fc.constantFrom(0, 5_000, 30_000, 61_000, 61_000, 300_000, 1_800_000) }),
  },
  { weight: 4, arbitrary: step('take') },
  { weight: 12, arbitrary: step('publish') },
  { weight: 1, arbitrary: step('release') },
  {
    weight: 4,
    arbitrary: step('routes', {
      user: source,
      targets: fc.uniqueArray(fc.constantFrom(...LOCALS, ...REMOTES), { maxLength: 3 }),
    }),
  },
  { weight: 8, arbitrary: step('route') },
  {
    weight: 5,
    arbitrary: step('interest', {
      user: local,
      interest: fc.oneof(
        { weight: 4, arbitrary: fc.uniqueArray(source, { maxLength: 4 }) },
        { weight: 1, arbitrary: fc.constant('ALL') },
      ),
    }),
  },
  { weight: 2, arbitrary: step('mark', { users: fc.uniqueArray(local, { maxLength: 3 }) }) },
  {
    weight: 8,
    arbitrary: step('sync', {
      user: local,
      token: fc.constantFrom(0, 0, 0, 0, 1, 2, 5, null),
      includeOffline: fc.boolean(),
      limit: fc.constantFrom(null, null, null, null, 1, 2),
      asks: fc.boolean(),
    }),
  },
  { weight: 8, arbitrary: step('policy', { user: source, policy }) },
  { weight: 14, arbitrary: step('answer', { which: fc.nat(9) }) },
  { weight: 6, arbitrary: step('invalidate', { user: fc.oneof(source, source, fc.constant(null)) }) },
  { weight: 1, arbitrary: step('restricting', { is: fc.constantFrom(true, true, false) }) },
);

/** Without these a history goes on telling somebody something. */
const DISPENSABLE: readonly ControlStep['do'][] = [
  'leave',
  'disconnect',
  'advance',
  'take',
  'release',
  'routes',
  'interest',
  'mark',
  'sync',
  'restricting',
];

const broad = fc.array(steps, { minLength: 1, maxLength: 120, size: 'max' });
/** A few users and few kinds of steps, so that the same things happen to the same users again and again. */
const narrow = fc
  .tuple(
    fc.array(steps, { minLength: 1, maxLength: 300, size: 'max' }),
    fc.subarray([...DISPENSABLE], { minLength: 3 }),
    fc.subarray([...SOURCES], { minLength: 4, maxLength: 7 }),
  )
  .map(([all, kinds, users]) =>
    all.filter((one) => !(kinds.includes(one.do) || ('user' in one && one.user !== null && users.includes(one.user)))),
  );

export const controlHistories: fc.Arbitrary<readonly ControlStep[]> = fc.oneof(broad, narrow);
