/**
 * Takes the presence out of a transaction's EDUs, entry by entry: what is wrong with one costs that one only, and is counted.
 *
 * An entry is about a user of the server that sent it, and has only values that the specification knows. Optional members may be
 * null, which several servers write for "absent". `last_active_ago` is a whole number; below 0, or before 1970, is cut to that.
 * Of several entries about one user the last good one counts. Source: S-S API "Presence"; product decision on what goes out.
 */
import type { RemotePresence } from '../../core/engine-api.ts';
import { isUserId, type ServerName, serverNameOf, type UserId } from '../../matrix/identifiers.ts';
import { isJsonObject } from '../../matrix/json-object.ts';
import { isPresenceState, PresenceState } from '../../matrix/presence-state.ts';

export interface PresenceEduOptions {
  /** `experimental_features.msc3026_enabled`. */
  readonly busyEnabled: boolean;
  /** `presence.max_status_msg_bytes`: an entry with a longer one is left out. */
  readonly maxStatusMsgBytes: number;
  /** Of all EDUs of a transaction; those after it are not looked at. */
  readonly maxEntries: number;
}

/**
 * Why an entry was left out. `malformed`: not an object, or `push` is not a list. `foreign`: about a user of another server. `superseded`:
 * another entry about the user comes later. `limit`: too many. Otherwise the member that is wrong.
 */
export type DroppedReason =
  | 'malformed'
  | 'foreign'
  | 'user_id'
  | 'presence'
  | 'last_active_ago'
  | 'status_msg'
  | 'currently_active'
  | 'superseded'
  | 'limit';

export interface CollectedPresence {
  /** At most one of each user, in the order of their last entries. */
  readonly entries: readonly RemotePresence[];
  readonly dropped: ReadonlyMap<DroppedReason, number>;
}

/** JSON can say it, and neither UTF-8 nor a database can. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;

/**
 * @param contents - the `content` of each `m.presence` EDU, in the order of the transaction
 * @param now - when the transaction came in; other servers' clocks are not believed
 */
export function collectPresence(
  origin: ServerName,
  contents: readonly unknown[],
  now: number,
  options: PresenceEduOptions,
): CollectedPresence {
  const entries = new Map<UserId, RemotePresence>();
  const dropped = new Map<DroppedReason, number>();
  const drop = (reason: DroppedReason, count = 1): void => {
    if (count > 0) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  };
  let room = options.maxEntries;
  for (const content of contents) {
    const push = pushOf(content);
    if (push === null) {
      drop('malformed');
      continue;
    }
    const looked = Math.min(push.length, room);
    room -= looked;
    drop('limit', push.length - looked);
    for (let i = 0; i < looked; i++) {
      const entry = parseEntry(origin, push[i], now, options);
      if (typeof entry === 'string') {
        drop(entry);
        continue;
      }
      if (entries.delete(entry.userId)) drop('superseded');
      entries.set(entry.userId, entry);
    }
  }
  return { entries: [...entries.values()], dropped };
}

/** The list; empty when there is none, null when it is something else. */
function pushOf(content: unknown): readonly unknown[] | null {
  if (!isJsonObject(content)) return null;
  const { push } = content;
  if (push === undefined || push === null) return [];
  return Array.isArray(push) ? push : null;
}

function parseEntry(
  origin: ServerName,
  entry: unknown,
  now: number,
  { busyEnabled, maxStatusMsgBytes }: PresenceEduOptions,
): RemotePresence | DroppedReason {
  if (!isJsonObject(entry)) return 'malformed';
  const { user_id: userId, presence } = entry;
  if (!isUserId(userId) || LONE_SURROGATE.test(userId)) return 'user_id';
  if (serverNameOf(userId) !== origin) return 'foreign';
  if (!isPresenceState(presence) || (presence === PresenceState.BUSY && !busyEnabled)) return 'presence';
  const ago = entry['last_active_ago'] ?? null;
  if (ago !== null && !Number.isSafeInteger(ago)) return 'last_active_ago';
  const statusMsg = entry['status_msg'] ?? null;
  if (statusMsg !== null && !isStatusMsg(statusMsg, maxStatusMsgBytes)) return 'status_msg';
  const currentlyActive = entry['currently_active'] ?? false;
  if (typeof currentlyActive !== 'boolean') return 'currently_active';
  return {
    userId,
    state: presence,
    statusMsg,
    lastActiveTs: ago === null ? null : Math.max(0, now - Math.max(0, Number(ago))),
    currentlyActive,
  };
}

function isStatusMsg(value: unknown, maxBytes: number): value is string {
  if (typeof value !== 'string' || LONE_SURROGATE.test(value)) return false;
  // At most three bytes of UTF-8 for each unit, so that most need not be counted.
  return value.length * 3 <= maxBytes || Buffer.byteLength(value) <= maxBytes;
}
