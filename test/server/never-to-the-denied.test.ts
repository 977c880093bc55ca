/**
 * A real server whose module is loaded anew, fails, takes its time, and routes at random, while everybody changes, comes and goes, and the server
 * is killed: whoever is denied a user in all of it is never told of them, and in the end everybody believes what is so.
 *
 * To search for longer: `SEED=12 STEPS=100 npx vitest run test/server/never-to-the-denied.test.ts`
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createRandom } from '../support/server-pair.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import type { PresenceContent, TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';

const STEPS = Number(process.env['STEPS'] ?? 14);
const random = createRandom(Number(process.env['SEED'] ?? 4));
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

const NAMES = ['ann', 'ben', 'cat', 'dan', 'eve'] as const;
const IDS = NAMES.map((name) => `@${name}:test.example`);
const [ANN, BEN, CAT, DAN, EVE] = IDS as [string, string, string, string, string];
/** Source → observer, in whatever a module says. */
const DENIED: readonly (readonly [string, string])[] = [
  [ANN, BEN],
  [ANN, EVE],
  [CAT, ANN],
  ...IDS.filter((userId) => userId !== DAN).map((userId): [string, string] => [DAN, userId]),
];
const isDenied = (source: string, observer: string): boolean =>
  DENIED.some(([from, to]) => from === source && to === observer);

type Restriction = 'deny' | 'offline' | { readonly hide: readonly string[] } | null;

/** What the module says from one reload to the next. */
interface Generation {
  readonly routes: Readonly<Record<string, readonly string[]>>;
  readonly restrictions: Readonly<Record<string, Restriction | Readonly<Record<string, Restriction>>>>;
  readonly fails: boolean;
  readonly isSlow: boolean;
}

const MODULE = `import { generation } from './generation.ts';
const everybody = ${JSON.stringify(IDS)};
export default class {
  constructor(_, api) {
    api.registerPresenceRouterCallbacks(this);
    api.loopingBackgroundCall(() => api.sendLocalOnlinePresenceTo(everybody), 100);
  }
  getUsersForStates(updates) {
    const users = new Map();
    for (const update of updates)
      for (const target of generation.routes[update.userId] ?? []) users.set(target, [...(users.get(target) ?? []), update]);
    return users;
  }
  getInterestedUsers(userId) {
    return Object.keys(generation.routes).filter((source) => generation.routes[source].includes(userId));
  }
  getRestrictions(source) {
    if (generation.fails && Math.random() < 0.5) throw new Error('not today');
    const answer = generation.restrictions[source] ?? null;
    return generation.isSlow ? new Promise((resolve) => setTimeout(resolve, Math.random() * 40, answer)) : answer;
  }
}
`;

function someGeneration(): Generation {
  const some = (): Restriction =>
    pick<Restriction>([null, null, 'deny', 'offline', { hide: ['status_msg'] }, { hide: ['last_active_ago'] }]);
  const restrictions = IDS.map((source) => {
    const named = IDS.filter((observer) => observer !== source && (isDenied(source, observer) || random() < 0.4));
    const each = named.map((observer) => [observer, isDenied(source, observer) ? 'deny' : some()] as const);
    return [source, source === DAN && random() < 0.5 ? ('deny' as const) : Object.fromEntries(each)] as const;
  });
  return {
    routes: Object.fromEntries(IDS.map((source) => [source, IDS.filter((id) => id !== source && random() < 0.4)])),
    restrictions: Object.fromEntries(restrictions),
    fails: random() < 0.4,
    isSlow: random() < 0.4,
  };
}

const text = (generation: Generation): string => `export const generation: any = ${JSON.stringify(generation)};\n`;

function put(server: SpawnedServer, generation: Generation): void {
  const file = join(server.dir, 'generation.ts');
  writeFileSync(`${file}.tmp`, text(generation));
  renameSync(`${file}.tmp`, file);
}

/** Goes on until it is stopped, whatever becomes of the server meanwhile. */
function goOn(work: () => Promise<void>): () => Promise<void> {
  const stopping = new AbortController();
  const working = (async () => {
    while (!stopping.signal.aborted) await work().catch(() => sleep(20));
  })();
  return () => {
    stopping.abort();
    return working;
  };
}

