/**
 * What a routing answer names, told apart: local users, ascending and each once, at most so many; and the servers of all others.
 *
 * Routers name the same users with every update, so this builds no sets of them and sorts nothing that is in order.
 */
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import { Stamps } from './columns.ts';
import { OWN_SERVER, type UserTable } from './user-table.ts';

export interface RoutedTargets {
  /** uids, the source's not among them. */
  readonly local: readonly number[];
  readonly servers: ReadonlySet<ServerName>;
  /** How many local ones there were beyond the limit. */
  readonly dropped: number;
}

const NO_SERVERS: ReadonlySet<ServerName> = new Set();

export class TargetReader {
  readonly #users: UserTable;
  readonly #maxLocal: number;
  readonly #seen = new Stamps();

  constructor(users: UserTable, maxLocal: number) {
    this.#users = users;
    this.#maxLocal = maxLocal;
  }

  read(source: number, targets: readonly UserId[]): RoutedTargets {
    const users = this.#users;
    const own = users.servers.name(OWN_SERVER);
    const local: number[] = [];
    let servers: Set<ServerName> | null = null;
    let dropped = 0;
    let last = -1;
    let isAscending = true;
    // Every one of them may be about to get an id.
    this.#seen.begin(users.bound + targets.length);
    for (const target of targets) {
      const known = users.find(target);
      if (known < 0 || !users.isLocal(known)) {
        // Of users elsewhere only their server matters; a module may name any number of them, so they get no id.
        const server = known >= 0 ? users.servers.name(users.server[known] as number) : serverNameOf(target);
        if (server !== own) {
          servers ??= new Set();
          servers.add(server);
          continue;
        }
      }
      // Targets nobody has heard of yet get an id, so that they see the source when they come; the limit bounds them.
      if (local.length >= this.#maxLocal && (known < 0 || !(known === source || this.#seen.has(known)))) {
        dropped++;
        continue;
      }
      const uid = known >= 0 ? known : users.intern(target);
      if (uid === source || !this.#seen.mark(uid)) continue;
      local.push(uid);
      if (uid < last) isAscending = false;
      last = uid;
    }
    if (!isAscending) local.sort((a, b) => a - b);
    return { local, servers: servers ?? NO_SERVERS, dropped };
  }
}
