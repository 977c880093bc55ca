/**
 * What syncs, PUTs, activity and time do to a user's devices, and how devices combine.
 *
 * Source: reference behaviour §2.2–2.4 and 2.7, with the product's decisions: grace from the end of the last sync,
 * busy per device, and a device remembers whether it claimed to be unavailable or merely idled.
 */
import type { DeviceId } from '../matrix/identifiers.ts';
import { type DeviceTable, MANAGED, REAL, RESTORED } from './device-table.ts';
import type { PresenceTimers, SyncClaim } from './engine-api.ts';
import { BUSY, codeOfState, OFFLINE, ONLINE, UNAVAILABLE } from './state-codes.ts';

/** The strongest state of the user's devices; offline without any. */
export function combinedState(devices: DeviceTable, uid: number): number {
  let strongest = OFFLINE;
  for (let device = devices.first(uid); device >= 0; device = devices.next(device)) {
    strongest = Math.max(strongest, devices.state[device] as number);
  }
  return strongest;
}

export function findOrAddDevice(devices: DeviceTable, uid: number, deviceId: DeviceId): number {
  const found = devices.find(uid, REAL, deviceId);
  return found >= 0 ? found : devices.add(uid, REAL, deviceId);
}

/** A counted sync with a claim begins. Returns whether it is activity. */
export function applySyncClaim(devices: DeviceTable, device: number, claim: SyncClaim, now: number): boolean {
  devices.lastSyncTs[device] = now;
  const before = devices.state[device] as number;
  const claimed = codeOfState(claim.state);
  if (claimed === UNAVAILABLE) {
    if (before !== BUSY) setDeviceState(devices, device, UNAVAILABLE);
    return false;
  }
  const isActivity = claim.explicit || before === OFFLINE || (before === UNAVAILABLE && devices.idled[device] === 0);
  if (!isActivity) return false;
  if (before !== BUSY) setDeviceState(devices, device, ONLINE);
  devices.lastActiveTs[device] = now;
  return true;
}

/** A PUT: the device takes the state, and the user's word ends what a restart left behind. */
export function applyPut(devices: DeviceTable, uid: number, deviceId: DeviceId, state: number, now: number): void {
  endRestored(devices, uid);
  const device = findOrAddDevice(devices, uid, deviceId);
  setDeviceState(devices, device, state);
  devices.lastActiveTs[device] = now;
  dropIfDead(devices, uid, device);
}

/** Activity: only an unavailable device changes state, and a device that is not there does not come into being. */
export function applyBump(devices: DeviceTable, uid: number, deviceId: DeviceId, now: number): void {
  const device = devices.find(uid, REAL, deviceId);
  if (device < 0) return;
  if (devices.state[device] === UNAVAILABLE) setDeviceState(devices, device, ONLINE);
  devices.lastActiveTs[device] = now;
}

/** A counted sync ends: the grace of a live device runs from now. */
export function applySyncEnd(
  devices: DeviceTable,
  uid: number,
  device: number,
  timers: PresenceTimers,
  now: number,
): void {
  devices.inFlight[device] = Math.max(0, (devices.inFlight[device] as number) - 1);
  if (devices.state[device] !== OFFLINE) {
    devices.lastSyncTs[device] = now;
    prolongRestoredBusy(devices, uid, timers, now);
  }
  dropIfDead(devices, uid, device);
}

/**
 * The device is gone, and so is what a restart left in its place. A sync still in flight is remembered until it ends.
 * Returns whether there was anything to end.
 */
export function endDevice(devices: DeviceTable, uid: number, deviceId: DeviceId): boolean {
  const hadRestored = endRestored(devices, uid);
  const device = devices.find(uid, REAL, deviceId);
  if (device < 0) return hadRestored;
  setDeviceState(devices, device, OFFLINE);
  dropIfDead(devices, uid, device);
  return true;
}

/** Ends every device, pseudo-devices included. */
export function endAllDevices(devices: DeviceTable, uid: number): void {
  let device = devices.first(uid);
  while (device >= 0) {
    const next = devices.next(device);
    setDeviceState(devices, device, OFFLINE);
    dropIfDead(devices, uid, device);
    device = next;
  }
}

