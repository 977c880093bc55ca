/**
 * How many fetches of keys run at once. Anybody can name any server in a request, so fetches for servers never heard of get
 * only a part of the slots: they cannot keep out those for servers we know.
 */
export interface FetchSlotsOptions {
  readonly max: number;
  /** Of these, at most this many for strangers. */
  readonly maxStrangers: number;
}

export class FetchSlots {
  readonly #options: FetchSlotsOptions;
  #taken = 0;
  #strangers = 0;

  constructor(options: FetchSlotsOptions) {
    this.#options = options;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a slot, or returns null when there is none. The result gives it back; once. */
  take(isStranger: boolean): (() => void) | null {
    const { max, maxStrangers } = this.#options;
    if (this.#taken >= max || (isStranger && this.#strangers >= maxStrangers)) return null;
    this.#taken += 1;
    if (isStranger) this.#strangers += 1;
    return () => {
      this.#taken -= 1;
      if (isStranger) this.#strangers -= 1;
    };
  }
}
