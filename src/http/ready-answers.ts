/**
 * Answers that handlers give later (`LATER`), sent in one go once all that are ready in one turn have been made.
 *
 * A change ends many polls at once. Sent each as it is made, their answers would wake whoever reads them on this machine,
 * a proxy as a rule, again and again, and a wake-up costs the sender more than a write.
 */
import type { Exchange } from './exchange.ts';

interface ReadyAnswer {
  readonly exchange: Exchange;
  readonly value: unknown;
}

export class ReadyAnswers {
  readonly #send: (exchange: Exchange, value: unknown) => void;
  #ready: ReadyAnswer[] = [];

  /** `send` must not throw. */
  constructor(send: (exchange: Exchange, value: unknown) => void) {
    this.#send = send;
  }

  /** Sends in a later microtask, in the order of the calls. */
  add(exchange: Exchange, value: unknown): void {
    if (this.#ready.length === 0) {
      queueMicrotask(() => {
        const ready = this.#ready;
        this.#ready = [];
        for (const one of ready) this.#send(one.exchange, one.value);
      });
    }
    this.#ready.push({ exchange, value });
  }
}
