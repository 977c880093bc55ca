/**
 * The presence router callbacks, statement by statement as docs/reference/presence-router-callbacks.md has them, on the whole
 * presence server in memory. What single answers may look like is in src/router-host/check-*.test.ts.
 */
import { describe, expect, it, vi } from 'vitest';
import {
  type CallbackContext,
  PRESENCE_ALL_USERS,
  type ModuleApi,
  type UserId,
  type UserPresenceState,
} from '../../src/module/index.ts';
import { createModuleHarness, type ModuleUnderTest } from '../../src/testing/index.ts';

const alice = '@alice:test';
const bob = '@bob:test';
const carol = '@carol:test';
const remote = '@remote:island';
const serverName = 'test';

type States = readonly UserPresenceState[];

/** A module from its two callbacks; what is left out names nobody. */
function router(callbacks: {
  getUsersForStates?: (states: States) => unknown;
  getInterestedUsers?: (userId: UserId, context: CallbackContext) => unknown;
}) {
  return {
    getUsersForStates: () => new Map(),
    getInterestedUsers: () => [],
    ...callbacks,
  } as unknown as ModuleUnderTest;
}

/** Routes the updates of `source` to `target`, and lets `target` be interested in `source`. */
function route(source: UserId, target: UserId) {
  return router({
    getUsersForStates: (states) => ({ [target]: states.filter(({ userId }) => userId === source) }),
    getInterestedUsers: (userId) => (userId === target ? [source] : []),
  });
}

const hangs = () => new Promise<never>(() => undefined);

describe('who gets updates', () => {
  it('without modules, those who share a room, and nobody else', async () => {
    await using harness = await createModuleHarness({}, { serverName });
    harness.rooms.join('!room:test', [alice, bob]);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.received(carol)).toEqual([]);
  });

  it('row 90: a routed local user, while they poll, without a shared room', async () => {
    await using harness = await createModuleHarness(route(bob, alice), { serverName });
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'hi' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online', statusMsg: 'hi' }]);
    expect(harness.problems()).toEqual([]);
  });

  it('row 93: the server of a routed remote user, once, without a shared room', async () => {
    await using harness = await createModuleHarness(route(bob, remote), { serverName });
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.sentToServers()).toMatchObject([{ destination: 'island', userId: bob, state: 'online' }]);
  });

  it('row 94: no server at all when only local users are routed to', async () => {
    await using harness = await createModuleHarness(route(bob, alice), { serverName });
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.sentToServers()).toEqual([]);
  });

  it('a server that is reached through a room and by a module, once', async () => {
    await using harness = await createModuleHarness(route(bob, remote), { serverName });
    harness.rooms.join('!room:test', [bob, '@other:island']);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.sentToServers()).toHaveLength(1);
  });

  it('a local user of a remote user’s updates, as they arrive from the other server', async () => {
    await using harness = await createModuleHarness(route(remote, alice), { serverName });
    await harness.connect(alice);
    await harness.receiveFromServer('island', [{ userId: remote, state: 'unavailable' }]);
    expect(harness.received(alice)).toMatchObject([{ userId: remote, state: 'unavailable' }]);
    expect(harness.sentToServers()).toEqual([]);
  });

  it('everybody who is routed to in one batch, by one call with all of its updates', async () => {
    const getUsersForStates = vi.fn<(states: States) => object>((states) => ({ [alice]: states }));
    await using harness = await createModuleHarness(router({ getUsersForStates }), { serverName });
    await harness.receiveFromServer('island', [
      { userId: remote, state: 'online' },
      { userId: '@second:island', state: 'online' },
    ]);
    expect(getUsersForStates).toHaveBeenCalledTimes(1);
    expect(getUsersForStates.mock.calls[0]?.[0].map(({ userId }) => userId).toSorted()).toEqual([
      remote,
      '@second:island',
    ]);
    expect(await harness.sync(alice)).toHaveLength(2);
  });
});

