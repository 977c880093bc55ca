/**
 * Takes transactions of other servers: one at a time per server, each once, and answered when what was in it is durable.
 *
 * A repeat gets the first answer again: from memory, from the store after a restart, or with the one that is being worked on. A transaction that
 * could not be made durable is answered with 503 and not remembered, so that its repeat does all of it. Source: S-S API "Transactions".
 */
import type { RemotePresence } from '../../core/engine-api.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import { isPortError } from '../../ports/errors.ts';
import type { TransactionStore } from '../../ports/federation-store.ts';
import { LogGate } from '../../ports/log-gate.ts';
import type { Logger } from '../../ports/logger.ts';
import { LruMap } from '../../ports/lru-map.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { PresenceEduOptions } from './presence-edu.ts';
import { createReceivingMetrics, type ReceivingMetrics } from './receiving-metrics.ts';
import { parseTransaction, type Transaction } from './transaction.ts';

export interface TransactionReceiverLimits extends PresenceEduOptions {
  /** Transactions of one server that may wait for the one that is being worked on. @default 10 */
  readonly maxWaiting?: number;
  /** Answers of one server that the store remembers, roughly: against old transactions that somebody recorded and sends again. @default 2,000 */
  readonly keepPerOrigin?: number;
  /** Of all servers together, roughly: whoever can make up server names is bounded by it. @default 50,000 */
  readonly keepInAll?: number;
  /** How long it does. @default 24 hours */
  readonly keepMs?: number;
}

export interface TransactionReceiverOptions {
  /**
   * Takes checked entries: at most one of each user, all of them users of `origin`. Resolves when what they changed is durable.
   */
  readonly receivePresence: (origin: ServerName, entries: readonly RemotePresence[]) => Promise<void>;
  readonly store: TransactionStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits: TransactionReceiverLimits;
  /** Presence mode `tracked`. Otherwise transactions are answered, and what is in them is ignored. */
  readonly tracks: boolean;
}

interface Lane {
  /** Settles when the last one in the queue has been worked on; never rejects. */
  tail: Promise<unknown>;
  readonly byTxnId: Map<string, Promise<string>>;
}

const MAX_TXN_ID_BYTES = 255;
/** In memory. Most are `{"pdus":{}}`; one with 50 PDUs is some 8 kB. */
const MAX_ANSWERS = 2_000;
const FORGET_INTERVAL_MS = 3_600_000;
const MAX_COUNTED = 10_000;
const ROOMS_ARE_LOCAL = { error: 'This server takes no events of rooms: its rooms are local' };

export class TransactionReceiver {
  readonly #options: TransactionReceiverOptions;
  readonly #metrics: ReceivingMetrics;
  /** For repeats that come soon, and for transactions that the store need not remember. */
  readonly #answers = new LruMap<string, string>(MAX_ANSWERS);
  /** Servers with something in the queue. */
  readonly #lanes = new Map<ServerName, Lane>();
  /** Answers saved since some of the server's were forgotten. */
  readonly #saved = new Map<ServerName, number>();
  #forgetAtTs = 0;
  #savedInAll = 0;
  readonly #log: LogGate;

  constructor(options: TransactionReceiverOptions) {
    this.#options = options;
    this.#metrics = createReceivingMetrics(options.metrics);
    this.#log = new LogGate(options.clock, (fields, message) => options.logger.warn(fields, message));
  }

  /** @throws MatrixError as `parseTransaction` */
  parse(origin: ServerName, body: unknown): Transaction {
    const { clock, limits, tracks } = this.#options;
    return parseTransaction(origin, body, clock.now(), tracks ? limits : null);
  }

