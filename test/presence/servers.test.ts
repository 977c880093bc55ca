import { describe, expect, it } from 'vitest';
import type { RoutingAnswer } from '../../src/core/engine-api.ts';
import type { ServerName, UserId } from '../../src/matrix/identifiers.ts';
import { DEFAULT_TIMERS } from '../../src/presence/index.ts';
import { later, Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const FAR = '@far:island';
const ROOM = '!room:test';
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** What left since the last call, as `server: user status`, in order. */
function sent(rig: Rig): string[] {
  const told = rig.federation.sent.flatMap(({ destination, states }) =>
    states.map(({ userId, state, statusMsg }) => `${destination}: ${userId} ${statusMsg ?? state}`),
  );
  rig.federation.clear();
  return told;
}

describe('one update and the servers it goes to', () => {
  it('row 210: a server gets it once, in however many rooms and by however many users', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, FAR, '@other:island', '@r:mainland');
    rig.rooms.join('!two:test', ALICE, FAR, '@r:mainland');
    rig.rooms.join('!three:island', ALICE, '@third:island');
    await rig.put(ALICE, 'online');
    expect(sent(rig).sort()).toEqual([`island: ${ALICE} online`, `mainland: ${ALICE} online`]);
  });

  it('row 210: also when routers name its users, several of them, known or not', async () => {
    const router = new StubRouter();
    router.route = (states) =>
      new Map(states.map(({ userId }) => [userId, [FAR, '@x:island', '@a:mainland', '@b:mainland', '@q:third:8448']]));
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, FAR);
    rig.rooms.join('!two:test', ALICE, '@q:third:8448');
    await rig.put(ALICE, 'online');
    await rig.settle();
    expect(sent(rig).sort()).toEqual([
      `island: ${ALICE} online`,
      `mainland: ${ALICE} online`,
      `third:8448: ${ALICE} online`,
    ]);
  });

  it('a state that changes between publishing and routing: everybody ends with the newest, in order', async () => {
    const router = new StubRouter();
    const answers: ((answer: RoutingAnswer) => void)[] = [];
    router.route = () => {
      const { promise, resolve } = later<RoutingAnswer>();
      answers.push(resolve);
      return promise;
    };
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, FAR);
    const routed = new Map<UserId, UserId[]>([[ALICE, ['@p:mainland', '@x:island']]]);
    await rig.put(ALICE, 'online', 'one');
    await rig.put(ALICE, 'online', 'two');
    await rig.put(ALICE, 'online', 'three');
    expect(sent(rig)).toEqual([`island: ${ALICE} one`, `island: ${ALICE} two`, `island: ${ALICE} three`]);
    answers[0]?.(routed);
    await rig.settle();
    answers[1]?.(routed);
    await rig.settle();
    expect(sent(rig)).toEqual([`mainland: ${ALICE} one`, `mainland: ${ALICE} three`]);
    expect(answers.length).toBe(2);
  });

  it('a server that comes into a room while the routers think has the update from its join, and not twice', async () => {
    const router = new StubRouter();
    const { promise, resolve } = later<RoutingAnswer>();
    router.route = () => promise;
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE);
    await rig.put(ALICE, 'online');
    rig.rooms.join(ROOM, FAR);
    await rig.settle();
    resolve(new Map([[ALICE, [FAR, '@x:island']]]));
    await rig.settle();
    expect(sent(rig)).toEqual([`island: ${ALICE} online`]);
  });

  it('row 94: users of our own are never a reason to send, whether we know them or not; targets elsewhere cost no memory', async () => {
    const router = new StubRouter();
    router.route = () =>
      new Map([
        [ALICE, [BOB, '@unknown:test', ALICE, ...Array.from({ length: 500 }, (_, n): UserId => `@u${n}:island`)]],
      ]);
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.settle();
    expect(sent(rig)).toEqual([`island: ${ALICE} online`]);
    expect(rig.metrics.value('synapse_handlers_presence_user_to_current_state_size')).toBe(3);
  });

  it('row 220: what other servers say of their users is routed, and never sent on', async () => {
    const router = new StubRouter();
    router.route = (states) => new Map(states.map(({ userId }) => [userId, [BOB, '@p:mainland']]));
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, BOB, FAR, '@r:mainland');
    await rig.settle();
    sent(rig);
    const entry = { userId: FAR, state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true } as const;
    await rig.handler.receiveRemote('island', [entry]);
    await rig.advance(40 * MINUTE);
    expect(rig.status(FAR)['presence']).toBe('offline');
    expect(sent(rig)).toEqual([]);
  });
});

