/**
 * Users of other servers as sources: what their servers say, and taking in and forgetting those who are in no room here (guests).
 *
 * Who may be taken in is for the caller to decide: whatever gets in here costs memory. Source: reference behaviour §2.11, product §4.12.
 */
import type { ServerName } from '../matrix/identifiers.ts';
import type { Counters } from './counters.ts';
import type { ReleasedUser, ReleaseOptions, RemotePresence } from './engine-api.ts';
import type { Interest } from './interest.ts';
import type { Records } from './records.ts';
import type { Release } from './release.ts';
import type { Turn } from './turn.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import type { UserTable } from './user-table.ts';

export interface RemoteUsersParts {
  readonly users: UserTable;
  readonly records: Records;
  readonly turn: Turn;
  readonly interest: Interest;
  readonly counters: Counters;
  /** Null while presence is disabled. */
  readonly release: Release | null;
}

export class RemoteUsers {
  readonly #parts: RemoteUsersParts;
  readonly #isTracked: boolean;

  constructor(parts: RemoteUsersParts, isTracked: boolean) {
    this.#parts = parts;
    this.#isTracked = isTracked;
  }

  /** Checked entries of an EDU. Those of local users, and all unless presence is tracked, are ignored. */
  receive(entries: readonly RemotePresence[], now: number): void {
    if (!this.#isTracked) return;
    const { counters, records, users } = this.#parts;
    for (const entry of entries) {
      const uid = users.intern(entry.userId);
      if (users.isLocal(uid)) continue;
      counters.add('remoteEntries');
      records.receiveRemote(uid, entry, now);
    }
  }

  /**
   * Takes in somebody of whom was heard before, with the record of then: the silence that ends it began then, too.
   * `isForced`: told even if it says no more than that they are offline. Ignored if more is known about the user already.
   */
  admit(state: UserPresenceState, isForced: boolean, now: number): void {
    if (!this.#isTracked) return;
    const { records, turn, users } = this.#parts;
    const uid = users.intern(state.userId);
    if (users.isLocal(uid) || !users.isBlank(uid) || turn.isBusyWith(uid)) return;
    records.receiveRemote(uid, state, now, state.lastFederationUpdateTs);
    if (isForced) turn.force(uid);
  }

  /** Rows were loaded from the store. */
  noteRestored(): void {
    if (this.#parts.users.guests() > 0) this.#parts.release?.noteRestored();
  }

  /** Forgets, a little at a time, users whom nobody here can see. Call it with every tick. */
  release(now: number, options: ReleaseOptions): ReleasedUser[] {
    return this.#parts.release?.run(now, options) ?? [];
  }

  /** Whether a connected observer wants everybody. */
  get isEverybodyWanted(): boolean {
    return this.#parts.interest.everybody.length > 0;
  }

  /** Users of other servers, or of one, who are here without sharing a room. */
  guests(server?: ServerName): number {
    return this.#parts.users.guests(server);
  }

  /** Characters of the status messages of other servers' users, or of one server's. */
  statusChars(server?: ServerName): number {
    return this.#parts.users.remoteStatusChars(server);
  }
}
