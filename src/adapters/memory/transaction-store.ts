/**
 * Transactions of other servers that were taken, for as long as the process lives.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { ReceivedTransaction, TransactionStore } from '../../ports/federation-store.ts';

export class MemoryTransactionStore implements TransactionStore {
  /** In the order in which they were saved. */
  #rows: readonly ReceivedTransaction[] = [];

  async find(origin: ServerName, txnId: string): Promise<ReceivedTransaction | null> {
    const found = this.#rows.find((row) => row.origin === origin && row.txnId === txnId);
    return found === undefined ? null : { ...found };
  }

  async save(transaction: ReceivedTransaction, keepPerOrigin: number | null): Promise<void> {
    const { origin, txnId } = transaction;
    const isSame = (row: ReceivedTransaction): boolean => row.origin === origin && row.txnId === txnId;
    const others = this.#rows.filter((row) => row.origin === origin && !isSame(row));
    const newestFirst = others.toReversed().sort((a, b) => b.receivedTs - a.receivedTs);
    const beyond = new Set(newestFirst.slice(Math.max(0, (keepPerOrigin ?? Infinity) - 1)));
    this.#rows = [...this.#rows.filter((row) => !isSame(row) && !beyond.has(row)), { ...transaction }];
  }

  async forget({ receivedBeforeTs, keepNewest }: Parameters<TransactionStore['forget']>[0]): Promise<number> {
    const before = this.#rows.length;
    const firstBeyond = this.#rows.toSorted((a, b) => b.receivedTs - a.receivedTs)[keepNewest];
    const beforeTs = Math.max(receivedBeforeTs, firstBeyond === undefined ? 0 : firstBeyond.receivedTs + 1);
    this.#rows = this.#rows.filter((row) => row.receivedTs >= beforeTs);
    return before - this.#rows.length;
  }
}
