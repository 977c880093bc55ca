/**
 * What modules do to presence, as `ModuleApi` promises it: what they hand in is checked before anything of it takes effect.
 */
import type { PresenceUpdate } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import { serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import { type Background, inBackground } from './background.ts';
import { checkPresenceEntries, checkUserIds } from './check-input.ts';
import { type MarkParts, markForSnapshot, sendSnapshots, type SnapshotParts } from './full-presence.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { Outlet } from './outlet.ts';
import type { PresenceEntry, PresenceHandler } from './presence-api.ts';
import type { PresenceSettings } from './presence-options.ts';
import type { RemoteKeeper } from './remote-keeper.ts';
import type { RestrictionKeeper } from './restriction-keeper.ts';
import { routeAgain } from './route-again.ts';
import type { TurnCommitter } from './turn-committer.ts';

export type ModulePresence = Pick<
  PresenceHandler,
  | 'sendLocalOnlinePresenceTo'
  | 'setPresenceForUsers'
  | 'invalidateInterestedUsers'
  | 'invalidateUsersForStates'
  | 'invalidateRestrictions'
>;

export interface ModuleOperationsParts extends Background, MarkParts, Omit<SnapshotParts, 'engine' | 'interest'> {
  readonly settings: PresenceSettings;
  readonly engine: () => PresenceEngine;
  readonly outlet: Pick<Outlet, 'deliver'>;
  readonly committer: Pick<TurnCommitter, 'commit'>;
  readonly interest: Pick<InterestKeeper, 'lookUp' | 'invalidate'>;
  readonly restrictions: Pick<RestrictionKeeper, 'invalidate'>;
  readonly remote: Pick<RemoteKeeper, 'forgetStrangers'>;
  readonly federation: FederationTransport;
  /** Hands updates to the routers. */
  readonly route: (updates: readonly PresenceUpdate[]) => void;
  /** False before the start and from the stop on. */
  readonly isRunning: () => boolean;
  /** @throws PortError from the stop on */
  readonly refuseWhenStopped: (operation: string) => void;
}

export class ModuleOperations implements ModulePresence {
  readonly #parts: ModuleOperationsParts;

  constructor(parts: ModuleOperationsParts) {
    this.#parts = parts;
  }

  async sendLocalOnlinePresenceTo(users: Iterable<UserId>): Promise<void> {
    const { outlet, refuseWhenStopped, settings } = this.#parts;
    const checked = checkUserIds(users);
    refuseWhenStopped('sendLocalOnlinePresenceTo');
    if (settings.mode === 'disabled') return;
    const engine = this.#parts.engine();
    const isLocal = (userId: UserId): boolean => serverNameOf(userId) === settings.serverName;
    const local = checked.filter(isLocal);
    if (local.length > 0) outlet.deliver(await markForSnapshot(local, engine, this.#parts));
    if (settings.mode !== 'tracked') return;
    const remote = checked.filter((userId) => !isLocal(userId));
    await sendSnapshots(remote, { ...this.#parts, engine });
  }

  async setPresenceForUsers(users: ReadonlyMap<UserId, PresenceEntry>): Promise<void> {
    const { clock, committer, engine, logger, refuseWhenStopped, remote, settings } = this.#parts;
    const entries = checkPresenceEntries(users, settings);
    refuseWhenStopped('setPresenceForUsers');
    if (settings.mode === 'disabled') {
      logger.warn({ users: entries.size }, 'presence is disabled: what a module set is ignored');
      return;
    }
    remote.forgetStrangers(entries.keys());
    engine().setPresenceForUsers(entries, clock.now());
    await committer.commit();
  }

  invalidateInterestedUsers(users?: Iterable<UserId>): void {
    const checked = users === undefined ? undefined : checkUserIds(users);
    if (this.#mayAsk) this.#parts.interest.invalidate(checked);
  }

  invalidateRestrictions(sources?: Iterable<UserId>): void {
    const checked = sources === undefined ? undefined : checkUserIds(sources);
    if (this.#mayAsk) this.#parts.restrictions.invalidate(checked);
  }

  invalidateUsersForStates(sources: Iterable<UserId>): void {
    const checked = checkUserIds(sources);
    if (!this.#mayAsk) return;
    const { engine, isRunning, route } = this.#parts;
    const parts = { ...this.#parts, engine: engine(), route, isStopped: () => !isRunning() };
    inBackground(this.#parts, 'routing again', routeAgain(checked, parts));
  }

  get #mayAsk(): boolean {
    return this.#parts.isRunning() && this.#parts.settings.mode !== 'disabled';
  }
}
