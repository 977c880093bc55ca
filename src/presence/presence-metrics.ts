/**
 * The metrics of presence: the reference server's names where the meaning is the same, `thalamus_…` for our own.
 *
 * Source of the names: reference behaviour §9. The engine counts by itself; its counters are added here after each turn.
 */
import type { EngineCounters } from '../core/counters.ts';
import type { EngineStats } from '../core/engine-api.ts';
import type { Metrics } from '../ports/metrics.ts';

/** What is read when somebody scrapes. */
export interface PresenceGauges {
  /** Null before the start. */
  readonly stats: () => EngineStats | null;
  /** Updates that are not durable yet. */
  readonly pendingUpdates: () => number;
  /** Rows of activity that could not be saved yet. */
  readonly unsavedActivity: () => number;
  /** Updates that wait for the routers' answer to the batch before. */
  readonly routingQueue: () => number;
  readonly eventBodies: () => number;
  readonly strangers: () => number;
  /** Sources about which modules are being asked who must not get them, or are to be. */
  readonly restrictionQuestions: () => number;
}

export type StoreOperation = 'write' | 'write_activity' | 'write_routed' | 'move_routed' | 'write_marks' | 'remove';

export interface PresenceMetrics {
  addCounters(counters: EngineCounters): void;
  /** `pairs` observers and updates, in a turn of `updates`. */
  observeFanout(pairs: number, updates: number): void;
  addDropped(reason: DropReason, count: number): void;
  timeStore<T>(operation: StoreOperation, work: () => Promise<T>): Promise<T>;
}

/**
 * `routed_limit`: targets beyond the limit per answer. Of EDU entries: `foreign`, about users of another server than its origin;
 * `stranger`, about users whom nobody here can see, without a place to keep them. `guest_limit`: a user of another server, in no room
 * here, was not taken in though modules would show them. `status_limit`: a status message was left out.
 */
export type DropReason = 'routed_limit' | 'foreign' | 'stranger' | 'guest_limit' | 'status_limit';

const FANOUT_BUCKETS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000];
const SECONDS_BUCKETS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];

export function createPresenceMetrics(metrics: Metrics, gauges: PresenceGauges): PresenceMetrics {
  const addToReference = registerReferenceMetrics(metrics);
  registerGauges(metrics, gauges);
  const overflows = metrics.counter({
    name: 'thalamus_presence_inbox_overflows',
    help: 'Observers who lost pending entries to max_pending_per_observer; their next sync looks at everybody visible',
  });
  const snapshots = metrics.counter({
    name: 'thalamus_presence_snapshots',
    help: 'Syncs answered with everybody visible: initial, full state, or asked for by a module',
  });
  const forgotten = metrics.counter({
    name: 'thalamus_presence_restrictions_forgotten',
    help: 'Users about whom modules are asked again who must not get what, because answers about others took the room',
  });
  const fanout = metrics.histogram({
    name: 'thalamus_fanout',
    help: 'Connected observers told about one update by default routing and interest',
    buckets: FANOUT_BUCKETS,
  });
  const dropped = metrics.counter({
    name: 'thalamus_presence_dropped',
    help: 'Things left out because of a limit or because they were wrong',
    labelNames: ['reason'],
  });
  const storeSeconds = metrics.histogram({
    name: 'thalamus_presence_store_seconds',
    help: 'How long the presence store took, by operation',
    labelNames: ['operation'],
    buckets: SECONDS_BUCKETS,
  });
  const storeFailures = metrics.counter({
    name: 'thalamus_presence_store_failures',
    help: 'Operations of the presence store that failed',
    labelNames: ['operation'],
  });

  return {
    addCounters: (counters) => {
      addToReference(counters);
      if (counters.inboxOverflows > 0) overflows.inc({}, counters.inboxOverflows);
      if (counters.snapshots > 0) snapshots.inc({}, counters.snapshots);
      if (counters.restrictionsEvicted > 0) forgotten.inc({}, counters.restrictionsEvicted);
    },
    observeFanout: (pairs, updates) => {
      for (let index = 0; index < updates; index++) fanout.observe(pairs / updates);
    },
    addDropped: (reason, count) => {
      if (count > 0) dropped.inc({ reason }, count);
    },
    timeStore: async (operation, work) => {
      const start = performance.now();
      try {
        return await work();
      } catch (error) {
        storeFailures.inc({ operation });
        throw error;
      } finally {
        storeSeconds.observe((performance.now() - start) / 1_000, { operation });
      }
    },
  };
}

