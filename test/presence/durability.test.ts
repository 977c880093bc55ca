import { describe, expect, it } from 'vitest';
import { MemoryPresenceStore } from '../../src/adapters/memory/presence-store.ts';
import type { RoutingAnswer } from '../../src/core/engine-api.ts';
import { PortError } from '../../src/ports/errors.ts';
import type { PresenceStore } from '../../src/ports/presence-store.ts';
import { PositionBlock } from '../../src/presence/position-block.ts';
import { later, Rig, sqliteStore, StubRouter, UnreliableStore } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const ROOM = '!room:test';
const full = new PortError('database', 'write', true, 'the disk is full');

const stores: readonly (readonly [string, () => PresenceStore])[] = [
  ['memory', () => new MemoryPresenceStore()],
  ['SQLite', sqliteStore],
];

describe.each(stores)('what survives a crash, with %s', (_name, makeStore) => {
  async function start(router?: StubRouter): Promise<Rig> {
    const rig = await Rig.start({ store: makeStore(), ...(router === undefined ? {} : { router }) });
    rig.rooms.join(ROOM, ALICE, BOB);
    return rig;
  }

  it('row 233: a state that was acknowledged is there after a crash, with its status', async () => {
    const rig = await start();
    await rig.put(ALICE, 'unavailable', 'at lunch');
    const after = await rig.successor();
    expect(after.status(ALICE)).toMatchObject({ presence: 'unavailable', status_msg: 'at lunch' });
  });

  it('row 234: activity is saved by a clean stop, and moves no position', async () => {
    const rig = await start();
    await rig.put(ALICE, 'online');
    const { position } = rig.handler;
    await rig.advance(20_000);
    rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
    const activeTs = rig.clock.now();
    await rig.advance(3_000);
    await rig.handler.stop();
    expect(rig.handler.position).toBe(position);
    const after = await rig.successor();
    expect(after.handler.getState(ALICE).lastActiveTs).toBe(activeTs);
  });

  it('row 234: activity is saved once a minute, too', async () => {
    const rig = await start();
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.advance(50_000);
    rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
    const activeTs = rig.clock.now();
    await rig.advance(11_000);
    expect((await rig.successor()).handler.getState(ALICE).lastActiveTs).toBe(activeTs);
    rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
    const laterTs = rig.clock.now();
    await rig.advance(61_000);
    expect((await rig.successor()).handler.getState(ALICE).lastActiveTs).toBe(laterTs);
    session.end();
  });

  it('row 55: saving activity is not a change that anybody is told about', async () => {
    const rig = await start();
    const bob = rig.client(BOB);
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    await bob.sync();
    await rig.advance(30_000);
    rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
    await rig.advance(35_000);
    expect(await bob.sync()).toEqual(new Map());
    session.end();
  });

  it('positions never go back, and tokens from before a crash miss nothing', async () => {
    const rig = await start();
    const bob = rig.client(BOB);
    await rig.put(ALICE, 'online', 'one');
    await bob.sync();
    const before = rig.handler.position;
    await rig.put(ALICE, 'online', 'two');
    const after = await rig.successor();
    expect(after.handler.position).toBeGreaterThan(before);
    const later = after.client(BOB);
    later.cursor = bob.cursor;
    expect([...(await later.sync())]).toMatchObject([[ALICE, { status_msg: 'two' }]]);
    expect(await later.sync()).toEqual(new Map());
    await after.put(ALICE, 'online', 'three');
    expect([...(await later.sync())]).toMatchObject([[ALICE, { status_msg: 'three' }]]);
    const third = await after.successor();
    expect(third.handler.position).toBeGreaterThan(after.handler.position);
  });

  it('kept routing answers survive: the watcher sees the source in sync and in GET', async () => {
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, ['@watcher:test']]] as const);
    const rig = await Rig.start({ store: makeStore(), router });
    const watcher = rig.client('@watcher:test');
    await watcher.sync();
    await rig.put(ALICE, 'online', 'hello');
    await rig.settle();
    const after = await rig.successor({ router: new StubRouter() });
    const later = after.client('@watcher:test');
    later.cursor = watcher.cursor;
    expect([...(await later.sync())]).toMatchObject([[ALICE, { presence: 'online', status_msg: 'hello' }]]);
    expect([...(await after.client('@watcher:test', 'NEW').sync()).keys()]).toEqual([ALICE]);
    expect(await after.sees('@watcher:test', ALICE)).toBe(true);
    expect(await after.sees('@other:test', ALICE)).toBe(false);
  });

  it('an answer that names nobody any more is forgotten on disk, too', async () => {
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, ['@watcher:test']]] as const);
    const rig = await Rig.start({ store: makeStore(), router });
    await rig.put(ALICE, 'online', 'one');
    router.route = () => new Map();
    await rig.put(ALICE, 'online', 'two');
    await rig.settle();
    const after = await rig.successor({ router: new StubRouter() });
    expect(await after.sees('@watcher:test', ALICE)).toBe(false);
  });

  it('an answer of a module that has been removed holds until the next update, on disk, too', async () => {
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, ['@watcher:test']]] as const);
    const rig = await Rig.start({ store: makeStore(), router });
    await rig.put(ALICE, 'online', 'one');
    // As at a stop: the router forgets its modules before the last updates.
    router.hasCallbacks = false;
    await rig.put(ALICE, 'online', 'two');
    await rig.settle();
    const none = new StubRouter();
    none.hasCallbacks = false;
    const after = await rig.successor({ router: none });
    expect(await after.sees('@watcher:test', ALICE)).toBe(true);
    after.handler.routeUnanswered();
    await after.put(ALICE, 'online', 'three');
    await after.settle();
    expect(await after.sees('@watcher:test', ALICE)).toBe(false);
    const third = await after.successor({ router: new StubRouter() });
    expect(await third.sees('@watcher:test', ALICE)).toBe(false);
  });

  it('full-presence marks survive, and still deliver once per device', async () => {
    const rig = await start();
    await rig.put(ALICE, 'online');
    const [one, two] = [rig.client(BOB, 'ONE'), rig.client(BOB, 'TWO')];
    await one.sync();
    await two.sync();
    await rig.handler.sendLocalOnlinePresenceTo([BOB]);
    const after = await rig.successor();
    for (const old of [one, two]) {
      const client = after.client(BOB, old.deviceId);
      client.cursor = old.cursor;
      expect([...(await client.sync()).keys()]).toEqual([ALICE]);
      expect(await client.sync()).toEqual(new Map());
    }
  });

  it('a routing answer that was lost with the process is asked for again, and whoever watches by routing alone misses nothing', async () => {
    const router = StubRouter.connecting({ [BOB]: [ALICE] });
    router.interest = () => [];
    const rig = await Rig.start({ store: makeStore(), router });
    const alice = rig.client(ALICE);
    await rig.put(BOB, 'online');
    await rig.settle();
    expect([...(await alice.sync()).keys()]).toContain(BOB);
    const answering = router.route;
    router.route = () => new Promise(() => undefined);
    await rig.put(BOB, 'unavailable', 'the last');
    await rig.settle();
    router.route = answering;

    const next = await rig.successor();
    router.batches.length = 0;
    next.handler.routeUnanswered();
    await next.settle();
    const again = next.client(ALICE);
    again.cursor = alice.cursor;
    expect((await again.sync()).get(BOB)).toMatchObject({ presence: 'unavailable', status_msg: 'the last' });
    expect(router.batches.map((batch) => batch.map(({ userId }) => userId))).toEqual([[BOB]]);

    // Once answered and saved, nobody is asked again.
    await next.advance(200);
    const third = await next.successor();
    router.batches.length = 0;
    third.handler.routeUnanswered();
    await third.settle();
    expect(router.batches).toEqual([]);
  });

  it('the position of an answer that was given again, and not saved yet, is as good as saved', async () => {
    const router = StubRouter.connecting({ [BOB]: [ALICE] });
    router.interest = () => [];
    const rig = await Rig.start({ store: makeStore(), router });
    const alice = rig.client(ALICE);
    for (const status of ['one', 'two']) {
      await rig.put(BOB, 'online', status);
      await rig.settle();
    }
    await alice.sync();
    await rig.put(BOB, 'offline', 'three');
    await rig.settle();
    const next = await rig.successor();
    next.handler.routeUnanswered();
    await next.settle();
    const again = next.client(ALICE);
    again.cursor = alice.cursor;
    expect((await again.sync()).get(BOB)).toMatchObject({ presence: 'offline', status_msg: 'three' });
  });

  it('routers are not asked about updates of more than a minute before the end', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ store: makeStore(), router });
    await rig.put(ALICE, 'online');
    await rig.advance(120_000);
    await rig.put(BOB, 'online');
    await rig.settle();
    const next = await rig.successor();
    router.batches.length = 0;
    next.handler.routeUnanswered();
    await next.settle();
    expect(router.batches.flat().map(({ userId }) => userId)).toEqual([BOB]);
  });

  it('nobody stays online for ever after a crash', async () => {
    const rig = await start();
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    const after = await rig.successor();
    const bob = await after.client(BOB).watch();
    await after.advance(45_000);
    expect(after.status(ALICE)).toMatchObject({ presence: 'offline' });
    expect(bob.statesOf(ALICE)).toEqual(['online', 'offline']);
    session.end();
  });

  it('row 189: disabled, everybody who was online becomes offline once, for those with an older token', async () => {
    const rig = await start();
    const bob = rig.client(BOB);
    await bob.sync();
    await rig.put(ALICE, 'online', 'still here');
    const seenOnline = rig.client(BOB, 'OTHER');
    await seenOnline.sync();
    const after = await rig.successor({ mode: 'disabled' });
    for (const { cursor } of [bob, seenOnline]) {
      const client = after.client(BOB);
      client.cursor = cursor;
      const events = [...(await client.sync())];
      expect(events).toMatchObject([[ALICE, { presence: 'offline' }]]);
      expect(events[0]?.[1]).not.toHaveProperty('status_msg');
      expect(await client.sync()).toEqual(new Map());
    }
    const again = await after.successor({ mode: 'tracked' });
    expect(again.status(ALICE)).toMatchObject({ presence: 'offline' });
  });

  it('row 190: disabled, an initial sync has no presence', async () => {
    const rig = await start();
    await rig.put(ALICE, 'online');
    const after = await rig.successor({ mode: 'disabled' });
    expect(await after.client(BOB).sync({ includeOffline: true })).toEqual(new Map());
  });
});

