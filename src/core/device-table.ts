/**
 * The live devices of local users: columns, linked per user. Memory only, never stored.
 *
 * A device is kept while it claims a state other than offline or has a sync in flight. Two kinds of pseudo-device take part in
 * combining like any other: `MANAGED` holds what a module set, `RESTORED` stands for the unknown devices a
 * restart found online. Both end at `expiresTs` and do nothing else.
 */
import type { DeviceId } from '../matrix/identifiers.ts';
import { grownCapacity, resized } from './columns.ts';
import { OFFLINE } from './state-codes.ts';

export const REAL = 0;
export const MANAGED = 1;
export const RESTORED = 2;

const NONE = -1;

export class DeviceTable {
  #ids: DeviceId[] = [];
  #next = new Int32Array(0);
  kind = new Uint8Array(0);
  /** State codes. */
  state = new Uint8Array(0);
  /** 1: unavailable because it idled, not because it said so. */
  idled = new Uint8Array(0);
  lastActiveTs = new Float64Array(0);
  /** Start or end of the device's last sync that affected presence, whichever is later. */
  lastSyncTs = new Float64Array(0);
  /** Pseudo-devices: when they end. */
  expiresTs = new Float64Array(0);
  inFlight = new Uint32Array(0);
  #freed = NONE;
  #size = 0;
  readonly #heads: { firstDevice: Int32Array };

  /** `heads.firstDevice`: first device of each user, a column that this table maintains. */
  constructor(heads: { firstDevice: Int32Array }) {
    this.#heads = heads;
  }

  get size(): number {
    return this.#size;
  }

  /** The user's devices are `first(uid)`, then `next(device)` until it is negative. */
  first(uid: number): number {
    return this.#heads.firstDevice[uid] as number;
  }

  next(device: number): number {
    return this.#next[device] as number;
  }

  /** The id of a device; empty for pseudo-devices. */
  id(device: number): DeviceId {
    return this.#ids[device] as DeviceId;
  }

  find(uid: number, kind: number, deviceId: DeviceId): number {
    for (let device = this.first(uid); device >= 0; device = this.next(device)) {
      if (this.kind[device] === kind && this.#ids[device] === deviceId) return device;
    }
    return NONE;
  }

  /** Adds a device in state offline, without checking whether there is one of that name. */
  add(uid: number, kind: number, deviceId: DeviceId): number {
    let device = this.#freed;
    if (device >= 0) this.#freed = this.#next[device] as number;
    else {
      device = this.#ids.length;
      if (device >= this.kind.length) this.#grow(device + 1);
    }
    this.#ids[device] = deviceId;
    this.kind[device] = kind;
    this.state[device] = OFFLINE;
    this.idled[device] = 0;
    this.lastActiveTs[device] = 0;
    this.lastSyncTs[device] = 0;
    this.expiresTs[device] = Infinity;
    this.inFlight[device] = 0;
    this.#next[device] = this.first(uid);
    this.#heads.firstDevice[uid] = device;
    this.#size++;
    return device;
  }

  remove(uid: number, device: number): void {
    const next = this.#next[device] as number;
    if (this.first(uid) === device) this.#heads.firstDevice[uid] = next;
    else {
      let before = this.first(uid);
      while (this.#next[before] !== device) before = this.#next[before] as number;
      this.#next[before] = next;
    }
    this.#ids[device] = '';
    this.#next[device] = this.#freed;
    this.#freed = device;
    this.#size--;
  }

  #grow(needed: number): void {
    const capacity = grownCapacity(this.kind.length, needed);
    this.#next = resized(this.#next, capacity);
    this.kind = resized(this.kind, capacity);
    this.state = resized(this.state, capacity);
    this.idled = resized(this.idled, capacity);
    this.lastActiveTs = resized(this.lastActiveTs, capacity);
    this.lastSyncTs = resized(this.lastSyncTs, capacity);
    this.expiresTs = resized(this.expiresTs, capacity);
    this.inFlight = resized(this.inFlight, capacity);
  }
}