/** Minutes between any two sendings of a user to a server, the longest. */
function longestPauseMs(times: ReadonlyMap<string, readonly number[]>): number {
  let longest = 0;
  for (const list of times.values()) {
    for (let index = 1; index < list.length; index++) {
      longest = Math.max(longest, (list[index] ?? 0) - (list[index - 1] ?? 0));
    }
  }
  return longest;
}

describe('keep-alives', () => {
  it('row 218: every server hears of whoever is online at least every 26 minutes, for hours, without a spike', async () => {
    const users = Array.from({ length: 450 }, (_, index): UserId => `@u${index}:test`);
    const router = new StubRouter();
    router.route = (states) => new Map(states.map(({ userId }) => [userId, ['@p:mainland']]));
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ...users, FAR);
    await rig.handler.setPresenceForUsers(
      new Map(users.map((userId) => [userId, { state: 'online', ttlMs: 24 * 60 * MINUTE }])),
    );
    await rig.settle();
    const times = new Map<string, number[]>();
    const asked = (): number => router.batches.reduce((sum, batch) => sum + batch.length, 0);
    let peak = 0;
    const note = (): void => {
      for (const { destination, states } of rig.federation.sent) {
        if (destination === 'island') peak = Math.max(peak, states.length);
        for (const { userId } of states) {
          const key = `${destination} ${userId}`;
          const list = times.get(key);
          if (list === undefined) times.set(key, [rig.clock.now()]);
          else list.push(rig.clock.now());
        }
      }
      rig.federation.clear();
    };
    note();
    peak = 0;
    const before = asked();
    const until = rig.clock.now() + 4 * 60 * MINUTE;
    while (rig.clock.now() < until) {
      await rig.advance(5 * SECOND);
      note();
    }
    for (const server of ['island', 'mainland'] satisfies ServerName[]) {
      for (const userId of users) expect(times.get(`${server} ${userId}`)?.length).toBe(10);
    }
    // The transport may hold them for three minutes: 29 is the most, and a peer waits for 30.
    expect(longestPauseMs(times)).toBeGreaterThanOrEqual(25 * MINUTE);
    expect(longestPauseMs(times)).toBeLessThanOrEqual(25 * MINUTE + 50 * SECOND);
    expect(peak).toBeLessThanOrEqual(users.length / 7);
    // Once for each keep-alive, and not for each tick.
    expect(asked() - before).toBe(9 * users.length);
  }, 60_000);

  it('row 218: nothing is sent, counted or written for it while there is nobody to tell', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB);
    await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'unavailable', ttlMs: 24 * 60 * MINUTE }]]));
    await rig.advance(2 * MINUTE);
    const writes: unknown[] = [];
    const write = rig.store.write.bind(rig.store);
    rig.store.write = (rows) => {
      writes.push(...rows);
      return write(rows);
    };
    await rig.advance(60 * MINUTE);
    expect([sent(rig), writes]).toEqual([[], []]);
    expect(rig.metrics.value('synapse_handler_presence_federation_presence_out')).toBe(0);
    // Somebody comes: told at once, and kept alive from then on.
    rig.rooms.join(ROOM, FAR);
    await rig.advance(26 * MINUTE);
    expect(sent(rig)).toEqual([`island: ${ALICE} unavailable`, `island: ${ALICE} unavailable`]);
  });

  it('a keep-alive that the routers answer after a newer update is dropped: its servers get the update', async () => {
    const timers = { ...DEFAULT_TIMERS, federationPingIntervalMs: 100 * SECOND };
    const router = new StubRouter();
    router.route = () => new Map([[ALICE, [FAR]]]);
    const rig = await Rig.start({ router, timers });
    await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'unavailable', statusMsg: 'old' }]]));
    await rig.advance(90 * SECOND);
    expect(sent(rig)).toEqual([`island: ${ALICE} old`]);
    const { promise, resolve } = later<RoutingAnswer>();
    router.route = () => promise;
    await rig.advance(15 * SECOND);
    await rig.put(ALICE, 'online', 'new');
    router.route = () => new Map([[ALICE, [FAR]]]);
    resolve(new Map([[ALICE, [FAR]]]));
    await rig.settle();
    expect(sent(rig)).toEqual([`island: ${ALICE} new`]);
    expect(rig.federation.keptAlive).toEqual([]);
  });
});
