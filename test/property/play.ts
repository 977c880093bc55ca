/**
 * Plays a history to an engine and its reference model side by side and compares them after every step.
 *
 * Throws at the first difference. Returns everything the engine answered, so that two runs can be compared.
 */
import { deepStrictEqual, ok } from 'node:assert/strict';
import type {
  CollectOptions,
  Deliveries,
  EngineOptions,
  PresenceCursor,
  PresenceUpdate,
  StoredRow,
  SyncClaim,
  TakenTurn,
  TurnChanges,
} from '../../src/core/engine-api.ts';
import { PresenceEngine } from '../../src/core/presence-engine.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import { serverNameOf, type UserId } from '../../src/matrix/identifiers.ts';
import { START_TS } from '../support/engine-driver.ts';
import { EXCLUDED, LOCALS, PASSERS_BY, REMOTES, type Step, STRANGERS } from './history.ts';
import { ReferenceModel, type Told } from './reference-model.ts';

const EVERYBODY = [...LOCALS, ...REMOTES, ...STRANGERS, ...PASSERS_BY];
const CLAIMS: Record<string, { claim: SyncClaim | null; counted: boolean }> = {
  default: { claim: { state: 'online', explicit: false }, counted: true },
  explicit: { claim: { state: 'online', explicit: true }, counted: true },
  unavailable: { claim: { state: 'unavailable', explicit: true }, counted: true },
  limited: { claim: null, counted: true },
  offline: { claim: null, counted: false },
};

export class Play {
  readonly options: EngineOptions;
  engine: PresenceEngine;
  model: ReferenceModel;
  now = START_TS;
  readonly answers: unknown[] = [];
  #outstanding: { changes: TurnChanges; expected: ReturnType<ReferenceModel['take']> }[] = [];
  #published: readonly PresenceUpdate[] = [];
  #openSyncs: { user: UserId; device: string; counted: boolean }[] = [];
  #tokens = new Map<UserId, PresenceCursor[]>();
  #highest = 0;
  /** Observers who got something while a turn was outstanding: woken when it is published. */
  #deferred = new Set<UserId>();
  readonly #wokenMeanwhile = new Set<UserId>();
  /** When an observer last asked for everybody: a token from before gets a snapshot. */
  readonly #wantedAllAt = new Map<UserId, number>();
  /** Gains that were too many for an inbox. */
  readonly #bySnapshot = new WeakSet<Told>();
  /** Observers whose cut answers put something into their inboxes meanwhile. */
  readonly #maybeWoken = new Set<UserId>();
  /** Position up to which an observer's inbox may have entries the model does not know of (cuts put some there). */
  #inexactUpTo = new Map<UserId, number>();

  constructor(options: EngineOptions) {
    this.options = { ...options, excludedRooms: new Set([EXCLUDED]) };
    this.engine = new PresenceEngine(this.options);
    this.model = this.#createModel(this.options);
  }

