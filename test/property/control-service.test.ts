/**
 * Full control over the whole presence service, with real modules in the real module host: they answer at once, late, never, or throw, change
 * their minds, and are replaced, while users change and clients poll, leave and come back.
 *
 * Of some pairs every module there ever is denies the source to the observer, or hides something: that never reaches a client. When
 * all has settled every client believes what the modules say now.
 */
import * as fc from 'fast-check';
import { deepStrictEqual, ok } from 'node:assert/strict';
import { it } from 'vitest';
import type { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import type { RoomId, UserId } from '../../src/matrix/identifiers.ts';
import type { ModuleApi } from '../../src/module/module-api.ts';
import type { Observer, Restriction, Restrictions } from '../../src/module/callbacks.ts';
import { DEFAULT_CALLBACK_LIMITS } from '../../src/router-host/callback-limits.ts';
import type { ReceivedPresence } from '../../src/testing/module-harness.ts';
import { TestClient } from '../../src/testing/test-client.ts';
import { createTestServer, prepareModules } from '../../src/testing/test-server.ts';

const { THALAMUS_SEED = '20261122', THALAMUS_RUNS = '60' } = process.env;
const parameters = {
  numRuns: Number(THALAMUS_RUNS),
  ...(THALAMUS_SEED === 'random' ? {} : { seed: Number(THALAMUS_SEED) }),
};

const USERS = ['@a:test', '@b:test', '@c:test', '@d:test'] as const satisfies readonly UserId[];
const ROOMS = ['!one:test', '!two:test'] as const satisfies readonly RoomId[];
/** Source, observer and what is never let through, whatever else modules say. */
const ALWAYS: readonly (readonly [UserId, UserId, Restriction])[] = [
  ['@a:test', '@b:test', 'deny'],
  ['@a:test', '@c:test', { hide: ['status_msg'] }],
  ['@b:test', '@c:test', 'offline'],
];
const RESTRICTIONS: readonly (Restriction | null)[] = [null, null, 'deny', 'offline', { hide: ['status_msg'] }];

/** How a module answers: at once, after so many ms, never, or with a throw. */
type Manner = 'at once' | 'late' | 'never' | 'throws';

interface Rules {
  readonly manner: Manner;
  /** Whether what it says of a source is for everybody. */
  readonly isWhole: boolean;
  readonly denials: readonly (readonly [UserId, UserId | '*', Restriction | null])[];
}

type Step =
  | {
      readonly do: 'put';
      readonly user: UserId;
      readonly state: 'online' | 'unavailable' | 'offline';
      readonly status: number;
    }
  | { readonly do: 'join' | 'leave'; readonly user: UserId; readonly room: RoomId }
  | { readonly do: 'poll' | 'stop' | 'sync'; readonly user: UserId; readonly device: number }
  | { readonly do: 'rules'; readonly module: number; readonly rules: Rules; readonly invalidates: boolean }
  | { readonly do: 'reload'; readonly rules: readonly Rules[] }
  | { readonly do: 'snapshot'; readonly user: UserId }
  | { readonly do: 'wait'; readonly ms: number };

const user = fc.constantFrom(...USERS);
const rules: fc.Arbitrary<Rules> = fc.record({
  manner: fc.constantFrom<Manner>('at once', 'at once', 'late', 'late', 'never', 'throws'),
  isWhole: fc.boolean(),
  denials: fc.array(fc.tuple(user, fc.constantFrom<UserId | '*'>(...USERS, '*'), fc.constantFrom(...RESTRICTIONS)), {
    maxLength: 5,
  }),
});
const device = fc.nat(1);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('put' as const),
        user,
        state: fc.constantFrom('online' as const, 'unavailable' as const, 'offline' as const),
        status: fc.nat(3),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('join' as const, 'join' as const, 'leave' as const),
        user,
        room: fc.constantFrom(...ROOMS),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constantFrom('poll' as const, 'stop' as const, 'sync' as const), user, device }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('rules' as const), module: fc.nat(1), rules, invalidates: fc.boolean() }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('reload' as const),
        rules: fc.array(rules, { minLength: 1, maxLength: 2 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const), user }) },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 20, 300, 3_000, 70_000) }),
    },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
);

const LATE_MS = 250;

/** A module whose rules the test changes. */
class Module {
  static readonly all: Module[] = [];
  rules: Rules;
  readonly #api: ModuleApi;

  constructor(config: { readonly index: number; readonly rules: Rules }, api: ModuleApi) {
    this.rules = config.rules;
    this.#api = api;
    Module.all[config.index] = this;
    api.registerPresenceRouterCallbacks({
      getRestrictions: (source, observers) => this.#answer(source, observers),
    });
  }

