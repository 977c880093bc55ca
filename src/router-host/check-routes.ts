/**
 * Reads what `getUsersForStates` returned, trusting nothing: it may be of any type, throw when read, or never end.
 *
 * A wrong top-level value is refused whole; one bad entry costs only itself. What counts of an update is its `userId`, and
 * that has to be one of this batch. Reading stops after `maxEntries`.
 */
import { isMap } from 'node:util/types';
import type { UserId } from '../matrix/identifiers.ts';
import { type Drop, Invalid } from './callback-runner.ts';
import { kindOf } from './describe-value.ts';
import type { KnownIds } from './known-ids.ts';
import type { UpdateBatch } from './update-batch.ts';

/** Who gets the update at each place of the batch: valid ids, each once. Undefined for nobody. */
export type CheckedRoutes = readonly (UserId[] | undefined)[];

export function checkRoutes(
  value: unknown,
  batch: UpdateBatch,
  ids: KnownIds,
  maxEntries: number,
  drop: Drop,
): CheckedRoutes | Invalid {
  if (isMap(value)) {
    const map: ReadonlyMap<unknown, unknown> = value;
    // The built-in iterator, whatever a subclass has made of its own.
    return readAll(
      Map.prototype.keys.call(map),
      (key) => Map.prototype.get.call(map, key),
      batch,
      ids,
      maxEntries,
      drop,
    );
  }
  if (isPlainObject(value)) {
    return readAll(Object.keys(value), (key) => value[String(key)], batch, ids, maxEntries, drop);
  }
  return new Invalid(`returned ${kindOf(value)}; it should be a Map or a plain object from user id to updates`);
}

function readAll(
  keys: Iterable<unknown>,
  get: (key: unknown) => unknown,
  batch: UpdateBatch,
  ids: KnownIds,
  maxEntries: number,
  drop: Drop,
): CheckedRoutes {
  const targets: (UserId[] | undefined)[] = Array.from({ length: batch.states.length });
  // The key at which each source was last named: naming it twice for the same target counts once.
  const lastNamed = new Uint32Array(batch.states.length);
  let keyNumber = 0;
  let entries = 0;

  for (const target of keys) {
    if (entries >= maxEntries) {
      drop('too_many');
      break;
    }
    keyNumber += 1;
    const before = entries;
    if (!ids.isUserId(target)) {
      drop('user_id', target);
    } else {
      try {
        const updates = get(target);
        if (isIterable(updates)) {
          for (const update of updates) {
            if (entries >= maxEntries) {
              drop('too_many');
              break;
            }
            entries += 1;
            const source = sourceOf(update, batch, drop);
            if (source < 0 || lastNamed[source] === keyNumber) continue;
            lastNamed[source] = keyNumber;
            (targets[source] ??= []).push(target);
          }
        } else {
          drop('not_iterable', updates);
        }
      } catch (thrown) {
        drop('threw', thrown);
      }
    }
    // A key without updates counts, too: there may be a million of them.
    if (entries === before) entries += 1;
  }
  return targets;
}

/** Place in the batch of the user that an update names, or -1. */
function sourceOf(update: unknown, batch: UpdateBatch, drop: Drop): number {
  if (typeof update !== 'object' || update === null) {
    drop('not_an_update', update);
    return -1;
  }
  try {
    const { userId } = update as { readonly userId?: unknown };
    const index = batch.indexOf(userId);
    if (index < 0) {
      if (typeof userId === 'string') drop('not_in_batch', userId);
      else drop('not_an_update', update);
    }
    return index;
  } catch (thrown) {
    drop('threw', thrown);
    return -1;
  }
}

/** A string is iterable, too, but nobody means its characters. */
function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
