/**
 * Two real servers in processes of their own, with ten users each whom a module shows to everybody, over real TLS sockets.
 *
 * Each server is reached by the other through a relay, so that the line between them can be bad. What a user's state is, is what their own
 * server says; it must be what was acknowledged last. `lost` compares it with what the other server and a client there say.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type FederationNet, startFederationNet } from './federation-net.ts';
import { type SpawnedServer, type SpawnOptions, spawnServer } from './spawn-server.ts';
import { startTcpRelay, type TcpRelay } from './tcp-relay.ts';
import type { PresenceContent, TestUser } from './test-client.ts';

export const PEOPLE = 10;
const STATES = ['online', 'unavailable', 'offline'] as const;

interface Told {
  readonly presence: string;
  readonly statusMsg: string | undefined;
}

/** A user, and what their server may say of them: what it acknowledged last, and what was tried since and not answered. */
interface Person {
  readonly user: TestUser;
  possible: readonly Told[];
}

export interface Side {
  readonly name: string;
  readonly server: SpawnedServer;
  readonly people: readonly Person[];
  /** What others reach this server through. */
  readonly relay: TcpRelay;
  /** Puts a state; false if the server did not acknowledge it. */
  change(index: number, presence: string, statusMsg?: string): Promise<boolean>;
  /** Everybody changes once, to some state or other. */
  changeAll(label: string): Promise<void>;
  /** Everybody changes, again and again, until the function that is returned is called; it resolves when all is said. */
  keepChanging(label: string): () => Promise<number>;
  /** What a client here has been told of somebody. */
  seen(userId: string): PresenceContent | undefined;
  /** The value of a metric as /metrics shows it; null if it is not there. */
  metric(series: string): Promise<number | null>;
}

export interface Pair extends AsyncDisposable {
  readonly net: FederationNet;
  readonly one: Side;
  readonly two: Side;
  /** Final states that are not right at the moment, in words. */
  lost(): Promise<readonly string[]>;
  /** The same as soon as there is none, or after `withinMs`. */
  settled(withinMs?: number): Promise<readonly string[]>;
}

export interface PairOptions {
  /** Top-level keys for both. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Users of other servers whom the modules connect with everybody here. */
  readonly others?: readonly string[];
  readonly one?: Pick<SpawnOptions, 'env'>;
  readonly two?: Pick<SpawnOptions, 'env'>;
}

const IMPATIENT = {
  federation: {
    client_timeout: '1s',
    max_long_retry_delay: 200,
    destination_min_retry_interval: 200,
    destination_max_retry_interval: 400,
  },
  federation_presence: { coalescing_window: 20 },
};

