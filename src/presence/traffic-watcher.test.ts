import { describe, expect, it } from 'vitest';
import type { UserId } from '../matrix/identifiers.ts';
import type { ToldUpdate, TrafficTap } from '../ports/traffic-tap.ts';
import { createTestServer, prepareModules } from '../testing/test-server.ts';
import type { ModuleUnderTest } from '../testing/module-harness.ts';

const alice: UserId = '@alice:test';
const bob: UserId = '@bob:test';
const carol: UserId = '@carol:test';
const LOOK = { setPresence: 'offline', explicit: false, rateLimited: false } as const;

async function start(module: ModuleUnderTest) {
  const told: ToldUpdate[] = [];
  const events: string[] = [];
  const tap: TrafficTap = {
    begin: (read) => events.push(`begin with ${[...read().rooms].length} rooms`),
    joined: (roomId, userId) => events.push(`${userId} joined ${roomId}`),
    left: (roomId, userId) => events.push(`${userId} left ${roomId}`),
    connected: (userId) => events.push(`${userId} connected`),
    disconnected: (userId) => events.push(`${userId} disconnected`),
    told: (update) => told.push(update),
  };
  const server = createTestServer('test', {}, { tap });
  await server.presence.start();
  await server.host.construct(await prepareModules(module, {}), {
    serverName: 'test',
    publicBaseurl: null,
    workerName: null,
    runsBackgroundTasks: true,
    presence: server.presence,
    accounts: null,
  });
  return { ...server, told, events };
}

describe('the traffic watcher', () => {
  it('tells of an update when the routers have answered it, and leaves out what was overtaken before', async () => {
    const answers: (() => void)[] = [];
    const { presence, clock, told } = await start({
      getUsersForStates: (states: readonly { userId: UserId; state: string }[]) =>
        new Promise((resolve) => {
          answers.push(() => resolve(new Map([[carol, states.filter(({ state }) => state === 'online')]])));
        }),
      getInterestedUsers: () => [],
    });
    const session = await presence.beginSync(carol, 'D', LOOK);
    const answer = async (): Promise<void> => {
      answers.shift()?.();
      await clock.settle();
    };
    await presence.setPresence(bob, 'D', 'online', null);
    await clock.settle();
    expect(told).toEqual([]);
    await answer();
    expect(told.map(({ state, users }) => [state, users.byModules])).toEqual([['online', [carol]]]);

    await presence.setPresence(bob, 'D', 'unavailable', null);
    await clock.settle();
    await presence.setPresence(bob, 'D', 'online', null);
    await presence.setPresence(bob, 'D', 'unavailable', 'back later');
    await clock.settle();
    await answer();
    expect(told).toHaveLength(1);
    await answer();
    expect(told.map(({ state, users }) => [state, users.byModules])).toEqual([
      ['online', [carol]],
      ['unavailable', []],
    ]);
    expect(JSON.stringify(told)).not.toContain('back later');
    session.end();
    await presence.stop();
  });

  it('waits until modules have said who must not get it, but not for ever', async () => {
    const { presence, clock, directory, told } = await start({
      setup: (_config: never, api: { registerPresenceRouterCallbacks(callbacks: unknown): void }) => {
        api.registerPresenceRouterCallbacks({ getRestrictions: () => new Promise(() => undefined) });
      },
    });
    directory.join('!r:test', alice, bob);
    const session = presence.beginSync(alice, 'D', LOOK);
    await clock.advance(3_000);
    await presence.setPresence(bob, 'D', 'online', null);
    await clock.settle();
    expect(told).toEqual([]);
    await clock.advance(20_000);
    expect(told).toMatchObject([{ userId: bob, users: { byRooms: [], withheld: [alice] } }]);
    (await session).end();
    await presence.stop();
  });

  it('tells who comes and goes, each once, and nobody of an observer about themself', async () => {
    const { presence, clock, directory, told, events } = await start({});
    directory.join('!r:test', alice, bob);
    directory.leave('!r:test', bob);
    directory.join('!r:test', bob);
    for (const userId of [alice, alice, bob]) (await presence.beginSync(userId, 'D', LOOK)).end();
    await presence.setPresence(bob, 'D', 'online', null);
    await clock.settle();
    expect(told).toMatchObject([{ userId: bob, users: { byRooms: [alice], byModules: [], withheld: [] } }]);
    await clock.advance(120_000);
    expect(events).toEqual([
      'begin with 0 rooms',
      '@alice:test joined !r:test',
      '@bob:test joined !r:test',
      '@bob:test left !r:test',
      '@bob:test joined !r:test',
      '@alice:test connected',
      '@bob:test connected',
      '@alice:test disconnected',
      '@bob:test disconnected',
    ]);
    await presence.stop();
  });
});
