/**
 * Random histories: what can happen to an engine, as data that fast-check can draw and shrink.
 */
import * as fc from 'fast-check';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';
import { PRESENCE_STATES, type PresenceState } from '../../src/matrix/presence-state.ts';

export const LOCALS: readonly UserId[] = ['@a:test', '@b:test', '@c:test', '@d:test', '@e:test'];
export const REMOTES: readonly UserId[] = ['@p:far', '@r:far', '@q:away'];
/** Named by routers and interest only: nobody has heard of them otherwise. */
export const STRANGERS: readonly UserId[] = ['@stranger:test', '@stranger:nowhere'];
/** Users of other servers who come and go: their numbers are given out again and again. */
export const PASSERS_BY: readonly UserId[] = ['@v1:far', '@v2:far', '@v3:away', '@v4:away'];
export const ROOMS: readonly RoomId[] = ['!one:test', '!two:test', '!three:test', '!excluded:test'];
export const EXCLUDED: RoomId = '!excluded:test';
const DEVICES = ['A', 'B'];

export type Step =
  | { readonly do: 'join' | 'leave'; readonly user: UserId; readonly room: RoomId }
  | {
      readonly do: 'put';
      readonly user: UserId;
      readonly device: string;
      readonly state: PresenceState;
      readonly status: string | null;
    }
  | {
      readonly do: 'begin';
      readonly user: UserId;
      readonly device: string;
      readonly claim: 'default' | 'explicit' | 'unavailable' | 'limited' | 'offline';
    }
  | { readonly do: 'end'; readonly which: number }
  | { readonly do: 'bump' | 'removeDevice'; readonly user: UserId; readonly device: string }
  | {
      readonly do: 'managed';
      readonly user: UserId;
      readonly state: PresenceState;
      readonly status: string | null;
      readonly ttlMs: number | null;
    }
  | {
      readonly do: 'remote';
      readonly user: UserId;
      readonly state: PresenceState;
      readonly active: boolean;
      readonly agoMs: number | null;
    }
  | { readonly do: 'routers'; readonly areAsked: boolean }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'take' | 'publish' | 'restart' }
  | {
      readonly do: 'release';
      /** Servers whose users wait for a place. */
      readonly crowded: readonly string[];
      /** Whether a second pass is made at once: who is unseen in both goes. */
      readonly twice: boolean;
    }
  | {
      readonly do: 'admit';
      readonly user: UserId;
      readonly state: PresenceState;
      readonly agoMs: number;
      readonly forced: boolean;
    }
  | { readonly do: 'route'; readonly targets: readonly (readonly UserId[])[] }
  | { readonly do: 'interest'; readonly user: UserId; readonly interest: readonly UserId[] | 'ALL' }
  | { readonly do: 'mark'; readonly users: readonly UserId[] }
  | {
      readonly do: 'collect';
      readonly user: UserId;
      /** Which of the tokens the user has been given, counted from the newest; null: none. */
      readonly token: number | null;
      readonly includeOffline: boolean;
      readonly extras: readonly UserId[];
      readonly limit: number | null;
      /** Of which server senders have to be, if it matters. */
      readonly filter: string | null;
    };

const local = fc.constantFrom(...LOCALS);
const anybody = fc.constantFrom(...LOCALS, ...LOCALS, ...REMOTES, ...REMOTES, ...PASSERS_BY);
const nameable = fc.constantFrom(...LOCALS, ...REMOTES, ...STRANGERS, ...PASSERS_BY);
const device = fc.constantFrom(...DEVICES);
const state = fc.constantFrom(...PRESENCE_STATES);
const status = fc.constantFrom(null, 'x', 'y');
const names = fc.oneof(fc.array(nameable, { maxLength: 4 }), fc.subarray([...LOCALS, ...REMOTES], { minLength: 2 }));

