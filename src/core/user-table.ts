/**
 * Users by dense id: the columns of their presence records, and the few things that only some users have.
 *
 * A record object is made only when somebody needs one (an update, a row to save, a reader); the columns are the truth.
 */
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import { grownCapacity, resized } from './columns.ts';
import { IdTable } from './id-table.ts';
import { codeOfState, OFFLINE, ONLINE, stateOfCode } from './state-codes.ts';
import type { UserPresenceState } from './user-presence-state.ts';

const ACTIVE = 1;
const NONE = -1;
const MAX_SHORT = 0xffff;
/** In the observer column: the user's other columns are not filled in yet. */
const UNSEEN = -2;
/** Server number of our own server. */
const OWN_SERVER = 0;

export class UserTable {
  readonly ids = new IdTable<UserId>();
  readonly servers = new IdTable<ServerName>();
  /** State codes. */
  state = new Uint8Array(0);
  #flags = new Uint8Array(0);
  lastActiveTs = new Float64Array(0);
  lastFederationUpdateTs = new Float64Array(0);
  lastUserSyncTs = new Float64Array(0);
  /** Published stream position of the last told change; 0 for never. */
  position = new Float64Array(0);
  /** Head of the user's list in the device table, or -1. */
  firstDevice = new Int32Array(0);
  /** Slot among the connected observers, or -1. */
  observer = new Int32Array(0);
  /** Server numbers; two bytes each until there are more servers than that. */
  server: Uint16Array | Uint32Array = new Uint16Array(0);
  readonly #statusMsgs = new Map<number, string>();

  constructor(ownServer: ServerName) {
    this.servers.intern(ownServer);
  }

  get bound(): number {
    return this.ids.bound;
  }

  intern(userId: UserId): number {
    const uid = this.ids.intern(userId);
    if (uid >= this.state.length) this.#grow(uid + 1);
    if (this.observer[uid] === UNSEEN) {
      this.observer[uid] = NONE;
      this.#setServer(uid, this.servers.intern(serverNameOf(userId)));
    }
    return uid;
  }

  find(userId: UserId): number {
    return this.ids.find(userId);
  }

  isLocal(uid: number): boolean {
    return this.server[uid] === OWN_SERVER;
  }

  isActive(uid: number): boolean {
    return ((this.#flags[uid] as number) & ACTIVE) !== 0;
  }

  setActive(uid: number, active: boolean): void {
    const flags = this.#flags[uid] as number;
    this.#flags[uid] = active ? flags | ACTIVE : flags & ~ACTIVE;
  }

  statusMsg(uid: number): string | null {
    return this.#statusMsgs.get(uid) ?? null;
  }

  setStatusMsg(uid: number, statusMsg: string | null): void {
    if (statusMsg === null) this.#statusMsgs.delete(uid);
    else this.#statusMsgs.set(uid, statusMsg);
  }

  /** The record as an immutable value. */
  record(uid: number): UserPresenceState {
    return Object.freeze({
      userId: this.ids.name(uid),
      state: stateOfCode(this.state[uid] as number),
      lastActiveTs: this.lastActiveTs[uid] as number,
      lastFederationUpdateTs: this.lastFederationUpdateTs[uid] as number,
      lastUserSyncTs: this.lastUserSyncTs[uid] as number,
      statusMsg: this.statusMsg(uid),
      currentlyActive: this.isActive(uid),
    });
  }

  /** Overwrites the record. */
  setRecord(uid: number, record: UserPresenceState): void {
    this.state[uid] = codeOfState(record.state);
    this.lastActiveTs[uid] = record.lastActiveTs;
    this.lastFederationUpdateTs[uid] = record.lastFederationUpdateTs;
    this.lastUserSyncTs[uid] = record.lastUserSyncTs;
    this.setStatusMsg(uid, record.statusMsg);
    this.setActive(uid, record.currentlyActive && this.state[uid] === ONLINE);
  }

  isOffline(uid: number): boolean {
    return this.state[uid] === OFFLINE;
  }

  #setServer(uid: number, server: number): void {
    if (server > MAX_SHORT && this.server instanceof Uint16Array) this.server = Uint32Array.from(this.server);
    this.server[uid] = server;
  }

  #grow(needed: number): void {
    const capacity = grownCapacity(this.state.length, needed);
    this.state = resized(this.state, capacity);
    this.#flags = resized(this.#flags, capacity);
    this.lastActiveTs = resized(this.lastActiveTs, capacity);
    this.lastFederationUpdateTs = resized(this.lastFederationUpdateTs, capacity);
    this.lastUserSyncTs = resized(this.lastUserSyncTs, capacity);
    this.position = resized(this.position, capacity);
    this.firstDevice = resized(this.firstDevice, capacity, NONE);
    this.observer = resized(this.observer, capacity, UNSEEN);
    this.server = resized(this.server, capacity);
  }
}

/** The record of somebody nothing is known about. */
export function defaultRecord(userId: UserId): UserPresenceState {
  return Object.freeze({
    userId,
    state: stateOfCode(OFFLINE),
    lastActiveTs: 0,
    lastFederationUpdateTs: 0,
    lastUserSyncTs: 0,
    statusMsg: null,
    currentlyActive: false,
  });
}