describe('the answer of getUsersForStates is kept with the update', () => {
  const once = () => {
    let calls = 0;
    return router({ getUsersForStates: (states) => ((calls += 1) === 1 ? { [alice]: states } : {}) });
  };

  it('for those who were not polling: at their next sync, initial or not', async () => {
    await using harness = await createModuleHarness(once(), { serverName });
    expect(await harness.sync(alice, { device: 'known' })).toEqual([]);
    await harness.setPresence(bob, { state: 'online' });
    expect(await harness.sync(alice, { device: 'known' })).toMatchObject([{ userId: bob }]);
    expect(await harness.sync(alice, { device: 'known' })).toEqual([]);
    expect(await harness.sync(alice, { device: 'new' })).toMatchObject([{ userId: bob }]);
    expect(await harness.get(alice, bob)).toMatchObject({ state: 'online' });
  });

  it('until the next update of the source replaces it', async () => {
    await using harness = await createModuleHarness(once(), { serverName });
    await harness.setPresence(bob, { state: 'online' });
    await harness.setPresence(bob, { state: 'unavailable' });
    expect(await harness.sync(alice)).toEqual([]);
    expect(await harness.get(alice, bob)).toBeNull();
  });

  it('row 91: also for users who are not interested by the other callback; the disagreement is counted', async () => {
    const module = router({ getUsersForStates: (states) => ({ [alice]: states }) });
    await using harness = await createModuleHarness(module, { serverName });
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.metric('thalamus_module_disagreements_total', { module: '0' })).toBeGreaterThan(0);
    expect(harness.problems()).toHaveLength(1);
  });
});

describe('getInterestedUsers', () => {
  it('lets a user see whom it names: at the first sync, as they change, and when asked for', async () => {
    const module = router({ getInterestedUsers: (userId) => (userId === alice ? [bob, remote] : []) });
    await using harness = await createModuleHarness(module, { serverName });
    await harness.receiveFromServer('island', [{ userId: remote, state: 'online' }]);
    await harness.setPresence(bob, { state: 'online' });
    expect(await harness.get(alice, bob)).toMatchObject({ state: 'online' });
    expect(await harness.get(carol, bob)).toBeNull();
    await harness.connect(alice);
    expect(
      harness
        .received(alice)
        .map(({ userId }) => userId)
        .toSorted(),
    ).toEqual([bob, remote]);
    await harness.receiveFromServer('island', [{ userId: remote, state: 'unavailable' }]);
    expect(harness.received(alice).at(-1)).toMatchObject({ userId: remote, state: 'unavailable' });
  });

  it('row 92: wakes a user for whom it names the source, though the other callback does not; that is counted', async () => {
    const module = router({ getInterestedUsers: (userId) => (userId === alice ? [bob] : []) });
    await using harness = await createModuleHarness(module, { serverName });
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.metric('thalamus_module_disagreements_total', { module: '0' })).toBeGreaterThan(0);
  });

  it('row 108: a routed and interested user may ask for the source', async () => {
    await using harness = await createModuleHarness(route(bob, alice), { serverName });
    await harness.setPresence(bob, { state: 'online' });
    expect(await harness.get(alice, bob)).toMatchObject({ userId: bob, state: 'online' });
    expect(await harness.get(carol, bob)).toBeNull();
  });

  it('is asked about local users only', async () => {
    const getInterestedUsers = vi.fn<(userId: UserId) => UserId[]>(() => []);
    await using harness = await createModuleHarness(router({ getInterestedUsers }), { serverName });
    harness.rooms.join('!room:test', [alice, remote]);
    await harness.receiveFromServer('island', [{ userId: remote, state: 'online' }]);
    await harness.settle();
    expect(new Set(getInterestedUsers.mock.calls.map(([userId]) => userId))).toEqual(new Set([alice]));
  });

  it('row 106: is refreshed by a later sync: what is gained is told at once, what is lost ends with a last offline', async () => {
    let interested: UserId[] = [];
    const module = router({ getInterestedUsers: (userId) => (userId === alice ? interested : []) });
    await using harness = await createModuleHarness(module, { serverName });
    await harness.setPresence(bob, { state: 'online' });
    await harness.connect(alice);
    expect(harness.received(alice)).toEqual([]);

    interested = [bob];
    await harness.sync(alice);
    await harness.settle();
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);

    interested = [];
    await harness.sync(alice);
    await harness.setPresence(bob, { state: 'unavailable' });
    expect(harness.received(alice).map(({ state }) => state)).toEqual(['online', 'offline']);
    expect(await harness.get(alice, bob)).toBeNull();
  });

  it('is asked again by invalidateInterestedUsers, and what is gained reaches an open poll', async () => {
    class Groups {
      readonly #api: ModuleApi;
      members: UserId[] = [];
      constructor(_: unknown, api: ModuleApi) {
        this.#api = api;
        api.registerPresenceRouterCallbacks(this);
      }
      getUsersForStates() {
        return {};
      }
      getInterestedUsers(userId: UserId) {
        return userId === alice ? this.members : [];
      }
      change(members: UserId[]): void {
        this.members = members;
        this.#api.invalidateInterestedUsers([alice]);
      }
    }
    await using harness = await createModuleHarness(Groups, { serverName });
    await harness.setPresence(bob, { state: 'online' });
    await harness.connect(alice);
    harness.instance.change([bob]);
    await harness.settle();
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    harness.instance.change([]);
    await harness.setPresence(bob, { state: 'unavailable' });
    expect(harness.received(alice).map(({ state }) => state)).toEqual(['online', 'offline']);
  });
});

