/**
 * Presence of other servers' users: whom the engine knows goes there, everybody else is a stranger. Source: product §4.12.
 *
 * A stranger is taken in by the engine when a router names somebody here for their state, when an observer is interested in them (in
 * everybody: up to a limit), or when they join a room; whom nobody here can see any more is a stranger again, and their row goes.
 */
import type { PresenceUpdate, ReleasedUser, RemotePresence, RoutingAnswer } from '../core/engine-api.ts';
import { notifyReason } from '../core/notify-rules.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import { codeOfState } from '../core/state-codes.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { defaultRecord } from '../core/user-table.ts';
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { Interest, Router } from '../router-host/index.ts';
import { NO_ROUTES } from '../router-host/router-api.ts';
import { type Background, inBackground } from './background.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { PresenceMetrics } from './presence-metrics.ts';
import type { PresenceSettings, RemoteLimits } from './presence-options.ts';
import { RowRemover } from './row-remover.ts';
import { StrangerQuestions } from './stranger-questions.ts';
import { Strangers } from './strangers.ts';
import type { TurnCommitter } from './turn-committer.ts';

export interface RemoteKeeperOptions extends Background {
  readonly settings: Pick<PresenceSettings, 'serverName' | 'timers'>;
  readonly limits: RemoteLimits;
  readonly engine: () => PresenceEngine;
  readonly router: Router;
  readonly store: Pick<PresenceStore, 'remove'>;
  readonly committer: Pick<TurnCommitter, 'commit'>;
  readonly metrics: PresenceMetrics;
  /** Whether something outside the engine still uses the number. */
  readonly isBusy: (uid: number) => boolean;
  /** The user is not in the engine any more: forget what is kept by user or number. */
  readonly onReleased: (user: ReleasedUser) => void;
}

export interface AnsweredUpdates {
  readonly answer: RoutingAnswer;
  readonly answered: readonly PresenceUpdate[];
  readonly others: readonly PresenceUpdate[];
}

/** How a user of another server stands here. */
export interface RemoteStanding {
  /** Of a stranger; null of anybody else. */
  readonly state: UserPresenceState | null;
  /** Users whom only modules show to somebody here: all, and those of the user's server. */
  readonly guests: number;
  readonly maxGuests: number;
  readonly guestsOfServer: number;
  readonly maxGuestsPerServer: number;
}

const PASS_INTERVAL_MS = 60_000;
const LEAST_BUDGET = 2_000;
const MOST_BUDGET = 20_000;
/** Ticks that a pass over all users takes, if none is larger than the most. */
const TICKS_PER_PASS = 24;

export class RemoteKeeper {
  readonly #options: RemoteKeeperOptions;
  readonly #strangers: Strangers;
  readonly #questions: StrangerQuestions;
  /** What routers said about the state with which somebody was taken in: they are not asked about it again. */
  readonly #answers = new Map<UserId, { readonly asked: UserPresenceState; readonly targets: readonly UserId[] }>();
  #admission: Promise<void> | null = null;
  readonly #rows: RowRemover;

