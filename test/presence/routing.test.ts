import { describe, expect, it } from 'vitest';
import type { RoutingAnswer } from '../../src/core/engine-api.ts';
import { DEFAULT_TIMERS } from '../../src/presence/index.ts';
import type { Interest } from '../../src/router-host/index.ts';
import { later, Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const CAROL = '@carol:test';
const X = '@x:test';
const FAR = '@far:island';
const ROOM = '!room:test';

describe('default routing', () => {
  it('rows 67, 68: a room mate gets one event, with status', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB);
    const bob = rig.client(BOB);
    await bob.sync();
    await rig.put(ALICE, 'online', 'hello');
    expect([...(await bob.sync())]).toEqual([
      [ALICE, { presence: 'online', status_msg: 'hello', currently_active: true, last_active_ago: 0 }],
    ]);
    await rig.put(ALICE, 'unavailable');
    expect([...(await bob.sync())]).toMatchObject([[ALICE, { presence: 'unavailable' }]]);
    expect(await bob.sync()).toEqual(new Map());
  });

  it('rows 69, 70, 71: who shares a room sees, who does not never does, and everybody sees themself', async () => {
    const rig = await Rig.start();
    rig.rooms.join('!one:test', ALICE, BOB);
    rig.rooms.join('!two:test', ALICE, CAROL);
    const [alice, x] = [await rig.client(ALICE).watch(), await rig.client(X).watch()];
    await rig.put(BOB, 'online');
    await rig.put(CAROL, 'online');
    expect(alice.statesOf(BOB)).toEqual(['online']);
    expect(alice.statesOf(CAROL)).toEqual(['online']);
    await rig.put(X, 'online');
    expect(x.seen.map(([sender]) => sender)).toEqual([X]);
    expect(await rig.sees(X, ALICE)).toBe(false);
  });

  it('rows 72, 73: an excluded room does not count, another one does', async () => {
    const rig = await Rig.start({ excludedRooms: new Set(['!hall:test']) });
    rig.rooms.join('!hall:test', ALICE, BOB, CAROL);
    rig.rooms.join(ROOM, ALICE, CAROL);
    const [bob, carol] = [await rig.client(BOB).watch(), await rig.client(CAROL).watch()];
    await rig.put(ALICE, 'online');
    expect(bob.seen).toEqual([]);
    expect(carol.statesOf(ALICE)).toEqual(['online']);
    expect(await rig.sees(BOB, ALICE)).toBe(false);
    expect(await rig.sees(CAROL, ALICE)).toBe(true);
  });

  it('rows 74, 94: servers in the rooms get local users, once; excluded rooms and our own server do not', async () => {
    const rig = await Rig.start({ excludedRooms: new Set(['!hall:test']) });
    rig.rooms.join('!hall:test', ALICE, '@p:excluded');
    rig.rooms.join(ROOM, ALICE, BOB, FAR, '@other:island', '@p:mainland');
    await rig.put(ALICE, 'online');
    expect(
      rig.federation.sent.map(({ destination, states }) => [destination, states.map((state) => state.userId)]),
    ).toEqual([
      ['island', [ALICE]],
      ['mainland', [ALICE]],
    ]);
  });

  it('rows 75, 78: whoever leaves the last common room is told nothing more', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB);
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online');
    rig.rooms.leave(ROOM, BOB);
    await rig.put(ALICE, 'offline');
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(await rig.sees(BOB, ALICE)).toBe(false);
  });

  it('memberships that change while they are read at the start count', async () => {
    const rig = new Rig();
    rig.rooms.join(ROOM, ALICE, BOB, CAROL);
    const joined = rig.rooms.loadJoined();
    rig.rooms.loadJoined = async function* () {
      for await (const room of joined) {
        rig.rooms.leave(ROOM, BOB);
        yield room;
      }
    };
    await rig.handler.start();
    expect(await rig.sees(BOB, ALICE)).toBe(false);
    expect(await rig.sees(CAROL, ALICE)).toBe(true);
  });
});

