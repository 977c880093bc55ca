/**
 * What a module has registered at once, ready to be asked: the pair of callbacks, the one that restricts, or all three.
 *
 * It has the module's deadlines, rests and metrics, and remembers its answers about observers, to notice when the two disagree.
 */
import type { UserId } from '../matrix/identifiers.ts';
import type { NoPresenceRouterCallbacks, PresenceRouterCallbacks } from '../module/callbacks.ts';
import type { Labels } from '../ports/metrics.ts';
import type { CallbackLimits } from './callback-limits.ts';
import { type CallbackReport, CallbackRunner } from './callback-runner.ts';
import { checkInterest } from './check-interest.ts';
import { type CheckedRoutes, checkRoutes } from './check-routes.ts';
import { type DisagreementReport, Disagreements } from './disagreements.ts';
import { examine } from './examine.ts';
import type { ExaminableModule } from './examine-modules.ts';
import type { HostContext } from './host-context.ts';
import { type Disagreement, InterestMemory } from './interest-memory.ts';
import type { KnownIds } from './known-ids.ts';
import { Restrictor } from './restrictor.ts';
import type { Interest } from './router-api.ts';
import type { UpdateBatch } from './update-batch.ts';

/** What a module registered at once, and what has become of it since. */
export interface ModuleReport {
  readonly module: string;
  /** Its file and export, if known. */
  readonly spec: string | null;
  readonly limits: CallbackLimits;
  /** Those that it has registered, in the order of the contract. */
  readonly callbacks: readonly CallbackReport[];
  /** Ids in remembered answers. */
  readonly remembered: number;
  /** Pairs of observer and source that only one of its two callbacks named. */
  readonly disagreements: DisagreementReport;
}

/** Some 50 MB at worst, for each pair of callbacks. */
const MAX_REMEMBERED_IDS = 500_000;

export class Registration {
  readonly limits: CallbackLimits;
  /** Null if it does not restrict. */
  readonly restrictor: Restrictor | null;
  readonly #routes: CallbackRunner<UpdateBatch, CheckedRoutes> | null = null;
  readonly #interest: CallbackRunner<UserId, Interest> | null = null;
  readonly #memory = new InterestMemory(MAX_REMEMBERED_IDS);
  readonly #host: HostContext;
  readonly #labels: Labels;
  readonly #disagreements: Disagreements;
  #shownSize = -1;

