/**
 * What changes of a relation mean for the server, told once for all changes of one go: a microtask later, or before the next answer.
 *
 * Asking about an observer again is enough for a local gain. A local loss also has to replace the answer that was kept with the source's last
 * update, and another server hears of the present only if it is routed there again.
 */
import type { UserId } from '../matrix/identifiers.ts';
import { PRESENCE_ALL_USERS } from './callbacks.ts';
import type { ModuleApi } from './module-api.ts';
import type { UserOrAll } from './relation-pairs.ts';

export class RelationChanges {
  #api: ModuleApi | null = null;
  #restricts = false;
  #isScheduled = false;
  /** To be asked about again, by `getInterestedUsers`, `getUsersForStates` and `getRestrictions`. */
  #observers = new Set<UserOrAll>();
  #routed = new Set<UserId>();
  #restricted = new Set<UserOrAll>();
  /** Users of other servers who see everybody from now on. */
  #snapshots = new Set<UserId>();

  /** From now on changes are told. */
  tell(api: ModuleApi, restricts: boolean): void {
    this.#api = api;
    this.#restricts = restricts;
  }

  gained(observer: UserOrAll, source: UserOrAll): void {
    if (this.#api === null) return;
    if (observer === PRESENCE_ALL_USERS || this.#api.isMine(observer)) this.#observers.add(observer);
    else if (source === PRESENCE_ALL_USERS) this.#snapshots.add(observer);
    else this.#routed.add(source);
    this.#changed(source);
  }

  lost(observer: UserOrAll, source: UserOrAll): void {
    if (this.#api === null) return;
    if (observer === PRESENCE_ALL_USERS || this.#api.isMine(observer)) {
      this.#observers.add(observer);
      if (source !== PRESENCE_ALL_USERS) this.#routed.add(source);
    } else if (source === PRESENCE_ALL_USERS) this.#snapshots.delete(observer);
    this.#changed(source);
  }

  /** Tells what has not been told. */
  flush(): void {
    if (!this.#isScheduled || this.#api === null) return;
    this.#isScheduled = false;
    const [observers, routed, restricted, snapshots] = [
      this.#observers,
      this.#routed,
      this.#restricted,
      this.#snapshots,
    ];
    // New ones first: each call may ask for an answer, which comes back here.
    this.#observers = new Set();
    this.#routed = new Set();
    this.#restricted = new Set();
    this.#snapshots = new Set();
    const api = this.#api;
    // Observers first: who is gained waits for the restrictions, and who is lost is lost already.
    inform(observers, (users) => api.invalidateInterestedUsers(users));
    if (this.#restricts) inform(restricted, (sources) => api.invalidateRestrictions(sources));
    if (routed.size > 0) api.invalidateUsersForStates(routed);
    if (snapshots.size === 0) return;
    background(api, () => api.sendLocalOnlinePresenceTo(snapshots));
  }

  #changed(source: UserOrAll): void {
    this.#restricted.add(source);
    if (this.#isScheduled || this.#api === null) return;
    this.#isScheduled = true;
    const api = this.#api;
    queueMicrotask(() => background(api, () => this.flush()));
  }
}

/** With `PRESENCE_ALL_USERS` among them: about all, by leaving them out. */
function inform(users: ReadonlySet<UserOrAll>, tell: (users?: Iterable<UserId>) => void): void {
  if (users.has(PRESENCE_ALL_USERS)) tell();
  else if (users.size > 0) tell(users as ReadonlySet<UserId>);
}

/** The server looks after failures, of which there is nobody here to tell. */
function background(api: ModuleApi, f: () => unknown): void {
  const running = api.runAsBackgroundProcess('tell of changes of a relation', f);
  running.catch(() => undefined);
}
