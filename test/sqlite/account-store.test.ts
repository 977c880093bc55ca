import { describe, expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { SqliteAccountStore } from '../../src/adapters/sqlite/account-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { availableDrivers } from '../../src/adapters/sqlite/driver.ts';
import { accountStoreSuite } from '../../src/ports/testing/account-store.suite.ts';
import { runSuiteOnSqlite } from '../support/sqlite-stores.ts';

const logger = new SilentLogger();

runSuiteOnSqlite('SqliteAccountStore', accountStoreSuite, (db) => new SqliteAccountStore(db));

for (const driver of availableDrivers()) {
  describe(`SqliteAccountStore, ${driver}`, () => {
    it('writes nothing when the disk is full, and says so', async () => {
      const db = openDatabase({ path: ':memory:', logger, driver, maxPageCount: 60 });
      const store = new SqliteAccountStore(db);
      const user = { passwordHash: null, isAdmin: false, userType: null, creationTs: 1, displayname: null };
      await store.createUser({ ...user, userId: '@alice:test' }, null);
      const content = { text: 'x'.repeat(20_000) };
      let written = 0;
      const fill = async (): Promise<void> => {
        for (; written < 100; written++) {
          await store.putAccountData('@alice:test', null, `type-${written}`, content, 1000);
        }
      };
      const failure: unknown = await fill().then(
        () => null,
        (error: unknown) => error,
      );
      expect(failure).toMatchObject({ code: 'PRESENCE_ERR_PORT', transient: true });
      expect(await store.findAccountData('@alice:test', null, `type-${written}`)).toBeNull();
      expect(await store.findAccountData('@alice:test', null, 'type-0')).toEqual(content);
      db.close();
    });
  });
}
