import { describe, expect, it } from 'vitest';
import { EngineDriver, START_TS } from '../../test/support/engine-driver.ts';
import type { RoomId, UserId } from '../matrix/identifiers.ts';

const U = '@u:test';
const W = '@w:test';
const X = '@x:test';
const FAR = '@p:far';
const ROOM = '!room:test';
const EXCLUDED = '!excluded:test';

function driver(): EngineDriver {
  return new EngineDriver({ excludedRooms: new Set([EXCLUDED]) });
}

function share(it: EngineDriver, room: RoomId, ...users: UserId[]): void {
  for (const user of users) it.engine.join(user, room);
}

describe('default routing', () => {
  it('rows 67, 68: a room mate is told once, with state and status', () => {
    const it = driver();
    share(it, ROOM, U, W);
    const watcher = it.watch(W);
    it.put(U, 'A', 'online', 'hi');
    expect(it.woken).toEqual([W]);
    expect(watcher.peek()).toMatchObject([{ userId: U, state: 'online', statusMsg: 'hi' }]);
    expect(watcher.peek()).toEqual([]);
    it.put(U, 'A', 'unavailable');
    expect(watcher.peek()).toMatchObject([{ userId: U, state: 'unavailable' }]);
  });

  it('row 69: two mates in two rooms are both seen', () => {
    const it = driver();
    share(it, ROOM, U, '@b:test');
    share(it, '!other:test', U, '@c:test');
    const watcher = it.watch(U);
    it.put('@b:test', 'B', 'online');
    it.put('@c:test', 'C', 'online');
    expect(watcher.peek().map(({ userId }) => userId)).toEqual(['@b:test', '@c:test']);
  });

  it('row 70: without a shared room nobody is told', () => {
    const it = driver();
    share(it, ROOM, U);
    const stranger = it.watch(X);
    it.put(U, 'A', 'online');
    expect(it.woken).toEqual([]);
    expect(stranger.peek()).toEqual([]);
    expect(it.engine.canSee(X, U)).toBe(false);
  });

  it('row 71: a user in no room is told of their own change', () => {
    const it = driver();
    const own = it.watch(U);
    it.put(U, 'A', 'online');
    expect(own.peek()).toMatchObject([{ userId: U }]);
  });

  it('rows 72, 73: an excluded room counts for nothing, beside a normal one it does no harm', () => {
    const it = driver();
    share(it, EXCLUDED, U, W);
    const watcher = it.watch(W);
    it.put(U, 'A', 'online');
    expect(watcher.peek()).toEqual([]);
    expect(it.engine.canSee(W, U)).toBe(false);
    expect(it.engine.canSee(U, U)).toBe(true);
    share(it, ROOM, U, W);
    it.put(U, 'A', 'unavailable');
    expect(watcher.peek()).toHaveLength(1);
    expect(it.engine.canSee(W, U)).toBe(true);
  });

  it('row 74: servers in an excluded room get nothing, those in others one state each', () => {
    const it = driver();
    share(it, EXCLUDED, U, FAR);
    it.put(U, 'A', 'online');
    expect(it.deliveries.servers.size).toBe(0);
    share(it, ROOM, U, FAR, '@other:far', '@q:away');
    share(it, '!second:test', U, FAR);
    it.put(U, 'A', 'unavailable');
    expect([...it.deliveries.servers].map(([server, states]) => [server, states.length])).toEqual([
      ['far', 1],
      ['away', 1],
    ]);
  });

  it('a remote user is told to local mates and sent to no server', () => {
    const it = driver();
    share(it, ROOM, FAR, W, '@q:away');
    const watcher = it.watch(W);
    const entry = { userId: FAR, state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true } as const;
    it.engine.remote.receive([entry], it.now);
    it.commit();
    expect(watcher.peek()).toMatchObject([{ userId: FAR, currentlyActive: true, lastActiveTs: 0 }]);
    expect(it.deliveries.servers.size).toBe(0);
  });

  it('rows 75, 78: who left the room is told nothing, not even what was pending', () => {
    const it = driver();
    share(it, ROOM, U, W);
    const watcher = it.watch(W);
    it.put(U, 'A', 'online');
    it.engine.leave(W, ROOM);
    expect(watcher.peek()).toEqual([]);
    it.put(U, 'A', 'offline');
    expect(it.woken).toEqual([]);
    expect(watcher.peek()).toEqual([]);
  });

  it('row 79: whoever joins is told of everybody there, whatever their state, and then no more', () => {
    const it = driver();
    share(it, ROOM, U, '@never:test', '@gone:test');
    it.put(U, 'A', 'online');
    it.put('@gone:test', 'A', 'online');
    it.put('@gone:test', 'A', 'offline', 'bye');
    const joiner = it.watch(W);
    it.engine.join(W, ROOM);
    const told = joiner.peek({ extras: [U, '@never:test', '@gone:test', W] });
    expect(told.map(({ userId, state, statusMsg }) => [userId, state, statusMsg])).toEqual([
      ['@never:test', 'offline', null],
      [U, 'online', null],
      ['@gone:test', 'offline', 'bye'],
    ]);
    expect(joiner.peek()).toEqual([]);
  });

  it('row 80: members are told of somebody who joins, once', () => {
    const it = driver();
    share(it, ROOM, W);
    const member = it.watch(W);
    it.put(U, 'A', 'online');
    it.engine.join(U, ROOM);
    expect(member.peek({ extras: [U] })).toMatchObject([{ userId: U, state: 'online' }]);
    expect(member.peek()).toEqual([]);
  });

  it('row 82: a join in an excluded room tells nothing', () => {
    const it = driver();
    share(it, EXCLUDED, W);
    const member = it.watch(W);
    it.put(U, 'A', 'online');
    it.engine.join(U, EXCLUDED);
    expect(member.peek({ extras: [U] })).toEqual([]);
  });

  it('joins and leaves may be repeated, and empty rooms are forgotten', () => {
    const it = driver();
    share(it, ROOM, U, U, W);
    it.engine.leave(U, ROOM);
    it.engine.leave(U, ROOM);
    it.engine.leave(U, '!unknown:test');
    expect(it.engine.canSee(W, U)).toBe(false);
    it.engine.leave(W, ROOM);
    expect(it.engine.stats().rooms).toBe(0);
  });
});