  constructor(options: RemoteKeeperOptions) {
    const { limits, settings } = options;
    this.#options = options;
    this.#rows = new RowRemover({ ...options, isKnown: (userId) => options.engine().uidOf(userId) >= 0 });
    this.#strangers = new Strangers({
      maxPerServer: limits.maxStrangersPerServer,
      max: limits.maxStrangers,
      maxStatusCharsPerServer: limits.maxStatusCharsPerServer,
      timeoutMs: settings.timers.federationTimeoutMs,
    });
    this.#questions = new StrangerQuestions({
      ...options,
      strangers: this.#strangers,
      perSecondAndServer: limits.strangersAskedPerSecondAndServer,
      perSecond: limits.strangersAskedPerSecond,
      onAnswer: (asked, answer) => this.#admitRouted(asked, answer),
    });
  }

  /** How many strangers are kept. */
  get strangers(): number {
    return this.#strangers.size;
  }

  /** Entries of one EDU. Resolves when what is known here is durable. */
  async receive(origin: ServerName, entries: readonly RemotePresence[]): Promise<void> {
    const { clock, engine, metrics, settings } = this.#options;
    const now = clock.now();
    const isForeign = ({ userId }: RemotePresence) => origin === settings.serverName || serverNameOf(userId) !== origin;
    const ofOrigin = entries.filter((entry) => !isForeign(entry));
    metrics.addDropped('foreign', entries.length - ofOrigin.length);
    let mayBeTold = false;
    for (const entry of ofOrigin) {
      if (engine().uidOf(entry.userId) >= 0) {
        this.#strangers.delete(entry.userId);
        engine().remote.receive([this.#withinLimits(origin, entry)], now);
        mayBeTold = true;
      } else if (this.#meet(entry, now)) mayBeTold = true;
    }
    metrics.addDropped('stranger', this.#strangers.takeEvicted());
    this.#questions.request();
    if (mayBeTold) await this.#options.committer.commit();
  }

  /** The newest state of a stranger; null of anybody else. */
  stateOf(userId: UserId): UserPresenceState | null {
    return this.#strangers.size === 0 ? null : this.#strangers.stateOf(userId, this.#options.clock.now());
  }

  /** A stranger's state, and whether there is a place for one more user of their server. */
  standingOf(userId: UserId): RemoteStanding {
    const { engine, limits } = this.#options;
    return {
      state: this.stateOf(userId),
      guests: engine().remote.guests(),
      maxGuests: limits.maxGuests,
      guestsOfServer: engine().remote.guests(serverNameOf(userId)),
      maxGuestsPerServer: limits.maxGuestsPerServer,
    };
  }

  /** Somebody else speaks for these users from now on. */
  forgetStrangers(userIds: Iterable<UserId>): void {
    for (const userId of userIds) this.#strangers.delete(userId);
  }

  /** Somebody here sees these users now. */
  admit(userIds: Iterable<UserId>): void {
    if (this.#strangers.size === 0) return;
    let isAny = false;
    for (const userId of userIds) isAny = this.#admit(userId) || isAny;
    if (isAny) this.#commitAdmission();
  }

  /** An observer has this interest now; it is in effect already. */
  admitFor(interest: Interest): void {
    this.admit(interest === 'ALL' ? this.#strangers.userIds() : interest);
  }

  /** Lets the first sync of an observer show the strangers whom their interest has made visible. */
  duringSyncs(interest: Pick<InterestKeeper, 'begin' | 'refresh'>): Pick<InterestKeeper, 'begin' | 'refresh'> {
    const admission = (): Promise<void> | undefined => this.#admission ?? undefined;
    return {
      begin: (userId) => {
        const answered = interest.begin(userId);
        return answered === undefined ? admission() : answered.then(admission);
      },
      refresh: (userId) => interest.refresh(userId),
    };
  }

  /** Tells updates about which the routers have answered already from the others. */
  splitAnswered(updates: readonly PresenceUpdate[]): AnsweredUpdates {
    if (this.#answers.size === 0) return { answer: NO_ROUTES, answered: [], others: updates };
    const answer = new Map<UserId, readonly UserId[]>();
    for (const { state } of updates) {
      const known = this.#answers.get(state.userId);
      this.#answers.delete(state.userId);
      if (known !== undefined && isSame(known.asked, state)) answer.set(state.userId, known.targets);
    }
    const isAnswered = ({ state }: PresenceUpdate): boolean => answer.has(state.userId);
    return { answer, answered: updates.filter(isAnswered), others: updates.filter((update) => !isAnswered(update)) };
  }

  /** Other modules answer from now on: what those before have said counts no more, and strangers are asked about again. */
  modulesReplaced(): void {
    this.#answers.clear();
    if (!this.#options.router.hasCallbacks) return;
    this.#strangers.askAgain();
    this.#questions.request();
  }

  /** Goes on releasing users; call it with every tick. */
  release(now: number): void {
    const { engine, isBusy, limits, onReleased, settings } = this.#options;
    const budget = Math.min(MOST_BUDGET, Math.max(LEAST_BUDGET, Math.ceil(engine().stats().users / TICKS_PER_PASS)));
    const isFull = engine().remote.guests() >= limits.maxGuests;
    const released = engine().remote.release(now, {
      passIntervalMs: PASS_INTERVAL_MS,
      budget,
      isBusy,
      isCrowded: (server) => isFull || engine().remote.guests(server) >= limits.maxGuestsPerServer,
      everybodyLingerMs: settings.timers.federationTimeoutMs,
    });
    for (const user of released) {
      const { state, wasTold, isBlank, isLocal } = user;
      onReleased(user);
      this.#answers.delete(state.userId);
      if (isBlank) continue;
      this.#rows.add(state.userId);
      if (!isLocal && (wasTold || state.state !== 'offline')) this.#strangers.put(state, { isNews: false, wasTold });
    }
    this.#rows.run();
  }

  /** Forgets strangers whose time is over; call it once a minute. */
  sweep(now: number): void {
    this.#strangers.expire(now);
  }

  stop(): void {
    this.#questions.stop();
  }

  /** Somebody whom the engine does not know. Returns whether they were taken in. */
  #meet(entry: RemotePresence, now: number): boolean {
    const { engine, metrics, router, settings } = this.#options;
    const known = this.#strangers.stateOf(entry.userId, now);
    const before = known ?? defaultRecord(entry.userId);
    const state: UserPresenceState = Object.freeze({
      userId: entry.userId,
      state: entry.state,
      lastActiveTs: entry.lastActiveTs ?? before.lastActiveTs,
      lastFederationUpdateTs: now,
      lastUserSyncTs: 0,
      statusMsg: entry.statusMsg,
      currentlyActive: entry.currentlyActive && entry.state === 'online',
    });
    const isNews = isWorthTelling(before, state, settings.timers.lastActiveGranularityMs);
    if (known === null && !isNews) return false;
    if (known === null && !router.hasCallbacks) {
      // Nobody but a router could name them: they are not worth keeping.
      metrics.addDropped('stranger', 1);
      return false;
    }
    const { isEverybodyWanted } = engine().remote;
    const isAsked = isNews && router.hasCallbacks && !isEverybodyWanted;
    if (this.#strangers.put(state, { isNews: isAsked })) metrics.addDropped('status_limit', 1);
    if (!isEverybodyWanted) return false;
    if (this.#admit(entry.userId)) return true;
    // No place among those whom everybody sees; the routers may still name somebody.
    if (isNews && router.hasCallbacks) this.#strangers.put(state, { isNews: true });
    return false;
  }

  /** Returns whether somebody was taken in. Whom the engine knows by name has a place, others if there is one. */
  #admit(userId: UserId): boolean {
    const { clock, engine, limits, metrics } = this.#options;
    const now = clock.now();
    if (this.#strangers.stateOf(userId, now) === null) return false;
    const server = serverNameOf(userId);
    const { remote } = engine();
    const hasPlace = remote.guests() < limits.maxGuests && remote.guests(server) < limits.maxGuestsPerServer;
    if (!hasPlace && engine().uidOf(userId) < 0) {
      metrics.addDropped('guest_limit', 1);
      return false;
    }
    const stranger = this.#strangers.take(userId, now);
    if (stranger === null) return false;
    remote.admit(this.#withinLimits(server, stranger.state), stranger.wasTold, now);
    return true;
  }

  /** The routers have answered about strangers: those for whom they named somebody here are taken in. */
  #admitRouted(asked: readonly UserPresenceState[], answer: RoutingAnswer): void {
    const { clock, settings } = this.#options;
    const now = clock.now();
    const named: UserId[] = [];
    for (const state of asked) {
      const targets = answer.get(state.userId) ?? [];
      if (!targets.some((target) => serverNameOf(target) === settings.serverName)) continue;
      // Taken in or gone meanwhile: then the answer is about somebody else's business, or nobody's.
      if (this.#strangers.stateOf(state.userId, now) === null) continue;
      if (!this.#admit(state.userId)) continue;
      this.#answers.set(state.userId, { asked: state, targets });
      named.push(state.userId);
    }
    if (named.length > 0) this.#commitAdmission();
  }

  #commitAdmission(): void {
    // What could not be saved is tried again; nobody waits for it here.
    const admission = this.#options.committer.commit().catch(() => undefined);
    this.#admission = admission;
    const settled = admission.then(() => {
      if (this.#admission === admission) this.#admission = null;
    });
    inBackground(this.#options, 'taking in strangers', settled);
  }

  /** Without the status message if the server's users, or all remote users, have too much of it. */
  #withinLimits<T extends RemotePresence>(server: ServerName, entry: T): T {
    const { engine, limits, metrics } = this.#options;
    if (entry.statusMsg === null) return entry;
    const { remote } = engine();
    const more = entry.statusMsg.length - (engine().stateOf(entry.userId).statusMsg?.length ?? 0);
    const ofServer = remote.statusChars(server) + more;
    if (ofServer <= limits.maxStatusCharsPerServer && remote.statusChars() + more <= limits.maxStatusChars)
      return entry;
    metrics.addDropped('status_limit', 1);
    return { ...entry, statusMsg: null };
  }
}

function isWorthTelling(before: UserPresenceState, after: UserPresenceState, activeWindowMs: number): boolean {
  const comparable = ({ state, ...others }: UserPresenceState) => ({ ...others, state: codeOfState(state) });
  return notifyReason(comparable(before), comparable(after), activeWindowMs) !== null;
}

function isSame(one: UserPresenceState, other: UserPresenceState): boolean {
  const { state, statusMsg, currentlyActive, lastActiveTs } = other;
  if (one.state !== state || one.statusMsg !== statusMsg) return false;
  return one.currentlyActive === currentlyActive && one.lastActiveTs === lastActiveTs;
}
