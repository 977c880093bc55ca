/**
 * One attempt of one destination: makes its transaction or takes the one that was not answered, sends it, and draws the consequences.
 *
 * A transaction keeps its id and body over all attempts, until it is answered or given up; what is told meanwhile goes into the next.
 */
import { setMaxListeners } from 'node:events';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { OwedPresence } from '../../ports/federation-transport.ts';
import type { Logger } from '../../ports/logger.ts';
import { pauseAfter } from './backoff.ts';
import type { Destination, LiveQueue, Transaction } from './destination.ts';
import type { DestinationTable } from './destination-table.ts';
import { OwedStream } from './owed-stream.ts';
import type { PeerTransactions, TransactionFailure, TransactionResult } from './peer-transactions.ts';
import { StateWriter, transactionBody } from './render-transaction.ts';
import type { FederationSenderOptions } from './sender-options.ts';
import type { SendingMetrics } from './sending-metrics.ts';

export interface CourierParts {
  readonly serverName: ServerName;
  readonly options: FederationSenderOptions;
  readonly table: DestinationTable;
  readonly transactions: PeerTransactions;
  readonly owed: OwedPresence;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: SendingMetrics;
  readonly random: () => number;
}

/** Before an attempt that failed for a reason of our own is repeated. */
const NOT_TRIED_DELAY_MS = 1_000;
/** Before owed states that could not be read are read again. */
const UNREADABLE_DELAY_MS = 60_000;

export class Courier {
  readonly #parts: CourierParts;
  readonly #writer = new StateWriter();
  readonly #abort = new AbortController();
  readonly #txnPrefix: string;
  #txnCount = 0;

  constructor(parts: CourierParts) {
    this.#parts = parts;
    const { clock, random } = parts;
    // Every open request listens.
    setMaxListeners(0, this.#abort.signal);
    // Unique over restarts; time alone is not, because clocks are set back.
    this.#txnPrefix = `${clock.now().toString(36)}-${Math.floor(random() * 36 ** 6).toString(36)}-`;
  }

  /** Ends what is open; nothing comes of it any more. */
  stop(): void {
    this.#abort.abort();
  }

  /** Never rejects. While it runs the destination is `fast` or `slow`, afterwards it waits again, for what it has to wait for. */
  async attempt(destination: Destination): Promise<void> {
    const { clock, options, table } = this.#parts;
    table.deadlines.remove(destination);
    table.enter(destination, table.laneOf(destination) === 'retries' ? 'slow' : 'fast');
    if (destination.phase === 'fast') table.deadlines.set(destination, clock.now() + options.slowAfterMs);
    const live = destination.live ?? this.#reopen(destination);
    // Made at once if it can be: its bytes count for whoever is next in line.
    const mustRead = live.transaction === null && live.stream !== null;
    const isReadable = !mustRead || (await this.#readOwed(destination, live));
    const transaction = isReadable && destination.live === live ? this.#transactionOf(live) : null;
    const result = transaction === null || this.#isStopped ? null : await this.#send(destination, transaction);
    if (this.#isStopped) return;
    table.deadlines.remove(destination);
    table.enter(destination, 'waiting');
    // Given up meanwhile: nobody else counts it any more.
    if (transaction !== null && (destination.live !== live || result?.ok === true))
      table.bytes -= transaction.body.length;
    if (!isReadable) this.#unreadable(destination);
    else if (result === null) this.#nothingSent(destination);
    else if (result.ok) this.#succeeded(destination, live, transaction as Transaction);
    else this.#failed(destination, live, result);
  }

  get #isStopped(): boolean {
    return this.#abort.signal.aborted;
  }

  #reopen(destination: Destination): LiveQueue {
    const live = this.#parts.table.openQueue(destination);
    if (destination.owedSinceTs !== null) {
      live.stream = new OwedStream(() => this.#parts.owed.statesFor(destination.name, destination.owedSinceTs ?? 0));
    }
    return live;
  }

  /** Fills the queue from what is owed, a little at first if the destination failed. False if that cannot be read. */
  async #readOwed({ name, failures }: Destination, { queue, stream }: LiveQueue): Promise<boolean> {
    if (stream === null) return true;
    const { clock, logger, options } = this.#parts;
    const { maxEdusPerTransaction, maxStatesPerDestination, maxStatesPerEdu, owedTimeoutMs } = options;
    const wanted = maxStatesPerEdu * (failures === 0 ? maxEdusPerTransaction : 1);
    // Half of the place is for what is told meanwhile.
    const target = Math.max(1, Math.min(wanted, Math.floor(maxStatesPerDestination / 2)));
    try {
      await stream.fill(queue, target, clock, owedTimeoutMs);
      return true;
    } catch (err) {
      logger.warn({ err, destination: name }, 'what is owed to a server could not be read; it will be tried again');
      return false;
    }
  }

  /** The transaction that was not answered, or a new one; null if nothing is due. */
  #transactionOf(live: LiveQueue): Transaction | null {
    if (live.transaction !== null) return live.transaction;
    const { clock, metrics, options, serverName, table } = this.#parts;
    const now = clock.now();
    if (!live.queue.isDue(now)) return null;
    const limits = {
      maxStatesPerEdu: options.maxStatesPerEdu,
      maxEdus: options.maxEdusPerTransaction,
      maxLength: options.maxTransactionBytes,
    };
    const { edus, ...counts } = live.queue.take(limits, this.#writer, now);
    const id = `${this.#txnPrefix}${this.#txnCount++}`;
    live.transaction = { id, body: transactionBody(serverName, now, edus), ...counts };
    table.bytes += live.transaction.body.length;
    if (table.bytes >= options.maxBytesInFlight) metrics.limitReached('bytes_in_flight', options.maxBytesInFlight);
    return live.transaction;
  }

  async #send({ name }: Destination, { id, body }: Transaction): Promise<TransactionResult> {
    const { clock, logger, metrics, transactions } = this.#parts;
    const startTs = clock.now();
    let result: TransactionResult;
    try {
      result = await transactions.send(name, id, body, this.#abort.signal);
    } catch (err) {
      logger.error({ err, destination: name }, 'sending presence to a server failed unexpectedly');
      result = { ok: false, reason: 'failed', retryAfterMs: null, detail: 'internal error' };
    }
    metrics.attempted(result.ok ? 'ok' : result.reason, clock.now() - startTs);
    return result;
  }

  #unreadable(destination: Destination): void {
    const { clock, table } = this.#parts;
    table.collapse(destination);
    table.dueAt(destination, clock.now() + UNREADABLE_DELAY_MS);
  }

