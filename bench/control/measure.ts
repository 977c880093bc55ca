/**
 * What full control costs: one source in a room with so many long-polling observers, and modules that keep something of its presence
 * back, or nothing. Through presence service and router host, as in a server; without HTTP, and with ports in memory.
 *
 * Time is CPU time of the process, so that other programs do not count.
 */
import {
  MemoryFederationTransport,
  MemoryMetrics,
  MemoryPresenceStore,
  MemoryRoomDirectory,
  RecordingLogger,
} from '../../src/adapters/memory/index.ts';
import { createPrometheusMetrics } from '../../src/adapters/metrics/prometheus-metrics.ts';
import { createSystemClock } from '../../src/adapters/system-clock.ts';
import { Form } from '../../src/core/forms.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import type { Restriction, RestrictionCallback } from '../../src/module/callbacks.ts';
import {
  createPresenceHandler,
  DEFAULT_LIMITS,
  DEFAULT_TIMERS,
  type PresenceHandler,
} from '../../src/presence/index.ts';
import { DEFAULT_CALLBACK_LIMITS } from '../../src/router-host/callback-limits.ts';
import { createModuleMetrics } from '../../src/router-host/module-metrics.ts';
import { PresenceRouter } from '../../src/router-host/presence-router.ts';
import { NO_WATCHDOG } from '../../src/router-host/watchdog.ts';
import { cpuMs } from '../engine/population.ts';

/**
 * What a module says about a source. `bare`: the same of everybody. `exceptions`: of ten observers something, of all others nothing.
 * `each`: something of every single observer.
 */
export const ANSWERS = ['bare', 'exceptions', 'each'] as const;
export type Answers = (typeof ANSWERS)[number];

export interface ControlScale {
  readonly observers: number;
  readonly modules: number;
  readonly answers: Answers;
}

export interface ControlFigures extends ControlScale {
  /** From a change to the last observer's answer, once modules have answered. */
  readonly microsecondsPerUpdate: number;
  readonly microsecondsPerDelivery: number;
  /** Asking for the first time, all of it: the modules' own work, reading and merging what they say, and remembering it. */
  readonly microsecondsToAsk: number;
}

const SOURCE: UserId = '@source:example.org';
/** Sources that change once. */
const OTHERS = Array.from({ length: 40 }, (_, index): UserId => `@source${index}:example.org`);
const ROOM = '!room:example.org';
/** Hidden from whomever something is hidden from: the updates of the benchmark reach them all the same. */
const LESS: Restriction = { hide: ['last_active_ago'] };

function restrictor(answers: Answers, observers: readonly UserId[]): RestrictionCallback['getRestrictions'] {
  const few = new Map([...observers.slice(0, 10).map((observer) => [observer, LESS] as const), ['*' as const, null]]);
  if (answers === 'bare') return () => LESS;
  if (answers === 'exceptions') return () => few;
  return (_source, asked) => new Map(asked.map((observer) => [observer, LESS]));
}

function createService(observers: readonly UserId[], { modules, answers }: ControlScale) {
  const clock = createSystemClock();
  const logger = new RecordingLogger();
  const metrics = createPrometheusMetrics({ serverName: 'example.org', processMetrics: false });
  const host = {
    clock,
    logger,
    metrics: createModuleMetrics(metrics),
    watchdog: NO_WATCHDOG,
    serverName: 'example.org',
  };
  const router = new PresenceRouter(host);
  for (let index = 0; index < modules; index++) {
    router.register(String(index), { getRestrictions: restrictor(answers, observers) }, DEFAULT_CALLBACK_LIMITS);
  }
  router.seal();
  const rooms = new MemoryRoomDirectory();
  rooms.join(ROOM, SOURCE, ...OTHERS, ...observers);
  const handler = createPresenceHandler(
    {
      serverName: 'example.org',
      mode: 'tracked',
      timers: DEFAULT_TIMERS,
      limits: DEFAULT_LIMITS,
      excludedRooms: new Set(),
      maxStatusMsgBytes: 65_536,
      busyEnabled: false,
    },
    {
      store: new MemoryPresenceStore(),
      rooms,
      federation: new MemoryFederationTransport(),
      router,
      clock,
      logger,
      metrics: new MemoryMetrics(),
      schedule: queueMicrotask,
    },
  );
  return { handler, router };
}