export async function startPair(options: PairOptions = {}): Promise<Pair> {
  const net = await startFederationNet();
  const held: AsyncDisposable[] = [net];
  const dispose = async (): Promise<void> => {
    for (const thing of held.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
  };
  try {
    const random = createRandom(1);
    const start = async (name: string, env: SpawnOptions['env'] = {}): Promise<Side> => {
      const relay = await startTcpRelay(await net.portOf(name));
      held.push(relay);
      net.dns.set(`_matrix-fed._tcp.${name}`, { SRV: [{ name: `host.${name}`, port: relay.port }] });
      const server = await spawnServer({ ...(await net.server(name, pairConfig(options))), env });
      held.push(server);
      const side = await settle(name, server, relay, random);
      held.push(side);
      return side;
    };
    const [one, two] = await Promise.all([start('one', options.one?.env), start('two', options.two?.env)]);
    const lost = async (): Promise<readonly string[]> => [...(await lostOf(one, two)), ...(await lostOf(two, one))];
    return {
      net,
      one,
      two,
      lost,
      settled: async (withinMs = 20_000) => {
        const deadline = Date.now() + withinMs;
        for (;;) {
          const missing = await lost();
          if (missing.length === 0 || Date.now() >= deadline) return missing;
          await sleep(20);
        }
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function pairConfig(options: PairOptions): Parameters<FederationNet['server']>[1] {
  const members = ['one', 'two'].flatMap((name) => [
    ...Array.from({ length: PEOPLE }, (_, index) => `@user${index}:${name}`),
    `@watcher:${name}`,
  ]);
  members.push(...(options.others ?? []));
  return {
    modules: [{ module: 'examples/groups/groups.ts', config: { groups: { all: members } } }],
    config: {
      ...IMPATIENT,
      // Nothing but what the tests do changes a state.
      presence: { last_active_granularity: '30m', sync_online_timeout: '1h', idle_timeout: '1h' },
      log: { level: 'info', format: 'json' },
      ...options.config,
    },
  };
}

async function settle(
  name: string,
  server: SpawnedServer,
  relay: TcpRelay,
  random: () => number,
): Promise<Side & AsyncDisposable> {
  const users = await Promise.all(Array.from({ length: PEOPLE }, (_, index) => server.register(`user${index}`)));
  const people = users.map((user): Person => ({ user, possible: [{ presence: 'offline', statusMsg: undefined }] }));
  const watcher = watch(await server.register('watcher'));

  const change: Side['change'] = async (index, presence, statusMsg) => {
    const person = people[index] as Person;
    const next = { presence, statusMsg };
    person.possible = [...person.possible, next];
    try {
      const { status } = await person.user.setPresence(presence, statusMsg);
      if (status !== 200) return false;
    } catch {
      return false;
    }
    person.possible = [next];
    return true;
  };
  const changeOne = (index: number, label: string): Promise<boolean> => {
    const presence = STATES[Math.floor(random() * STATES.length)] as string;
    return change(index, presence, random() < 0.3 ? undefined : label);
  };
  return {
    name,
    server,
    people,
    relay,
    change,
    changeAll: async (label) => {
      await Promise.all(people.map((_, index) => changeOne(index, label)));
    },
    keepChanging: (label) => {
      const stopping = new AbortController();
      let changes = 0;
      const work = async (): Promise<number> => {
        for (let round = 0; !stopping.signal.aborted; round++) {
          const index = Math.floor(random() * PEOPLE);
          if (await changeOne(index, `${label} ${round}`)) changes++;
          else await sleep(10);
        }
        return changes;
      };
      const working = work();
      return () => {
        stopping.abort();
        return working;
      };
    },
    seen: (userId) => watcher.seen.get(userId),
    metric: async (series) => {
      const text = (await server.request('GET', '/metrics')).body as string;
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? null : Number(line.slice(series.length + 1));
    },
    [Symbol.asyncDispose]: () => watcher.stop(),
  };
}

/** A client that syncs for as long as the test lasts, through all that befalls its server. */
function watch(user: TestUser): {
  readonly user: TestUser;
  readonly seen: ReadonlyMap<string, PresenceContent>;
  stop(): Promise<void>;
} {
  const seen = new Map<string, PresenceContent>();
  const stopping = new AbortController();
  const work = async (): Promise<void> => {
    let since: string | undefined;
    while (!stopping.signal.aborted) {
      try {
        const query = { since, timeout: since === undefined ? 0 : 10_000, set_presence: 'offline' };
        const body = await user.sync(query, stopping.signal);
        since = body.next_batch as string;
        for (const { sender, content } of body.presence?.events ?? []) seen.set(sender, content);
      } catch {
        await sleep(20);
      }
    }
  };
  const working = work();
  return {
    user,
    seen,
    stop: async () => {
      stopping.abort();
      await working;
    },
  };
}

/** Users of `home` of whom `away` or its client say something else than `home`, or `home` than what it acknowledged. */
async function lostOf(home: Side, away: Side): Promise<string[]> {
  const wrong: string[] = [];
  await Promise.all(
    home.people.map(async ({ user, possible }) => {
      const observer = away.people[0] as Person;
      const [own, others] = await Promise.all([
        askedOf(() => user.getPresence(user.userId)),
        askedOf(() => observer.user.getPresence(user.userId)),
      ]);
      const told = away.seen(user.userId) ?? { presence: 'offline' };
      if (own === null || !possible.some((each) => shown(each.presence, each.statusMsg) === shownOf(own))) {
        wrong.push(`${user.userId} is ${JSON.stringify(own)} at home, which acknowledged ${JSON.stringify(possible)}`);
      } else if (others === null || shownOf(own) !== shownOf(others)) {
        wrong.push(`${user.userId} is ${shownOf(own)}, and at ${away.name} ${JSON.stringify(others)}`);
      } else if (shownOf(own) !== shownOf(told)) {
        wrong.push(`${user.userId} is ${shownOf(own)}, and to a client of ${away.name} ${JSON.stringify(told)}`);
      }
    }),
  );
  return wrong;
}

async function askedOf(
  ask: () => Promise<{ readonly status: number; readonly body: PresenceContent }>,
): Promise<PresenceContent | null> {
  try {
    const { status, body } = await ask();
    return status === 200 ? body : null;
  } catch {
    return null;
  }
}

function shownOf({ presence, status_msg: statusMsg }: PresenceContent): string {
  return shown(presence, statusMsg);
}

function shown(presence: string, statusMsg: string | undefined): string {
  return JSON.stringify([presence, statusMsg ?? null]);
}

/** The same numbers every time (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
