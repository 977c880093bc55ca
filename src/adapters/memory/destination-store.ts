/**
 * How destinations do, for as long as the process lives: for tests and the author kit.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { DestinationRow, DestinationStore } from '../../ports/federation-store.ts';

export class MemoryDestinationStore implements DestinationStore {
  readonly #rows = new Map<ServerName, DestinationRow>();
  #deliveredUntilTs = 0;

  async loadAll(): Promise<readonly DestinationRow[]> {
    return [...this.#rows.values()];
  }

  async save(rows: readonly DestinationRow[]): Promise<void> {
    for (const row of rows) this.#rows.set(row.destination, { ...row });
  }

  async remove(destinations: readonly ServerName[]): Promise<void> {
    for (const destination of destinations) this.#rows.delete(destination);
  }

  async deliveredUntilTs(): Promise<number> {
    return this.#deliveredUntilTs;
  }

  async setDeliveredUntilTs(ts: number): Promise<void> {
    this.#deliveredUntilTs = ts;
  }
}
