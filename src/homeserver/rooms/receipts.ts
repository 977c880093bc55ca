/**
 * Read receipts and the fully-read marker, and how receipts are shown.
 *
 * Receipts only move forward. The fully-read marker is room account data of the user. Source: Matrix specification,
 * client-server API, "Receipts", "Fully read markers"; private receipts are shown to their user only.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { JsonObject, RoomStore, StoredReceipt } from '../../ports/room-store.ts';
import type { EphemeralEvent } from './client-event.ts';
import type { JoinedMembers } from './joined-members.ts';
import { checkJoined } from './room-access.ts';

export type ReceiptType = 'm.read' | 'm.read.private' | 'm.fully_read';
export const RECEIPT_TYPES: readonly ReceiptType[] = ['m.read', 'm.read.private', 'm.fully_read'];

/** The part of the accounts that keeps the fully-read marker. */
export interface RoomAccountData {
  /** Durable when it resolves; tells the user's own syncs by itself. */
  setRoomAccountData(userId: UserId, roomId: RoomId, type: string, content: JsonObject): Promise<void>;
}

export interface ReceiptsOptions {
  readonly store: Pick<RoomStore, 'findMembership' | 'findEvent' | 'writeReceipt'>;
  readonly clock: Clock;
  readonly joinedMembers: JoinedMembers;
  readonly accountData: RoomAccountData;
  readonly notify: (users: Iterable<UserId>, position: number) => void;
}

export class Receipts {
  readonly #options: ReceiptsOptions;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** @throws MatrixError 403 M_FORBIDDEN unless joined, 404 M_NOT_FOUND for an event that is not in the room */
  async set(
    userId: UserId,
    roomId: RoomId,
    receipt: { readonly type: ReceiptType; readonly eventId: EventId; readonly threadId: string | null },
  ): Promise<void> {
    const { store, clock, joinedMembers, accountData, notify } = this.#options;
    const { type, eventId, threadId } = receipt;
    await checkJoined(store, roomId, userId);
    if ((await store.findEvent(roomId, eventId)) === null) {
      throw new MatrixError(404, 'M_NOT_FOUND', `There is no event ${eventId} in this room`);
    }
    if (type === 'm.fully_read') {
      await accountData.setRoomAccountData(userId, roomId, 'm.fully_read', { event_id: eventId });
      return;
    }
    const position = await store.writeReceipt({
      roomId,
      userId,
      receiptType: type,
      threadId,
      eventId,
      ts: clock.now(),
    });
    if (position === null) return;
    notify(type === 'm.read' ? await joinedMembers.of(roomId) : [userId], position);
  }
}

/** The `m.receipt` event of what `reader` may see; null for nothing. */
export function toReceiptEvent(receipts: readonly StoredReceipt[], reader: UserId): EphemeralEvent | null {
  const content: Record<EventId, Record<string, Record<UserId, JsonObject>>> = {};
  let isEmpty = true;
  for (const { receiptType, userId, eventId, threadId, ts } of receipts) {
    if (receiptType === 'm.read.private' && userId !== reader) continue;
    const ofEvent = (content[eventId] ??= {});
    const ofType = (ofEvent[receiptType] ??= {});
    ofType[userId] = threadId === null ? { ts } : { ts, thread_id: threadId };
    isEmpty = false;
  }
  return isEmpty ? null : { type: 'm.receipt', content };
}
