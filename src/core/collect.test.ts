import { describe, expect, it } from 'vitest';
import { EngineDriver, START_TS, type TestClient } from '../../test/support/engine-driver.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { EngineOptions, StoredRow } from './engine-api.ts';

const W = '@w:test';
const U = '@u:test';
const ROOM = '!room:test';

/** W shares a room with `count` users, who are online in order. */
function crowd(count: number, overrides: Partial<EngineOptions> = {}): { it: EngineDriver; names: UserId[] } {
  const it = new EngineDriver(overrides);
  const names = Array.from({ length: count }, (_, index): UserId => `@m${index}:test`);
  it.engine.join(W, ROOM);
  for (const name of names) it.engine.join(name, ROOM);
  for (const name of names) it.put(name, 'A', 'online');
  return { it, names };
}

function namesOf(told: { userId: UserId }[]): UserId[] {
  return told.map(({ userId }) => userId);
}

/** Syncs until nothing is told any more; every answer keeps the limit. */
function drain(client: TestClient, limit: number): UserId[] {
  const told: UserId[] = [];
  for (let round = 0; round < 100; round++) {
    const some = namesOf(client.sync({ limit }));
    expect(some.length).toBeLessThanOrEqual(limit);
    if (some.length === 0) return told;
    told.push(...some);
  }
  throw new Error('there is no end');
}

describe('snapshots', () => {
  it('an initial sync has everybody visible who is not offline, and the observer', () => {
    const { it, names } = crowd(3);
    it.engine.join('@never:test', ROOM);
    it.put(names[1] ?? U, 'A', 'offline');
    it.engine.beginSync(W, 'W', { state: 'online', explicit: false }, true, it.now);
    it.commit();
    expect(namesOf(it.client(W).sync())).toEqual(['@m0:test', '@m2:test', W]);
    expect(namesOf(it.client(W).sync({ includeOffline: true })).sort()).toEqual(
      ['@never:test', W, ...names].toSorted(),
    );
  });

  it('a cut snapshot follows in later syncs, each user once, those who are offline left out', () => {
    const { it, names } = crowd(7);
    it.put('@m3:test', 'A', 'offline');
    const client = it.client(W);
    expect(drain(client, 2)).toEqual(names.filter((name) => name !== '@m3:test'));
  });

  it('whoever changes while a snapshot is being sent in parts is told with the change', () => {
    const { it } = crowd(5);
    const client = it.client(W);
    expect(namesOf(client.sync({ limit: 2 }))).toEqual(['@m0:test', '@m1:test']);
    it.put('@m0:test', 'A', 'offline');
    it.put('@m4:test', 'A', 'offline');
    const rest = [...client.sync({ limit: 2 }), ...client.sync({ limit: 2 }), ...client.sync({ limit: 2 })];
    expect(rest.map(({ userId, state }) => `${userId} ${state}`)).toEqual([
      '@m2:test online',
      '@m3:test online',
      '@m0:test offline',
      '@m4:test offline',
    ]);
  });

  it('users nobody was ever told of come first and are not lost by a cut', () => {
    const { it, names } = crowd(2);
    const silent = ['@s0:test', '@s1:test', '@s2:test'] as const;
    for (const name of silent) it.engine.join(name, ROOM);
    const client = it.watch(W);
    client.cursor = null;
    const told: UserId[] = [];
    for (let round = 0; round < 8; round++) told.push(...namesOf(client.peek({ limit: 2, includeOffline: true })));
    expect(told.toSorted()).toEqual([...names, ...silent, W].toSorted());
  });

  it('row 124: a mark is one snapshot for each device, whatever its token', () => {
    const { it } = crowd(1);
    const [first, second] = [it.client(W), it.client(W)];
    first.sync();
    second.sync();
    const { marks, deliveries } = it.engine.markFullPresence([W]);
    expect([...marks.keys()]).toEqual([W]);
    expect(deliveries.observers).toHaveLength(1);
    for (const device of [first, second]) {
      expect(namesOf(device.sync())).toEqual(['@m0:test']);
      expect(device.sync()).toEqual([]);
    }
  });

  it('row 125: a mark names nobody who is offline; who went offline since is told next', () => {
    const { it } = crowd(2);
    const client = it.client(W);
    client.sync();
    it.put('@m0:test', 'A', 'offline');
    it.engine.markFullPresence([W]);
    expect(namesOf(client.sync())).toEqual(['@m1:test']);
    expect(client.sync().map(({ userId, state }) => `${userId} ${state}`)).toEqual(['@m0:test offline']);
    expect(client.sync()).toEqual([]);
  });

  it('row 131: everybody marked is woken', () => {
    const it = new EngineDriver();
    it.watch('@a:test');
    it.watch('@b:test');
    const { deliveries } = it.engine.markFullPresence(['@a:test', '@b:test', '@absent:test']);
    expect(deliveries.observers).toHaveLength(2);
  });

  it('rows 134, 135: an initial sync clears the mark of its device; marking nobody does nothing', () => {
    const { it } = crowd(1);
    it.engine.markFullPresence([W]);
    const client = it.client(W);
    client.sync();
    expect(client.sync()).toEqual([]);
    const { position } = it.engine;
    expect(it.engine.markFullPresence([]).marks.size).toBe(0);
    expect(it.engine.position).toBe(position);
  });
});