describe('PRESENCE_ALL_USERS', () => {
  const all = (userId: UserId) => (userId === alice ? PRESENCE_ALL_USERS : []);

  it('rows 87, 88: means everybody, local or remote, at the first sync and as they change', async () => {
    const module = router({ getUsersForStates: (states) => ({ [alice]: states }), getInterestedUsers: all });
    await using harness = await createModuleHarness(module, { serverName });
    await harness.setPresence(bob, { state: 'online' });
    expect(await harness.sync(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(await harness.sync(bob)).toMatchObject([{ userId: bob }]);

    await harness.setPresence(bob, { state: 'unavailable' });
    await harness.setPresence(carol, { state: 'online' });
    await harness.receiveFromServer('island', [{ userId: remote, state: 'online' }]);
    const second = await harness.sync(alice);
    expect(second.map(({ userId }) => userId).toSorted()).toEqual([bob, carol, remote]);
    expect(harness.problems()).toEqual([]);
  });

  it('rows 109, 110: needs no mapping, and adds to default routing', async () => {
    for (const getUsersForStates of [
      () => ({}),
      (states: States) => ({ [alice]: states.filter(({ userId }) => userId === carol) }),
    ]) {
      await using harness = await createModuleHarness(router({ getUsersForStates, getInterestedUsers: all }), {
        serverName,
      });
      harness.rooms.join('!room:test', [alice, bob]);
      await harness.setPresence(alice, { state: 'online' });
      await harness.setPresence(bob, { state: 'online' });
      await harness.setPresence(carol, { state: 'online' });
      const seen = await harness.sync(alice);
      expect(seen.map(({ userId }) => userId).toSorted()).toEqual([alice, bob, carol]);
      expect(harness.problems()).toEqual([]);
    }
  });

  it('row 111: leaves offline users out of an initial sync', async () => {
    await using harness = await createModuleHarness(router({ getInterestedUsers: all }), { serverName });
    await harness.setPresence(bob, { state: 'online' });
    await harness.setPresence(bob, { state: 'offline' });
    await harness.setPresence(carol, { state: 'online' });
    expect(await harness.sync(alice)).toMatchObject([{ userId: carol }]);
  });

  it('row 103: keeps the modules after it from being asked', async () => {
    const second = vi.fn<() => UserId[]>(() => [bob]);
    await using harness = await createModuleHarness(router({ getInterestedUsers: () => PRESENCE_ALL_USERS }), {
      serverName,
      otherModules: [{ module: router({ getInterestedUsers: second }) }],
    });
    await harness.sync(alice);
    expect(second).not.toHaveBeenCalled();
  });
});

describe('several modules', () => {
  it('row 105: are merged per user', async () => {
    await using harness = await createModuleHarness(route(bob, alice), {
      serverName,
      otherModules: [{ module: route(carol, alice) }],
    });
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online' });
    await harness.setPresence(carol, { state: 'online' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob }, { userId: carol }]);
  });

  it('are asked in configuration order', async () => {
    const order: string[] = [];
    const named = (name: string) =>
      router({
        getUsersForStates: () => (order.push(`${name} routes`), {}),
        getInterestedUsers: () => (order.push(`${name} interest`), []),
      });
    await using harness = await createModuleHarness(named('first'), {
      serverName,
      otherModules: [{ module: named('second') }, { module: named('third') }],
    });
    await harness.sync(alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(order.slice(0, 3)).toEqual(['first interest', 'second interest', 'third interest']);
    expect(order.filter((step) => step.endsWith('routes')).slice(0, 3)).toEqual([
      'first routes',
      'second routes',
      'third routes',
    ]);
  });
});

describe('a module that fails', () => {
  const nonsense = (value: unknown) => router({ getUsersForStates: () => value, getInterestedUsers: () => value });
  const throws = () => {
    throw new Error('no');
  };

  it.each([
    ['rows 99, 104: throws', router({ getUsersForStates: throws, getInterestedUsers: throws })],
    [
      'rows 99, 104: rejects',
      router({ getUsersForStates: async () => throws(), getInterestedUsers: async () => throws() }),
    ],
    ['row 100: returns null', nonsense(null)],
    ['row 100: returns a list', nonsense([7])],
    ['row 100: returns a string', nonsense('everybody')],
    [
      'row 112: names no users',
      router({ getUsersForStates: (states) => ({ nouser: states }), getInterestedUsers: () => ['nouser'] }),
    ],
    [
      'row 113: returns another user’s record',
      router({ getUsersForStates: () => ({ '@x:island': [{ userId: remote }] }) }),
    ],
  ])('%s: disturbs neither default routing nor the next module, and is counted', async (_what, module) => {
    await using harness = await createModuleHarness(module, {
      serverName,
      otherModules: [{ module: route(bob, carol) }],
    });
    harness.rooms.join('!room:test', [alice, bob]);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.received(carol)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.sentToServers()).toEqual([]);
    expect(harness.problems().length).toBeGreaterThan(0);
  });

  it('hangs: default routing waits for nothing, and the next module not beyond the deadline', async () => {
    await using harness = await createModuleHarness(router({ getUsersForStates: hangs }), {
      serverName,
      otherModules: [{ module: router({ getUsersForStates: (states) => ({ [carol]: states }) }) }],
    });
    harness.rooms.join('!room:test', [alice, bob]);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob }]);
    expect(harness.received(carol)).toEqual([]);
    await harness.advance({ seconds: 2 });
    expect(harness.received(carol)).toMatchObject([{ userId: bob }]);
    expect(
      harness.metric('thalamus_module_callback_total', {
        module: '0',
        callback: 'getUsersForStates',
        outcome: 'timed_out',
      }),
    ).toBe(1);
  });

  it('hangs in getInterestedUsers: a sync waits for it, but not beyond the deadline', async () => {
    await using harness = await createModuleHarness(router({ getInterestedUsers: hangs }), { serverName });
    harness.rooms.join('!room:test', [bob, carol]);
    let synced = false;
    const syncing = harness.sync(alice).then(() => (synced = true));
    await harness.advance({ ms: 1 }).catch(() => undefined);
    expect(synced).toBe(false);
    await harness.advance({ seconds: 2 });
    await syncing;
    expect(synced).toBe(true);
  });
});

