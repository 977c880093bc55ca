/**
 * What joins tell other servers, taken from real sockets by servers that check signatures: rows K of the behaviour table.
 *
 * Rooms with members of other servers exist in the room directory in memory only.
 */
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type FakeServer, startFakeServer } from '../support/fake-server.ts';
import { type FederationNet, startFederationNet } from '../support/federation-net.ts';
import { type RoomServer, startRoomServer, toldTo } from '../support/room-server.ts';
import type { TestUser } from '../support/test-client.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const EXCLUDED = '!excluded:us';
const T1 = '@t1:us';
const T2 = '@t2:us';
const ALICE = '@alice:server2';
const BOB = '@bob:server3';

let net: FederationNet;
let server: RoomServer;
let server2: FakeServer;
let server3: FakeServer;
let marker: TestUser;
/** A room of its own for each test. */
let room: `!${string}:${string}`;
let tests = 0;

beforeAll(async () => {
  net = await startFederationNet();
  [server2, server3] = await Promise.all([startFakeServer(net, 'server2'), startFakeServer(net, 'server3')]);
  server = await startRoomServer(net, { config: { exclude_rooms_from_presence: [EXCLUDED] } });
  const [, t2, other] = await Promise.all(['t1', 't2', 'marker'].map((name) => server.register(name)));
  if (t2 === undefined || other === undefined) throw new Error('no users');
  marker = other;
  server.rooms.join('!marker:us', '@marker:us', '@m:server2', '@m:server3');
  await t2.setPresence('online', 'here');
});
afterAll(async () => {
  for (const thing of [server2, server3, server, net]) await thing[Symbol.asyncDispose]();
});
beforeEach(async () => {
  room = `!room${(tests += 1)}:us`;
  await told();
});

/** What the servers have been told since the last call, but for the mark that tells that it is all. */
async function told(): Promise<{ readonly server2: readonly string[]; readonly server3: readonly string[] }> {
  const label = `mark ${Math.random()}`;
  await marker.setPresence('online', label);
  const both = [server2, server3];
  await until(() => both.every(({ entries }) => entries.some(({ status_msg }) => status_msg === label)));
  expect(both.every(({ transactions }) => transactions.every(({ isSigned }) => isSigned))).toBe(true);
  const [two = [], three = []] = both.map((each) => toldTo(each).filter((entry) => !entry.startsWith('@marker:us')));
  for (const each of both) each.clear();
  return { server2: two, server3: three };
}

it('rows 222, 223: a server whose first user joins gets who is there, only that server, and nobody who never was online', async () => {
  server.rooms.join(room, T1, T2);
  expect(await told()).toEqual({ server2: [], server3: [] });
  server.rooms.join(room, ALICE);
  expect(await told()).toEqual({ server2: [`${T2} online here`], server3: [] });
  server.rooms.join(room, BOB);
  expect(await told()).toEqual({ server2: [], server3: [`${T2} online here`] });
});

it('row 224: a local user who joins goes to all servers in the room, and nobody else does', async () => {
  server.rooms.join(room, ALICE, '@alice2:server2', BOB);
  expect(await told()).toEqual({ server2: [], server3: [] });
  server.rooms.join(room, T2);
  expect(await told()).toEqual({ server2: [`${T2} online here`], server3: [`${T2} online here`] });
});

it('rows 226, 227: a second user of a server that is there, and a join of somebody who is joined, tell nothing', async () => {
  server.rooms.join(room, T2, ALICE);
  expect(await told()).toEqual({ server2: [`${T2} online here`], server3: [] });
  server.rooms.join(room, '@alice2:server2');
  server.rooms.join(room, ALICE, T2);
  expect(await told()).toEqual({ server2: [], server3: [] });
});

it('row 229: of a room that is new here, every server gets our user', async () => {
  server.rooms.join('!elsewhere:server2', ALICE, '@alice2:server2', BOB, T2);
  expect(await told()).toEqual({ server2: [`${T2} online here`], server3: [`${T2} online here`] });
});

it('row 230: of a user who never was online nothing is told', async () => {
  server.rooms.join(room, ALICE, BOB);
  server.rooms.join(room, T1);
  expect(await told()).toEqual({ server2: [], server3: [] });
});

it('row 231: nothing is told for an excluded room', async () => {
  server.rooms.join(EXCLUDED, T2, ALICE);
  server.rooms.join(EXCLUDED, BOB);
  expect(await told()).toEqual({ server2: [], server3: [] });
});

it('rows 203, 232: untracked, joins tell nothing, and what servers send is answered and ignored', async () => {
  await using othernet = await startFederationNet();
  await using peer = await startFakeServer(othernet, 'server2');
  await using untracked = await startRoomServer(othernet, { config: { presence: { enabled: 'untracked' } } });
  const t2 = await untracked.register('t2');
  await t2.setPresence('online', 'here');
  untracked.rooms.join(room, T2);
  untracked.rooms.join(room, ALICE);
  const push = [{ user_id: ALICE, presence: 'online', currently_active: true }];
  expect(await peer.push('us', push)).toEqual({ status: 200, body: { pdus: {} } });
  expect((await t2.getPresence(ALICE)).body).toEqual({ presence: 'offline' });
  for (const series of [
    'synapse_federation_transaction_queue_pending_destinations{server_name="us"}',
    'thalamus_federation_open_transactions',
    'thalamus_federation_sent_states_total',
  ]) {
    expect(await untracked.metric(series)).toBe(0);
  }
  expect(peer.transactions).toEqual([]);
});
