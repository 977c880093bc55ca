import { describe, expect, it } from 'vitest';
import {
  BUSY,
  DEFAULT_SYNC,
  DEFAULT_TIMERS,
  EngineDriver,
  EXPLICIT_SYNC,
  UNAVAILABLE_SYNC,
} from '../../test/support/engine-driver.ts';
import type { PresenceState } from '../matrix/presence-state.ts';

const U = '@u:test';
const SECOND = 1_000;
const MINUTE = 60_000;

function driver(timers: Partial<typeof DEFAULT_TIMERS> = {}): EngineDriver {
  return new EngineDriver({ timers: { ...DEFAULT_TIMERS, ...timers } });
}

/** Opens a sync that claims `state`, as the matrices of the behaviour document mean it. */
function openSync(it: EngineDriver, device: string, state: PresenceState): void {
  if (state === 'offline') it.beginSync(U, device, null, false);
  else if (state === BUSY) {
    it.put(U, device, BUSY);
    it.beginSync(U, device);
  } else it.beginSync(U, device, { state, explicit: true });
}

function closeSync(it: EngineDriver, device: string, state: PresenceState): void {
  it.endSync(U, device, state !== 'offline');
}

/** dev1, dev2, then what is expected at the three moments. */
function matrix(text: string): [PresenceState, PresenceState, PresenceState[]][] {
  const names: Record<string, PresenceState> = {
    busy: BUSY,
    online: 'online',
    unavail: 'unavailable',
    offline: 'offline',
  };
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [first = '', second = '', ...expected] = line.trim().split(/[ ,|]+/);
      return [names[first] ?? 'offline', names[second] ?? 'offline', expected.map((name) => names[name] ?? 'offline')];
    });
}

const P1 = matrix(`
  busy, busy | busy | busy | busy
  online, online | online | online | unavail
  unavail, unavail | unavail | unavail | unavail
  offline, offline | offline | offline | offline
  busy, online | busy | busy | busy
  busy, unavail | busy | busy | busy
  busy, offline | busy | busy | busy
  online, unavail | online | unavail | unavail
  online, offline | online | unavail | unavail
  unavail, offline | unavail | unavail | unavail
  online, busy | busy | busy | busy
  unavail, busy | busy | busy | busy
  offline, busy | busy | busy | busy
  unavail, online | online | online | unavail
  offline, online | online | online | unavail
  offline, unavail | unavail | unavail | unavail`);

const P2 = matrix(`
  busy, busy | busy | busy | offline
  online, online | online | online | offline
  unavail, unavail | unavail | unavail | offline
  offline, offline | offline | offline | offline
  busy, online | busy | busy | offline
  busy, unavail | busy | busy | offline
  busy, offline | busy | busy | offline
  online, unavail | online | unavail | offline
  online, offline | online | offline | offline
  unavail, offline | unavail | offline | offline
  online, busy | busy | busy | offline
  unavail, busy | busy | busy | offline
  offline, busy | busy | busy | offline
  unavail, online | online | online | offline
  offline, online | online | online | offline
  offline, unavail | unavail | unavail | offline`);

