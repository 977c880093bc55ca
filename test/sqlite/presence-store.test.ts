import { describe, expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryPresenceStore } from '../../src/adapters/memory/presence-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { availableDrivers } from '../../src/adapters/sqlite/driver.ts';
import { SqlitePresenceStore } from '../../src/adapters/sqlite/presence-store.ts';
import { PortError } from '../../src/ports/errors.ts';
import { presenceStoreSuite } from '../../src/ports/testing/presence-store.suite.ts';
import { runSuiteOnSqlite, suiteTools } from '../support/sqlite-stores.ts';

const logger = new SilentLogger();

presenceStoreSuite('MemoryPresenceStore', suiteTools, async () => ({
  store: new MemoryPresenceStore(),
  reopenAfterKill: null,
  close: async () => undefined,
}));

runSuiteOnSqlite('SqlitePresenceStore', presenceStoreSuite, (db) => new SqlitePresenceStore(db));

for (const driver of availableDrivers()) {
  describe(`SqlitePresenceStore, ${driver}`, () => {
    it('writes all rows of a batch or none, and rejects with what is wrong', async () => {
      const db = openDatabase({ path: ':memory:', logger, driver, maxPageCount: 40 });
      const store = new SqlitePresenceStore(db);
      const row = (index: number, statusMsg: string) => ({
        state: {
          userId: `@user${index}:test`,
          state: 'online',
          lastActiveTs: 1,
          lastFederationUpdateTs: 1,
          lastUserSyncTs: 1,
          statusMsg,
          currentlyActive: true,
        } as const,
        position: index,
      });
      const error = await store.write(Array.from({ length: 120 }, (_, index) => row(index, 'x'.repeat(4_000)))).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(PortError);
      expect(error).toMatchObject({ transient: true });
      let rows = 0;
      for await (const batch of store.loadAll()) rows += batch.length;
      expect(rows).toBe(0);
      await store.write([row(1, 'small')]);
      db.close();
    });
  });
}
