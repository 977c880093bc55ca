import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import type { RoutingAnswer } from '../../src/core/engine-api.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import type { ServerName, UserId } from '../../src/matrix/identifiers.ts';
import { later, Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const CAROL = '@carol:test';
const FAR = '@far:island';
const ROOM = '!room:test';
const MINUTE = 60_000;

/** Everything a destination is owed, as `user state`, sorted; fails when a user comes twice. */
async function owed(rig: Rig, destination: ServerName, sinceTs: number): Promise<string[]> {
  const told: string[] = [];
  const reading = (async () => {
    for await (const states of rig.handler.statesFor(destination, sinceTs)) {
      for (const { userId, state } of states) told.push(`${userId} ${state}`);
    }
  })();
  // It may fail before it is waited for.
  reading.catch(() => undefined);
  // Looked at below.
  reading.catch(() => undefined);
  // Pauses between questions to routers.
  for (let step = 0; step < 50; step++) await rig.advance(10);
  await reading;
  expect(new Set(told.map((line) => line.split(' ')[0])).size).toBe(told.length);
  return told.sort();
}

function sent(rig: Rig): string[] {
  const told = rig.federation.sent.flatMap(({ destination, states }) =>
    states.map(({ userId, state }) => `${destination}: ${userId} ${state}`),
  );
  rig.federation.clear();
  return told.sort();
}

describe('what a server that was away should have', () => {
  it('the present of room mates: who is not offline, and who has gone offline since', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB, CAROL, '@never:test', FAR, '@other:island');
    rig.rooms.join('!without:test', '@elsewhere:test', '@p:mainland');
    for (const userId of [BOB, CAROL, '@elsewhere:test'] as const) await rig.put(userId, 'online');
    await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.put(BOB, 'offline');
    await rig.advance(MINUTE);
    const sinceTs = rig.clock.now();
    await rig.put(CAROL, 'offline', 'bye');
    rig.federation.clear();
    expect(await owed(rig, 'island', sinceTs)).toEqual([`${ALICE} online`, `${CAROL} offline`]);
    expect(await owed(rig, 'island', sinceTs + 1)).toEqual([`${ALICE} online`]);
    expect(await owed(rig, 'island', 0)).toEqual([`${ALICE} online`, `${BOB} offline`, `${CAROL} offline`]);
    expect(await owed(rig, 'nowhere', 0)).toEqual([]);
    expect(await owed(rig, 'test', 0)).toEqual([]);
    expect(sent(rig)).toEqual([]);
  });

  it('nothing by excluded rooms, of users who left, or while presence is untracked', async () => {
    const rig = await Rig.start({ excludedRooms: new Set(['!hall:test']) });
    rig.rooms.join('!hall:test', ALICE, FAR);
    rig.rooms.join(ROOM, BOB, CAROL, FAR);
    for (const userId of [ALICE, BOB, CAROL] as const) await rig.put(userId, 'online');
    rig.rooms.leave(ROOM, CAROL);
    expect(await owed(rig, 'island', 0)).toEqual([`${BOB} online`]);
    rig.rooms.leave(ROOM, FAR);
    expect(await owed(rig, 'island', 0)).toEqual([]);
    const untracked = await Rig.start({ mode: 'untracked' });
    untracked.rooms.join(ROOM, ALICE, FAR);
    await untracked.handler.setPresenceForUsers(new Map([[ALICE, { state: 'online' }]]));
    expect(await owed(untracked, 'island', 0)).toEqual([]);
  });

  it('who is routed to its users, in batches, each user once, with pauses between the questions', async () => {
    const router = new StubRouter();
    const users = Array.from({ length: 1_200 }, (_, index): UserId => `@u${index}:test`);
    router.route = (states) =>
      new Map(
        states
          .filter(({ userId }) => Number(userId.slice(2, userId.indexOf(':'))) % 3 === 0)
          .map(({ userId }) => [userId, [FAR, '@p:mainland', ALICE]]),
      );
    const rig = await Rig.start({ router });
    await rig.handler.setPresenceForUsers(new Map(users.map((userId) => [userId, { state: 'online' }])));
    rig.rooms.join(ROOM, '@u1:test', '@u3:test', FAR);
    await rig.settle();
    router.batches.length = 0;
    const batches: (readonly UserPresenceState[])[] = [];
    const reading = (async () => {
      for await (const states of rig.handler.statesFor('island', 0)) batches.push(states);
    })();
    await rig.settle();
    expect(router.batches.length).toBe(1);
    await rig.advance(200);
    await reading;
    const told = batches.flat().map(({ userId }) => userId);
    expect(told.length).toBe(401);
    expect(new Set(told).size).toBe(401);
    expect(told).toContain('@u1:test');
    for (const batch of router.batches) expect(batch.length).toBeLessThanOrEqual(500);
    for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(500);
  });

  it('servers that come back together share the questions', async () => {
    const router = new StubRouter();
    router.route = (states) => new Map(states.map(({ userId }) => [userId, [FAR, '@p:mainland']]));
    const rig = await Rig.start({ router });
    for (const userId of [ALICE, BOB] as const) await rig.put(userId, 'online');
    await rig.put(BOB, 'offline');
    router.batches.length = 0;
    const told = await Promise.all([
      owed(rig, 'island', 0),
      owed(rig, 'mainland', Infinity),
      owed(rig, 'third', 0),
      owed(rig, 'island', 0),
    ]);
    expect(told).toEqual([
      [`${ALICE} online`, `${BOB} offline`],
      [`${ALICE} online`],
      [],
      [`${ALICE} online`, `${BOB} offline`],
    ]);
    expect(router.batches.length).toBe(1);
    expect((await owed(rig, 'island', 0)).length).toBe(2);
    expect(router.batches.length).toBe(2);
  });

  it('a state that changes while the routers are asked is left to its own update', async () => {
    const router = new StubRouter();
    router.route = (states) => new Map(states.map(({ userId }) => [userId, [FAR]]));
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'online');
    await rig.settle();
    rig.federation.clear();
    const { promise, resolve } = later<void>();
    router.route = async (states) => {
      await promise;
      return new Map(states.map(({ userId }) => [userId, [FAR]]));
    };
    const reading = owed(rig, 'island', 0);
    await rig.settle();
    await rig.put(ALICE, 'unavailable');
    resolve();
    expect(await reading).toEqual([`${BOB} online`]);
    expect(sent(rig)).toEqual([`island: ${ALICE} unavailable`]);
  });

  it('ends with an error when the service stops, also while the routers think: the rest is still owed', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, FAR);
    await rig.put(ALICE, 'online');
    const { promise, resolve } = later<RoutingAnswer>();
    router.route = () => promise;
    const reading = owed(rig, 'island', 0).catch((error: unknown) => String(error));
    await rig.settle();
    await rig.handler.stop();
    resolve(new Map());
    expect(await reading).toContain('the server is stopping');
    await expect(owed(rig, 'island', 0)).rejects.toThrow('the server is stopping');
  });
});

