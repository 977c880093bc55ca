/**
 * The parts of an engine and how they know each other: the one place where they are put together.
 */
import { Collector } from './collect.ts';
import { Counters } from './counters.ts';
import { Delivery } from './delivery.ts';
import type { EngineOptions } from './engine-api.ts';
import { Farewells } from './farewells.ts';
import { Inboxes } from './inboxes.ts';
import { Interest } from './interest.ts';
import { Joins } from './joins.ts';
import { KeptAnswers } from './kept-answers.ts';
import { LocalUsers } from './local-users.ts';
import { Losses } from './losses.ts';
import { Observers } from './observers.ts';
import { Partings } from './partings.ts';
import { Positions } from './positions.ts';
import { Records } from './records.ts';
import { Release } from './release.ts';
import { RemoteUsers } from './remote-users.ts';
import { Restrictions } from './restrictions.ts';
import { Rooms } from './rooms.ts';
import { ServerDelivery } from './server-delivery.ts';
import { Sight } from './sight.ts';
import { TimerWheel } from './timer-wheel.ts';
import { Turn } from './turn.ts';
import { UserTable } from './user-table.ts';
import { Visibility } from './visibility.ts';

export interface EngineParts {
  readonly users: UserTable;
  readonly positions: Positions;
  readonly counters: Counters;
  readonly wheel: TimerWheel;
  readonly turn: Turn;
  readonly records: Records;
  readonly observers: Observers;
  readonly rooms: Rooms;
  readonly inboxes: Inboxes;
  readonly interest: Interest;
  readonly kept: KeptAnswers;
  readonly visibility: Visibility;
  readonly delivery: Delivery;
  readonly restrictions: Restrictions;
  readonly farewells: Farewells;
  readonly servers: ServerDelivery;
  readonly sight: Sight;
  readonly joins: Joins;
  readonly partings: Partings;
  readonly localUsers: LocalUsers;
  /** Whether routers are asked about keep-alives: then each may go to some server. */
  readonly routers: { areAsked: boolean };
  readonly collector: Collector;
  /** Full-presence marks: uid → position. */
  readonly marks: Map<number, number>;
  readonly remote: RemoteUsers;
}

export function createParts(options: EngineOptions, tickMs: number): EngineParts {
  const { limits, mode, timers } = options;
  const users = new UserTable(options.serverName);
  const positions = new Positions(options.startPosition);
  const counters = new Counters();
  const turn = new Turn(users, positions, counters, timers.lastActiveGranularityMs);
  const wheel = new TimerWheel(tickMs);
  const rooms = new Rooms(users, options.excludedRooms);
  const routers = { areAsked: false };
  const hasAudience = (uid: number): boolean => routers.areAsked || rooms.hasRemoteMates(uid);
  const records = new Records(users, turn, wheel, timers, mode, hasAudience);
  const observers = new Observers(users, timers.observerLingerMs);
  const inboxes = new Inboxes(users, limits.maxPendingPerObserver);
  const interest = new Interest(users);
  const kept = new KeptAnswers(users);
  const restrictions = new Restrictions(users, limits.maxRestrictions);
  const farewells = new Farewells();
  const servers = new ServerDelivery({ users, rooms, restrictions }, mode === 'tracked');
  const visibility = new Visibility(users, rooms, observers, interest, kept, positions, restrictions, inboxes);
  const base = {
    users,
    positions,
    counters,
    turn,
    wheel,
    records,
    observers,
    rooms,
    inboxes,
    interest,
    kept,
    visibility,
    restrictions,
    farewells,
    servers,
  };
  const { tellsLoss = true } = options;
  const delivery = new Delivery(base, limits.maxRoutedPerUser, tellsLoss);
  const sight = new Sight({ ...base, delivery }, tellsLoss);
  const joins = new Joins(users, rooms, turn, restrictions);
  const partings = new Partings(base);
  const localUsers = new LocalUsers(users, rooms, turn, delivery);
  const marks = new Map<number, number>();
  const losses = new Losses(base, tellsLoss);
  const collector = new Collector({ ...base, losses, delivery, marks, startPosition: positions.allocated });
  const release = new Release({ ...base, delivery, marks }, mode === 'tracked');
  const isTracked = mode === 'tracked';
  const remote = new RemoteUsers({ ...base, release: mode === 'disabled' ? null : release }, isTracked);
  return { ...base, delivery, sight, joins, partings, localUsers, routers, marks, collector, remote };
}
