/**
 * Full control between servers, on real sockets: a server that a module keeps from somebody gets nothing of them, in no transaction, but one
 * last offline when it loses them; what a module hides is not in what is sent.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeServer, type PushEntry, startFakeServer } from '../support/fake-server.ts';
import { type FederationNet, startFederationNet } from '../support/federation-net.ts';
import { restrictingModule, type RulesRequest } from '../support/restricting-module.ts';
import { type RoomServer, startRoomServer } from '../support/room-server.ts';
import { startTestServer, type TestServer } from '../support/start-test-server.ts';
import type { ClientHelpers, TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';
import { watchPresence } from '../support/watch-presence.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ALICE = '@alice:us';
const CALM = { presence: { last_active_granularity: '30m', sync_online_timeout: '1h', idle_timeout: '1h' } };

let net: FederationNet;
beforeAll(async () => {
  net = await startFederationNet();
});
afterAll(() => net[Symbol.asyncDispose]());

async function change(server: ClientHelpers, body: RulesRequest): Promise<void> {
  const { status } = await server.request('POST', '/_rules', { body });
  if (status !== 200) throw new Error(`the module answered ${status}`);
}

describe('a server that is denied somebody', () => {
  let r1: FakeServer;
  let r2: FakeServer;
  let server: RoomServer;
  let alice: TestUser;
  let marker: TestUser;
  let marks = 0;

  beforeAll(async () => {
    [r1, r2] = await Promise.all([startFakeServer(net, 'r1'), startFakeServer(net, 'r2')]);
    server = await startRoomServer(net, {
      modules: [restrictingModule({ rules: {}, routes: { '@routed:us': ['@q:r1', '@q:r2'] } })],
      config: CALM,
    });
    [alice, marker] = await Promise.all([server.register('alice'), server.register('marker')]);
    server.rooms.join('!marker:us', '@marker:us', '@m:r1', '@m:r2');
  });
  afterAll(async () => {
    await server.stop();
    for (const fake of [r1, r2]) await fake[Symbol.asyncDispose]();
  });

  /** What was to be told before has been told when this is. */
  async function mark(): Promise<void> {
    const label = `mark ${(marks += 1)}`;
    await marker.setPresence('online', label);
    await until(() => [r1, r2].every(({ entries }) => entries.some(({ status_msg: text }) => text === label)));
  }

  const about = (fake: FakeServer, userId: string): PushEntry[] =>
    fake.transactions.flatMap(({ pushes }) => pushes.flat()).filter(({ user_id: id }) => id === userId);

  beforeEach(async () => {
    server.rooms.leave('!room:us', '@alice:us', '@q:r1', '@q:r2');
    await alice.setPresence('offline');
    await change(server, { rules: { [ALICE]: null, '@routed:us': null }, invalidate: true });
    await mark();
    r1.clear();
    r2.clear();
  });

  it('gets nothing of them live, when somebody joins, or as a keep-alive, while another one does', async () => {
    await change(server, { rules: { [ALICE]: { r1: 'deny' } }, invalidate: [ALICE] });
    await alice.setPresence('online', 'secret');
    server.rooms.join('!room:us', '@alice:us', '@q:r1', '@q:r2');
    await mark();
    await alice.setPresence('unavailable', 'another secret');
    await mark();
    expect(about(r1, ALICE)).toEqual([]);
    expect(about(r2, ALICE).map(({ presence }) => presence)).toEqual(['online', 'unavailable']);
    expect(about(r2, ALICE).at(-1)).toMatchObject({ status_msg: 'another secret' });
  });

  it('gets what is not hidden', async () => {
    const rules = {
      [ALICE]: { r1: { hide: ['status_msg', 'last_active_ago', 'currently_active'] }, r2: 'offline' },
    } as const;
    await change(server, { rules, invalidate: [ALICE] });
    server.rooms.join('!room:us', '@alice:us', '@q:r1', '@q:r2');
    await alice.setPresence('online', 'secret');
    await mark();
    // Only what is hidden changes: there is nothing to tell.
    await alice.setPresence('online', 'more of it');
    await mark();
    // By the specification `false` says as much as nothing.
    expect(about(r1, ALICE)).toEqual([{ user_id: ALICE, presence: 'online', currently_active: false }]);
    expect(about(r2, ALICE)).toEqual([]);
  });

  it('is told one last offline when it loses them, and the current state when they are given back', async () => {
    server.rooms.join('!room:us', '@alice:us', '@q:r1');
    await alice.setPresence('online', 'before');
    await until(() => about(r1, ALICE).length > 0);
    await change(server, { rules: { [ALICE]: { r1: 'deny' } }, invalidate: [ALICE] });
    await until(() => about(r1, ALICE).at(-1)?.presence === 'offline');
    await alice.setPresence('unavailable', 'between');
    await mark();
    expect(about(r1, ALICE).slice(1)).toEqual([{ user_id: ALICE, presence: 'offline' }]);
    r1.clear();
    await change(server, { rules: { [ALICE]: null }, invalidate: [ALICE] });
    await until(() => about(r1, ALICE).length > 0);
    await mark();
    expect(about(r1, ALICE)).toMatchObject([{ presence: 'unavailable', status_msg: 'between' }]);
  });

  it('is told one last offline when the last of its users leaves', async () => {
    server.rooms.join('!room:us', '@alice:us', '@q:r1', '@q:r2');
    await alice.setPresence('online', 'before');
    await until(() => about(r1, ALICE).length > 0);
    server.rooms.leave('!room:us', '@q:r1');
    await mark();
    await alice.setPresence('unavailable', 'alone with the other');
    await mark();
    expect(about(r1, ALICE).slice(1)).toEqual([{ user_id: ALICE, presence: 'offline' }]);
    expect(about(r2, ALICE).at(-1)).toMatchObject({ presence: 'unavailable' });
  });

  it('gets nothing of what routers send it, either', async () => {
    const routed = await server.register('routed');
    await change(server, { rules: { [routed.userId]: { r1: 'deny' } }, invalidate: [routed.userId] });
    await routed.setPresence('online', 'routed');
    await until(() => about(r2, routed.userId).length > 0);
    await routed.setPresence('unavailable', 'routed on');
    await until(() => about(r2, routed.userId).length > 1);
    await change(server, { snapshotTo: ['@q:r1', '@q:r2'] });
    await until(() => about(r2, routed.userId).length > 2);
    await mark();
    expect(about(r1, routed.userId)).toEqual([]);
  });

  it('gets nothing when it was away and is owed what it missed', async () => {
    await change(server, { rules: { [ALICE]: { r1: 'deny' } }, invalidate: [ALICE] });
    server.rooms.join('!room:us', '@alice:us', '@q:r1');
    r1.answer = 'refuse';
    await alice.setPresence('online', 'secret');
    await marker.setPresence('online', 'refused');
    await until(() => r1.transactions.some(({ isTaken }) => !isTaken));
    await alice.setPresence('unavailable', 'secret');
    r1.answer = 'take';
    await mark();
    expect(about(r1, ALICE)).toEqual([]);
  });
});

