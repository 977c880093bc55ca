import { describe, expect, it, vi } from 'vitest';
import {
  loadRelation,
  type ModuleApi,
  ObserverRelation,
  type ObserverPair,
  pairsOfGroups,
  PRESENCE_ALL_USERS,
  type PresenceRouterCallbacks,
  type UserId,
} from './index.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const CAROL = '@carol:test';
const FAR = '@far:island';
const WALL = '@wall:test';

function fakeApi() {
  let callbacks: PresenceRouterCallbacks | null = null;
  const loops: (() => unknown)[] = [];
  const told: string[] = [];
  const tell =
    (what: string) =>
    (users?: Iterable<UserId>): void =>
      void told.push(`${what} ${users === undefined ? 'all' : [...users].join()}`);
  const api = {
    isMine: (id: string) => id.endsWith(':test'),
    registerPresenceRouterCallbacks: (given: PresenceRouterCallbacks) => {
      callbacks = given;
    },
    invalidateInterestedUsers: tell('observers'),
    invalidateUsersForStates: tell('routes'),
    invalidateRestrictions: tell('restrictions'),
    sendLocalOnlinePresenceTo: async (users: Iterable<UserId>) => tell('snapshot')(users),
    runAsBackgroundProcess: async (_desc: string, f: () => unknown) => f(),
    loopingBackgroundCall: (f: () => unknown) => {
      loops.push(f);
      return { [Symbol.dispose]: () => undefined };
    },
  } as unknown as ModuleApi;
  const context = { signal: new AbortController().signal };
  const registered = (): PresenceRouterCallbacks => {
    if (callbacks === null) throw new Error('nothing is registered');
    return callbacks;
  };
  const batch = (...users: UserId[]) => users.map((userId) => ({ userId }) as never);
  return {
    api,
    told,
    loops,
    interest: (userId: UserId) => registered().getInterestedUsers(userId, context) as readonly UserId[] | 'ALL',
    answer: (...users: UserId[]) => registered().getUsersForStates(batch(...users), context) as Map<UserId, unknown>,
    /** target → users whose updates they get */
    routes(...users: UserId[]) {
      const answer = registered().getUsersForStates(batch(...users), context) as Map<UserId, { userId: UserId }[]>;
      return Object.fromEntries([...answer].map(([target, updates]) => [target, updates.map(({ userId }) => userId)]));
    },
    restrictions: (source: UserId, ...observers: string[]) =>
      registered().getRestrictions?.(source, observers, context),
  };
}

function relate(pairs: Iterable<ObserverPair>, options = {}) {
  const fake = fakeApi();
  return { ...fake, relation: new ObserverRelation(pairs).register(fake.api, options) };
}

