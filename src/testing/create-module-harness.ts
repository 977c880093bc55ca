/**
 * Runs a module in a presence server in memory, with clients, rooms and other servers as a test says.
 *
 * Longer than most: it is one object whose members share the clients and the open syncs.
 */
import { serverNameOf, type RoomId, type UserId } from '../matrix/identifiers.ts';
import { isPresenceState } from '../matrix/presence-state.ts';
import type { SyncSession } from '../presence/index.ts';
import { show } from '../router-host/describe-value.ts';
import type { LoadedModule } from '../router-host/index.ts';
import type { PresenceOperations } from '../router-host/module-services.ts';
import type {
  HarnessRooms,
  InstanceOf,
  ModuleHarness,
  ModuleHarnessOptions,
  ModuleUnderTest,
} from './module-harness.ts';
import { describeDisagreements } from './describe-disagreements.ts';
import { describeLine, describeLineAndPlace } from './describe-line.ts';
import { readContent, TestClient } from './test-client.ts';
import { createTestServer, prepareModules } from './test-server.ts';

/**
 * @param Module - a class, function or object, as the module's file exports it
 * @throws ConfigError if `parseConfig` refuses the configuration; ModuleLoadError if construction fails
 */
export async function createModuleHarness<Module extends ModuleUnderTest>(
  Module: Module,
  options: ModuleHarnessOptions = {},
): Promise<ModuleHarness<InstanceOf<Module>>> {
  const { harness } = await createHarness<InstanceOf<Module>>(() => prepareModules(Module, options), options);
  return harness;
}

/** What a harness is made of, for those who have the modules from files. */
export interface HarnessParts<Instance> {
  readonly harness: ModuleHarness<Instance>;
  /** What the module's own api would do. */
  readonly operations: PresenceOperations;
  /** Pairs that only one of a module's two callbacks named. */
  readonly disagreements: () => readonly string[];
  /** What the harness calls problems, each with the line of the module that it comes from. */
  readonly problems: () => readonly string[];
  /** Whether a callback has not answered yet. */
  readonly isAsking: () => boolean;
  /** The longest that one may take, in ms. */
  readonly deadlineMs: number;
}

