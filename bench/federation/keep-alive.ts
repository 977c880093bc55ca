/**
 * Keep-alives in simulated time: the real engine and the real sender, a clock that jumps, and peers that answer after a moment.
 *
 * Presence lasts 30 minutes at other servers, so everybody is told of again after 25. Counted are the requests of each second.
 */
import { MemoryDestinationStore } from '../../src/adapters/memory/destination-store.ts';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { PresenceEngine } from '../../src/core/presence-engine.ts';
import { FederationSender } from '../../src/federation/sending/federation-sender.ts';
import { DEFAULT_SENDER_OPTIONS } from '../../src/federation/sending/sender-options.ts';
import type { RoomId, ServerName, UserId } from '../../src/matrix/identifiers.ts';
import { benchOptions, cpuMs, random } from '../engine/population.ts';

export interface KeepAliveOptions {
  readonly users: number;
  readonly destinations: number;
  /** Of the destination that most users share a room with; the others follow a power law. */
  readonly largestDestination: number;
  /** Over how long the users come online. */
  readonly arrivalMs: number;
  /** What one request takes. */
  readonly answerMs: number;
}

export interface KeepAliveResult extends KeepAliveOptions {
  /** Pairs of user and destination. */
  readonly states: number;
  /** Requests in each second since the first user came online. */
  readonly requests: readonly number[];
  /** States told in each second. */
  readonly told: readonly number[];
  /** Longest time between two times that a destination was told of one user, of those that were looked at. */
  readonly longestSilenceMs: number;
  readonly cpuMs: number;
}

export const MINUTE_MS = 60_000;
export const KEEP_ALIVE_POPULATION: KeepAliveOptions = {
  users: 100_000,
  destinations: 1000,
  largestDestination: 50_000,
  arrivalMs: 1000,
  answerMs: 50,
};
/** What one transaction takes at most: for what a server would do that waits for nothing. */
export const STATES_PER_REQUEST = DEFAULT_SENDER_OPTIONS.maxStatesPerEdu * DEFAULT_SENDER_OPTIONS.maxEdusPerTransaction;

const SERVER_NAME = 'bench.test';
const POWER = 0.8;
/** One user's keep-alives are looked at one by one. */
const WATCHED_EVERY = 97;

/** How many users each destination hears of. */
export function audience({ users, destinations, largestDestination }: KeepAliveOptions): number[] {
  return Array.from({ length: destinations }, (_, rank) =>
    Math.max(1, Math.round(Math.min(users, largestDestination) / (rank + 1) ** POWER)),
  );
}

/** @param minutes - simulated, from the first user's coming online */
export async function simulateKeepAlives(options: KeepAliveOptions, minutes: number): Promise<KeepAliveResult> {
  const world = createWorld(options);
  const { clock, engine, sender } = world;
  const startedCpu = cpuMs();
  const startTs = clock.now();
  const seconds = minutes * 60;
  const requests = Array.from({ length: seconds }, () => 0);
  const told = Array.from({ length: seconds }, () => 0);
  world.onRequest = (states) => {
    const second = Math.floor((clock.now() - startTs) / 1000);
    if (second >= seconds) return;
    requests[second]! += 1;
    told[second]! += states;
  };
  await sender.start(world.owed);
  const step = Math.min(engine.tickMs, 1000);
  let [arrived, nextTickTs] = [0, startTs];
  for (let now = startTs; now < startTs + minutes * MINUTE_MS; now = clock.now()) {
    const due = Math.min(options.users, Math.ceil((options.users * (now - startTs + step)) / options.arrivalMs));
    if (due > arrived) world.comeOnline(arrived, due);
    arrived = Math.max(arrived, due);
    if (now >= nextTickTs) {
      nextTickTs = now + engine.tickMs;
      engine.tick(now);
    }
    const { servers, keepAlives } = engine.publish(engine.takeChanges());
    for (const [server, states] of servers) sender.sendPresence(server, states);
    for (const [server, states] of keepAlives) sender.sendKeepAlives(server, states);
    engine.drainUnpersisted();
    await clock.advance(step);
  }
  const longestSilenceMs = world.longestSilenceMs();
  const result = { ...options, states: world.states, requests, told, longestSilenceMs, cpuMs: cpuMs() - startedCpu };
  await Promise.all([sender.stop(), clock.advance(10_000)]);
  return result;
}

/** Engine, sender and peers, and a room for each destination with its users. */
function createWorld(options: KeepAliveOptions) {
  const clock = new ManualClock();
  const engine = new PresenceEngine({ ...benchOptions(), serverName: SERVER_NAME });
  const draw = random(2);
  const users = Array.from({ length: options.users }, (_, i): UserId => `@user-${i}:${SERVER_NAME}`);
  const members = new Map<ServerName, readonly UserId[]>();
  for (const [rank, size] of audience(options).entries()) {
    const server: ServerName = `server-${rank}.test`;
    const roomId: RoomId = `!room-${rank}:${SERVER_NAME}`;
    const offset = Math.floor(draw() * users.length);
    // A stride without a common factor with the number of users: nobody comes twice.
    const stride = 7919;
    const ofServer = Array.from({ length: size }, (_, i) => users[(offset + i * stride) % users.length]!);
    engine.join(`@reader:${server}`, roomId);
    for (const userId of ofServer) engine.join(userId, roomId);
    members.set(server, ofServer);
  }
  const states = [...members.values()].reduce((sum, { length }) => sum + length, 0);
  const lastTold = new Map<string, number>();
  const world = { clock, engine, states, onRequest: (_states: number): void => undefined };
  let longestMs = 0;
  const note = (server: ServerName, body: string): number => {
    let count = 0;
    for (let at = body.indexOf('"user_id":"'); at >= 0; at = body.indexOf('"user_id":"', at + 11)) {
      count += 1;
      const userId = body.slice(at + 11, body.indexOf('"', at + 11));
      if (Number(userId.slice(6, userId.indexOf(':'))) % WATCHED_EVERY !== 0) continue;
      const key = `${server} ${userId}`;
      longestMs = Math.max(longestMs, clock.now() - (lastTold.get(key) ?? clock.now()));
      lastTold.set(key, clock.now());
    }
    return count;
  };
  const sender = new FederationSender({
    serverName: SERVER_NAME,
    transactions: {
      send: async (server, _txnId, body) => {
        world.onRequest(note(server, body));
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, options.answerMs));
        return { ok: true };
      },
    },
    store: new MemoryDestinationStore(),
    clock,
    logger: new SilentLogger(),
    metrics: new MemoryMetrics(),
    random: draw,
    isAllowed: () => true,
  });
  return Object.assign(world, {
    sender,
    comeOnline: (from: number, to: number): void => {
      const entries = users.slice(from, to).map((userId) => [userId, ONLINE] as const);
      engine.setPresenceForUsers(new Map(entries), clock.now());
    },
    /** The largest destinations hold more than a queue takes, and are read from here at first. */
    owed: {
      async *statesFor(server: ServerName) {
        const ofServer = members.get(server) ?? [];
        for (let i = 0; i < ofServer.length; i += 1000) {
          yield ofServer.slice(i, i + 1000).map((userId) => engine.stateOf(userId));
        }
      },
    },
    longestSilenceMs: () => {
      for (const ts of lastTold.values()) longestMs = Math.max(longestMs, clock.now() - ts);
      return longestMs;
    },
  });
}

/** By a module, so that nobody has to poll for two hours. */
const ONLINE = { state: 'online', statusMsg: 'working from the garden', ttlMs: 24 * 60 * MINUTE_MS } as const;
