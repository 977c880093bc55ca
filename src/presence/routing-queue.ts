/**
 * Hands published updates to the routers: one batch at a time, and while it is out the newest update of each user waits.
 *
 * Default routing never waits for this. An answer takes effect at once, and is saved then.
 */
import type { KeptChange, PresenceUpdate, RoutingAnswer } from '../core/engine-api.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { Router } from '../router-host/index.ts';
import { NO_ROUTES } from '../router-host/router-api.ts';
import { AnswerSaver, type AnswerSaverOptions } from './answer-saver.ts';
import { inBackground } from './background.ts';

export interface RoutingQueueOptions extends AnswerSaverOptions {
  readonly router: Router;
  /** Puts an answer into effect and tells those concerned. Must not throw. */
  readonly route: (batch: readonly PresenceUpdate[], answer: RoutingAnswer) => readonly KeptChange[];
  /** The same for keep-alives, which go to other servers only and change no kept answer. Must not throw. */
  readonly routePings: (pings: readonly PresenceUpdate[], answer: RoutingAnswer) => void;
  /** Whether any answer is in effect. */
  readonly hasKeptAnswers: () => boolean;
}

export class RoutingQueue {
  readonly #options: RoutingQueueOptions;
  #waiting = new Map<number, PresenceUpdate>();
  #waitingPings = new Map<number, PresenceUpdate>();
  /** Users whom the routers are being asked about. */
  #out: ReadonlySet<number> | null = null;
  #isScheduled = false;
  #isStopped = false;
  /** Called when what waits has been answered, and when what is out has. */
  #waiters: (() => void)[] = [];
  #outWaiters: (() => void)[] = [];
  /** No module routes. Noted at the start and when modules are replaced: at a stop the router forgets its modules before the last updates. */
  #isWithoutModules = false;
  readonly #saver: AnswerSaver;

  constructor(options: RoutingQueueOptions) {
    this.#options = options;
    this.#saver = new AnswerSaver(options);
  }

  /** Updates that wait for the batch before. */
  get size(): number {
    return this.#waiting.size + this.#waitingPings.size;
  }

  /** The modules are there, if there are any. Routes `updates` of before. */
  begin(updates: readonly PresenceUpdate[]): void {
    this.modulesReplaced();
    this.add(updates, []);
  }

  /** There are others, or none. */
  modulesReplaced(): void {
    this.#isWithoutModules = !this.#options.router.hasCallbacks;
  }

  /** Adds updates; resolves when they have been answered, or newer ones of the same users in their place. */
  ask(updates: readonly PresenceUpdate[]): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.add(updates, []);
      if (this.size === 0) this.#release();
    });
  }

  add(updates: readonly PresenceUpdate[], pings: readonly PresenceUpdate[]): void {
    if (!this.#options.router.hasCallbacks) {
      // What a module said that has been removed since holds until the next update, like any answer.
      if (this.#isWithoutModules && this.#options.hasKeptAnswers()) this.#take(updates, [], NO_ROUTES);
      return;
    }
    for (const update of updates) {
      this.#waiting.set(update.uid, update);
      this.#waitingPings.delete(update.uid);
    }
    for (const ping of pings) if (!this.#waiting.has(ping.uid)) this.#waitingPings.set(ping.uid, ping);
    if (this.#isScheduled || this.size === 0) return;
    this.#isScheduled = true;
    // Whoever waits for these updates is answered first: a module can hold up the process.
    this.#options.schedule(() => {
      this.#isScheduled = false;
      this.#next();
    });
  }

  /** Whether something about the user waits for an answer. */
  isBusyWith(uid: number): boolean {
    return this.#waiting.has(uid) || this.#waitingPings.has(uid) || (this.#out?.has(uid) ?? false);
  }

  /** Puts into effect what the routers have said about updates before they were told. */
  takeAnswer(batch: readonly PresenceUpdate[], answer: RoutingAnswer): void {
    this.#take(batch, [], answer);
  }

  /** Users who are forgotten altogether. */
  forget(userId: UserId): void {
    this.#saver.forget(userId);
  }

  /** Saves what is not saved, once. Waits for no module: what one says later is asked again after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#waiting.clear();
    this.#waitingPings.clear();
    this.#release();
    await this.#saver.stop();
  }

  #next(): void {
    while (this.#out === null && this.size > 0) {
      const batch = [...this.#waiting.values()];
      const pings = [...this.#waitingPings.values()];
      this.#waiting = new Map();
      this.#waitingPings = new Map();
      const waiters = this.#waiters;
      this.#waiters = [];
      const states = batch.map((update) => update.state);
      for (const ping of pings) states.push(ping.state);
      const answer = this.#options.router.getUsersForStates(states);
      if (!(answer instanceof Promise)) {
        this.#take(batch, pings, answer);
        for (const answered of waiters) answered();
        continue;
      }
      this.#outWaiters = waiters;
      this.#out = new Set([...batch, ...pings].map(({ uid }) => uid));
      const done = answer
        .then((late) => this.#take(batch, pings, late))
        .finally(() => {
          this.#out = null;
          for (const answered of this.#outWaiters.splice(0)) answered();
          this.#next();
        });
      inBackground(this.#options, 'routing', done);
    }
  }

  /** Nobody waits any more. */
  #release(): void {
    for (const answered of this.#waiters.splice(0)) answered();
    for (const answered of this.#outWaiters.splice(0)) answered();
  }

  #take(batch: readonly PresenceUpdate[], pings: readonly PresenceUpdate[], answer: RoutingAnswer): void {
    if (this.#isStopped) return;
    if (batch.length > 0) this.#saver.add(this.#options.route(batch, answer));
    if (pings.length > 0) this.#options.routePings(pings, answer);
  }
}
