/**
 * Plays a history of full control to an engine and the model side by side. Everything that anybody is told is checked when it is told; what
 * clients with an open poll believe, whenever nothing is held up; what all clients and servers believe, at the end.
 *
 * Throws at the first difference.
 */
import { deepStrictEqual, ok } from 'node:assert/strict';
import type {
  Deliveries,
  EngineOptions,
  Observer,
  PresenceUpdate,
  RestrictionAnswer,
  RestrictionQuestion,
  TakenTurn,
} from '../../src/core/engine-api.ts';
import { Form, UNKNOWN } from '../../src/core/forms.ts';
import { PresenceEngine } from '../../src/core/presence-engine.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { START_TS } from '../support/engine-driver.ts';
import { Beliefs, NO_TOKEN, type Token } from './control-clients.ts';
import { type ControlStep, LOCALS, type Policy, SERVERS, SOURCES } from './control-history.ts';
import { ControlModel, isOpen, NOT_THERE, type View } from './control-model.ts';

const DEVICE = 'PHONE';
const POLL = 'POLL';
const OTHER = 'OTHER';
const NO_POLICY: Policy = { others: Form.FULL, observers: [] };
const MAX_ROUNDS = 60;

interface SyncOptions {
  readonly includeOffline: boolean;
  readonly limit: number | null;
}

const PLAIN: SyncOptions = { includeOffline: false, limit: null };

