/**
 * What the sender counts, and what it says in the log when a limit is reached.
 *
 * The reference server's names where the meaning is the same (behaviour §9). Limits: every event is counted, the first of its kind is logged.
 */
import type { Logger } from '../../ports/logger.ts';
import type { Counter, Histogram, Metrics } from '../../ports/metrics.ts';
import { PRESENCE_EDU_TYPE } from './render-transaction.ts';

export interface SenderStats {
  /** Destinations with a record: something waits for them, is owed to them, or they fail. */
  readonly destinations: number;
  /** States that wait for a transaction, counted for each destination. */
  readonly states: number;
  /** Destinations with states that wait. */
  readonly pendingDestinations: number;
  readonly openTransactions: number;
  readonly bytesInFlight: number;
  readonly failingDestinations: number;
  readonly owedDestinations: number;
}

/** What is reached; each but `destinations` costs time only: what does not fit is owed. */
export type Limit = 'destinations' | 'states_per_destination' | 'states' | 'bytes_in_flight';

export class SendingMetrics {
  readonly #sentEdus: Counter;
  readonly #sentEdusByType: Counter;
  readonly #sentStates: Counter;
  readonly #transactions: Counter;
  readonly #seconds: Histogram;
  readonly #superseded: Counter;
  readonly #refused: Counter;
  readonly #limits: Counter;
  readonly #logger: Logger;
  readonly #logged = new Set<Limit>();

  constructor(metrics: Metrics, logger: Logger, stats: () => SenderStats) {
    this.#logger = logger;
    this.#sentEdus = metrics.counter({
      name: 'synapse_federation_client_sent_edus',
      help: 'EDUs in transactions that other servers took',
    });
    this.#sentEdusByType = metrics.counter({
      name: 'synapse_federation_client_sent_edus_by_type',
      help: 'EDUs in transactions that other servers took, by type',
      labelNames: ['type'],
    });
    this.#sentStates = metrics.counter({
      name: 'thalamus_federation_sent_states',
      help: 'Presence states in transactions that other servers took',
    });
    this.#transactions = metrics.counter({
      name: 'thalamus_federation_transactions',
      help: 'Attempts to send a transaction to another server, by outcome: ok, failed, limited, not_tried',
      labelNames: ['outcome'],
    });
    this.#seconds = metrics.histogram({
      name: 'thalamus_federation_transaction_seconds',
      help: 'How long an attempt to send a transaction took',
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60],
    });
    this.#superseded = metrics.counter({
      name: 'thalamus_federation_superseded_states',
      help: 'Presence states for other servers that a newer one replaced before they left',
    });
    this.#refused = metrics.counter({
      name: 'thalamus_federation_refused_states',
      help: 'Presence states for servers that we do not send to',
    });
    this.#limits = metrics.counter({
      name: 'thalamus_federation_sender_limit_reached',
      help: 'How often a limit of the sender was reached: destinations (updates are dropped), others (updates are owed and follow)',
      labelNames: ['limit'],
    });
    const gauge = (name: string, help: string, read: (stats: SenderStats) => number): void => {
      metrics.gauge({ name, help, collect: () => read(stats()) });
    };
    gauge(
      'synapse_federation_transaction_queue_pending_edus',
      'Presence states that wait for transactions to other servers',
      ({ states }) => states,
    );
    gauge(
      'synapse_federation_transaction_queue_pending_destinations',
      'Servers that states wait for',
      ({ pendingDestinations }) => pendingDestinations,
    );
    gauge(
      'thalamus_federation_open_transactions',
      'Transactions that are being sent',
      ({ openTransactions }) => openTransactions,
    );
    gauge(
      'thalamus_federation_bytes_in_flight',
      'Size of the transactions that are not answered',
      ({ bytesInFlight }) => bytesInFlight,
    );
    gauge(
      'thalamus_federation_failing_destinations',
      'Servers that failed the last time',
      ({ failingDestinations }) => failingDestinations,
    );
    gauge(
      'thalamus_federation_owed_destinations',
      'Servers that will get the present states once they answer',
      ({ owedDestinations }) => owedDestinations,
    );
  }

  attempted(outcome: 'ok' | 'failed' | 'limited' | 'not_tried', tookMs: number): void {
    this.#transactions.inc({ outcome });
    if (outcome !== 'not_tried') this.#seconds.observe(tookMs / 1_000);
  }

  sent(edus: number, states: number): void {
    this.#sentEdus.inc({}, edus);
    this.#sentEdusByType.inc({ type: PRESENCE_EDU_TYPE }, edus);
    this.#sentStates.inc({}, states);
  }

  superseded(states: number): void {
    if (states > 0) this.#superseded.inc({}, states);
  }

  refused(states: number): void {
    this.#refused.inc({}, states);
  }

  limitReached(limit: Limit, configured: number): void {
    this.#limits.inc({ limit });
    if (this.#logged.has(limit)) return;
    this.#logged.add(limit);
    const effect =
      limit === 'destinations'
        ? 'updates for further servers are dropped'
        : 'what does not fit is sent later, as it is then';
    this.#logger.warn({ limit, configured, effect }, 'a limit on sending to other servers was reached');
  }
}
