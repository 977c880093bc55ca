import { describe, expect, it } from 'vitest';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { serverNameOf, type UserId } from '../matrix/identifiers.ts';
import { Strangers } from './strangers.ts';

const MINUTE = 60_000;
const START = 1_700_000_000_000;

function state(userId: UserId, changes: Partial<UserPresenceState> = {}): UserPresenceState {
  return {
    userId,
    state: 'online',
    lastActiveTs: 0,
    lastFederationUpdateTs: START,
    lastUserSyncTs: 0,
    statusMsg: null,
    currentlyActive: true,
    ...changes,
  };
}

function table(maxPerServer = 3, max = 6): Strangers {
  return new Strangers({ maxPerServer, max, maxStatusCharsPerServer: 100, timeoutMs: 30 * MINUTE });
}

const NEWS = { isNews: true };
const QUIET = { isNews: false };
const everything = () => 1_000;

describe('strangers', () => {
  it('a full server gives up its oldest, by last update', () => {
    const strangers = table();
    for (const userId of ['@a:x', '@b:x', '@c:x', '@a:x', '@d:x'] as const) strangers.put(state(userId), QUIET);
    expect(strangers.userIds()).toEqual(['@c:x', '@a:x', '@d:x']);
    expect(strangers.takeEvicted()).toBe(1);
    expect(strangers.stateOf('@b:x', START)).toBe(null);
  });

  it('when all are full, the server with the most gives one up, and the newcomer itself if that is as large', () => {
    const strangers = table(4, 6);
    for (const userId of ['@a:x', '@b:x', '@c:x', '@d:x', '@a:y', '@a:z'] as const) strangers.put(state(userId), QUIET);
    strangers.put(state('@b:z'), QUIET);
    expect(strangers.userIds()).toEqual(['@b:x', '@c:x', '@d:x', '@a:y', '@a:z', '@b:z']);
    strangers.put(state('@c:z'), QUIET);
    strangers.put(state('@d:z'), QUIET);
    expect(strangers.userIds().filter((userId) => serverNameOf(userId) === 'y')).toEqual(['@a:y']);
    expect(strangers.size).toBe(6);
  });

  it('finds the server with the most after any history', () => {
    const strangers = table(50, 60);
    const counts = new Map<string, number>();
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let step = 0; step < 5_000; step++) {
      const userId: UserId = `@u${random(40)}:s${random(random(12) + 1)}`;
      const before = new Map(counts);
      const isKnown = strangers.stateOf(userId, START) !== null;
      if (random(4) === 0) strangers.delete(userId);
      else strangers.put(state(userId), QUIET);
      counts.clear();
      for (const each of strangers.userIds()) counts.set(serverNameOf(each), (counts.get(serverNameOf(each)) ?? 0) + 1);
      const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
      expect(strangers.size).toBe(total);
      expect(total).toBeLessThanOrEqual(60);
      const [loser] = [...before]
        .filter(([server, count]) => (counts.get(server) ?? 0) < count)
        .map(([server]) => server);
      if (loser !== undefined && !isKnown) {
        expect(before.get(loser)).toBe(Math.max(...before.values()));
      }
    }
  });

  it('says what a silent user is: offline after the timeout, gone with the next look, or after a day if they were told', () => {
    const strangers = table();
    strangers.put(state('@a:x', { statusMsg: 'here' }), QUIET);
    strangers.put(state('@b:x'), { isNews: false, wasTold: true });
    strangers.put(state('@b:x'), QUIET);
    expect(strangers.stateOf('@a:x', START + 30 * MINUTE - 1)?.state).toBe('online');
    expect(strangers.stateOf('@a:x', START + 30 * MINUTE)).toMatchObject({
      state: 'offline',
      statusMsg: 'here',
      currentlyActive: false,
    });
    strangers.expire(START + 30 * MINUTE - 1);
    expect(strangers.size).toBe(2);
    strangers.expire(START + 30 * MINUTE);
    expect(strangers.userIds()).toEqual(['@b:x']);
    expect(strangers.take('@b:x', START + 60 * MINUTE)).toMatchObject({ wasTold: true, state: { state: 'offline' } });
    strangers.put(state('@b:x'), { isNews: false, wasTold: true });
    strangers.expire(START + 24 * 60 * MINUTE);
    expect(strangers.size).toBe(0);
  });

  it('gives out who waits, server by server, the newest state of each, once', () => {
    const strangers = table(10, 100);
    for (const userId of ['@a:x', '@b:x', '@c:x', '@a:y'] as const) strangers.put(state(userId), NEWS);
    strangers.put(state('@a:x', { statusMsg: 'new' }), QUIET);
    strangers.put(state('@d:x'), QUIET);
    const ids = (states: readonly UserPresenceState[]) => states.map(({ userId }) => userId);
    const first = strangers.takeWaiting(100, (server) => (server === 'x' ? 2 : 1));
    expect(ids(first)).toEqual(['@a:x', '@b:x', '@a:y']);
    expect(first[0]?.statusMsg).toBe('new');
    strangers.put(state('@b:y'), NEWS);
    expect(ids(strangers.takeWaiting(1, everything))).toEqual(['@c:x']);
    expect(ids(strangers.takeWaiting(100, everything))).toEqual(['@b:y']);
    expect(strangers.hasWaiting).toBe(false);
  });

  it('leaves out status messages beyond what a server may have', () => {
    const strangers = table(10, 100);
    expect(strangers.put(state('@a:x', { statusMsg: 'x'.repeat(80) }), QUIET)).toBe(false);
    expect(strangers.put(state('@b:x', { statusMsg: 'x'.repeat(80) }), QUIET)).toBe(true);
    expect(strangers.put(state('@a:y', { statusMsg: 'x'.repeat(80) }), QUIET)).toBe(false);
    expect(strangers.stateOf('@b:x', START)?.statusMsg).toBe(null);
    strangers.delete('@a:x');
    expect(strangers.put(state('@b:x', { statusMsg: 'x'.repeat(80) }), QUIET)).toBe(false);
  });

  it('with a limit of 0 keeps nobody', () => {
    const strangers = table(0, 6);
    strangers.put(state('@a:x'), NEWS);
    expect([strangers.size, strangers.hasWaiting]).toEqual([0, false]);
  });
});
