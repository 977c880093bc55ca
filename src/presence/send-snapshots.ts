/**
 * `sendLocalOnlinePresenceTo` for users of other servers: their servers get, at once, the local users whom they may see and who
 * are not offline. Nothing about third servers' users, which only their own server may send. Source: product §4.7.
 */
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { InterestKeeper } from './interest-keeper.ts';

/** Resolves when everything is handed over: one call for each server, one state for each user. */
export async function sendSnapshots(
  users: readonly UserId[],
  engine: Pick<PresenceEngine, 'localStatesFor' | 'uidOf' | 'shownState'>,
  interest: Pick<InterestKeeper, 'lookUp'>,
  federation: FederationTransport,
): Promise<void> {
  const byServer = new Map<ServerName, Map<UserId, UserPresenceState>>();
  await Promise.all(
    users.map(async (userId) => {
      const wanted = (await interest.lookUp(userId)) ?? [];
      const server = serverNameOf(userId);
      const states = byServer.get(server) ?? new Map<UserId, UserPresenceState>();
      byServer.set(server, states);
      for (const state of engine.localStatesFor(userId, wanted)) {
        const shown = engine.shownState(engine.uidOf(state.userId));
        if (shown.state !== 'offline') states.set(state.userId, shown);
      }
    }),
  );
  for (const [server, states] of byServer) {
    if (states.size > 0) federation.sendPresence(server, [...states.values()]);
  }
}