describe('routers', () => {
  it('rows 90, 96: a routed observer is told, and the routers are asked once for each batch', async () => {
    const router = StubRouter.connecting({ [ALICE]: [X] });
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, BOB);
    const x = await rig.client(X).watch();
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online', 'hi');
    expect(x.seen).toMatchObject([[ALICE, { status_msg: 'hi' }]]);
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(router.batches.length).toBe(1);
    expect(router.batches[0]).toMatchObject([{ userId: ALICE, state: 'online', statusMsg: 'hi' }]);
    expect(Object.isFrozen(router.batches[0]?.[0])).toBe(true);
  });

  it('are asked when whoever waited for the change has been answered, for they can hold up the process', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router, schedule: setImmediate });
    await rig.put(ALICE, 'online');
    expect(router.batches).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(router.batches).toMatchObject([[{ userId: ALICE, state: 'online' }]]);
  });

  it('row 96: changes of one turn are one batch', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router });
    await Promise.all([rig.put(ALICE, 'online'), rig.put(BOB, 'online'), rig.put(ALICE, 'unavailable')]);
    expect(router.batches.map((states) => states.map(({ userId, state }) => [userId, state]))).toEqual([
      [
        [ALICE, 'unavailable'],
        [BOB, 'online'],
      ],
    ]);
  });

  it('rows 91, 92: either callback alone is enough', async () => {
    const router = new StubRouter();
    router.route = (states) =>
      new Map(states.filter(({ userId }) => userId === ALICE).map(({ userId }) => [userId, [X]]));
    router.interest = (userId) => (userId === X ? [BOB] : []);
    const rig = await Rig.start({ router });
    const x = await rig.client(X).watch();
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'online');
    await rig.put(CAROL, 'online');
    expect(x.seen.map(([sender]) => sender)).toEqual([ALICE, BOB]);
  });

  it('row 93: a routed remote user gets the update through their server, without a room', async () => {
    const rig = await Rig.start({ router: StubRouter.connecting({ [ALICE]: ['@p:island', '@q:island', X] }) });
    await rig.put(ALICE, 'online');
    expect(rig.federation.sent).toMatchObject([{ destination: 'island', states: [{ userId: ALICE }] }]);
  });

  it('row 93: a server reached by room and by routing gets it once', async () => {
    const rig = await Rig.start({ router: StubRouter.connecting({ [ALICE]: [FAR] }) });
    rig.rooms.join(ROOM, ALICE, FAR);
    await rig.put(ALICE, 'online');
    expect(rig.federation.sent.length).toBe(1);
  });

  it('rows 87, 88, 111: somebody interested in all sees everybody who is not offline, and then every change', async () => {
    const router = new StubRouter();
    router.interest = (userId) => (userId === X ? 'ALL' : []);
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online', 'hi');
    await rig.put(BOB, 'unavailable');
    await rig.put(CAROL, 'offline', 'away');
    const x = rig.client(X);
    expect([...(await x.sync()).keys()].sort()).toEqual([ALICE, BOB]);
    expect([...(await rig.client(ALICE).sync()).keys()]).toEqual([ALICE]);
    for (const userId of [ALICE, BOB, CAROL] as const) await rig.put(userId, 'offline', 'bye');
    expect([...(await x.sync()).keys()].sort()).toEqual([ALICE, BOB, CAROL]);
  });

  it('row 109: all adds to the default, it does not replace it', async () => {
    const router = new StubRouter();
    router.route = () => new Map([[CAROL, [X]]] as const);
    router.interest = (userId) => (userId === X ? 'ALL' : []);
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, X, BOB);
    const x = await rig.client(X).watch();
    for (const userId of [X, BOB, CAROL] as const) await rig.put(userId, 'online');
    expect(x.seen.map(([sender]) => sender)).toEqual([X, BOB, CAROL]);
  });

  it('row 108: a watcher by interest or by routing may read the status', async () => {
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, [X]]] as const);
    router.interest = (userId) => (userId === CAROL ? [BOB] : userId === '@all:test' ? 'ALL' : []);
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'online');
    expect(await rig.sees(X, ALICE)).toBe(true);
    expect(await rig.sees(X, BOB)).toBe(false);
    expect(await rig.sees(CAROL, BOB)).toBe(true);
    expect(await rig.sees(CAROL, ALICE)).toBe(false);
    expect(await rig.sees('@all:test', ALICE)).toBe(true);
    expect(await rig.sees('@all:test', '@nobody:test')).toBe(false);
    expect(router.forgotten).toContain(CAROL);
  });

  it('whom the last update was routed to sees the source in increments, snapshots and GET until the next one', async () => {
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, [X]]] as const);
    const rig = await Rig.start({ router });
    const x = rig.client(X);
    await x.sync();
    await rig.advance(120_000);
    await rig.put(ALICE, 'online', 'while x was away');
    expect([...(await x.sync())]).toMatchObject([[ALICE, { status_msg: 'while x was away' }]]);
    expect(await x.sync()).toEqual(new Map());
    expect([...(await rig.client(X, 'NEW').sync()).keys()]).toEqual([ALICE]);
    router.route = () => new Map();
    await rig.put(ALICE, 'online', 'not for x');
    // As somebody who goes out of sight.
    expect([...(await x.sync())]).toEqual([[ALICE, { presence: 'offline' }]]);
    expect(await x.sync()).toEqual(new Map());
    expect(await rig.client(X, 'NEWER').sync()).toEqual(new Map());
    expect(await rig.sees(X, ALICE)).toBe(false);
  });

  it('nobody is asked while no module has registered callbacks', async () => {
    const router = new StubRouter();
    router.hasCallbacks = false;
    const rig = await Rig.start({ router });
    await rig.client(X).sync({ setPresence: 'online' });
    await rig.sees(X, ALICE);
    rig.handler.invalidateInterestedUsers();
    await rig.handler.sendLocalOnlinePresenceTo([FAR]);
    expect([router.batches, router.questions]).toEqual([[], []]);
    router.hasCallbacks = true;
    await rig.put(ALICE, 'online');
    expect(router.batches.length).toBe(1);
  });

  it('rows 99, 104: a hanging module delays neither PUT nor default routing, and the newest state waits for its answer', async () => {
    const router = new StubRouter();
    const answers: ((answer: RoutingAnswer) => void)[] = [];
    router.route = () => {
      const { promise, resolve } = later<RoutingAnswer>();
      answers.push(resolve);
      return promise;
    };
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, BOB);
    const [bob, x] = [await rig.client(BOB).watch(), await rig.client(X).watch()];
    for (const statusMsg of ['one', 'two', 'three']) await rig.put(ALICE, 'online', statusMsg);
    await rig.put(CAROL, 'online');
    expect(bob.seen.map(([, content]) => content['status_msg'])).toEqual(['one', 'two', 'three']);
    expect(router.batches.length).toBe(1);
    expect(rig.metrics.value('thalamus_presence_routing_queue')).toBe(2);
    answers[0]?.(new Map([[ALICE, [X]]]));
    await rig.settle();
    expect(router.batches[1]?.map(({ userId, statusMsg }) => [userId, statusMsg])).toEqual([
      [ALICE, 'three'],
      [CAROL, null],
    ]);
    answers[1]?.(new Map([[ALICE, [X]]]));
    await rig.settle();
    expect(x.lastOf(ALICE)).toMatchObject({ status_msg: 'three' });
    expect(bob.seen.length).toBe(3);
    expect(rig.metrics.value('thalamus_presence_routing_queue')).toBe(0);
  });

  it('an update that the routers answer late is not told twice to those who know it', async () => {
    const router = StubRouter.connecting({ [ALICE]: [BOB, X] });
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, BOB);
    const [bob, x] = [await rig.client(BOB).watch(), await rig.client(X).watch()];
    await rig.put(ALICE, 'online');
    await rig.settle();
    expect(bob.seen.length).toBe(1);
    expect(x.seen.length).toBe(1);
  });

  it('row 218: a keep-alive goes to servers in the rooms and to routed ones, and to no client', async () => {
    const router = StubRouter.connecting({ [ALICE]: ['@p:island', X] });
    const timers = { ...DEFAULT_TIMERS, federationPingIntervalMs: 100_000 };
    const rig = await Rig.start({ router, timers });
    rig.rooms.join(ROOM, ALICE, BOB, '@q:mainland');
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    const bob = await rig.client(BOB).watch();
    await rig.advance(70_000);
    const told = bob.seen.length;
    rig.federation.clear();
    await rig.advance(105_000);
    expect(rig.federation.sent.map(({ destination }) => destination)).toEqual(['mainland', 'island']);
    expect(rig.metrics.value('synapse_handler_presence_federation_presence_out')).toBe(1);
    expect(bob.seen.length).toBe(told);
    session.end();
  });
});

