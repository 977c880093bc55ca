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
/** Nobody could see the user when that was last looked at. */
const UNSEEN = 2;
const NONE = -1;
const MAX_SHORT = 0xffff;
/** In the observer column: the number is nobody's. */
const UNUSED = -2;
/** Server number of our own server. */
export const OWN_SERVER = 0;

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
  /** By server number: its users. One without any gives its number to another: servers can be made up, too. */
  readonly #population: number[] = [0];
  /** By server number: users of that server who are in no room here. Of our own server, nothing is counted. */
  readonly #guests: number[] = [0];
  #guestCount = 0;
  /** By server number: characters of its users' status messages. */
  readonly #statusChars: number[] = [0];
  #remoteStatusChars = 0;

  constructor(ownServer: ServerName) {
    this.servers.intern(ownServer);
  }

  get bound(): number {
    return this.ids.bound;
  }

  intern(userId: UserId): number {
    const uid = this.ids.intern(userId);
    if (uid >= this.state.length) this.#grow(uid + 1);
    if (this.observer[uid] === UNUSED) {
      this.observer[uid] = NONE;
      const server = this.servers.intern(serverNameOf(userId));
      this.#population[server] = (this.#population[server] ?? 0) + 1;
      this.#setServer(uid, server);
      this.countGuest(uid, 1);
    }
    return uid;
  }

  /** Whether the number is somebody's at present. */
  isUsed(uid: number): boolean {
    return this.observer[uid] !== UNUSED;
  }

  /** Forgets the user, who is in no room. The number is kept back until `ids.reuse`. */
  retire(uid: number): void {
    this.setStatusMsg(uid, null);
    this.countGuest(uid, -1);
    this.ids.retire(uid);
    this.state[uid] = OFFLINE;
    this.#flags[uid] = 0;
    for (const column of [this.lastActiveTs, this.lastFederationUpdateTs, this.lastUserSyncTs, this.position]) {
      column[uid] = 0;
    }
    this.firstDevice[uid] = NONE;
    this.observer[uid] = UNUSED;
    const server = this.server[uid] as number;
    const left = (this.#population[server] as number) - 1;
    this.#population[server] = left;
    if (left === 0 && server !== OWN_SERVER) this.servers.release(server);
  }

  /** A user of another server is from now on, or not any more, in no room here. */
  countGuest(uid: number, change: 1 | -1): void {
    if (this.isLocal(uid)) return;
    const server = this.server[uid] as number;
    this.#guests[server] = (this.#guests[server] ?? 0) + change;
    this.#guestCount += change;
  }

  /** Users of other servers, or of one of them, who are in no room here. */
  guests(server?: ServerName): number {
    return server === undefined ? this.#guestCount : (this.#guests[this.servers.find(server)] ?? 0);
  }

  /** Characters of status messages of all other servers' users, or of those of one server. */
  remoteStatusChars(server?: ServerName): number {
    return server === undefined ? this.#remoteStatusChars : (this.#statusChars[this.servers.find(server)] ?? 0);
  }

  /** A mark that is for whoever looks for users to forget. Returns what it was. */
  markUnseen(uid: number, unseen: boolean): boolean {
    const flags = this.#flags[uid] as number;
    this.#flags[uid] = unseen ? flags | UNSEEN : flags & ~UNSEEN;
    return (flags & UNSEEN) !== 0;
  }

  /** Whether nothing is known about the user: the record is the default one, saved or not. */
  isBlank(uid: number): boolean {
    return (
      this.isOffline(uid) &&
      this.position[uid] === 0 &&
      this.lastActiveTs[uid] === 0 &&
      this.lastFederationUpdateTs[uid] === 0 &&
      this.lastUserSyncTs[uid] === 0 &&
      this.statusMsg(uid) === null
    );
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
    if (!this.isLocal(uid)) this.#countStatus(uid, (statusMsg?.length ?? 0) - (this.statusMsg(uid)?.length ?? 0));
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

  #countStatus(uid: number, change: number): void {
    const server = this.server[uid] as number;
    this.#statusChars[server] = (this.#statusChars[server] ?? 0) + change;
    this.#remoteStatusChars += change;
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
    this.observer = resized(this.observer, capacity, UNUSED);
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
