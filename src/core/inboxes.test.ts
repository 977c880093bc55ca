import { describe, expect, it } from 'vitest';
import { Inboxes } from './inboxes.ts';
import { UserTable } from './user-table.ts';

const SLOT = 5;

function open(maxEntries = 1_000): { inboxes: Inboxes; users: UserTable; told: (since: number) => number[] } {
  const users = new UserTable('test');
  for (let index = 0; index < 40; index++) users.intern(`@u${index}:test`);
  const inboxes = new Inboxes(users, maxEntries);
  inboxes.open(SLOT, 100);
  const told = (since: number): number[] => {
    const uids: number[] = [];
    inboxes.visit(SLOT, since, Infinity, (uid) => uids.push(uid));
    return uids.reverse();
  };
  return { inboxes, users, told };
}

/** As publishing does: the record's position first. */
function tell({ inboxes, users }: ReturnType<typeof open>, position: number, uid: number): void {
  users.position[uid] = position;
  inboxes.push(SLOT, position, uid);
}

describe('Inboxes', () => {
  it('has the newest entry of each user after a position, in order', () => {
    const it = open();
    for (const [position, uid] of [
      [102, 1],
      [104, 2],
      [106, 1],
      [108, 3],
    ] as const)
      tell(it, position, uid);
    expect(it.told(100)).toEqual([2, 1, 3]);
    expect(it.told(104)).toEqual([1, 3]);
    expect(it.told(108)).toEqual([]);
  });

  it('goes on after everything in it was passed by the only token', () => {
    const it = open();
    for (let index = 0; index < 4; index++) tell(it, 102 + 2 * index, index);
    expect(it.inboxes.noteToken(SLOT, 108)).toBe(true);
    for (let index = 4; index < 20; index++) tell(it, 102 + 2 * index, index);
    expect(it.told(108)).toEqual(Array.from({ length: 16 }, (_, index) => index + 4));
    expect(it.inboxes.noteToken(SLOT, 106)).toBe(false);
  });

  it('keeps what the slowest of the tokens seen lately still needs, and no more after two periods', () => {
    const it = open();
    for (let index = 0; index < 4; index++) tell(it, 102 + 2 * index, index);
    it.inboxes.noteToken(SLOT, 102);
    it.inboxes.noteToken(SLOT, 108);
    it.inboxes.beginPeriod();
    expect(it.inboxes.noteToken(SLOT, 108)).toBe(true);
    expect(it.told(102)).toEqual([1, 2, 3]);
    it.inboxes.beginPeriod();
    it.inboxes.noteToken(SLOT, 108);
    expect(it.inboxes.entries).toBe(0);
    expect(it.inboxes.noteToken(SLOT, 102)).toBe(false);
  });

  it('at the limit loses the older half, and says from where on it is complete', () => {
    const it = open(4);
    for (let index = 0; index < 20; index++) tell(it, 102 + 2 * index, index);
    expect(it.inboxes.takeOverflows()).toBeGreaterThan(0);
    expect(it.inboxes.takeOverflows()).toBe(0);
    const floor = it.inboxes.floor[SLOT] as number;
    expect(floor).toBeGreaterThan(102);
    expect(it.told(floor)).toEqual(
      Array.from({ length: 20 - (floor - 100) / 2 }, (_, index) => index + (floor - 100) / 2),
    );
    expect(it.inboxes.snapshotAt[SLOT]).toBe(0);
  });

  it('asks for a snapshot when it loses something that no record position leads back to', () => {
    const it = open(4);
    it.inboxes.push(SLOT, 102, 30);
    for (let index = 0; index < 20; index++) tell(it, 104 + 2 * index, index);
    expect(it.inboxes.snapshotAt[SLOT]).toBe(102);
  });

  it('begins anew after four billion positions', () => {
    const it = open();
    tell(it, 102, 1);
    tell(it, 5_000_000_000, 2);
    tell(it, 5_000_000_002, 3);
    expect(it.inboxes.noteToken(SLOT, 102)).toBe(false);
    expect(it.inboxes.noteToken(SLOT, 4_999_999_999)).toBe(true);
    expect(it.told(4_999_999_999)).toEqual([2, 3]);
    expect(it.inboxes.entries).toBe(2);
  });

  it('leaves out what was told before it was opened', () => {
    const it = open();
    tell(it, 98, 1);
    tell(it, 102, 2);
    expect(it.told(0)).toEqual([2]);
  });

  it('is empty when closed and opened again', () => {
    const it = open();
    tell(it, 102, 1);
    it.inboxes.close(SLOT);
    it.inboxes.open(SLOT, 200);
    expect(it.told(0)).toEqual([]);
    expect(it.inboxes.entries).toBe(0);
  });
});
