import { describe, expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryPeerKeyStore } from '../../src/adapters/memory/peer-key-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqlitePeerKeyStore } from '../../src/adapters/sqlite/peer-key-store.ts';
import { peerKeyStoreSuite } from '../../src/ports/testing/peer-key-store.suite.ts';
import { runSuiteOnSqlite, suiteTools } from '../support/sqlite-stores.ts';

peerKeyStoreSuite('MemoryPeerKeyStore', suiteTools, async () => ({
  store: new MemoryPeerKeyStore(),
  reopenAfterKill: null,
  close: async () => undefined,
}));

runSuiteOnSqlite('SqlitePeerKeyStore', peerKeyStoreSuite, (db) => new SqlitePeerKeyStore(db));

describe('SqlitePeerKeyStore', () => {
  it('replaces the keys of a server or leaves them as they were', async () => {
    const db = openDatabase({ path: ':memory:', logger: new SilentLogger(), maxPageCount: 60 });
    const store = new SqlitePeerKeyStore(db);
    const key = (version: string) => ({
      serverName: 'one.example',
      keyId: `ed25519:${version}`,
      publicKey: 'x',
      validUntilTs: 2,
      fetchedTs: 1,
    });
    await store.save([key('a')]);
    const tooMany = Array.from({ length: 10_000 }, (_, index) => key(`a${index}`));
    await expect(store.save(tooMany)).rejects.toMatchObject({ code: 'PRESENCE_ERR_PORT' });
    expect(await store.load('one.example')).toEqual([key('a')]);
    db.close();
  });
});
