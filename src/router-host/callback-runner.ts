/**
 * Calls one callback of one module and makes of whatever happens an answer or nothing.
 *
 * An answer at once costs no promise, no timer and no AbortController. A promise has a deadline on the server's clock; what comes
 * later is ignored. Throws, deadlines passed, wrong answers and holding up the process are counted, logged now and then, and lead to a rest.
 */
import { isPromise } from 'node:util/types';
import type { CallbackContext, CallbackName } from '../module/callbacks.ts';
import type { LogFields } from '../ports/logger.ts';
import type { Labels } from '../ports/metrics.ts';
import { LogGate } from '../ports/log-gate.ts';
import type { CallbackLimits } from './callback-limits.ts';
import { CallbackCounters, type CallbackCounts } from './callback-counters.ts';
import { abortContext, LazyContext } from './lazy-context.ts';
import { show, toPlainError } from './describe-value.ts';
import { type CallbackFailure, ModuleCallbackError } from './errors.ts';
import { describeModule, type HostContext } from './host-context.ts';
import { Rest } from './rest.ts';
import { BLOCKED_MS } from './watchdog.ts';
import { within } from './within.ts';

/** Why an entry of an answer was dropped. */
export type DropReason =
  | 'user_id'
  | 'not_in_batch'
  | 'not_iterable'
  | 'not_an_update'
  | 'not_an_observer'
  | 'remote_user'
  | 'not_a_restriction'
  | 'threw'
  | 'too_many';
/** Counts a dropped entry. `value` is what was wrong, or what was thrown; the log shows the first one of each reason. */
export type Drop = (reason: DropReason, value?: unknown) => void;

/** What a check returns for a wrong top-level value: what it should have been. */
export class Invalid {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export interface CallbackRunnerOptions<Argument, Answer> {
  readonly module: string;
  readonly callback: CallbackName;
  /** The module's function, already bound. */
  readonly call: (argument: Argument, context: CallbackContext) => unknown;
  /** Reads a returned value. It may throw when the value does: reading it can run the module's code. */
  readonly check: (value: unknown, argument: Argument, drop: Drop) => Answer | Invalid;
  readonly limits: CallbackLimits;
}

export interface CallbackReport extends CallbackCounts {
  readonly callback: CallbackName;
  /** Calls that have not answered yet. */
  readonly running: number;
  /** In ms since the epoch; null if it does not rest now. */
  readonly restsUntilTs: number | null;
}

/** What is to be ended at a stop. */
export interface RunningCall {
  readonly context: LazyContext;
  readonly settled: Promise<unknown> | undefined;
}

export interface Examinable<Argument, Answer> {
  readonly options: CallbackRunnerOptions<Argument, Answer>;
  readonly section: number;
  /** Whoever examines puts in what runs, so that a stop ends it. */
  readonly running: Set<RunningCall>;
  readonly restsUntilTs: number;
}

export class CallbackRunner<Argument, Answer> {
  readonly #options: CallbackRunnerOptions<Argument, Answer>;
  readonly #host: HostContext;
  readonly #rest: Rest;
  readonly #log: LogGate;
  readonly #labels: Labels;
  readonly #counters: CallbackCounters;
  readonly #section: number;
  readonly #running = new Set<Call>();
  readonly #examining = new Set<RunningCall>();
  readonly #drop: Drop;