it('row 328: whoever is denied somebody hears nothing of them, through reloads, failures and kill -9; all end as it is said last', {
  timeout: 60_000 + STEPS * 3_000,
}, async () => {
  let generation = someGeneration();
  await using server = await spawnServer({
    files: { 'generation.ts': text(generation) },
    modules: [{ source: MODULE }],
    config: { presence: { last_active_granularity: '30m', sync_online_timeout: '1h', idle_timeout: '1h' } },
  });
  const users: TestUser[] = [];
  for (const name of NAMES) users.push(await server.register(name));
  const userOf = (userId: string): TestUser => users[IDS.indexOf(userId)] as TestUser;
  const rooms: string[] = [];
  for (const user of users.slice(0, 2)) rooms.push(await user.createRoom());
  const members = rooms.map((_, index) => new Set([IDS[index] as string]));

  const beliefs = new Map<string, PresenceContent>();
  /** Users → what they were told of their own status message. */
  const marks = new Map(IDS.map((userId) => [userId, new Set<string>()]));
  const leaks: string[] = [];
  const told = (observer: string, source: string, content: PresenceContent): void => {
    beliefs.set(`${observer} ${source}`, content);
    if (observer === source) marks.get(observer)?.add(content.status_msg ?? '');
    if (isDenied(source, observer) && (content.presence !== 'offline' || Object.keys(content).length > 1))
      leaks.push(`${observer} was told that ${source} is ${JSON.stringify(content)}`);
  };
  let count = 0;
  const stops = users.map((user) => {
    let since: string | undefined;
    return goOn(async () => {
      const timeout = since === undefined ? 0 : 2_000;
      const body = await user.sync({ since, timeout, set_presence: 'offline' });
      since = body.next_batch as string;
      for (const { sender, content } of body.presence?.events ?? []) told(user.userId, sender, content);
    });
  });
  const looks = [
    goOn(async () => {
      count += 1;
      await pick(users).setPresence(pick(['online', 'unavailable', 'offline']), `secret ${count}`);
    }),
    goOn(async () => {
      const [source, observer] = pick(DENIED);
      const { status, body } = await userOf(observer).getPresence(source);
      if (status === 200) leaks.push(`${observer} got ${JSON.stringify(body)} of ${source}`);
      const first = await userOf(observer).sync({ set_presence: 'offline' });
      const found = (first.presence?.events ?? []).find(({ sender }: { sender: string }) => sender === source);
      if (found !== undefined) leaks.push(`${observer} has ${JSON.stringify(found)} in a first sync`);
      await sleep(10);
    }),
  ];

  /** Everybody has polled, and so has been told of all that was: they see themselves. */
  const settled = async (): Promise<void> => {
    for (const user of users) {
      // Somebody may say something else before this is told.
      await until(async () => {
        const mark = `mark ${random()}`;
        await user.setPresence('online', mark);
        await sleep(30);
        return marks.get(user.userId)?.has(mark) === true;
      });
    }
  };
  let reloads = 0;
  const reload = async (next: Generation): Promise<void> => {
    generation = next;
    put(server, generation);
    reloads += 1;
    server.program.child.kill('SIGHUP');
    await until(() => server.program.stdout().split('"msg":"modules reloaded"').length - 1 === reloads);
  };
  for (let step = 0; step < STEPS; step++) {
    const [index, userId] = [Math.floor(random() * rooms.length), pick(IDS)];
    const room = rooms[index] as string;
    // Somebody has to stay: nobody could come back.
    if (members[index]?.has(userId) && members[index].size > 1) {
      const leaving = await userOf(userId).request('POST', `/rooms/${encodeURIComponent(room)}/leave`, { body: {} });
      expect(leaving.status).toBe(200);
      members[index].delete(userId);
    } else {
      await userOf(userId).join(room);
      members[index]?.add(userId);
    }
    if (step % 5 === 4) {
      // Who loses sight of somebody by a module's word and is not told before a crash is not told after it.
      await settled();
      await server.kill();
      await server.restart();
      reloads = 0;
    } else await reload(someGeneration());
    await sleep(random() * 100);
  }
  await Promise.all(looks.map((stop) => stop()));

  await reload({ ...someGeneration(), fails: false, isSlow: false });
  for (const [index, user] of users.entries())
    await user.setPresence(index % 2 === 0 ? 'online' : 'unavailable', 'last');
  const wrong = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const source of IDS) {
      for (const observer of IDS.filter((id) => id !== source)) {
        const isNamed =
          generation.routes[source]?.includes(observer) ||
          members.some((room) => room.has(source) && room.has(observer));
        const about = generation.restrictions[source] as Restriction & Readonly<Record<string, Restriction>>;
        const kept = about === 'deny' ? about : (about?.[observer] ?? null);
        const state = IDS.indexOf(source) % 2 === 0 ? 'online' : 'unavailable';
        const shown = !isNamed || kept === 'deny' ? null : kept === 'offline' ? 'offline' : state;
        const { status, body } = await userOf(observer).getPresence(source);
        const asked = status === 200 ? body.presence : null;
        const believed = beliefs.get(`${observer} ${source}`)?.presence ?? 'offline';
        if (asked !== shown || believed !== (shown ?? 'offline'))
          found.push(`${observer} gets ${asked} and believes ${believed} of ${source}, who is ${shown} to them`);
      }
    }
    return found;
  };
  let last: string[] = [];
  await until(async () => (last = await wrong()).length === 0, 15_000).catch(() => undefined);
  await Promise.all(stops.map((stop) => stop()));
  expect(last).toEqual([]);
  expect(leaks).toEqual([]);
  expect(count).toBeGreaterThan(100);
});
