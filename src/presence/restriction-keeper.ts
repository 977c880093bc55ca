/**
 * Keeps the engine told of who must not get whose presence: asks the modules about what the engine has withheld, and gives it the answers.
 *
 * Nothing is done while no module restricts. An answer stands until it is invalidated, and beyond, until the next one is there. Whoever connects
 * waits for what is not known about those they would see, at most until the routers' deadline; what is unknown then is withheld.
 */
import type { Deliveries, Observer, RestrictionAnswer, RestrictionQuestion } from '../core/engine-api.ts';
import type { EngineView } from '../core/engine-view.ts';
import { type Form, isHidden, UNKNOWN } from '../core/forms.ts';
import type { ServerName, UserId } from '../matrix/identifiers.ts';
import type { Restrictions, Router } from '../router-host/router-api.ts';
import { type Background, breathe } from './background.ts';
import { atMost } from './deadline.ts';
import { InvalidationPace } from './invalidation-pace.ts';
import { Passes } from './passes.ts';
import { RestrictionQuestions } from './restriction-questions.ts';
import { RestrictionRetries } from './restriction-retries.ts';

/** Sources asked about in one go when everything is asked for again. */
const BATCH = 300;
const NOBODY: ReadonlySet<UserId> = new Set();
/** Stands for servers that no answer names. */
const ANY_SERVER = '';
const EVERYBODY = { state: null, server: null, prefix: '' } as const;

/** The engine's side of it. */
export interface RestrictedEngine {
  setRestricting(isRestricting: boolean): Deliveries;
  takeQuestions(): readonly RestrictionQuestion[];
  questionsFor(observer: UserId): readonly RestrictionQuestion[];
  questionAbout(source: UserId): RestrictionQuestion | null;
  answeredSources(): readonly UserId[];
  restrict(source: UserId, asked: readonly Observer[], answer: RestrictionAnswer): Deliveries;
  uidOf(userId: UserId): number;
  formForServer(server: ServerName, uid: number): Form;
  /** Up to so many users from a place on. */
  readonly view: Pick<EngineView, 'list'>;
}

export interface RestrictionKeeperOptions extends Background {
  readonly router: Pick<Router, 'restricts' | 'getRestrictions' | 'deadlineMs'>;
  readonly engine: () => RestrictedEngine;
  readonly deliver: (deliveries: Deliveries) => void;
  /** A server that shares no room may have the source from now on: a router has to say whether it gets them. */
  readonly onServerGain: (source: UserId) => void;
}

export class RestrictionKeeper {
  readonly #options: RestrictionKeeperOptions;
  readonly #questions: RestrictionQuestions;
  readonly #retries: RestrictionRetries;
  readonly #pace: InvalidationPace;
  #isRestricting = false;
  /** All sources are asked about again. */
  readonly #passes: Passes;
  /** Whether any of the modules before did. */
  #didRestrict = false;
  /** Now one does, and observers were told of somebody before. */
  #isNew = false;
  #isStopped = false;

