/**
 * What every `TransactionStore` has to do, as tests. Each test gets a new, empty store.
 */
import type { ReceivedTransaction, TransactionStore } from '../federation-store.ts';
import { storeTest, type StoreUnderTest, type SuiteTools } from './suite-tools.ts';

const ONE = 'one.example';
const TWO = '[::1]:8448';

export function transactionStoreSuite(
  name: string,
  tools: SuiteTools,
  open: () => Promise<StoreUnderTest<TransactionStore>>,
): void {
  const { assert } = tools;
  const test = storeTest(tools, open);

  tools.describe(name, () => {
    test('a new store is empty', async (store) => {
      assert.equal(await store.find(ONE, 'a'), null);
      assert.equal(await before(store, Number.MAX_SAFE_INTEGER), 0);
      assert.equal(await store.forget({ receivedBeforeTs: 0, keepNewest: 0 }), 0);
    });

    test('what was saved is there after the process was killed, of its own server only', async (store, later) => {
      const taken = transaction(ONE, 'a/é 1', { receivedTs: 1_800_000_000_123, response: '{"pdus":{"$é😀":{}}}' });
      await store.save(taken, 5);
      await store.save(transaction(TWO, 'b'), 5);
      const left = await later();
      assert.deepEqual(await left.find(ONE, 'a/é 1'), taken);
      assert.deepEqual(await left.find(TWO, 'b'), transaction(TWO, 'b'));
      for (const [origin, txnId] of [
        [ONE, 'b'],
        [TWO, 'a/é 1'],
        [ONE, 'A/é 1'],
        [ONE, 'a/é'],
        ['One.example', 'a/é 1'],
      ] as const) {
        assert.equal(await left.find(origin, txnId), null, `${origin} ${txnId}`);
      }
    });

    test('saving again replaces', async (store) => {
      await store.save(transaction(ONE, 'a'), 5);
      await store.save(transaction(ONE, 'a', { receivedTs: 9, response: '{}' }), 5);
      assert.deepEqual(await store.find(ONE, 'a'), transaction(ONE, 'a', { receivedTs: 9, response: '{}' }));
      assert.equal(await before(store, 9), 0);
      assert.equal(await before(store, 10), 1);
    });

    test('keeps the newest of a server, and touches no other', async (store) => {
      await store.save(transaction(TWO, '0', { receivedTs: 0 }), 3);
      for (const receivedTs of [4, 1, 3, 2]) await store.save(transaction(ONE, `${receivedTs}`, { receivedTs }), 100);
      await store.save(transaction(ONE, '0', { receivedTs: 0 }), null);
      assert.deepEqual(await kept(store, ['0', '1', '2', '3', '4']), ['0', '1', '2', '3', '4']);
      await store.save(transaction(ONE, '5', { receivedTs: 5 }), 3);
      assert.deepEqual(await kept(store, ['0', '1', '2', '3', '4', '5']), ['3', '4', '5']);
      assert.ok((await store.find(TWO, '0')) !== null);
    });

    test('of one moment the one just saved stays, whatever its name', async (store) => {
      for (const txnId of ['b', 'c', 'a']) await store.save(transaction(ONE, txnId), 1);
      assert.deepEqual(await kept(store, ['a', 'b', 'c']), ['a']);
      await store.save(transaction(ONE, 'd', { receivedTs: 0 }), 1);
      assert.deepEqual(await kept(store, ['a', 'd']), ['d']);
    });

    test('forgets what was received before a time, of all servers', async (store) => {
      for (const origin of [ONE, TWO]) {
        for (const receivedTs of [1, 2, 3]) await store.save(transaction(origin, `${receivedTs}`, { receivedTs }), 10);
      }
      assert.equal(await before(store, 3), 4);
      assert.deepEqual(await kept(store, ['1', '2', '3']), ['3']);
      assert.equal(await before(store, 3), 0);
    });

    test('forgets the oldest beyond so many of all servers', async (store) => {
      for (const receivedTs of [4, 1, 3]) await store.save(transaction(ONE, `${receivedTs}`, { receivedTs }), 10);
      await store.save(transaction(TWO, '2', { receivedTs: 2 }), 10);
      assert.equal(await store.forget({ receivedBeforeTs: 0, keepNewest: 4 }), 0);
      assert.equal(await store.forget({ receivedBeforeTs: 0, keepNewest: 2 }), 2);
      assert.deepEqual(await kept(store, ['1', '3', '4']), ['3', '4']);
      assert.equal(await store.find(TWO, '2'), null);
      assert.equal(await store.forget({ receivedBeforeTs: 4, keepNewest: 2 }), 1);
      assert.equal(await store.forget({ receivedBeforeTs: 0, keepNewest: 0 }), 1);
    });
  });
}

function before(store: TransactionStore, receivedBeforeTs: number): Promise<number> {
  return store.forget({ receivedBeforeTs, keepNewest: 1_000 });
}

async function kept(store: TransactionStore, txnIds: readonly string[]): Promise<string[]> {
  const left: string[] = [];
  for (const txnId of txnIds) if ((await store.find(ONE, txnId)) !== null) left.push(txnId);
  return left;
}

function transaction(origin: string, txnId: string, more: Partial<ReceivedTransaction> = {}): ReceivedTransaction {
  return { origin, txnId, receivedTs: 1, response: '{"pdus":{}}', ...more };
}