/** Replaces the pseudo-device of modules; a state of offline only ends it. */
export function setManagedDevice(devices: DeviceTable, uid: number, state: number, expiresTs: number): void {
  const known = devices.find(uid, MANAGED, '');
  if (known >= 0) devices.remove(uid, known);
  if (state !== OFFLINE) addPseudoDevice(devices, uid, MANAGED, state, expiresTs);
}

export function addPseudoDevice(devices: DeviceTable, uid: number, kind: number, state: number, expires: number): void {
  const device = devices.add(uid, kind, '');
  devices.state[device] = state;
  devices.expiresTs[device] = expires;
}

/**
 * Lets time act: online devices without activity idle, those whose grace is over end. Returns whether anything changed.
 */
export function expireDevices(devices: DeviceTable, uid: number, timers: PresenceTimers, now: number): boolean {
  let changed = false;
  let device = devices.first(uid);
  while (device >= 0) {
    const next = devices.next(device);
    if (endOf(devices, uid, device, timers) <= now) {
      devices.remove(uid, device);
      changed = true;
    } else if (idleAt(devices, device, timers) <= now) {
      setDeviceState(devices, device, UNAVAILABLE);
      devices.idled[device] = 1;
      changed = true;
    }
    device = next;
  }
  return changed;
}

/** When time will next act on the user's devices, in ms; Infinity for never. */
export function nextDeviceDeadline(devices: DeviceTable, uid: number, timers: PresenceTimers): number {
  let earliest = Infinity;
  for (let device = devices.first(uid); device >= 0; device = devices.next(device)) {
    earliest = Math.min(earliest, endOf(devices, uid, device, timers), idleAt(devices, device, timers));
  }
  return earliest;
}

function idleAt(devices: DeviceTable, device: number, timers: PresenceTimers): number {
  if (devices.kind[device] !== REAL || devices.state[device] !== ONLINE) return Infinity;
  return (devices.lastActiveTs[device] as number) + timers.idleTimeoutMs;
}

function endOf(devices: DeviceTable, uid: number, device: number, timers: PresenceTimers): number {
  const kind = devices.kind[device] as number;
  if (kind === RESTORED && devices.state[device] === BUSY && hasSyncInFlight(devices, uid)) return Infinity;
  if (kind !== REAL) return devices.expiresTs[device] as number;
  if ((devices.inFlight[device] as number) > 0 || devices.state[device] === OFFLINE) return Infinity;
  const grace = devices.state[device] === BUSY ? timers.busyOnlineTimeoutMs : timers.syncOnlineTimeoutMs;
  return Math.max(devices.lastSyncTs[device] as number, devices.lastActiveTs[device] as number) + grace;
}

/** Nobody knows which device was busy before the restart, so any device that is connected keeps the user busy. */
function hasSyncInFlight(devices: DeviceTable, uid: number): boolean {
  for (let device = devices.first(uid); device >= 0; device = devices.next(device)) {
    if (devices.state[device] !== OFFLINE && (devices.inFlight[device] as number) > 0) return true;
  }
  return false;
}

/** A connected device counts as a sign of life for a busy state that a restart left behind. */
function prolongRestoredBusy(devices: DeviceTable, uid: number, timers: PresenceTimers, now: number): void {
  const restored = devices.find(uid, RESTORED, '');
  if (restored < 0 || devices.state[restored] !== BUSY) return;
  devices.expiresTs[restored] = Math.max(devices.expiresTs[restored] as number, now + timers.busyOnlineTimeoutMs);
}

function setDeviceState(devices: DeviceTable, device: number, state: number): void {
  devices.state[device] = state;
  devices.idled[device] = 0;
}

function endRestored(devices: DeviceTable, uid: number): boolean {
  const restored = devices.find(uid, RESTORED, '');
  if (restored >= 0) devices.remove(uid, restored);
  return restored >= 0;
}

/** A device that claims nothing is kept only to count the syncs it still has in flight. */
function dropIfDead(devices: DeviceTable, uid: number, device: number): void {
  if (devices.state[device] === OFFLINE && devices.inFlight[device] === 0) devices.remove(uid, device);
}
