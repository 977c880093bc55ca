/**
 * The callback of one module that keeps presence back, ready to be asked.
 *
 * Whatever happens there is an answer: while the module fails, or rests, what it said last about the source and the observer stands, and
 * where it has said nothing `on_failure` decides.
 */
import type { RestrictionAnswer } from '../core/engine-api.ts';
import { Form, UNKNOWN } from '../core/forms.ts';
import type { RestrictionCallback } from '../module/callbacks.ts';
import type { Labels } from '../ports/metrics.ts';
import type { CallbackLimits } from './callback-limits.ts';
import { type CallbackReport, CallbackRunner } from './callback-runner.ts';
import { checkRestrictions } from './check-restrictions.ts';
import { examine } from './examine.ts';
import type { ExaminedRestriction } from './examine-modules.ts';
import type { HostContext } from './host-context.ts';
import type { KnownIds } from './known-ids.ts';
import type { RestrictionRequest } from './restriction-answers.ts';
import { RestrictionMemory } from './restriction-memory.ts';
import type { Restrictions } from './router-api.ts';

/** Some 50 MB at worst, for each module that restricts. */
const MAX_REMEMBERED_IDS = 500_000;

export class Restrictor {
  readonly #runner: CallbackRunner<RestrictionRequest, RestrictionAnswer>;
  readonly #memory = new RestrictionMemory(MAX_REMEMBERED_IDS);
  readonly #otherwise: Form;
  readonly #host: HostContext;
  readonly #labels: Labels;
  #calls = 0;
  #shownSize = -1;
  #isStopped = false;

  constructor(
    module: string,
    getRestrictions: RestrictionCallback['getRestrictions'],
    limits: CallbackLimits,
    ids: KnownIds,
    host: HostContext,
  ) {
    this.#host = host;
    this.#labels = { module };
    this.#otherwise = limits.onFailure === 'allow' ? Form.FULL : Form.DENIED;
    const rules = { ids, maxEntries: limits.maxEntries, serverName: host.serverName ?? null };
    this.#runner = new CallbackRunner(
      {
        module,
        callback: 'getRestrictions',
        limits,
        call: ({ source, observers }, context) => getRestrictions(source, observers, context),
        check: (value, request, drop) => checkRestrictions(value, request, rules, drop),
      },
      host,
    );
  }

  /** Never throws or rejects. */
  ask(request: RestrictionRequest): Restrictions | Promise<Restrictions> {
    if (this.#isStopped) return this.#settle(request, undefined, 0);
    this.#calls += 1;
    const call = this.#calls;
    const answer = this.#runner.run(request);
    return answer instanceof Promise
      ? // What a module says because its call was aborted at the end is not what it thinks.
        answer.then((later) => this.#settle(request, this.#isStopped ? undefined : later, call))
      : this.#settle(request, answer, call);
  }

  /** Asks without a trace, for explanations. */
  async examine(request: RestrictionRequest): Promise<ExaminedRestriction> {
    const remembered = this.#memory.get(request, UNKNOWN);
    const examined = await examine(this.#runner, request, this.#host);
    return { ...examined, remembered, onFailure: this.#otherwise };
  }

  get report(): CallbackReport {
    return this.#runner.report;
  }

  /** Ids in remembered answers. */
  get remembered(): number {
    return this.#memory.size;
  }

  /** All that it said: others are asked from now on. */
  forget(): void {
    this.#memory.clear();
    this.#showSize();
  }

  async stop(timeoutMs: number, reason: string): Promise<void> {
    this.#isStopped = true;
    await this.#runner.stop(timeoutMs, reason);
  }

  #settle(request: RestrictionRequest, answer: RestrictionAnswer | undefined, call: number): Restrictions {
    if (answer === undefined) return { ...this.#memory.get(request, this.#otherwise), isFinal: false };
    this.#memory.set(request, answer, call);
    this.#showSize();
    return { ...answer, isFinal: true };
  }

  /** Mostly an answer is the one before. */
  #showSize(): void {
    if (this.#shownSize === this.#memory.size) return;
    this.#shownSize = this.#memory.size;
    this.#host.metrics.rememberedRestrictions.set(this.#shownSize, this.#labels);
  }
}
