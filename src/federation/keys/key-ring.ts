/**
 * Other servers' keys: fetched when they are first needed, kept, refreshed in time, and not asked for again and again.
 *
 * A lookup that finds a good key waits for nothing; past half of the key's life it starts a refresh behind it. Whoever sends
 * requests can name any server and any key, so a fetch needs all of this: no fetch for that server under way, its pause over
 * (it begins with every fetch, and grows while fetches fail or do not find what was asked for), and a free slot. What is known is
 * replaced as a whole, so a key that a server no longer publishes is no longer believed. There are no timers.
 * Source: Matrix specification, server-server API, "Retrieving server keys".
 */
import { setMaxListeners } from 'node:events';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PeerKey, PeerKeyStore } from '../../ports/federation-store.ts';
import { LogGate } from '../../ports/log-gate.ts';
import type { Logger } from '../../ports/logger.ts';
import { LruMap } from '../../ports/lru-map.ts';
import type { Counter, Metrics } from '../../ports/metrics.ts';
import type { PeerClient } from '../../ports/peer-client.ts';
import type { SigningKey } from '../signing/ed25519.ts';
import { signJson } from '../signing/sign-json.ts';
import { FetchSlots } from './fetch-slots.ts';
import { type CheckedDocument, KEY_ID, MAX_VALIDITY_MS } from './key-document.ts';
import { KeyFetcher, type TrustedKeyServer } from './key-fetcher.ts';
import { Pauses } from './pauses.ts';

export type { TrustedKeyServer } from './key-fetcher.ts';

export interface KeyRingOptions {
  readonly serverName: ServerName;
  /** Ours; the first one signs what we pass on as a key server. */
  readonly own: readonly SigningKey[];
  readonly store: PeerKeyStore;
  readonly client: PeerClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly trustedKeyServers: readonly TrustedKeyServer[];
  /** For one request for keys, in all. @default 10,000 */
  readonly requestTimeoutMs?: number;
  /** Servers whose keys are in memory; those beyond are read from the store again. @default 2,000 */
  readonly maxServers?: number;
  /** Shortest time between two fetches for one server. @default 60,000 */
  readonly minRefetchMs?: number;
  /** Fetches at once; three quarters of them may be for servers never heard of. @default 200 */
  readonly maxFetches?: number;
}

interface KnownKeys {
  readonly keys: ReadonlyMap<string, PeerKey>;
  readonly validUntilTs: number;
  readonly refreshAtTs: number;
}

/** What we pass on as a key server. */
interface KeptDocument {
  /** JSON, signed by its author and by us. */
  readonly text: string;
  readonly validUntilTs: number;
  readonly refreshAtTs: number;
}

/** At 32 kB each at most. */
const MAX_DOCUMENTS = 256;
const MAX_STORED_KEYS = 20_000;
const SAVES_BETWEEN_CLEANUPS = 100;

