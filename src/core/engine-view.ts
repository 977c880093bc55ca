/**
 * What the engine knows about users, for people who look at it: nothing here changes anything, and no rule decides what is shown.
 *
 * A list goes through the users in the engine's own order, which stays while a user is known; users who come later are found at the end
 * or where somebody was forgotten.
 */
import type { DeviceId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import type { DeviceTable } from './device-table.ts';
import { MANAGED, REAL } from './device-table.ts';
import type { Observers } from './observers.ts';
import { stateOfCode } from './state-codes.ts';
import type { Turn } from './turn.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import type { UserTable } from './user-table.ts';

export interface DeviceView {
  /** Null for what stands in the place of devices. */
  readonly deviceId: DeviceId | null;
  /** `managed`: what a module set. `restored`: stands for the unknown devices that were online before a restart. */
  readonly kind: 'device' | 'managed' | 'restored';
  readonly state: PresenceState;
  /** Unavailable because nothing was done for long, not because it said so. */
  readonly isIdle: boolean;
  /** Syncs that are open and count. */
  readonly openSyncs: number;
  /** Start or end of the last sync that affected presence; 0 for never. */
  readonly lastSyncTs: number;
  readonly lastActiveTs: number;
  /** When it ends whatever happens; `Infinity` for devices. */
  readonly expiresTs: number;
}

export interface UserView {
  /** As observers may see it. */
  readonly state: UserPresenceState;
  readonly isLocal: boolean;
  /** Whether a sync of theirs is open, or ended less than the linger time ago. */
  readonly isConnected: boolean;
}

export interface UserFilter {
  readonly state: PresenceState | null;
  readonly server: ServerName | null;
  /** What user ids begin with. */
  readonly prefix: string;
}

export interface UserPage {
  readonly users: readonly UserView[];
  /** Where to go on; null at the end. */
  readonly next: number | null;
}

interface ViewParts {
  readonly users: UserTable;
  readonly records: { readonly devices: DeviceTable };
  readonly observers: Observers;
  readonly turn: Turn;
}

/** Users that one call looks at, so that no list holds anything up. */
const MAX_LOOKED_AT = 100_000;

export class EngineView {
  readonly #parts: ViewParts;

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  /** Null if the engine has not heard of the user. */
  user(userId: UserId): UserView | null {
    const uid = this.#parts.users.find(userId);
    return uid < 0 ? null : this.#view(uid);
  }

  /** The live devices of a local user, in no order that means anything. */
  devicesOf(userId: UserId): DeviceView[] {
    const uid = this.#parts.users.find(userId);
    if (uid < 0) return [];
    const { devices } = this.#parts.records;
    const found: DeviceView[] = [];
    for (let device = devices.first(uid); device >= 0; device = devices.next(device)) {
      const kind = devices.kind[device] as number;
      found.push({
        deviceId: kind === REAL ? devices.id(device) : null,
        kind: kind === REAL ? 'device' : kind === MANAGED ? 'managed' : 'restored',
        state: stateOfCode(devices.state[device] as number),
        isIdle: devices.idled[device] === 1,
        openSyncs: devices.inFlight[device] as number,
        lastSyncTs: devices.lastSyncTs[device] as number,
        lastActiveTs: devices.lastActiveTs[device] as number,
        expiresTs: devices.expiresTs[device] as number,
      });
    }
    return found;
  }

  /** Up to `limit` users from place `from` on; a page may have fewer, or none, and yet not be the last. */
  list({ state, server, prefix }: UserFilter, from: number, limit: number): UserPage {
    const { users, turn } = this.#parts;
    const wantedServer = server === null ? null : users.servers.find(server);
    const found: UserView[] = [];
    const end = Math.min(users.bound, from + MAX_LOOKED_AT);
    let uid = from;
    for (; uid < end && found.length < limit; uid++) {
      if (!users.ids.has(uid)) continue;
      if (wantedServer !== null && users.server[uid] !== wantedServer) continue;
      if (prefix !== '' && !users.ids.name(uid).startsWith(prefix)) continue;
      if (state !== null && turn.shownRecord(uid).state !== state) continue;
      found.push(this.#view(uid));
    }
    return { users: found, next: uid < users.bound ? uid : null };
  }

  #view(uid: number): UserView {
    const { users, turn, observers } = this.#parts;
    return { state: turn.shownRecord(uid), isLocal: users.isLocal(uid), isConnected: observers.slotOf(uid) >= 0 };
  }
}
