/**
 * A presence service with real modules' callbacks for tests of explanations, and everything that an explanation could leave behind.
 */
import { expect } from 'vitest';
import {
  ManualClock,
  MemoryFederationTransport,
  MemoryMetrics,
  MemoryPresenceStore,
  MemoryRoomDirectory,
  RecordingLogger,
} from '../../src/adapters/memory/index.ts';
import type { Observer } from '../../src/core/engine-api.ts';
import { type RoomId, serverNameOf, type UserId } from '../../src/matrix/identifiers.ts';
import type { PresenceRouterCallbacks } from '../../src/module/callbacks.ts';
import type { DestinationStanding } from '../../src/ports/federation-transport.ts';
import {
  createPresenceHandler,
  DEFAULT_LIMITS,
  DEFAULT_TIMERS,
  type PresenceSettings,
} from '../../src/presence/index.ts';
import type { ExplainDirectory, ExplainRule, Explanation } from '../../src/presence/explanation.ts';
import { type CallbackLimits, DEFAULT_CALLBACK_LIMITS } from '../../src/router-host/callback-limits.ts';
import { createModuleMetrics } from '../../src/router-host/module-metrics.ts';
import { PresenceRouter } from '../../src/router-host/presence-router.ts';
import { NO_WATCHDOG } from '../../src/router-host/watchdog.ts';
import type { LooseCallbacks } from '../support/host-context.ts';

export interface ExplainRigOptions extends Partial<PresenceSettings> {
  /** Named `a`, `b`, … */
  readonly modules?: readonly LooseCallbacks[];
  readonly callbacks?: Partial<CallbackLimits>;
  /** Joined from the start. */
  readonly joined?: Readonly<Record<RoomId, readonly UserId[]>>;
  readonly standing?: Partial<DestinationStanding>;
}

class Transport extends MemoryFederationTransport {
  standing: Partial<DestinationStanding> = {};

  standingOf(): DestinationStanding {
    const well = { failures: 0, retryAtTs: null, queued: 0, owedSinceTs: null, isSending: false };
    return { isOn: true, isAllowed: true, ...well, ...this.standing };
  }
}

export class ExplainRig {
  readonly clock = new ManualClock();
  readonly metrics = new MemoryMetrics();
  readonly logger = new RecordingLogger();
  readonly federation = new Transport();
  readonly rooms = new MemoryRoomDirectory();
  readonly router: PresenceRouter;
  readonly handler: ReturnType<typeof createPresenceHandler>;
  readonly store = new MemoryPresenceStore();
  /** Of excluded rooms, too. */
  readonly members: Map<RoomId, readonly UserId[]>;
  readonly roomNames = new Map<RoomId, { name: string | null; alias: string | null }>();
  readonly accounts = new Set<UserId>();

  constructor({ modules = [], callbacks, joined = {}, standing, ...settings }: ExplainRigOptions) {
    const { clock, logger, metrics } = this;
    const host = { clock, logger, metrics: createModuleMetrics(metrics), watchdog: NO_WATCHDOG, serverName: 'test' };
    this.router = new PresenceRouter(host);
    for (const [index, module] of modules.entries()) {
      const limits = { ...DEFAULT_CALLBACK_LIMITS, ...callbacks };
      this.router.register('abcdefgh'.charAt(index), module as PresenceRouterCallbacks, limits);
    }
    this.router.seal();
    this.federation.standing = standing ?? {};
    this.members = new Map(Object.entries(joined) as [RoomId, readonly UserId[]][]);
    for (const [roomId, users] of this.members) {
      this.rooms.join(roomId, ...users);
      for (const userId of users) this.accounts.add(userId);
    }
    this.handler = createPresenceHandler(
      {
        serverName: 'test',
        mode: 'tracked',
        timers: DEFAULT_TIMERS,
        limits: DEFAULT_LIMITS,
        excludedRooms: new Set(),
        maxStatusMsgBytes: 65_536,
        busyEnabled: false,
        ...settings,
      },
      {
        store: this.store,
        rooms: this.rooms,
        federation: this.federation,
        router: this.router,
        clock,
        logger,
        metrics,
        schedule: queueMicrotask,
      },
    );
  }

  static async start(options: ExplainRigOptions = {}): Promise<ExplainRig> {
    const rig = new ExplainRig(options);
    await rig.handler.start();
    await rig.clock.settle();
    return rig;
  }

  get directory(): ExplainDirectory {
    return {
      describeRoom: (roomId) => Promise.resolve(this.roomNames.get(roomId) ?? null),
      isJoined: (roomId, observer) => Promise.resolve((this.members.get(roomId) ?? []).some(isOneOf(observer))),
      hasAccount: (userId) => Promise.resolve(this.accounts.has(userId)),
    };
  }

  async online(userId: UserId, statusMsg: string | null = null): Promise<void> {
    this.accounts.add(userId);
    await this.handler.setPresence(userId, 'DEVICE', 'online', statusMsg);
    await this.clock.settle();
  }

  /** A sync that stays open. */
  async connect(userId: UserId): Promise<Disposable> {
    this.accounts.add(userId);
    const options = { setPresence: 'offline', explicit: false, rateLimited: false } as const;
    const began = this.handler.beginSync(userId, 'SYNC', options);
    await this.clock.settle();
    const session = await began;
    return { [Symbol.dispose]: () => session.end() };
  }

  /** What a connected observer's initial sync has of a user; null for nothing. */
  synced(observer: UserId, target: UserId): Record<string, unknown> | null {
    const collect = { since: null, includeOffline: true, extras: [], accept: null, limit: null };
    const { uids, forms } = this.handler.collect(observer, collect);
    for (const [index, uid] of uids.entries()) {
      const event = JSON.parse(this.handler.eventBody(uid, forms?.[index] ?? 0)) as EventBody;
      if (event.sender === target) return event.content;
    }
    return null;
  }

  /** What `GET …/status` answers; null for 403. */
  async get(observer: UserId, target: UserId): Promise<Record<string, unknown> | null> {
    const answer = this.handler.statusFor(observer, target);
    await this.clock.settle();
    const text = await answer;
    return text === null ? null : (JSON.parse(text) as Record<string, unknown>);
  }

  /** Explains, and sees to it that nothing has changed. */
  async explain(observer: Observer, target: UserId, advanceMs = 0): Promise<Explanation> {
    const before = await this.traces();
    const answer = this.handler.explain(observer, target, this.directory);
    await this.clock.settle();
    if (advanceMs > 0) await this.clock.advance(advanceMs);
    const explanation = await answer;
    if (advanceMs === 0) expect(await this.traces()).toEqual(before);
    return explanation;
  }

  /** Everything that can be seen of the service and the host. */
  async traces(): Promise<unknown> {
    const { view } = this.handler;
    const { body } = await this.metrics.expose();
    return { stats: view.stats(), metrics: body, lines: this.logger.lines.length, timers: this.clock.pendingTimers };
  }
}

interface EventBody {
  readonly sender: UserId;
  readonly content: Record<string, unknown>;
}

function isOneOf(observer: Observer): (userId: UserId) => boolean {
  return (userId) => userId === observer || serverNameOf(userId) === observer;
}

/** `rule: mark sentence`, for short comparisons. */
export function chain({ reasons }: Explanation): string[] {
  return reasons.map(({ rule, holds, says }) => `${holds === null ? '·' : holds ? '✓' : '✗'} ${rule}: ${says}`);
}

export function saysOf({ reasons }: Explanation, rule: ExplainRule): string[] {
  return reasons.filter((candidate) => candidate.rule === rule).map(({ says }) => says);
}
