/**
 * Random histories of the sender: updates, failures, lost answers, kills, clean restarts, recoveries. In the end every peer's view of every
 * user is the newest state; on the way the peers of the rig check ids, bodies, sizes, and one transaction at a time.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDestinationStore } from '../../src/adapters/memory/destination-store.ts';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import { FederationSender } from '../../src/federation/sending/federation-sender.ts';
import type { FederationSenderOptions } from '../../src/federation/sending/sender-options.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { type Deed, FakeEngine, FakePeers, US } from '../support/sender-rig.ts';

const PEERS = ['one.example', 'two.example', 'three.example'] as const;
const USERS = ['@a:us.example', '@b:us.example', '@c:us.example', '@d:us.example', '@e:us.example'] as const;
const DEEDS: readonly Deed[] = ['ok', 'lost', 'failed', 'limited', 'never'];
const DAY = 86_400_000;

type Step =
  | { readonly do: 'tell'; readonly users: readonly number[]; readonly online: boolean; readonly latenessMs: number }
  | { readonly do: 'keepAlive'; readonly user: number }
  | { readonly do: 'behave'; readonly peer: number; readonly deed: Deed; readonly afterMs: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'alive'; readonly peer: number }
  | { readonly do: 'kill' | 'restart' };

const peer = fc.nat(PEERS.length - 1);
const user = fc.nat(USERS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('tell' as const),
      users: fc.uniqueArray(user, { minLength: 1 }),
      online: fc.boolean(),
      latenessMs: fc.constantFrom(0, 3, 2_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('keepAlive' as const), user }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('behave' as const),
      peer,
      deed: fc.constantFrom(...DEEDS),
      afterMs: fc.constantFrom(0, 10, 700, 20_000),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(0, 5, 150, 1_500, 40_000, 400_000, DAY / 3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('alive' as const), peer }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'restart' as const) }) },
);

const options: fc.Arbitrary<Partial<FederationSenderOptions>> = fc.record({
  coalescingWindowMs: fc.constantFrom(0, 100),
  maxStatesPerEdu: fc.constantFrom(1, 2, 50),
  maxEdusPerTransaction: fc.constantFrom(1, 2, 10),
  maxStatesPerDestination: fc.constantFrom(2, 4, 1_000),
  maxStates: fc.constantFrom(5, 1_000),
  maxConcurrentTransactions: fc.constantFrom(1, 100),
  maxSlowTransactions: fc.constantFrom(1, 50),
  maxBytesInFlight: fc.constantFrom(300, 1_000_000),
  failuresBeforeCollapse: fc.constantFrom(1, 5),
});

describe('FederationSender', () => {
  it('row 214: over random histories every peer ends with the newest state of every user', async () => {
    await fc.assert(
      fc.asyncProperty(options, fc.array(step, { maxLength: 60 }), fc.nat(), async (chosen, steps, seed) => {
        const world = new World(chosen, seed);
        await world.boot();
        for (const each of steps) await world.do(each);
        await world.heal();
        for (const name of PEERS) {
          for (const [userId, state] of world.engine.states) {
            const seen = world.peers.view(name).get(userId);
            expect([name, userId, seen?.presence ?? 'offline', seen?.status_msg ?? null]).toEqual([
              name,
              userId,
              state.state,
              seen === undefined ? null : state.statusMsg,
            ]);
          }
        }
        expect(world.stats).toMatchObject({ destinations: 0, states: 0, openTransactions: 0, bytesInFlight: 0 });
      }),
      { numRuns: 300 },
    );
  }, 120_000);
});

/** The process, its store, and its peers. Every user concerns every peer. */
class World {
  readonly clock = new ManualClock();
  readonly engine = new FakeEngine();
  readonly peers = new FakePeers(this.clock);
  readonly #store = new MemoryDestinationStore();
  readonly #behaviour = new Map<string, { deed: Deed; afterMs: number }>();
  readonly #options: Partial<FederationSenderOptions>;
  #seed: number;
  #versions = 0;
  #kill = (): void => undefined;
  #sender: FederationSender | null = null;
  /** Told by the engine, later handed to the sender. */
  #late: { readonly atTs: number; readonly states: readonly UserPresenceState[] }[] = [];

  constructor(chosen: Partial<FederationSenderOptions>, seed: number) {
    this.#options = chosen;
    this.#seed = seed;
    this.engine.batch = 2;
    this.peers.behave = ({ destination }) => this.#behaviour.get(destination) ?? { deed: 'ok' };
  }