describe('ObserverRelation', () => {
  it('answers both questions from the same pairs', () => {
    const it = relate([
      [ALICE, BOB],
      [ALICE, FAR],
      [FAR, BOB],
    ]);
    expect(it.interest(ALICE)).toEqual([BOB, FAR]);
    expect(it.interest(BOB)).toEqual([]);
    expect(it.routes(BOB)).toEqual({ [ALICE]: [BOB], [FAR]: [BOB] });
    expect(it.routes(CAROL)).toEqual({});
    expect(it.routes(CAROL, BOB, FAR)).toEqual({ [ALICE]: [BOB, FAR], [FAR]: [BOB] });
  });

  it('is a set of pairs', () => {
    const relation = new ObserverRelation([[ALICE, BOB]]);
    expect(relation.add(ALICE, BOB)).toBe(false);
    expect(relation.add(ALICE, ALICE)).toBe(false);
    expect(relation.add(BOB, ALICE)).toBe(true);
    expect(relation.has(ALICE, BOB)).toBe(true);
    expect(relation.has(ALICE, CAROL)).toBe(false);
    expect([...relation]).toEqual([
      [ALICE, BOB],
      [BOB, ALICE],
    ]);
    expect(relation.delete(ALICE, BOB)).toBe(true);
    expect(relation.delete(ALICE, BOB)).toBe(false);
    expect(relation.size).toBe(1);
    expect([...new ObserverRelation(relation)]).toEqual([[BOB, ALICE]]);
  });

  it('is changed by observer, by source, and as a whole', () => {
    const relation = new ObserverRelation([[ALICE, BOB]]);
    relation.set(ALICE, [CAROL, FAR]);
    expect([...relation]).toEqual([
      [ALICE, CAROL],
      [ALICE, FAR],
    ]);
    relation.set(ALICE, PRESENCE_ALL_USERS);
    expect([...relation]).toEqual([[ALICE, PRESENCE_ALL_USERS]]);
    relation.setObserversOf(BOB, [ALICE, CAROL]);
    relation.setObserversOf(BOB, [CAROL, FAR]);
    expect([...relation]).toEqual([
      [ALICE, PRESENCE_ALL_USERS],
      [CAROL, BOB],
      [FAR, BOB],
    ]);
    relation.replace([
      [CAROL, BOB],
      [BOB, CAROL],
    ]);
    expect([...relation]).toEqual([
      [CAROL, BOB],
      [BOB, CAROL],
    ]);
    relation.replace([]);
    expect(relation.size).toBe(0);
  });

  it('refuses what is not a user id, and changes nothing then', () => {
    const relation = new ObserverRelation([[ALICE, BOB]]);
    const wrong = 'bob' as UserId;
    const message = 'the source "bob" is not a user id such as "@alice:example.org"';
    expect(() => relation.add(ALICE, wrong)).toThrow(message);
    expect(() => relation.set(ALICE, [CAROL, wrong])).toThrow(message);
    expect(() => relation.set(ALICE, wrong)).toThrow(message);
    expect(() => relation.setObserversOf(BOB, [wrong])).toThrow('the observer "bob" is not a user id');
    expect(() =>
      relation.replace([
        [CAROL, BOB],
        [undefined as never, BOB],
      ]),
    ).toThrow('the observer undefined is not a user id');
    expect([...relation]).toEqual([[ALICE, BOB]]);
  });

  it('says ALL for who sees everybody, and names them only where the server has to be told', () => {
    const it = relate([
      [WALL, PRESENCE_ALL_USERS],
      [FAR, PRESENCE_ALL_USERS],
      [ALICE, BOB],
    ]);
    expect(it.interest(WALL)).toBe(PRESENCE_ALL_USERS);
    expect(it.routes(BOB, CAROL)).toEqual({ [ALICE]: [BOB], [FAR]: [BOB, CAROL] });
    it.relation.set(WALL, []);
    expect(it.interest(WALL)).toEqual([]);
  });

  it('shows a source to everybody here, as soon as they have been asked about', () => {
    const it = relate([
      [PRESENCE_ALL_USERS, BOB],
      [ALICE, CAROL],
    ]);
    expect(it.routes(BOB)).toEqual({});
    expect(it.interest(ALICE)).toEqual([CAROL, BOB]);
    expect(it.interest(WALL)).toEqual([BOB]);
    expect(it.interest(FAR)).toEqual([]);
    it.interest(BOB);
    expect(it.routes(BOB)).toEqual({ [ALICE]: [BOB], [WALL]: [BOB] });

    it.relation.add(PRESENCE_ALL_USERS, FAR);
    expect(it.interest(ALICE)).toEqual([CAROL, BOB, FAR]);
    expect(it.routes(FAR)).toEqual({ [ALICE]: [FAR], [WALL]: [FAR], [BOB]: [FAR] });
    it.relation.add(ALICE, BOB);
    it.relation.delete(PRESENCE_ALL_USERS, BOB);
    expect(it.routes(BOB)).toEqual({ [ALICE]: [BOB] });
    expect(it.interest(WALL)).toEqual([FAR]);
    it.relation.delete(PRESENCE_ALL_USERS, FAR);
    expect(it.routes(FAR)).toEqual({});
    expect(it.interest(ALICE)).toEqual([CAROL, BOB]);
  });

  it('lets everybody here see everybody', () => {
    const it = relate([[PRESENCE_ALL_USERS, PRESENCE_ALL_USERS]]);
    expect(it.interest(ALICE)).toBe(PRESENCE_ALL_USERS);
    expect(it.interest(FAR)).toEqual([]);
    it.relation.replace([]);
    expect(it.interest(ALICE)).toEqual([]);
  });

  it('gives the same frozen array, and the same Map, until something changes', () => {
    const sources = Array.from({ length: 100 }, (_, n): UserId => `@s${n}:test`);
    const it = relate(sources.map((source): ObserverPair => [ALICE, source]));
    for (let n = 0; n < 10_000; n++) it.relation.add(`@o${n}:test`, BOB);
    const [array, map] = [it.interest(ALICE), it.answer(BOB)];
    expect(Object.isFrozen(array)).toBe(true);
    expect(map.size).toBe(10_000);
    expect(it.interest(ALICE)).toBe(array);
    expect(it.answer(BOB)).toBe(map);
    // Together with somebody who is observed by nobody, too.
    expect(it.answer(CAROL, BOB)).toBe(map);
    const everyone = Array.from({ length: 10_000 }, (_, n) => it.interest(`@o${n}:test`));
    expect(everyone.every((answer, n) => answer === it.interest(`@o${n}:test`))).toBe(true);
    it.relation.add(ALICE, BOB);
    expect(it.interest(ALICE)).not.toBe(array);
  });
});