/** @param load - what the loader hands over: the module under test, and those after it */
export async function createHarness<Instance>(
  load: () => Promise<readonly LoadedModule[]>,
  options: Pick<ModuleHarnessOptions, 'serverName' | 'mode' | 'accounts' | 'startTs'>,
): Promise<HarnessParts<Instance>> {
  const { serverName = 'example.org', startTs } = options;
  const overrides = startTs === undefined ? {} : { startTs };
  const server = createTestServer(serverName, options, overrides);
  const { clock, metrics, logger, federation, directory, host, presence } = server;
  await presence.start();
  const [instance] = await host.construct(await load(), {
    serverName,
    publicBaseurl: `https://${serverName}/`,
    workerName: null,
    runsBackgroundTasks: true,
    presence,
    accounts: options.accounts ?? null,
  });

  /** Clients that poll, by user, and those that sync now and then, by user and device. */
  const clients = new Map<UserId, TestClient>();
  const devices = new Map<string, TestClient>();
  /** Open syncs of users whose presence was set. */
  const sessions = new Map<UserId, Promise<SyncSession>>();
  const clientsOf = (userId: UserId): TestClient[] => {
    const polling = clients.get(userId);
    const others = [...devices].filter(([key]) => key.startsWith(`${userId} `)).map(([, client]) => client);
    return polling === undefined ? others : [polling, ...others];
  };
  const isLocal = (userId: UserId): boolean => serverNameOf(userId) === serverName;
  const requireLocal = (userId: UserId): void => {
    if (!isLocal(userId)) throw new TypeError(`${userId} is not a user of ${serverName}: only those have clients here`);
  };

  const notified = presence.onNotify((users) => {
    for (const userId of users) clients.get(userId)?.wake().catch(reportUnexpected);
  });
  const unexpected: string[] = [];
  function reportUnexpected(error: unknown): void {
    unexpected.push(String(error));
  }

  const complaints = () => logger.lines.filter(({ level }) => level === 'warn' || level === 'error');

  /** Has all clients poll, and waits for everything but time: a client whose module hangs is connected when it is advanced. */
  async function settle(): Promise<void> {
    for (const client of clients.values()) client.poll().catch(reportUnexpected);
    await clock.settle();
  }

  function endSession(userId: UserId): void {
    sessions
      .get(userId)
      ?.then((session) => session.end())
      .catch(reportUnexpected);
    sessions.delete(userId);
  }

  const members = new Map<RoomId, Set<UserId>>();
  const rooms: HarnessRooms = {
    join(roomId, users) {
      const joined = members.get(roomId) ?? new Set();
      members.set(roomId, joined);
      for (const userId of listOf(users)) {
        for (const client of clientsOf(userId)) client.addRoomMates(joined);
        for (const mate of joined) for (const client of clientsOf(mate)) client.addRoomMates([userId]);
        joined.add(userId);
        directory.join(roomId, userId);
        if (isLocal(userId) && !clients.has(userId)) clients.set(userId, new TestClient(presence, userId, 'CLIENT'));
      }
      for (const mate of joined) clients.get(mate)?.wake().catch(reportUnexpected);
    },
    leave(roomId, users) {
      for (const userId of listOf(users)) {
        const mates = members.get(roomId);
        if (mates?.delete(userId) !== true) continue;
        for (const client of clientsOf(userId)) client.loseRoomMates(mates);
        for (const mate of mates) for (const client of clientsOf(mate)) client.loseRoomMates([userId]);
        directory.leave(roomId, userId);
        for (const mate of [userId, ...mates]) clients.get(mate)?.wake().catch(reportUnexpected);
      }
    },
  };

  const harness: ModuleHarness<Instance> = {
    serverName,
    instance: instance as Instance,
    rooms,

    async connect(userId) {
      requireLocal(userId);
      if (!clients.has(userId)) clients.set(userId, new TestClient(presence, userId, 'CLIENT'));
      await settle();
    },
    async disconnect(userId) {
      clients.get(userId)?.stop();
      clients.delete(userId);
      await settle();
    },
    received(userId) {
      const client = clients.get(userId);
      if (client === undefined)
        throw new Error(`no client of ${userId} is connected: await harness.connect('${userId}') first`);
      return client.received;
    },

    async setPresence(userId, { state, statusMsg = null }) {
      if (!isPresenceState(state)) throw new TypeError(`setPresence: ${show(state)} is not a presence state`);
      if (!isLocal(userId)) {
        await harness.receiveFromServer(serverNameOf(userId), [{ userId, state, statusMsg }]);
        return;
      }
      await settle();
      if (state === 'offline') {
        endSession(userId);
        await clock.settle();
      }
      await presence.setPresence(userId, 'PHONE', state, statusMsg);
      if (state !== 'offline' && !sessions.has(userId)) {
        // Counts as connected without claiming anything more.
        const options = { setPresence: 'online', explicit: false, rateLimited: true } as const;
        sessions.set(userId, Promise.resolve(presence.beginSync(userId, 'PHONE', options)));
      }
      await settle();
    },
    async sync(userId, { device = 'DEVICE', fullState = false } = {}) {
      requireLocal(userId);
      await settle();
      const key = `${userId} ${device}`;
      const client = devices.get(key) ?? new TestClient(presence, userId, device);
      devices.set(key, client);
      const found = await client.sync(fullState);
      await settle();
      return found;
    },
    async get(observer, target) {
      requireLocal(observer);
      await settle();
      const status = await presence.statusFor(observer, target);
      return status === null ? null : readContent(target, JSON.parse(status));
    },

    async receiveFromServer(origin, given) {
      await settle();
      const now = clock.now();
      await presence.receiveRemote(
        origin,
        given.map(({ userId, state, statusMsg = null, lastActiveAgoMs = 0, currentlyActive = state === 'online' }) => {
          return { userId, state, statusMsg, currentlyActive, lastActiveTs: now - lastActiveAgoMs };
        }),
      );
      await settle();
    },
    sentToServers: () =>
      federation.sent.flatMap(({ destination, states }) =>
        states.map(({ userId, state, statusMsg, currentlyActive }) => {
          return { destination, userId, state, statusMsg, currentlyActive };
        }),
      ),
    clear() {
      federation.clear();
      for (const client of clients.values()) client.clear();
    },

    async advance(by) {
      const { seconds = 0, minutes = 0, ms = 0 } = checkDuration(by);
      await settle();
      await clock.advance(minutes * 60_000 + seconds * 1000 + ms);
      await settle();
    },
    now: () => clock.now(),
    settle,

    async fetch(path, init) {
      const url = new URL(path, `https://${serverName}/`);
      const answer = host.webResources.find(url.pathname);
      return answer === null ? null : answer(new Request(url, init));
    },
    problems: () => [...unexpected, ...complaints().map(describeLine)],
    metric: (name, labels) => metrics.value(name, labels),

    async [Symbol.asyncDispose]() {
      notified[Symbol.dispose]();
      for (const client of clients.values()) client.stop();
      for (const userId of sessions.keys()) endSession(userId);
      await host.stop();
      await presence.stop();
    },
  };
  return {
    harness,
    operations: presence,
    disagreements: () => describeDisagreements(host.router),
    problems: () => [...unexpected, ...complaints().map(describeLineAndPlace)],
    isAsking: () => host.router.modules().some(({ callbacks }) => callbacks.some(({ running }) => running > 0)),
    deadlineMs: host.router.deadlineMs,
  };
}

/** Tests can be written in plain JavaScript, and time that does not move is hard to find. */
function checkDuration(by: { seconds?: number; minutes?: number; ms?: number }): typeof by {
  for (const [unit, value] of Object.entries(by)) {
    if (!['minutes', 'seconds', 'ms'].includes(unit)) {
      throw new TypeError(`advance: ${show(unit)} is not known; give minutes, seconds or ms`);
    }
    if (value === undefined || (Number.isFinite(value) && value >= 0)) continue;
    throw new TypeError(`advance: ${unit} is ${show(value)} rather than a number from 0`);
  }
  return by;
}

function listOf(users: UserId | readonly UserId[]): readonly UserId[] {
  return typeof users === 'string' ? [users] : users;
}