/** `deliveries`: at least so many are measured, and at least so many updates as a tenth of a second takes. */
export async function measureControl(scale: ControlScale, deliveries = 400_000): Promise<ControlFigures> {
  const observers = Array.from({ length: scale.observers }, (_, index): UserId => `@observer${index}:example.org`);
  const { handler } = createService(observers, scale);
  await handler.start();
  const cursors = new Map<UserId, { position: number; resume: number | null }>();
  let told = 0;
  const collect = (observer: UserId): void => {
    const { uids, forms, next } = handler.collect(observer, {
      since: cursors.get(observer) ?? null,
      includeOffline: false,
      extras: [],
      accept: null,
      limit: null,
    });
    cursors.set(observer, next);
    for (const [index, uid] of uids.entries()) {
      told += 1;
      handler.eventBody(uid, forms?.[index] ?? Form.FULL);
    }
  };
  for (const observer of observers) {
    await handler.beginSync(observer, 'DEVICE', { setPresence: 'offline', explicit: true, rateLimited: false });
    collect(observer);
  }
  handler.onNotify((users) => {
    for (const userId of users) collect(userId);
  });
  const change = async (count: number): Promise<number> => {
    const before = cpuMs();
    for (let index = 0; index < count; index++)
      await handler.setPresence(SOURCE, 'DEVICE', 'online', `status ${index}`);
    return cpuMs() - before;
  };
  const updates = Math.max(50, Math.ceil(deliveries / scale.observers / 2));
  await change(Math.ceil(updates / 4));
  told = 0;
  const spent = Math.min(await change(updates), await change(updates));
  if (told !== updates * 2 * scale.observers) throw new Error(`${told} deliveries of ${updates * 2 * scale.observers}`);
  const firsts = await firstChanges(handler);
  await handler.stop();
  const microsecondsPerUpdate = (spent * 1000) / updates;
  return {
    ...scale,
    microsecondsPerUpdate,
    microsecondsPerDelivery: microsecondsPerUpdate / scale.observers,
    microsecondsToAsk: firsts * 1000 - microsecondsPerUpdate,
  };
}

/** CPU time of the first change of a source, in ms: the mean of some, after a few that warm up. */
async function firstChanges(handler: PresenceHandler): Promise<number> {
  const change = async (sources: readonly UserId[]): Promise<void> => {
    for (const source of sources) await handler.setPresence(source, 'DEVICE', 'online', 'first');
  };
  await change(OTHERS.slice(0, OTHERS.length / 2));
  const before = cpuMs();
  await change(OTHERS.slice(OTHERS.length / 2));
  return ((cpuMs() - before) * 2) / OTHERS.length;
}

export interface MemoryFigures {
  readonly observers: number;
  /** Of one source about which a module has said something of every single observer, more than of one of which it said one thing. */
  readonly bytesPerSource: number;
  readonly bytesPerPair: number;
}

/** Needs `--expose-gc`. */
export async function measureAnswerMemory(observers: number): Promise<MemoryFigures> {
  const bytes: number[] = [];
  for (const answers of ['bare', 'bare', 'each'] as const) {
    const watching = Array.from({ length: observers }, (_, index): UserId => `@observer${index}:example.org`);
    const { handler } = createService(watching, { observers, modules: 1, answers });
    await handler.start();
    for (const observer of watching) {
      await handler.beginSync(observer, 'DEVICE', { setPresence: 'offline', explicit: true, rateLimited: false });
    }
    const before = used();
    await firstChanges(handler);
    bytes.push((used() - before) / OTHERS.length);
    await handler.stop();
  }
  const [, bare = 0, each = 0] = bytes;
  return { observers, bytesPerSource: each - bare, bytesPerPair: (each - bare) / observers };
}

function used(): number {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run node with --expose-gc');
  for (let round = 0; round < 8; round++) gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