describe('changes of a relation', () => {
  it('are told once for all changes of one go, a microtask later', async () => {
    const it = relate([]);
    it.relation.add(ALICE, BOB);
    it.relation.add(ALICE, CAROL);
    it.relation.add(CAROL, BOB);
    expect(it.told).toEqual([]);
    await Promise.resolve();
    expect(it.told).toEqual([`observers ${ALICE},${CAROL}`]);
    await Promise.resolve();
    expect(it.told).toHaveLength(1);
  });

  it('are told before the next answer', () => {
    const it = relate([]);
    it.relation.add(ALICE, BOB);
    it.answer(CAROL);
    expect(it.told).toEqual([`observers ${ALICE}`]);
  });

  it('route the present again for observers elsewhere who gain and for users here who lose', async () => {
    const it = relate([
      [ALICE, BOB],
      [FAR, CAROL],
    ]);
    it.relation.add(FAR, BOB);
    it.relation.delete(FAR, CAROL);
    await Promise.resolve();
    expect(it.told.splice(0)).toEqual([`routes ${BOB}`]);
    it.relation.set(ALICE, [CAROL]);
    await Promise.resolve();
    expect(it.told).toEqual([`observers ${ALICE}`, `routes ${BOB}`]);
  });

  it('have everybody asked again about whom everybody sees', async () => {
    const it = relate([]);
    it.relation.add(PRESENCE_ALL_USERS, BOB);
    it.relation.add(FAR, PRESENCE_ALL_USERS);
    await Promise.resolve();
    expect(it.told.splice(0)).toEqual(['observers all', `snapshot ${FAR}`]);
    it.relation.replace([]);
    await Promise.resolve();
    expect(it.told).toEqual(['observers all', `routes ${BOB}`]);
  });

  it('are told only where there is a difference', async () => {
    const pairs: ObserverPair[] = [
      [ALICE, BOB],
      [BOB, ALICE],
    ];
    const it = relate(pairs);
    it.relation.replace(pairs);
    it.relation.set(ALICE, [BOB]);
    it.relation.setObserversOf(ALICE, [BOB]);
    await Promise.resolve();
    expect(it.told).toEqual([]);
  });
});

describe('a relation that is the only one', () => {
  it('denies everybody else, asked about or not', () => {
    const it = relate(
      [
        [ALICE, BOB],
        [FAR, BOB],
        [WALL, PRESENCE_ALL_USERS],
      ],
      { only: true },
    );
    const answer = it.restrictions(BOB, CAROL, 'elsewhere');
    expect(answer).toEqual(
      new Map([
        [ALICE, null],
        ['island', null],
        [WALL, null],
        ['*', 'deny'],
      ]),
    );
    expect(it.restrictions(CAROL, ALICE)).toEqual(
      new Map([
        [WALL, null],
        ['*', 'deny'],
      ]),
    );
  });

  it('denies other servers whom everybody here sees', () => {
    const it = relate(
      [
        [PRESENCE_ALL_USERS, BOB],
        [FAR, BOB],
      ],
      { only: true },
    );
    expect(it.restrictions(BOB, ALICE, 'island', 'elsewhere')).toEqual(new Map([['elsewhere', 'deny']]));
  });

  it('has restrictions asked about again as it changes', async () => {
    const it = relate([], { only: true });
    it.relation.add(ALICE, BOB);
    await Promise.resolve();
    expect(it.told.splice(0)).toEqual([`observers ${ALICE}`, `restrictions ${BOB}`]);
    it.relation.add(WALL, PRESENCE_ALL_USERS);
    await Promise.resolve();
    expect(it.told).toEqual([`observers ${WALL}`, 'restrictions all']);
  });

  it('is not, unless it says so', () => {
    expect(relate([]).restrictions(BOB, ALICE)).toBeUndefined();
  });
});

describe('pairsOfGroups', () => {
  it('pairs the members of each group with each other', () => {
    const groups: Iterable<UserId>[] = [[ALICE, BOB, ALICE], [FAR], new Set<UserId>([BOB, CAROL])];
    expect([...pairsOfGroups(groups)]).toEqual([
      [ALICE, BOB],
      [BOB, ALICE],
      [BOB, CAROL],
      [CAROL, BOB],
    ]);
  });
});

describe('loadRelation', () => {
  it('is registered when it is loaded, and loaded again', async () => {
    const it = fakeApi();
    const load = vi.fn<() => Promise<ObserverPair[]>>(async () => [[ALICE, BOB]]);
    const relation = await loadRelation(it.api, load, { refreshMs: 1_000 });
    expect(it.interest(ALICE)).toEqual([BOB]);

    load.mockResolvedValue([[ALICE, CAROL]]);
    await it.loops[0]?.();
    expect([...relation]).toEqual([[ALICE, CAROL]]);
    expect(it.told).toEqual([`observers ${ALICE}`, `routes ${BOB}`]);

    load.mockResolvedValue([[ALICE, 'bob' as UserId]]);
    await expect(it.loops[0]?.()).rejects.toThrow('the source "bob" is not a user id');
    load.mockRejectedValue(new Error('the directory is not there'));
    await expect(it.loops[0]?.()).rejects.toThrow('the directory is not there');
    expect([...relation]).toEqual([[ALICE, CAROL]]);
  });

  it('reads pairs as they come, and not again unless it is told to', async () => {
    const it = fakeApi();
    async function* rows(): AsyncGenerator<ObserverPair> {
      yield [ALICE, BOB];
    }
    await loadRelation(it.api, rows);
    expect(it.interest(ALICE)).toEqual([BOB]);
    expect(it.loops).toEqual([]);
  });
});
