/**
 * What every `DestinationStore` has to do, as tests. Each test gets a new, empty store.
 */
import type { DestinationRow, DestinationStore } from '../federation-store.ts';
import { storeTest, type StoreUnderTest, type SuiteTools } from './suite-tools.ts';

export function destinationStoreSuite(
  name: string,
  tools: SuiteTools,
  open: () => Promise<StoreUnderTest<DestinationStore>>,
): void {
  const { assert } = tools;
  const test = storeTest(tools, open);

  tools.describe(name, () => {
    test('a new store is empty', async (store) => {
      assert.deepEqual(await store.loadAll(), []);
      assert.equal(await store.deliveredUntilTs(), 0);
      await store.save([]);
      await store.remove([]);
      await store.remove(['nobody.example']);
      assert.deepEqual(await store.loadAll(), []);
    });

    test('what was saved is there after the process was killed', async (store, later) => {
      const rows = [
        row('a.example', { failures: 12, retryAtTs: 1_800_000_000_123, retryIntervalMs: 604_800_000 }),
        row('b.example:8448', { owedSinceTs: 1_799_999_999_999 }),
        row('[2001:db8::1]', { failures: 1, owedSinceTs: 0 }),
      ];
      await store.save(rows);
      await store.setDeliveredUntilTs(1_800_000_000_001);
      const left = await later();
      assert.deepEqual(await everything(left), rows.toSorted(byName));
      assert.equal(await left.deliveredUntilTs(), 1_800_000_000_001);
    });

    test('a row replaces the one before, and the last of a batch wins', async (store) => {
      await store.save([row('a.example', { failures: 1, owedSinceTs: 5 })]);
      await store.save([row('a.example', { failures: 2 }), row('a.example', { failures: 3, owedSinceTs: null })]);
      assert.deepEqual(await store.loadAll(), [row('a.example', { failures: 3, owedSinceTs: null })]);
    });

    test('what was removed is gone, and the rest stays', async (store, later) => {
      const names = Array.from({ length: 250 }, (_, index) => `server${index}.example`);
      await store.save(names.map((name, index) => row(name, { failures: index })));
      await store.remove(names.slice(1));
      assert.deepEqual(await everything(await later()), [row('server0.example')]);
    });

    test('progress moves in both directions', async (store) => {
      await store.setDeliveredUntilTs(9_000_000_000_000);
      await store.setDeliveredUntilTs(8_000_000_000_000);
      assert.equal(await store.deliveredUntilTs(), 8_000_000_000_000);
    });

    test('keeps its own copy', async (store) => {
      const saved = { ...row('a.example'), failures: 1 };
      await store.save([saved]);
      saved.failures = 2;
      assert.deepEqual(await store.loadAll(), [row('a.example', { failures: 1 })]);
    });
  });
}

function row(destination: string, rest: Partial<DestinationRow> = {}): DestinationRow {
  return { destination, failures: 0, retryAtTs: 0, retryIntervalMs: 0, owedSinceTs: null, ...rest };
}

async function everything(store: DestinationStore): Promise<DestinationRow[]> {
  return (await store.loadAll()).toSorted(byName);
}

function byName(a: DestinationRow, b: DestinationRow): number {
  return a.destination < b.destination ? -1 : 1;
}