describe('states from devices', () => {
  it('row 3: a first sync without set_presence brings the user online', () => {
    const it = driver();
    expect(it.beginSync(U, 'A')).toMatchObject([
      { previousState: 'offline', state: { state: 'online', currentlyActive: true } },
    ]);
  });

  it('row 4: a sync claiming unavailable makes the user unavailable', () => {
    const it = driver();
    expect(it.beginSync(U, 'A', UNAVAILABLE_SYNC)).toMatchObject([{ state: { state: 'unavailable' } }]);
  });

  it('row 5: a sync with set_presence=offline changes nothing', () => {
    const it = driver();
    expect(it.beginSync(U, 'A', null, false)).toEqual([]);
    expect(it.state(U)).toBe('offline');
    expect(it.engine.stats().devices).toBe(0);
  });

  it('row 6: a sync that does not affect presence keeps state and status', () => {
    const it = driver();
    it.put(U, 'A', 'unavailable', 'lunch');
    expect(it.beginSync(U, 'A', null, false)).toEqual([]);
    expect(it.engine.stateOf(U)).toMatchObject({ state: 'unavailable', statusMsg: 'lunch' });
  });

  it('rows 7, 8: a sync claiming online brings back who claimed to be unavailable, and keeps the status', () => {
    const it = driver();
    it.put(U, 'A', 'unavailable', 'lunch');
    it.beginSync(U, 'A');
    expect(it.engine.stateOf(U)).toMatchObject({ state: 'online', statusMsg: 'lunch' });
  });

  it('rows 9, 10, 11: a PUT replaces the status message, also by nothing, also when going offline', () => {
    const it = driver();
    it.put(U, 'A', 'online', 'a');
    it.put(U, 'A', 'online');
    expect(it.engine.stateOf(U).statusMsg).toBeNull();
    it.put(U, 'A', 'online', 'a');
    expect(it.put(U, 'A', 'offline')).toMatchObject([{ state: { state: 'offline', statusMsg: null } }]);
    it.put(U, 'A', 'online', 'a');
    expect(it.put(U, 'A', 'offline', 'b')).toMatchObject([{ state: { state: 'offline', statusMsg: 'b' } }]);
  });

  it('row 12: the status stays when the grace takes the user offline', () => {
    const it = driver();
    it.put(U, 'A', 'online', 'a');
    it.beginSync(U, 'A');
    it.endSync(U, 'A');
    it.advance(40 * SECOND);
    expect(it.engine.stateOf(U)).toMatchObject({ state: 'offline', statusMsg: 'a' });
  });

  it.each(P1)('row 13: matrix P1, %s and %s', (first, second, expected) => {
    const it = driver();
    openSync(it, 'A', first);
    it.advance(150 * SECOND);
    openSync(it, 'B', second);
    const seen = [it.state(U)];
    it.advance(151 * SECOND);
    seen.push(it.state(U));
    it.advance(150 * SECOND);
    seen.push(it.state(U));
    expect(seen).toEqual(expected);
  });

  it.each(P2)('row 14: matrix P2, %s and %s', (first, second, expected) => {
    const it = driver();
    openSync(it, 'A', first);
    openSync(it, 'B', second);
    const seen = [it.state(U)];
    closeSync(it, 'A', first);
    it.advance(35 * SECOND);
    seen.push(it.state(U));
    closeSync(it, 'B', second);
    const wasBusy = first === BUSY || second === BUSY;
    it.advance((wasBusy ? 60 * MINUTE : 0) + (wasBusy ? 5 : 35) * SECOND);
    seen.push(it.state(U));
    expect(seen).toEqual(expected);
  });

  it('rows 15, 21: inactive after 60 to 70 s, unavailable after 300 to 310 s, while one sync is open; status kept', () => {
    const it = driver();
    it.put(U, 'A', 'online', 'here');
    it.beginSync(U, 'A');
    const told = it.advance(20 * MINUTE);
    expect(told.map(({ update }) => [update.reason, update.state.state, update.state.currentlyActive])).toEqual([
      ['current_active_change', 'online', false],
      ['state_change', 'unavailable', false],
    ]);
    expect(told[0]?.atMs).toBeGreaterThanOrEqual(60 * SECOND);
    expect(told[0]?.atMs).toBeLessThanOrEqual(70 * SECOND);
    expect(told[1]?.atMs).toBeGreaterThanOrEqual(300 * SECOND);
    expect(told[1]?.atMs).toBeLessThanOrEqual(310 * SECOND);
    expect(told[1]?.update.state.statusMsg).toBe('here');
  });

  it('row 16: a busy device does not idle', () => {
    const it = driver();
    it.put(U, 'A', BUSY);
    it.beginSync(U, 'A');
    it.advance(30 * MINUTE);
    expect(it.state(U)).toBe(BUSY);
  });

  it('rows 17, 22: who synced and vanished is offline after 30 to 40 s', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.endSync(U, 'A');
    const told = it.advance(2 * MINUTE);
    expect(told.map(({ update }) => update.state.state)).toEqual(['offline']);
    expect(told[0]?.atMs).toBeGreaterThanOrEqual(30 * SECOND);
    expect(told[0]?.atMs).toBeLessThanOrEqual(40 * SECOND);
  });

  it('rows 18, 23: never offline while a counted sync is open', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.advance(4 * 60 * MINUTE);
    expect(it.state(U)).toBe('unavailable');
  });

  it('row 19: nothing is told when nothing is due', () => {
    const it = driver();
    it.beginSync(U, 'A');
    expect(it.advance(55 * SECOND)).toEqual([]);
    expect(it.engine.tick(it.now)).toBe(0);
  });

  it('row 24: the grace runs from the end of the sync, however long it was', () => {
    for (const held of [100, 280]) {
      const it = driver();
      it.beginSync(U, 'A');
      it.advance(held * SECOND);
      it.endSync(U, 'A');
      const gone = it.advance(2 * MINUTE).find(({ update }) => update.state.state === 'offline');
      expect(gone?.atMs).toBeGreaterThanOrEqual((held + 30) * SECOND);
      expect(gone?.atMs).toBeLessThanOrEqual((held + 40) * SECOND);
    }
  });

  it.each(['unavailable', 'online'] as const)('rows 25, 26: a PUT of %s without syncs lasts for the grace', (state) => {
    const it = driver();
    it.put(U, 'A', state);
    const told = it.advance(2 * MINUTE);
    expect(told.map(({ update }) => update.state.state)).toEqual(['offline']);
    expect(told[0]?.atMs).toBeGreaterThanOrEqual(30 * SECOND);
    expect(told[0]?.atMs).toBeLessThanOrEqual(40 * SECOND);
  });

  it('rows 27, 30, 32: activity brings back a device that claimed to be unavailable', () => {
    const it = driver();
    it.beginSync(U, 'A', UNAVAILABLE_SYNC);
    it.advance(10 * SECOND);
    expect(it.bump(U, 'A')).toMatchObject([
      { state: { state: 'online', lastActiveTs: it.now, currentlyActive: true } },
    ]);
  });

  it('row 28: a bot that never syncs stays offline; each message a minute apart is one update', () => {
    const it = driver();
    expect(it.bump(U, 'A')).toMatchObject([
      { reason: 'last_active_change_not_online', state: { state: 'offline', lastActiveTs: it.now } },
    ]);
    it.advance(61 * SECOND);
    expect(it.bump(U, 'A')).toMatchObject([{ reason: 'last_active_change_not_online', state: { state: 'offline' } }]);
    expect(it.engine.stats().devices).toBe(0);
  });

  it('row 29: a bot that posts every 50 s is told about once', () => {
    const it = driver();
    let updates = 0;
    for (let posted = 0; posted < 10; posted++) {
      updates += it.bump(U, 'A').length;
      updates += it.advance(50 * SECOND).length;
    }
    expect(updates).toBe(1);
  });

  it('row 36: a PUT of offline on one of two devices keeps the state and replaces the status', () => {
    const it = driver();
    it.beginSync(U, 'B');
    expect(it.put(U, 'A', 'offline', 'bye')).toMatchObject([
      { reason: 'status_msg_change', state: { state: 'online', statusMsg: 'bye' } },
    ]);
  });

  it('row 37: offline by PUT while a sync is open, online again with the next sync', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.put(U, 'A', 'offline');
    it.advance(60 * SECOND);
    expect(it.state(U)).toBe('offline');
    it.beginSync(U, 'A');
    expect(it.state(U)).toBe('online');
    it.endSync(U, 'A');
    it.advance(2 * MINUTE);
    expect(it.state(U)).toBe('online');
    it.endSync(U, 'A');
    it.advance(40 * SECOND);
    expect(it.state(U)).toBe('offline');
  });
});

