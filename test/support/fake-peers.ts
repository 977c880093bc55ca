/**
 * Other servers without a network: a `PeerClient` whose answers a test writes, and servers that publish their keys as real ones do.
 */
import type { Clock } from '../../src/ports/clock.ts';
import { type PeerClient, PeerError, type PeerRequest, type PeerResponse } from '../../src/ports/peer-client.ts';
import { type SigningKey, signingKeyOf } from '../../src/federation/signing/ed25519.ts';
import { signJson } from '../../src/federation/signing/sign-json.ts';

/** An object or a text is the body of a 200, a number is a status. */
export type PeerAnswer = Readonly<Record<string, unknown>> | readonly unknown[] | string | number | PeerError;

export class FakePeers implements PeerClient {
  /** Everything that was asked, in order. */
  readonly requests: PeerRequest[] = [];
  /** Requests that were not answered yet. */
  inFlight = 0;
  mostInFlight = 0;
  readonly #peers = new Map<string, (request: PeerRequest) => PeerAnswer | Promise<PeerAnswer>>();
  #gate: Promise<void> | null = null;
  #open: () => void = () => undefined;

  /** Without an answer nobody is there. */
  answer(server: string, answer: PeerAnswer | ((request: PeerRequest) => PeerAnswer | Promise<PeerAnswer>)): void {
    this.#peers.set(server, typeof answer === 'function' ? answer : () => answer);
  }

  /** Answers nothing until the returned function is called. */
  hold(): () => void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
    return () => {
      this.#gate = null;
      this.#open();
    };
  }

  /** How often a server was asked. */
  asked(server: string): number {
    return this.requests.filter((request) => request.destination === server).length;
  }

  async request(request: PeerRequest): Promise<PeerResponse> {
    this.requests.push(request);
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      await Promise.race([this.#gate, aborted(request.signal)]);
      request.signal?.throwIfAborted();
      const answer = await this.#peers.get(request.destination)?.(request);
      if (answer === undefined) throw new PeerError(request.destination, 'not_found', 'nobody is there');
      if (answer instanceof PeerError) throw answer;
      if (typeof answer === 'number') return { httpStatus: answer, retryAfterMs: null, body: '{}' };
      const body = typeof answer === 'string' ? answer : JSON.stringify(answer);
      if (body.length > request.maxResponseBytes) throw new PeerError(request.destination, 'too_large', 'too large');
      return { httpStatus: 200, retryAfterMs: null, body };
    } finally {
      this.inFlight -= 1;
    }
  }

  async close(): Promise<void> {}
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    signal?.addEventListener('abort', () => {
      resolve();
    });
  });
}

/** A server that publishes keys. Everything can be changed between two fetches. */
export class PublishingServer {
  readonly name: string;
  readonly #clock: Clock;
  keys: SigningKey[];
  /** By key id, when each expired. */
  old: { key: SigningKey; expiredTs: number }[] = [];
  validityMs = 86_400_000;
  /** How far its clock is ahead of ours. */
  clockOffsetMs = 0;

  constructor(name: string, clock: Clock, versions: readonly string[] = ['a']) {
    this.name = name;
    this.#clock = clock;
    this.keys = versions.map((version) => keyOf(`${name} ${version}`, version));
  }

  document(more: object = {}): Record<string, unknown> {
    const document = {
      server_name: this.name,
      valid_until_ts: this.#clock.now() + this.clockOffsetMs + this.validityMs,
      verify_keys: Object.fromEntries(this.keys.map((key) => [key.keyId, { key: key.publicKey }])),
      old_verify_keys: Object.fromEntries(
        this.old.map(({ key, expiredTs }) => [key.keyId, { key: key.publicKey, expired_ts: expiredTs }]),
      ),
      ...more,
    };
    return this.keys.reduce<Record<string, unknown>>((signed, key) => signJson(signed, this.name, key), document);
  }
}

/** The same key for the same name. */
export function keyOf(name: string, version: string): SigningKey {
  const seed = new Uint8Array(32);
  for (const [index, byte] of Buffer.from(name).entries())
    seed[index % 32] = ((seed[index % 32] ?? 0) * 31 + byte) % 256;
  return signingKeyOf(version, seed);
}
