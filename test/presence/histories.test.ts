/**
 * Random histories over the service, with a store that is slow and fails and routers that are slow: when everything has settled,
 * every connected observer knows the final state of everybody they may see, and nobody ever saw anything that was not durable.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { MemoryPresenceStore } from '../../src/adapters/memory/presence-store.ts';
import type { RoutingAnswer } from '../../src/core/engine-api.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { PortError } from '../../src/ports/errors.ts';
import type { PresenceRow } from '../../src/ports/presence-store.ts';
import { DEFAULT_LIMITS, type SyncSession } from '../../src/presence/index.ts';
import type { Interest } from '../../src/router-host/index.ts';
import { type Client, type Content, Rig, StubRouter } from './rig.ts';

const USERS = ['@a:test', '@b:test', '@c:test', '@d:test', '@e:test'] as const satisfies readonly UserId[];
const REMOTE: UserId = '@q:remote';
const EVERYBODY: readonly UserId[] = [...USERS, REMOTE];

const user = fc.constantFrom(...USERS);
const state = fc.constantFrom('online', 'unavailable', 'offline');
const users = fc.uniqueArray(fc.constantFrom(...EVERYBODY), { maxLength: 4 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put'), user, state, status: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('begin'), user, device: fc.nat(1), state, explicit: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('bump'), user }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set'), users, state, status: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remote'), state, status: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('route'), user, users }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('interest'), user, users: fc.oneof(users, fc.constant('ALL')) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot'), users }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('logout'), user, device: fc.nat(1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('store'),
      fails: fc.boolean(),
      delayMs: fc.constantFrom(0, 0, 1, 40, 400),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('router'), delayMs: fc.constantFrom(-1, 0, 10, 900) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reconnect'), user }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(0, 1, 30, 700, 6_000, 40_000) }) },
) as fc.Arbitrary<Step>;

type Step =
  | { kind: 'put'; user: UserId; state: State; status: number }
  | { kind: 'begin'; user: UserId; device: number; state: State; explicit: boolean }
  | { kind: 'end' }
  | { kind: 'bump'; user: UserId }
  | { kind: 'set'; users: UserId[]; state: State; status: number }
  | { kind: 'remote'; state: State; status: number }
  | { kind: 'route'; user: UserId; users: UserId[] }
  | { kind: 'interest'; user: UserId; users: UserId[] | 'ALL' }
  | { kind: 'snapshot'; users: UserId[] }
  | { kind: 'logout'; user: UserId; device: number }
  | { kind: 'store'; fails: boolean; delayMs: number }
  | { kind: 'router'; delayMs: number }
  | { kind: 'reconnect'; user: UserId }
  | { kind: 'wait'; ms: number };
type State = 'online' | 'unavailable' | 'offline';

/** Slow and failing as told, by the manual clock; remembers every record that was ever durable. */
class MoodyStore extends MemoryPresenceStore {
  fails = false;
  delayMs = 0;
  readonly durable = new Set<string>();
  readonly #clock: ManualClock;
  /** One after the other, as a database does. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(clock: ManualClock) {
    super();
    this.#clock = clock;
  }

  override write(rows: readonly PresenceRow[]): Promise<void> {
    return this.#inTurn(async () => {
      await super.write(rows);
      for (const row of rows) this.durable.add(fingerprint(row.state.userId, row.state.state, row.state.statusMsg));
    });
  }

  override writeRouted(...args: Parameters<MemoryPresenceStore['writeRouted']>): Promise<void> {
    return this.#inTurn(() => super.writeRouted(...args));
  }

  override moveRouted(...args: Parameters<MemoryPresenceStore['moveRouted']>): Promise<void> {
    return this.#inTurn(() => super.moveRouted(...args));
  }

  override writeFullPresenceMarks(...args: Parameters<MemoryPresenceStore['writeFullPresenceMarks']>): Promise<void> {
    return this.#inTurn(() => super.writeFullPresenceMarks(...args));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#queue.then(async () => {
      if (this.delayMs > 0) await pause(this.#clock, this.delayMs);
      if (this.fails) throw new PortError('database', 'write', true, 'moody');
      await work();
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

function pause(clock: ManualClock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimeout(resolve, ms);
  });
}

function fingerprint(userId: UserId, presence: unknown, status: unknown): string {
  return `${userId} ${String(presence)} ${typeof status === 'string' ? status : ''}`;
}

class History {
  readonly clock = new ManualClock();
  readonly store = new MoodyStore(this.clock);
  readonly router = new StubRouter();
  readonly routes = new Map<UserId, readonly UserId[]>();
  readonly interests = new Map<UserId, Interest>();
  readonly sessions: SyncSession[] = [];
  readonly watchers = new Map<UserId, Client>();
  routerDelayMs = -1;
  rig: Rig;

  constructor() {
    this.router.route = () => this.#late(() => new Map(this.routes) as RoutingAnswer);
    this.router.interest = (userId) => this.#late(() => this.interests.get(userId) ?? []);
    this.rig = new Rig({
      clock: this.clock,
      store: this.store,
      router: this.router,
      limits: { ...DEFAULT_LIMITS, maxPendingPerObserver: 4 },
    });
    this.rig.rooms.join('!ab:test', '@a:test', '@b:test', REMOTE);
    this.rig.rooms.join('!bc:test', '@b:test', '@c:test');
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.rig.handler.start();
    for (const userId of USERS) this.watchers.set(userId, await this.rig.client(userId, 'WATCHER').watch());
    for (const step of steps) await this.#apply(step);
    this.store.fails = false;
    await this.rig.advance(60_000);
    // Nobody will move the clock any more, so nobody is to wait for it.
    this.store.delayMs = 0;
    this.routerDelayMs = -1;
    await this.rig.advance(3_000);
  }

  async #apply(step: Step): Promise<void> {
    const { handler } = this.rig;
    const ignore = (): undefined => undefined;
    switch (step.kind) {
      case 'put':
        handler.setPresence(step.user, 'D0', step.state, String(step.status)).catch(ignore);
        return;
      case 'begin': {
        const { state: setPresence, explicit } = step;
        const begun = handler.beginSync(step.user, `D${step.device}`, { setPresence, explicit, rateLimited: false });
        Promise.resolve(begun).then((session) => this.sessions.push(session), ignore);
        return;
      }
      case 'end':
        this.sessions.shift()?.end();
        return;
      case 'bump':
        handler.bumpPresenceActiveTime(step.user, 'D0');
        return;
      case 'set': {
        const entry = { state: step.state, statusMsg: `set ${step.status}` };
        handler.setPresenceForUsers(new Map(step.users.map((userId) => [userId, entry]))).catch(ignore);
        return;
      }
      case 'remote': {
        const entry = { userId: REMOTE, statusMsg: `far ${step.status}`, lastActiveTs: null, currentlyActive: false };
        handler.receiveRemote('remote', [{ ...entry, state: step.state }]).catch(ignore);
        return;
      }
      case 'route':
        this.routes.set(step.user, step.users);
        return;
      case 'interest':
        this.interests.set(step.user, step.users);
        handler.invalidateInterestedUsers([step.user]);
        return;
      case 'snapshot':
        handler.sendLocalOnlinePresenceTo(step.users).catch(ignore);
        return;
      case 'logout':
        handler.removeDevice(step.user, `D${step.device}`);
        return;
      case 'store':
        Object.assign(this.store, { fails: step.fails, delayMs: step.delayMs });
        return;
      case 'router':
        this.routerDelayMs = step.delayMs;
        return;
      case 'reconnect': {
        const watcher = this.watchers.get(step.user);
        watcher?.unwatch();
        const open: unknown[] = [];
        const watching = watcher?.watch().then((one) => open.push(one));
        while (open.length === 0) await this.rig.advance(200);
        await watching;
        return;
      }
      case 'wait':
        await this.rig.advance(step.ms);
    }
  }

  #late<T>(answer: () => T): T | Promise<T> {
    if (this.routerDelayMs < 0) return answer();
    const now = answer();
    return pause(this.clock, this.routerDelayMs).then(() => now);
  }

  /**
   * Every observer's idea of everybody they may see is what is true now. When `relationsChange`, somebody may have gone offline while
   * they were out of sight: whoever is offline when an observer comes to see them is not announced.
   */
  async checkFinal(relationsChange: boolean): Promise<void> {
    for (const [observer, watcher] of this.watchers) {
      for (const target of EVERYBODY) {
        if (!(await this.rig.sees(observer, target))) continue;
        const { presence, status_msg: status } = this.rig.status(target);
        const last: Content | undefined = watcher.lastOf(target);
        const known =
          last === undefined
            ? fingerprint(target, 'offline', null)
            : fingerprint(target, last['presence'], last['status_msg']);
        const isUnannounced =
          presence === 'offline' && (last === undefined || (relationsChange && !this.#alwaysSees(observer, target)));
        const expected = isUnannounced ? known : fingerprint(target, presence, status);
        expect(`${observer} knows ${known}`).toBe(`${observer} knows ${expected}`);
      }
    }
  }

  #alwaysSees(observer: UserId, target: UserId): boolean {
    return observer === target || this.rig.rooms.shareRoom(observer, target);
  }

  checkDurable(): void {
    for (const watcher of this.watchers.values()) {
      for (const [sender, content] of watcher.seen) {
        const shown = fingerprint(sender, content['presence'], content['status_msg']);
        if (shown !== fingerprint(sender, 'offline', null)) expect(this.store.durable).toContain(shown);
      }
    }
  }
}

const RUNS = Number(process.env['THALAMUS_TEST_RUNS'] ?? 100);

async function check(steps: readonly Step[], relationsChange: boolean): Promise<void> {
  const history = new History();
  await history.run(steps);
  history.checkDurable();
  await history.checkFinal(relationsChange);
  await history.rig.handler.stop();
  // Nothing failed in the background.
  expect(history.rig.logger.lines.filter((line) => line.fields['what'] !== undefined)).toEqual([]);
}

const steps = fc.array(step, { minLength: 5, maxLength: 80, size: 'max' });

it('everybody knows the final state of those they may see, and only what was durable was shown', async () => {
  const isRelation = (one: Step): boolean => one.kind === 'route' || one.kind === 'interest';
  await fc.assert(
    fc.asyncProperty(steps, (all) =>
      check([...all.filter(isRelation), ...all.filter((one) => !isRelation(one))], false),
    ),
    { numRuns: RUNS },
  );
}, 120_000);

it('the same while modules change their minds', async () => {
  await fc.assert(
    fc.asyncProperty(steps, (all) => check(all, true)),
    { numRuns: RUNS },
  );
}, 120_000);
