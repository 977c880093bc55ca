/**
 * Asks one callback of one module what it says now, without a trace: for "why does … (not) see …".
 *
 * The module's function and the check of what it returns are those of every call, and so is the deadline. But no metric, log line,
 * failure, rest or remembered answer comes of it, and a callback that rests is not asked. If the module holds up the process, the watchdog
 * says so as ever (it is true), but nobody is blamed for it: neither this call nor another that is awaited meanwhile.
 */
import { abortContext, LazyContext } from './lazy-context.ts';
import { type CallbackRunner, type DropReason, Invalid, isThenable } from './callback-runner.ts';
import { toPlainError } from './describe-value.ts';
import type { CallbackFailure } from './errors.ts';
import type { HostContext } from './host-context.ts';
import { BLOCKED_MS } from './watchdog.ts';
import { POLL_MS } from './watchdog-thread.ts';

export interface Examined<Answer> {
  readonly outcome: 'ok' | 'rests' | CallbackFailure;
  /** Undefined if there is none: it rests, failed, or was too late. */
  readonly answer: Answer | undefined;
  /** From the call to the answer, or until it was given up; null if it was not asked. */
  readonly ms: number | null;
  /** What went wrong, in words; null for nothing. */
  readonly error: string | null;
  /** Until when it rests; null if it does not. */
  readonly restsUntilTs: number | null;
  /** Entries of the answer that were dropped, by reason. */
  readonly dropped: ReadonlyMap<DropReason, number>;
}

type Result<Answer> = Pick<Examined<Answer>, 'outcome' | 'answer' | 'error'>;

/** Never rejects. */
export async function examine<Argument, Answer>(
  { examinable }: Pick<CallbackRunner<Argument, Answer>, 'examinable'>,
  argument: Argument,
  { clock, watchdog }: Pick<HostContext, 'clock' | 'watchdog'>,
): Promise<Examined<Answer>> {
  const { options, running, section, restsUntilTs } = examinable;
  const dropped = new Map<DropReason, number>();
  if (restsUntilTs > 0) return { outcome: 'rests', answer: undefined, ms: null, error: null, restsUntilTs, dropped };

  const context = new LazyContext();
  const start = performance.now();
  let blockedMs = 0;
  /** Runs the module's code, which may hold up the process. */
  const inside = <T>(run: () => T): T => {
    const previous = watchdog.enter(section);
    const begin = performance.now();
    try {
      return run();
    } finally {
      blockedMs = Math.max(blockedMs, performance.now() - begin);
      watchdog.leave(previous);
    }
  };
  const check = (value: unknown): Result<Answer> => {
    const answer = inside(() =>
      options.check(value, argument, (reason) => dropped.set(reason, (dropped.get(reason) ?? 0) + 1)),
    );
    if (answer instanceof Invalid) return { outcome: 'invalid_return', answer: undefined, error: answer.message };
    if (blockedMs < BLOCKED_MS) return { outcome: 'ok', answer, error: null };
    const error = `held up the whole process for ${Math.round(blockedMs)} ms`;
    return { outcome: 'blocked', answer: blockedMs > options.limits.timeoutMs ? undefined : answer, error };
  };
  const failed = (thrown: unknown): Result<Answer> => ({
    outcome: 'threw',
    answer: undefined,
    error: toPlainError(thrown).message,
  });

  // With something else awaited, whoever holds up the process cannot be told: so nobody is blamed.
  watchdog.pend(section);
  let result: Result<Answer>;
  try {
    const value = inside(() => options.call(argument, context));
    if (isThenable(value)) {
      let isOver = false;
      const late = new Promise<unknown>((adopt) => adopt(value))
        .then((settled) => (isOver ? failed(settled) : check(settled)))
        .catch(failed);
      const call = { context, settled: late };
      running.add(call);
      result = await withDeadline(late, options.limits.timeoutMs, clock, context);
      running.delete(call);
      isOver = true;
    } else result = check(value);
  } catch (thrown) {
    result = failed(thrown);
  }
  const ms = performance.now() - start;
  const unpend = (): void => void watchdog.unpend(section);
  // Until the watchdog has seen that the process goes on.
  if (blockedMs >= POLL_MS) setTimeout(unpend, 2 * POLL_MS).unref();
  else unpend();
  return { ...result, ms, restsUntilTs: null, dropped };
}

function withDeadline<Answer>(
  result: Promise<Result<Answer>>,
  timeoutMs: number,
  clock: HostContext['clock'],
  context: LazyContext,
): Promise<Result<Answer>> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => {
      resolve({ outcome: 'timed_out', answer: undefined, error: `no answer after ${timeoutMs} ms` });
      abortContext(context, 'the deadline has passed');
    }, timeoutMs);
    result
      .then((settled) => {
        timer.cancel();
        resolve(settled);
      })
      // It is never rejected.
      .catch(() => undefined);
  });
}
