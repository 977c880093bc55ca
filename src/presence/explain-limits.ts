/**
 * Reasons that lie in the way rather than in a rule: federation, limits, inboxes, and how another server does.
 */
import { serverNameOf } from '../matrix/identifiers.ts';
import type { Case } from './explain-case.ts';
import { reason, type Reason, type ShownAs, time } from './explanation.ts';

/** Whether the two servers talk at all, and about the target. */
export function federationReasons(it: Case): Reason[] {
  const { federation, isTargetLocal, kind, server, settings, target } = it;
  if (kind === 'local_user' && isTargetLocal) return [];
  const reasons: Reason[] = [];
  const origin = serverNameOf(target);
  if (kind !== 'local_user' && !isTargetLocal) {
    const says = `Presence of ${target} comes from ${origin}: this server never passes it on to others`;
    reasons.push(reason('remote_target', false, says, { origin }));
  }
  const peers = new Set([...(server === null ? [] : [server]), ...(isTargetLocal ? [] : [origin])]);
  for (const peer of peers) {
    const standing = federation.standingOf?.(peer);
    if (standing?.isOn === false) {
      const says =
        'No listener has the resource federation: nothing is sent to other servers, and nothing taken from them';
      return [...reasons, reason('federation', false, says, { server: peer })];
    }
    if (standing?.isAllowed === false) {
      const says = `federation_domain_whitelist leaves ${peer} out: nothing is sent there, and nothing taken from there`;
      reasons.push(reason('federation_whitelist', false, says, { server: peer }));
    }
  }
  if (!isTargetLocal && kind === 'local_user' && settings.mode !== 'tracked') {
    reasons.push(reason('federation', false, 'What other servers tell is not taken while presence is untracked', {}));
  }
  return reasons;
}

/** A target of another server whom the engine has not taken in. */
export function strangerReasons({ facts, isTargetLocal, kind, remote, state, target }: Case): Reason[] {
  if (isTargetLocal || kind !== 'local_user' || facts.isTargetKnown || state === null) return [];
  const { guests, maxGuests, guestsOfServer, maxGuestsPerServer } = remote.standingOf(target);
  const details = { guests, maxGuests, guestsOfServer, maxGuestsPerServer };
  const isFull = guests >= maxGuests;
  if (isFull || guestsOfServer >= maxGuestsPerServer) {
    const limit = isFull ? `max_users (${maxGuests})` : `max_users_per_server (${maxGuestsPerServer})`;
    const says = `${target} is a stranger, and there is no place for more of them: federation.presence.${limit} is reached`;
    return [reason('stranger', false, says, details)];
  }
  const says = `${target} is a stranger: nobody here sees them yet, so only their newest state is kept`;
  return [reason('stranger', null, says, details)];
}

/** The observer is named, but beyond the limit; null if not. */
export function routedLimit({ facts, kind, observer, settings, target }: Case, isRoutedNow: boolean): Reason | null {
  const { maxRoutedPerUser } = settings.limits;
  if (kind !== 'local_user' || !isRoutedNow || facts.kept === null || facts.kept.isNamed) return null;
  if (facts.kept.targets < maxRoutedPerUser) return null;
  const says = `The modules name more users for ${target} than limits.max_routed_users_per_update (${maxRoutedPerUser}) takes, and ${observer} may be beyond it`;
  return reason('routed_limit', false, says, { targets: facts.kept.targets, max: maxRoutedPerUser });
}

/** Whether a local observer is there to be told, and how. */
export function inboxReasons({ facts, kind, observer, settings }: Case): Reason[] {
  if (kind !== 'local_user') return [];
  const { connection, mark, position } = facts;
  if (connection === null) {
    const says = `${observer} is not connected: they are told with their next sync`;
    return [reason('delivery', null, says, { isConnected: false, position })];
  }
  const { floor, isSyncing, pending, snapshotAt } = connection;
  const max = settings.limits.maxPendingPerObserver;
  const details = { isConnected: true, isSyncing, pending, maxPending: max, floor, snapshotAt, mark, position };
  const reasons: Reason[] = [];
  if (snapshotAt > floor || mark > 0) {
    const why = mark > 0 ? 'a module has asked for it' : 'more has come into sight at once than an inbox holds';
    const says = `A device of ${observer} that has not synced since then gets everything again instead of changes: ${why}`;
    reasons.push(reason('inbox', null, says, { snapshotAt, mark }));
  } else if (pending >= max) {
    const says = `The inbox of ${observer} is full (limits.max_pending_updates_per_observer): the oldest changes are looked up when they sync`;
    reasons.push(reason('inbox', null, says, { pending, maxPending: max }));
  }
  const says = isSyncing
    ? `${observer} has a sync open: what they may see reaches them at once`
    : `${observer} counts as connected, but no sync is open: what they may see waits in their inbox`;
  return [...reasons, reason('delivery', true, says, details)];
}

/** How the observer's server does. */
export function destinationReasons(
  { federation, isTargetLocal, kind, server, settings }: Case,
  shown: ShownAs,
): Reason[] {
  if (kind === 'local_user' || server === null || !isTargetLocal || settings.mode !== 'tracked') return [];
  const standing = federation.standingOf?.(server);
  if (standing === undefined || !standing.isOn || !standing.isAllowed) return [];
  const { failures, retryAtTs, queued, owedSinceTs, isSending } = standing;
  const details = { server, ...standing };
  if (failures > 0) {
    const when = retryAtTs === null ? 'an attempt is under way' : `the next attempt is at ${time(retryAtTs)}`;
    const what =
      owedSinceTs === null
        ? 'updates are queued'
        : `it gets the present then, in place of what it has missed since ${time(owedSinceTs)}`;
    const says = `${server} cannot be reached: ${failures} attempts have failed in a row, ${when}; ${what}`;
    return [reason('destination', false, says, details)];
  }
  if (owedSinceTs !== null) {
    const says = `${server} has missed updates since ${time(owedSinceTs)}, and is about to get the present`;
    return [reason('destination', null, says, details)];
  }
  if (shown === 'nothing') return [];
  const busy = queued > 0 || isSending ? 'updates are on their way to it' : 'nothing waits for it';
  return [reason('destination', true, `${server} does well: ${busy}`, details)];
}