  /** Nothing was due, or the queue was given up while it was filled. */
  #nothingSent(destination: Destination): void {
    const { clock, table } = this.#parts;
    if (destination.live === null && destination.failures > 0)
      table.dueAt(destination, clock.now() + NOT_TRIED_DELAY_MS);
    else this.#goOn(destination);
  }

  #succeeded(destination: Destination, live: LiveQueue, { eduCount, stateCount }: Transaction): void {
    const { logger, metrics, options, table } = this.#parts;
    metrics.sent(eduCount, stateCount);
    if (destination.failures >= options.failuresBeforeCollapse) {
      logger.info({ destination: destination.name, failures: destination.failures }, 'a server takes presence again');
    }
    table.took(destination);
    live.transaction = null;
    live.isLimited = false;
    destination.failures = 0;
    destination.retryIntervalMs = 0;
    table.changed(destination);
    this.#goOn(destination);
  }

  #failed(destination: Destination, live: LiveQueue, failure: TransactionFailure): void {
    const { clock, logger, options, random, table } = this.#parts;
    if (failure.reason === 'not_tried') {
      table.dueAt(destination, clock.now() + NOT_TRIED_DELAY_MS);
      return;
    }
    destination.failures++;
    live.isLimited = failure.reason === 'limited';
    const { failures, name } = destination;
    const pause = pauseAfter(failures, destination.retryIntervalMs, failure.retryAfterMs, options, random);
    destination.retryIntervalMs = pause.retryIntervalMs;
    if (this.#isHopeless(destination, live)) table.collapse(destination);
    const fields = { destination: name, failures, detail: failure.detail, retryInMs: pause.delayMs };
    if (failures === options.failuresBeforeCollapse) {
      logger.info(fields, 'a server does not take presence; it gets the present states when it does');
    } else {
      logger.debug(fields, 'a transaction was not taken; it will be tried again');
    }
    table.changed(destination);
    table.dueAt(destination, clock.now() + pause.delayMs);
  }

  /** Whether to keep nothing but "owed since". A peer that only asks for patience keeps its queue: reading it again is more to send. */
  #isHopeless({ failures, owedSinceTs }: Destination, { isLimited }: LiveQueue): boolean {
    const { failuresBeforeCollapse, maxBytesInFlight, maxLongRetries } = this.#parts.options;
    if (failures > maxLongRetries || this.#parts.table.bytes > maxBytesInFlight / 2) return true;
    return !isLimited && (owedSinceTs !== null || failures >= failuresBeforeCollapse);
  }

  /** The destination does well, as far as we know. What next? */
  #goOn(destination: Destination): void {
    const { clock, options, table } = this.#parts;
    const now = clock.now();
    const { live } = destination;
    if (live === null) {
      if (destination.owedSinceTs !== null) table.dueAt(destination, now + options.coalescingWindowMs);
      else table.forget(destination);
      return;
    }
    const { queue, stream, transaction } = live;
    if (stream?.isDone === true) live.stream = null;
    if (transaction !== null || live.stream !== null) table.ready(destination, 'urgent', now);
    else if (queue.size === 0) {
      // Everything has arrived.
      destination.live = null;
      destination.owedSinceTs = null;
      destination.failures = 0;
      destination.retryIntervalMs = 0;
      table.changed(destination);
      table.forget(destination);
    } else {
      const dueTs = Math.min(queue.sinceTs + options.coalescingWindowMs, queue.keepAlivesDueTs);
      if (dueTs <= now) table.ready(destination, 'urgent', now);
      else table.dueAt(destination, dueTs);
    }
  }
}