describe('a store that fails', () => {
  async function start(): Promise<{ rig: Rig; store: UnreliableStore }> {
    const store = new UnreliableStore(new MemoryPresenceStore());
    const rig = await Rig.start({ store });
    rig.rooms.join(ROOM, ALICE, BOB);
    store.error = full;
    return { rig, store };
  }

  it('rejects the change, shows nothing of it, and makes it take effect when the store is back', async () => {
    const { rig, store } = await start();
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online', 'old');
    store.failing.add('write');
    await expect(rig.put(ALICE, 'unavailable', 'new')).rejects.toBe(full);
    expect(rig.status(ALICE)).toMatchObject({ presence: 'online', status_msg: 'old' });
    expect([...(await rig.client(BOB, 'NEW').sync())]).toMatchObject([[ALICE, { status_msg: 'old' }]]);
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect((await rig.successor({ store: store.inner })).status(ALICE)).toMatchObject({ status_msg: 'old' });
    store.failing.clear();
    await rig.advance(1_000);
    expect(bob.statesOf(ALICE)).toEqual(['online', 'unavailable']);
    expect(bob.lastOf(ALICE)).toMatchObject({ status_msg: 'new' });
    expect((await rig.successor({ store: store.inner })).status(ALICE)).toMatchObject({ status_msg: 'new' });
    expect(rig.metrics.value('thalamus_presence_store_failures', { operation: 'write' })).toBe(1);
    expect(rig.metrics.value('thalamus_presence_pending_updates')).toBe(0);
  });

  it('that fails for long loses nothing: the newest state of each user is told once it is back', async () => {
    const { rig, store } = await start();
    const bob = await rig.client(BOB).watch();
    store.failing.add('write');
    for (let index = 0; index < 30; index++) {
      await expect(rig.put(ALICE, 'online', `${index}`)).rejects.toBe(full);
      await rig.advance(1_000);
    }
    expect(bob.seen).toEqual([]);
    expect(rig.metrics.value('thalamus_presence_pending_updates')).toBe(1);
    store.failing.clear();
    await rig.advance(15_000);
    expect(bob.seen).toMatchObject([[ALICE, { presence: 'online', status_msg: '29' }]]);
    await rig.put(ALICE, 'online', 'after');
    expect(bob.lastOf(ALICE)).toMatchObject({ status_msg: 'after' });
    expect(rig.logger.messages('info')).toContain('presence is saved again');
  });

  it('the same change again is not acknowledged while the first is not saved', async () => {
    const { rig, store } = await start();
    store.failing.add('write');
    await expect(rig.put(ALICE, 'online', 'x')).rejects.toBe(full);
    await expect(rig.put(ALICE, 'online', 'x')).rejects.toBe(full);
    store.failing.clear();
    await rig.put(ALICE, 'online', 'x');
    expect((await rig.successor({ store: store.inner })).status(ALICE)).toMatchObject({ status_msg: 'x' });
  });

  it('does not fail syncs, and does not show a state that is not saved', async () => {
    const { rig, store } = await start();
    store.failing.add('write');
    const client = rig.client(ALICE);
    const events = await client.sync({ setPresence: 'online' });
    expect(events.get(ALICE)?.['presence'] ?? 'offline').toBe('offline');
    expect(rig.status(ALICE)).toMatchObject({ presence: 'offline' });
    store.failing.clear();
    await rig.advance(1_000);
    expect([...(await client.sync())]).toMatchObject([[ALICE, { presence: 'online' }]]);
  });

  it('is left alone during the pause when it is slow to fail', async () => {
    const { rig, store } = await start();
    store.failing.add('write');
    const { promise, resolve: open } = later<void>();
    store.gates.set('write', promise);
    const first = rig.put(ALICE, 'online').then(
      () => 'saved',
      () => 'failed',
    );
    await rig.advance(200);
    open();
    expect(await first).toBe('failed');
    store.gates.clear();
    const attempts = store.calls.length;
    await expect(rig.put(BOB, 'online')).rejects.toBe(full);
    expect(store.calls.length).toBe(attempts);
    store.failing.clear();
    await rig.advance(300);
    expect(rig.status(BOB)).toMatchObject({ presence: 'online' });
    await rig.put(BOB, 'unavailable');
  });

  it('changes that come in during a write are written together afterwards', async () => {
    const { rig, store } = await start();
    const bob = await rig.client(BOB).watch();
    const { promise, resolve: open } = later<void>();
    store.gates.set('write', promise);
    const first = rig.put(ALICE, 'online', 'first');
    await rig.settle();
    const others = [rig.put(ALICE, 'online', 'second'), rig.put(ALICE, 'online', 'third'), rig.put(BOB, 'online')];
    await rig.settle();
    const writes = store.calls.filter((call) => call === 'write').length;
    expect(writes).toBe(1);
    store.gates.clear();
    open();
    await Promise.all([first, ...others]);
    expect(store.calls.filter((call) => call === 'write').length).toBe(2);
    expect(bob.seen.filter(([sender]) => sender === ALICE).map(([, content]) => content['status_msg'])).toEqual([
      'first',
      'third',
    ]);
  });

  it('keeps routing answers until they are saved', async () => {
    const store = new UnreliableStore(new MemoryPresenceStore());
    store.error = full;
    const router = StubRouter.connecting({ [ALICE]: [BOB] });
    const rig = await Rig.start({ store, router });
    const bob = await rig.client(BOB).watch();
    store.failing.add('writeRouted');
    await rig.put(ALICE, 'online');
    await rig.settle();
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(await (await rig.successor({ store: store.inner, router: new StubRouter() })).sees(BOB, ALICE)).toBe(false);
    store.failing.clear();
    await rig.advance(1_500);
    expect(await (await rig.successor({ store: store.inner, router: new StubRouter() })).sees(BOB, ALICE)).toBe(true);
  });

  it('an answer that comes while an older one is being saved is saved, too', async () => {
    const store = new UnreliableStore(new MemoryPresenceStore());
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, [BOB]]] as const);
    const rig = await Rig.start({ store, router });
    const { promise, resolve } = later<void>();
    await rig.put(ALICE, 'online', 'one');
    store.gates.set('writeRouted', promise);
    router.route = () => new Map([[ALICE, ['@x:test']]] as const);
    await rig.put(ALICE, 'online', 'two');
    router.route = () => new Map([[ALICE, ['@y:test']]] as const);
    await rig.put(ALICE, 'online', 'three');
    store.gates.clear();
    resolve();
    await rig.settle();
    const after = await rig.successor({ store: store.inner, router: new StubRouter() });
    expect([await after.sees('@x:test', ALICE), await after.sees('@y:test', ALICE)]).toEqual([false, true]);
  });

  it('routing answers that are not saved yet are saved at the end', async () => {
    const store = new UnreliableStore(new MemoryPresenceStore());
    store.error = full;
    const rig = await Rig.start({ store, router: StubRouter.connecting({ [ALICE]: [BOB] }) });
    store.failing.add('writeRouted');
    await rig.put(ALICE, 'online');
    await rig.settle();
    store.failing.clear();
    await rig.handler.stop();
    expect(rig.clock.pendingTimers).toBe(0);
    const after = await rig.successor({ store: store.inner, router: new StubRouter() });
    expect(await after.sees(BOB, ALICE)).toBe(true);
  });

  it('activity that could not be saved never replaces a newer state', async () => {
    const { rig, store } = await start();
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.advance(30_000);
    rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
    store.failing.add('write');
    await rig.advance(30_500);
    expect(rig.metrics.value('thalamus_presence_unsaved_activity')).toBeGreaterThan(0);
    store.failing.clear();
    await rig.put(ALICE, 'unavailable', 'newer');
    const { position } = rig.handler;
    await rig.advance(61_000);
    let rows = 0;
    for await (const batch of store.inner.loadAll()) {
      for (const row of batch) {
        rows++;
        expect(row).toMatchObject({ position, state: { userId: ALICE, statusMsg: 'newer' } });
      }
    }
    expect(rows).toBe(1);
    session.end();
  });

  it('updates that waited are told in the order of their positions', async () => {
    const { rig, store } = await start();
    rig.rooms.join(ROOM, '@carol:test');
    const { promise, resolve } = later<void>();
    store.gates.set('write', promise);
    const puts = [rig.put(ALICE, 'online', '1'), rig.put(BOB, 'online', '2')];
    await rig.settle();
    puts.push(rig.put(ALICE, 'online', '3'));
    await rig.settle();
    store.failing.add('write');
    resolve();
    expect((await Promise.allSettled(puts)).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    store.gates.clear();
    store.failing.clear();
    const carol = await rig.client('@carol:test').watch();
    await rig.advance(1_000);
    expect(carol.seen.map(([, content]) => content['status_msg'])).toEqual(['2', '3']);
    const positions: (readonly [string, number])[] = [];
    for await (const batch of store.inner.loadAll()) {
      for (const row of batch) positions.push([row.state.userId, row.position]);
    }
    const of = new Map(positions);
    expect(of.get(ALICE)).toBeGreaterThan(of.get(BOB) ?? 0);
  });

  it('other servers are not sent what is not saved', async () => {
    const { rig, store } = await start();
    rig.rooms.join(ROOM, '@far:island');
    store.failing.add('write');
    await expect(rig.put(ALICE, 'online')).rejects.toBe(full);
    await rig.handler.sendLocalOnlinePresenceTo(['@far:island']);
    expect(rig.federation.sent).toEqual([]);
    store.failing.clear();
    await rig.advance(1_000);
    expect(rig.federation.sent.length).toBe(1);
  });

  it('rejects a full-presence request that could not be saved', async () => {
    const { rig, store } = await start();
    store.failing.add('writeFullPresenceMarks');
    await expect(rig.handler.sendLocalOnlinePresenceTo([BOB])).rejects.toBe(full);
    store.failing.clear();
    await rig.handler.sendLocalOnlinePresenceTo([BOB]);
  });

  it('says at the end what could not be saved', async () => {
    const { rig, store } = await start();
    store.failing.add('write');
    await expect(rig.put(ALICE, 'online')).rejects.toBe(full);
    await rig.handler.stop();
    expect(rig.logger.messages('error')).toContain('presence updates could not be saved before the end');
    expect(rig.clock.pendingTimers).toBe(0);
  });
});