describe('why a device is unavailable', () => {
  function idle(): EngineDriver {
    const it = driver();
    it.beginSync(U, 'A');
    it.advance(6 * MINUTE);
    expect(it.state(U)).toBe('unavailable');
    return it;
  }

  it('a default sync keeps an idle device unavailable and connected', () => {
    const it = idle();
    it.beginSync(U, 'A', DEFAULT_SYNC);
    it.endSync(U, 'A');
    it.advance(2 * MINUTE);
    expect(it.state(U)).toBe('unavailable');
  });

  it('a spelled-out online sync, a PUT or activity brings an idle device back', () => {
    for (const back of [
      (it: EngineDriver) => it.beginSync(U, 'A', EXPLICIT_SYNC),
      (it: EngineDriver) => it.put(U, 'A', 'online'),
      (it: EngineDriver) => it.bump(U, 'A'),
    ]) {
      const it = idle();
      back(it);
      expect(it.engine.stateOf(U)).toMatchObject({ state: 'online', lastActiveTs: it.now, currentlyActive: true });
    }
  });

  it('an idle device that then claims to be unavailable is brought back by a default sync', () => {
    const it = idle();
    it.beginSync(U, 'A', UNAVAILABLE_SYNC);
    it.beginSync(U, 'A', DEFAULT_SYNC);
    expect(it.state(U)).toBe('online');
  });

  it('a client that keeps polling with default syncs idles after five minutes', () => {
    const it = driver();
    const told: [number, string][] = [];
    for (let poll = 0; poll < 20; poll++) {
      it.beginSync(U, 'A', DEFAULT_SYNC);
      for (const { atMs, update } of it.advance(30 * SECOND)) told.push([atMs, update.state.state]);
      it.endSync(U, 'A');
    }
    expect(told).toEqual([
      [60 * SECOND, 'online'],
      [300 * SECOND, 'unavailable'],
    ]);
  });

  it('a client that spells out online keeps the user active', () => {
    const it = driver();
    for (let poll = 0; poll < 20; poll++) {
      it.beginSync(U, 'A', EXPLICIT_SYNC);
      expect(it.advance(30 * SECOND)).toEqual([]);
      it.endSync(U, 'A');
    }
    expect(it.engine.stateOf(U)).toMatchObject({ state: 'online', currentlyActive: true });
  });

  it('a rate-limited sync keeps the device connected and does nothing else', () => {
    const it = driver();
    it.beginSync(U, 'A', null);
    expect(it.state(U)).toBe('offline');
    it.endSync(U, 'A');
    expect(it.engine.stats().devices).toBe(0);
    it.beginSync(U, 'A');
    it.endSync(U, 'A');
    it.beginSync(U, 'A', null);
    it.advance(2 * MINUTE);
    expect(it.state(U)).toBe('online');
    it.endSync(U, 'A');
    const gone = it.advance(2 * MINUTE);
    expect(gone.map(({ update }) => update.state.state)).toEqual(['offline']);
  });

  it('two overlapping syncs of a device: the grace runs when the second ends', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.beginSync(U, 'A');
    it.endSync(U, 'A');
    it.advance(2 * MINUTE);
    expect(it.state(U)).toBe('online');
    it.endSync(U, 'A');
    it.endSync(U, 'A');
    it.advance(40 * SECOND);
    expect(it.state(U)).toBe('offline');
  });
});