describe('increments', () => {
  it('come in the order of positions, the newest change of each user once', () => {
    const { it } = crowd(3);
    const client = it.watch(W);
    it.put('@m2:test', 'A', 'online', 'x');
    it.put('@m0:test', 'A', 'online', 'x');
    it.put('@m2:test', 'A', 'offline');
    expect(client.peek().map(({ userId, state }) => `${userId} ${state}`)).toEqual([
      '@m0:test online',
      '@m2:test offline',
    ]);
  });

  it('devices with different tokens each get what they lack', () => {
    const { it } = crowd(2);
    const [early, late] = [it.watch(W), it.watch(W)];
    it.put('@m0:test', 'A', 'online', 'x');
    expect(namesOf(early.peek())).toEqual(['@m0:test']);
    it.put('@m1:test', 'A', 'online', 'x');
    expect(namesOf(early.peek())).toEqual(['@m1:test']);
    expect(namesOf(late.peek())).toEqual(['@m0:test', '@m1:test']);
  });

  it('what a limit cuts follows', () => {
    const { it, names } = crowd(5);
    const client = it.watch(W);
    for (const name of names) it.put(name, 'A', 'online', 'x');
    expect(drain(client, 2)).toEqual(names);
  });

  it('what a sender filter leaves out is passed over', () => {
    const { it } = crowd(2);
    const client = it.watch(W);
    it.put('@m0:test', 'A', 'online', 'x');
    it.put('@m1:test', 'A', 'online', 'x');
    expect(namesOf(client.peek({ accept: (userId) => userId === '@m1:test' }))).toEqual(['@m1:test']);
    expect(client.peek()).toEqual([]);
  });

  it('extras that a limit cuts follow, too', () => {
    const { it, names } = crowd(6);
    it.engine.join('@never:test', ROOM);
    it.put('@m5:test', 'A', 'offline');
    const client = it.watch(W);
    const told = namesOf(client.peek({ extras: [...names, '@never:test'], limit: 2 }));
    told.push(...drain(client, 2));
    expect([...new Set(told)].toSorted()).toEqual([...names, '@never:test'].toSorted());
  });

  it('a token older than the inbox, or from before a break, is answered by looking at everybody', () => {
    const { it } = crowd(3);
    const client = it.client(W);
    client.sync();
    it.advance(10 * 60_000);
    it.engine.takeCounters();
    it.put('@m1:test', 'A', 'online', 'back');
    expect(namesOf(client.sync())).toContain('@m1:test');
    expect(it.engine.takeCounters()).toMatchObject({ collectedByScan: 1, collectedFromInbox: 0 });
    expect(client.sync()).toEqual([]);
    it.put('@m1:test', 'A', 'online', 'again');
    expect(namesOf(client.sync())).toEqual(['@m1:test']);
    expect(it.engine.takeCounters()).toMatchObject({ collectedFromInbox: 2, collectedByScan: 0 });
  });

  it('an inbox that overflows loses nothing, and is counted', () => {
    const { it, names } = crowd(30, { limits: { maxPendingPerObserver: 4, maxRoutedPerUser: 10 } });
    const client = it.watch(W);
    for (const name of names) it.put(name, 'A', 'online', 'x');
    expect(it.engine.takeCounters().inboxOverflows).toBeGreaterThan(0);
    expect(namesOf(client.peek()).toSorted()).toEqual(names.toSorted());
    expect(client.peek()).toEqual([]);
  });

  it('more gains of interest than an inbox holds are a snapshot', () => {
    const it = new EngineDriver({ limits: { maxPendingPerObserver: 4, maxRoutedPerUser: 10 } });
    const names = Array.from({ length: 9 }, (_, index): UserId => `@m${index}:test`);
    for (const name of names) it.put(name, 'A', 'online');
    const client = it.watch(W);
    it.engine.setInterest(W, names);
    expect(namesOf(client.peek())).toEqual(names);
    expect(client.peek()).toEqual([]);
  });

  it('a token from between two gains of interest owes the second, whatever token was used meanwhile', () => {
    const it = new EngineDriver();
    const [one, other] = ['@m0:test', '@m1:test'] as const;
    for (const name of [one, other]) it.put(name, 'A', 'online');
    const client = it.watch(W);
    const before = client.cursor;
    it.engine.setInterest(W, [one, other]);
    expect(namesOf(client.peek({ limit: 1 }))).toEqual([one]);
    const between = client.cursor;
    client.cursor = before;
    expect(namesOf(client.peek())).toEqual([one, other]);
    client.cursor = between;
    expect(namesOf(client.peek())).toEqual([other]);
    client.cursor = before;
    expect(drain(client, 1)).toEqual([one, other]);
  });

  it('a token that was not used for minutes still brings what was gained since', () => {
    const it = new EngineDriver();
    const entry = {
      userId: '@p:far',
      state: 'online',
      statusMsg: null,
      lastActiveTs: null,
      currentlyActive: false,
    } as const;
    it.engine.remote.receive([entry], it.now);
    it.commit();
    const client = it.watch(W);
    const before = client.cursor;
    it.engine.setInterest(W, [entry.userId]);
    for (let minute = 0; minute < 4; minute++) {
      client.peek();
      it.advance(61_000);
    }
    expect(client.peek()).toEqual([]);
    client.cursor = before;
    expect(namesOf(client.peek())).toEqual([entry.userId]);
  });

  it('nothing is shown before it is durable', () => {
    const { it } = crowd(1);
    const client = it.watch(W);
    it.engine.setPresence('@m0:test', 'A', 'offline', null, it.now);
    const writing = it.engine.takeChanges();
    expect(client.peek()).toEqual([]);
    expect(it.client(W).sync()).toMatchObject([{ userId: '@m0:test', state: 'online' }]);
    it.engine.publish(writing);
    expect(client.peek()).toMatchObject([{ userId: '@m0:test', state: 'offline' }]);
  });

  it('a limit of nothing tells nothing and owes everything', () => {
    const { it, names } = crowd(2);
    const client = it.client(W);
    expect(client.sync({ limit: 0 })).toEqual([]);
    expect(namesOf(client.sync())).toEqual(names);
  });
});

