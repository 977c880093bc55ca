/**
 * Runs a port's shared suite on SQLite, in memory and in a file, with every driver there is.
 */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { type Database, openDatabase } from '../../src/adapters/sqlite/database.ts';
import { availableDrivers } from '../../src/adapters/sqlite/driver.ts';
import type { StoreUnderTest, SuiteTools } from '../../src/ports/testing/suite-tools.ts';

const logger = new SilentLogger();

export const suiteTools: SuiteTools = { describe, it, assert };

export function runSuiteOnSqlite<Store>(
  name: string,
  suite: (name: string, tools: SuiteTools, open: () => Promise<StoreUnderTest<Store>>) => void,
  makeStore: (db: Database) => Store,
): void {
  for (const driver of availableDrivers()) {
    suite(`${name} in memory, ${driver}`, suiteTools, async () => {
      const db = openDatabase({ path: ':memory:', logger, driver });
      return { store: makeStore(db), reopenAfterKill: null, close: async () => db.close() };
    });

    suite(`${name} in a file, ${driver}`, suiteTools, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'thalamus-store-'));
      const path = join(folder, 'thalamus.db');
      const first = openDatabase({ path, logger, driver });
      const open = [first];
      return {
        store: makeStore(first),
        reopenAfterKill: async () => {
          // A killed process leaves what is on disk at that moment; nobody closes anything.
          const left = join(folder, `left-${open.length}`);
          mkdirSync(left);
          for (const suffix of ['', '-wal']) {
            if (existsSync(path + suffix)) copyFileSync(path + suffix, join(left, `thalamus.db${suffix}`));
          }
          const db = openDatabase({ path: join(left, 'thalamus.db'), logger, driver });
          open.push(db);
          return makeStore(db);
        },
        close: async () => {
          for (const db of open) db.close();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    });
  }
}