describe('after a restart', () => {
  it('local users who were told of since go to their servers again, by rooms and by routers, and to no client', async () => {
    const router = StubRouter.connecting({ [ALICE]: ['@p:mainland', FAR, BOB], [CAROL]: ['@p:mainland'] });
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, BOB, FAR);
    await rig.put(CAROL, 'online');
    await rig.advance(2 * MINUTE);
    const sinceTs = rig.clock.now();
    await rig.put(BOB, 'offline', 'bye');
    await rig.put(ALICE, 'online');
    await rig.settle();
    const next = await rig.successor();
    const bob = await next.client(BOB).watch();
    bob.seen.length = 0;
    next.handler.resendSince(sinceTs);
    await next.advance(100);
    expect(sent(next)).toEqual([`island: ${ALICE} online`, `island: ${BOB} offline`, `mainland: ${ALICE} online`]);
    expect(next.federation.keptAlive).toEqual([]);
    expect(bob.seen).toEqual([]);
  });

  it('who went offline more than a week ago is no news, even when nothing is known about what was delivered', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB, FAR);
    await rig.put(BOB, 'offline', 'old');
    await rig.advance(MINUTE);
    await rig.put(ALICE, 'offline', 'newer');
    await rig.settle();
    const next = await rig.successor({ clock: new ManualClock(rig.clock.now() + 7 * 24 * 60 * MINUTE) });
    next.handler.resendSince(0);
    await next.settle();
    expect(sent(next)).toEqual([`island: ${ALICE} offline`]);
  });

  it('an update that was told late, after store and routers, is not forgotten; an old one is not repeated', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB, FAR);
    await rig.put(BOB, 'offline', 'old');
    await rig.advance(MINUTE);
    await rig.put(ALICE, 'online');
    await rig.advance(20_000);
    const next = await rig.successor();
    next.handler.resendSince(next.clock.now());
    await next.settle();
    expect(sent(next).map((line) => line.slice(0, line.lastIndexOf(' ')))).toEqual([`island: ${ALICE}`]);
  });
});
