/**
 * An answer that goes on: one JSON value after the other, until the client leaves, the server stops, or its time is over.
 *
 * As lines of JSON, or as events where the client asks for `text/event-stream`. A client that does not read what was written is cut off, an
 * empty line now and then finds those who are gone, and there are never more than so many streams at once.
 */
import { MatrixError } from '../matrix/errors.ts';
import type { Exchange } from './exchange.ts';
import { CORS_HEADERS } from './headers.ts';
import type { ClientRequest } from './route.ts';

/** What the source of a stream writes to. */
export interface OpenStream {
  /** Sends one JSON value; what comes after the end is dropped. False when it waits, because nobody has read what was sent before. */
  send(value: unknown): boolean;
  /** Nothing more is to come. Idempotent. */
  end(): void;
  /** Something went wrong that is not the client's fault: it is logged like that of any request, and the stream is cut off. */
  fail(error: unknown): void;
}

/** Starts to send, now or later; returns what is to be done at the end, whatever ends it. Throws what is then the answer. */
export type StreamSource = (stream: OpenStream) => () => void;

export interface StreamLimits {
  /** Streams at once; for a further one the answer is 429. */
  readonly maxOpen: number;
  /** Then it ends; the client may come again. */
  readonly maxDurationMs: number;
  /** So often something is written, if only an empty line. */
  readonly heartbeatMs: number;
}

const DEFAULT_LIMITS: StreamLimits = { maxOpen: 20, maxDurationMs: 3_600_000, heartbeatMs: 15_000 };

/** What a handler returns for its request to become a stream. */
export class StreamReply {
  readonly begin: (exchange: Exchange) => void;

  constructor(begin: (exchange: Exchange) => void) {
    this.begin = begin;
  }
}

/** Makes streams, and counts those that are open. */
export class Streams {
  readonly #limits: StreamLimits;
  #open = 0;

  constructor(limits: Partial<StreamLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  get open(): number {
    return this.#open;
  }

  /** @throws MatrixError 429 `M_LIMIT_EXCEEDED` when too many are open */
  reply(request: Pick<ClientRequest, 'headers'>, source: StreamSource): StreamReply {
    if (this.#open >= this.#limits.maxOpen) {
      const retry = { retry_after_ms: this.#limits.heartbeatMs };
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', `${this.#open} streams are open: no more at once`, retry);
    }
    const asEvents = request.headers('accept').some((types) => types.includes('text/event-stream'));
    return new StreamReply((exchange) => {
      this.#begin(exchange, asEvents, source);
    });
  }

  #begin(exchange: Exchange, asEvents: boolean, source: StreamSource): void {
    const { heartbeatMs, maxDurationMs } = this.#limits;
    const early: unknown[] = [];
    let phase: 'early' | 'open' | 'ended' = 'early';
    let stop: (() => void) | null = null;
    const timers: NodeJS.Timeout[] = [];
    const write = (value: unknown): boolean => {
      const text = JSON.stringify(value);
      return exchange.writeStream(asEvents ? `data: ${text}\n\n` : `${text}\n`);
    };
    const end = (): void => {
      if (phase === 'open') this.#open--;
      const wasOpen = phase === 'open';
      phase = 'ended';
      for (const timer of timers) clearTimeout(timer);
      if (wasOpen) exchange.endStream();
      stop?.();
      stop = null;
    };
    // The source may throw, which is the answer then: nothing is written before it has returned.
    stop = source({
      send: (value) => {
        if (phase === 'early') early.push(value);
        else if (phase === 'open') return write(value);
        return true;
      },
      end: () => {
        if (phase === 'early') setImmediate(end);
        else if (phase === 'open') end();
      },
      fail: (error) => {
        if (phase === 'ended') return;
        exchange.fail(error);
        end();
      },
    });
    if (!exchange.beginStream(asEvents ? EVENTS : LINES)) {
      end();
      return;
    }
    phase = 'open';
    this.#open++;
    for (const value of early.splice(0)) write(value);
    timers.push(
      setTimeout(end, maxDurationMs),
      setInterval(() => exchange.writeStream('\n'), heartbeatMs),
    );
    for (const timer of timers) timer.unref();
    exchange.onAborted(end);
  }
}

const COMMON = [...CORS_HEADERS, 'Cache-Control', 'no-store', 'X-Accel-Buffering', 'no'];
const EVENTS = ['Content-Type', 'text/event-stream', ...COMMON];
const LINES = ['Content-Type', 'application/x-ndjson', ...COMMON];