describe('two servers', () => {
  const routes = { '@alice:home': ['@bob:there'] };
  let home: TestServer;
  let there: TestServer;

  beforeAll(async () => {
    const config = { ...CALM, federation_presence: { coalescing_window: 20 } };
    home = await startTestServer(
      await net.server('home', { modules: [restrictingModule({ rules: {}, routes })], config }),
    );
    there = await startTestServer(
      await net.server('there', { modules: [restrictingModule({ rules: {}, routes })], config }),
    );
  });
  afterAll(async () => {
    await Promise.all([home.stop(), there.stop()]);
  });

  it('what is withheld at home, or where it arrives, is not seen by a client there; a loss is seen once', async () => {
    const alice = await home.register('alice');
    const bob = await there.register('bob');
    await using toBob = await watchPresence(bob);
    await alice.setPresence('online', 'hello');
    await toBob.sees(alice.userId, ({ status_msg: text }) => text === 'hello');
    toBob.forget();

    // By the server it comes from: a server is restricted as a whole.
    await change(home, { rules: { [alice.userId]: { there: { hide: ['status_msg'] } } }, invalidate: [alice.userId] });
    await alice.setPresence('unavailable', 'hidden');
    expect(await toBob.sees(alice.userId, ({ presence }) => presence === 'unavailable')).not.toHaveProperty(
      'status_msg',
    );
    await change(home, { rules: { [alice.userId]: { there: 'deny' } }, invalidate: [alice.userId] });
    await toBob.sees(alice.userId, ({ presence }) => presence === 'offline');
    await change(home, { rules: { [alice.userId]: null }, invalidate: [alice.userId] });
    await alice.setPresence('online', 'back');
    await toBob.sees(alice.userId, ({ status_msg: text }) => text === 'back');
    toBob.forget();

    // By the server it comes to: bob alone.
    await change(there, { rules: { [alice.userId]: { [bob.userId]: 'deny' } }, invalidate: [alice.userId] });
    await toBob.sees(alice.userId, ({ presence }) => presence === 'offline');
    await alice.setPresence('unavailable', 'unseen');
    const carol = await there.register('carol');
    await until(async () => (await there.metric('thalamus_federation_received_presence_total')) !== 0);
    await change(there, { rules: { [alice.userId]: null }, invalidate: [alice.userId] });
    await toBob.sees(alice.userId, ({ presence }) => presence === 'unavailable');
    expect(toBob.states(alice.userId).slice(0, 1)).toEqual(['offline']);
    expect((await carol.getPresence(alice.userId)).status).toBe(403);
    expect((await bob.getPresence(alice.userId)).body).toMatchObject({ presence: 'unavailable', status_msg: 'unseen' });
  });
});