  invalidate(): void {
    this.#api.invalidateRestrictions();
  }

  #answer(source: UserId, observers: readonly Observer[]): Restrictions | Promise<Restrictions> {
    const { manner } = this.rules;
    if (manner === 'throws') throw new Error('broken');
    if (manner === 'never') return new Promise(() => undefined);
    if (manner === 'at once') return this.#says(source, observers);
    // What it thinks when it was asked is what it says.
    const says = this.#says(source, observers);
    return this.#api.sleep(LATE_MS / 1000).then(() => says);
  }

  #says(source: UserId, observers: readonly Observer[]): Restrictions {
    const said = new Map<Observer | '*', Restriction | null>();
    const { denials, isWhole } = this.rules;
    if (isWhole) said.set('*', null);
    for (const [of, observer, restriction] of denials) {
      if (of === source && (observer !== '*' || isWhole)) said.set(observer, restriction);
    }
    for (const [of, observer, restriction] of ALWAYS) if (of === source) said.set(observer, restriction);
    if (!isWhole) for (const named of said.keys()) if (!observers.includes(named)) said.delete(named);
    return said;
  }
}

/** What one set of rules says of a pair. */
function restrictionBy({ denials, isWhole }: Rules, source: UserId, observer: UserId): Restriction | null {
  const always = ALWAYS.find(([of, to]) => of === source && to === observer);
  if (always !== undefined) return always[2];
  const own = denials.findLast(([of, to]) => of === source && to === observer);
  if (own !== undefined) return own[2];
  if (!isWhole) return null;
  return denials.findLast(([of, to]) => of === source && to === '*')?.[2] ?? null;
}

class History {
  readonly server = createTestServer('test', {});
  readonly clients = new Map<string, TestClient>();
  /** What each client was told, by polls and by single syncs, in order. */
  readonly #told = new Map<string, ReceivedPresence[]>();
  readonly #rooms = new Map<RoomId, Set<UserId>>();
  #isReloading: Promise<void> | null = null;

