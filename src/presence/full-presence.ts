/**
 * `sendLocalOnlinePresenceTo`: a snapshot of everybody who is not offline, for users who ask for nothing. Source: product §4.7.
 *
 * Local users are marked, durably before this resolves; each of their devices gets the snapshot with its next sync. Servers of
 * other users get, at once, our own users whom those may see: about third servers' users only their own server may speak.
 */
import type { Deliveries } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { PositionBlock } from './position-block.ts';
import type { PresenceMetrics } from './presence-metrics.ts';

export interface MarkParts {
  readonly store: Pick<PresenceStore, 'writeFullPresenceMarks'>;
  readonly positions: Pick<PositionBlock, 'cover'>;
  readonly metrics: PresenceMetrics;
}

/** Marks local users. Resolves with whom to wake when the marks are durable; rejects with PortError. */
export async function markForSnapshot(
  users: readonly UserId[],
  engine: Pick<PresenceEngine, 'markFullPresence'>,
  { store, positions, metrics }: MarkParts,
): Promise<Deliveries> {
  const { marks, deliveries } = engine.markFullPresence(users);
  let last = 0;
  for (const position of marks.values()) last = Math.max(last, position);
  await positions.cover(last);
  await metrics.timeStore('write_marks', () => store.writeFullPresenceMarks(marks));
  return deliveries;
}

/** For users of other servers. Resolves when everything is handed over: one call for each server, one state for each user. */
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
