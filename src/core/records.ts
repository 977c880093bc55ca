/**
 * Commands on presence records: what each input does to devices and record, and when time acts next.
 *
 * Source: reference behaviour §2.2–2.5 and 2.10–2.11, with product §4.8–4.10 and 4.14. Nothing here knows who is told.
 */
import type { DeviceId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import {
  addPseudoDevice,
  applyBump,
  applyPut,
  applySyncClaim,
  applySyncEnd,
  combinedState,
  endAllDevices,
  endDevice,
  expireDevices,
  findOrAddDevice,
  nextDeviceDeadline,
  setManagedDevice,
} from './device-rules.ts';
import { DeviceTable, REAL, RESTORED } from './device-table.ts';
import type { ManagedPresence, PresenceMode, PresenceTimers, RemotePresence, SyncClaim } from './engine-api.ts';
import { BUSY, codeOfState, OFFLINE, ONLINE } from './state-codes.ts';
import { keepAliveAfterMs } from './keep-alives.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { Turn } from './turn.ts';
import type { UserPresenceState } from './user-presence-state.ts';
import type { UserTable } from './user-table.ts';

export class Records {
  readonly devices: DeviceTable;
  readonly #users: UserTable;
  readonly #turn: Turn;
  readonly #wheel: TimerWheel;
  readonly #timers: PresenceTimers;
  readonly #mode: PresenceMode;
  /** Whether keep-alives of the user may have somebody to go to. */
  readonly #hasAudience: (uid: number) => boolean;

  constructor(
    users: UserTable,
    turn: Turn,
    wheel: TimerWheel,
    timers: PresenceTimers,
    mode: PresenceMode,
    hasAudience: (uid: number) => boolean,
  ) {
    this.#hasAudience = hasAudience;
    this.#users = users;
    this.#turn = turn;
    this.#wheel = wheel;
    this.#timers = timers;
    this.#mode = mode;
    this.devices = new DeviceTable(users);
  }

  put(uid: number, deviceId: DeviceId, state: PresenceState, statusMsg: string | null, now: number): void {
    this.#turn.touch(uid, now);
    applyPut(this.devices, uid, deviceId, codeOfState(state), now);
    this.#users.setStatusMsg(uid, statusMsg);
    this.#recombine(uid);
    this.#markActiveIfPresent(uid, now);
    this.#settle(uid, now);
  }

  beginSync(uid: number, deviceId: DeviceId, claim: SyncClaim | null, now: number): void {
    this.#turn.touch(uid, now);
    const device = findOrAddDevice(this.devices, uid, deviceId);
    this.devices.inFlight[device] = (this.devices.inFlight[device] as number) + 1;
    if (claim !== null) {
      const isActivity = applySyncClaim(this.devices, device, claim, now);
      this.#users.lastUserSyncTs[uid] = now;
      this.#recombine(uid);
      if (isActivity) this.#markActiveIfPresent(uid, now);
    }
    this.#settle(uid, now);
  }

  endSync(uid: number, deviceId: DeviceId, now: number): void {
    const device = this.devices.find(uid, REAL, deviceId);
    if (device < 0 || this.devices.inFlight[device] === 0) return;
    this.#turn.touch(uid, now);
    applySyncEnd(this.devices, uid, device, this.#timers, now);
    this.#users.lastUserSyncTs[uid] = now;
    this.#settle(uid, now);
  }

  bump(uid: number, deviceId: DeviceId, now: number): void {
    this.#turn.touch(uid, now);
    applyBump(this.devices, uid, deviceId, now);
    this.#users.lastActiveTs[uid] = now;
    this.#recombine(uid);
    this.#settle(uid, now);
  }

  removeDevice(uid: number, deviceId: DeviceId, now: number): void {
    this.#turn.touch(uid, now);
    if (endDevice(this.devices, uid, deviceId)) this.#recombine(uid);
    this.#settle(uid, now);
  }

  /** The account is gone: offline, without a status message. */
  removeUser(uid: number, now: number): void {
    this.#turn.touch(uid, now);
    endAllDevices(this.devices, uid);
    this.#users.state[uid] = OFFLINE;
    this.#users.setStatusMsg(uid, null);
    this.#settle(uid, now);
  }

  /** Shown at once whatever other devices say; the next input combines again, with this as one of the devices. */
  setManaged(uid: number, { state, statusMsg, ttlMs }: ManagedPresence, now: number): void {
    this.#turn.touch(uid, now);
    this.#turn.force(uid);
    const code = codeOfState(state);
    if (!this.#users.isLocal(uid)) this.#users.lastFederationUpdateTs[uid] = now;
    else if (this.#mode === 'tracked') {
      setManagedDevice(this.devices, uid, code, now + (ttlMs ?? this.#timers.managedTtlMs));
    }
    this.#users.state[uid] = code;
    this.#users.setStatusMsg(uid, statusMsg);
    this.#settle(uid, now);
  }

  /** `receivedTs`: when it came, if that was not now. */
  receiveRemote(uid: number, entry: RemotePresence, now: number, receivedTs = now): void {
    const users = this.#users;
    this.#turn.touch(uid, now);
    users.state[uid] = codeOfState(entry.state);
    users.setStatusMsg(uid, entry.statusMsg);
    users.setActive(uid, entry.currentlyActive);
    if (entry.lastActiveTs !== null) users.lastActiveTs[uid] = entry.lastActiveTs;
    users.lastFederationUpdateTs[uid] = receivedTs;
    this.#settle(uid, now);
  }

  /** A timer of the user has fired. */
  expire(uid: number, now: number): void {
    const users = this.#users;
    this.#turn.touch(uid, now);
    if (!users.isLocal(uid)) {
      if (this.#remoteDeadline(uid) <= now) users.state[uid] = OFFLINE;
    } else if (expireDevices(this.devices, uid, this.#timers, now) && !users.isOffline(uid)) {
      // Somebody who was set offline stays it until the next input; their devices end silently.
      this.#recombine(uid);
    }
    this.#settle(uid, now);
  }

  /** Loads a stored record. Whoever was online has the grace, from now on, to come back. */
  restore(record: UserPresenceState, uid: number, now: number): void {
    const users = this.#users;
    if (this.#mode === 'disabled' && record.state !== 'offline') {
      users.setRecord(uid, record);
      this.#turn.touch(uid, now);
      users.setRecord(uid, { ...record, state: 'offline', statusMsg: null, currentlyActive: false });
      return;
    }
    users.setRecord(uid, record);
    if (this.#mode !== 'tracked' || users.isOffline(uid)) return;
    if (users.isLocal(uid)) {
      const state = users.state[uid] as number;
      const { busyOnlineTimeoutMs, syncOnlineTimeoutMs } = this.#timers;
      const grace = state === BUSY ? busyOnlineTimeoutMs : syncOnlineTimeoutMs;
      addPseudoDevice(this.devices, uid, RESTORED, state, now + grace);
    }
    this.rearm(uid);
  }

  /** Arms the user's one timer for the earliest moment at which time changes anything. */
  rearm(uid: number): void {
    this.#wheel.arm(uid, this.#mode === 'tracked' ? this.#nextDeadline(uid) : Infinity);
  }

  #nextDeadline(uid: number): number {
    const users = this.#users;
    if (!users.isLocal(uid)) return users.isOffline(uid) ? Infinity : this.#remoteDeadline(uid);
    let deadline = nextDeviceDeadline(this.devices, uid, this.#timers);
    if (users.isOffline(uid)) return deadline;
    deadline = Math.min(deadline, this.#pingDeadline(uid));
    if (!users.isActive(uid)) return deadline;
    return Math.min(deadline, (users.lastActiveTs[uid] as number) + this.#timers.lastActiveGranularityMs);
  }

  #remoteDeadline(uid: number): number {
    return (this.#users.lastFederationUpdateTs[uid] as number) + this.#timers.federationTimeoutMs;
  }

  #pingDeadline(uid: number): number {
    const sentTs = this.#users.lastFederationUpdateTs[uid] as number;
    return sentTs + keepAliveAfterMs(uid, this.#timers.federationPingIntervalMs);
  }

  #recombine(uid: number): void {
    this.#users.state[uid] = combinedState(this.devices, uid);
  }

  #markActiveIfPresent(uid: number, now: number): void {
    const state = this.#users.state[uid] as number;
    if (state === ONLINE || state === BUSY) this.#users.lastActiveTs[uid] = now;
  }

  /** What follows from the record and the time: the activity flag, the keep-alive, the next timer. */
  #settle(uid: number, now: number): void {
    const users = this.#users;
    if (users.state[uid] !== ONLINE) users.setActive(uid, false);
    else if (users.isLocal(uid)) {
      users.setActive(uid, now - (users.lastActiveTs[uid] as number) < this.#timers.lastActiveGranularityMs);
    }
    if (this.#mode === 'tracked' && users.isLocal(uid) && !users.isOffline(uid) && this.#pingDeadline(uid) <= now) {
      users.lastFederationUpdateTs[uid] = now;
      if (this.#hasAudience(uid)) this.#turn.ping(uid);
    }
    this.rearm(uid);
  }
}
