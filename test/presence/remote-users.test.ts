import { describe, expect, it } from 'vitest';
import { MemoryPresenceStore } from '../../src/adapters/memory/index.ts';
import type { RemotePresence } from '../../src/core/engine-api.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { later, Rig, StubRouter, UnreliableStore } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const Q = '@q:far';
const R = '@r:far';
const ROOM = '!room:test';
const MINUTE = 60_000;

function entry(userId: UserId, changes: Partial<RemotePresence> = {}): RemotePresence {
  return { userId, state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true, ...changes };
}

async function rows(rig: Rig): Promise<UserId[]> {
  const found: UserId[] = [];
  for await (const batch of rig.store.loadAll()) found.push(...batch.map(({ state }) => state.userId));
  return found.toSorted();
}

function users(rig: Rig): number {
  return rig.metrics.value('synapse_handlers_presence_user_to_current_state_size') ?? 0;
}

function strangers(rig: Rig): number {
  return rig.metrics.value('thalamus_presence_strangers') ?? 0;
}

/** Alice is to get what `sources` tell, by `getUsersForStates` alone. */
function routing(...sources: readonly UserId[]): StubRouter {
  const router = new StubRouter();
  router.route = (states) =>
    new Map(states.filter(({ userId }) => sources.includes(userId)).map(({ userId }) => [userId, [ALICE]]));
  return router;
}

/** Alice is interested in `sources`, whatever is routed. */
function interest(...sources: readonly UserId[]): StubRouter {
  const router = new StubRouter();
  router.interest = (userId) => (userId === ALICE ? sources : []);
  return router;
}

describe('a remote user in a room', () => {
  it('row 191: every field is shown, and the time since the last activity goes on', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, Q);
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [
      entry(Q, { statusMsg: 'hi', lastActiveTs: rig.clock.now() - 5_000, currentlyActive: true }),
    ]);
    const expected = { presence: 'online', status_msg: 'hi', currently_active: true };
    expect(alice.seen).toEqual([[Q, { ...expected, last_active_ago: 5_000 }]]);
    await rig.advance(7_000);
    expect(rig.status(Q)).toEqual({ ...expected, last_active_ago: 12_000 });
    expect([...(await rig.client(ALICE, 'OTHER').sync())]).toEqual([[Q, { ...expected, last_active_ago: 12_000 }]]);
  });

  it('row 192: unavailable is shown', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, Q);
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q)]);
    await rig.handler.receiveRemote('far', [entry(Q, { state: 'unavailable', currentlyActive: false })]);
    expect(alice.statesOf(Q)).toEqual(['online', 'unavailable']);
    expect(alice.lastOf(Q)).toEqual({ presence: 'unavailable' });
  });

  it('row 193: what an entry leaves out is gone, but the last activity is kept', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, Q);
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'hi', lastActiveTs: rig.clock.now() - 50_000 })]);
    await rig.handler.receiveRemote('far', [entry(Q, { currentlyActive: false })]);
    expect(alice.lastOf(Q)).toEqual({ presence: 'online', last_active_ago: 50_000, currently_active: false });
  });

  it('row 200: offline 30 minutes after the last update, told to watchers, with the status kept', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, Q);
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'away soon' })]);
    await rig.advance(20 * MINUTE);
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'away soon' })]);
    await rig.advance(29 * MINUTE + 50_000);
    expect(alice.statesOf(Q)).toEqual(['online']);
    await rig.advance(20_000);
    expect(alice.statesOf(Q)).toEqual(['online', 'offline']);
    expect(alice.lastOf(Q)).toEqual({ presence: 'offline', status_msg: 'away soon' });
  });

  it('an unchanged repeat wakes nobody, writes nothing and asks no module', async () => {
    const router = new StubRouter();
    const store = new UnreliableStore(new MemoryPresenceStore());
    const rig = await Rig.start({ router, store });
    rig.rooms.join(ROOM, ALICE, Q);
    const alice = await rig.client(ALICE).watch();
    const said = entry(Q, { statusMsg: 'hi', lastActiveTs: rig.clock.now() });
    await rig.handler.receiveRemote('far', [said]);
    const [asked, position, seen] = [router.batches.length, rig.handler.position, alice.seen.length];
    store.calls.length = 0;
    for (let repeat = 0; repeat < 5; repeat++) {
      await rig.advance(1_000);
      await rig.handler.receiveRemote('far', [said, said]);
    }
    expect([router.batches.length, rig.handler.position, alice.seen.length]).toEqual([asked, position, seen]);
    expect(store.calls).toEqual([]);
  });

  it('row 220: nothing of them goes to other servers, by rooms, by routers or as a keep-alive', async () => {
    const router = new StubRouter();
    router.route = (states) => new Map(states.map(({ userId }) => [userId, ['@x:elsewhere', '@y:far', ALICE]]));
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, Q, '@z:third');
    await rig.handler.receiveRemote('far', [entry(Q), entry(R)]);
    await rig.handler.setPresenceForUsers(new Map([[Q, { state: 'unavailable' }]]));
    await rig.advance(40 * MINUTE);
    expect(router.batches.flat().map(({ userId }) => userId)).toContain(R);
    expect(rig.federation.sent.flatMap(({ states }) => states.map(({ userId }) => userId))).not.toContain(Q);
    expect(rig.federation.sent.flatMap(({ states }) => states.map(({ userId }) => userId))).not.toContain(R);
  });
});