  #createModel(options: EngineOptions): ReferenceModel {
    return new ReferenceModel(options, (userId) => this.engine.uidOf(userId));
  }

  run(steps: readonly Step[]): this {
    for (const step of steps) {
      this.#play(step);
      this.#compareReads();
    }
    return this;
  }

  /** Ends every sync and lets time pass until nothing is armed any more. */
  finish(): this {
    while (this.#openSyncs.length > 0) this.#play({ do: 'end', which: 0 });
    for (let step = 0; step < 12; step++) {
      this.#play({ do: 'advance', ms: 1_200_000 });
      this.#play({ do: 'take' });
      this.#play({ do: 'publish' });
    }
    deepStrictEqual(
      { ...this.#gauges, quiet: this.model.isQuiet },
      { timers: 0, devices: 0, observers: 0, quiet: true },
    );
    return this;
  }

  get #gauges(): { timers: number; devices: number; observers: number } {
    const { timers, devices, observers } = this.engine.stats();
    return { timers, devices, observers };
  }

  #play(step: Step): void {
    const { engine, model, now } = this;
    this.model.allocatedPosition = engine.allocatedPosition;
    switch (step.do) {
      case 'join':
      case 'leave':
        engine[step.do](step.user, step.room);
        return model[step.do](step.user, step.room);
      case 'put':
        engine.setPresence(step.user, step.device, step.state, step.status, now);
        return model.put(step.user, step.device, step.state, step.status, now);
      case 'begin': {
        const { claim = null, counted = false } = CLAIMS[step.claim] ?? {};
        this.#openSyncs.push({ user: step.user, device: step.device, counted });
        // Whoever connects while something is held up looks again when it is there.
        if (this.#isWaiting && !engine.isConnected(step.user)) this.#maybeWoken.add(step.user);
        engine.beginSync(step.user, step.device, claim, counted, now);
        return model.beginSync(step.user, step.device, claim, counted, now);
      }
      case 'end': {
        const [sync] = this.#openSyncs.splice(step.which % Math.max(1, this.#openSyncs.length), 1);
        if (sync === undefined) return;
        engine.endSync(sync.user, sync.device, sync.counted, now);
        return model.endSync(sync.user, sync.device, sync.counted, now);
      }
      case 'bump':
        engine.bumpPresenceActiveTime(step.user, step.device, now);
        return model.bump(step.user, step.device, now);
      case 'removeDevice':
        if (engine.uidOf(step.user) < 0) return;
        engine.removeDevice(step.user, step.device, now);
        return model.removeDevice(step.user, step.device, now);
      case 'managed': {
        const managed = {
          state: step.state,
          statusMsg: step.status,
          ...(step.ttlMs === null ? {} : { ttlMs: step.ttlMs }),
        };
        engine.setPresenceForUsers(new Map([[step.user, managed]]), now);
        return model.setManaged(step.user, managed, now);
      }
      case 'remote': {
        const lastActiveTs = step.agoMs === null ? null : now - step.agoMs;
        const currentlyActive = step.active;
        const entry = { userId: step.user, state: step.state, statusMsg: null, lastActiveTs, currentlyActive };
        engine.remote.receive([entry], now);
        return model.receiveRemote(entry, now);
      }
      case 'routers':
        engine.setRoutersAreAsked(step.areAsked);
        model.routersAreAsked = step.areAsked;
        return;
      case 'admit': {
        const state = {
          userId: step.user,
          state: step.state,
          lastActiveTs: now - step.agoMs,
          lastFederationUpdateTs: now - step.agoMs,
          lastUserSyncTs: 0,
          statusMsg: null,
          currentlyActive: false,
        };
        engine.remote.admit(state, step.forced, now);
        return model.admit(state, step.forced, this.#isOutstanding(step.user), now);
      }
      case 'release':
        return this.#release(step.crowded, step.twice);
      case 'advance':
        this.now += step.ms;
        this.answers.push(engine.tick(this.now));
        model.tick(this.now);
        for (const userId of this.#deferred) if (!model.user(userId).connected) this.#deferred.delete(userId);
        return;
      case 'take':
        return this.#take();
      case 'publish':
        return this.#publish();
      case 'restart':
        return this.#restart();
      case 'route':
        return this.#route(step.targets);
      case 'interest': {
        const gained = model.setInterest(step.user, step.interest);
        const before = engine.allocatedPosition;
        const deliveries = engine.setInterest(step.user, step.interest);
        const position = engine.allocatedPosition;
        if (step.interest === 'ALL') this.#wantedAllAt.set(step.user, position);
        this.#rememberGains(step.user, gained, { before, position, isAll: step.interest === 'ALL' });
        // Whoever a router named, and who went offline since unheard, is told of once interest shows them.
        const isNamed = [...model.users.values()].some(({ kept }) => kept.to.has(step.user));
        const isLenient = step.interest === 'ALL' || (gained.length === 0 && isNamed);
        return this.#compareWoken(deliveries, isLenient || gained.length > 0 ? [step.user] : [], isLenient);
      }
      case 'mark': {
        const { marks, deliveries } = engine.markFullPresence(step.users);
        for (const [userId, position] of marks) model.user(userId).mark = position;
        return this.#compareWoken(
          deliveries,
          [...marks.keys()].filter((userId) => model.user(userId).connected),
        );
      }
      case 'collect':
        return this.#collect(step);
    }
  }

  /** Each has a position of their own, in the order of their numbers, unless they are so many that a snapshot tells of them all. */
  #rememberGains(
    observer: UserId,
    gained: readonly UserId[],
    { before, position, isAll }: { before: number; position: number; isAll: boolean },
  ): void {
    const { told } = this.model.user(observer);
    const isSnapshot = isAll || gained.length > this.options.limits.maxPendingPerObserver / 2;
    if (isSnapshot && position > before) {
      // One that is still held up tells of what an earlier one should have told.
      for (const one of told)
        if (this.#bySnapshot.has(one) && one.position > this.engine.position) one.position = position;
    }
    for (const [index, source] of gained.toSorted((a, b) => this.engine.uidOf(a) - this.engine.uidOf(b)).entries()) {
      const gain: Told = {
        source,
        position: isSnapshot ? position : before + (index + 1) * 2,
        how: 'gain',
        isVoid: false,
      };
      told.push(gain);
      if (isSnapshot) this.#bySnapshot.add(gain);
    }
  }

  #take(): void {
    const changes = this.engine.takeChanges();
    const expected = this.model.take();
    this.answers.push(changes);
    this.#outstanding.push({ changes, expected });
    this.#compareJoins(changes.joins);
    const byUser = (a: { userId: UserId }, b: { userId: UserId }): number => (a.userId < b.userId ? -1 : 1);
    deepStrictEqual(
      changes.updates
        .map(({ reason, previousState, state }) => ({ userId: state.userId, reason, previousState, state }))
        .toSorted(byUser),
      expected.updates.toSorted(byUser),
    );
    deepStrictEqual(changes.pings.map(({ state }) => state.userId).toSorted(), expected.pings);
    for (const { position } of changes.updates) {
      ok(position > this.#highest, 'positions only grow');
      this.#highest = position;
    }
    ok(changes.position >= this.#highest);
    this.#highest = changes.position;
  }

  /** What joins tell servers: as it is shown, and nobody whose update is still to be published. */
  #compareJoins(pushed: TakenTurn['joins']): void {
    const { engine, model } = this;
    const outstanding = new Set<UserId>();
    for (const { changes } of this.#outstanding) for (const { state } of changes.updates) outstanding.add(state.userId);
    this.#compareServers(pushed, model.takeJoins(this.now, outstanding));
    for (const states of pushed.values()) {
      for (const state of states) deepStrictEqual(state, engine.shownState(engine.uidOf(state.userId)));
    }
  }

  #isOutstanding(userId: UserId): boolean {
    return this.#outstanding.some(({ changes }) => changes.updates.some(({ state }) => state.userId === userId));
  }

  /** One pass as things are, or two when everything is told: then exactly those go who may. */
  #release(crowded: readonly string[], twice: boolean): void {
    const { model } = this;
    if (twice) {
      this.#take();
      while (this.#outstanding.length > 0) this.#publish();
    }
    // The routers may still answer about them.
    const routable = new Set(this.#published.map(({ uid }) => uid));
    const isReleasable = (userId: UserId): boolean =>
      !routable.has(this.engine.uidOf(userId)) && model.isReleasable(userId, crowded.includes(serverNameOf(userId)));
    const expected = EVERYBODY.filter((userId) => this.engine.uidOf(userId) >= 0 && isReleasable(userId));
    const released: UserId[] = [];
    for (let pass = 0; pass < (twice ? 2 : 1); pass++) {
      const gone = this.engine.remote.release(this.now, {
        passIntervalMs: 0,
        budget: 1_000,
        isBusy: (uid) => routable.has(uid),
        isCrowded: (server) => crowded.includes(server),
        everybodyLingerMs: 0,
      });
      for (const { state, wasTold, isBlank } of gone) {
        released.push(state.userId);
        deepStrictEqual({ ...state }, { ...model.user(state.userId).record });
        deepStrictEqual([wasTold, isBlank], [model.user(state.userId).position > 0, model.isBlank(state.userId)]);
      }
    }
    this.answers.push(released);
    if (twice) for (const userId of expected) ok(released.includes(userId), `${userId} is forgotten`);
    for (const userId of released) {
      // Whom only somebody forgotten just before named may go, too.
      ok(isReleasable(userId), `${userId} may be forgotten`);
      model.forget(userId);
    }
    for (const userId of released) deepStrictEqual(this.engine.uidOf(userId), -1);
    for (const server of ['far', 'away', 'nowhere']) {
      const guests = EVERYBODY.filter(
        (userId) =>
          serverNameOf(userId) === server &&
          this.engine.uidOf(userId) >= 0 &&
          ![...model.rooms.values()].some((members) => members.has(userId)),
      );
      deepStrictEqual(this.engine.remote.guests(server), guests.length);
    }
  }

  #publish(): void {
    const next = this.#outstanding.shift();
    if (next === undefined) return;
    const before = this.engine.position;
    const expected = new Set<UserId>();
    const servers = new Map<string, UserId[]>();
    let pairs = 0;
    for (const update of next.changes.updates) {
      const told = this.model.publish(update);
      pairs += told.size;
      for (const observer of told) expected.add(observer);
    }
    const keepAlives = new Map<string, UserId[]>();
    for (const [told, list] of [
      [servers, next.changes.updates],
      [keepAlives, next.changes.pings],
    ] as const) {
      for (const { state } of list) {
        for (const server of this.model.serversOf(state.userId)) {
          told.set(server, [...(told.get(server) ?? []), state.userId]);
        }
      }
    }
    const deliveries = this.engine.publish(next.changes);
    this.#published = next.changes.updates;
    ok(this.engine.position >= before, 'the published position only grows');
    deepStrictEqual(deliveries.pairs, pairs);
    this.#compareServers(deliveries.servers, servers);
    this.#compareServers(deliveries.keepAlives, keepAlives);
    const woken = this.#woken(deliveries);
    for (const observer of expected) ok(woken.has(observer), `${observer} is woken`);
    for (const observer of woken) {
      const isExpected = expected.has(observer) || this.#deferred.has(observer) || this.#maybeWoken.has(observer);
      ok(isExpected, `${observer} is not woken`);
    }
    for (const observer of woken) this.#wokenMeanwhile.add(observer);
    if (this.#isWaiting) return;
    for (const observer of this.#deferred) {
      ok(this.#wokenMeanwhile.has(observer) || !this.model.user(observer).connected, `${observer} is woken at last`);
    }
    this.#deferred.clear();
    this.#maybeWoken.clear();
    this.#wokenMeanwhile.clear();
  }

  /** A turn with updates has been taken and not published. */
  get #isWaiting(): boolean {
    return this.#outstanding.some(({ changes }) => changes.updates.length > 0);
  }

  #route(targets: readonly (readonly UserId[])[]): void {
    const answer = new Map(this.#published.map(({ state }, index) => [state.userId, targets[index] ?? []]));
    const before = new Map(this.#published.map(({ state: { userId } }) => [userId, this.model.user(userId).kept.to]));
    const routed = this.engine.route(this.#published, answer);
    const positions = new Map(routed.kept.map(({ userId, routedPosition }) => [userId, routedPosition]));
    const woken = new Set<UserId>();
    const servers = new Map<string, UserId[]>();
    for (const { state, position } of this.#published) {
      const expected = this.model.route(state.userId, answer, positions.get(state.userId) ?? 0, position);
      for (const observer of expected.woken) woken.add(observer);
      for (const server of expected.servers) servers.set(server, [...(servers.get(server) ?? []), state.userId]);
    }
    for (const { userId, routedTo } of routed.kept) {
      // None are given when they are those of before.
      const targets = routedTo ?? before.get(userId) ?? [];
      deepStrictEqual([...targets].sort(), [...this.model.user(userId).kept.to].sort());
    }
    this.#compareServers(routed.servers, servers);
    this.#compareWoken(routed, woken);
  }

  /** Everything durable is put into a new engine; nothing else survives. */
  #restart(): void {
    this.#take();
    while (this.#outstanding.length > 0) this.#publish();
    const old = this.model;
    const rows: StoredRow[] = [];
    for (const userId of EVERYBODY) {
      const uid = this.engine.uidOf(userId);
      if (uid >= 0) rows.push(this.engine.rowOf(uid));
    }
    const options = { ...this.options, startPosition: this.engine.allocatedPosition };
    this.engine = new PresenceEngine(options);
    this.model = this.#createModel(options);
    this.engine.restore(rows, this.now);
    for (const row of rows) this.model.restore(row, this.now);
    for (const [room, members] of old.rooms) {
      this.engine.loadJoined(room, [...members]);
      for (const member of members) this.model.join(member, room);
    }
    this.engine.endLoading();
    this.model.forgetJoins();
    const marks = new Map(
      [...old.users].filter(([, { mark }]) => mark > 0).map(([userId, { mark }]) => [userId, mark]),
    );
    this.engine.restoreMarks(marks);
    for (const [userId, { told, mark }] of old.users) {
      const user = this.model.user(userId);
      user.told = told.filter(({ how }) => how !== 'gain');
      user.mark = mark;
    }
    this.#openSyncs = [];
    this.#published = [];
    this.#deferred.clear();
  }

  #collect(step: Extract<Step, { do: 'collect' }>): void {
    const { engine, model } = this;
    const { user, includeOffline, extras, limit, filter } = step;
    const tokens = this.#tokens.get(user) ?? [];
    const since = step.token === null ? null : (tokens[Math.min(step.token, tokens.length - 1)] ?? null);
    const published = engine.position;
    const accept = filter === null ? null : (source: UserId): boolean => serverNameOf(source) === filter;
    const owed = this.#owed(user, since, accept);
    const options = { includeOffline, accept, limit };
    const allocated = engine.allocatedPosition;
    const first = engine.collect(user, { since, extras, ...options });
    this.answers.push(first);
    const told = new Set(first.uids.map((uid) => engine.userId(uid)));
    deepStrictEqual(told.size, first.uids.length, 'each user once');
    ok(limit === null || first.uids.length <= limit, 'the limit is kept');
    for (const source of told) ok(model.canSee(user, source), `${user} may see ${source}`);
    let { next } = first;
    this.#keepToken(user, next);
    for (const source of told) ok(accept?.(source) ?? true, 'the filter lets them through');
    this.#checkExtras(step, told);
    if (limit === null) {
      deepStrictEqual(next.position, published);
      const left = this.#owed(user, next, accept);
      for (const source of owed) ok(told.has(source) || left.has(source), `${user} is told of ${source}`);
      this.#checkNothingElse(step, since, told, owed, published);
      return;
    }
    if (allocated === engine.allocatedPosition) this.#checkLeft(user, owed, told, next, accept);
    this.#inexactUpTo.set(user, Infinity);
    if (this.#isWaiting) {
      this.#maybeWoken.add(user);
      return;
    }
    // What was cut follows, and soon there is nothing left.
    const isSettled = (size: number): boolean =>
      size < limit && next.resume === null && next.position === engine.position;
    for (let round = 0, size = limit; !isSettled(size); round++) {
      ok(round < 60, 'an end of what is owed');
      const before = engine.allocatedPosition;
      const owedBefore = this.#owed(user, next, accept);
      const more = engine.collect(user, { since: next, extras: [], ...options });
      ok(more.uids.length <= limit, 'the limit is kept');
      const toldNow = new Set(more.uids.map((uid) => engine.userId(uid)));
      for (const source of toldNow) {
        ok(model.canSee(user, source));
        told.add(source);
      }
      ({ next } = more);
      this.#keepToken(user, next);
      if (before === engine.allocatedPosition) this.#checkLeft(user, owedBefore, toldNow, next, accept);
      size = more.uids.length;
    }
    for (const source of owed) {
      ok(told.has(source) || !this.#canBeOwed(user, source), `${user} is told of ${source} in the end`);
    }
  }

  #keepToken(user: UserId, token: PresenceCursor): void {
    this.#tokens.set(user, [token, ...(this.#tokens.get(user) ?? [])].slice(0, 12));
  }

  /** Whom the filter lets through of those the user is owed. */
  #owed(user: UserId, since: PresenceCursor | null, accept: CollectOptions['accept']): Set<UserId> {
    const owed = this.model.owed(user, since, this.engine.position);
    return new Set([...owed].filter((source) => accept?.(source) ?? true));
  }

  /** After a cut: whoever was owed has been told of, or is owed by the new token. */
  #checkLeft(
    user: UserId,
    owed: ReadonlySet<UserId>,
    told: ReadonlySet<UserId>,
    next: PresenceCursor,
    accept: CollectOptions['accept'],
  ): void {
    const { engine } = this;
    const left = this.#owed(user, next, accept);
    const isMissing = (source: UserId): boolean =>
      !told.has(source) && !left.has(source) && this.#canBeOwed(user, source);
    const missing = [...owed].filter(isMissing);
    if (missing.length === 0) return;
    // A snapshot that is due after the new token tells of them: itself, or who is offline next.
    const options = { includeOffline: false, extras: [], accept, limit: null };
    const later = new Set<UserId>();
    for (let since: PresenceCursor | null = next; since !== null; ) {
      const more = engine.collect(user, { since, ...options });
      for (const uid of more.uids) later.add(engine.userId(uid));
      since = more.next.resume === null ? null : more.next;
    }
    for (const source of missing) ok(later.has(source), `${user} is told of ${source}, or it is owed`);
  }

  /** A cut owes those without a position, and offline users of a snapshot, by the inbox, which only connected observers have. */
  #canBeOwed(observer: UserId, source: UserId): boolean {
    const { position, shown } = this.model.user(source);
    return this.model.user(observer).connected || (position > 0 && shown !== 'offline');
  }

  #checkExtras(step: Extract<Step, { do: 'collect' }>, told: ReadonlySet<UserId>): void {
    const { user, extras, limit, filter } = step;
    if (limit !== null) return;
    for (const extra of extras) {
      const isWanted = extra !== user && this.engine.uidOf(extra) >= 0 && this.model.canSee(user, extra);
      const isAccepted = filter === null || serverNameOf(extra) === filter;
      ok(told.has(extra) || !isWanted || !isAccepted, `${extra} is a visible extra`);
    }
  }

  #checkNothingElse(
    step: Extract<Step, { do: 'collect' }>,
    since: PresenceCursor | null,
    told: ReadonlySet<UserId>,
    owed: ReadonlySet<UserId>,
    published: number,
  ): void {
    const { model } = this;
    const { user, extras, includeOffline } = step;
    const isOffline = (source: UserId): boolean => model.user(source).shown === 'offline';
    const observer = model.user(user);
    if (since === null || model.isMarkDue(user, since, published)) {
      const withOffline = since === null && includeOffline;
      for (const source of told)
        ok(!isOffline(source) || withOffline || extras.includes(source), 'no offline users in a snapshot');
      return;
    }
    // A small inbox may have lost any entry that no record position leads back to, and then asks for a snapshot.
    const isSmall = this.options.limits.maxPendingPerObserver < 100;
    const gained = observer.told.some(
      ({ how, position }) => (isSmall ? how !== 'update' : how === 'gain') && position > since.position,
    );
    const wantedAll = (this.#wantedAllAt.get(user) ?? 0) > since.position;
    if (wantedAll || gained || (this.#inexactUpTo.get(user) ?? 0) > since.position) return;
    if (includeOffline && since.resume !== null) return;
    const tellable = model.tellable(user, since, published);
    for (const source of told)
      ok(tellable.has(source) || extras.includes(source), `${user} has nothing new about ${source}`);
    const isFromInbox = observer.connected && since.position >= observer.connectedAt;
    if (!isFromInbox || this.options.limits.maxPendingPerObserver < 100) return;
    const voided = observer.told.some(({ isVoid, position }) => isVoid && position > since.position);
    if (!voided && extras.length === 0) deepStrictEqual([...told].sort(), [...owed].sort(), 'exactly what was told');
  }

  #woken(deliveries: Deliveries): Set<UserId> {
    const woken = Array.from(deliveries.observers, (uid) => this.engine.userId(uid));
    this.answers.push(woken, deliveries.pairs);
    deepStrictEqual(new Set(woken).size, woken.length, 'each observer once');
    return new Set(woken);
  }

  #compareWoken(deliveries: Deliveries, expected: Iterable<UserId>, isLenient = false): void {
    const woken = this.#woken(deliveries);
    const connected = [...expected].filter((userId) => this.model.user(userId).connected);
    if (this.#isWaiting) {
      deepStrictEqual([...woken], [], 'nobody is woken before what is being written is published');
      if (!isLenient) for (const observer of connected) this.#deferred.add(observer);
      for (const observer of connected) this.#wokenMeanwhile.delete(observer);
      for (const observer of connected) this.#maybeWoken.add(observer);
    } else if (isLenient) for (const observer of woken) ok(connected.includes(observer));
    else deepStrictEqual([...woken].sort(), connected.sort());
  }

  #compareServers(actual: Deliveries['servers'], expected: ReadonlyMap<string, readonly UserId[]>): void {
    const namesOf = (states: readonly UserPresenceState[]): string =>
      states
        .map(({ userId }) => userId)
        .toSorted()
        .join();
    const told = Array.from(actual, ([server, states]) => `${server} ${namesOf(states)}`).toSorted();
    const wanted = Array.from(expected, ([server, users]) => `${server} ${users.toSorted().join()}`).toSorted();
    deepStrictEqual(told, wanted);
  }

  #compareReads(): void {
    for (const userId of EVERYBODY) {
      deepStrictEqual({ ...this.engine.stateOf(userId) }, { ...this.model.user(userId).record });
      const uid = this.engine.uidOf(userId);
      if (uid >= 0) deepStrictEqual(this.engine.shownState(uid).state, this.model.user(userId).shown);
      deepStrictEqual(this.engine.isConnected(userId), this.model.user(userId).connected);
    }
    for (const server of ['far', 'away', 'unheard.of']) {
      const told = this.engine.local.toldSince(Infinity, true, 0, this.engine.local.bound);
      const mates = told.filter(({ uid }) => this.engine.local.sharesRoomWith(uid, server));
      deepStrictEqual(
        mates.map(({ state }) => state.userId).toSorted(),
        LOCALS.filter((local) => this.model.serversOf(local).has(server) && this.model.user(local).shown !== 'offline'),
        `what ${server} should have`,
      );
    }
    for (const observer of LOCALS) {
      for (const target of [...LOCALS, ...REMOTES, ...PASSERS_BY]) {
        if (this.engine.uidOf(observer) < 0 || this.engine.uidOf(target) < 0) continue;
        deepStrictEqual(
          this.engine.canSee(observer, target),
          this.model.canSee(observer, target),
          `${observer} sees ${target}`,
        );
      }
    }
  }
}
