import { describe, expect, it } from 'vitest';
import { BUSY, EngineDriver, EXPLICIT_SYNC } from '../../test/support/engine-driver.ts';
import { type Comparable, notifyReason } from './notify-rules.ts';
import { BUSY as BUSY_CODE, OFFLINE, ONLINE, UNAVAILABLE } from './state-codes.ts';

const U = '@u:test';
const Q = '@q:far';
const SECOND = 1_000;
const MINUTE = 60_000;

function online(): EngineDriver {
  const it = new EngineDriver();
  it.beginSync(U, 'A');
  return it;
}

describe('the rules, first match wins', () => {
  const record = (state: number, rest: Partial<Comparable> = {}): Comparable => ({
    state,
    statusMsg: null,
    currentlyActive: false,
    lastActiveTs: 0,
    ...rest,
  });

  it.each([
    ['nothing differs', record(ONLINE), record(ONLINE), null],
    ['status from null', record(ONLINE), record(ONLINE, { statusMsg: '' }), 'status_msg_change'],
    ['status before state', record(ONLINE), record(OFFLINE, { statusMsg: 'x' }), 'status_msg_change'],
    ['state', record(ONLINE), record(UNAVAILABLE), 'state_change'],
    ['active flag while online', record(ONLINE, { currentlyActive: true }), record(ONLINE), 'current_active_change'],
    ['active flag otherwise', record(UNAVAILABLE, { currentlyActive: true }), record(UNAVAILABLE), null],
    ['activity by exactly the window', record(BUSY_CODE), record(BUSY_CODE, { lastActiveTs: MINUTE }), null],
    [
      'activity by more than the window',
      record(BUSY_CODE),
      record(BUSY_CODE, { lastActiveTs: MINUTE + 1 }),
      'last_active_change_not_online',
    ],
    [
      'the same while online and active',
      record(ONLINE, { currentlyActive: true }),
      record(ONLINE, { currentlyActive: true, lastActiveTs: MINUTE + 1 }),
      null,
    ],
    [
      'the same while not active',
      record(ONLINE),
      record(ONLINE, { lastActiveTs: MINUTE + 1 }),
      'last_active_change_online',
    ],
  ] as const)('%s', (_, before, after, reason) => {
    expect(notifyReason(before, after, MINUTE)).toBe(reason);
  });
});

