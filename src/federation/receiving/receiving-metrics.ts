/**
 * The metrics of what other servers send: the reference server's names where the meaning is the same.
 */
import type { Metrics } from '../../ports/metrics.ts';
import type { Transaction } from './transaction.ts';

/**
 * `processed`: the first time. `repeated`: answered again. `refused`: too many of the server wait. `failed`: not durable, or a bug.
 */
export type TransactionOutcome = 'processed' | 'repeated' | 'refused' | 'failed';

export interface ReceivingMetrics {
  received(outcome: TransactionOutcome): void;
  /** What was in a transaction that was processed. */
  count(transaction: Transaction): void;
}

export function createReceivingMetrics(metrics: Metrics): ReceivingMetrics {
  const pdus = metrics.counter({
    name: 'synapse_federation_server_received_pdus',
    help: 'Events of rooms in transactions of other servers; none of them is taken',
  });
  const edus = metrics.counter({
    name: 'synapse_federation_server_received_edus',
    help: 'EDUs in transactions of other servers, of all kinds',
  });
  const ignored = metrics.counter({
    name: 'thalamus_federation_ignored_edus',
    help: 'EDUs in transactions of other servers that are not about presence',
  });
  const transactions = metrics.counter({
    name: 'thalamus_federation_received_transactions',
    help: 'Transactions of other servers whose signature was good, by what became of them',
    labelNames: ['outcome'],
  });
  const dropped = metrics.counter({
    name: 'thalamus_federation_dropped_entries',
    help: 'Entries of presence EDUs that were left out: wrong, superseded by a later one of the same transaction, or too many',
    labelNames: ['reason'],
  });
  return {
    received: (outcome) => {
      transactions.inc({ outcome });
    },
    count: (transaction) => {
      if (transaction.pdus > 0) pdus.inc({}, transaction.pdus);
      if (transaction.edus > 0) edus.inc({}, transaction.edus);
      if (transaction.ignoredEdus > 0) ignored.inc({}, transaction.ignoredEdus);
      for (const [reason, count] of transaction.dropped) dropped.inc({ reason }, count);
    },
  };
}