describe('a stranger', () => {
  it('rows 90, 191: whom a router names somebody for is shown to them, everywhere, after one question', async () => {
    const router = routing(Q);
    const rig = await Rig.start({ router });
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'hi', lastActiveTs: rig.clock.now() - 1_000 })]);
    await rig.settle();
    expect(alice.seen).toEqual([
      [Q, { presence: 'online', status_msg: 'hi', currently_active: true, last_active_ago: 1_000 }],
    ]);
    expect(router.batches).toMatchObject([[{ userId: Q, state: 'online', statusMsg: 'hi', currentlyActive: true }]]);
    expect(await rig.sees(ALICE, Q)).toBe(true);
    expect(await rig.sees(BOB, Q)).toBe(false);
    expect([...(await rig.client(ALICE, 'OTHER').sync()).keys()]).toEqual([Q]);
    expect(await rows(rig)).toEqual([Q]);
    await rig.handler.receiveRemote('far', [entry(Q, { state: 'unavailable' })]);
    expect(alice.statesOf(Q)).toEqual(['online', 'unavailable']);
    expect(router.batches.length).toBe(2);
  });

  it('is shown with the first sync of an observer who is interested, and by GET before it', async () => {
    const rig = await Rig.start({ router: interest(Q) });
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'hi' })]);
    expect(await rig.sees(ALICE, Q)).toBe(true);
    expect(await rig.sees(BOB, Q)).toBe(false);
    expect(await rig.sees(ALICE, '@nobody:far')).toBe(false);
    expect(rig.status(Q)).toMatchObject({ presence: 'online', status_msg: 'hi' });
    expect(users(rig)).toBe(0);
    const told = await rig.client(ALICE).sync();
    expect([...told]).toMatchObject([[Q, { presence: 'online', status_msg: 'hi' }]]);
    expect(await rows(rig)).toEqual([Q]);
  });

  it('is shown to an observer whose interest comes to name them while a poll is open', async () => {
    const router = interest();
    const rig = await Rig.start({ router });
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q)]);
    router.interest = () => [Q];
    rig.handler.invalidateInterestedUsers([ALICE]);
    await rig.settle();
    expect(alice.statesOf(Q)).toEqual(['online']);
  });

  it('is shown to whoever wants everybody, before and after they connect, up to the limits', async () => {
    const router = new StubRouter();
    router.interest = (userId) => (userId === ALICE ? 'ALL' : []);
    const rig = await Rig.start({ router, remote: { maxGuestsPerServer: 3, maxGuests: 4 } });
    await rig.handler.receiveRemote('far', [entry(Q)]);
    const alice = await rig.client(ALICE).watch();
    expect(alice.statesOf(Q)).toEqual(['online']);
    await rig.handler.receiveRemote('far', [entry(R), entry('@s:far'), entry('@t:far')]);
    await rig.handler.receiveRemote('near', [entry('@u:near'), entry('@v:near')]);
    expect(alice.seen.map(([sender]) => sender)).toEqual([Q, R, '@s:far', '@u:near']);
    expect(rig.metrics.value('thalamus_presence_dropped', { reason: 'guest_limit' })).toBeGreaterThanOrEqual(2);
    expect(strangers(rig)).toBe(2);
    await rig.handler.receiveRemote('far', [entry(Q, { state: 'unavailable' })]);
    expect(alice.statesOf(Q)).toEqual(['online', 'unavailable']);
  });

  it('is shown to room mates once they join', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE);
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q)]);
    rig.rooms.join(ROOM, Q);
    await rig.settle();
    expect(alice.statesOf(Q)).toEqual(['online']);
    expect(strangers(rig)).toBe(0);
  });

  it('goes offline 30 minutes after the last update, also if they were taken in meanwhile', async () => {
    const router = interest();
    const rig = await Rig.start({ router });
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q), entry(R)]);
    await rig.advance(20 * MINUTE);
    router.interest = () => [Q];
    rig.handler.invalidateInterestedUsers();
    await rig.settle();
    await rig.advance(9 * MINUTE + 50_000);
    expect(alice.statesOf(Q)).toEqual(['online']);
    expect(rig.status(R)).toMatchObject({ presence: 'online' });
    await rig.advance(20_000);
    expect(alice.statesOf(Q)).toEqual(['online', 'offline']);
    expect(rig.status(R)).toMatchObject({ presence: 'offline' });
    await rig.advance(MINUTE);
    expect(strangers(rig)).toBe(0);
  });

  it('is not asked about again while nothing changes, and costs no row', async () => {
    const router = new StubRouter();
    const store = new UnreliableStore(new MemoryPresenceStore());
    const rig = await Rig.start({ router, store });
    const said = entry(Q, { lastActiveTs: rig.clock.now() });
    for (let repeat = 0; repeat < 5; repeat++) {
      await rig.handler.receiveRemote('far', [said]);
      await rig.advance(10 * MINUTE);
    }
    expect(router.batches.length).toBe(1);
    expect(rig.status(Q)).toMatchObject({ presence: 'online' });
    await rig.handler.receiveRemote('far', [{ ...said, state: 'unavailable', currentlyActive: false }]);
    await rig.settle();
    expect(router.batches.length).toBe(2);
    expect(store.calls).not.toContain('write');
  });

  it('an answer that comes when there is something newer does not show what is old', async () => {
    const router = routing(Q);
    const rig = await Rig.start({ router });
    const alice = await rig.client(ALICE).watch();
    const slow = later<Map<UserId, UserId[]>>();
    router.route = () => slow.promise;
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'old' })]);
    await rig.settle();
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'new' })]);
    router.route = (states) => new Map(states.map(({ userId }) => [userId, [ALICE]]));
    slow.resolve(new Map([[Q, [ALICE]]]));
    await rig.settle();
    expect(alice.seen.map(([, content]) => content['status_msg'])).toEqual(['new']);
  });

  it('an answer about an older state shows nobody a newer one that routers keep from them', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router });
    const alice = await rig.client(ALICE).watch();
    const slow = later<Map<UserId, UserId[]>>();
    router.route = () => slow.promise;
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'public' })]);
    await rig.settle();
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'private' })]);
    router.route = () => new Map();
    slow.resolve(new Map([[Q, [ALICE]]]));
    await rig.settle();
    expect(alice.seen).toEqual([]);
    expect(await rig.sees(ALICE, Q)).toBe(false);
  });

  it('stays one when a module sends them a snapshot', async () => {
    const rig = await Rig.start({ router: new StubRouter() });
    await rig.put(BOB, 'online');
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'hi' })]);
    await rig.handler.sendLocalOnlinePresenceTo([Q]);
    expect(rig.status(Q)).toMatchObject({ presence: 'online', status_msg: 'hi' });
    expect([users(rig), strangers(rig)]).toEqual([1, 1]);
  });

  it('whom a module sets is what the module says, not what their server said before', async () => {
    const router = interest();
    const rig = await Rig.start({ router });
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'server' })]);
    await rig.handler.setPresenceForUsers(new Map([[Q, { state: 'unavailable', statusMsg: 'module' }]]));
    expect(rig.status(Q)).toMatchObject({ presence: 'unavailable', status_msg: 'module' });
    await rig.advance(5 * MINUTE);
    expect(rig.status(Q)).toMatchObject({ presence: 'unavailable', status_msg: 'module' });
    router.interest = () => [Q];
    rig.handler.invalidateInterestedUsers();
    await rig.settle();
    expect(alice.lastOf(Q)).toMatchObject({ presence: 'unavailable', status_msg: 'module' });
  });

  it('without a module nobody is kept', async () => {
    const rig = await Rig.start();
    await rig.handler.receiveRemote('far', [entry(Q)]);
    expect([users(rig), strangers(rig)]).toEqual([0, 0]);
    expect(rig.metrics.value('thalamus_presence_dropped', { reason: 'stranger' })).toBe(1);
  });
});

