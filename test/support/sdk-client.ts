/**
 * A real Matrix client for end-to-end tests and the demonstration: matrix-js-sdk over HTTP, without encryption.
 *
 * Only what the tests need is offered; waiting is always for a condition, with a deadline that says what it waited for.
 */
import { ClientEvent, createClient, type MatrixClient, SyncState, type User, UserEvent } from 'matrix-js-sdk';
import { logger as sdkLogger, type Logger as SdkLogger } from 'matrix-js-sdk/lib/logger.js';

export interface SdkClient extends AsyncDisposable {
  readonly client: MatrixClient;
  readonly userId: string;
  readonly accessToken: string;
  /** Starts syncing and resolves when the first sync is in. */
  start(options?: SdkStartOptions): Promise<void>;
  /** Stops syncing; the account and the token stay. */
  stop(): void;
  /** What this client knows of `userId` now. */
  seen(userId: string): SeenPresence;
  /** Resolves when `condition` holds of what this client knows of `userId`. */
  waitFor(
    userId: string,
    what: string,
    condition: (seen: SeenPresence) => boolean,
    timeoutMs?: number,
  ): Promise<SeenPresence>;
}

export interface SdkStartOptions {
  readonly pollTimeoutMs?: number;
  readonly disablePresence?: boolean;
}

export interface SeenPresence {
  readonly presence: string;
  readonly statusMsg: string | undefined;
  readonly currentlyActive: boolean;
  /** Number of presence events received for this user. */
  readonly events: number;
}

// Parts of the SDK write to their global logger whatever they are given; it is a loglevel logger.
(sdkLogger as unknown as { setLevel(level: string, persist: boolean): void }).setLevel('silent', false);

const silent: SdkLogger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  getChild: () => silent,
};

/** Registers `username` with the server's open registration and returns a client that is logged in but not started. */
export async function registerSdkClient(
  baseUrl: string,
  username: string,
  password = `${username}-secret`,
): Promise<SdkClient> {
  const anonymous = createClient({ baseUrl, logger: silent });
  const answer = await anonymous.registerRequest({ username, password, auth: { type: 'm.login.dummy' } });
  if (answer.access_token === undefined) throw new Error('registration returned no access token');
  return sdkClient(baseUrl, answer.user_id, answer.access_token, answer.device_id);
}

/** A client for a token that exists already, as after a restart of the application. */
export function sdkClient(baseUrl: string, userId: string, accessToken: string, deviceId?: string): SdkClient {
  const client = createClient({
    baseUrl,
    userId,
    accessToken,
    logger: silent,
    ...(deviceId === undefined ? {} : { deviceId }),
  });
  const counts = new Map<string, number>();
  client.on(UserEvent.Presence, (_event, user: User) => counts.set(user.userId, (counts.get(user.userId) ?? 0) + 1));

  const seen = (id: string): SeenPresence => {
    const user = client.getUser(id);
    return {
      presence: user?.presence ?? 'unknown',
      statusMsg: user?.presenceStatusMsg,
      currentlyActive: user?.currentlyActive ?? false,
      events: counts.get(id) ?? 0,
    };
  };

  return {
    client,
    userId,
    accessToken,
    seen,
    async start({ pollTimeoutMs = 10_000, disablePresence = false } = {}) {
      const ready = new Promise<void>((resolve, reject) => {
        const onSync = (state: SyncState): void => {
          if (state === SyncState.Error) reject(new Error(`${userId}: first sync failed`));
          if (state !== SyncState.Prepared && state !== SyncState.Syncing) return;
          client.off(ClientEvent.Sync, onSync);
          resolve();
        };
        client.on(ClientEvent.Sync, onSync);
      });
      await client.startClient({ pollTimeout: pollTimeoutMs, initialSyncLimit: 20, disablePresence });
      await ready;
    },
    stop: () => client.stopClient(),
    async waitFor(id, what, condition, timeoutMs = 15_000) {
      const now = seen(id);
      if (condition(now)) return now;
      return new Promise<SeenPresence>((resolve, reject) => {
        const done = (finish: () => void): void => {
          clearTimeout(timer);
          client.off(ClientEvent.Event, check);
          client.off(UserEvent.Presence, check);
          finish();
        };
        const timer = setTimeout(
          () =>
            done(() =>
              reject(
                new Error(`${userId} waited ${timeoutMs} ms for ${id} to be ${what}; saw ${JSON.stringify(seen(id))}`),
              ),
            ),
          timeoutMs,
        );
        const check = (): void => {
          const current = seen(id);
          if (condition(current)) done(() => resolve(current));
        };
        client.on(ClientEvent.Event, check);
        client.on(UserEvent.Presence, check);
      });
    },
    async [Symbol.asyncDispose]() {
      client.stopClient();
      await Promise.resolve();
    },
  };
}
