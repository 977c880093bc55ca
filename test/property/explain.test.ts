/**
 * For random rooms, modules, failures and connections, an explanation says what `GET …/status` answers, what a sync delivers, and what
 * another server is sent next; and explaining changes nothing.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { ExplainRig } from '../presence/explain-rig.ts';
import { type LooseCallbacks, raise } from '../support/host-context.ts';

const LOCAL = ['@alice:test', '@bob:test', '@carol:test'] as const;
const USERS = [...LOCAL, '@eve:far.example'] as const;
const ROOMS = ['!a:test', '!b:test', '!left-out:test'] as const;
const RESTRICTIONS = [
  null,
  'deny',
  'offline',
  { hide: ['status_msg'] },
  { hide: ['last_active_ago', 'currently_active'] },
] as const;

type Pairs = Readonly<Record<string, readonly UserId[]>>;

/** What a module says at a time. */
interface Says {
  readonly routes: Pairs;
  readonly interest: Readonly<Record<string, readonly UserId[] | 'ALL'>>;
  readonly restrictions: Readonly<Record<string, Readonly<Record<string, (typeof RESTRICTIONS)[number]>>>> | null;
  readonly failing: readonly string[];
}

const users = fc.subarray([...USERS]);
const byUser = <T>(value: fc.Arbitrary<T>) => fc.dictionary(fc.constantFrom<string>(...USERS), value, { maxKeys: 3 });
const says: fc.Arbitrary<Says> = fc.record({
  routes: byUser(users),
  interest: byUser(fc.oneof({ weight: 4, arbitrary: users }, { weight: 1, arbitrary: fc.constant('ALL' as const) })),
  restrictions: fc.option(
    byUser(
      fc.dictionary(fc.constantFrom<string>(...LOCAL, 'far.example', '*'), fc.constantFrom(...RESTRICTIONS), {
        maxKeys: 3,
      }),
    ),
  ),
  failing: fc.subarray(['routes', 'interest', 'restrictions'], { maxLength: 1 }),
});

const world = fc.record({
  rooms: fc.dictionary(fc.constantFrom<string>(...ROOMS), fc.subarray([...USERS], { minLength: 1 }), { maxKeys: 3 }),
  /** Each module before and after it changes its mind. */
  modules: fc.array(fc.tuple(says, says), { maxLength: 3 }),

  before: fc.subarray([...LOCAL]),
  after: fc.subarray([...LOCAL]),
  connectedBefore: fc.subarray([...LOCAL]),
  connectedAfter: fc.subarray([...LOCAL]),
  invalidates: fc.boolean(),
  mode: fc.constantFrom('tracked' as const, 'untracked' as const),
});

describe('explanations and what is really delivered', () => {
  it('row 337: say the same, whatever rooms, modules, failures and connections there are', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        world,
        async ({ rooms, modules, before, after, connectedBefore, connectedAfter, invalidates, mode }) => {
          let isAfter = false;
          const rig = await ExplainRig.start({
            mode,
            joined: rooms,
            excludedRooms: new Set(['!left-out:test']),
            modules: modules.map(([early, late]) =>
              callbacks(early.restrictions !== null, () => (isAfter ? late : early)),
            ),
          });
          // Nobody without an account sees anything, and nobody can ask without one.
          for (const userId of LOCAL) rig.accounts.add(userId);
          const change = async (userId: UserId, state: 'online' | 'unavailable' = 'online') => {
            if (mode === 'tracked') await rig.handler.setPresence(userId, 'DEVICE', state, 'here');
            else await rig.handler.setPresenceForUsers(new Map([[userId, { state, statusMsg: 'here' }]]));
            await rig.clock.settle();
          };
          const open: Disposable[] = [];
          for (const userId of connectedBefore) open.push(await rig.connect(userId));
          for (const userId of before) await change(userId);
          const entry = {
            userId: '@eve:far.example',
            state: 'online',
            statusMsg: null,
            lastActiveTs: null,
            currentlyActive: true,
          } as const;
          await rig.handler.receiveRemote('far.example', [entry]);
          await rig.clock.settle();
          isAfter = true;
          for (const userId of after) await change(userId);
          for (const userId of connectedAfter) open.push(await rig.connect(userId));
          if (invalidates) rig.handler.invalidateRestrictions();
          await rig.clock.settle();

          const connected = new Set<UserId>([...connectedBefore, ...connectedAfter]);
          for (const observer of LOCAL) {
            for (const target of USERS) {
              const explanation = await rig.explain(observer, target);
              const label = `${observer} → ${target}: ${explanation.conclusion}`;
              // A sync tells only what is in effect; where modules are still to be asked, so does the explanation.
              const synced = connected.has(observer) ? rig.synced(observer, target) : undefined;
              const { isVisible, shownAs, status } = explanation;
              if (synced !== undefined) {
                expect(synced, label).toEqual(isVisible ? status : shownAs === 'offline' ? synced && status : null);
              }
              expect(await rig.get(observer, target), label).toEqual(status);
            }
          }
          for (const target of LOCAL) {
            // Of somebody who was never heard of there is nothing to ask modules about.
            await change(target);
            const { conclusion, hidden, isVisible } = await rig.explain('far.example', target);
            rig.federation.clear();
            await change(target, 'unavailable');
            const sent = rig.federation.statesAt('far.example').get(target);
            const label = `far.example → ${target}: ${conclusion}`;
            // Nothing, but for the last "offline" of somebody it was told of before.
            if (!isVisible) expect(sent?.state ?? 'offline', label).toBe('offline');
            else {
              expect(sent, label).toMatchObject({
                state: 'unavailable',
                statusMsg: hidden.includes('status_msg') ? null : 'here',
              });
            }
          }
          for (const session of open) session[Symbol.dispose]();
          await rig.handler.stop();
        },
      ),
      { numRuns: 150 },
    );
  });
});

function callbacks(restricts: boolean, now: () => Says): LooseCallbacks {
  const failing = (what: string): void => {
    if (now().failing.includes(what)) raise(new Error(`${what} fail`));
  };
  const pair: LooseCallbacks = {
    getUsersForStates: (states) => {
      failing('routes');
      const targets = new Map<UserId, unknown[]>();
      for (const state of states) {
        for (const target of now().routes[state.userId] ?? [])
          targets.set(target, [...(targets.get(target) ?? []), state]);
      }
      return targets;
    },
    getInterestedUsers: (userId) => {
      failing('interest');
      return now().interest[userId] ?? [];
    },
  };
  if (!restricts) return pair;
  return {
    ...pair,
    getRestrictions: (source) => {
      failing('restrictions');
      return new Map(Object.entries(now().restrictions?.[source] ?? {}));
    },
  };
}
