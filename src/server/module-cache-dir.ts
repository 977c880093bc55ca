/**
 * Where compiled modules are kept, so that the next start is quicker: beside the database, which this user may write.
 */
import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { ServerOverrides } from './server.ts';

/** Null: compile at each start. */
export function moduleCacheDir({ database }: Config, overrides: ServerOverrides): string | null {
  if (overrides.moduleCacheDir !== undefined) return overrides.moduleCacheDir;
  return database.path === ':memory:' ? null : join(dirname(database.path), 'module-cache');
}
