/**
 * A relation from elsewhere: the rows of a database, the lines of a file, the answer of a directory.
 */
import type { ModuleApi } from './module-api.ts';
import type { ObserverPair } from './relation-pairs.ts';
import { ObserverRelation, type RelationOptions } from './relation.ts';

/** Pairs, at once or as they come. @since 0.1 */
export type ObserverPairs = Iterable<ObserverPair> | AsyncIterable<ObserverPair>;

/** @since 0.1 */
export interface LoadRelationOptions extends RelationOptions {
  /** How long after loading it is loaded again, in milliseconds; null for never. @default null */
  readonly refreshMs?: number | null;
  /** What it is, for logs. @default 'load the relation' */
  readonly desc?: string;
}

/**
 * Loads a relation, registers it, and keeps it fresh.
 *
 * For modules that are functions, whose promise the start waits for; what fails then stops the start. If a later load fails, that is logged and
 * counted, and the last relation stays. Only differences are told to anybody.
 *
 * @param load - everything there is, each time
 * @example
 * ```ts
 * export default async function roster({ file }: { file: string }, api: ModuleApi): Promise<void> {
 *   const load = async () => JSON.parse(await readFile(file, 'utf8')) as ObserverPair[];
 *   await loadRelation(api, load, { refreshMs: 60_000 });
 * }
 * ```
 * @since 0.1
 */
export async function loadRelation(
  api: ModuleApi,
  load: () => ObserverPairs | Promise<ObserverPairs>,
  { refreshMs = null, desc = 'load the relation', ...options }: LoadRelationOptions = {},
): Promise<ObserverRelation> {
  const relation = new ObserverRelation(await readAll(load));
  relation.register(api, options);
  if (refreshMs !== null) {
    const refresh = async (): Promise<void> => relation.replace(await readAll(load));
    // Every process answers from a relation of its own.
    api.loopingBackgroundCall(refresh, refreshMs, { desc, runOnAllInstances: true });
  }
  return relation;
}

async function readAll(load: () => ObserverPairs | Promise<ObserverPairs>): Promise<ObserverPair[]> {
  const pairs: ObserverPair[] = [];
  for await (const pair of await load()) pairs.push(pair);
  return pairs;
}
