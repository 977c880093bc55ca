/**
 * Checks ids that come again and again, remembering the good ones: modules name the same users in every answer.
 */
import { isServerName, isUserId, type ServerName, type UserId } from '../matrix/identifiers.ts';

const MAX_REMEMBERED = 50_000;

export class KnownIds {
  readonly #good = new Set<unknown>();
  readonly #servers = new Set<unknown>();

  isUserId(value: unknown): value is UserId {
    if (this.#good.has(value)) return true;
    return isUserId(value) && this.#remember(this.#good, value);
  }

  /** Whether it is an id of a user, or the name of a server. */
  isObserver(value: unknown): value is UserId | ServerName {
    if (this.#good.has(value) || this.#servers.has(value)) return true;
    return isUserId(value)
      ? this.#remember(this.#good, value)
      : isServerName(value) && this.#remember(this.#servers, value);
  }

  #remember(good: Set<unknown>, value: unknown): true {
    if (good.size >= MAX_REMEMBERED) good.clear();
    good.add(value);
    return true;
  }
}
