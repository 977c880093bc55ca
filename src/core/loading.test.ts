import { describe, expect, it } from 'vitest';
import { EngineDriver } from '../../test/support/engine-driver.ts';
import type { RoomId, UserId } from '../matrix/identifiers.ts';
import { IntLists } from './int-lists.ts';

const USERS = Array.from({ length: 40 }, (_, index): UserId => `@u${index}:${index % 5 === 0 ? 'far' : 'test'}`);
const ROOMS = Array.from({ length: 30 }, (_, index): RoomId => `!r${index}:test`);

/** The same memberships every time: about a fifth of all that are possible. */
const memberships = ROOMS.map((roomId, room) => ({
  roomId,
  members: USERS.filter((_, user) => (user * 7 + room * 11 + ((user * room) % 13)) % 5 === 0),
}));

function sight({ engine }: EngineDriver): unknown[] {
  return USERS.map((a) => [
    a,
    USERS.filter((b) => engine.uidOf(a) >= 0 && engine.canSee(a, b)),
    engine.remoteServersOf(a),
  ]);
}

describe('loading who is joined where', () => {
  it('comes to the same as joining one by one, before and after further changes, and tells nobody', () => {
    const [joined, loaded] = [new EngineDriver(), new EngineDriver()];
    for (const { roomId, members } of memberships) for (const userId of members) joined.engine.join(userId, roomId);
    joined.commit();
    expect(joined.joins.size).toBe(0);
    for (const { roomId, members } of memberships) loaded.engine.loadJoined(roomId, members);
    loaded.engine.endLoading();
    loaded.commit();
    expect(loaded.joins.size).toBe(0);
    expect(sight(loaded)).toEqual(sight(joined));
    for (const it of [joined, loaded]) {
      for (const [index, userId] of USERS.entries()) {
        it.engine.leave(userId, ROOMS[(index * 3) % 30] as RoomId);
        it.engine.join(userId, ROOMS[(index * 5) % 30] as RoomId);
        it.engine.join(userId, '!new:test');
      }
    }
    expect(sight(loaded)).toEqual(sight(joined));
    const put = (it: EngineDriver): unknown => {
      it.watch('@u1:test');
      it.put('@u2:test', 'A', 'online');
      return [it.woken, it.deliveries.servers.get('far')?.length];
    };
    expect(put(loaded)).toEqual(put(joined));
  });

  it('does not mind members who are named twice, rooms that come twice, and rooms that are excluded', () => {
    const it = new EngineDriver({ excludedRooms: new Set(['!excluded:test']) });
    it.engine.loadJoined('!r:test', ['@a:test', '@b:test', '@a:test']);
    it.engine.loadJoined('!excluded:test', ['@a:test', '@c:test']);
    it.engine.loadJoined('!r:test', ['@b:test', '@d:test']);
    it.engine.endLoading();
    expect(it.engine.canSee('@a:test', '@d:test')).toBe(true);
    expect(it.engine.canSee('@a:test', '@c:test')).toBe(false);
    it.engine.leave('@a:test', '!r:test');
    it.engine.leave('@b:test', '!r:test');
    expect(it.engine.canSee('@a:test', '@d:test')).toBe(false);
    expect(it.engine.canSee('@b:test', '@d:test')).toBe(false);
    it.engine.leave('@d:test', '!r:test');
    expect(it.engine.stats().rooms).toBe(0);
  });

  it('leaves as little unused as joining does', () => {
    const [joined, loaded] = [new EngineDriver(), new EngineDriver()];
    for (let room = 0; room < 300; room++) {
      const members = Array.from({ length: 200 }, (_, index): UserId => `@u${(index * 31 + room * 7) % 2_000}:test`);
      for (const userId of members) joined.engine.join(userId, `!r${room}:test`);
      loaded.engine.loadJoined(`!r${room}:test`, members);
    }
    loaded.engine.endLoading();
    expect(loaded.engine.stats().listBytes).toBeLessThan(joined.engine.stats().listBytes * 1.03);
  });
});

describe('lists whose sizes are known', () => {
  it('are filled without moving, and grow like others afterwards', () => {
    const lists = new IntLists();
    lists.push(7, 1);
    lists.allocate([3, 0, 5]);
    const { buffer } = lists;
    for (const value of [1, 2, 3]) lists.push(0, value);
    for (const value of [4, 5, 6, 7, 8]) lists.push(2, value);
    expect(lists.buffer).toBe(buffer);
    expect([0, 1, 2, 7].map((list) => (list < 3 ? lists.values(list) : lists.size(list)))).toEqual([
      [1, 2, 3],
      [],
      [4, 5, 6, 7, 8],
      0,
    ]);
    for (let value = 0; value < 1_000; value++) for (const list of [0, 1, 2]) lists.push(list, value);
    expect(lists.values(2).slice(0, 7)).toEqual([4, 5, 6, 7, 8, 0, 1]);
    expect([lists.size(0), lists.size(1), lists.size(2)]).toEqual([1_003, 1_000, 1_005]);
  });
});
