import { describe, expect, it } from 'vitest';
import { MemoryDestinationStore } from '../../src/adapters/memory/destination-store.ts';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqliteDestinationStore } from '../../src/adapters/sqlite/destination-store.ts';
import { availableDrivers } from '../../src/adapters/sqlite/driver.ts';
import { PortError } from '../../src/ports/errors.ts';
import { destinationStoreSuite } from '../../src/ports/testing/destination-store.suite.ts';
import { runSuiteOnSqlite, suiteTools } from '../support/sqlite-stores.ts';

destinationStoreSuite('MemoryDestinationStore', suiteTools, async () => ({
  store: new MemoryDestinationStore(),
  reopenAfterKill: null,
  close: async () => undefined,
}));

runSuiteOnSqlite('SqliteDestinationStore', destinationStoreSuite, (db) => new SqliteDestinationStore(db));

for (const driver of availableDrivers()) {
  describe(`SqliteDestinationStore, ${driver}`, () => {
    it('rejects with a PortError when the database is closed', async () => {
      const db = openDatabase({ path: ':memory:', logger: new SilentLogger(), driver });
      const store = new SqliteDestinationStore(db);
      db.close();
      const error: unknown = await store.loadAll().then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(PortError);
    });
  });
}
