import { describe, expect, it } from 'vitest';
import { ManualClock } from '../adapters/memory/manual-clock.ts';
import { RecordingLogger } from '../adapters/memory/index.ts';
import type { Deliveries, Observer, RestrictionAnswer, RestrictionQuestion } from '../core/engine-api.ts';
import { Form, UNKNOWN } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { ServerName, UserId } from '../matrix/identifiers.ts';
import type { Restrictions } from '../router-host/router-api.ts';
import { RestrictionKeeper, type RestrictedEngine } from './restriction-keeper.ts';
import { isPending } from '../../test/support/is-pending.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const X = '@x:test';
const Y = '@y:test';
const FREE: Restrictions = { others: null, observers: new Map(), isFinal: true };
const NOTHING: Deliveries = { observers: new Uint32Array(0), pairs: 0, servers: new Map() };

const DEFAULT: Omit<UserPresenceState, 'userId'> = {
  state: 'online',
  lastActiveTs: 0,
  lastFederationUpdateTs: 0,
  lastUserSyncTs: 0,
  statusMsg: null,
  currentlyActive: false,
};

type Asked = readonly [source: UserId, ...observers: Observer[]];

class World implements RestrictedEngine {
  readonly clock = new ManualClock();
  readonly logger = new RecordingLogger();
  restricts = true;
  deadlineMs = 2_000;
  /** What modules were asked, and how they answer. */
  readonly asked: Asked[] = [];
  answer: (source: UserId, observers: readonly Observer[]) => Restrictions | Promise<Restrictions> = () => FREE;
  /** Questions that wait for the test's answer. */
  readonly open: { readonly source: UserId; readonly give: (answer?: Restrictions) => Promise<void> }[] = [];

  withheld: RestrictionQuestion[] = [];
  unknown: RestrictionQuestion[] = [];
  readonly concerned = new Map<UserId, readonly Observer[]>();
  readonly inEffect: [UserId, readonly Observer[], RestrictionAnswer][] = [];
  readonly calls: string[] = [];
  readonly gains: UserId[] = [];
  readonly serverForms = new Map<string, Form>();
  readonly present: UserId[] = [];
  readonly view = {
    list: (_filter: unknown, from: number, limit: number) => ({
      users: this.present.slice(from, from + limit).map((userId) => {
        return { state: { ...DEFAULT, userId }, isLocal: true, isConnected: false };
      }),
      next: from + limit < this.present.length ? from + limit : null,
    }),
  };

  readonly keeper = new RestrictionKeeper({
    clock: this.clock,
    logger: this.logger,
    schedule: setImmediate,
    router: this.#router(),
    engine: () => this,
    deliver: () => void this.calls.push('deliver'),
    onServerGain: (source) => void this.gains.push(source),
  });

  #router() {
    const restricts = (): boolean => this.restricts;
    const deadline = (): number => this.deadlineMs;
    return {
      get restricts() {
        return restricts();
      },
      get deadlineMs() {
        return deadline();
      },
      getRestrictions: (source: UserId, observers: readonly Observer[]) => {
        this.asked.push([source, ...observers]);
        return this.answer(source, observers);
      },
    };
  }

  setRestricting(isRestricting: boolean): Deliveries {
    this.calls.push(`setRestricting ${isRestricting}`);
    return NOTHING;
  }
  takeQuestions(): RestrictionQuestion[] {
    this.calls.push('takeQuestions');
    return this.withheld.splice(0);
  }
  questionsFor(): readonly RestrictionQuestion[] {
    return this.unknown;
  }
  questionAbout(source: UserId): RestrictionQuestion | null {
    const observers = this.concerned.get(source);
    return observers === undefined ? null : { source, observers };
  }
  uidOf(): number {
    return 0;
  }
  formForServer(server: ServerName): Form {
    return this.serverForms.get(server) ?? this.serverForms.get('') ?? UNKNOWN;
  }
  answeredSources(): UserId[] {
    return [...this.concerned.keys()];
  }
  restrict(source: UserId, asked: readonly Observer[], answer: RestrictionAnswer): Deliveries {
    this.inEffect.push([source, asked, answer]);
    if (answer.others !== null) this.serverForms.set('', answer.others);
    for (const observer of asked) this.serverForms.set(observer, answer.observers.get(observer) ?? Form.FULL);
    return NOTHING;
  }

  static restricting(): World {
    const world = new World();
    world.keeper.modulesConstructed();
    world.calls.length = 0;
    return world;
  }

  /** Modules answer when the test says so. */
  static slow(): World {
    const world = World.restricting();
    world.answer = (source) =>
      new Promise((resolve) => {
        const give = async (answer: Restrictions = FREE): Promise<void> => {
          resolve(answer);
          await world.clock.settle();
        };
        world.open.push({ source, give });
      });
    return world;
  }

  withhold(source: UserId, ...observers: Observer[]): boolean {
    this.withheld.push({ source, observers });
    return this.keeper.settle();
  }
}

