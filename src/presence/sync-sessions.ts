/**
 * The open `/sync` requests: each begins and ends exactly once in the engine, whatever becomes of the request.
 *
 * A session is there at once unless the sync changed a state, which is made durable first so that the answer shows it, or
 * the user has just connected and modules are asked whom they are interested in, and then what is kept back from them of those they see.
 */
import type { SyncClaim } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { DeviceId, UserId } from '../matrix/identifiers.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { BeginSyncOptions, SyncSession } from './presence-api.ts';
import type { RestrictionKeeper } from './restriction-keeper.ts';
import type { TurnCommitter } from './turn-committer.ts';

export interface SyncSessionParts {
  readonly engine: PresenceEngine;
  readonly committer: Pick<TurnCommitter, 'request' | 'commit'>;
  /** Null while presence is disabled: nobody is asked about. */
  readonly interest: Pick<InterestKeeper, 'begin' | 'refresh'> | null;
  readonly restrictions: Pick<RestrictionKeeper, 'begin'>;
  /** Resolves when the work is done, or the routers' deadline has passed. */
  readonly withinDeadline: (work: Promise<void>) => Promise<void>;
  readonly now: () => number;
}

/** For syncs that come in while the server stops. */
export const NO_SESSION: SyncSession = { end: () => undefined };

export function beginSession(
  parts: SyncSessionParts,
  userId: UserId,
  deviceId: DeviceId,
  options: BeginSyncOptions,
): SyncSession | Promise<SyncSession> {
  const { engine, committer, now } = parts;
  const isNew = !engine.isConnected(userId);
  const isCounted = options.setPresence !== 'offline';
  engine.beginSync(userId, deviceId, claimOf(options), isCounted, now());
  committer.request();
  const session = new OpenSession(parts, userId, deviceId, isCounted);
  const answered = askFor(parts, userId, isNew, options.isWhole === true);
  const isTold = !engine.isWorthTelling(userId);
  if (isTold && answered === undefined) return session;
  // A state that could not be saved is no reason to refuse the sync: it is tried again.
  const saved = isTold ? undefined : committer.commit().catch(() => undefined);
  return Promise.all([saved, answered]).then(() => session);
}

/** Resolves when it is known what the observer sees, or one deadline for all of it has passed. */
function askFor(
  { interest, restrictions, withinDeadline }: SyncSessionParts,
  userId: UserId,
  isNew: boolean,
  isWhole: boolean,
): void | Promise<void> {
  if (!isNew) {
    interest?.refresh(userId);
    return isWhole ? restrictions.begin(userId) : undefined;
  }
  const interested = interest?.begin(userId);
  const known = restrictions.begin(userId);
  // Whom rooms show is asked about meanwhile; whom interest adds, then.
  if (interested === undefined) return known;
  return withinDeadline(Promise.all([interested.then(() => restrictions.begin(userId)), known]).then(() => undefined));
}

class OpenSession implements SyncSession {
  readonly #parts: SyncSessionParts;
  readonly #userId: UserId;
  readonly #deviceId: DeviceId;
  readonly #isCounted: boolean;
  #isOpen = true;

  constructor(parts: SyncSessionParts, userId: UserId, deviceId: DeviceId, isCounted: boolean) {
    this.#parts = parts;
    this.#userId = userId;
    this.#deviceId = deviceId;
    this.#isCounted = isCounted;
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { engine, committer, now } = this.#parts;
    engine.endSync(this.#userId, this.#deviceId, this.#isCounted, now());
    committer.request();
  }
}

function claimOf({ setPresence, explicit, rateLimited }: BeginSyncOptions): SyncClaim | null {
  return setPresence === 'offline' || rateLimited ? null : { state: setPresence, explicit };
}
