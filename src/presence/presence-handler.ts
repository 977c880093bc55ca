/**
 * The presence service: the only driver of the engine, and what ties it to store, routers, federation and clock.
 *
 *     command ─▶ engine ─▶ turn closes ─▶ store ─▶ published ─▶ observers, servers
 *                                                     └─▶ routers ─▶ routed ─▶ observers, servers ─▶ store
 *
 * Each arrow that takes time has a file of its own, and presence-works.ts puts them together; what is here is the public operations.
 * Long, because it is the one list of them.
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
import { inBackground } from './background.ts';
import { createExplainer } from './explain.ts';
import { loadPresence } from './load-presence.ts';
import { atMost } from './deadline.ts';
import type { BeginSyncOptions, PresenceEntry, PresenceHandler, SyncSession } from './presence-api.ts';
import { createPresenceView, type PresenceView } from './presence-view.ts';
import type { PresenceParts, PresenceSettings } from './presence-options.ts';
import { createWorks, type PresenceWorks } from './presence-works.ts';
import { beginSession, NO_SESSION, type SyncSessionParts } from './sync-sessions.ts';
import { Ticker } from './ticker.ts';
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
  readonly #works: PresenceWorks;
  readonly #unanswered = new UnansweredUpdates();
  #started: PresenceEngine | null = null;
  #subscription: Disposable | null = null;
  readonly #ticker: Ticker;
  #sessions: SyncSessionParts | null = null;
  #sweepTs = 0;
  #isStopped = false;

  constructor(settings: PresenceSettings, parts: PresenceParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#works = createWorks(settings, parts, {
      engine: () => this.#engine,
      stats: () => this.#started?.stats() ?? null,
      getState: (userId) => this.getState(userId),
      takeChanges: () => this.#takeChanges(),
      publish: (changes) => this.#publish(changes),
      route: (batch, answer) => this.#route(batch, answer),
      isRunning: () => this.#started !== null && !this.#isStopped,
      isStopped: () => this.#isStopped,
      refuseWhenStopped: (operation) => this.#refuseWhenStopped(operation),
    });
    const { remote } = this.#works;
    this.view = createPresenceView({
      serverName: settings.serverName,
      engine: () => this.#engine,
      strangers: () => remote.strangers,
      strangerState: (userId) => remote.stateOf(userId),
    });
    this.explain = createExplainer({ ...parts, settings, engine: () => this.#engine, remote });
    this.#ticker = new Ticker(parts.clock, (now) => this.#tick(now));
  }

  get mode(): PresenceSettings['mode'] {
    return this.#settings.mode;
  }

  get position(): number {
    return this.#engine.position;
  }

  async start(): Promise<void> {
    const { logger } = this.#parts;
    const startPosition = await this.#works.positions.start();
    const engine = new PresenceEngine({ ...this.#settings, startPosition });
    this.#started = engine;
    const { rows, subscription } = await loadPresence(engine, this.#parts, this.#unanswered, (change) =>
      this.#membershipChanged(change),
    );
    this.#subscription = subscription;
    // Disabled: everybody who was online is told to be offline. Otherwise there is nothing to save.
    await this.#works.committer.commit();
    this.#sessions = {
      engine,
      committer: this.#works.committer,
      interest: this.mode === 'disabled' ? null : this.#works.remote.duringSyncs(this.#works.interest),
      restrictions: this.#works.restrictions,
      withinDeadline: (work) => atMost(this.#parts.clock, this.#parts.router.deadlineMs, work),
      now: () => this.#now(),
    };
    this.#works.traffic?.begin();
    this.#ticker.start(engine.tickMs);
    this.#works.activity.start();
    logger.info({ users: rows, mode: this.mode, position: startPosition }, 'presence started');
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#subscription?.[Symbol.dispose]();
    this.#ticker.stop();
    this.#works.remote.stop();
    this.#works.interest.stop();
    this.#works.restrictions.stop();
    if (this.#started === null) return;
    await this.#works.committer.stop();
    await this.#works.routing.stop();
    await this.#works.activity.stop();
  }

  async setPresence(userId: UserId, deviceId: DeviceId, state: PresenceState, statusMsg: string | null): Promise<void> {
    this.#refuseWhenStopped('setPresence');
    if (this.mode !== 'tracked') return;
    this.#engine.setPresence(userId, deviceId, state, statusMsg, this.#now());
    await this.#works.committer.commit();
  }

  beginSync(userId: UserId, deviceId: DeviceId, options: BeginSyncOptions): SyncSession | Promise<SyncSession> {
    if (this.#isStopped) return NO_SESSION;
    if (this.#sessions === null) throw notStarted();
    this.#works.restrictions.follow();
    const session = beginSession(this.#sessions, userId, deviceId, options);
    this.#works.traffic?.connected(userId);
    return session;
  }

  bumpPresenceActiveTime(userId: UserId, deviceId: DeviceId): void {
    if (this.#isStopped) return;
    this.#engine.bumpPresenceActiveTime(userId, deviceId, this.#now());
    this.#works.committer.request();
  }

  getState(userId: UserId): UserPresenceState {
    const uid = this.#engine.uidOf(userId);
    return uid < 0
      ? (this.#works.remote.stateOf(userId) ?? this.#engine.stateOf(userId))
      : this.#engine.shownState(uid);
  }

  statusFor(observer: UserId, target: UserId): string | null | Promise<string | null> {
    return this.#works.status.statusFor(observer, target);
  }

  collect(observer: UserId, options: CollectOptions): Collection {
    const collection = this.#collect(observer, options);
    // What modules have said at once about what was kept back is part of the same answer.
    return this.#works.restrictions.settle() ? this.#collect(observer, options) : collection;
  }

  eventBody(uid: number, form: Form): string {
    return this.#works.bodies.get(uid, form, this.#now());
  }

  sendLocalOnlinePresenceTo(users: Iterable<UserId>): Promise<void> {
    return this.#works.modules.sendLocalOnlinePresenceTo(users);
  }

  setPresenceForUsers(users: ReadonlyMap<UserId, PresenceEntry>): Promise<void> {
    return this.#works.modules.setPresenceForUsers(users);
  }

  invalidateInterestedUsers(users?: Iterable<UserId>): void {
    this.#works.modules.invalidateInterestedUsers(users);
  }

  invalidateUsersForStates(sources: Iterable<UserId>): void {
    this.#works.modules.invalidateUsersForStates(sources);
  }

  invalidateRestrictions(sources?: Iterable<UserId>): void {
    this.#works.modules.invalidateRestrictions(sources);
  }

  async receiveRemote(origin: ServerName, entries: readonly RemotePresence[]): Promise<void> {
    this.#refuseWhenStopped('receiveRemote');
    if (this.mode !== 'tracked') return;
    await this.#works.remote.receive(origin, entries);
  }

  async *statesFor(destination: ServerName, sinceTs: number): AsyncIterable<readonly UserPresenceState[]> {
    if (this.mode !== 'tracked') return;
    this.#refuseWhenStopped('statesFor');
    yield* this.#works.owed.statesFor(this.#engine.local, destination, sinceTs);
    // Cut short is not the end: what is missing is still owed.
    this.#refuseWhenStopped('statesFor');
  }

  resendSince(ts: number): void {
    if (this.#isStopped || this.mode !== 'tracked') return;
    inBackground(this.#works.shared, 'telling servers again', this.#works.owed.resendSince(this.#engine.local, ts));
  }

  routeUnanswered(): void {
    if (this.#isStopped || this.mode === 'disabled') return;
    const engine = this.#engine;
    this.#works.restrictions.modulesConstructed();
    this.#works.routing.begin(this.#unanswered.take(engine));
  }

  async modulesReplaced(): Promise<void> {
    if (this.#started !== null && !this.#isStopped && this.mode !== 'disabled') await this.#works.replaced.run();
  }

  removeDevice(userId: UserId, deviceId: DeviceId): void {
    if (this.#isStopped) return;
    this.#engine.removeDevice(userId, deviceId, this.#now());
    this.#works.committer.request();
  }

  removeUser(userId: UserId): void {
    if (this.#isStopped) return;
    this.#engine.removeUser(userId, this.#now());
    this.#works.committer.request();
  }

  onNotify(listener: (users: readonly UserId[]) => void): Disposable {
    return this.#works.outlet.onNotify(listener);
  }

  get #engine(): PresenceEngine {
    if (this.#started === null) throw notStarted();
    // Modules may come after the start: from then on nothing is done without what they keep back.
    this.#works.restrictions.follow();
    return this.#started;
  }

  #now(): number {
    return this.#parts.clock.now();
  }

  #refuseWhenStopped(operation: string): void {
    if (this.#isStopped) throw new PortError('presence', operation, true, 'the server is stopping');
  }

  #membershipChanged({ membership, roomId, userId }: MembershipChange): void {
    this.#works.traffic?.moved(membership, roomId, userId);
    if (membership === 'leave') return this.#engine.leave(userId, roomId);
    this.#engine.join(userId, roomId);
    this.#works.remote.admit([userId]);
    // Whom servers are to hear of for it is told when the turn closes, for all joins of the turn together.
    this.#works.committer.request();
  }

  #collect(observer: UserId, options: CollectOptions): Collection {
    const engine = this.#started;
    if (engine === null) throw notStarted();
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
    this.#works.outlet.send(changes.joins);
    return changes;
  }

  #publish(changes: TurnChanges): void {
    const { updates, pings } = changes;
    for (const update of updates) this.#works.bodies.drop(update.uid);
    const deliveries = this.#engine.publish(changes);
    this.#works.metrics.observeFanout(deliveries.pairs, updates.length);
    this.#works.metrics.addCounters(this.#engine.takeCounters());
    this.#works.outlet.deliver(deliveries);
    this.#works.outlet.keepAlive(deliveries.keepAlives);
    // Routers are not asked again about a state about which they were asked while its user was a stranger.
    const { answer, answered, others } = this.#works.remote.splitAnswered(updates);
    this.#works.traffic?.published(updates, !this.#parts.router.hasCallbacks);
    if (answered.length > 0) this.#works.routing.takeAnswer(answered, answer);
    this.#works.routing.add(others, pings);
  }

  #route(batch: readonly PresenceUpdate[], answer: RoutingAnswer): RouteResult['kept'] {
    const result = this.#engine.route(batch, answer);
    this.#works.metrics.addDropped('routed_limit', result.dropped);
    this.#works.outlet.deliver(result);
    this.#works.traffic?.routed(batch);
    return result.kept;
  }

  #tick(now: number): void {
    this.#engine.setRoutersAreAsked(this.#parts.router.hasCallbacks);
    this.#engine.tick(now);
    this.#works.traffic?.tick();
    this.#works.committer.request();
    this.#works.metrics.addCounters(this.#engine.takeCounters());
    this.#works.remote.release(now);
    if (now < this.#sweepTs) return;
    this.#sweepTs = now + SWEEP_INTERVAL_MS;
    this.#works.remote.sweep(now);
    this.#works.interest.sweep();
  }
}

function notStarted(): Error {
  return new Error('the presence service has not been started');
}
