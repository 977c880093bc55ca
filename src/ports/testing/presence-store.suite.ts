/**
 * What every `PresenceStore` has to do, as tests. Each test gets a new, empty store.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import type { PresenceStore, StoredPresence } from '../presence-store.ts';
import { storeTest, type StoreUnderTest, type SuiteTools } from './suite-tools.ts';

export function presenceStoreSuite(
  name: string,
  tools: SuiteTools,
  open: () => Promise<StoreUnderTest<PresenceStore>>,
): void {
  const { assert } = tools;
  const test = storeTest(tools, open);

  tools.describe(name, () => {
    test('a new store is empty', async (store) => {
      assert.deepEqual(await everything(store), []);
      assert.equal(await store.positionCeiling(), 0);
      assert.equal((await store.loadFullPresenceMarks()).size, 0);
      await store.write([]);
      await store.writeRouted([]);
      await store.writeFullPresenceMarks(new Map());
      await store.remove([]);
    });

    test('rows 233, 234: what was written is there after the process was killed', async (store, later) => {
      const alice = state('@alice:test', {
        statusMsg: 'at work',
        lastActiveTs: 1_800_000_000_123,
        currentlyActive: true,
      });
      const bob = state('@bob:elsewhere.example:8448', {
        state: 'offline',
        lastFederationUpdateTs: 7,
        lastUserSyncTs: 8,
      });
      await store.write([row(alice, 11), row(bob, 12)]);
      assert.deepEqual(await everything(await later()), [stored(alice, 11), stored(bob, 12)]);
    });

    test('row 253: five users of one batch keep their positions, in the order of the batch', async (store) => {
      const users = ['@e:test', '@a:test', '@d:test', '@b:test', '@c:test'] as const;
      await store.write(users.map((userId, index) => row(state(userId), 101 + index)));
      const rows = (await everything(store)).sort((a, b) => a.position - b.position);
      assert.deepEqual(
        rows.map((row) => [row.state.userId, row.position]),
        users.map((userId, index) => [userId, 101 + index]),
      );
    });

    test('a row replaces the one before, and the last of a batch wins', async (store) => {
      await store.write([row(state('@a:test', { statusMsg: 'first' }), 1)]);
      await store.write([
        row(state('@a:test', { statusMsg: 'second' }), 2),
        row(state('@a:test', { statusMsg: null }), 3),
      ]);
      assert.deepEqual(await everything(store), [stored(state('@a:test'), 3)]);
      await store.write(Array.from({ length: 120 }, (_, index) => row(state('@a:test'), 4 + index)));
      assert.deepEqual(await everything(store), [stored(state('@a:test'), 123)]);
    });

    test('takes every text a client may send', async (store, later) => {
      const texts = [
        '',
        '"\\\'%_',
        'a\0b',
        'line\nline\r\u2028',
        '😀 مرحبا',
        'x'.repeat(65_536),
        '-- ; DROP TABLE presence',
      ];
      await store.write(texts.map((statusMsg, index) => row(state(`@u${index}:test`, { statusMsg }), index + 1)));
      const rows = (await everything(await later())).sort((a, b) => a.position - b.position);
      assert.deepEqual(
        rows.map((row) => row.state.statusMsg),
        texts,
      );
    });

    test('a text that is not Unicode costs at most that text', async (store) => {
      await store.write([row(state('@a:test', { statusMsg: 'half \ud83d pair' }), 1)]);
      const [only] = await everything(store);
      assert.ok(only?.state.statusMsg?.startsWith('half '));
    });

    test('many rows come back complete', async (store, later) => {
      const count = 6_007;
      await store.write(Array.from({ length: count }, (_, index) => row(state(`@user${index}:test`), index + 1)));
      const rows = await everything(await later());
      assert.equal(rows.length, count);
      assert.equal(new Set(rows.map((row) => row.state.userId)).size, count);
      assert.equal(
        rows.reduce((sum, row) => sum + row.position, 0),
        (count * (count + 1)) / 2,
      );
    });

    test('kept answers stay when the state changes, and are replaced as a whole', async (store, later) => {
      await store.write([row(state('@a:test'), 1), row(state('@b:test'), 2)]);
      await store.writeRouted([
        { userId: '@a:test', routedTo: ['@x:test', '@y:elsewhere.example'], routedPosition: 3 },
        { userId: '@b:test', routedTo: ['@x:test'], routedPosition: 4 },
        { userId: '@stranger:test', routedTo: ['@x:test'], routedPosition: 5 },
      ]);
      await store.write([row(state('@a:test', { state: 'unavailable' }), 6)]);
      assert.deepEqual(await everything(store), [
        stored(state('@a:test', { state: 'unavailable' }), 6, ['@x:test', '@y:elsewhere.example'], 3),
        stored(state('@b:test'), 2, ['@x:test'], 4),
      ]);
      await store.writeRouted([
        { userId: '@a:test', routedTo: ['@z:test'], routedPosition: 7 },
        { userId: '@b:test', routedTo: [], routedPosition: 0 },
      ]);
      assert.deepEqual(await everything(await later()), [
        stored(state('@a:test', { state: 'unavailable' }), 6, ['@z:test'], 7),
        stored(state('@b:test'), 2),
      ]);
    });

    test('kept answers that are given again move to a new position; users without one are ignored', async (store, later) => {
      await store.write([row(state('@a:test'), 1), row(state('@b:test'), 2), row(state('@c:test'), 3)]);
      await store.writeRouted([
        { userId: '@a:test', routedTo: ['@x:test', '@y:test'], routedPosition: 4 },
        { userId: '@b:test', routedTo: ['@x:test'], routedPosition: 5 },
      ]);
      await store.moveRouted(new Map());
      await store.moveRouted(new Map([['@b:test', 6]]));
      await store.moveRouted(
        new Map([
          ['@a:test', 8],
          ['@b:test', 9],
          ['@c:test', 10],
          ['@stranger:test', 11],
        ]),
      );
      assert.deepEqual(await everything(await later()), [
        stored(state('@a:test'), 1, ['@x:test', '@y:test'], 8),
        stored(state('@b:test'), 2, ['@x:test'], 9),
        stored(state('@c:test'), 3),
      ]);
    });

    test('the ceiling only rises', async (store, later) => {
      await store.reservePositions(1_000);
      await store.reservePositions(500);
      assert.equal(await store.positionCeiling(), 1_000);
      await store.reservePositions(2_000);
      assert.equal(await (await later()).positionCeiling(), 2_000);
    });

    test('marks are set, replaced and survive', async (store, later) => {
      await store.writeFullPresenceMarks(
        new Map<UserId, number>([
          ['@a:test', 5],
          ['@b:test', 5],
        ]),
      );
      await store.writeFullPresenceMarks(new Map<UserId, number>([['@b:test', 9]]));
      const marks = await (await later()).loadFullPresenceMarks();
      assert.deepEqual(
        [...marks].sort(([a], [b]) => (a < b ? -1 : 1)),
        [
          ['@a:test', 5],
          ['@b:test', 9],
        ],
      );
    });

    test('removing forgets row, kept answer and mark, and only theirs', async (store, later) => {
      await store.write([row(state('@a:test'), 1), row(state('@b:test'), 2)]);
      await store.writeRouted([{ userId: '@a:test', routedTo: ['@b:test'], routedPosition: 3 }]);
      await store.writeFullPresenceMarks(
        new Map<UserId, number>([
          ['@a:test', 3],
          ['@b:test', 3],
        ]),
      );
      await store.remove(['@a:test', '@stranger:test']);
      await store.write([row(state('@a:test'), 4)]);
      const reopened = await later();
      assert.deepEqual(await everything(reopened), [stored(state('@a:test'), 4), stored(state('@b:test'), 2)]);
      assert.deepEqual([...(await reopened.loadFullPresenceMarks())], [['@b:test', 3]]);
    });

    test('writes that are not awaited are applied in call order', async (store) => {
      const writes = Array.from({ length: 20 }, (_, index) => store.write([row(state('@a:test'), index + 1)]));
      await Promise.all([...writes, store.remove(['@b:test']), store.write([row(state('@b:test'), 21)])]);
      assert.deepEqual(
        (await everything(store)).map((row) => row.position),
        [20, 21],
      );
    });
  });
}

async function everything(store: PresenceStore): Promise<StoredPresence[]> {
  const rows: StoredPresence[] = [];
  for await (const batch of store.loadAll()) rows.push(...batch);
  return rows.sort((a, b) => (a.state.userId < b.state.userId ? -1 : 1));
}

function state(userId: UserId, fields: Partial<UserPresenceState> = {}): UserPresenceState {
  return {
    userId,
    state: 'online',
    lastActiveTs: 0,
    lastFederationUpdateTs: 0,
    lastUserSyncTs: 0,
    statusMsg: null,
    currentlyActive: false,
    ...fields,
  };
}

function row(state: UserPresenceState, position: number): { state: UserPresenceState; position: number } {
  return { state, position };
}

function stored(
  state: UserPresenceState,
  position: number,
  routedTo: readonly UserId[] = [],
  routedPosition = 0,
): StoredPresence {
  return { state, position, routedTo, routedPosition };
}
