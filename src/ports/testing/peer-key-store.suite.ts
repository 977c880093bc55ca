/**
 * What every `PeerKeyStore` has to do, as tests. Each test gets a new, empty store.
 */
import type { PeerKey, PeerKeyStore } from '../federation-store.ts';
import { storeTest, type StoreUnderTest, type SuiteTools } from './suite-tools.ts';

export function peerKeyStoreSuite(
  name: string,
  tools: SuiteTools,
  open: () => Promise<StoreUnderTest<PeerKeyStore>>,
): void {
  const { assert } = tools;
  const test = storeTest(tools, open);
  const sorted = async (store: PeerKeyStore, serverName: string): Promise<PeerKey[]> =>
    [...(await store.load(serverName))].sort((a, b) => (a.keyId < b.keyId ? -1 : 1));

  tools.describe(name, () => {
    test('a new store is empty', async (store) => {
      assert.deepEqual(await store.load('one.example'), []);
      await store.save([]);
      assert.equal(await store.forget({ fetchedBeforeTs: 5, keepNewest: 0 }), 0);
    });

    test('what was saved is there after the process was killed', async (store, later) => {
      const keys = [
        key('one.example', 'a', { validUntilTs: 1_800_000_000_123 }),
        key('one.example', 'b', { fetchedTs: 7 }),
      ];
      await store.save([...keys, key('[::1]:8448', 'a', { publicKey: 'other' })]);
      const left = await later();
      assert.deepEqual(await sorted(left, 'one.example'), keys);
      assert.deepEqual(await left.load('[::1]:8448'), [key('[::1]:8448', 'a', { publicKey: 'other' })]);
      assert.deepEqual(await left.load('one'), []);
    });

    test('the keys of a server are replaced as a whole, and those of others stay', async (store) => {
      await store.save([key('one.example', 'a'), key('one.example', 'b'), key('two.example', 'a')]);
      await store.save([key('one.example', 'b', { publicKey: 'new' }), key('one.example', 'c')]);
      assert.deepEqual(await sorted(store, 'one.example'), [
        key('one.example', 'b', { publicKey: 'new' }),
        key('one.example', 'c'),
      ]);
      assert.deepEqual(await store.load('two.example'), [key('two.example', 'a')]);
    });

    test('what a caller does to an answer changes nothing', async (store) => {
      await store.save([key('one.example', 'a')]);
      for (const found of await store.load('one.example')) Object.assign(found, { publicKey: 'changed' });
      assert.deepEqual(await store.load('one.example'), [key('one.example', 'a')]);
    });

    test('forgets what was fetched before a time', async (store) => {
      await store.save([1, 2, 3].map((fetchedTs) => key(`${fetchedTs}.example`, 'a', { fetchedTs })));
      assert.equal(await store.forget({ fetchedBeforeTs: 3, keepNewest: 100 }), 2);
      assert.deepEqual(await store.load('2.example'), []);
      assert.equal((await store.load('3.example')).length, 1);
    });

    test('forgets the longest fetched beyond a number', async (store) => {
      await store.save([4, 1, 3, 2].map((fetchedTs) => key(`${fetchedTs}.example`, 'a', { fetchedTs })));
      assert.equal(await store.forget({ fetchedBeforeTs: 0, keepNewest: 4 }), 0);
      assert.equal(await store.forget({ fetchedBeforeTs: 0, keepNewest: 2 }), 2);
      assert.deepEqual(await store.load('2.example'), []);
      assert.equal((await store.load('3.example')).length, 1);
      assert.equal(await store.forget({ fetchedBeforeTs: 0, keepNewest: 0 }), 2);
      assert.deepEqual(await store.load('4.example'), []);
    });
  });
}

function key(serverName: string, version: string, more: Partial<PeerKey> = {}): PeerKey {
  return {
    serverName,
    keyId: `ed25519:${version}`,
    publicKey: `key ${version}`,
    validUntilTs: 2,
    fetchedTs: 1,
    ...more,
  };
}
