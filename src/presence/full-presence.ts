/**
 * `sendLocalOnlinePresenceTo`: a snapshot of everybody who is not offline, for users who ask for nothing. Source: product §4.7.
 *
 * Local users are marked, durably before this resolves; each of their devices gets the snapshot with its next sync. Servers of
 * other users get, at once, our own users whom those may see: about third servers' users only their own server may speak.
 */
import type { Deliveries } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { OwedPresenceReader } from './owed-presence.ts';
import type { PositionBlock } from './position-block.ts';
import type { PresenceMetrics } from './presence-metrics.ts';
import type { MeantState, ServerForms } from './server-forms.ts';

/** Questions to routers that are out together. */
const LOOKUPS_AT_ONCE = 100;

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

export interface SnapshotParts {
  readonly engine: Pick<PresenceEngine, 'local' | 'localStatesFor' | 'uidOf' | 'shownState'>;
  readonly interest: Pick<InterestKeeper, 'lookUp'>;
  readonly owed: Pick<OwedPresenceReader, 'routedTo'>;
  readonly forms: ServerForms;
  readonly federation: FederationTransport;
}

/**
 * For users of other servers: who shares a room with them, whom they are interested in, and who is routed to them. Resolves when
 * everything is handed over: one call for each server, one state for each user, as it is by then.
 */
export async function sendSnapshots(users: readonly UserId[], parts: SnapshotParts): Promise<void> {
  const { engine, forms, interest, owed, federation } = parts;
  const visible = new Map<ServerName, Set<UserId>>();
  const add = (server: ServerName, seen: Iterable<UserId>): void => {
    const known = visible.get(server) ?? new Set();
    visible.set(server, known);
    for (const userId of seen) known.add(userId);
  };
  for (let start = 0; start < users.length; start += LOOKUPS_AT_ONCE) {
    await Promise.all(
      users.slice(start, start + LOOKUPS_AT_ONCE).map(async (userId) => {
        const wanted = (await interest.lookUp(userId)) ?? [];
        add(
          serverNameOf(userId),
          engine.localStatesFor(userId, wanted).map((state) => state.userId),
        );
      }),
    );
  }
  if (users.length > 0)
    for (const [server, routed] of await owed.routedTo(engine.local, new Set(users))) add(server, routed);
  for (const [server, seen] of visible) {
    await forms.known(server, present(engine, seen));
    const states = forms.shown(server, present(engine, seen));
    if (states.length > 0) federation.sendPresence(server, states);
  }
}

/** Those of them who are not offline now. */
function present(engine: SnapshotParts['engine'], users: Iterable<UserId>): MeantState[] {
  const found: MeantState[] = [];
  for (const userId of users) {
    const uid = engine.uidOf(userId);
    const state = uid < 0 ? null : engine.shownState(uid);
    if (state !== null && state.state !== 'offline') found.push({ uid, state });
  }
  return found;
}
