/**
 * The parts of the presence service, put together: each arrow between the engine and the world that takes time.
 *
 * They know of each other only what is handed to them here.
 */
import type { EngineStats, PresenceUpdate, RouteResult, RoutingAnswer, TurnChanges } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { ActivitySaver } from './activity-saver.ts';
import type { Background } from './background.ts';
import { EventBodies } from './event-bodies.ts';
import type { MarkParts } from './full-presence.ts';
import { InterestKeeper } from './interest-keeper.ts';
import { ModuleOperations } from './module-operations.ts';
import { ModulesReplaced } from './modules-replaced.ts';
import { Outlet } from './outlet.ts';
import { OwedPresenceReader } from './owed-presence.ts';
import { PositionBlock } from './position-block.ts';
import { createPresenceMetrics, type PresenceMetrics } from './presence-metrics.ts';
import { DEFAULT_REMOTE_LIMITS, type PresenceParts, type PresenceSettings } from './presence-options.ts';
import { RemoteKeeper } from './remote-keeper.ts';
import { RestrictionKeeper } from './restriction-keeper.ts';
import { RoutingQueue } from './routing-queue.ts';
import { ServerForms } from './server-forms.ts';
import { StatusReader } from './status-reader.ts';
import { TrafficWatcher } from './traffic-watcher.ts';
import { TurnCommitter } from './turn-committer.ts';

/** What the parts need of the service. */
export interface WorksOwner {
  /** @throws Error before the start */
  readonly engine: () => PresenceEngine;
  /** Null before the start. */
  readonly stats: () => EngineStats | null;
  readonly getState: (userId: UserId) => UserPresenceState;
  readonly takeChanges: () => TurnChanges;
  readonly publish: (changes: TurnChanges) => void;
  readonly route: (batch: readonly PresenceUpdate[], answer: RoutingAnswer) => RouteResult['kept'];
  /** False before the start and from the stop on. */
  readonly isRunning: () => boolean;
  readonly isStopped: () => boolean;
  /** @throws PortError from the stop on */
  readonly refuseWhenStopped: (operation: string) => void;
}

export interface PresenceWorks {
  readonly shared: Background & MarkParts;
  readonly metrics: PresenceMetrics;
  readonly positions: PositionBlock;
  readonly outlet: Outlet;
  /** Null unless traffic is recorded. */
  readonly traffic: TrafficWatcher | null;
  readonly committer: TurnCommitter;
  readonly routing: RoutingQueue;
  readonly interest: InterestKeeper;
  readonly restrictions: RestrictionKeeper;
  readonly activity: ActivitySaver;
  readonly owed: OwedPresenceReader;
  readonly remote: RemoteKeeper;
  readonly status: StatusReader;
  readonly modules: ModuleOperations;
  readonly replaced: ModulesReplaced;
  readonly bodies: EventBodies;
}

export function createWorks(settings: PresenceSettings, parts: PresenceParts, owner: WorksOwner): PresenceWorks {
  const { store, router, clock, logger, federation, schedule = setImmediate, tap = null } = parts;
  const { engine, isRunning, isStopped, refuseWhenStopped } = owner;
  const background: Background = { clock, logger, schedule };
  const metrics = createPresenceMetrics(parts.metrics, {
    stats: owner.stats,
    pendingUpdates: () => committer.pending,
    unsavedActivity: () => activity.size,
    routingQueue: () => routing.size,
    eventBodies: () => bodies.size,
    restrictionQuestions: () => restrictions.size,
    strangers: () => remote.strangers,
  });
  const positions = new PositionBlock(store);
  const shared = { ...background, store, metrics, positions };
  const { excludedRooms, serverName } = settings;
  const traffic = tap === null ? null : new TrafficWatcher({ ...background, tap, engine, excludedRooms });
  const bodies = new EventBodies((uid) => engine().shownState(uid));
  const outlet = new Outlet({
    ...shared,
    engine,
    federation,
    settle: () => restrictions.settle(),
    onDelivered: () => traffic?.settle(),
  });
  const restrictions: RestrictionKeeper = new RestrictionKeeper({
    ...background,
    router,
    engine,
    deliver: (deliveries) => outlet.deliver(deliveries),
    onServerGain: (source) => modules.invalidateUsersForStates([source]),
  });
  const forms = new ServerForms({ engine, restrictions });
  const committer = new TurnCommitter({
    ...shared,
    takeChanges: owner.takeChanges,
    onWrite: (updates) => {
      for (const update of updates) activity.forget(update.state.userId);
    },
    onDurable: owner.publish,
  });
  const routing = new RoutingQueue({
    ...shared,
    router,
    route: owner.route,
    routePings: (pings, answer) => outlet.keepAlive(engine().routePings(pings, answer)),
    hasKeptAnswers: () => engine().hasKeptAnswers,
  });
  const interest = new InterestKeeper({
    ...background,
    router,
    isConnected: (userId) => engine().isConnected(userId),
    apply: (userId, wanted) => {
      outlet.deliver(engine().setInterest(userId, wanted));
      remote.admitFor(wanted);
    },
  });
  const activity = new ActivitySaver({
    ...shared,
    drain: () => {
      committer.close();
      return engine().drainUnpersisted();
    },
  });
  const owed = new OwedPresenceReader({ ...background, serverName, router, outlet, forms, isStopped });
  const remote = new RemoteKeeper({
    ...shared,
    settings,
    limits: { ...DEFAULT_REMOTE_LIMITS, ...settings.remote },
    engine,
    router,
    committer,
    isBusy: (uid) => routing.isBusyWith(uid),
    onReleased: ({ uid, state }) => {
      bodies.drop(uid);
      activity.forget(state.userId);
      routing.forget(state.userId);
    },
  });
  const status = new StatusReader({
    clock,
    router,
    engine,
    interest,
    restrictions,
    isKnown: (userId) => engine().uidOf(userId) >= 0 || remote.stateOf(userId) !== null,
    stateOf: owner.getState,
  });
  const modules: ModuleOperations = new ModuleOperations({
    ...shared,
    settings,
    engine,
    outlet,
    committer,
    interest,
    restrictions,
    remote,
    owed,
    forms,
    federation,
    route: (updates) => routing.add(updates, []),
    isRunning,
    refuseWhenStopped,
  });
  const replaced = new ModulesReplaced({
    ...background,
    router,
    engine,
    restrictions,
    interest,
    routing,
    remote,
    owed,
    isStopped,
  });
  return {
    shared,
    metrics,
    positions,
    outlet,
    traffic,
    committer,
    routing,
    interest,
    restrictions,
    activity,
    owed,
    remote,
    status,
    modules,
    replaced,
    bodies,
  };
}
