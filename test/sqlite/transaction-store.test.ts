import { expect, it } from 'vitest';
import { SilentLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryTransactionStore } from '../../src/adapters/memory/transaction-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqliteTransactionStore } from '../../src/adapters/sqlite/transaction-store.ts';
import { transactionStoreSuite } from '../../src/ports/testing/transaction-store.suite.ts';
import { runSuiteOnSqlite, suiteTools } from '../support/sqlite-stores.ts';

transactionStoreSuite('MemoryTransactionStore', suiteTools, async () => ({
  store: new MemoryTransactionStore(),
  reopenAfterKill: null,
  close: async () => undefined,
}));

runSuiteOnSqlite('SqliteTransactionStore', transactionStoreSuite, (db) => new SqliteTransactionStore(db));

it('a full disk is a failure for now, and what was there stays', async () => {
  const db = openDatabase({ path: ':memory:', logger: new SilentLogger(), maxPageCount: 60 });
  const store = new SqliteTransactionStore(db);
  const transaction = { origin: 'one.example', receivedTs: 1, response: 'x'.repeat(3_000) };
  await store.save({ ...transaction, txnId: 'first' }, 1_000);
  const fill = async () => {
    for (let i = 0; i < 1_000; i++) await store.save({ ...transaction, txnId: String(i) }, 1_000);
  };
  await expect(fill()).rejects.toMatchObject({ code: 'PRESENCE_ERR_PORT', transient: true });
  expect((await store.find('one.example', 'first'))?.response).toBe(transaction.response);
  db.close();
});