export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #fetcher: KeyFetcher;
  readonly #slots: FetchSlots;
  readonly #pauses: Pauses;
  readonly #known: LruMap<ServerName, KnownKeys>;
  readonly #documents = new LruMap<ServerName, KeptDocument>(MAX_DOCUMENTS);
  readonly #inFlight = new Map<ServerName, Promise<KnownKeys | null>>();
  /** Of the store: everybody who asks would fill the log while it fails. */
  readonly #log: LogGate;
  readonly #lookups: Counter;
  readonly #fetches: Counter;
  readonly #stopping = new AbortController();
  #saves = 0;

  constructor(options: KeyRingOptions) {
    const { metrics, maxServers = 2_000, maxFetches = 200, requestTimeoutMs = 10_000, minRefetchMs = 60_000 } = options;
    this.#options = options;
    // Each fetch listens, and there may be more than Node takes for a leak.
    setMaxListeners(0, this.#stopping.signal);
    this.#fetcher = new KeyFetcher({ ...options, requestTimeoutMs, signal: this.#stopping.signal });
    this.#slots = new FetchSlots({ max: maxFetches, maxStrangers: Math.ceil((maxFetches * 3) / 4) });
    this.#pauses = new Pauses({ maxServers: 5 * maxServers, minRefetchMs });
    this.#known = new LruMap(maxServers);
    this.#log = new LogGate(options.clock, (fields, message) => options.logger.warn(fields, message));
    this.#lookups = metrics.counter({
      name: 'thalamus_federation_key_lookups_total',
      help: "Lookups of other servers' keys: found in memory or in the store (known), fetched, not theirs (unknown), or not fetched because the last fetch was not long ago (paused) or too many are under way (busy)",
      labelNames: ['outcome'],
    });
    this.#fetches = metrics.counter({
      name: 'thalamus_federation_key_fetches_total',
      help: "Fetches of other servers' keys, by who answered: the server itself (origin), a trusted key server (key_server), or nobody",
      labelNames: ['source'],
    });
    metrics.gauge({
      name: 'thalamus_federation_key_servers',
      help: 'Servers whose keys are in memory',
      collect: () => this.#known.size,
    });
  }

  /**
   * A key of `origin` that is good for a signature made now, or null: it has none of that id, the key has expired, or its keys
   * cannot be had at the moment. Never throws.
   */
  async find(origin: ServerName, keyId: string): Promise<PeerKey | null> {
    if (!KEY_ID.test(keyId) || origin === this.#options.serverName) return null;
    const known = this.#known.get(origin) ?? (await this.#load(origin));
    const now = this.#options.clock.now();
    const key = known?.keys.get(keyId);
    if (known !== null && key !== undefined && now < known.validUntilTs) {
      if (now >= known.refreshAtTs) this.#refresh(origin);
      this.#lookups.inc({ outcome: 'known' });
      return now < key.validUntilTs ? key : null;
    }
    const fetched = await this.#fetch(origin, keyId, known === null);
    if (fetched === null) return null;
    const found = fetched.keys.get(keyId);
    this.#lookups.inc({ outcome: found === undefined ? 'unknown' : 'fetched' });
    return found !== undefined && this.#options.clock.now() < found.validUntilTs ? found : null;
  }

  /**
   * The newest document of `server` that there is, as JSON, signed by it and by us; null if there is none. It is fetched when half of
   * its life is over or it ends before `minimumValidUntilTs`, if `mayFetch()` and the pause allow it. Never throws.
   */
  async documentOf(server: ServerName, minimumValidUntilTs: number, mayFetch: () => boolean): Promise<string | null> {
    const kept = this.#documents.get(server);
    const now = this.#options.clock.now();
    if (kept !== undefined && now < kept.refreshAtTs && kept.validUntilTs >= minimumValidUntilTs) return kept.text;
    if (!this.#pauses.isOn(server, now) && mayFetch()) {
      await this.#fetch(server, null, (this.#known.get(server) ?? (await this.#load(server))) === null);
    }
    return this.#documents.get(server)?.text ?? null;
  }

  /** Ends the fetches that are under way, and resolves when nothing uses the store any more. Nothing is fetched afterwards. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#inFlight.values());
  }

  async #load(origin: ServerName): Promise<KnownKeys | null> {
    const { store, clock } = this.#options;
    try {
      const keys = await store.load(origin);
      if (keys.length > 0 && this.#known.get(origin) === undefined) {
        this.#known.set(origin, knownKeysOf(keys, clock.now()));
      }
    } catch (error) {
      this.#log.tell(
        'read',
        () => ({ err: error, server: origin }),
        "another server's keys could not be read from the store",
      );
    }
    return this.#known.get(origin) ?? null;
  }

  #refresh(origin: ServerName): void {
    this.#fetch(origin, null, false).catch((error: unknown) => {
      this.#options.logger.error({ err: error, server: origin }, "another server's keys could not be refreshed");
    });
  }

  /** The keys after a fetch, or null when there is none for whatever reason. */
  #fetch(server: ServerName, keyId: string | null, isStranger: boolean): Promise<KnownKeys | null> {
    const running = this.#inFlight.get(server);
    if (running !== undefined) return running;
    const isPaused = this.#pauses.isOn(server, this.#options.clock.now());
    const release = isPaused || this.#stopping.signal.aborted ? null : this.#slots.take(isStranger);
    if (release === null) {
      if (keyId !== null) this.#lookups.inc({ outcome: isPaused ? 'paused' : 'busy' });
      return Promise.resolve(null);
    }
    const work = this.#fetchNow(server, keyId, isStranger).finally(() => {
      release();
      this.#inFlight.delete(server);
    });
    this.#inFlight.set(server, work);
    return work;
  }

  async #fetchNow(server: ServerName, keyId: string | null, isStranger: boolean): Promise<KnownKeys | null> {
    const { clock, logger } = this.#options;
    const result = await this.#fetcher.fetch(server, keyId);
    if (this.#stopping.signal.aborted) return null;
    this.#fetches.inc({ source: result.source ?? 'nobody' });
    const now = clock.now();
    if (result.source === null) {
      const retryInMs = this.#pauses.failed(server, now);
      // Anybody can name servers that do not exist: these are no news.
      const fields = { server, reason: result.reason, retryInMs };
      if (isStranger) logger.debug(fields, 'no keys of an unknown server');
      else logger.warn(fields, "another server's keys could not be fetched");
      return null;
    }
    const before = this.#known.get(server);
    // What a key server has may be older than what we have.
    const isNewer = result.source === 'origin' || (before?.validUntilTs ?? 0) < result.found.validUntilTs;
    if (isNewer) await this.#keep(result.found, now);
    const after = this.#known.get(server) ?? null;
    this.#pauses.fetched(server, now, keyId === null || after?.keys.has(keyId) === true);
    return after;
  }

  async #keep(found: CheckedDocument, now: number): Promise<void> {
    const { store, own, serverName } = this.#options;
    const known = knownKeysOf(found.keys, now);
    this.#known.set(found.serverName, known);
    const [key] = own;
    if (key !== undefined) {
      const text = JSON.stringify(signJson(found.document, serverName, key));
      this.#documents.set(found.serverName, { ...known, text });
    }
    try {
      await store.save(found.keys);
      if (this.#saves % SAVES_BETWEEN_CLEANUPS === 0) {
        await store.forget({ fetchedBeforeTs: now - MAX_VALIDITY_MS, keepNewest: MAX_STORED_KEYS });
      }
      this.#saves += 1;
    } catch (error) {
      const { serverName: server } = found;
      this.#log.tell('save', () => ({ err: error, server }), "another server's keys could not be saved");
    }
  }
}

/** All from one fetch. Times in a store may be from a clock that was wrong, so they are cut again. */
function knownKeysOf(keys: readonly PeerKey[], now: number): KnownKeys {
  const fetchedTs = Math.min(now, ...keys.map((key) => key.fetchedTs));
  const validUntilTs = Math.min(now + MAX_VALIDITY_MS, Math.max(...keys.map((key) => key.validUntilTs)));
  return {
    keys: new Map(keys.map((key) => [key.keyId, key])),
    validUntilTs,
    refreshAtTs: fetchedTs + (validUntilTs - fetchedTs) / 2,
  };
}
