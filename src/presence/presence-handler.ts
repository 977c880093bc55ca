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
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type DeviceId, type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';
import { PortError } from '../ports/errors.ts';
import type { MembershipChange } from '../ports/room-directory.ts';
import { ActivitySaver } from './activity-saver.ts';
import { type Background, inBackground } from './background.ts';
import { checkPresenceEntries, checkUserIds } from './check-input.ts';
import { createExplainer } from './explain.ts';
import { EventBodies } from './event-bodies.ts';
import { formatStatus } from './format-presence.ts';
import { type MarkParts, markForSnapshot, sendSnapshots } from './full-presence.ts';
import { InterestKeeper } from './interest-keeper.ts';
import { loadPresence } from './load-presence.ts';
import { Outlet } from './outlet.ts';
import { OwedPresenceReader } from './owed-presence.ts';
import { PositionBlock } from './position-block.ts';
import type { BeginSyncOptions, PresenceEntry, PresenceHandler, SyncSession } from './presence-api.ts';
import { createPresenceView, type PresenceView } from './presence-view.ts';
import { createPresenceMetrics, type PresenceMetrics } from './presence-metrics.ts';
import { DEFAULT_REMOTE_LIMITS, type PresenceParts, type PresenceSettings } from './presence-options.ts';
import { RemoteKeeper } from './remote-keeper.ts';
import { routeAgain } from './route-again.ts';
import { RoutingQueue } from './routing-queue.ts';
import { beginSession, NO_SESSION, type SyncSessionParts } from './sync-sessions.ts';
import { Ticker } from './ticker.ts';
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
  readonly #committer: TurnCommitter;
  readonly #routing: RoutingQueue;
  readonly #interest: InterestKeeper;
  readonly #activity: ActivitySaver;
  readonly #owed: OwedPresenceReader;
  readonly #remote: RemoteKeeper;
  readonly #bodies: EventBodies;
  readonly #unanswered = new UnansweredUpdates();
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
      strangers: () => this.#remote.strangers,
    });
    this.#positions = new PositionBlock(store);
    const shared = { ...background, store, metrics: this.#metrics, positions: this.#positions };
    this.#shared = shared;
    this.#outlet = new Outlet({ ...shared, engine: () => this.#engine, federation: parts.federation });
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
      federation: parts.federation,
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
    this.#bodies = new EventBodies((uid) => this.#engine.shownState(uid));
    this.view = createPresenceView({
      serverName: settings.serverName,
      engine: () => this.#engine,
      strangers: () => this.#remote.strangers,
      strangerState: (userId) => this.#remote.stateOf(userId),
    });
    this.explain = createExplainer({ ...parts, settings, engine: () => this.#engine, remote: this.#remote });
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
      now: () => this.#now(),
    };
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
    return beginSession(this.#sessions, userId, deviceId, options);
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

  canSee(observer: UserId, target: UserId): boolean | Promise<boolean> {
    const engine = this.#engine;
    if (engine.canSee(observer, target)) return true;
    // Whoever is connected has been asked about; others may still be watchers by routing.
    if (!this.#parts.router.hasCallbacks || engine.interestOf(observer) !== null) return false;
    if (engine.uidOf(target) < 0 && this.#remote.stateOf(target) === null) return false;
    return this.#interest
      .lookUp(observer)
      .then((interest) => interest === 'ALL' || (interest?.includes(target) ?? false));
  }

  collect(observer: UserId, options: CollectOptions): Collection {
    if (this.mode !== 'disabled') {
      const collection = this.#engine.collect(observer, options);
      const { uids, next } = collection;
      if (uids.length > 0 || next.resume === null || options.limit === 0) return collection;
      // Nothing to tell but something owed (a snapshot names nobody who went offline): a poll would wait for it in vain.
      return this.#engine.collect(observer, { ...options, since: next });
    }
    // The round of "offline" at the start reaches tokens from before it, and nothing else reaches anybody.
    if (options.since === null) return { uids: [], next: { position: this.position, resume: null } };
    return this.#engine.collect(observer, { ...options, extras: [] });
  }

  eventBody(uid: number): string {
    return this.#bodies.get(uid, this.#now());
  }

  statusBody(userId: UserId): string {
    return formatStatus(this.getState(userId), this.#now());
  }

  async sendLocalOnlinePresenceTo(users: Iterable<UserId>): Promise<void> {
    const checked = checkUserIds(users);
    this.#refuseWhenStopped('sendLocalOnlinePresenceTo');
    if (this.mode === 'disabled') return;
    const isLocal = (userId: UserId): boolean => serverNameOf(userId) === this.#settings.serverName;
    const local = checked.filter(isLocal);
    if (local.length > 0) this.#outlet.deliver(await markForSnapshot(local, this.#engine, this.#shared));
    if (this.mode !== 'tracked') return;
    const remote = checked.filter((userId) => !isLocal(userId));
    const { federation } = this.#parts;
    await sendSnapshots(remote, { engine: this.#engine, interest: this.#interest, owed: this.#owed, federation });
  }

  async setPresenceForUsers(users: ReadonlyMap<UserId, PresenceEntry>): Promise<void> {
    const entries = checkPresenceEntries(users, this.#settings);
    this.#refuseWhenStopped('setPresenceForUsers');
    if (this.mode === 'disabled') {
      this.#parts.logger.warn({ users: entries.size }, 'presence is disabled: what a module set is ignored');
      return;
    }
    this.#remote.forgetStrangers(entries.keys());
    this.#engine.setPresenceForUsers(entries, this.#now());
    await this.#committer.commit();
  }

  invalidateInterestedUsers(users?: Iterable<UserId>): void {
    const checked = users === undefined ? undefined : checkUserIds(users);
    if (!this.#isStopped && this.mode !== 'disabled') this.#interest.invalidate(checked);
  }

  invalidateUsersForStates(sources: Iterable<UserId>): void {
    const checked = checkUserIds(sources);
    const engine = this.#started;
    if (engine === null || this.#isStopped || this.mode === 'disabled') return;
    const route = (updates: readonly PresenceUpdate[]): void => this.#routing.add(updates, []);
    const isStopped = (): boolean => this.#isStopped;
    inBackground(this.#shared, 'routing again', routeAgain(checked, { ...this.#shared, engine, route, isStopped }));
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
    this.#routing.begin(this.#unanswered.take(this.#engine));
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
    return this.#started;
  }

  #now(): number {
    return this.#parts.clock.now();
  }

  #refuseWhenStopped(operation: string): void {
    if (this.#isStopped) throw new PortError('presence', operation, true, 'the server is stopping');
  }

  #membershipChanged({ membership, roomId, userId }: MembershipChange): void {
    if (membership === 'leave') return this.#engine.leave(userId, roomId);
    this.#engine.join(userId, roomId);
    this.#remote.admit([userId]);
    // Whom servers are to hear of for it is told when the turn closes, for all joins of the turn together.
    this.#committer.request();
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
    if (answered.length > 0) this.#routing.takeAnswer(answered, answer);
    this.#routing.add(others, pings);
  }

  #route(batch: readonly PresenceUpdate[], answer: RoutingAnswer): RouteResult['kept'] {
    const result = this.#engine.route(batch, answer);
    this.#metrics.addDropped('routed_limit', result.dropped);
    this.#outlet.deliver(result);
    return result.kept;
  }

  #tick(now: number): void {
    this.#engine.setRoutersAreAsked(this.#parts.router.hasCallbacks);
    this.#engine.tick(now);
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
