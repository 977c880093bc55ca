/**
 * Between the homeserver and presence: what is needed to talk with other servers, if a listener has the resource `federation`.
 *
 * The sender can be given presence at once; it begins to send with `connect`, when presence can answer what a server missed.
 */
import { CountingFederationTransport } from '../adapters/federation/counting-transport.ts';
import { createPeerClient } from '../adapters/federation-http/peer-client.ts';
import { SqliteDestinationStore } from '../adapters/sqlite/destination-store.ts';
import { SqlitePeerKeyStore } from '../adapters/sqlite/peer-key-store.ts';
import { SqliteTransactionStore } from '../adapters/sqlite/transaction-store.ts';
import type { FederationConfig } from '../config/config.ts';
import { KeyNotary } from '../federation/keys/key-notary.ts';
import { KeyRing } from '../federation/keys/key-ring.ts';
import { OwnKeys } from '../federation/keys/own-keys.ts';
import { loadOrCreateSigningKey } from '../federation/keys/signing-key-file.ts';
import { TransactionReceiver } from '../federation/receiving/transaction-receiver.ts';
import { FederationSender } from '../federation/sending/federation-sender.ts';
import { createTransactionClient } from '../federation/sending/transaction-client.ts';
import { federationApiRoutes } from '../http/federation-api/index.ts';
import type { Route } from '../http/route.ts';
import type { ServerName } from '../matrix/identifiers.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { PresenceHandler } from '../presence/index.ts';
import type { Homeserver } from './build-homeserver.ts';
import type { Foundation } from './foundation.ts';
import type { Storage } from './open-storage.ts';
import { readVersion } from './read-version.ts';

export interface Federation {
  readonly transport: FederationTransport;
  /** Starts to send, and returns what other servers may ask. */
  connect(presence: PresenceHandler): Promise<readonly Route[]>;
}

/** Presence that is told while the sender stops is waited for; see its own limit. */
const STOP_TIMEOUT_MS = 8000;
/** Of one transaction: 100 EDUs of the 50 entries that servers put into one. */
const MAX_ENTRIES = 5000;

/** @throws ConfigError for the signing key file and other keys of the configuration */
export function prepareFederation(foundation: Foundation, storage: Storage, homeserver: Homeserver): Federation {
  const { config, metrics, overrides } = foundation;
  if (overrides.federation !== undefined) return withoutOthers(overrides.federation);
  if (config.federation === null) return withoutOthers(new CountingFederationTransport(metrics));
  return withOthers(config.federation, foundation, storage, homeserver);
}

function withoutOthers(transport: FederationTransport): Federation {
  return { transport, connect: () => Promise.resolve([]) };
}

function withOthers(
  settings: FederationConfig,
  foundation: Foundation,
  { database }: Storage,
  { accounts }: Homeserver,
): Federation {
  const { clock, config, logger, metrics, releases } = foundation;
  const { serverName } = config;
  const shared = { serverName, clock, logger, metrics };
  const version = readVersion();
  const own = loadOrCreateSigningKey(settings.signingKeyPath);
  const [signingKey] = own;
  if (signingKey === undefined) throw new Error('a signing key file has at least one key');

  const whitelist = settings.domainWhitelist === null ? null : new Set(settings.domainWhitelist);
  const isAllowed = (server: ServerName): boolean => whitelist === null || whitelist.has(server);
  const client = createPeerClient({ ...shared, ...settings, userAgent: `Thalamus/${version}` });
  releases.add('connections to servers', () => client.close());
  const ring = new KeyRing({
    ...shared,
    own,
    store: new SqlitePeerKeyStore(database),
    client,
    trustedKeyServers: settings.trustedKeyServers,
  });
  releases.add('keys of servers', () => ring.stop());
  const ownKeys = new OwnKeys({
    ...shared,
    keys: own,
    oldKeys: new Map(
      settings.oldSigningKeys.map(({ keyId, publicKey: key, expiredTs }) => [keyId, { key, expiredTs }]),
    ),
    refreshIntervalMs: settings.keyRefreshIntervalMs,
  });
  const { presence: bounds, destinations } = settings;
  const sender = new FederationSender({
    ...shared,
    transactions: createTransactionClient({ serverName, signingKey, client, timeoutMs: settings.client.timeoutMs }),
    store: new SqliteDestinationStore(database),
    random: Math.random,
    isAllowed,
    options: {
      coalescingWindowMs: bounds.coalescingWindowMs,
      keepAliveSpreadMs: bounds.keepAliveSpreadMs,
      wakesPerSecond: destinations.wakesPerSecond,
      maxDestinations: bounds.maxDestinations,
      maxStatesPerDestination: bounds.maxStatesPerDestination,
      maxConcurrentTransactions: bounds.maxConcurrentTransactions,
      maxLongRetries: settings.client.maxLongRetries,
      maxLongRetryDelayMs: settings.client.maxLongRetryDelayMs,
      minRetryIntervalMs: destinations.minRetryIntervalMs,
      retryMultiplier: destinations.retryMultiplier,
      maxRetryIntervalMs: destinations.maxRetryIntervalMs,
    },
  });
  releases.add('sender to servers', () => sender.stop(), STOP_TIMEOUT_MS);

  return {
    transport: sender,
    connect: async (presence) => {
      await sender.start(presence);
      presence.resendSince(sender.resendSinceTs);
      const receiver = new TransactionReceiver({
        ...shared,
        receivePresence: (origin, entries) => presence.receiveRemote(origin, entries),
        store: new SqliteTransactionStore(database),
        limits: {
          maxEntries: MAX_ENTRIES,
          maxStatusMsgBytes: config.presence.maxStatusMsgBytes,
          busyEnabled: config.presence.busyEnabled,
        },
        tracks: presence.mode === 'tracked',
      });
      return federationApiRoutes({
        ...shared,
        version,
        keys: ring,
        ownKeys,
        notary: new KeyNotary({ ...shared, ring, ownKeys }),
        isAllowed,
        onAlive: (origin) => {
          sender.peerIsAlive(origin);
        },
        rateLimit: settings.rateLimit,
        profiles: accounts.profiles,
        receiver,
      });
    },
  };
}
