import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { SqliteAccountStore } from '../../src/adapters/sqlite/account-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { availableDrivers } from '../../src/adapters/sqlite/driver.ts';
import { accountStoreSuite } from '../../src/ports/testing/account-store.suite.ts';

const tools = { describe, it, assert };
const logger = new SilentLogger();

for (const driver of availableDrivers()) {
  accountStoreSuite(`SqliteAccountStore in memory, ${driver}`, tools, async () => {
    const db = openDatabase({ path: ':memory:', logger, driver });
    return { store: new SqliteAccountStore(db), reopenAfterKill: null, close: async () => db.close() };
  });

  accountStoreSuite(`SqliteAccountStore in a file, ${driver}`, tools, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thalamus-accounts-'));
    const path = join(folder, 'thalamus.db');
    const open = [openDatabase({ path, logger, driver })];
    return {
      store: new SqliteAccountStore(open[0]!),
      reopenAfterKill: async () => {
        // A killed process leaves what is on disk at that moment; nobody closes anything.
        const left = join(folder, `left-${open.length}`);
        mkdirSync(left);
        for (const suffix of ['', '-wal']) {
          if (existsSync(path + suffix)) copyFileSync(path + suffix, join(left, `thalamus.db${suffix}`));
        }
        const db = openDatabase({ path: join(left, 'thalamus.db'), logger, driver });
        open.push(db);
        return new SqliteAccountStore(db);
      },
      close: async () => {
        for (const db of open) db.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  });

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