  constructor(
    module: string,
    callbacks: PresenceRouterCallbacks | NoPresenceRouterCallbacks,
    limits: CallbackLimits,
    ids: KnownIds,
    host: HostContext,
  ) {
    this.limits = limits;
    this.#host = host;
    this.#labels = { module };
    this.#disagreements = new Disagreements(host.clock);
    const { getRestrictions } = callbacks;
    this.restrictor =
      getRestrictions === undefined ? null : new Restrictor(module, getRestrictions.bind(callbacks), limits, ids, host);
    if (callbacks.getUsersForStates === undefined) return;
    // Taken now, called on the object that was registered: `this` is right, and a later change of the object changes nothing.
    const getUsersForStates = callbacks.getUsersForStates.bind(callbacks);
    const getInterestedUsers = callbacks.getInterestedUsers.bind(callbacks);
    this.#routes = new CallbackRunner<UpdateBatch, CheckedRoutes>(
      {
        module,
        callback: 'getUsersForStates',
        limits,
        call: (batch, context) => getUsersForStates(batch.states, context),
        check: (value, batch, drop) => checkRoutes(value, batch, ids, limits.maxEntries, drop),
      },
      host,
    );
    this.#interest = new CallbackRunner<UserId, Interest>(
      {
        module,
        callback: 'getInterestedUsers',
        limits,
        call: getInterestedUsers,
        check: (value, userId, drop) => checkInterest(value, this.#memory.get(userId), ids, limits.maxEntries, drop),
      },
      host,
    );
  }

  /** Whether it has the pair. */
  get hasPair(): boolean {
    return this.#routes !== null;
  }

  /** Who gets each update of the batch; undefined if the module failed. */
  askRoutes(batch: UpdateBatch): CheckedRoutes | undefined | Promise<CheckedRoutes | undefined> {
    return this.#routes?.run(batch);
  }

  /** Whom the observer is interested in; while the module fails, what it said last; undefined if it has said nothing. */
  askInterest(userId: UserId): Interest | undefined | Promise<Interest | undefined> {
    const answer = this.#interest?.run(userId);
    return answer instanceof Promise
      ? answer.then((later) => this.#remember(userId, later))
      : this.#remember(userId, answer);
  }

  /** Compares an answer of `askRoutes` with what the module said about observers. */
  compare(batch: UpdateBatch, routes: CheckedRoutes): void {
    let count = 0;
    for (const [index, { userId }] of batch.states.entries()) {
      count += this.#memory.disagreements(userId, routes[index] ?? NO_TARGETS, this.#tell);
    }
    if (count > 0) this.#host.metrics.disagreements.inc(this.#labels, count);
  }

  /** Undefined: all of them. */
  forget(observers: Iterable<UserId> | undefined): void {
    if (observers === undefined) this.#memory.clear();
    else for (const observer of observers) this.#memory.forget(observer);
    this.#showSize();
  }

  /** The same questions without a trace, and what is remembered: for explanations. */
  get examinable(): ExaminableModule {
    return {
      name: this.#labels['module'] ?? '',
      spec: this.#host.spec ?? null,
      askInterest: (userId) => this.#interest && examine(this.#interest, userId, this.#host),
      rememberedInterest: (userId) => this.#memory.get(userId),
      askRoutes: (batch) => this.#routes && examine(this.#routes, batch, this.#host),
      askRestrictions: (request) => this.restrictor && this.restrictor.examine(request),
    };
  }

  /** How the module does. */
  get report(): ModuleReport {
    const callbacks = [this.#routes?.report, this.#interest?.report, this.restrictor?.report];
    return {
      module: this.#labels['module'] ?? '',
      spec: this.#host.spec ?? null,
      limits: this.limits,
      callbacks: callbacks.filter((callback) => callback !== undefined),
      remembered: this.#memory.size + (this.restrictor?.remembered ?? 0),
      disagreements: this.#disagreements.report,
    };
  }

  async stop(timeoutMs: number, reason: string): Promise<void> {
    await Promise.all([
      this.#routes?.stop(timeoutMs, reason),
      this.#interest?.stop(timeoutMs, reason),
      this.restrictor?.stop(timeoutMs, reason),
    ]);
  }

  #remember(userId: UserId, answer: Interest | undefined): Interest | undefined {
    if (answer === undefined) return this.#memory.get(userId);
    this.#memory.set(userId, answer);
    this.#showSize();
    return answer;
  }

  /** Mostly an answer is the one before. */
  #showSize(): void {
    if (this.#shownSize === this.#memory.size) return;
    this.#shownSize = this.#memory.size;
    this.#host.metrics.remembered.set(this.#shownSize, this.#labels);
  }

  readonly #tell = ({ observer, userId: target, namedBy }: Disagreement): void => {
    if (!this.#disagreements.add({ observer, userId: target, namedBy })) return;
    this.#host.logger.warn(
      { ...this.#labels, observer, target },
      namedBy === 'getUsersForStates'
        ? 'the callbacks of a module disagree: getUsersForStates gives the observer the presence of the target, but getInterestedUsers does not name the target for the observer; GET /_thalamus/admin/v1/modules has more of them'
        : 'the callbacks of a module disagree: getInterestedUsers names the target for the observer, but getUsersForStates does not give the observer the presence of the target; GET /_thalamus/admin/v1/modules has more of them',
    );
  };
}

const NO_TARGETS: readonly UserId[] = [];
