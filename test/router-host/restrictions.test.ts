/**
 * `getRestrictions`, statement by statement as docs/reference/presence-router-callbacks.md has it, on the whole presence server in memory.
 * What single answers may look like is in src/router-host/check-restrictions.test.ts; failures are in src/router-host/restrictor.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { EVERYBODY_ELSE, type ModuleApi, type Observer, type UserId } from '../../src/module/index.ts';
import { createModuleHarness, type ModuleUnderTest } from '../../src/testing/index.ts';

const alice = '@alice:test';
const bob = '@bob:test';
const carol = '@carol:test';
const far = '@far:island';
const serverName = 'test';

/** A module whose answer the test changes, and that notes what it was asked. */
function restricting(answer: unknown) {
  const asked: [source: UserId, observers: readonly Observer[]][] = [];
  const control = {
    answer,
    asked,
    askedAbout: (source: UserId) => asked.filter(([about]) => about === source).flatMap(([, observers]) => observers),
    api: undefined as unknown as ModuleApi,
    module: ((_: never, api: ModuleApi) => {
      control.api = api;
      return {
        getRestrictions(source: UserId, observers: readonly Observer[]) {
          asked.push([source, observers]);
          return typeof control.answer === 'function'
            ? (control.answer as (...question: unknown[]) => unknown)(source, observers)
            : control.answer;
        },
      };
    }) as ModuleUnderTest,
  };
  return control;
}

/** Says of Bob alone what the test says. */
const aboutBob =
  (answer: unknown) =>
  (source: UserId): unknown =>
    source === bob ? answer : undefined;

/** Who would get Bob's presence by a room: Alice, Carol, and the server of Far. */
const everybodyInRoom = [alice, bob, carol, far] as const;

