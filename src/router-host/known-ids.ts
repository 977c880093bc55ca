/**
 * Checks user ids that come again and again, remembering the good ones: modules name the same users in every answer.
 */
import { isUserId, type UserId } from '../matrix/identifiers.ts';

const MAX_REMEMBERED = 50_000;

export class KnownIds {
  readonly #good = new Set<unknown>();

  isUserId(value: unknown): value is UserId {
    if (this.#good.has(value)) return true;
    if (!isUserId(value)) return false;
    if (this.#good.size >= MAX_REMEMBERED) this.#good.clear();
    this.#good.add(value);
    return true;
  }
}
