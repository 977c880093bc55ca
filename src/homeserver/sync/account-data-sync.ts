/**
 * What `/sync` asks about accounts: changed account data, and stored filters.
 *
 * Positions are of the one homeserver stream, and a question covers (`since`, `upTo`], as for rooms.
 */
import type { RoomId, UserId } from '../../matrix/identifiers.ts';

export interface AccountDataEvent {
  readonly type: string;
  readonly content: Readonly<Record<string, unknown>>;
}

export interface AccountDataChanges {
  /** Newest content of each type; push rules are one of them. */
  readonly global: readonly AccountDataEvent[];
  /** Tags are one of the types. Rooms without a change are absent. */
  readonly rooms: ReadonlyMap<RoomId, readonly AccountDataEvent[]>;
}

export interface AccountSync {
  /** Everything there is when `since` is null. */
  accountDataChanges(userId: UserId, since: number | null, upTo: number): Promise<AccountDataChanges>;
  /** The definition as it was stored, or null if the user has no such filter. Never changes once stored. */
  findFilter(userId: UserId, filterId: string): Promise<unknown>;
}