describe('busy', () => {
  it('row 60: a sync claiming online does not end busy, nor do five minutes', () => {
    const it = driver();
    it.put(U, 'A', BUSY);
    it.beginSync(U, 'A', EXPLICIT_SYNC);
    expect(it.state(U)).toBe(BUSY);
    it.advance(6 * MINUTE);
    expect(it.state(U)).toBe(BUSY);
    it.beginSync(U, 'A', UNAVAILABLE_SYNC);
    expect(it.state(U)).toBe(BUSY);
  });

  it('row 61: a PUT on the same device ends busy', () => {
    const it = driver();
    it.put(U, 'A', BUSY);
    it.put(U, 'A', 'online');
    expect(it.state(U)).toBe('online');
  });

  it.each([true, false])('row 62: busy and silent for 60 min, offline within 10 s more (synced: %s)', (synced) => {
    const it = driver();
    it.put(U, 'A', BUSY);
    if (synced) it.beginSync(U, 'A');
    if (synced) it.endSync(U, 'A');
    expect(it.advance(60 * MINUTE - 1)).toEqual([]);
    it.advance(10 * SECOND + 1);
    expect(it.state(U)).toBe('offline');
  });

  it('row 63: busy is per device: another device that synced meanwhile does not become busy', () => {
    const it = driver();
    it.put(U, 'A', BUSY);
    it.beginSync(U, 'B');
    expect(it.state(U)).toBe(BUSY);
    it.put(U, 'A', 'online');
    expect(it.state(U)).toBe('online');
  });

  it('row 66: messages keep busy', () => {
    const it = driver();
    it.put(U, 'A', BUSY);
    it.bump(U, 'A');
    expect(it.state(U)).toBe(BUSY);
  });
});