  constructor(options: CallbackRunnerOptions<Argument, Answer>, host: HostContext) {
    const { module, callback, limits } = options;
    this.#options = options;
    this.#host = host;
    this.#rest = new Rest(limits);
    this.#log = new LogGate(host.clock, (fields, message) => host.logger.warn(fields, message));
    this.#labels = { module, callback };
    this.#counters = new CallbackCounters(module, callback, host.metrics);
    this.#section = host.watchdog.section(module, callback, host.spec);
    this.#drop = (reason, value) => {
      this.#counters.dropped(reason);
      const describe = (): LogFields => ({ ...this.#labels, reason, ...describeDrop(reason, value, limits) });
      this.#log.tell(reason, describe, 'an entry of an answer was dropped');
    };
  }

  /** Returns the checked answer, or undefined if there is none: the module rests, failed, or was too late. Never throws or rejects. */
  run(argument: Argument): Answer | undefined | Promise<Answer | undefined> {
    const { clock, watchdog } = this.#host;
    if (!this.#rest.admit(clock.now())) {
      this.#counters.rested();
      return undefined;
    }
    const call = new Call();
    const previous = watchdog.enter(this.#section);
    let value: unknown;
    try {
      value = this.#options.call(argument, call.context);
      if (!isThenable(value)) {
        const answer = this.#options.check(value, argument, this.#drop);
        watchdog.leave(previous);
        const elapsedMs = call.elapsedMs();
        return this.#finish(call, answer, elapsedMs, elapsedMs);
      }
    } catch (thrown) {
      watchdog.leave(previous);
      return this.#fail(call, 'threw', thrown);
    }
    watchdog.leave(previous);
    return this.#wait(call, value, argument);
  }

  /** For `examine`, which asks past this runner: what it would do, and until when it would not (0: it would). */
  get examinable(): Examinable<Argument, Answer> {
    return {
      options: this.#options,
      section: this.#section,
      running: this.#examining,
      restsUntilTs: this.#rest.until(this.#host.clock.now()),
    };
  }

  /** How it does, for whoever asks about the module. */
  get report(): CallbackReport {
    return {
      callback: this.#options.callback,
      ...this.#counters.counts,
      running: this.#running.size,
      restsUntilTs: this.#rest.until(this.#host.clock.now()) || null,
    };
  }

  /** Aborts the signals of running calls and resolves when they have settled, or after `timeoutMs` of real time. Never rejects. */
  async stop(timeoutMs: number, reason: string): Promise<void> {
    const calls = [...this.#running, ...this.#examining];
    for (const call of calls) abortContext(call.context, reason);
    const settled = Promise.all(calls.map((call) => call.settled ?? Promise.resolve()));
    try {
      await within(settled, timeoutMs, this.#options.callback);
    } catch {
      this.#host.logger.warn(
        { ...this.#labels },
        'a callback of a module still runs; its module is taken down all the same',
      );
    }
  }

  #wait(call: Call, promise: PromiseLike<unknown>, argument: Argument): Promise<Answer | undefined> {
    const { clock, watchdog } = this.#host;
    call.blockedMs = call.elapsedMs();
    watchdog.pend(this.#section);
    this.#running.add(call);
    return new Promise((resolve) => {
      let over = false;
      const end = (): boolean => {
        if (over) return false;
        over = true;
        timer.cancel();
        this.#running.delete(call);
        if (watchdog.unpend(this.#section)) call.blockedMs = Math.max(call.blockedMs, BLOCKED_MS);
        return true;
      };
      const timer = clock.setTimeout(() => {
        if (!end()) return;
        resolve(this.#fail(call, 'timed_out', `no answer after ${this.#options.limits.timeoutMs} ms`));
        abortContext(call.context, 'the deadline has passed');
      }, this.#options.limits.timeoutMs);

      // Promise.resolve would read a member of the promise, which can throw.
      call.settled = new Promise<unknown>((adopt) => adopt(promise)).then(
        (value) => {
          if (end()) resolve(this.#read(call, value, argument));
        },
        (thrown: unknown) => {
          if (end()) resolve(this.#fail(call, 'threw', thrown));
        },
      );
    });
  }

  #read(call: Call, value: unknown, argument: Argument): Answer | undefined {
    const previous = this.#host.watchdog.enter(this.#section);
    const start = performance.now();
    try {
      const answer = this.#options.check(value, argument, this.#drop);
      const blockedMs = Math.max(call.blockedMs, performance.now() - start);
      return this.#finish(call, answer, blockedMs, call.elapsedMs());
    } catch (thrown) {
      return this.#fail(call, 'threw', thrown);
    } finally {
      this.#host.watchdog.leave(previous);
    }
  }

  /**
   * @param blockedMs - the longest time that the module held up the process in this call
   * @param elapsedMs - since the call began
   */
  #finish(call: Call, answer: Answer | Invalid, blockedMs: number, elapsedMs: number): Answer | undefined {
    if (answer instanceof Invalid) return this.#fail(call, 'invalid_return', answer.message);
    if (blockedMs >= BLOCKED_MS) {
      const why = `held up the whole process for ${Math.round(blockedMs)} ms`;
      this.#fail(call, 'blocked', why);
      // It has answered, though: too late or not is a question of the deadline.
      return blockedMs > this.#options.limits.timeoutMs ? undefined : answer;
    }
    this.#counters.ended('ok', elapsedMs);
    this.#rest.succeeded(this.#host.clock.now());
    return answer;
  }

  #fail(call: Call, reason: CallbackFailure, what: unknown): undefined {
    const { module, callback, limits } = this.#options;
    this.#counters.ended(reason, call.elapsedMs());
    const cause = reason === 'threw' ? toPlainError(what) : undefined;
    const message = `${callback} of ${describeModule(module, this.#host)} ${reason}: ${cause?.message ?? String(what)}`;
    const err = new ModuleCallbackError(module, callback, reason, message);
    // Ours says nothing; the module's leads to the line.
    err.stack = cause?.stack ?? '';
    this.#log.tell(reason, () => ({ ...this.#labels, reason, err }), 'the answer of a module was dropped');
    if (!this.#rest.failed(this.#host.clock.now())) return;
    this.#counters.restBegins();
    const fields = { ...this.#labels, failures: limits.failuresBeforeRest, restMs: limits.restMs };
    this.#log.tell('rest', () => fields, 'a callback of a module rests after failures in a row');
  }
}

/** What the log says of a dropped entry beside the reason. Values are a module's: shortened, and looked at with care. */
function describeDrop(reason: DropReason, value: unknown, { maxEntries }: CallbackLimits): LogFields {
  if (reason === 'too_many') return { maxEntries };
  return { value: reason === 'threw' ? toPlainError(value).message : show(value) };
}

/** One call, from the host's side. */
class Call {
  readonly context = new LazyContext();
  readonly #start = performance.now();
  /** The longest time so far that the module held up the process. */
  blockedMs = 0;
  settled: Promise<void> | undefined;

  elapsedMs(): number {
    return performance.now() - this.#start;
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return isPromise(value) || ('then' in value && typeof value.then === 'function');
}
