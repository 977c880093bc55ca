/**
 * The open `/sync` requests: each begins and ends exactly once in the engine, whatever becomes of the request.
 *
 * A session is there at once unless the sync changed a state, which is made durable first so that the answer shows it, or
 * the user has just connected and modules are asked whom they are interested in.
 */
import type { SyncClaim } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { DeviceId, UserId } from '../matrix/identifiers.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { BeginSyncOptions, SyncSession } from './presence-api.ts';
import type { TurnCommitter } from './turn-committer.ts';

export interface SyncSessionParts {
  readonly engine: PresenceEngine;
  readonly committer: Pick<TurnCommitter, 'request' | 'commit'>;
  /** Null while presence is disabled: nobody is asked about. */
  readonly interest: Pick<InterestKeeper, 'begin' | 'refresh'> | null;
  readonly now: () => number;
}

/** For syncs that come in while the server stops. */
export const NO_SESSION: SyncSession = { end: () => undefined };

export function beginSession(
  { engine, committer, interest, now }: SyncSessionParts,
  userId: UserId,
  deviceId: DeviceId,
  options: BeginSyncOptions,
): SyncSession | Promise<SyncSession> {
  const isNew = !engine.isConnected(userId);
  const isCounted = options.setPresence !== 'offline';
  engine.beginSync(userId, deviceId, claimOf(options), isCounted, now());
  committer.request();
  let isOpen = true;
  const session: SyncSession = {
    end: () => {
      if (!isOpen) return;
      isOpen = false;
      engine.endSync(userId, deviceId, isCounted, now());
      committer.request();
    },
  };
  let answered: void | Promise<void> = undefined;
  if (isNew) answered = interest?.begin(userId);
  else interest?.refresh(userId);
  const isTold = !engine.isWorthTelling(userId);
  if (isTold && answered === undefined) return session;
  // A state that could not be saved is no reason to refuse the sync: it is tried again.
  const saved = isTold ? undefined : committer.commit().catch(() => undefined);
  return Promise.all([saved, answered]).then(() => session);
}

function claimOf({ setPresence, explicit, rateLimited }: BeginSyncOptions): SyncClaim | null {
  return setPresence === 'offline' || rateLimited ? null : { state: setPresence, explicit };
}