function step(name: Step['do'], rest: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Step> {
  return fc.record({ do: fc.constant(name), ...rest }) as fc.Arbitrary<unknown> as fc.Arbitrary<Step>;
}

const steps = fc.oneof(
  { weight: 5, arbitrary: step('join', { user: anybody, room: fc.constantFrom(...ROOMS) }) },
  { weight: 2, arbitrary: step('leave', { user: anybody, room: fc.constantFrom(...ROOMS) }) },
  { weight: 6, arbitrary: step('put', { user: local, device, state, status }) },
  {
    weight: 8,
    arbitrary: step('begin', {
      user: local,
      device,
      claim: fc.constantFrom('default', 'default', 'explicit', 'unavailable', 'limited', 'offline'),
    }),
  },
  { weight: 6, arbitrary: step('end', { which: fc.nat(9) }) },
  { weight: 3, arbitrary: step('bump', { user: local, device }) },
  { weight: 1, arbitrary: step('removeDevice', { user: local, device }) },
  {
    weight: 2,
    arbitrary: step('managed', { user: anybody, state, status, ttlMs: fc.constantFrom(null, 20_000, 7_200_000) }),
  },
  {
    weight: 3,
    arbitrary: step('release', {
      crowded: fc.constantFrom([], [], ['far'], ['far', 'away']),
      twice: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 1,
    arbitrary: step('admit', {
      user: fc.constantFrom(...REMOTES, ...PASSERS_BY),
      state,
      agoMs: fc.constantFrom(0, 600_000, 1_799_000),
      forced: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: step('remote', {
      user: fc.constantFrom(...REMOTES, ...PASSERS_BY),
      state,
      active: fc.boolean(),
      agoMs: fc.constantFrom(null, 0, 100_000),
    }),
  },
  { weight: 1, arbitrary: step('routers', { areAsked: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: step('advance', {
      ms: fc.constantFrom(
        0,
        1,
        4_999,
        5_000,
        29_999,
        30_000,
        60_000,
        61_000,
        240_000,
        300_000,
        1_500_000,
        1_800_000,
        3_600_000,
        6_000_000,
      ),
    }),
  },
  { weight: 10, arbitrary: step('take', {}) },
  { weight: 10, arbitrary: step('publish', {}) },
  { weight: 1, arbitrary: step('restart', {}) },
  { weight: 4, arbitrary: step('route', { targets: fc.array(names, { maxLength: 4 }) }) },
  { weight: 4, arbitrary: step('interest', { user: local, interest: fc.oneof(names, names, fc.constant('ALL')) }) },
  { weight: 2, arbitrary: step('mark', { users: fc.array(local, { maxLength: 3 }) }) },
  {
    weight: 12,
    arbitrary: step('collect', {
      user: local,
      token: fc.oneof(fc.constantFrom(0, 0, 0, 1, 2), fc.constantFrom(3, 5, 8, null)),
      includeOffline: fc.boolean(),
      extras: fc.oneof(fc.constant([]), names),
      limit: fc.constantFrom(null, null, null, 1, 1, 2, 5),
      filter: fc.constantFrom(null, null, null, null, null, 'test'),
    }),
  },
);

/** Without these a history goes on telling somebody something. */
const DISPENSABLE: readonly Step['do'][] = [
  'join',
  'leave',
  'put',
  'end',
  'bump',
  'removeDevice',
  'managed',
  'remote',
  'routers',
  'advance',
  'restart',
  'release',
  'admit',
  'route',
  'interest',
  'mark',
];

const broad = fc.array(steps, { minLength: 1, maxLength: 120, size: 'max' });
/** A few users and few kinds of steps, so that the same things happen to the same users again and again. */
const narrow = fc
  .tuple(
    fc.array(steps, { minLength: 1, maxLength: 400, size: 'max' }),
    fc.subarray([...DISPENSABLE], { minLength: 4 }),
    fc.subarray([...LOCALS], { minLength: 2, maxLength: 4 }),
  )
  .map(([all, kinds, users]) =>
    all.filter((one) => !(kinds.includes(one.do) || ('user' in one && users.includes(one.user)))),
  );

export const histories = fc.oneof(broad, narrow);
