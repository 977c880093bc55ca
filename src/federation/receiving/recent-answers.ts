/**
 * The newest answers to transactions, in memory: for repeats that come soon, and for transactions that the store need not remember.
 */
import type { ServerName } from '../../matrix/identifiers.ts';

/** Most are `{"pdus":{}}`; one with 50 PDUs is some 8 kB. */
const MAX_ANSWERS = 2_000;

export class RecentAnswers {
  /** The oldest comes first. */
  readonly #answers = new Map<string, string>();

  get size(): number {
    return this.#answers.size;
  }

  find(origin: ServerName, txnId: string): string | undefined {
    return this.#answers.get(keyOf(origin, txnId));
  }

  add(origin: ServerName, txnId: string, response: string): void {
    const key = keyOf(origin, txnId);
    this.#answers.delete(key);
    this.#answers.set(key, response);
    if (this.#answers.size <= MAX_ANSWERS) return;
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest);
      return;
    }
  }
}

/** A server name has no space. */
function keyOf(origin: ServerName, txnId: string): string {
  return `${origin} ${txnId}`;
}
