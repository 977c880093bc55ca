/**
 * The presence service: the only driver of the engine, and what ties it to store, routers, federation and clock.
 *
 *     command ─▶ engine ─▶ turn closes ─▶ store ─▶ published ─▶ observers, servers
 *                                                     └─▶ routers ─▶ routed ─▶ observers, servers ─▶ store
 *
 * Each arrow that takes time has a file of its own; what is here is the wiring and the public operations.
 */
import { PresenceEngine } from '../core/presence-engine.ts';
import type {
  Collection,
  CollectOptions,
  PresenceUpdate,
  RemotePresence,
  RouteResult,
  RoutingAnswer,
  TurnChanges,
} from '../core/engine-api.ts';
import type { Form } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { DeviceId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import { PortError } from '../ports/errors.ts';
import type { MembershipChange } from '../ports/room-directory.ts';
import { ActivitySaver } from './activity-saver.ts';
import { type Background, inBackground } from './background.ts';
import { createExplainer } from './explain.ts';
import { EventBodies } from './event-bodies.ts';
import type { MarkParts } from './full-presence.ts';
import { InterestKeeper } from './interest-keeper.ts';
import { loadPresence } from './load-presence.ts';
import { ModuleOperations } from './module-operations.ts';
import { Outlet } from './outlet.ts';
import { ModulesReplaced } from './modules-replaced.ts';
import { OwedPresenceReader } from './owed-presence.ts';
import { PositionBlock } from './position-block.ts';
import type { BeginSyncOptions, PresenceEntry, PresenceHandler, SyncSession } from './presence-api.ts';
import { createPresenceView, type PresenceView } from './presence-view.ts';
import { createPresenceMetrics, type PresenceMetrics } from './presence-metrics.ts';
import { DEFAULT_REMOTE_LIMITS, type PresenceParts, type PresenceSettings } from './presence-options.ts';
import { RemoteKeeper } from './remote-keeper.ts';
import { RestrictionKeeper } from './restriction-keeper.ts';
import { RoutingQueue } from './routing-queue.ts';
import { ServerForms } from './server-forms.ts';
import { StatusReader } from './status-reader.ts';
import { beginSession, NO_SESSION, type SyncSessionParts } from './sync-sessions.ts';
import { Ticker } from './ticker.ts';
import { TrafficWatcher } from './traffic-watcher.ts';
import { TurnCommitter } from './turn-committer.ts';
import { UnansweredUpdates } from './unanswered-updates.ts';

const SWEEP_INTERVAL_MS = 60_000;

/** Makes a presence service; `start()` it before anything else. */
export function createPresenceHandler(settings: PresenceSettings, parts: PresenceParts): PresenceHandler {
  return new Handler(settings, parts);
}

class Handler implements PresenceHandler {
  readonly view: PresenceView;
  readonly explain: PresenceHandler['explain'];
  readonly #settings: PresenceSettings;
  readonly #parts: PresenceParts;
  readonly #shared: Background & MarkParts;
  readonly #metrics: PresenceMetrics;
  readonly #positions: PositionBlock;
  readonly #outlet: Outlet;
  /** Null unless traffic is recorded. */
  readonly #traffic: TrafficWatcher | null;
  readonly #committer: TurnCommitter;
  readonly #routing: RoutingQueue;
  readonly #interest: InterestKeeper;
  readonly #activity: ActivitySaver;
  readonly #owed: OwedPresenceReader;
  readonly #remote: RemoteKeeper;
  readonly #restrictions: RestrictionKeeper;
  readonly #status: StatusReader;
  readonly #modules: ModuleOperations;
  readonly #bodies: EventBodies;
  readonly #unanswered = new UnansweredUpdates();
  readonly #replaced: ModulesReplaced;
  #started: PresenceEngine | null = null;
  #subscription: Disposable | null = null;
  readonly #ticker: Ticker;
  #sessions: SyncSessionParts | null = null;
  #sweepTs = 0;
  #isStopped = false;

  constructor(settings: PresenceSettings, parts: PresenceParts) {
    const { store, router, clock, logger, schedule = setImmediate } = parts;
    this.#settings = settings;
    this.#parts = parts;
    const background: Background = { clock, logger, schedule };
    this.#metrics = createPresenceMetrics(parts.metrics, {
      stats: () => this.#started?.stats() ?? null,
      pendingUpdates: () => this.#committer.pending,
      unsavedActivity: () => this.#activity.size,
      routingQueue: () => this.#routing.size,
      eventBodies: () => this.#bodies.size,
      restrictionQuestions: () => this.#restrictions.size,
      strangers: () => this.#remote.strangers,
    });
    this.#positions = new PositionBlock(store);
    const shared = { ...background, store, metrics: this.#metrics, positions: this.#positions };
    this.#shared = shared;
    const { tap = null } = parts;
    const { excludedRooms } = settings;
    this.#traffic =
      tap === null ? null : new TrafficWatcher({ ...background, tap, engine: () => this.#engine, excludedRooms });
    this.#outlet = new Outlet({
      ...shared,
      engine: () => this.#engine,
      federation: parts.federation,
      settle: () => this.#restrictions.settle(),
      onDelivered: () => this.#traffic?.settle(),
    });
    this.#restrictions = new RestrictionKeeper({
      ...background,
      router,
      engine: () => this.#engine,
      deliver: (deliveries) => this.#outlet.deliver(deliveries),
      onServerGain: (source) => this.invalidateUsersForStates([source]),
    });
    const forms = new ServerForms({ engine: () => this.#engine, restrictions: this.#restrictions });
    this.#committer = new TurnCommitter({
      ...shared,
      takeChanges: () => this.#takeChanges(),
      onWrite: (updates) => {
        for (const update of updates) this.#activity.forget(update.state.userId);
      },
      onDurable: (changes) => this.#publish(changes),
    });
    this.#routing = new RoutingQueue({
      ...shared,
      router,
      route: (batch, answer) => this.#route(batch, answer),
      routePings: (pings, answer) => this.#outlet.keepAlive(this.#engine.routePings(pings, answer)),
      hasKeptAnswers: () => this.#engine.hasKeptAnswers,
    });
    this.#interest = new InterestKeeper({
      ...background,
      router,
      isConnected: (userId) => this.#engine.isConnected(userId),
      apply: (userId, interest) => {
        this.#outlet.deliver(this.#engine.setInterest(userId, interest));
        this.#remote.admitFor(interest);
      },
    });
    this.#activity = new ActivitySaver({
      ...shared,
      drain: () => {
        this.#committer.close();
        return this.#engine.drainUnpersisted();
      },
    });
    this.#owed = new OwedPresenceReader({
      ...background,
      serverName: settings.serverName,
      router,
      outlet: this.#outlet,
      forms,
      isStopped: () => this.#isStopped,
    });
    this.#remote = new RemoteKeeper({
      ...shared,
      settings,
      limits: { ...DEFAULT_REMOTE_LIMITS, ...settings.remote },
      engine: () => this.#engine,
      router,
      committer: this.#committer,
      isBusy: (uid) => this.#routing.isBusyWith(uid),
      onReleased: ({ uid, state }) => {
        this.#bodies.drop(uid);
        this.#activity.forget(state.userId);
        this.#routing.forget(state.userId);
      },
    });
    this.#status = new StatusReader({
      clock,
      router,
      engine: () => this.#engine,
      interest: this.#interest,
      restrictions: this.#restrictions,
      isKnown: (userId) => this.#engine.uidOf(userId) >= 0 || this.#remote.stateOf(userId) !== null,
      stateOf: (userId) => this.getState(userId),
    });
    this.#modules = new ModuleOperations({
      ...shared,
      settings,
      engine: () => this.#engine,
      outlet: this.#outlet,
      committer: this.#committer,
      interest: this.#interest,
      restrictions: this.#restrictions,
      remote: this.#remote,
      owed: this.#owed,
      forms,
      federation: parts.federation,
      route: (updates) => this.#routing.add(updates, []),
      isRunning: () => this.#started !== null && !this.#isStopped,
      refuseWhenStopped: (operation) => this.#refuseWhenStopped(operation),
    });
    this.#bodies = new EventBodies((uid) => this.#engine.shownState(uid));
    this.view = createPresenceView({
      serverName: settings.serverName,
      engine: () => this.#engine,
      strangers: () => this.#remote.strangers,
      strangerState: (userId) => this.#remote.stateOf(userId),
    });
    this.explain = createExplainer({ ...parts, settings, engine: () => this.#engine, remote: this.#remote });
    this.#replaced = new ModulesReplaced({
      ...background,
      router,
      engine: () => this.#engine,
      restrictions: this.#restrictions,
      interest: this.#interest,
      routing: this.#routing,
      remote: this.#remote,
      owed: this.#owed,
      isStopped: () => this.#isStopped,
    });
    this.#ticker = new Ticker(clock, (now) => this.#tick(now));
  }

  get mode(): PresenceSettings['mode'] {
    return this.#settings.mode;
  }

  get position(): number {
    return this.#engine.position;
  }

  async start(): Promise<void> {
    const { logger } = this.#parts;
    const startPosition = await this.#positions.start();
    const engine = new PresenceEngine({ ...this.#settings, startPosition });
    this.#started = engine;
    const { rows, subscription } = await loadPresence(engine, this.#parts, this.#unanswered, (change) =>
      this.#membershipChanged(change),
    );
    this.#subscription = subscription;
    // Disabled: everybody who was online is told to be offline. Otherwise there is nothing to save.
    await this.#committer.commit();
    this.#sessions = {
      engine,
      committer: this.#committer,
      interest: this.mode === 'disabled' ? null : this.#remote.duringSyncs(this.#interest),
      restrictions: this.#restrictions,
      now: () => this.#now(),
    };
    this.#traffic?.begin();
    this.#ticker.start(engine.tickMs);
    this.#activity.start();
    logger.info({ users: rows, mode: this.mode, position: startPosition }, 'presence started');
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#subscription?.[Symbol.dispose]();
    this.#ticker.stop();
    this.#remote.stop();
    this.#interest.stop();
    this.#restrictions.stop();
    if (this.#started === null) return;
    await this.#committer.stop();
    await this.#routing.stop();
    await this.#activity.stop();
  }

  async setPresence(userId: UserId, deviceId: DeviceId, state: PresenceState, statusMsg: string | null): Promise<void> {
    this.#refuseWhenStopped('setPresence');
    if (this.mode !== 'tracked') return;
    this.#engine.setPresence(userId, deviceId, state, statusMsg, this.#now());
    await this.#committer.commit();
  }

  beginSync(userId: UserId, deviceId: DeviceId, options: BeginSyncOptions): SyncSession | Promise<SyncSession> {
    if (this.#isStopped) return NO_SESSION;
    if (this.#sessions === null) throw notStarted();
    const session = beginSession(this.#sessions, userId, deviceId, options);
    this.#traffic?.connected(userId);
    return session;
  }

  bumpPresenceActiveTime(userId: UserId, deviceId: DeviceId): void {
    if (this.#isStopped) return;
    this.#engine.bumpPresenceActiveTime(userId, deviceId, this.#now());
    this.#committer.request();
  }

  getState(userId: UserId): UserPresenceState {
    const uid = this.#engine.uidOf(userId);
    return uid < 0 ? (this.#remote.stateOf(userId) ?? this.#engine.stateOf(userId)) : this.#engine.shownState(uid);
  }

  statusFor(observer: UserId, target: UserId): string | null | Promise<string | null> {
    return this.#status.statusFor(observer, target);
  }

  collect(observer: UserId, options: CollectOptions): Collection {
    const collection = this.#collect(observer, options);
    // What modules have said at once about what was kept back is part of the same answer.
    return this.#restrictions.settle() ? this.#collect(observer, options) : collection;
  }

  eventBody(uid: number, form: Form): string {
    return this.#bodies.get(uid, form, this.#now());
  }

  sendLocalOnlinePresenceTo(users: Iterable<UserId>): Promise<void> {
    return this.#modules.sendLocalOnlinePresenceTo(users);
  }

  setPresenceForUsers(users: ReadonlyMap<UserId, PresenceEntry>): Promise<void> {
    return this.#modules.setPresenceForUsers(users);
  }

  invalidateInterestedUsers(users?: Iterable<UserId>): void {
    this.#modules.invalidateInterestedUsers(users);
  }

  invalidateUsersForStates(sources: Iterable<UserId>): void {
    this.#modules.invalidateUsersForStates(sources);
  }

  invalidateRestrictions(sources?: Iterable<UserId>): void {
    this.#modules.invalidateRestrictions(sources);
  }

  async receiveRemote(origin: ServerName, entries: readonly RemotePresence[]): Promise<void> {
    this.#refuseWhenStopped('receiveRemote');
    if (this.mode !== 'tracked') return;
    await this.#remote.receive(origin, entries);
  }

  async *statesFor(destination: ServerName, sinceTs: number): AsyncIterable<readonly UserPresenceState[]> {
    if (this.mode !== 'tracked') return;
    this.#refuseWhenStopped('statesFor');
    yield* this.#owed.statesFor(this.#engine.local, destination, sinceTs);
    // Cut short is not the end: what is missing is still owed.
    this.#refuseWhenStopped('statesFor');
  }

  resendSince(ts: number): void {
    if (this.#isStopped || this.mode !== 'tracked') return;
    inBackground(this.#shared, 'telling servers again', this.#owed.resendSince(this.#engine.local, ts));
  }

  routeUnanswered(): void {
    if (this.#isStopped || this.mode === 'disabled') return;
    const engine = this.#engine;
    this.#restrictions.modulesConstructed();
    this.#routing.begin(this.#unanswered.take(engine));
  }

  async modulesReplaced(): Promise<void> {
    if (this.#started !== null && !this.#isStopped && this.mode !== 'disabled') await this.#replaced.run();
  }

  removeDevice(userId: UserId, deviceId: DeviceId): void {
    if (this.#isStopped) return;
    this.#engine.removeDevice(userId, deviceId, this.#now());
    this.#committer.request();
  }

  removeUser(userId: UserId): void {
    if (this.#isStopped) return;
    this.#engine.removeUser(userId, this.#now());
    this.#committer.request();
  }

  onNotify(listener: (users: readonly UserId[]) => void): Disposable {
    return this.#outlet.onNotify(listener);
  }

  get #engine(): PresenceEngine {
    if (this.#started === null) throw notStarted();
    // Modules may come after the start: from then on nothing is done without what they keep back.
    this.#restrictions.follow();
    return this.#started;
  }

  #now(): number {
    return this.#parts.clock.now();
  }

  #refuseWhenStopped(operation: string): void {
    if (this.#isStopped) throw new PortError('presence', operation, true, 'the server is stopping');
  }

  #membershipChanged({ membership, roomId, userId }: MembershipChange): void {
    this.#traffic?.moved(membership, roomId, userId);
    if (membership === 'leave') return this.#engine.leave(userId, roomId);
    this.#engine.join(userId, roomId);
    this.#remote.admit([userId]);
    // Whom servers are to hear of for it is told when the turn closes, for all joins of the turn together.
    this.#committer.request();
  }

  #collect(observer: UserId, options: CollectOptions): Collection {
    const engine = this.#engine;
    if (this.mode !== 'disabled') {
      const collection = engine.collect(observer, options);
      const { uids, next } = collection;
      if (uids.length > 0 || next.resume === null || options.limit === 0) return collection;
      // Nothing to tell but something owed (a snapshot names nobody who went offline): a poll would wait for it in vain.
      return engine.collect(observer, { ...options, since: next });
    }
    // The round of "offline" at the start reaches tokens from before it, and nothing else reaches anybody.
    if (options.since === null) return { uids: [], forms: null, next: { position: this.position, resume: null } };
    return engine.collect(observer, { ...options, extras: [] });
  }

  #takeChanges(): TurnChanges {
    const changes = this.#engine.takeChanges();
    this.#outlet.send(changes.joins);
    return changes;
  }

  #publish(changes: TurnChanges): void {
    const { updates, pings } = changes;
    for (const update of updates) this.#bodies.drop(update.uid);
    const deliveries = this.#engine.publish(changes);
    this.#metrics.observeFanout(deliveries.pairs, updates.length);
    this.#metrics.addCounters(this.#engine.takeCounters());
    this.#outlet.deliver(deliveries);
    this.#outlet.keepAlive(deliveries.keepAlives);
    // Routers are not asked again about a state about which they were asked while its user was a stranger.
    const { answer, answered, others } = this.#remote.splitAnswered(updates);
    this.#traffic?.published(updates, !this.#parts.router.hasCallbacks);
    if (answered.length > 0) this.#routing.takeAnswer(answered, answer);
    this.#routing.add(others, pings);
  }

  #route(batch: readonly PresenceUpdate[], answer: RoutingAnswer): RouteResult['kept'] {
    const result = this.#engine.route(batch, answer);
    this.#metrics.addDropped('routed_limit', result.dropped);
    this.#outlet.deliver(result);
    this.#traffic?.routed(batch);
    return result.kept;
  }

  #tick(now: number): void {
    this.#engine.setRoutersAreAsked(this.#parts.router.hasCallbacks);
    this.#engine.tick(now);
    this.#traffic?.tick();
    this.#committer.request();
    this.#metrics.addCounters(this.#engine.takeCounters());
    this.#remote.release(now);
    if (now < this.#sweepTs) return;
    this.#sweepTs = now + SWEEP_INTERVAL_MS;
    this.#remote.sweep(now);
    this.#interest.sweep();
  }
}

function notStarted(): Error {
  return new Error('the presence service has not been started');
}