describe('restart', () => {
  const row = (userId: UserId, state: StoredRow['state']['state'], rest: Partial<StoredRow> = {}): StoredRow => ({
    state: {
      userId,
      state,
      lastActiveTs: START_TS - 100_000,
      lastFederationUpdateTs: START_TS - 100_000,
      lastUserSyncTs: START_TS - 100_000,
      statusMsg: 's',
      currentlyActive: false,
    },
    position: 500,
    routedTo: [],
    routedPosition: 0,
    ...rest,
  });

  function restored(rows: StoredRow[], overrides: Partial<EngineOptions> = {}): EngineDriver {
    const it = new EngineDriver(overrides);
    it.engine.restore(rows, it.now);
    it.engine.join(U, ROOM);
    it.engine.join(W, ROOM);
    it.commit();
    return it;
  }

  it('row 235: who was online and does not come back is offline after 30 to 40 s, and watchers are told', () => {
    const it = restored([row(U, 'online')]);
    const watcher = it.watch(W);
    expect(it.advance(29_999)).toEqual([]);
    expect(it.advance(10_001)).toMatchObject([{ update: { state: { state: 'offline', statusMsg: 's' } } }]);
    expect(watcher.peek()).toMatchObject([{ userId: U, state: 'offline' }]);
  });

  it.each(['online', 'unavailable', 'offline'] as const)(
    'row 236: a sync %s 15 s after the start decides in the end',
    (claim) => {
      const it = restored([row(U, 'online')]);
      it.advance(15_000);
      if (claim === 'offline') it.beginSync(U, 'A', null, false);
      else it.beginSync(U, 'A', { state: claim, explicit: true });
      expect(it.state(U)).toBe('online');
      it.advance(25_000);
      expect(it.state(U)).toBe(claim);
    },
  );

  it('a PUT or a logout does not wait for what the restart left behind', () => {
    const byPut = restored([row(U, 'org.matrix.msc3026.busy')]);
    byPut.put(U, 'A', 'online');
    expect(byPut.state(U)).toBe('online');
    const byLogout = restored([row(U, 'online')]);
    byLogout.engine.removeDevice(U, 'A', byLogout.now);
    expect(byLogout.commit()).toMatchObject([{ state: { state: 'offline' } }]);
  });

  it('somebody busy has an hour, or as long as a device is connected', () => {
    const gone = restored([row(U, 'org.matrix.msc3026.busy')]);
    gone.advance(3_600_000 - 1);
    expect(gone.state(U)).toBe('org.matrix.msc3026.busy');
    gone.advance(10_000);
    expect(gone.state(U)).toBe('offline');
    const back = restored([row(U, 'org.matrix.msc3026.busy')]);
    back.beginSync(U, 'A');
    back.advance(3 * 3_600_000);
    expect(back.state(U)).toBe('org.matrix.msc3026.busy');
    back.endSync(U, 'A');
    back.advance(3_610_000);
    expect(back.state(U)).toBe('offline');
    expect(back.engine.stats()).toMatchObject({ devices: 0, timers: 0 });
  });

  it('a remote user has 30 minutes from their last update', () => {
    const it = restored([row('@q:far', 'online')]);
    expect(it.advance(1_800_000 - 100_001)).toEqual([]);
    expect(it.advance(10_000)).toMatchObject([{ update: { state: { state: 'offline' } } }]);
  });

  it('old tokens work, kept answers and marks are there', () => {
    const it = restored([
      row(U, 'offline', { position: 900 }),
      row('@seen:test', 'offline', { position: 700 }),
      row('@routed:test', 'online', { position: 100, routedTo: [W], routedPosition: 850 }),
    ]);
    it.engine.join('@seen:test', ROOM);
    const client = it.client(W);
    client.cursor = { position: 800, resume: null };
    expect(namesOf(client.sync())).toEqual(['@routed:test', U]);
    expect(it.engine.canSee(W, '@routed:test')).toBe(true);
    it.engine.restoreMarks(new Map([[W, 950]]));
    client.cursor = { position: 940, resume: null };
    expect(namesOf(client.sync())).toEqual(['@routed:test']);
    expect(client.sync()).toEqual([]);
  });

  it('disabled: everybody becomes offline, without status, and old tokens are told', () => {
    const it = new EngineDriver({ mode: 'disabled' });
    it.engine.restore([row(U, 'online'), row('@q:far', 'unavailable'), row('@off:test', 'offline')], it.now);
    expect(it.commit().map(({ state }) => [state.userId, state.state, state.statusMsg])).toEqual([
      [U, 'offline', null],
      ['@q:far', 'offline', null],
    ]);
    expect(it.engine.stats()).toMatchObject({ timers: 0, devices: 0 });
  });

  it('untracked: records as they were, and no timers', () => {
    const it = new EngineDriver({ mode: 'untracked' });
    const idle = row('@idle:test', 'unavailable');
    it.engine.restore([row(U, 'online'), { ...idle, state: { ...idle.state, currentlyActive: true } }], it.now);
    expect(it.advance(3_600_000)).toEqual([]);
    expect(it.state(U)).toBe('online');
    expect(it.engine.stateOf('@idle:test')).toMatchObject({ state: 'unavailable', currentlyActive: false });
  });
});
