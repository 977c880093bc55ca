/**
 * Which parts of a room's history one user may read.
 *
 * Pure: from the history of `m.room.history_visibility` and of the user's own membership to ranges of positions. An event is
 * judged by the visibility and the membership in force when it was sent; where the event itself changes one of them, by
 * the kinder of the two. Source: Matrix specification, client-server API, "Room history visibility".
 */
import type { JsonObject } from '../../ports/room-store.ts';

/** (after, upTo], in ascending order, not touching each other. */
export interface VisibleRange {
  readonly after: number;
  readonly upTo: number;
}

export interface HistoryEntry {
  readonly position: number;
  readonly content: JsonObject;
}

/** Without the event, or with a value nobody knows. */
const DEFAULT_VISIBILITY = 'shared';

/**
 * @param visibility - every `m.room.history_visibility` the room has had, oldest first
 * @param own - every member event of the user in the room, oldest first
 * @param upTo - positions beyond are left out
 */
export function visibleRanges(
  visibility: readonly HistoryEntry[],
  own: readonly HistoryEntry[],
  upTo: number,
): readonly VisibleRange[] {
  const lastJoin = own.findLast((entry) => entry.content['membership'] === 'join')?.position ?? 0;
  const changes = [
    ...visibility.map((entry) => ({ position: entry.position, visibility: entry.content['history_visibility'] })),
    ...own.map((entry) => ({ position: entry.position, membership: entry.content['membership'] })),
  ].toSorted((a, b) => a.position - b.position);

  const ranges: VisibleRange[] = [];
  let now: Moment = { visibility: DEFAULT_VISIBILITY, membership: 'leave' };
  let from = 0;
  for (const change of changes) {
    if (change.position > upTo) break;
    const next: Moment = {
      visibility: 'visibility' in change ? known(change.visibility) : now.visibility,
      membership: 'membership' in change ? change.membership : now.membership,
    };
    add(ranges, from, change.position - 1, now, lastJoin);
    // One's own member events are shown to oneself in any case.
    if (
      'membership' in change ||
      isVisible(now, change.position, lastJoin) ||
      isVisible(next, change.position, lastJoin)
    ) {
      extend(ranges, change.position - 1, change.position);
    }
    now = next;
    from = change.position;
  }
  add(ranges, from, upTo, now, lastJoin);
  return ranges;
}

/** Whether the position is in one of the ranges. */
export function isInRanges(ranges: readonly VisibleRange[], position: number): boolean {
  return ranges.some((range) => position > range.after && position <= range.upTo);
}

interface Moment {
  readonly visibility: string;
  readonly membership: unknown;
}

function isVisible({ visibility, membership }: Moment, position: number, lastJoin: number): boolean {
  if (membership === 'join' || visibility === 'world_readable') return true;
  if (visibility === 'shared') return lastJoin > position;
  return visibility === 'invited' && membership === 'invite';
}

/** Adds (after, upTo], all of one moment; under `shared` a later join opens only what lies before it. */
function add(ranges: VisibleRange[], after: number, upTo: number, moment: Moment, lastJoin: number): void {
  if (upTo > after && isVisible(moment, upTo, lastJoin)) extend(ranges, after, upTo);
}

function extend(ranges: VisibleRange[], after: number, upTo: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.upTo === after) ranges[ranges.length - 1] = { after: last.after, upTo };
  else ranges.push({ after, upTo });
}

function known(visibility: unknown): string {
  const isKnown =
    visibility === 'world_readable' || visibility === 'shared' || visibility === 'invited' || visibility === 'joined';
  return isKnown ? visibility : DEFAULT_VISIBILITY;
}