describe('the end of devices and accounts', () => {
  it('a removed device ends at once, also while its sync is open', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.engine.removeDevice(U, 'A', it.now);
    expect(it.commit()).toMatchObject([{ state: { state: 'offline' } }]);
    it.endSync(U, 'A');
    expect(it.engine.stats().devices).toBe(0);
  });

  it('other devices live on', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.beginSync(U, 'B', UNAVAILABLE_SYNC);
    it.engine.removeDevice(U, 'A', it.now);
    expect(it.commit()).toMatchObject([{ state: { state: 'unavailable' } }]);
  });

  it('a new login with the same device id is not ended by the sync of the old one', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.engine.removeDevice(U, 'A', it.now);
    it.beginSync(U, 'A');
    it.endSync(U, 'A');
    it.advance(2 * MINUTE);
    expect(it.state(U)).toBe('online');
  });

  it('a removed user is offline without a status and not connected', () => {
    const it = driver();
    it.put(U, 'A', 'online', 'hi');
    it.beginSync(U, 'A');
    it.beginSync(U, 'B');
    it.engine.removeUser(U, it.now);
    expect(it.commit()).toMatchObject([{ state: { state: 'offline', statusMsg: null } }]);
    expect(it.engine.isConnected(U)).toBe(false);
    it.endSync(U, 'A');
    it.endSync(U, 'B');
    expect(it.engine.stats()).toMatchObject({ devices: 0, observers: 0 });
  });
});

describe('time', () => {
  it('row 245: other timers: nothing at the default deadlines, transitions at the configured ones', () => {
    const it = driver({
      lastActiveGranularityMs: 2 * MINUTE,
      syncOnlineTimeoutMs: 3 * MINUTE,
      idleTimeoutMs: 20 * MINUTE,
    });
    it.beginSync(U, 'A');
    const told = it.advance(25 * MINUTE).map(({ atMs, update }) => [atMs, update.state.state, update.reason]);
    expect(told).toEqual([
      [2 * MINUTE, 'online', 'current_active_change'],
      [20 * MINUTE, 'unavailable', 'state_change'],
    ]);
    it.endSync(U, 'A');
    expect(it.advance(3 * MINUTE - 1)).toEqual([]);
    expect(it.advance(10 * SECOND)).toMatchObject([{ update: { state: { state: 'offline' } } }]);
  });

  it('short timers are exact: the tick follows the shortest', () => {
    const it = driver({ lastActiveGranularityMs: 300, syncOnlineTimeoutMs: 600, idleTimeoutMs: 900 });
    expect(it.engine.tickMs).toBe(50);
    it.beginSync(U, 'A');
    const told = it.advance(2 * SECOND).map(({ atMs, update }) => [atMs, update.state.state]);
    expect(told).toEqual([
      [300, 'online'],
      [900, 'unavailable'],
    ]);
    it.endSync(U, 'A');
    expect(it.advance(2 * SECOND).map(({ atMs }) => atMs)).toEqual([2_600]);
  });

  it('a tick that comes late, or after the clock was set back, loses no deadline', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.endSync(U, 'A');
    it.now += 40 * 24 * 60 * MINUTE;
    it.engine.tick(it.now);
    expect(it.commit()).toMatchObject([{ state: { state: 'offline' } }]);
    it.now -= 40 * 24 * 60 * MINUTE;
    it.beginSync(U, 'A');
    it.endSync(U, 'A');
    expect(it.advance(40 * SECOND)).toMatchObject([{ update: { state: { state: 'offline' } } }]);
  });

  it('a timer that has fired is not examined again before something is due', () => {
    const it = driver();
    it.beginSync(U, 'A');
    it.advance(6 * MINUTE);
    it.engine.takeCounters();
    it.advance(15 * MINUTE);
    expect(it.engine.takeCounters().timersFired).toBe(0);
  });
});
