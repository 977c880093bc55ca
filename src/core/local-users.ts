/**
 * Local users as other servers may have to hear of them: a few at a time, so that a pass over everybody holds nothing up.
 *
 * For servers that missed something (they were away, or this process was): what they get is the present, not what they missed.
 */
import type { ServerName } from '../matrix/identifiers.ts';
import type { Delivery } from './delivery.ts';
import type { Deliveries, PresenceUpdate, RoutingAnswer } from './engine-api.ts';
import type { Rooms } from './rooms.ts';
import type { Turn } from './turn.ts';
import type { UserTable } from './user-table.ts';

export class LocalUsers {
  readonly #users: UserTable;
  readonly #rooms: Rooms;
  readonly #turn: Turn;
  readonly #delivery: Delivery;

  constructor(users: UserTable, rooms: Rooms, turn: Turn, delivery: Delivery) {
    this.#delivery = delivery;
    this.#users = users;
    this.#rooms = rooms;
    this.#turn = turn;
  }

  /**
   * As updates that were told already: those with dense ids from `from` to below `to` who are not offline (if `andPresent`), or who were
   * told of at or after `sinceTs`. In the order of ids.
   */
  toldSince(sinceTs: number, andPresent: boolean, from: number, to: number): PresenceUpdate[] {
    const users = this.#users;
    const found: PresenceUpdate[] = [];
    // 0: nobody has ever been told of the user.
    const firstTs = Math.max(sinceTs, 1);
    const end = Math.min(to, users.bound);
    for (let uid = from; uid < end; uid++) {
      if (!users.isLocal(uid) || !users.ids.has(uid)) continue;
      const isPresent = andPresent && !this.#turn.isShownOffline(uid);
      if (!isPresent && (users.lastFederationUpdateTs[uid] as number) < firstTs) continue;
      const state = this.#turn.shownRecord(uid);
      // Told since, but not yet shown: that comes by itself.
      if (!isPresent && state.lastFederationUpdateTs < firstTs) continue;
      const position = users.position[uid] as number;
      found.push({ uid, state, previousState: state.state, position, reason: 'forced' });
    }
    return found;
  }

  /** One more than the largest dense id, local or not. */
  get bound(): number {
    return this.#users.bound;
  }

  /** Default routing of such users, to servers only. */
  tellServersAgain(updates: readonly PresenceUpdate[]): Deliveries['servers'] {
    return this.#delivery.tellServersAgain(updates);
  }

  /** What routers add to it: only servers that default routing does not reach, and of those whose update is still the newest. */
  tellRoutedServersAgain(updates: readonly PresenceUpdate[], answer: RoutingAnswer): Deliveries['servers'] {
    return this.#delivery.routePings(updates, answer);
  }

  /** Whether the update is what observers see now. */
  isNewest({ uid, position, state }: PresenceUpdate): boolean {
    return this.#users.position[uid] === position && this.#users.ids.name(uid) === state.userId;
  }

  /** Whether the user shares a room that is not excluded with users of `server`. */
  sharesRoomWith(uid: number, server: ServerName): boolean {
    const number = this.#users.servers.find(server);
    return number >= 0 && this.#rooms.shareWithServer(uid, number);
  }
}