describe('a server that invents users', () => {
  it('costs a bounded number of entries and questions, and pushes nobody else out', async () => {
    const router = new StubRouter();
    const store = new UnreliableStore(new MemoryPresenceStore());
    const rig = await Rig.start({
      router,
      store,
      remote: { maxStrangersPerServer: 100, maxStrangers: 250, strangersAskedPerSecondAndServer: 20 },
    });
    await rig.handler.receiveRemote('good', [entry('@good:good')]);
    const started = rig.clock.now();
    for (let round = 0; round < 300; round++) {
      for (const server of ['evil', 'bad', 'worse']) {
        await rig.handler.receiveRemote(
          server,
          Array.from({ length: 50 }, (_, index) => entry(`@u${round * 50 + index}:${server}`)),
        );
      }
      await rig.advance(100);
    }
    const seconds = (rig.clock.now() - started) / 1_000;
    expect(strangers(rig)).toBeLessThanOrEqual(250);
    expect(users(rig)).toBe(0);
    const asked = router.batches.flat().length;
    expect(asked).toBeLessThanOrEqual(3 * 20 * (seconds + 5) + 1);
    expect(asked).toBeGreaterThan(500);
    expect(rig.status('@good:good')).toMatchObject({ presence: 'online' });
    expect(store.calls.filter((call) => call !== 'reservePositions' && call !== 'positionCeiling')).toEqual(
      expect.not.arrayContaining(['write', 'remove']),
    );
    expect(rig.metrics.value('thalamus_presence_dropped', { reason: 'stranger' })).toBeGreaterThan(40_000);
  });

  it('does not keep the modules from being asked about another server', async () => {
    const router = routing('@good:good');
    const rig = await Rig.start({ router });
    const alice = await rig.client(ALICE).watch();
    const slow = later<Map<UserId, UserId[]>>();
    const { route } = router;
    router.route = () => slow.promise;
    for (let round = 0; round < 20; round++) {
      const flood = Array.from({ length: 50 }, (_, index) => entry(`@u${round}-${index}:evil`));
      await rig.handler.receiveRemote('evil', flood);
    }
    await rig.settle();
    await rig.handler.receiveRemote('good', [entry('@good:good')]);
    router.route = route;
    slow.resolve(new Map());
    await rig.advance(100);
    expect(alice.statesOf('@good:good')).toEqual(['online']);
    for (const batch of router.batches) expect(batch.length).toBeLessThanOrEqual(101);
  });

  it('makes no more questions of those who come one by one than of those who come together', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router });
    for (let index = 0; index < 80; index++) {
      await rig.handler.receiveRemote(`s${index}.evil`, [entry(`@u:s${index}.evil`)]);
      await rig.advance(10);
    }
    await rig.advance(100);
    expect(router.batches.flat()).toHaveLength(80);
    expect(router.batches.length).toBeGreaterThan(5);
    expect(router.batches.length).toBeLessThan(11);
  });

  it('fills no memory with status messages', async () => {
    const router = new StubRouter();
    router.interest = () => 'ALL';
    const remote = { maxStatusCharsPerServer: 1_000, maxStatusChars: 1_500 };
    const rig = await Rig.start({ router, remote });
    const alice = await rig.client(ALICE).watch();
    const long = 'x'.repeat(600);
    await rig.handler.receiveRemote('evil', [
      entry('@a:evil', { statusMsg: long }),
      entry('@b:evil', { statusMsg: long }),
    ]);
    await rig.handler.receiveRemote('good', [entry('@c:good', { statusMsg: long })]);
    await rig.handler.receiveRemote('late', [entry('@d:late', { statusMsg: long })]);
    expect(alice.seen.map(([sender, { status_msg }]) => [sender, status_msg !== undefined])).toEqual([
      ['@a:evil', true],
      ['@b:evil', false],
      ['@c:good', true],
      ['@d:late', false],
    ]);
    // The same again is not counted twice.
    await rig.handler.receiveRemote('evil', [entry('@a:evil', { statusMsg: long, state: 'unavailable' })]);
    expect(alice.lastOf('@a:evil')).toMatchObject({ presence: 'unavailable', status_msg: long });
  });
});