function denying(...observers: Observer[]): Restrictions {
  return { others: null, observers: new Map(observers.map((each) => [each, Form.DENIED])), isFinal: true };
}

describe('RestrictionKeeper', () => {
  it('does nothing at all while no module restricts', () => {
    const world = new World();
    world.restricts = false;
    world.keeper.follow();
    expect(world.withhold(ALICE, X)).toBe(false);
    expect(world.keeper.begin(X)).toBeUndefined();
    world.keeper.invalidate();
    world.keeper.invalidate([ALICE]);
    expect([world.calls, world.asked]).toEqual([[], []]);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('has the engine restrict from when a module does, and not stop when modules are stopped', () => {
    const world = new World();
    world.keeper.follow();
    world.keeper.follow();
    expect(world.calls).toEqual(['setRestricting true', 'deliver']);
    world.restricts = false;
    world.keeper.follow();
    expect(world.withhold(ALICE, X)).toBe(false);
    expect(world.calls).not.toContain('setRestricting false');
    expect(world.asked).toEqual([]);
  });

  it('puts an answer into effect in the same step when modules answer at once', () => {
    const world = World.restricting();
    world.answer = () => denying(X);
    expect(world.withhold(ALICE, X, Y)).toBe(true);
    expect(world.inEffect).toEqual([[ALICE, [X, Y], denying(X)]]);
    expect(world.keeper.size).toBe(0);
  });

  it('asks one question about a source at a time, and what is asked meanwhile together after it', async () => {
    const world = World.slow();
    world.withhold(ALICE, X);
    world.withhold(ALICE, Y);
    world.withhold(ALICE, X, 'island');
    world.withhold(BOB, X);
    expect(world.asked).toEqual([
      [ALICE, X],
      [BOB, X],
    ]);
    await world.open[0]?.give();
    expect(world.asked[2]).toEqual([ALICE, Y, 'island']);
    await world.open[2]?.give();
    expect(world.asked.length).toBe(3);
    expect(world.keeper.size).toBe(1);
  });

  it('has at most 64 questions out', async () => {
    const world = World.slow();
    for (let n = 0; n < 200; n++) world.withhold(`@u${n}:test`, X);
    expect(world.asked.length).toBe(64);
    await world.open[5]?.give();
    expect(world.asked.length).toBe(65);
    for (let n = 0; n < 200; n++) await world.open[n]?.give();
    expect(world.inEffect.length).toBe(200);
    expect(world.keeper.size).toBe(0);
  });

  it('lets others have their turn after 500 answers at once', async () => {
    const world = World.restricting();
    world.withheld = Array.from({ length: 1_200 }, (_, n) => ({ source: `@u${n}:test` as const, observers: [X] }));
    world.unknown = world.withheld;
    const ready = world.keeper.begin(X);
    expect(world.asked.length).toBe(500);
    await ready;
    expect(world.asked.length).toBe(1_200);
  });

  it('asks in the same round what an answer makes it ask', () => {
    const world = World.restricting();
    const restrict = world.restrict.bind(world);
    world.restrict = (source, asked, answer) => {
      if (source === ALICE) world.withhold(BOB, X);
      return restrict(source, asked, answer);
    };
    world.withhold(ALICE, X);
    expect(world.inEffect.map(([source]) => source)).toEqual([ALICE, BOB]);
    expect(world.keeper.size).toBe(0);
  });

  it('asks again when an answer from before an invalidation comes, without believing it', async () => {
    const world = World.slow();
    world.concerned.set(ALICE, [X]);
    world.withhold(ALICE, X);
    world.keeper.invalidate([ALICE]);
    expect(world.asked.length).toBe(1);
    await world.open[0]?.give();
    expect(world.inEffect).toEqual([]);
    expect(world.asked[1]).toEqual([ALICE, X]);
    await world.open[1]?.give(denying(X));
    expect(world.inEffect).toEqual([[ALICE, [X], denying(X)]]);
    expect(world.keeper.size).toBe(0);
  });

  it('asks about those of a disbelieved answer again, whether it still concerns them or not', async () => {
    const world = World.slow();
    world.withhold(ALICE, X);
    world.keeper.invalidate();
    await world.open[0]?.give();
    expect(world.asked[1]).toEqual([ALICE, X]);
  });

  it('listens to a module that invalidates all the time', async () => {
    const world = World.slow();
    world.concerned.set(ALICE, [X]);
    world.withhold(ALICE, X);
    for (let n = 0; n < 4; n++) {
      world.keeper.invalidate([ALICE]);
      await world.open[n]?.give();
    }
    expect(world.inEffect.length).toBe(1);
  });

  it('invalidates sources about which nothing is out', () => {
    const world = World.restricting();
    world.concerned.set(ALICE, [X, 'island']);
    world.keeper.invalidate([ALICE, BOB]);
    expect(world.asked).toEqual([[ALICE, X, 'island']]);
    expect(world.keeper.size).toBe(0);
  });

  it('invalidates everything a few hundred at a time, once more if it is said in between', async () => {
    const world = World.restricting();
    for (let n = 0; n < 1_000; n++) world.concerned.set(`@u${n}:test`, [X]);
    world.keeper.invalidate();
    expect(world.asked.length).toBe(300);
    world.keeper.invalidate();
    world.keeper.invalidate();
    while (world.asked.length < 2_000) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(world.asked.length).toBe(2_000);
  });

  it('asks at once about who is invalidated now and then, and every 100 ms about who is all the time, in its own callback, say', async () => {
    const world = World.restricting();
    world.concerned.set(ALICE, [X]);
    world.concerned.set(BOB, [X]);
    world.answer = (source) => {
      world.keeper.invalidate([source]);
      return FREE;
    };
    world.keeper.invalidate([ALICE]);
    expect(world.asked.length).toBe(10);
    await world.clock.advance(1_000);
    expect(world.asked.length).toBeLessThanOrEqual(20);
    expect(world.asked.length).toBeGreaterThanOrEqual(18);
    world.answer = () => FREE;
    world.keeper.invalidate([BOB]);
    expect(world.asked.at(-1)).toEqual([BOB, X]);
    const before = world.asked.length;
    world.keeper.invalidate([ALICE]);
    await world.clock.advance(100);
    expect(world.asked.length).toBe(before + 1);
  });

  it('lets others have their turn when modules answer in the next microtask, and invalidate what they answer', async () => {
    const world = World.restricting();
    for (let n = 0; n < 400; n++) world.concerned.set(`@u${n}:test`, [X]);
    world.answer = async (source) => {
      world.keeper.invalidate([source]);
      return FREE;
    };
    world.keeper.invalidate([...world.concerned.keys()]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(world.asked.length).toBeLessThanOrEqual(1_000);
  });

  it('asks for everything again and again, with pauses, when a module always wants that, and a reload gets through all the same', async () => {
    const world = World.restricting();
    world.concerned.set(ALICE, [X]);
    world.answer = () => {
      world.keeper.invalidate();
      return FREE;
    };
    world.keeper.invalidate();
    await world.clock.settle();
    expect(world.asked.length).toBe(2);
    const replaced = world.keeper.modulesReplaced();
    for (let n = 0; n < 10; n++) {
      await world.clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(world.asked.length).toBeGreaterThanOrEqual(10);
    expect(world.asked.length).toBeLessThanOrEqual(12);
    expect(await isPending(world, replaced)).toBe(false);
    world.keeper.stop();
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('lets whoever connects wait for the answers, until the deadline', async () => {
    const world = World.slow();
    world.unknown = ([ALICE, BOB] as const).map((source) => ({ source, observers: [X] }));
    const first = world.keeper.begin(X) as Promise<void>;
    await world.open[0]?.give();
    expect(await isPending(world, first)).toBe(true);
    await world.open[1]?.give();
    expect(await isPending(world, first)).toBe(false);
    expect(world.clock.pendingTimers).toBe(0);
    const second = world.keeper.begin(X) as Promise<void>;
    await world.clock.advance(1_999);
    expect(await isPending(world, second)).toBe(true);
    await world.clock.advance(1);
    expect(await isPending(world, second)).toBe(false);
    world.unknown = [];
    expect(world.keeper.begin(X)).toBeUndefined();
  });

  it('asks by itself about what is not final, with growing pauses, until it is', async () => {
    const world = World.restricting();
    world.concerned.set(ALICE, [X, Y]);
    world.answer = () => ({ ...denying(X), isFinal: false });
    world.withhold(ALICE, X);
    const times: number[] = [];
    for (let second = 1; second <= 120; second++) {
      const before = world.asked.length;
      await world.clock.advance(1_000);
      if (world.asked.length > before) times.push(second);
      if (second === 100) world.answer = () => FREE;
    }
    expect(times).toEqual([1, 3, 7, 15, 31, 61, 91, 121].filter((second) => second <= 120));
    await world.clock.advance(1_000);
    expect(world.asked.at(-1)).toEqual([ALICE, X, Y]);
    expect(world.clock.pendingTimers).toBe(0);
    await world.clock.advance(60_000);
    expect(world.asked.length).toBe(9);
  });

  it('does not go on about somebody whom nobody sees any more', async () => {
    const world = World.restricting();
    world.answer = () => ({ ...FREE, isFinal: false });
    world.withhold(ALICE, X);
    await world.clock.advance(60_000);
    expect(world.asked.length).toBe(1);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('asks for everything again when more is not final than it remembers', async () => {
    const world = World.restricting();
    let isBroken = true;
    world.answer = () => ({ ...FREE, isFinal: !isBroken });
    world.withheld = Array.from({ length: 10_050 }, (_, n) => ({ source: `@u${n}:test` as const, observers: [X] }));
    for (const { source, observers } of world.withheld) world.concerned.set(source, observers);
    world.keeper.settle();
    while (world.inEffect.length < 10_050) await new Promise((resolve) => setImmediate(resolve));
    isBroken = false;
    world.asked.length = 0;
    await world.clock.advance(1_000);
    while (world.keeper.size > 0) await new Promise((resolve) => setImmediate(resolve));
    for (let n = 0; n < 100; n++) await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(world.asked.map(([source]) => source)).size).toBe(10_050);
    await world.clock.advance(120_000);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('has other modules answer when they are replaced, and gives everything when none restricts any more', async () => {
    const world = World.slow();
    world.concerned.set(ALICE, [X]);
    world.withhold(ALICE, X);
    const replaced = world.keeper.modulesReplaced();
    await world.open[0]?.give(FREE);
    expect(world.inEffect).toEqual([]);
    await world.open[1]?.give(denying(X));
    await replaced;
    expect(world.inEffect).toMatchObject([[ALICE, [X], denying(X)]]);
    world.withhold(BOB, X);
    world.restricts = false;
    await world.keeper.modulesReplaced();
    expect(world.calls).toContain('setRestricting false');
    await world.open.at(-1)?.give(denying(X));
    expect(world.inEffect.length).toBe(1);
  });

  it('asks about all who are not offline when modules begin to restrict while there are observers', async () => {
    const world = new World();
    world.present.push(...Array.from({ length: 700 }, (_, n) => `@u${n}:test` as const));
    for (const userId of world.present) world.concerned.set(userId, [X]);
    await world.keeper.modulesReplaced();
    expect(new Set(world.asked.map(([source]) => source)).size).toBe(700);
  });

  it('says when a server that shares no room may have somebody from now on', () => {
    const world = World.restricting();
    const say = (answer: Restrictions): UserId[] => {
      world.answer = () => answer;
      world.withhold(ALICE, 'island');
      return world.gains.splice(0);
    };
    expect(say(FREE)).toEqual([]);
    expect(say(denying('island'))).toEqual([]);
    expect(say(FREE)).toEqual([ALICE]);
    expect(say({ others: Form.DENIED, observers: new Map([['island', Form.FULL]]), isFinal: true })).toEqual([]);
    expect(say({ others: Form.NO_STATUS, observers: new Map(), isFinal: true })).toEqual([ALICE]);
  });

  it('puts nothing into effect after the end', async () => {
    const world = World.slow();
    world.withhold(ALICE, X);
    world.unknown = [{ source: BOB, observers: [X] }];
    const waiting = world.keeper.begin(X) as Promise<void>;
    world.keeper.stop();
    await waiting;
    await world.open[0]?.give();
    expect(world.inEffect).toEqual([]);
    expect(world.clock.pendingTimers).toBe(0);
  });
});