describe('getRestrictions', () => {
  it('is asked about users of this server, and about other servers as a whole', async () => {
    const { module, askedAbout, asked } = restricting(new Map());
    await using harness = await createModuleHarness(module, { serverName });
    harness.rooms.join('!room:test', [...everybodyInRoom, '@other:island']);
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online' });
    await harness.setPresence(far, { state: 'online' });
    expect(new Set(askedAbout(bob))).toEqual(new Set([alice, carol, 'island']));
    // Who is of another server is asked about, too; that server knows by itself what its own user does.
    expect(new Set(askedAbout(far))).toEqual(new Set([alice, bob, carol]));
    expect(asked.every(([, observers]) => Object.isFrozen(observers))).toBe(true);
  });

  it('row 312: never keeps anybody from seeing themselves', async () => {
    const { module, askedAbout } = restricting('deny');
    await using harness = await createModuleHarness(module, { serverName });
    await harness.connect(bob);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'here' });
    expect(harness.received(bob).at(-1)).toMatchObject({ userId: bob, state: 'online', statusMsg: 'here' });
    expect(await harness.get(bob, bob)).toMatchObject({ state: 'online' });
    expect(askedAbout(bob)).not.toContain(bob);
  });

  it('rows 301–305, 307: keeps presence from whom it denies, on every way', async () => {
    const { module } = restricting(aboutBob({ '@alice:test': 'deny', island: 'deny' }));
    await using harness = await createModuleHarness(module, { serverName });
    harness.rooms.join('!room:test', everybodyInRoom);
    await harness.connect(alice);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online' });
    await harness.setPresence(bob, { state: 'unavailable', statusMsg: 'away' });
    harness.rooms.join('!other:test', [alice, bob]);
    await harness.settle();
    expect(harness.received(alice).filter(({ userId }) => userId === bob)).toEqual([]);
    expect(await harness.get(alice, bob)).toBeNull();
    // A first sync, a later one, and one of everything.
    for (const fullState of [false, false, true]) {
      const told = await harness.sync(alice, { device: 'B', fullState });
      expect(told.filter(({ userId }) => userId === bob)).toEqual([]);
    }
    expect(harness.sentToServers().filter(({ userId }) => userId === bob)).toEqual([]);
    expect(harness.received(carol).at(-1)).toMatchObject({ userId: bob, state: 'unavailable', statusMsg: 'away' });
  });

  it('row 306: keeps it back from those whom sendLocalOnlinePresenceTo names, too', async () => {
    const control = restricting(aboutBob({ '@alice:test': 'deny', island: 'deny' }));
    await using harness = await createModuleHarness(control.module, { serverName });
    harness.rooms.join('!room:test', everybodyInRoom);
    await harness.connect(alice);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online' });
    harness.clear();
    await control.api.sendLocalOnlinePresenceTo([alice, carol, far]);
    await harness.settle();
    expect(harness.received(carol)).toMatchObject([{ userId: bob }]);
    expect(harness.received(alice).filter(({ userId }) => userId === bob)).toEqual([]);
    expect(harness.sentToServers().filter(({ userId }) => userId === bob)).toEqual([]);
  });

  it('row 327: withholds what nobody has said anything about yet, and gives it with the answer', async () => {
    let answer: (value: unknown) => void = () => undefined;
    const control = restricting(aboutBob(new Promise((resolve) => (answer = resolve))));
    await using harness = await createModuleHarness(control.module, { serverName });
    harness.rooms.join('!room:test', everybodyInRoom);
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'one' });
    await harness.setPresence(bob, { state: 'online', statusMsg: 'two' });
    expect([harness.received(alice), harness.sentToServers()]).toEqual([[], []]);
    answer(new Map());
    await harness.settle();
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online', statusMsg: 'two' }]);
    expect(harness.sentToServers()).toMatchObject([{ destination: 'island', userId: bob, statusMsg: 'two' }]);
  });

  it('shows less of somebody to whom it says so: without fields, or as offline', async () => {
    const { module } = restricting(
      aboutBob({
        [alice]: { hide: ['status_msg', 'currently_active'] },
        [carol]: 'offline',
        island: { hide: ['status_msg'] },
      }),
    );
    await using harness = await createModuleHarness(module, { serverName });
    harness.rooms.join('!room:test', everybodyInRoom);
    await harness.connect(alice);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'secret' });
    const without = { userId: bob, state: 'online', statusMsg: null, currentlyActive: false };
    expect(harness.received(alice)).toMatchObject([without]);
    expect(await harness.get(alice, bob)).toMatchObject(without);
    expect(harness.received(carol)).toEqual([]);
    expect(await harness.get(carol, bob)).toMatchObject({ state: 'offline', statusMsg: null });
    expect(harness.sentToServers()).toMatchObject([{ userId: bob, statusMsg: null, currentlyActive: true }]);
  });

  it('row 313: is asked once about a source if the answer is about everybody, and otherwise once about each observer', async () => {
    const rooms = async (answer: unknown) => {
      const { module, asked } = restricting(aboutBob(answer));
      await using harness = await createModuleHarness(module, { serverName });
      harness.rooms.join('!room:test', [alice, bob]);
      await harness.connect(alice);
      await harness.setPresence(bob, { state: 'online' });
      await harness.setPresence(bob, { state: 'unavailable' });
      harness.rooms.join('!room:test', carol);
      await harness.connect(carol);
      await harness.setPresence(bob, { state: 'online' });
      await harness.get(carol, bob);
      return asked.filter(([source]) => source === bob).map(([, observers]) => observers);
    };
    expect(await rooms({ '*': null })).toEqual([[alice]]);
    expect(await rooms('offline')).toEqual([[alice]]);
    expect(await rooms({})).toEqual([[alice], [carol]]);
  });

  it('row 314: is asked once about a source with ten thousand observers, and one entry is kept, if the answer is for everybody', async () => {
    const crowd = Array.from({ length: 10_000 }, (_, index): UserId => `@w${index}:test`);
    const { module, asked } = restricting(aboutBob({ hide: ['status_msg'] }));
    await using harness = await createModuleHarness(module, { serverName });
    // Each in a room with Bob alone: what they see of one another is another matter.
    for (const [index, observer] of crowd.entries()) harness.rooms.join(`!room${index}:test`, [bob, observer]);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'one' });
    await harness.setPresence(bob, { state: 'unavailable', statusMsg: 'two' });
    const told = crowd.map((observer) => harness.received(observer).filter(({ userId }) => userId === bob));
    for (const each of told) {
      expect(each.map(({ state, statusMsg }) => [state, statusMsg])).toEqual([
        ['online', null],
        ['unavailable', null],
      ]);
    }
    expect(asked).toMatchObject([[bob, { length: 10_000 }]]);
    expect(harness.metric('thalamus_presence_restrictions')).toBe(1);
    expect(harness.metric('thalamus_module_remembered_restrictions', { module: '0' })).toBe(1);
  });

  it('row 315: is asked again by invalidateRestrictions: what is lost ends with a last offline, what is gained is told at once', async () => {
    const control = restricting(aboutBob({ [carol]: 'deny' }));
    await using harness = await createModuleHarness(control.module, { serverName });
    harness.rooms.join('!room:test', everybodyInRoom);
    await harness.connect(alice);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'here' });
    harness.clear();
    control.answer = aboutBob({ '*': 'deny', [carol]: null });
    // Until the module is told to, nobody asks.
    await harness.setPresence(bob, { state: 'unavailable', statusMsg: 'still here' });
    expect([harness.received(alice).length, harness.received(carol).length]).toEqual([1, 0]);
    harness.clear();
    control.api.invalidateRestrictions([bob]);
    await harness.settle();
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'offline', statusMsg: null }]);
    expect(harness.received(carol)).toMatchObject([{ userId: bob, state: 'unavailable', statusMsg: 'still here' }]);
    expect(harness.sentToServers()).toMatchObject([{ destination: 'island', userId: bob, state: 'offline' }]);
    harness.clear();
    await harness.setPresence(bob, { state: 'online' });
    expect([harness.received(alice).length, harness.received(carol).length]).toEqual([0, 1]);
    expect(harness.sentToServers()).toEqual([]);
  });

  it('row 309: wins over what the same module, or another one, adds', async () => {
    const adds = {
      getUsersForStates: (states: Iterable<{ userId: UserId }>) =>
        new Map([alice, carol, far].map((id) => [id, states])),
      getInterestedUsers: () => 'ALL',
    };
    const restricts = {
      getRestrictions: (source: UserId) =>
        source === bob
          ? new Map([
              ['*', 'deny'],
              [carol, null],
            ])
          : null,
    };
    const options = { serverName, otherModules: [{ module: restricts as ModuleUnderTest }] };
    for (const [module, more] of [
      [{ ...adds, ...restricts }, { serverName }],
      [adds, options],
    ] as const) {
      await using harness = await createModuleHarness(module as ModuleUnderTest, more);
      await harness.connect(alice);
      await harness.connect(carol);
      await harness.setPresence(bob, { state: 'online' });
      expect(harness.received(alice).filter(({ userId }) => userId === bob)).toEqual([]);
      expect(await harness.get(alice, bob)).toBeNull();
      expect(harness.received(carol)).toMatchObject([{ userId: bob }]);
      expect(harness.sentToServers()).toEqual([]);
    }
  });

  it('row 317: is asked again by itself when it has failed, and what its failure kept back is given', async () => {
    const control = restricting(() => {
      throw new Error('no database');
    });
    await using harness = await createModuleHarness(control.module, { serverName });
    harness.rooms.join('!room:test', [alice, bob]);
    await harness.connect(alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toEqual([]);
    expect(await harness.get(alice, bob)).toBeNull();
    control.answer = undefined;
    await harness.advance({ seconds: 5 });
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.problems()).toEqual([
      'the answer of a module was dropped: getRestrictions of module 0 (module) threw: no database',
    ]);
  });

  it('row 316: stands by its last answer when it fails to give another one', async () => {
    const control = restricting(aboutBob({ [EVERYBODY_ELSE]: 'deny', [carol]: null }));
    await using harness = await createModuleHarness(control.module, { serverName });
    harness.rooms.join('!room:test', [alice, bob, carol]);
    await harness.connect(alice);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online' });
    control.answer = () => {
      throw new Error('no database');
    };
    control.api.invalidateRestrictions();
    await harness.settle();
    await harness.setPresence(bob, { state: 'unavailable' });
    expect(harness.received(alice).filter(({ userId }) => userId === bob)).toEqual([]);
    expect(harness.received(carol).map(({ state }) => state)).toEqual(['online', 'unavailable']);
  });
});
