import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../adapters/memory/index.ts';
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import { Typing } from './typing.ts';

const ROOM: RoomId = '!room:test';
const ALICE: UserId = '@alice:test';
const BOB: UserId = '@bob:test';

function setup() {
  const clock = new ManualClock();
  const told: (readonly [RoomId, number])[] = [];
  const typing = new Typing({ clock, onChange: (roomId, serial) => void told.push([roomId, serial]) });
  return { clock, typing, told, start: typing.serial };
}

describe('Typing', () => {
  it('tells of starts and ends, and not of going on', async () => {
    const { clock, typing, told, start } = setup();
    typing.start(ROOM, ALICE, 4_000);
    await clock.advance(3_000);
    typing.start(ROOM, ALICE, 4_000);
    expect(told).toEqual([[ROOM, start + 1]]);
    await clock.advance(3_999);
    expect(typing.changedSince(ROOM, start)).toEqual([ALICE]);
    await clock.advance(1);
    expect(told).toHaveLength(2);
    expect(typing.changedSince(ROOM, start + 1)).toEqual([]);
    expect(typing.changedSince(ROOM, start + 2)).toBeNull();
    typing.stop(ROOM, ALICE);
    expect(told).toHaveLength(2);
  });

  it('lasts half a minute at most, whatever is asked', async () => {
    const { clock, typing, start } = setup();
    typing.start(ROOM, ALICE, Number.MAX_VALUE);
    await clock.advance(29_999);
    expect(typing.changedSince(ROOM, start)).toEqual([ALICE]);
    await clock.advance(1);
    expect(typing.changedSince(ROOM, start)).toEqual([]);
  });

  it('keeps users and rooms apart', () => {
    const { typing, start } = setup();
    typing.start(ROOM, ALICE, 4_000);
    typing.start(ROOM, BOB, 4_000);
    typing.start('!other:test', ALICE, 4_000);
    typing.stop(ROOM, ALICE);
    expect(typing.changedSince(ROOM, start)).toEqual([BOB]);
    expect([...typing.roomsChangedSince(start)].toSorted()).toEqual(['!other:test', ROOM]);
    expect([...typing.roomsChangedSince(start + 3)]).toEqual([ROOM]);
    expect([...typing.roomsChangedSince(typing.serial)]).toEqual([]);
  });

  it('holds a limited number of typing users and of rooms that have become quiet', () => {
    const { clock, typing } = setup();
    for (let i = 0; i < 10_001; i += 1) typing.start(`!r${i}:test`, ALICE, 4_000);
    expect(typing.size).toBe(10_000);
    expect(clock.pendingTimers).toBe(10_000);
    expect(typing.changedSince('!r0:test', 0) ?? []).toEqual([]);
    for (let i = 0; i < 10_001; i += 1) typing.stop(`!r${i}:test`, ALICE);
    expect([...typing.roomsChangedSince(0)]).toHaveLength(10_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives serials that grow over a restart, and leaves no timer behind', async () => {
    const { clock, typing } = setup();
    typing.start(ROOM, ALICE, 4_000);
    typing.close();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(5);
    expect(new Typing({ clock, onChange: () => undefined }).serial).toBeGreaterThan(typing.serial);
  });
});