describe('whom nobody can see any more', () => {
  it('leaves engine and store, and is a stranger again, with the state of before', async () => {
    const rig = await Rig.start({ router: interest(Q) });
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q, { statusMsg: 'hi' })]);
    expect(await rows(rig)).toEqual([Q]);
    alice.unwatch();
    await rig.advance(6 * MINUTE);
    expect(await rows(rig)).toEqual([]);
    expect([users(rig), strangers(rig)]).toEqual([0, 1]);
    expect([...(await rig.client(ALICE).sync())]).toMatchObject([[Q, { presence: 'online', status_msg: 'hi' }]]);
    expect(await rows(rig)).toEqual([Q]);
  });

  it('is told as offline to who saw them online, when that observer comes back', async () => {
    for (const wanted of [[Q], 'ALL'] as const) {
      const router = new StubRouter();
      router.interest = () => wanted;
      const rig = await Rig.start({ router });
      const client = rig.client(ALICE);
      await client.watch();
      await rig.handler.receiveRemote('far', [entry(Q)]);
      expect(client.statesOf(Q)).toEqual(['online']);
      client.unwatch();
      await rig.advance(50 * MINUTE);
      expect(await rows(rig)).toEqual([]);
      await rig.advance(20 * MINUTE);
      await client.watch();
      await rig.settle();
      expect(client.statesOf(Q)).toEqual(['online', 'offline']);
    }
  });

  it('who left the last room goes, who is in one, or named by a kept answer, stays', async () => {
    const router = routing(R);
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, Q, '@s:far');
    await rig.handler.receiveRemote('far', [entry(Q), entry(R), entry('@s:far')]);
    await rig.settle();
    rig.rooms.leave(ROOM, Q);
    await rig.advance(10 * MINUTE);
    expect(await rows(rig)).toEqual([R, '@s:far']);
    router.route = () => new Map();
    await rig.handler.receiveRemote('far', [entry(R, { state: 'unavailable' })]);
    await rig.settle();
    await rig.advance(5 * MINUTE);
    expect(await rows(rig)).toEqual(['@s:far']);
  });

  it('a local user who was only named by a router goes with the answer; one with a state stays', async () => {
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, ['@never:test', BOB]]]);
    const rig = await Rig.start({ router });
    await rig.put(BOB, 'online');
    await rig.put(ALICE, 'online');
    await rig.advance(10 * MINUTE);
    expect(users(rig)).toBe(3);
    router.route = () => new Map();
    await rig.put(ALICE, 'unavailable');
    await rig.advance(10 * MINUTE);
    expect(users(rig)).toBe(2);
    expect(await rows(rig)).toEqual([ALICE, BOB]);
  });

  it('stored users are kept for half an hour after a start, until observers are back, and then go', async () => {
    const first = await Rig.start({ router: interest(Q) });
    await first.client(ALICE).watch();
    await first.handler.receiveRemote('far', [entry(Q)]);
    await first.handler.stop();
    const rig = await first.successor();
    await rig.advance(25 * MINUTE);
    expect(await rows(rig)).toEqual([Q]);
    expect([...(await rig.client(ALICE).sync()).keys()]).toEqual([Q]);
    const other = await rig.successor();
    await other.advance(40 * MINUTE);
    expect(await rows(other)).toEqual([]);
  });

  it('rows are removed at last when the store failed, but not of whoever is back', async () => {
    const router = interest(Q, R);
    const store = new UnreliableStore(new MemoryPresenceStore());
    const rig = await Rig.start({ router, store });
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q), entry(R)]);
    alice.unwatch();
    store.failing.add('remove');
    await rig.advance(6 * MINUTE);
    expect(users(rig)).toBe(0);
    expect(await rows(rig)).toEqual([Q, R]);
    router.interest = () => [Q];
    await rig.client(ALICE).watch();
    store.failing.clear();
    await rig.advance(MINUTE);
    expect(await rows(rig)).toEqual([Q]);
  });

  it('makes room for others when places are short, offline users first', async () => {
    const router = new StubRouter();
    router.interest = () => 'ALL';
    const rig = await Rig.start({ router, remote: { maxGuestsPerServer: 2 } });
    const alice = await rig.client(ALICE).watch();
    await rig.handler.receiveRemote('far', [entry(Q), entry(R)]);
    await rig.handler.receiveRemote('far', [entry(Q, { state: 'offline' })]);
    await rig.advance(5 * MINUTE);
    await rig.handler.receiveRemote('far', [entry('@s:far')]);
    expect(alice.statesOf('@s:far')).toEqual(['online']);
    expect(alice.statesOf(R)).toEqual(['online']);
  });
});