describe('interest', () => {
  it('the first sync of an observer waits for the answer, and no longer than the deadline', async () => {
    const router = new StubRouter();
    const { promise, resolve } = later<Interest>();
    router.interest = (userId) => (userId === X ? promise : []);
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    let begun = false;
    const x = rig.client(X);
    const watching = x.watch().then(() => {
      begun = true;
    });
    await rig.advance(1_999);
    expect(begun).toBe(false);
    await rig.advance(1);
    expect(begun).toBe(true);
    await watching;
    expect(x.seen).toEqual([]);
    resolve([ALICE]);
    await rig.settle();
    expect(x.statesOf(ALICE)).toEqual(['online']);
    expect(rig.router?.questions).toEqual([X]);
  });

  it('an answer in time is part of the first sync', async () => {
    const router = new StubRouter();
    router.interest = async () => [ALICE];
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    expect([...(await rig.client(X).sync()).keys()]).toEqual([ALICE]);
  });

  it('row 323: a later sync asks again in parallel; what is gained reaches the open poll, what is lost goes offline and stops', async () => {
    const router = new StubRouter();
    let interest: Interest = [];
    router.interest = async () => interest;
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'online');
    const x = await rig.client(X).watch();
    interest = [ALICE];
    x.unwatch();
    await x.watch();
    await rig.settle();
    expect(x.statesOf(ALICE)).toEqual(['online']);
    interest = [BOB];
    x.unwatch();
    await x.watch();
    await rig.settle();
    expect(x.statesOf(BOB)).toEqual(['online']);
    expect(x.statesOf(ALICE)).toEqual(['online', 'offline']);
    await rig.put(ALICE, 'unavailable');
    expect(x.statesOf(ALICE)).toEqual(['online', 'offline']);
  });

  it('invalidateInterestedUsers asks again for those named who are connected, or for all', async () => {
    const router = new StubRouter();
    let interest: Interest = [];
    router.interest = () => interest;
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    const [x, bob] = [await rig.client(X).watch(), await rig.client(BOB).watch()];
    interest = [ALICE];
    router.questions.length = 0;
    rig.handler.invalidateInterestedUsers([X, CAROL]);
    expect(router.questions).toEqual([X]);
    expect(x.statesOf(ALICE)).toEqual(['online']);
    expect(bob.seen).toEqual([]);
    rig.handler.invalidateInterestedUsers();
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(() => rig.handler.invalidateInterestedUsers(['nobody' as never])).toThrow(/TypeError|"nobody"/);
  });

  it('a late answer of an older question never replaces that of a newer one', async () => {
    const router = new StubRouter();
    const asked: ReturnType<typeof later<Interest>>[] = [];
    router.interest = () => {
      const question = later<Interest>();
      asked.push(question);
      return question.promise;
    };
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'online');
    const watching = rig.client(X).watch();
    asked[0]?.resolve([]);
    const x = await watching;
    rig.handler.invalidateInterestedUsers();
    rig.handler.invalidateInterestedUsers();
    // The most questions are open: this one is asked when the first of them is answered.
    rig.handler.invalidateInterestedUsers();
    expect(asked.length).toBe(3);
    asked[2]?.resolve([BOB]);
    await rig.settle();
    expect(asked.length).toBe(4);
    asked[1]?.resolve([ALICE]);
    await rig.settle();
    expect(x.seen.map(([sender]) => sender)).toEqual([BOB]);
    asked[3]?.resolve([BOB, CAROL]);
    await rig.settle();
    await rig.put(CAROL, 'online');
    expect(x.seen.map(([sender]) => sender)).toEqual([BOB, CAROL]);
  });

  it('observers who are gone are forgotten, and asked again when they come back', async () => {
    const router = new StubRouter();
    router.interest = () => [ALICE];
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.client(X).sync();
    await rig.advance(200_000);
    expect(router.forgotten).toEqual([X]);
    router.questions.length = 0;
    await rig.put(ALICE, 'online', 'again');
    expect([...(await rig.client(X).sync()).keys()]).toEqual([ALICE]);
    expect(router.questions).toEqual([X]);
  });
});