  constructor(options: RestrictionKeeperOptions) {
    this.#options = options;
    this.#questions = new RestrictionQuestions({
      ...options,
      concerned: (source) => options.engine().questionAbout(source)?.observers ?? null,
      onAnswer: (source, asked, answer) => this.#take(source, asked, answer),
    });
    this.#pace = new InvalidationPace(options.clock, (source) => this.#questions.askAboutAll([source]));
    this.#passes = new Passes(options, 'asking for restrictions again', () => this.#askAboutAll());
    this.#retries = new RestrictionRetries({
      clock: options.clock,
      askAgain: (source) => {
        if (options.engine().questionAbout(source) === null) return false;
        this.#questions.askAboutAll([source]);
        return true;
      },
      askAgainAboutAll: () => this.#passes.request(),
    });
  }

  /** Whether anything is kept from anybody, as far as the engine knows. */
  get isRestricting(): boolean {
    return this.#isRestricting;
  }

  /** Sources that modules are being asked about, or are to be. */
  get size(): number {
    return this.#questions.size;
  }

  /** From when a module restricts, so does the engine. Never the other way round by itself: modules that are stopped give nothing away. */
  follow(): void {
    if (this.#options.router.restricts && !this.#isRestricting) this.#restrict(true);
  }

  /** The first modules are constructed. If none restricts, what was kept back until then, because one might have, is given. */
  modulesConstructed(): void {
    const { restricts } = this.#options.router;
    if (restricts !== this.#isRestricting) this.#restrict(restricts);
    this.#didRestrict = restricts;
  }

  /** Other modules answer from now on: what those before have said stands until they have. Resolves when all are asked. */
  async modulesReplaced(): Promise<void> {
    const { restricts } = this.#options.router;
    if (restricts !== this.#isRestricting) this.#restrict(restricts);
    this.#isNew = restricts && !this.#didRestrict;
    this.#didRestrict = restricts;
    this.#questions.distrust();
    if (restricts) await this.#passes.make();
  }

  /** Asks about what the engine has withheld since the last call. Returns whether some of it was answered at once: then collect again. */
  settle(): boolean {
    if (!this.#isRestricting) return false;
    return this.#ask(this.#options.engine().takeQuestions());
  }

  /** An observer has connected and their interest is in effect: resolves when nothing they would see is unknown, or the time is over. */
  begin(observer: UserId): void | Promise<void> {
    if (this.#isRestricting) return this.answered(this.#options.engine().questionsFor(observer));
  }

  /** The same as `ask`, but not later than the routers' deadline. */
  answered(questions: readonly RestrictionQuestion[]): void | Promise<void> {
    const { clock, router } = this.#options;
    const answered = this.ask(questions);
    if (answered !== undefined) return atMost(clock, router.deadlineMs, answered);
  }

  /** Resolves when all of it is answered; at once, without a promise, if the modules answer at once. */
  ask(questions: readonly RestrictionQuestion[]): void | Promise<void> {
    if (questions.length === 0) return;
    this.#ask(questions);
    return this.#questions.whenAnswered(questions.map(({ source }) => source));
  }

  /** What is behind the answers has changed, about these sources or about all. Modules that say so all the time are asked a little later. */
  invalidate(sources?: Iterable<UserId>): void {
    if (!this.#isRestricting) return;
    if (sources === undefined) {
      this.#questions.distrust();
      this.#passes.request();
      return;
    }
    const engine = this.#options.engine();
    const named = [...sources].filter((source) => engine.uidOf(source) >= 0);
    this.#questions.distrust(named);
    for (const source of named) this.#pace.request(source);
  }

  stop(): void {
    this.#isStopped = true;
    this.#questions.stop();
    this.#retries.stop();
    this.#pace.stop();
    this.#passes.stop();
  }

  #restrict(isRestricting: boolean): void {
    // First, because delivering looks.
    this.#isRestricting = isRestricting;
    const { deliver, engine } = this.#options;
    deliver(engine().setRestricting(isRestricting));
  }

  #ask(questions: readonly RestrictionQuestion[]): boolean {
    if (!this.#options.router.restricts) return false;
    const before = this.#questions.answers;
    this.#questions.ask(questions);
    return this.#questions.answers !== before;
  }

  #take(source: UserId, asked: readonly Observer[], answer: Restrictions): void {
    if (!this.#isRestricting) return;
    const { deliver, onServerGain } = this.#options;
    const engine = this.#options.engine();
    this.#retries.note(source, answer.isFinal);
    const uid = engine.uidOf(source);
    const servers = [ANY_SERVER, ...asked.filter((observer) => !observer.startsWith('@'))];
    const hidden = servers.filter((server) => isKnownAndHidden(engine.formForServer(server, uid)));
    const deliveries = engine.restrict(source, asked, answer);
    deliver(deliveries);
    // Whoever shares a room, or was named by a router since the start, has been told; of others nobody has kept that they were.
    const isGain = (server: ServerName): boolean =>
      !deliveries.servers.has(server) && !isKnownAndHidden(engine.formForServer(server, uid));
    if (hidden.some(isGain)) onServerGain(source);
  }

  /** Resolves when all have been asked about of whom something is known by now, or who are not offline, and the answers are there. */
  async #askAboutAll(): Promise<void> {
    const asked = this.#isNew ? await this.#askAboutThosePresent() : NOBODY;
    const sources = this.#options
      .engine()
      .answeredSources()
      .filter((source) => !asked.has(source));
    for (let start = 0; start < sources.length; start += BATCH)
      await this.#askAgain(sources.slice(start, start + BATCH));
  }

  /** Observers may have been told of them before anything was restricted. */
  async #askAboutThosePresent(): Promise<ReadonlySet<UserId>> {
    this.#isNew = false;
    const asked = new Set<UserId>();
    for (let from: number | null = 0; from !== null; ) {
      const { users, next } = this.#options.engine().view.list(EVERYBODY, from, BATCH);
      const present = users.filter(({ state }) => state.state !== 'offline').map(({ state }) => state.userId);
      for (const source of present) asked.add(source);
      await this.#askAgain(present);
      from = next;
    }
    return asked;
  }

  async #askAgain(sources: readonly UserId[]): Promise<void> {
    if (this.#isStopped || sources.length === 0) return;
    const { clock, router } = this.#options;
    this.#questions.askAboutAll(sources);
    const answered = this.#questions.whenAnswered(sources);
    if (answered !== undefined) await atMost(clock, router.deadlineMs, answered);
    await breathe(this.#options);
  }
}

function isKnownAndHidden(form: Form): boolean {
  return form !== UNKNOWN && isHidden(form);
}
