/**
 * Presence that lives as long as the process: for tests, the author kit and servers that may forget.
 */
import type { UserId } from '../../matrix/identifiers.ts';
import type { PresenceRow, PresenceStore, RoutedAnswer, StoredPresence } from '../../ports/presence-store.ts';

const LOAD_BATCH = 2_000;

export class MemoryPresenceStore implements PresenceStore {
  readonly #rows = new Map<UserId, StoredPresence>();
  readonly #marks = new Map<UserId, number>();
  #ceiling = 0;

  async *loadAll(): AsyncIterable<readonly StoredPresence[]> {
    const rows = [...this.#rows.values()];
    for (let start = 0; start < rows.length; start += LOAD_BATCH) yield rows.slice(start, start + LOAD_BATCH);
  }

  async write(rows: readonly PresenceRow[]): Promise<void> {
    for (const { state, position } of rows) {
      const { routedTo = [], routedPosition = 0 } = this.#rows.get(state.userId) ?? {};
      this.#rows.set(state.userId, { state: { ...state }, position, routedTo, routedPosition });
    }
  }

  async writeRouted(answers: readonly RoutedAnswer[]): Promise<void> {
    for (const { userId, routedTo, routedPosition } of answers) {
      const row = this.#rows.get(userId);
      if (row === undefined) continue;
      const kept =
        routedTo.length === 0 ? { routedTo: [], routedPosition: 0 } : { routedTo: [...routedTo], routedPosition };
      this.#rows.set(userId, { ...row, ...kept });
    }
  }

  async moveRouted(positions: ReadonlyMap<UserId, number>): Promise<void> {
    for (const [userId, routedPosition] of positions) {
      const row = this.#rows.get(userId);
      if (row !== undefined && row.routedTo.length > 0) this.#rows.set(userId, { ...row, routedPosition });
    }
  }

  async positionCeiling(): Promise<number> {
    return this.#ceiling;
  }

  async reservePositions(ceiling: number): Promise<void> {
    this.#ceiling = Math.max(this.#ceiling, ceiling);
  }

  async loadFullPresenceMarks(): Promise<ReadonlyMap<UserId, number>> {
    return new Map(this.#marks);
  }

  async writeFullPresenceMarks(marks: ReadonlyMap<UserId, number>): Promise<void> {
    for (const [userId, position] of marks) this.#marks.set(userId, position);
  }

  async remove(users: readonly UserId[]): Promise<void> {
    for (const userId of users) {
      this.#rows.delete(userId);
      this.#marks.delete(userId);
    }
  }
}