describe('interest', () => {
  it('a gain tells of whoever is not offline at once, a loss tells that they are, once, and ends it', () => {
    const it = driver();
    const watcher = it.watch(W);
    it.put(U, 'A', 'online');
    const { observers } = it.engine.setInterest(W, [U, X, '@unheard:of']);
    expect(Array.from(observers, (uid) => it.engine.userId(uid))).toEqual([W]);
    expect(watcher.peek()).toMatchObject([{ userId: U }]);
    expect(it.engine.setInterest(W, [U, X, '@unheard:of']).observers).toHaveLength(0);
    it.put(U, 'A', 'unavailable');
    expect(it.woken).toEqual([W]);
    it.engine.setInterest(W, []);
    expect(watcher.peek()).toMatchObject([{ userId: U, state: 'offline', lastActiveTs: 0 }]);
    it.put(U, 'A', 'online');
    expect(it.woken).toEqual([]);
    expect(it.engine.canSee(W, U)).toBe(false);
  });

  it('row 109: ALL is everybody, remote users included, and adds to rooms', () => {
    const it = driver();
    share(it, ROOM, W, '@mate:test');
    it.put(U, 'A', 'online');
    const watcher = it.watch(W);
    it.engine.setInterest(W, 'ALL');
    expect(watcher.peek()).toMatchObject([{ userId: U }]);
    const entry = { userId: FAR, state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true } as const;
    it.engine.remote.receive([entry], it.now);
    it.put('@mate:test', 'M', 'online');
    expect(watcher.peek().map(({ userId }) => userId)).toEqual([FAR, '@mate:test']);
  });

  it('is what disagreement is looked for in', () => {
    const it = driver();
    it.watch(W);
    it.watch(X);
    it.engine.setInterest(W, [U]);
    it.engine.setInterest(X, 'ALL');
    it.put(U, 'A', 'online');
    expect(it.engine.interestedIn(W, U)).toBe(true);
    expect(it.engine.interestedIn(W, X)).toBe(false);
    expect(it.engine.interestedIn(X, W)).toBe(true);
    expect(it.engine.connectedInterestedIn(U)).toEqual([W]);
    expect(it.engine.connectedInterestedInAll()).toEqual([X]);
    expect(it.engine.interestOf(W)).toEqual([U]);
    expect(it.engine.interestOf(U)).toBeNull();
  });

  it('is forgotten a minute after the last sync ended, with all that belongs to the observer', () => {
    const it = driver();
    share(it, ROOM, W, U);
    it.watch(W);
    it.engine.setInterest(W, [X]);
    it.engine.endSync(W, 'watching', false, it.now);
    it.advance(59_999);
    expect(it.engine.isConnected(W)).toBe(true);
    it.advance(5_001);
    expect(it.engine.isConnected(W)).toBe(false);
    expect(it.engine.stats()).toMatchObject({ observers: 0, pending: 0 });
    it.put(X, 'X', 'online');
    it.put(U, 'U', 'online');
    expect(it.woken).toEqual([]);
  });
});