describe('what is told', () => {
  it('row 41: going online is told, active, with the time of telling', () => {
    const it = new EngineDriver();
    expect(it.beginSync(U, 'A')).toMatchObject([
      { reason: 'state_change', state: { currentlyActive: true, lastFederationUpdateTs: it.now } },
    ]);
  });

  it('row 42: another online inside the active window is not told', () => {
    const it = online();
    it.advance(30 * SECOND);
    expect(it.beginSync(U, 'A', EXPLICIT_SYNC)).toEqual([]);
    expect(it.put(U, 'A', 'online')).toEqual([]);
  });

  it('row 43: activity of somebody still marked active is not told, however late', () => {
    const it = online();
    it.now += 61 * SECOND;
    expect(it.bump(U, 'A')).toEqual([]);
    expect(it.engine.stateOf(U)).toMatchObject({ currentlyActive: true, lastActiveTs: it.now });
  });

  it('rows 20, 44: without activity the flag goes and is told', () => {
    const it = online();
    expect(it.advance(70 * SECOND)).toMatchObject([
      { update: { reason: 'current_active_change', state: { currentlyActive: false } } },
    ]);
  });

  it('row 45: going offline is told and leaves no timer', () => {
    const it = online();
    it.endSync(U, 'A');
    expect(it.put(U, 'A', 'offline')).toMatchObject([{ reason: 'state_change' }]);
    expect(it.engine.stats()).toMatchObject({ timers: 0, devices: 0 });
  });

  it('row 46: who becomes unavailable has only the grace to wait for', () => {
    const it = online();
    it.endSync(U, 'A');
    expect(it.put(U, 'A', 'unavailable')).toMatchObject([{ state: { state: 'unavailable' } }]);
    expect(it.advance(30 * SECOND)).toMatchObject([{ update: { state: { state: 'offline' } } }]);
    expect(it.engine.takeCounters().timersFired).toBe(1);
  });

  it('row 47: an identical remote update is not told, makes no keep-alive, and begins the 30 minutes anew', () => {
    const it = new EngineDriver();
    const entry = { userId: Q, state: 'online', statusMsg: null, lastActiveTs: it.now, currentlyActive: true } as const;
    it.engine.remote.receive([entry], it.now);
    expect(it.commit()).toHaveLength(1);
    it.advance(20 * MINUTE);
    it.engine.remote.receive([entry], it.now);
    expect(it.commit()).toEqual([]);
    expect(it.pings).toEqual([]);
    expect(it.advance(30 * MINUTE - 1)).toEqual([]);
    expect(it.advance(10 * SECOND)).toMatchObject([
      { update: { state: { state: 'offline' }, reason: 'state_change' } },
    ]);
  });

  it('row 48: another status message is one update', () => {
    const it = online();
    expect(it.put(U, 'A', 'online', 'a')).toMatchObject([{ reason: 'status_msg_change' }]);
  });

  it('row 52: activity of somebody busy after 61 s is told, and they stay busy', () => {
    const it = new EngineDriver();
    it.put(U, 'A', BUSY);
    it.advance(61 * SECOND);
    expect(it.bump(U, 'A')).toMatchObject([
      { reason: 'last_active_change_not_online', state: { state: BUSY, lastActiveTs: it.now } },
    ]);
  });

  it('rows 53, 55, 234: activity alone moves no position, is readable at once, and is there to be saved', () => {
    const it = online();
    const watcher = it.watch('@w:test');
    it.engine.join(U, '!r:test');
    it.engine.join('@w:test', '!r:test');
    const { position } = it.engine;
    it.now += 10 * SECOND;
    it.bump(U, 'A');
    expect(it.engine.stateOf(U).lastActiveTs).toBe(it.now);
    expect(it.engine.drainUnpersisted()).toMatchObject([{ state: { lastActiveTs: it.now }, position }]);
    expect(it.engine.position).toBe(position);
    expect(it.engine.drainUnpersisted()).toEqual([]);
    expect(watcher.peek()).toEqual([]);
  });

  it('a saved row never has an older position than an update that is being written', () => {
    const it = online();
    it.engine.setPresence(U, 'A', 'online', 'new', it.now);
    const { updates } = it.engine.takeChanges();
    it.now += SECOND;
    it.engine.bumpPresenceActiveTime(U, 'A', it.now);
    it.engine.takeChanges();
    expect(it.engine.drainUnpersisted()).toMatchObject([{ position: updates[0]?.position }]);
  });

  it('several commands in one turn are one update, whose reason survives', () => {
    const it = new EngineDriver();
    it.engine.setPresence(U, 'A', 'online', 'a', it.now);
    it.engine.setPresence(U, 'A', 'online', 'b', it.now);
    it.engine.setPresence(U, 'A', 'unavailable', 'b', it.now);
    expect(it.commit()).toMatchObject([
      { reason: 'status_msg_change', previousState: 'offline', state: { state: 'unavailable', statusMsg: 'b' } },
    ]);
  });

  it('who came and went within a turn is told about only for the activity', () => {
    const it = new EngineDriver();
    it.engine.setPresence(U, 'A', 'online', null, it.now);
    it.engine.setPresence(U, 'A', 'offline', null, it.now);
    expect(it.commit()).toMatchObject([{ reason: 'last_active_change_not_online', state: { state: 'offline' } }]);
    it.now += SECOND;
    it.engine.setPresence(U, 'A', 'online', null, it.now);
    it.engine.setPresence(U, 'A', 'offline', null, it.now);
    expect(it.commit()).toEqual([]);
  });

  it('row 218: a quiet local user who is not offline is kept alive every 25 minutes, without moving a position', () => {
    const it = online();
    it.engine.join(U, '!r:test');
    it.engine.join(Q, '!r:test');
    it.advance(6 * MINUTE);
    const { position } = it.engine;
    const pinged: number[] = [];
    for (let step = 0; step < 720; step++) {
      expect(it.advance(it.engine.tickMs)).toEqual([]);
      if (it.pings.length === 0) continue;
      pinged.push(it.elapsed);
      expect(it.keepAlives.get('far')).toMatchObject([{ userId: U, state: 'unavailable' }]);
      expect(it.deliveries.servers.size).toBe(0);
    }
    expect(pinged.length).toBe(2);
    const [first = 0, second = 0] = pinged;
    for (const pause of [first - 5 * MINUTE, second - first]) {
      expect(pause).toBeGreaterThanOrEqual(25 * MINUTE);
      expect(pause).toBeLessThanOrEqual(25 * MINUTE + 45 * SECOND + it.engine.tickMs);
    }
    expect(it.engine.position).toBe(position);
  });

  it('row 218: nobody is kept alive, and nothing is saved for it, without a server or a router that could name one', () => {
    const it = online();
    it.engine.join(U, '!r:test');
    it.engine.join('@v:test', '!r:test');
    it.advance(6 * MINUTE);
    it.engine.drainUnpersisted();
    for (let step = 0; step < 360; step++) {
      it.advance(it.engine.tickMs);
      expect(it.pings).toEqual([]);
      expect(it.engine.drainUnpersisted()).toEqual([]);
    }
    it.engine.setRoutersAreAsked(true);
    let pinged = 0;
    for (let step = 0; step < 360; step++) {
      it.advance(it.engine.tickMs);
      pinged += it.pings.length;
    }
    expect(pinged).toBe(1);
    expect(it.engine.drainUnpersisted().map(({ state }) => state.userId)).toEqual([U]);
  });

  it('row 254: status and state together count as a status change and no transition', () => {
    const it = new EngineDriver();
    it.put(U, 'A', 'online', 'x');
    it.put(U, 'A', 'unavailable', 'x');
    expect(it.engine.takeCounters()).toMatchObject({
      notified: 2,
      notifyReasons: [
        { locality: 'local', reason: 'status_msg_change', count: 1 },
        { locality: 'local', reason: 'state_change', count: 1 },
      ],
      stateTransitions: [{ locality: 'local', from: 'online', to: 'unavailable', count: 1 }],
    });
    expect(it.engine.takeCounters()).toMatchObject({ notified: 0, notifyReasons: [], stateTransitions: [] });
  });

  it('row 253: five users of one turn get distinct, growing positions in order', () => {
    const it = new EngineDriver();
    for (const name of ['a', 'b', 'c', 'd', 'e']) it.engine.setPresence(`@${name}:test`, 'A', 'online', null, it.now);
    const updates = it.commit();
    expect(updates.map(({ state }) => state.userId)).toEqual(['@a:test', '@b:test', '@c:test', '@d:test', '@e:test']);
    const positions = updates.map(({ position }) => position);
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
  });
});