describe('positions', () => {
  it('are reserved a block at a time, long before the block is used up, and again after a failure', async () => {
    const store = new UnreliableStore(new MemoryPresenceStore());
    store.error = full;
    const block = new PositionBlock(store, 100);
    expect(await block.start()).toBe(0);
    expect(await store.inner.positionCeiling()).toBe(100);
    await block.cover(50);
    expect(store.calls.filter((call) => call === 'reservePositions').length).toBe(1);
    store.failing.add('reservePositions');
    await expect(block.cover(51)).rejects.toBe(full);
    store.failing.clear();
    await block.cover(51);
    expect(await store.inner.positionCeiling()).toBe(151);
    expect(await new PositionBlock(store, 100).start()).toBe(151);
  });
});

describe('stopping', () => {
  it('saves what is under way, ends every timer, and refuses what comes later', async () => {
    const store = new MemoryPresenceStore();
    const rig = await Rig.start({ store });
    const put = rig.put(ALICE, 'online', 'last words');
    await rig.handler.stop();
    await put;
    await rig.handler.stop();
    expect(rig.clock.pendingTimers).toBe(0);
    await expect(rig.put(ALICE, 'offline')).rejects.toMatchObject({ transient: true });
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    session.end();
    expect((await rig.successor()).status(ALICE)).toMatchObject({ status_msg: 'last words' });
  });

  it('leaves alone what a module answers afterwards: the store may be closed by then', async () => {
    const store = new UnreliableStore(new MemoryPresenceStore());
    const router = new StubRouter();
    const { promise, resolve } = later<RoutingAnswer>();
    router.route = () => promise;
    const rig = await Rig.start({ store, router });
    await rig.put(ALICE, 'online');
    await rig.handler.stop();
    const before = store.calls.length;
    resolve(new Map([[ALICE, [BOB]]]));
    await rig.settle();
    expect([store.calls.slice(before), rig.clock.pendingTimers]).toEqual([[], 0]);
  });

  it('a thousand and more changes of one turn are written in pieces and told together', async () => {
    const store = new UnreliableStore(new MemoryPresenceStore());
    const rig = await Rig.start({ store });
    const users = Array.from({ length: 1_200 }, (_, index) => `@user${index}:test` as const);
    rig.rooms.join(ROOM, BOB, ...users);
    const bob = await rig.client(BOB).watch();
    const before = store.calls.length;
    await Promise.all(users.map((userId) => rig.put(userId, 'online')));
    expect(store.calls.slice(before).filter((call) => call === 'write').length).toBe(3);
    expect(new Set(bob.seen.map(([sender]) => sender)).size).toBe(1_200);
    expect(bob.seen.length).toBe(1_200);
  });
});