  get stats() {
    return this.#sender?.stats;
  }

  /** A process: what it does after its death reaches nobody. */
  async boot(): Promise<void> {
    let isDead = false;
    this.#kill = () => {
      isDead = true;
      // Its connections are closed.
      this.peers.open.clear();
    };
    const clock: Clock = {
      now: () => this.clock.now(),
      setTimeout: (callback, delayMs) => this.clock.setTimeout(() => isDead || callback(), delayMs),
    };
    const never = new Promise<never>(() => undefined);
    const store = new Proxy(this.#store, {
      get: (target, key) => {
        const method = Reflect.get(target, key) as (...args: unknown[]) => unknown;
        return (...args: unknown[]) => (isDead ? never : method.apply(target, args));
      },
    });
    this.#sender = new FederationSender({
      serverName: US,
      transactions: {
        send: async (...args) => {
          if (isDead) return never;
          const result = await this.peers.send(...args);
          return isDead ? never : result;
        },
      },
      store,
      clock,
      logger: new SilentLogger(),
      metrics: new MemoryMetrics(),
      random: () => (this.#seed = (this.#seed * 16_807 + 11) % 2_147_483_647) / 2_147_483_647,
      isAllowed: () => true,
      options: this.#options,
    });
    await this.#sender.start(this.engine);
    // The presence service allows for what was on its way; what it has in memory is gone with the process.
    this.#late = [];
    this.engine.resendSince(this.#sender.resendSinceTs - 60_000, this.#sender, PEERS);
  }

  async do(each: Step): Promise<void> {
    if (each.do === 'tell') {
      const states = each.users.map((index) => this.#newState(USERS[index] as UserId, each.online));
      this.engine.set(...states);
      this.#late.push({ atTs: this.clock.now() + each.latenessMs, states });
      this.#handOver();
    } else if (each.do === 'keepAlive') {
      const known = this.engine.states.get(USERS[each.user] as UserId);
      if (known === undefined || known.state === 'offline' || this.#late.length > 0) return;
      const state = { ...known, lastFederationUpdateTs: this.clock.now() };
      this.engine.set(state);
      for (const name of PEERS) this.#sender?.sendKeepAlives(name, [state]);
    } else if (each.do === 'behave') {
      this.#behaviour.set(PEERS[each.peer] as string, { deed: each.deed, afterMs: each.afterMs });
    } else if (each.do === 'advance') {
      await this.#advance(each.ms);
    } else if (each.do === 'alive') {
      this.#sender?.peerIsAlive(PEERS[each.peer] as string);
    } else if (each.do === 'kill') {
      this.#kill();
      await this.boot();
    } else {
      for (const { states } of this.#late.splice(0)) this.#tell(states);
      const stopped = this.#sender?.stop();
      await this.clock.advance(10_000);
      await stopped;
      this.#kill();
      await this.boot();
    }
  }

  /** All peers do well from now on, for longer than any pause; then nothing is left to do. */
  async heal(): Promise<void> {
    this.#behaviour.clear();
    await this.#advance(2_000);
    // What hangs ends with a restart, as it would by its deadline.
    await this.do({ do: 'restart' });
    await this.#advance(20 * DAY);
    await this.#advance(10_000);
  }

  async #advance(ms: number): Promise<void> {
    const untilTs = this.clock.now() + ms;
    for (const { atTs } of this.#late.slice()) {
      if (atTs > untilTs) continue;
      await this.clock.advance(Math.max(0, atTs - this.clock.now()));
      this.#handOver();
    }
    await this.clock.advance(untilTs - this.clock.now());
  }

  #handOver(): void {
    while (this.#late[0] !== undefined && this.#late[0].atTs <= this.clock.now()) {
      this.#tell(this.#late.shift()?.states ?? []);
    }
  }

  #tell(states: readonly UserPresenceState[]): void {
    for (const name of PEERS) this.#sender?.sendPresence(name, states);
  }

  #newState(userId: UserId, isOnline: boolean): UserPresenceState {
    const now = this.clock.now();
    return {
      userId,
      state: isOnline ? 'online' : 'offline',
      lastActiveTs: now,
      lastFederationUpdateTs: now,
      lastUserSyncTs: now,
      statusMsg: `version ${++this.#versions}`,
      currentlyActive: isOnline,
    };
  }
}