export class ControlPlay {
  readonly engine: PresenceEngine;
  readonly model: ControlModel;
  readonly beliefs: Beliefs;
  readonly #options: EngineOptions;
  #now = START_TS;
  #step = 0;
  /** The last step at whose end nothing was held up. */
  #quietStep = 0;
  #outstanding: TakenTurn[] = [];
  /** Published, and the routers have not answered. */
  #unrouted: (readonly PresenceUpdate[])[] = [];
  #questions: RestrictionQuestion[] = [];
  readonly #policies = new Map<UserId, Policy>();
  readonly #routes = new Map<UserId, readonly UserId[]>();
  readonly #interests = new Map<UserId, readonly UserId[] | 'ALL'>();
  readonly #wantedAll = new Set<UserId>();
  /** Whether modules ceased to restrict once: of servers that routers name it is not known then what they were told before. */
  #hasCeased = false;
  /** Users who had an answer with a limit. */
  readonly #isCut = new Set<UserId>();
  /** Clients with an open poll. */
  readonly #polling = new Set<UserId>();
  /** Tokens of the device that polls, and of the one that syncs now and then, newest first. */
  readonly #polls = new Map<UserId, Token>();
  readonly #tokens = new Map<UserId, Token[]>();
  /** What a user's syncs say of rooms: who came into sight, who may have gone out of it. */
  readonly #roomLogs = new Map<UserId, { readonly gained: boolean; readonly user: UserId }[]>();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.engine = new PresenceEngine(options);
    this.model = new ControlModel(options.serverName, (userId) => this.engine.uidOf(userId) >= 0);
    this.beliefs = new Beliefs(this.model);
  }

  run(steps: readonly ControlStep[]): this {
    this.#restricting(true);
    for (const step of steps) {
      this.#step++;
      this.#play(step);
      this.#endStep();
    }
    return this;
  }

  /** Whoever waits is answered, modules say once more what they mean, everybody syncs: then everybody believes what is so. */
  finish(): void {
    this.#step++;
    this.#take();
    while (this.#outstanding.length > 0) this.#publish();
    while (this.#unrouted.length > 0) this.#route();
    this.#answerAll();
    this.#invalidate(null);
    this.#answerAll();
    this.#endStep();
    for (const observer of this.#polling) this.#compareViews(observer, this.#poll(observer), 'polls');
    for (const observer of LOCALS) {
      this.#step++;
      this.#connect(observer, OTHER);
      this.#ask(this.engine.questionsFor(observer));
      this.#answerAll();
      for (const token of this.#tokens.get(observer) ?? []) {
        const back = this.#collectAll(observer, token, PLAIN);
        this.#answerAll();
        const { next } = this.#collectAll(observer, back.next, PLAIN);
        this.#compareViews(observer, next, `comes back with a token of step ${token.step}`);
      }
      const { next, told } = this.#collect(observer, NO_TOKEN, PLAIN);
      this.#compareViews(observer, next, 'syncs for the first time');
      for (const source of told) ok(next.views.get(source) !== NOT_THERE, `${source} is in a first sync`);
      this.engine.endSync(observer, OTHER, false, this.#now);
    }
    this.#compareServers();
  }

  #play(step: ControlStep): void {
    const { engine, model } = this;
    switch (step.do) {
      case 'join':
      case 'leave':
        return this.#move(step);
      case 'put':
        return engine.setPresence(step.user, DEVICE, step.state, step.status, this.#now);
      case 'remote': {
        const { user: userId, state, status: statusMsg, active: currentlyActive } = step;
        return engine.remote.receive(
          [{ userId, state, statusMsg, lastActiveTs: this.#now, currentlyActive }],
          this.#now,
        );
      }
      case 'connect':
        if (this.#polling.has(step.user)) return;
        this.#connect(step.user, POLL);
        this.#polling.add(step.user);
        return this.#wake(step.user);
      case 'disconnect':
        if (this.#polling.delete(step.user)) engine.endSync(step.user, POLL, false, this.#now);
        return;
      case 'advance':
        this.#now += step.ms;
        engine.tick(this.#now);
        for (const user of LOCALS) {
          if (!engine.isConnected(user)) model.interest.delete(user);
          ok(engine.isConnected(user) || !this.#polling.has(user));
        }
        return;
      case 'take':
        return this.#take();
      case 'publish':
        this.#take();
        return this.#publish();
      case 'release':
        return this.#release();
      case 'routes':
        this.#routes.set(step.user, step.targets);
        return;
      case 'route':
        return this.#route();
      case 'interest':
        this.#interests.set(step.user, step.interest);
        if (engine.isConnected(step.user)) this.#setInterest(step.user);
        return;
      case 'mark':
        return this.#deliver(engine.markFullPresence(step.users).deliveries);
      case 'sync':
        return this.#sync(step);
      case 'policy':
        this.#policies.set(step.user, step.policy);
        return;
      case 'answer':
        return this.#answer(step.which);
      case 'invalidate':
        return this.#invalidate(step.user);
      case 'restricting':
        return this.#restricting(step.is);
    }
  }

  // Turns.

  #take(): void {
    const changes = this.engine.takeChanges();
    this.#tellServers(changes.joins);
    this.#outstanding.push(changes);
  }

  #publish(): void {
    const changes = this.#outstanding.shift();
    if (changes === undefined) return;
    for (const { state } of changes.updates) this.model.shown.set(state.userId, state);
    this.#note(changes.updates.map(({ state }) => state.userId));
    const result = this.engine.publish(changes);
    if (changes.updates.length > 0) this.#unrouted.push(changes.updates);
    this.#deliver(result);
    this.#tellServers(result.keepAlives, true);
  }

  get #isWaiting(): boolean {
    return this.#outstanding.some(({ updates }) => updates.length > 0);
  }

  #route(): void {
    const batch = this.#unrouted.shift();
    if (batch === undefined) return;
    const answer = new Map(batch.map(({ state }) => [state.userId, this.#routes.get(state.userId) ?? []]));
    for (const { state, uid } of batch)
      if (this.engine.uidOf(state.userId) === uid) this.model.route(state.userId, answer);
    this.#note(batch.map(({ state }) => state.userId));
    this.#deliver(this.engine.route(batch, answer), true);
  }

  #release(): void {
    this.#take();
    while (this.#outstanding.length > 0) this.#publish();
    const busy = new Set(this.#unrouted.flat().map(({ uid }) => uid));
    const options = {
      passIntervalMs: 0,
      budget: 1_000,
      isBusy: (uid: number) => busy.has(uid),
      isCrowded: () => false,
      everybodyLingerMs: 0,
    };
    for (let pass = 0; pass < 3; pass++) {
      for (const { state } of this.engine.remote.release(this.#now, options)) this.#forget(state.userId);
    }
  }

  #forget(userId: UserId): void {
    this.model.forget(userId);
    this.model.forgetObserver(userId);
    this.beliefs.forget(userId);
    // Nor is it known what an observer was told of whom nothing else is known.
    this.#tokens.delete(userId);
    // Nobody here refers to them any more, so nobody is told.
    for (const [user, token] of this.#polls) this.#polls.set(user, withoutView(token, userId));
    for (const [user, tokens] of this.#tokens)
      this.#tokens.set(
        user,
        tokens.map((token) => withoutView(token, userId)),
      );
  }

  // Relations.

  #move({ do: what, user, room }: Extract<ControlStep, { do: 'join' | 'leave' }>): void {
    const { engine, model } = this;
    const isIn = model.rooms.get(room)?.has(user) ?? false;
    engine[what](user, room);
    model[what](user, room);
    if (isIn === (what === 'join')) return;
    const mates = [...(model.rooms.get(room) ?? [])].filter((mate) => mate !== user);
    const gained = what === 'join';
    for (const mate of mates) {
      this.#log(mate, { gained, user });
      this.#log(user, { gained, user: mate });
    }
    // What servers hear of it they hear when the turn ends, which is at once.
    this.#take();
    // The stream of rooms wakes them.
    for (const one of [user, ...mates]) this.#wake(one);
  }

  #log(user: UserId, entry: { readonly gained: boolean; readonly user: UserId }): void {
    const log = this.#roomLogs.get(user) ?? [];
    this.#roomLogs.set(user, log);
    log.push(entry);
  }

  #connect(user: UserId, device: string): void {
    const wasConnected = this.engine.isConnected(user);
    this.engine.beginSync(user, device, null, false, this.#now);
    if (!wasConnected) this.#setInterest(user);
  }

  #setInterest(user: UserId): void {
    const interest = this.#interests.get(user) ?? [];
    if (interest === 'ALL') this.#wantedAll.add(user);
    this.model.interest.set(user, interest);
    this.#deliver(this.engine.setInterest(user, interest));
  }

  // Restrictions.

  #restricting(is: boolean): void {
    if (is && !this.model.isRestricting) this.beliefs.begin(SOURCES);
    this.model.setRestricting(is);
    if (!is) {
      this.#hasCeased = true;
      // Whatever was withheld is given.
      this.#note(SOURCES);
    }
    this.#deliver(this.engine.setRestricting(is));
    // Modules are asked about everybody in sight.
    for (const source of is ? SOURCES : []) this.#invalidate(source);
  }

  #ask(questions: readonly RestrictionQuestion[]): void {
    for (const { source, observers } of questions) {
      ok(this.model.isRestricting, 'nobody is asked while nothing restricts');
      ok(!observers.includes(source), 'nobody is asked about themself');
      deepStrictEqual(new Set(observers).size, observers.length);
    }
    this.#questions.push(...questions);
  }

  #answer(which: number): void {
    const [question] = this.#questions.splice(which % Math.max(1, this.#questions.length), 1);
    if (question === undefined) return;
    const { source, observers } = question;
    const policy = this.#policies.get(source) ?? NO_POLICY;
    const isAsked = (observer: Observer): boolean => policy.others !== null || observers.includes(observer);
    const answer: RestrictionAnswer = {
      others: policy.others,
      observers: new Map(policy.observers.filter(([observer]) => isAsked(observer) && observer !== source)),
    };
    // Somebody forgotten meanwhile is asked about again when they are back.
    if (this.engine.uidOf(source) >= 0) this.model.restrict(source, observers, answer, this.#audienceOf(source));
    // Of whom routers have still to say where they go, nobody knows what servers know.
    if (this.#isUnrouted(source)) this.beliefs.noteUndecided(source);
    // Whatever was withheld is told now.
    this.#note([source]);
    this.#deliver(this.engine.restrict(source, observers, answer));
  }

  /** Whom an answer about the source concerns, asked about or not. */
  #audienceOf(source: UserId): Observer[] {
    const { engine, model } = this;
    const local = LOCALS.filter((observer) => engine.isConnected(observer) && model.isNamed(observer, source));
    return [...local, ...SERVERS.filter((server) => model.isSent(server, source))];
  }

  #answerAll(): void {
    for (let round = 0; ; round++) {
      ok(round < MAX_ROUNDS, 'an end of questions');
      this.#ask(this.engine.takeQuestions());
      if (this.#questions.length === 0) return;
      while (this.#questions.length > 0) this.#answer(0);
    }
  }

  #invalidate(user: UserId | null): void {
    for (const source of user === null ? this.engine.answeredSources() : [user]) {
      const question = this.engine.questionAbout(source);
      if (question !== null) this.#ask([question]);
    }
  }

  /** What modules will have said of the pair in the end. */
  #finalForm(source: UserId, observer: string): number {
    if (!this.model.isRestricting || source === observer) return Form.FULL;
    const { others, observers } = this.#policies.get(source) ?? NO_POLICY;
    return observers.find(([named]) => named === observer)?.[1] ?? others ?? Form.FULL;
  }

  // Clients.

  #poll(user: UserId): Token {
    return this.#polls.get(user) ?? NO_TOKEN;
  }

  /** An open poll is answered, and the client polls again. */
  #wake(user: UserId): void {
    if (!this.#polling.has(user)) return;
    for (let round = 0, size = 1; size > 0; round++) {
      ok(round < MAX_ROUNDS, `an end of what ${user} is told`);
      const { next, told } = this.#collect(user, this.#poll(user), PLAIN);
      this.#polls.set(user, next);
      size = told.length;
    }
  }

  #sync(step: Extract<ControlStep, { do: 'sync' }>): void {
    const { user, token, asks } = step;
    if (step.limit !== null) this.#isCut.add(user);
    this.#connect(user, OTHER);
    if (asks) {
      this.#ask(this.engine.questionsFor(user));
      while (this.#questions.length > 0) this.#answer(0);
    }
    const known = this.#tokens.get(user) ?? [];
    const since = token === null ? NO_TOKEN : (known[Math.min(token, known.length - 1)] ?? NO_TOKEN);
    const { next } = this.#isWaiting ? this.#collect(user, since, step) : this.#collectAll(user, since, step);
    this.#tokens.set(user, [next, ...known].slice(0, 8));
    this.engine.endSync(user, OTHER, false, this.#now);
  }

  /** Until nothing is owed any more. */
  #collectAll(user: UserId, token: Token, options: SyncOptions): { next: Token; told: readonly UserId[] } {
    let { next, told } = this.#collect(user, token, options);
    const isSettled = (): boolean =>
      next.cursor?.resume === null &&
      next.cursor.position === this.engine.position &&
      told.length < (options.limit ?? Infinity);
    for (let round = 0; !isSettled(); round++) {
      ok(round < MAX_ROUNDS, 'an end of what is owed');
      ({ next, told } = this.#collect(user, next, options));
    }
    return { next, told };
  }

  #collect(user: UserId, token: Token, options: SyncOptions): { next: Token; told: readonly UserId[] } {
    const found = this.#collectOnce(user, token, options);
    // As the service does: a poll would wait in vain for what is owed.
    const isOwing = found.told.length === 0 && found.next.cursor?.resume !== null;
    return isOwing ? this.#collectOnce(user, found.next, options) : found;
  }

  #collectOnce(
    user: UserId,
    token: Token,
    { includeOffline, limit }: SyncOptions,
  ): { next: Token; told: readonly UserId[] } {
    const { engine } = this;
    const log = this.#roomLogs.get(user) ?? [];
    const news = token.cursor === null ? [] : log.slice(token.rooms);
    const extras = unique(news.filter(({ gained }) => gained).map((entry) => entry.user));
    const lost = unique(news.filter(({ gained }) => !gained).map((entry) => entry.user));
    const { uids, forms, next } = engine.collect(user, {
      since: token.cursor,
      includeOffline,
      extras,
      lost,
      accept: null,
      limit,
    });
    const told = Array.from(uids, (uid) => engine.userId(uid));
    deepStrictEqual(new Set(told).size, told.length, 'each user once');
    // Whose sight changes at one moment is told of at once; that the limit is kept otherwise, engine.test.ts shows.
    const views = new Map(token.views);
    for (const [index, uid] of uids.entries()) {
      const source = engine.userId(uid);
      const isIn = this.model.isNamed(user, source);
      const room = isIn && extras.includes(source) ? 'gained' : !isIn && lost.includes(source) ? 'lost' : null;
      const why = token.cursor === null ? 'first' : (room ?? (this.#isCut.has(user) ? 'owed' : null));
      const form = forms?.[index] ?? Form.FULL;
      views.set(source, this.beliefs.tell(user, token, source, why, form, engine.state(uid)));
    }
    // What is held up, cut off, or withheld is still owed to this token.
    const isUnknown = (source: UserId): boolean =>
      this.model.isNamed(user, source) && this.model.form(source, user) === UNKNOWN;
    const isComplete = next.resume === null && next.position === engine.position && !SOURCES.some(isUnknown);
    const step = isComplete && !this.#isWaiting ? this.#step : Math.min(this.#quietStep, Math.max(token.step, 0));
    return { next: { cursor: next, views, step, rooms: log.length }, told };
  }

  #deliver(deliveries: Deliveries, isLate = false): void {
    this.#tellServers(deliveries.servers, isLate);
    this.#note();
    for (const uid of deliveries.observers) {
      const user = this.engine.userId(uid);
      ok(this.engine.isConnected(user), `${user} is woken`);
      this.#wake(user);
    }
  }

  #note(updated: readonly UserId[] = []): void {
    this.beliefs.note(this.#step, LOCALS, SOURCES, updated);
  }

  /** `isLate`: the states may be those of a while ago. */
  #tellServers(servers: Deliveries['servers'], isLate = false): void {
    for (const [server, states] of servers) {
      for (const state of states) {
        this.beliefs.tellServer(server, state, this.#isWaiting || this.#isUnrouted(state.userId));
        if (isLate) continue;
        const expected = this.model.serverView(server, state.userId);
        deepStrictEqual(this.beliefs.serverView(server, state.userId), expected, `${server} is sent ${state.userId}`);
      }
    }
  }

  // Comparisons.

  #endStep(): void {
    const { engine, model } = this;
    this.#ask(engine.takeQuestions());
    this.#note();
    if (!this.#isWaiting) this.#quietStep = this.#step;
    for (const source of SOURCES) {
      const uid = engine.uidOf(source);
      if (uid < 0) continue;
      for (const observer of LOCALS) {
        if (engine.uidOf(observer) < 0) continue;
        const form = model.isNamed(observer, source) ? model.form(source, observer) : Form.DENIED;
        const what = `${observer} and ${source}`;
        deepStrictEqual(engine.formFor(observer, source), form, what);
        deepStrictEqual(engine.canSee(observer, source), form !== UNKNOWN && (form & Form.DENIED) === 0, what);
      }
      for (const server of SERVERS) deepStrictEqual(engine.formForServer(server, uid), model.form(source, server));
    }
    if (this.#isWaiting) return;
    for (const observer of this.#polling) {
      for (const source of SOURCES) {
        const form = model.form(source, observer);
        if (form === UNKNOWN || this.#isUnrouted(source) || this.#isGone(observer, source)) continue;
        this.#compareView(observer, this.#poll(observer), source, model.view(observer, source), 'polls');
      }
    }
  }

  /** Whether routers have still to say who gets the newest update. */
  #isUnrouted(source: UserId): boolean {
    return this.#unrouted.flat().some(({ state }) => state.userId === source);
  }

  #compareViews(observer: UserId, token: Token, how: string): void {
    for (const source of SOURCES) {
      const view = this.model.view(observer, source, this.#finalForm(source, observer));
      if (this.#isGone(observer, source)) continue;
      this.#compareView(observer, token, source, view, how);
    }
  }

  /** When somebody ceases to want everybody, devices that were away are told only of those who are there. */
  #isGone(observer: UserId, source: UserId): boolean {
    const { model } = this;
    return this.#wantedAll.has(observer) && !(model.isLit(source) && model.isNamed(observer, source));
  }

  #compareView(observer: UserId, token: Token, source: UserId, expected: View, how: string): void {
    const view = token.views.get(source) ?? NOT_THERE;
    deepStrictEqual(view, expected, `what ${observer}, who ${how}, believes of ${source}`);
  }

  #compareServers(): void {
    for (const server of SERVERS) {
      for (const source of LOCALS) {
        const form = this.#finalForm(source, server);
        const view = this.beliefs.serverView(server, source);
        if (this.#hasCeased && !this.model.sharesRoomWith(server, source)) continue;
        // What is routed to a server is told with the next update; who shares a room is told of whoever is there.
        if (isOpen(form) && this.model.isSent(server, source) && !this.model.sharesRoomWith(server, source)) continue;
        // A server that shares no room while somebody goes offline does not hear of it.
        if (isOpen(form) && this.model.isSent(server, source) && !this.model.isLit(source)) continue;
        deepStrictEqual(view, this.model.serverView(server, source, form), `what ${server} believes of ${source}`);
      }
    }
  }

  get options(): EngineOptions {
    return this.#options;
  }
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)];
}

function withoutView(token: Token, userId: UserId): Token {
  return { ...token, views: new Map([...token.views].filter(([source]) => source !== userId)) };
}
