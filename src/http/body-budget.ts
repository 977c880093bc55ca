/**
 * Bounds the memory of request bodies: how many bytes are held at one moment, by everybody together and by one address.
 *
 * Clients' bodies count while they are read, and small ones not at all, because the number of connections bounds them. What other
 * servers send counts from the first byte until it is answered: their bodies are read before it is certain who they are.
 */

/** Where the bytes of a body are counted. */
export interface BodyBudget {
  /** Bodies of up to this size are not counted. */
  readonly uncountedBytes: number;
  /** Makes room for `bytes` more, or says that there is none. */
  take(bytes: number): boolean;
  /** All of what was taken for a body is here, or is not coming. */
  give(bytes: number): void;
}

/** For clients: one sum of all. */
export class SharedBudget implements BodyBudget {
  readonly uncountedBytes = 65_536;
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

export interface AddressBudgetsOptions {
  readonly maxBytes: number;
  readonly maxBytesPerAddress: number;
}

/** For other servers: a sum of all, and one for each address. Holds nothing of an address that holds nothing. */
export class AddressBudgets {
  readonly #options: AddressBudgetsOptions;
  readonly #usedByAddress = new Map<string, number>();
  #usedBytes = 0;

  constructor(options: AddressBudgetsOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get addresses(): number {
    return this.#usedByAddress.size;
  }

  /** For one body. */
  hold(address: string): HeldBody {
    return new HeldBody((bytes) => this.#change(address, bytes));
  }

  /** Whether there is room. Giving back always has. */
  #change(address: string, bytes: number): boolean {
    const { maxBytes, maxBytesPerAddress } = this.#options;
    const ofAddress = (this.#usedByAddress.get(address) ?? 0) + bytes;
    if (bytes > 0 && (ofAddress > maxBytesPerAddress || this.#usedBytes + bytes > maxBytes)) return false;
    this.#usedBytes += bytes;
    if (ofAddress > 0) this.#usedByAddress.set(address, ofAddress);
    else this.#usedByAddress.delete(address);
    return true;
  }
}

/** What one body holds until it is released. */
export class HeldBody implements BodyBudget {
  readonly uncountedBytes = 0;
  readonly #change: (bytes: number) => boolean;
  #bytes = 0;
  #isReleased = false;

  constructor(change: (bytes: number) => boolean) {
    this.#change = change;
  }

  take(bytes: number): boolean {
    if (this.#isReleased || !this.#change(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  give(): void {
    // Not yet: what is made of the bytes is as large as they are.
  }

  /** Harmless when repeated. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#change(-this.#bytes);
  }
}