describe('a client that goes away', () => {
  it('row 116: does not stop a callback that is asked for it, and the answer counts', async () => {
    let answer: (users: UserId[]) => void = () => undefined;
    let aborted: boolean | undefined;
    const module = router({
      getInterestedUsers: (userId, context) => {
        if (userId !== alice) return [];
        context.signal.addEventListener('abort', () => (aborted = true));
        return new Promise((resolve) => (answer = resolve));
      },
    });
    await using harness = await createModuleHarness(module, { serverName });
    await harness.setPresence(bob, { state: 'online' });
    await harness.connect(alice);
    const answered = (): number =>
      harness.metric('thalamus_module_callback_total', { module: '0', callback: 'getInterestedUsers', outcome: 'ok' });
    await harness.disconnect(alice);
    const before = answered();
    answer([bob]);
    await harness.settle();
    expect(aborted).toBeUndefined();
    expect(answered()).toBe(before + 1);
    expect(harness.problems()).toEqual([]);
  });
});

describe('registration', () => {
  it('row 85: of one callback alone stops the start', async () => {
    const half = { getUsersForStates: () => ({}) } as unknown as ModuleUnderTest;
    await expect(createModuleHarness(half, { serverName })).rejects.toMatchObject({
      name: 'ModuleLoadError',
      reason: 'half_a_pair',
    });
  });

  it('row 86: of none has no effect', async () => {
    await using harness = await createModuleHarness(() => undefined, { serverName });
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toEqual([]);
  });
});