  get #services() {
    const { presence } = this.server;
    return {
      serverName: 'test',
      publicBaseurl: null,
      workerName: null,
      runsBackgroundTasks: true,
      presence,
      accounts: null,
    } as const;
  }

  #prepare(all: readonly Rules[]) {
    const [first, ...others] = all.map((one, index) => ({ index, rules: one }));
    const callbacks = { ...DEFAULT_CALLBACK_LIMITS, restMs: 2_000, failuresBeforeRest: 3 };
    return prepareModules(Module, {
      config: first,
      callbacks,
      otherModules: others.map((config, index) => ({
        module: Module,
        config,
        name: `other ${index}`,
      })),
    });
  }

  async run(steps: readonly Step[]): Promise<void> {
    const { clock, host, presence } = this.server;
    Module.all.length = 0;
    await presence.start();
    const quiet: Rules = { manner: 'at once', isWhole: false, denials: [] };
    await host.construct(await this.#prepare([quiet, quiet]), this.#services);
    presence.routeUnanswered();
    presence.onNotify((users) => {
      for (const userId of users) for (const client of this.#of(userId)) client.wake().catch(() => undefined);
    });
    for (const step of steps) {
      await this.#play(step);
      this.#check();
    }
    await this.#settle(clock);
    this.#check();
    for (const [key, client] of this.clients) this.#compare(key, client);
    await host.stop();
    await presence.stop();
  }

  #of(userId: UserId): TestClient[] {
    return [0, 1].flatMap((device) => this.clients.get(`${userId} ${device}`) ?? []);
  }

  #client(userId: UserId, device: number): TestClient {
    const key = `${userId} ${device}`;
    const client = this.clients.get(key) ?? new TestClient(this.server.presence, userId, `DEVICE${device}`);
    this.clients.set(key, client);
    return client;
  }

  async #play(step: Step): Promise<void> {
    const { clock, presence } = this.server;
    const ignore = (): undefined => undefined;
    switch (step.do) {
      case 'put':
        presence.setPresence(step.user, 'PHONE', step.state, `status ${step.status}`).catch(ignore);
        return clock.settle();
      case 'join':
      case 'leave':
        return this.#move(step);
      case 'poll':
        this.#client(step.user, step.device).poll().catch(ignore);
        return clock.settle();
      case 'stop':
        this.#client(step.user, step.device).stop();
        return;
      case 'sync': {
        const client = this.#client(step.user, step.device);
        const told = this.#drain(`${step.user} ${step.device}`, client);
        client.sync().then((found) => {
          this.#drain(`${step.user} ${step.device}`, client);
          told.push(...found);
        }, ignore);
        return clock.settle();
      }
      case 'rules': {
        const module = Module.all[step.module];
        if (module === undefined) return;
        module.rules = step.rules;
        if (step.invalidates) module.invalidate();
        return clock.settle();
      }
      case 'reload':
        if (this.#isReloading !== null) return;
        return this.#reload(step.rules);
      case 'snapshot':
        presence.sendLocalOnlinePresenceTo([step.user]).catch(ignore);
        return clock.settle();
      case 'wait':
        return clock.advance(step.ms);
    }
  }

  async #reload(all: readonly Rules[]): Promise<void> {
    const { host, presence } = this.server;
    let replaced: Promise<void> = Promise.resolve();
    const modules = await this.#prepare(all);
    await host.replace(modules, this.#services, () => {
      replaced = presence.modulesReplaced();
    });
    Module.all.length = all.length;
    this.#isReloading = replaced.finally(() => {
      this.#isReloading = null;
    });
    this.#isReloading.catch(() => undefined);
    await this.server.clock.settle();
  }

  async #move({ do: what, user: userId, room }: Extract<Step, { do: 'join' | 'leave' }>): Promise<void> {
    const { clock, directory } = this.server;
    const members = this.#rooms.get(room) ?? new Set<UserId>();
    this.#rooms.set(room, members);
    if (members.has(userId) === (what === 'join')) return;
    if (what === 'join') members.add(userId);
    else members.delete(userId);
    directory[what](room, userId);
    const mates = [...members].filter((mate) => mate !== userId);
    const tell = what === 'join' ? 'addRoomMates' : 'loseRoomMates';
    for (const client of this.#of(userId)) client[tell](mates);
    for (const mate of mates) for (const client of this.#of(mate)) client[tell]([userId]);
    for (const one of [userId, ...mates]) for (const client of this.#of(one)) client.wake().catch(() => undefined);
    await clock.settle();
  }

  /** Modules answer at once from now on, are asked once more, and everybody polls. */
  async #settle(clock: ManualClock): Promise<void> {
    for (const module of Module.all) module.rules = { ...module.rules, manner: 'at once' };
    await clock.advance(60_000);
    await this.#isReloading;
    for (const module of Module.all) module.invalidate();
    await clock.advance(60_000);
    for (const client of this.clients.values()) client.poll().catch(() => undefined);
    await clock.advance(10_000);
  }

  /** All that the client was told until now. */
  #drain(key: string, client: TestClient): ReceivedPresence[] {
    const told = this.#told.get(key) ?? [];
    this.#told.set(key, told);
    told.push(...client.received);
    client.clear();
    return told;
  }

  /** What is denied by all that there ever is has reached nobody. */
  #check(): void {
    for (const [key, client] of this.clients) {
      for (const { userId: source, state, statusMsg } of this.#drain(key, client)) {
        const always = ALWAYS.find(([of, to]) => of === source && key.startsWith(`${to} `));
        if (always === undefined) continue;
        const [, , restriction] = always;
        if (typeof restriction === 'object') ok(statusMsg === null, `${key} gets the status of ${source}`);
        else ok(state === 'offline', `${key} is told that ${source} is ${state}`);
        if (restriction === 'deny') throw new Error(`${key} is told of ${source}, though as ${state}`);
      }
    }
  }

  #compare(key: string, client: TestClient): void {
    const [observer] = key.split(' ') as [UserId, string];
    const told = this.#drain(key, client);
    for (const source of USERS) {
      const last = told.findLast(({ userId }) => userId === source);
      const known =
        last === undefined || last.state === 'offline' ? 'offline' : `${last.state} ${last.statusMsg ?? ''}`;
      deepStrictEqual(known, this.#expected(observer, source), `what ${key} believes of ${source}`);
    }
  }

  #expected(observer: UserId, source: UserId): string {
    const { state, statusMsg } = this.server.presence.getState(source);
    const isMate = [...this.#rooms.values()].some((members) => members.has(observer) && members.has(source));
    if (state === 'offline' || !(isMate || observer === source)) return 'offline';
    if (observer === source) return `${state} ${statusMsg ?? ''}`;
    const said = Module.all.map((module) => restrictionBy(module.rules, source, observer));
    if (said.includes('deny') || said.includes('offline')) return 'offline';
    return `${state} ${said.some((one) => one !== null) ? '' : (statusMsg ?? '')}`;
  }
}

it('row 328: nobody is ever told what all modules withhold, and in the end everybody believes what the modules say', async () => {
  await fc.assert(
    fc.asyncProperty(steps, (all) => new History().run(all)),
    parameters,
  );
}, 240_000);
