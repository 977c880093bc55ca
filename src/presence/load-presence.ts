/**
 * Fills a new engine at the start: rows, marks, and who is joined where.
 *
 * What happens to memberships while they are being read is kept and applied afterwards, in order.
 */
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { Clock } from '../ports/clock.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { MembershipChange, RoomDirectory } from '../ports/room-directory.ts';
import type { UnansweredUpdates } from './unanswered-updates.ts';

export interface LoadSources {
  readonly store: Pick<PresenceStore, 'loadAll' | 'loadFullPresenceMarks'>;
  readonly rooms: RoomDirectory;
  readonly clock: Clock;
}

/** Resolves with how many rows there were, and what ends the subscription to memberships. Rejects with PortError. */
export async function loadPresence(
  engine: PresenceEngine,
  { store, rooms, clock }: LoadSources,
  unanswered: UnansweredUpdates,
  onMembershipChange: (change: MembershipChange) => void,
): Promise<{ rows: number; subscription: Disposable }> {
  let early: MembershipChange[] | null = [];
  const subscription = rooms.onMembershipChange((change) => {
    if (early === null) onMembershipChange(change);
    else early.push(change);
  });
  try {
    let rows = 0;
    for await (const batch of store.loadAll()) {
      engine.restore(batch, clock.now());
      unanswered.look(batch);
      rows += batch.length;
    }
    engine.restoreMarks(await store.loadFullPresenceMarks());
    for await (const { roomId, members } of rooms.loadJoined()) engine.loadJoined(roomId, members);
    engine.endLoading();
    for (const change of early) onMembershipChange(change);
    early = null;
    return { rows, subscription };
  } catch (error) {
    subscription[Symbol.dispose]();
    throw error;
  }
}
