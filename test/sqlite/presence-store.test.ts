import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryPresenceStore } from '../../src/adapters/memory/presence-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { availableDrivers } from '../../src/adapters/sqlite/driver.ts';
import { SqlitePresenceStore } from '../../src/adapters/sqlite/presence-store.ts';
import { PortError } from '../../src/ports/errors.ts';
import { presenceStoreSuite } from '../../src/ports/testing/presence-store.suite.ts';

const tools = { describe, it, assert };
const logger = new SilentLogger();

presenceStoreSuite('MemoryPresenceStore', tools, async () => ({
  store: new MemoryPresenceStore(),
  reopenAfterKill: null,
  close: async () => undefined,
}));

for (const driver of availableDrivers()) {
  presenceStoreSuite(`SqlitePresenceStore in memory, ${driver}`, tools, async () => {
    const db = openDatabase({ path: ':memory:', logger, driver });
    return { store: new SqlitePresenceStore(db), reopenAfterKill: null, close: async () => db.close() };
  });

  presenceStoreSuite(`SqlitePresenceStore in a file, ${driver}`, tools, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thalamus-presence-'));
    const path = join(folder, 'thalamus.db');
    const open = [openDatabase({ path, logger, driver })];
    return {
      store: new SqlitePresenceStore(open[0]!),
      reopenAfterKill: async () => {
        // A killed process leaves what is on disk at that moment; nobody closes anything.
        const left = join(folder, `left-${open.length}`);
        mkdirSync(left);
        for (const suffix of ['', '-wal']) {
          if (existsSync(path + suffix)) copyFileSync(path + suffix, join(left, `thalamus.db${suffix}`));
        }
        const db = openDatabase({ path: join(left, 'thalamus.db'), logger, driver });
        open.push(db);
        return new SqlitePresenceStore(db);
      },
      close: async () => {
        for (const db of open) db.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  });

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