describe('routed targets', () => {
  it('are told at once when connected, and find it later when they were not; until the next answer', () => {
    const it = driver();
    const watcher = it.watch(W);
    const absent = it.client(X);
    absent.sync();
    it.advance(120_000);
    it.put(U, 'A', 'online', 'one');
    const routed = it.route(new Map([[U, [W, X, W]]]));
    expect(it.woken).toEqual([W]);
    expect(routed.kept).toMatchObject([{ userId: U, routedTo: [W, X] }]);
    expect(watcher.peek()).toMatchObject([{ userId: U, statusMsg: 'one' }]);
    expect(watcher.peek()).toEqual([]);
    expect(absent.sync()).toMatchObject([{ userId: U, statusMsg: 'one' }]);
    expect(absent.sync()).toEqual([]);
    expect(it.client(X).sync()).toMatchObject([{ userId: U }]);
    expect(it.engine.canSee(X, U)).toBe(true);
    it.put(U, 'A', 'online', 'two');
    expect(it.route(new Map()).kept).toMatchObject([{ userId: U, routedTo: [], routedPosition: 0 }]);
    expect(it.engine.canSee(X, U)).toBe(false);
    // Nobody who saw the user is left with an old state, connected or not.
    for (const told of [watcher.peek(), absent.sync()]) {
      expect(told).toMatchObject([{ userId: U, state: 'offline', statusMsg: null, currentlyActive: false }]);
    }
    expect([watcher.peek(), absent.sync()]).toEqual([[], []]);
  });

  it('an update whose routing is not decided yet is not shown on the strength of the answer before', () => {
    const it = driver();
    const watcher = it.watch(W);
    it.put(U, 'A', 'online', 'for W');
    it.route(new Map([[U, [W]]]));
    watcher.peek();
    it.put(U, 'A', 'online', 'not for W');
    expect(watcher.peek()).toEqual([]);
  });

  it('what was told in a room that the observer has left since is not shown on the strength of an older answer', () => {
    const it = driver();
    share(it, ROOM, U, W);
    it.put(U, 'A', 'online', 'for W');
    it.route(new Map([[U, [W]]]));
    const watcher = it.watch(W);
    it.put(U, 'A', 'online', 'for the room');
    it.engine.leave(W, ROOM);
    expect(it.engine.canSee(W, U)).toBe(true);
    expect(watcher.peek()).toEqual([]);
  });

  it('who connects while a turn is being written finds what was routed to them before', () => {
    const it = driver();
    const client = it.client(W);
    client.sync();
    it.advance(120_000);
    it.put(U, 'A', 'online');
    const batch = it.updates;
    client.cursor = { position: it.engine.position, resume: null };
    it.engine.setPresence(X, 'X', 'online', null, it.now);
    const writing = it.engine.takeChanges();
    it.engine.route(batch, new Map([[U, [W]]]));
    it.engine.beginSync(W, 'W', null, false, it.now);
    expect(client.peek()).toEqual([]);
    it.engine.publish(writing);
    expect(client.peek()).toMatchObject([{ userId: U }]);
  });

  it('room mates among them are not told twice', () => {
    const it = driver();
    share(it, ROOM, U, W);
    const watcher = it.watch(W);
    it.put(U, 'A', 'online');
    watcher.peek();
    it.route(new Map([[U, [W]]]));
    expect(it.woken).toEqual([]);
    expect(watcher.peek()).toEqual([]);
  });

  it('rows 93, 94: a remote target is its server, once; our own server never', () => {
    const it = driver();
    share(it, ROOM, U, '@q:away');
    it.put(U, 'A', 'online');
    it.route(new Map([[U, ['@p:island', '@p2:island', '@q2:away', W]]]));
    expect([...it.deliveries.servers].map(([server, states]) => [server, states.map(({ userId }) => userId)])).toEqual([
      ['island', [U]],
    ]);
  });

  it('row 113: updates of remote users go to no server', () => {
    const it = driver();
    const entry = { userId: FAR, state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true } as const;
    it.engine.remote.receive([entry], it.now);
    it.commit();
    it.route(new Map([[FAR, ['@p:island']]]));
    expect(it.deliveries.servers.size).toBe(0);
  });

  it('beyond the limit they are dropped and counted', () => {
    const it = new EngineDriver({ limits: { maxPendingPerObserver: 10, maxRoutedPerUser: 2 } });
    it.put(U, 'A', 'online');
    const users = it.engine.stats().users;
    const routed = it.route(new Map([[U, ['@1:test', '@2:test', '@3:test', '@4:test']]]));
    expect(routed).toMatchObject({ dropped: 2, kept: [{ routedTo: ['@1:test', '@2:test'] }] });
    expect(it.engine.stats().users).toBe(users + 2);
  });

  it('keep-alives reach servers by name and change nothing kept', () => {
    const it = driver();
    it.put(U, 'A', 'online');
    it.route(new Map([[U, [W]]]));
    const servers = it.engine.routePings(it.updates, new Map([[U, ['@p:island', X]]]));
    expect([...servers.keys()]).toEqual(['island']);
    expect(it.engine.canSee(W, U)).toBe(true);
    expect(it.engine.canSee(X, U)).toBe(false);
  });

  it('are not shown before an earlier turn that is being written, and not forgotten then', () => {
    const it = driver();
    const watcher = it.watch(W);
    it.put(U, 'A', 'online');
    const batch = it.updates;
    it.engine.setPresence(W, 'W', 'online', null, it.now);
    const writing = it.engine.takeChanges();
    const routed = it.engine.route(batch, new Map([[U, [W]]]));
    expect(routed.observers).toHaveLength(0);
    expect(watcher.peek()).toEqual([]);
    const { observers } = it.engine.publish(writing);
    expect(observers).toHaveLength(1);
    expect(watcher.peek().map(({ userId }) => userId)).toEqual([W, U]);
  });
});