  /**
   * Resolves with the body of the answer.
   *
   * @throws MatrixError 400 `M_INVALID_PARAM` for an id that is too long; 429 `M_LIMIT_EXCEEDED` when too many of the server wait; 503
   *   `M_UNKNOWN` when it could not be made durable
   */
  async receive(origin: ServerName, txnId: string, transaction: Transaction): Promise<string> {
    if (txnId === '' || txnId.includes('\0') || Buffer.byteLength(txnId) > MAX_TXN_ID_BYTES) {
      throw new MatrixError(400, 'M_INVALID_PARAM', `The transaction id is not 1 to ${MAX_TXN_ID_BYTES} bytes of text`);
    }
    const lane = this.#lanes.get(origin) ?? { tail: Promise.resolve(), byTxnId: new Map<string, Promise<string>>() };
    const underWay = lane.byTxnId.get(txnId);
    if (underWay !== undefined) {
      this.#metrics.received('repeated');
      return await underWay;
    }
    if (lane.byTxnId.size > (this.#options.limits.maxWaiting ?? 10)) {
      this.#metrics.received('refused');
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'One transaction at a time', { retry_after_ms: 1000 });
    }
    this.#lanes.set(origin, lane);
    const answer = lane.tail.then(() => this.#work(origin, txnId, transaction));
    lane.byTxnId.set(txnId, answer);
    const ended = (): void => {
      lane.byTxnId.delete(txnId);
      if (lane.byTxnId.size === 0) this.#lanes.delete(origin);
    };
    lane.tail = answer.then(ended, ended);
    return await answer;
  }

  /** Transactions that are being worked on or wait. */
  get pending(): number {
    let count = 0;
    for (const { byTxnId } of this.#lanes.values()) count += byTxnId.size;
    return count;
  }

  async #work(origin: ServerName, txnId: string, transaction: Transaction): Promise<string> {
    // A server name has no space.
    const key = `${origin} ${txnId}`;
    try {
      const known = this.#answers.get(key) ?? (await this.#options.store.find(origin, txnId))?.response;
      if (known !== undefined) {
        this.#metrics.received('repeated');
        this.#answers.set(key, known);
        return known;
      }
      const response = await this.#take(origin, txnId, transaction);
      this.#answers.set(key, response);
      this.#metrics.received('processed');
      this.#metrics.count(transaction);
      return response;
    } catch (error) {
      this.#metrics.received('failed');
      if (!isPortError(error)) throw error;
      this.#log.tell(
        'store',
        () => ({ err: error, origin }),
        'transactions of other servers cannot be taken at the moment',
      );
      throw new MatrixError(503, 'M_UNKNOWN', 'The server cannot take this at the moment', {}, { cause: error });
    }
  }

  async #take(origin: ServerName, txnId: string, transaction: Transaction): Promise<string> {
    const { clock, limits, receivePresence, store } = this.#options;
    const { presence, pduIds } = transaction;
    const response = JSON.stringify({ pdus: Object.fromEntries(pduIds.map((id) => [id, ROOMS_ARE_LOCAL])) });
    if (presence.length > 0) await receivePresence(origin, presence);
    // What changed nothing and is answered with nothing can be done again.
    if (presence.length === 0 && pduIds.length === 0) return response;
    const now = clock.now();
    await store.save({ origin, txnId, receivedTs: now, response }, this.#keepNow(origin, limits.keepPerOrigin ?? 2000));
    const { keepInAll = 50_000, keepMs = 24 * 3_600_000 } = limits;
    this.#savedInAll++;
    if (now >= this.#forgetAtTs || this.#savedInAll > keepInAll / 8) {
      this.#forgetAtTs = now + FORGET_INTERVAL_MS;
      this.#savedInAll = 0;
      await store.forget({ receivedBeforeTs: now - keepMs, keepNewest: keepInAll });
    }
    return response;
  }

  /** How many of the server's answers the store is to keep, or null until there are enough new ones to make forgetting worth it. */
  #keepNow(origin: ServerName, keep: number): number | null {
    const saved = (this.#saved.get(origin) ?? 0) + 1;
    if (saved < keep / 8) {
      // Forgetting the counts only puts off the forgetting of answers.
      if (this.#saved.size >= MAX_COUNTED) this.#saved.clear();
      this.#saved.set(origin, saved);
      return null;
    }
    this.#saved.delete(origin);
    return keep;
  }
}
