import { describe, expect, it } from 'vitest';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const CAROL = '@carol:test';
const FAR = '@far:island';

describe('invalidateUsersForStates', () => {
  it('replaces what is kept with the last update: who is not named any more sees nothing, who is named does', async () => {
    const router = new StubRouter();
    let targets: UserId[] = [BOB];
    router.route = (states) => new Map(states.map(({ userId }) => [userId, targets]));
    const rig = await Rig.start({ router });
    const carol = await rig.client(CAROL).watch();
    await rig.put(ALICE, 'online', 'hello');
    expect(await rig.sees(BOB, ALICE)).toBe(true);

    targets = [CAROL];
    rig.handler.invalidateUsersForStates([ALICE]);
    await rig.settle();
    expect(await rig.sees(BOB, ALICE)).toBe(false);
    expect(await rig.sees(CAROL, ALICE)).toBe(true);
    expect(carol.statesOf(ALICE)).toEqual(['online']);
  });

  it('sends the present to servers of other users who are named from now on', async () => {
    const router = new StubRouter();
    let targets: UserId[] = [];
    router.route = (states) => new Map(states.map(({ userId }) => [userId, targets]));
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'unavailable', 'at lunch');
    targets = [FAR];
    rig.handler.invalidateUsersForStates([ALICE, BOB, '@nobody:test']);
    await rig.settle();
    expect(rig.federation.sent).toMatchObject([
      { destination: 'island', states: [{ userId: ALICE, state: 'unavailable', statusMsg: 'at lunch' }] },
    ]);
  });

  it('asks about a few hundred at a time, and about nobody of whom nothing was ever told', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router });
    const users = Array.from({ length: 1_200 }, (_, n): UserId => `@u${n}:test`);
    await rig.handler.setPresenceForUsers(new Map(users.map((userId) => [userId, { state: 'online' }])));
    await rig.settle();
    router.batches.length = 0;
    rig.handler.invalidateUsersForStates([...users, '@nobody:test']);
    await rig.settle();
    expect(router.batches.flat().map(({ userId }) => userId)).toEqual(users);
    expect(Math.max(...router.batches.map(({ length }) => length))).toBeLessThanOrEqual(1_000);
    expect(() => rig.handler.invalidateUsersForStates(['alice' as UserId])).toThrow('"alice" is not a user id');
  });

  it('does nothing once the service has stopped, or where presence is disabled', async () => {
    const router = StubRouter.connecting({ [ALICE]: [BOB] });
    const rig = await Rig.start({ router, mode: 'disabled' });
    rig.handler.invalidateUsersForStates([ALICE]);
    await rig.settle();
    expect(router.batches).toEqual([]);
    await rig.handler.stop();
    rig.handler.invalidateUsersForStates([ALICE]);
  });
});