function registerReferenceMetrics(metrics: Metrics): (counters: EngineCounters) => void {
  const counter = (name: string, help: string, labelNames: readonly string[] = []) =>
    metrics.counter({ name: `synapse_${name}`, help, labelNames });
  const plain = [
    ['updatesProcessed', counter('handler_presence_presence_updates', 'Records evaluated')],
    ['notified', counter('handler_presence_notified_presence', 'Updates worth telling')],
    ['pings', counter('handler_presence_federation_presence_out', 'Keep-alives due to other servers')],
    ['remoteEntries', counter('handler_presence_federation_presence', 'Entries accepted from other servers')],
    ['timersFired', counter('handler_presence_timers_fired', 'Users examined because of a timer')],
    ['bumps', counter('handler_presence_bump_active_time', 'Activity other than syncs and changes of presence')],
  ] as const;
  const getUpdates = counter('handler_presence_get_updates', 'Increments by method: from the stream or in full', [
    'type',
  ]);
  const reasons = counter('handler_presence_notify_reason', 'Updates by reason', ['locality', 'reason']);
  const transitions = counter('handler_presence_state_transition', 'Updates by change of state', [
    'locality',
    'from',
    'to',
  ]);
  return (counters) => {
    for (const [key, metric] of plain) if (counters[key] > 0) metric.inc({}, counters[key]);
    if (counters.collectedFromInbox > 0) getUpdates.inc({ type: 'stream' }, counters.collectedFromInbox);
    if (counters.collectedByScan > 0) getUpdates.inc({ type: 'full' }, counters.collectedByScan);
    for (const { locality, reason, count } of counters.notifyReasons) reasons.inc({ locality, reason }, count);
    for (const { locality, from, to, count } of counters.stateTransitions)
      transitions.inc({ locality, from, to }, count);
  };
}

function registerGauges(metrics: Metrics, gauges: PresenceGauges): void {
  const gauge = (name: string, help: string, collect: () => number) => void metrics.gauge({ name, help, collect });
  const ofEngine = (name: string, key: keyof EngineStats, help: string) =>
    gauge(name, help, () => gauges.stats()?.[key] ?? 0);
  ofEngine('synapse_handlers_presence_user_to_current_state_size', 'users', 'Presence records in memory');
  ofEngine('synapse_handlers_presence_wheel_timer_size', 'timers', 'Armed timers');
  ofEngine('thalamus_presence_observers', 'observers', 'Local users with an open or recent sync');
  ofEngine('thalamus_presence_devices', 'devices', 'Devices that are not offline');
  ofEngine('thalamus_presence_inbox_entries', 'pending', 'Updates in the inboxes of connected observers');
  ofEngine('thalamus_presence_kept_answers', 'keptAnswers', 'Users whose last update routers sent to somebody');
  ofEngine('thalamus_presence_full_marks', 'fullPresenceMarks', 'Users who are to get, or got, a full snapshot');
  ofEngine('thalamus_presence_unpersisted', 'unpersisted', 'Users whose activity of the last minute is not saved yet');
  gauge('thalamus_presence_pending_updates', 'Updates not yet durable, and so not yet told', gauges.pendingUpdates);
  gauge('thalamus_presence_unsaved_activity', 'Rows of activity that failed to be saved', gauges.unsavedActivity);
  gauge(
    'thalamus_presence_routing_queue',
    'Updates waiting for the routers to answer the batch before',
    gauges.routingQueue,
  );
  gauge('thalamus_presence_strangers', 'Users of other servers whom nobody here can see yet', gauges.strangers);
  ofEngine(
    'thalamus_presence_restrictions',
    'restrictions',
    'Pairs of a user and an observer of whom modules have said what is kept back',
  );
  ofEngine(
    'thalamus_presence_withheld',
    'withheld',
    'Pairs of whom modules have not said it, and from whose observer something is withheld until they do',
  );
  gauge(
    'thalamus_presence_restriction_questions',
    'Users about whom modules are being asked who must not get what, or are to be',
    gauges.restrictionQuestions,
  );
  gauge('thalamus_presence_event_bodies', 'Serialised events kept for reuse', gauges.eventBodies);
}
