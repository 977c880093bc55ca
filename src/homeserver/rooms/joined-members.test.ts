import { describe, expect, it } from 'vitest';
import type { RoomId, UserId } from '../../matrix/identifiers.ts';
import type { StoredMembership } from '../../ports/room-store.ts';
import { JoinedMembers } from './joined-members.ts';

const A: RoomId = '!a:test';
const B: RoomId = '!b:test';

function setup(rooms: Record<RoomId, UserId[]>, max?: number) {
  let reads = 0;
  let before: () => Promise<void> = () => Promise.resolve();
  const store = {
    async listMembers(roomId: RoomId): Promise<StoredMembership[]> {
      reads += 1;
      const rows = (rooms[roomId] ?? []).map((userId) => {
        return { roomId, userId, membership: 'join', position: 1, forgotten: false } as const;
      });
      await before();
      return rows;
    },
  };
  const members = new JoinedMembers(store, max);
  return {
    members,
    of: async (roomId: RoomId) => [...(await members.of(roomId))],
    reads: () => reads,
    /** Runs between the reading of rows and their arrival. */
    whileReading: (work: () => void) => {
      before = async () => {
        await Promise.resolve();
        work();
      };
    },
  };
}

describe('JoinedMembers', () => {
  it('reads a room once and follows its changes', async () => {
    const { members, of, reads } = setup({ [A]: ['@1:test', '@2:test'] });
    expect(await of(A)).toEqual(['@1:test', '@2:test']);
    members.changed(A, '@3:test', true);
    members.changed(A, '@1:test', false);
    expect(await of(A)).toEqual(['@2:test', '@3:test']);
    expect(reads()).toBe(1);
    expect(members.heldIds).toBe(2);
  });

  it('does not keep what changed while it was read', async () => {
    const rooms: Record<RoomId, UserId[]> = { [A]: ['@1:test'] };
    const { members, of, reads, whileReading } = setup(rooms);
    whileReading(() => {
      rooms[A] = ['@1:test', '@2:test'];
      members.changed(A, '@2:test', true);
      whileReading(() => undefined);
    });
    await of(A);
    expect(await of(A)).toEqual(['@1:test', '@2:test']);
    expect(reads()).toBe(2);
  });

  it('reads again what was in doubt', async () => {
    const { members, of, reads } = setup({ [A]: ['@1:test'] });
    await of(A);
    members.forget(A);
    expect(members.heldIds).toBe(0);
    await of(A);
    expect(reads()).toBe(2);
  });

  it('holds a limited number of ids, and lets go of the longest unused', async () => {
    const C: RoomId = '!c:test';
    const { members, of, reads } = setup({ [A]: ['@1:test'], [B]: ['@2:test'], [C]: ['@3:test'] }, 2);
    await of(A);
    await of(B);
    await of(A);
    await of(C);
    expect(members.heldIds).toBe(2);
    await of(A);
    expect(reads()).toBe(3);
    await of(B);
    expect(reads()).toBe(4);
  });

  it('gives a room that is larger than the limit all the same', async () => {
    const { members, of } = setup({ [A]: ['@1:test', '@2:test', '@3:test'], [B]: ['@1:test'] }, 2);
    expect(await of(A)).toHaveLength(3);
    await of(B);
    expect(members.heldIds).toBe(1);
  });
});
