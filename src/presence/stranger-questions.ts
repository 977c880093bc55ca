/**
 * Asks the routers about strangers: whether anybody here is to get what they sent. Source: product §4.2 and 4.12.
 *
 * One batch at a time, apart from that of users who are known here, with the newest state of each. How many states are asked about is
 * bounded for each server and in all, so a server that invents users keeps the modules as busy as one that has a few. What has to
 * wait, waits among the strangers, which are bounded.
 */
import type { RoutingAnswer } from '../core/engine-api.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type ServerName, serverNameOf } from '../matrix/identifiers.ts';
import type { Timer } from '../ports/clock.ts';
import type { Router } from '../router-host/index.ts';
import { type Background, inBackground } from './background.ts';
import type { Strangers } from './strangers.ts';

export interface StrangerQuestionsOptions extends Background {
  readonly router: Router;
  readonly strangers: Strangers;
  /** States per second, of one server and in all; five seconds' worth at once. */
  readonly perSecondAndServer: number;
  readonly perSecond: number;
  /** Must not throw. */
  readonly onAnswer: (asked: readonly UserPresenceState[], answer: RoutingAnswer) => void;
}

interface Allowance {
  left: number;
  ts: number;
}

const BURST_SECONDS = 5;
const RETRY_MS = 1_000;
/** From one question to the next: those that come one by one make no more calls than those that come together. */
const PAUSE_MS = 100;

export class StrangerQuestions {
  readonly #options: StrangerQuestionsOptions;
  /** Of servers that have less than all of it. */
  readonly #allowances = new Map<ServerName, Allowance>();
  readonly #total: Allowance;
  #timer: Timer | null = null;
  #askedTs = -Infinity;
  #isScheduled = false;
  #isOut = false;
  #isStopped = false;

  constructor(options: StrangerQuestionsOptions) {
    this.#options = options;
    this.#total = { left: options.perSecond * BURST_SECONDS, ts: -Infinity };
  }

  /** Sees to it that whoever waits is asked about as soon as it is their turn. */
  request(): void {
    const { perSecond, perSecondAndServer, schedule, strangers } = this.#options;
    if (perSecond <= 0 || perSecondAndServer <= 0) return;
    if (this.#isScheduled || this.#isOut || this.#isStopped || this.#timer !== null || !strangers.hasWaiting) return;
    const pauseMs = this.#askedTs + PAUSE_MS - this.#options.clock.now();
    if (pauseMs > 0) {
      this.#wait(pauseMs);
      return;
    }
    this.#isScheduled = true;
    schedule(() => {
      this.#isScheduled = false;
      this.#ask();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #ask(): void {
    if (this.#isStopped) return;
    const { clock, router, strangers, perSecond } = this.#options;
    const now = clock.now();
    this.#forgetFull(now);
    const max = refill(this.#total, perSecond, now);
    const states = strangers.takeWaiting(max, (server) => this.#allowanceOf(server, now));
    if (states.length === 0) {
      if (strangers.hasWaiting) this.#wait(RETRY_MS);
      return;
    }
    this.#askedTs = now;
    this.#total.left -= states.length;
    for (const { userId } of states) this.#charge(serverNameOf(userId), now);
    const answer = router.getUsersForStates(states);
    if (!(answer instanceof Promise)) {
      this.#take(states, answer);
      return;
    }
    this.#isOut = true;
    const taken = answer.then((late) => {
      this.#isOut = false;
      this.#take(states, late);
    });
    inBackground(this.#options, 'routing of strangers', taken);
  }

  #take(asked: readonly UserPresenceState[], answer: RoutingAnswer): void {
    if (answer.size > 0 && !this.#isStopped) this.#options.onAnswer(asked, answer);
    this.request();
  }

  #wait(delayMs: number): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = null;
      this.#ask();
    }, delayMs);
  }

  #allowanceOf(server: ServerName, now: number): number {
    const { perSecondAndServer } = this.#options;
    const allowance = this.#allowances.get(server);
    return allowance === undefined ? perSecondAndServer * BURST_SECONDS : refill(allowance, perSecondAndServer, now);
  }

  #charge(server: ServerName, now: number): void {
    const allowance = this.#allowances.get(server) ?? {
      left: this.#options.perSecondAndServer * BURST_SECONDS,
      ts: now,
    };
    allowance.left--;
    this.#allowances.set(server, allowance);
  }

  #forgetFull(now: number): void {
    const { perSecondAndServer } = this.#options;
    for (const [server, allowance] of this.#allowances) {
      if (refill(allowance, perSecondAndServer, now) < perSecondAndServer * BURST_SECONDS) continue;
      this.#allowances.delete(server);
    }
  }
}

/** What there is by now, in whole states. */
function refill(allowance: Allowance, perSecond: number, now: number): number {
  const most = perSecond * BURST_SECONDS;
  const gained = (Math.max(0, now - allowance.ts) / 1_000) * perSecond;
  allowance.left = Math.min(most, allowance.left + gained);
  allowance.ts = now;
  return Math.floor(allowance.left);
}
