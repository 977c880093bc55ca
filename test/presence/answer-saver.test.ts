import { describe, expect, it } from 'vitest';
import { MemoryPresenceStore } from '../../src/adapters/memory/index.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { Rig, StubRouter, UnreliableStore } from './rig.ts';

const ALICE = '@alice:test';
const CAROL = '@carol:test';
const BOB = '@bob:test';

async function start(watched: readonly UserId[] = [ALICE]) {
  const store = new UnreliableStore(new MemoryPresenceStore());
  store.error = new Error('full');
  const router = new StubRouter();
  router.route = (states) =>
    new Map(states.filter(({ userId }) => watched.includes(userId)).map(({ userId }) => [userId, [BOB]]));
  const rig = await Rig.start({ store, router });
  const calls = (operation: 'writeRouted' | 'moveRouted') => store.calls.filter((call) => call === operation).length;
  /** What a process that starts now would find: the answer, and whether it is for the newest update. */
  const found = async (userId: UserId = ALICE) => {
    for await (const rows of store.inner.loadAll()) {
      const row = rows.find(({ state }) => state.userId === userId);
      if (row !== undefined) return { routedTo: row.routedTo, isNewest: row.routedPosition > row.position };
    }
    throw new Error(`no row for ${userId}`);
  };
  return { store, router, rig, calls, found };
}

describe('an answer that names the same users again', () => {
  it('is not written again: only its position is, at once if none was lately', async () => {
    const { rig, calls, found } = await start();
    await rig.put(ALICE, 'online', 'one');
    await rig.put(ALICE, 'online', 'two');
    await rig.settle();
    expect([calls('writeRouted'), calls('moveRouted')]).toEqual([1, 1]);
    expect(await found()).toEqual({ routedTo: [BOB], isNewest: true });
  });

  it('waits for others after that, 100 ms at most', async () => {
    const { rig, calls, found } = await start([ALICE, CAROL]);
    await rig.put(CAROL, 'online', 'one');
    for (let i = 0; i < 10; i += 1) await rig.put(ALICE, 'online', `${i}`);
    await rig.put(CAROL, 'online', 'two');
    await rig.settle();
    expect([calls('writeRouted'), calls('moveRouted')]).toEqual([2, 1]);
    expect(await found()).toMatchObject({ isNewest: false });
    await rig.advance(100);
    expect([calls('writeRouted'), calls('moveRouted')]).toEqual([2, 2]);
    expect(await found()).toEqual({ routedTo: [BOB], isNewest: true });
    expect(await found(CAROL)).toEqual({ routedTo: [BOB], isNewest: true });
  });

  it('is saved at the end', async () => {
    const { rig, found } = await start();
    for (let i = 0; i < 10; i += 1) await rig.put(ALICE, 'online', `${i}`);
    expect(await found()).toMatchObject({ isNewest: false });
    await rig.handler.stop();
    expect(await found()).toMatchObject({ isNewest: true });
    expect(rig.clock.pendingTimers).toBe(0);
  });

  it('is written whole while the answer before could not be saved', async () => {
    const { store, rig, calls, found } = await start();
    store.failing.add('writeRouted');
    await rig.put(ALICE, 'online', 'one');
    await rig.put(ALICE, 'online', 'two');
    store.failing.clear();
    await rig.advance(1_500);
    expect(calls('moveRouted')).toBe(0);
    expect(await found()).toEqual({ routedTo: [BOB], isNewest: true });
  });

  it('is tried again when its position could not be saved', async () => {
    const { store, rig, found } = await start();
    await rig.put(ALICE, 'online', 'one');
    store.failing.add('moveRouted');
    await rig.put(ALICE, 'online', 'two');
    await rig.settle();
    store.failing.clear();
    expect(await found()).toMatchObject({ isNewest: false });
    await rig.advance(1_000);
    expect(await found()).toMatchObject({ isNewest: true });
  });

  it('gives way to an answer that names others, which is written at once', async () => {
    const { router, rig, found } = await start();
    for (let i = 0; i < 3; i += 1) await rig.put(ALICE, 'online', `${i}`);
    router.route = () => new Map([[ALICE, ['@x:test']]] as const);
    await rig.put(ALICE, 'online', 'for x');
    await rig.settle();
    expect(await found()).toEqual({ routedTo: ['@x:test'], isNewest: true });
    await rig.advance(200);
    expect(await found()).toEqual({ routedTo: ['@x:test'], isNewest: true });
  });
});