describe('states set by modules', () => {
  it('row 136: in untracked mode they last, timers or not, and nothing else changes a state', () => {
    const it = new EngineDriver({ mode: 'untracked' });
    share(it, ROOM, U, W, FAR);
    const watcher = it.watch(W);
    it.engine.setPresenceForUsers(new Map([[U, { state: 'online', statusMsg: 'x' }]]), it.now);
    expect(it.commit()).toHaveLength(1);
    expect(it.deliveries.servers.size).toBe(0);
    expect(watcher.peek()).toMatchObject([{ userId: U, state: 'online', statusMsg: 'x' }]);
    expect(it.advance(5 * 3_600_000)).toEqual([]);
    it.put(U, 'A', 'offline');
    it.beginSync(U, 'A');
    it.bump(U, 'A');
    expect(it.state(U)).toBe('online');
  });

  it('row 138: shown at once over a device that is online, until its next counted sync; the status stays', () => {
    const it = driver();
    it.beginSync(U, 'D');
    it.engine.setPresenceForUsers(new Map([[U, { state: 'unavailable', statusMsg: 'm' }]]), it.now);
    expect(it.commit()).toMatchObject([{ state: { state: 'unavailable', statusMsg: 'm' } }]);
    it.endSync(U, 'D');
    expect(it.state(U)).toBe('unavailable');
    it.beginSync(U, 'D');
    expect(it.engine.stateOf(U)).toMatchObject({ state: 'online', statusMsg: 'm' });
  });

  it('row 139: on somebody without devices it ends after its lifetime, and activity does not end it', () => {
    const it = driver();
    it.engine.setPresenceForUsers(new Map([[U, { state: 'online', statusMsg: null }]]), it.now);
    it.commit();
    it.advance(10 * 60_000);
    it.bump(U, 'bot');
    expect(it.state(U)).toBe('online');
    it.advance(50 * 60_000);
    expect(it.state(U)).toBe('offline');
    it.engine.setPresenceForUsers(new Map([[U, { state: 'online', statusMsg: null, ttlMs: 20_000 }]]), it.now);
    it.commit();
    it.advance(30_000);
    expect(it.state(U)).toBe('offline');
    expect(it.engine.stats()).toMatchObject({ devices: 0, timers: 0 });
  });

  it('the next call replaces the one before; offline ends it; always told', () => {
    const it = driver();
    it.beginSync(U, 'D');
    for (const state of ['online', 'online', 'offline', 'offline'] as const) {
      it.engine.setPresenceForUsers(new Map([[U, { state, statusMsg: null }]]), it.now);
      expect(it.commit()).toMatchObject([{ state: { state } }]);
    }
    expect(it.advance(3_600_000)).toEqual([]);
    it.bump(U, 'D');
    expect(it.state(U)).toBe('online');
  });

  it('row 140: a remote user is seen by local watchers, sent nowhere, and ends after 30 minutes', () => {
    const it = driver();
    share(it, ROOM, FAR, W, '@q:away');
    const watcher = it.watch(W);
    it.engine.setPresenceForUsers(new Map([[FAR, { state: 'online', statusMsg: 'm' }]]), it.now);
    it.commit();
    expect(watcher.peek()).toMatchObject([{ userId: FAR, state: 'online' }]);
    expect(it.deliveries.servers.size).toBe(0);
    expect(it.advance(30 * 60_000 - 1)).toEqual([]);
    expect(it.advance(10_000)).toMatchObject([{ update: { state: { state: 'offline', statusMsg: 'm' } } }]);
  });

  it('row 141: ignored while presence is disabled', () => {
    const it = new EngineDriver({ mode: 'disabled' });
    it.engine.setPresenceForUsers(new Map([[U, { state: 'online', statusMsg: null }]]), START_TS);
    expect(it.commit()).toEqual([]);
  });
});
