/**
 * Full control over a real server, with a real module file and real clients: what a module withholds reaches nobody on any path, and
 * who loses or gains sight of somebody is told once.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RestrictingConfig, restrictingModule, type RulesRequest } from '../support/restricting-module.ts';
import { registerSdkClient } from '../support/sdk-client.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { startTestServer, type TestServer } from '../support/start-test-server.ts';
import type { ClientHelpers, PresenceContent, TestUser } from '../support/test-client.ts';
import { type PresenceWatcher, watchPresence } from '../support/watch-presence.ts';

/** Nothing but what tests do changes a state. */
const CALM = { presence: { last_active_granularity: '30m', sync_online_timeout: '1h', idle_timeout: '1h' } };

const ALICE = '@alice:test.example';
const CAROL = '@carol:test.example';

function start(config: RestrictingConfig, more: Readonly<Record<string, unknown>> = {}): Promise<TestServer> {
  return startTestServer({ modules: [restrictingModule(config)], config: { ...CALM, ...more } });
}

async function change(server: ClientHelpers, body: RulesRequest): Promise<void> {
  const { status } = await server.request('POST', '/_rules', { body });
  if (status !== 200) throw new Error(`the module answered ${status}`);
}

/** Users by these names who are all in one room. */
async function inOneRoom(
  server: ClientHelpers,
  ...names: readonly string[]
): Promise<{ users: TestUser[]; roomId: string }> {
  const users: TestUser[] = [];
  for (const name of names) users.push(await server.register(name));
  const [first, ...others] = users;
  const roomId = await (first as TestUser).createRoom();
  for (const other of others) await other.join(roomId);
  return { users, roomId };
}

const isOnline = ({ presence }: PresenceContent): boolean => presence === 'online';
const isOffline = ({ presence }: PresenceContent): boolean => presence === 'offline';
const says =
  (text: string) =>
  ({ status_msg: statusMsg }: PresenceContent): boolean =>
    statusMsg === text;

/** Everybody has been told of what happened before: carol, whom nothing is kept of, says something, and all see it. */
async function afterAllThat(carol: TestUser, watchers: readonly PresenceWatcher[]): Promise<void> {
  const text = `now ${Math.random()}`;
  await carol.setPresence('online', text);
  for (const watcher of watchers) await watcher.sees(CAROL, says(text));
}

async function firstSync(user: TestUser): Promise<Map<string, PresenceContent>> {
  const body = await user.sync({ set_presence: 'offline' });
  return eventsOf(body);
}

function eventsOf(body: {
  presence?: { events: { sender: string; content: PresenceContent }[] };
}): Map<string, PresenceContent> {
  return new Map((body.presence?.events ?? []).map(({ sender, content }) => [sender, content]));
}

describe('what a module withholds', () => {
  let server: TestServer;
  let users: TestUser[];
  let roomId: string;
  const [alice, bob, dora, eve, olga, carol] = [0, 1, 2, 3, 4, 5].map((index) => () => users[index] as TestUser) as [
    () => TestUser,
    () => TestUser,
    () => TestUser,
    () => TestUser,
    () => TestUser,
    () => TestUser,
  ];

  beforeAll(async () => {
    server = await start({
      rules: {
        [ALICE]: {
          '@eve:test.example': 'deny',
          '@late-eve:test.example': 'deny',
          '@dora:test.example': { hide: ['status_msg', 'last_active_ago', 'currently_active'] },
          '@olga:test.example': 'offline',
        },
      },
    });
    ({ users, roomId } = await inOneRoom(server, 'alice', 'bob', 'dora', 'eve', 'olga', 'carol'));
  });
  afterAll(() => server.stop());

  it('rows 301, 310, 311: reaches nobody live; who gets less gets the rest', async () => {
    const watchers = await Promise.all([bob(), dora(), eve(), olga()].map((user) => watchPresence(user)));
    const [toBob, toDora, toEve, toOlga] = watchers as [
      PresenceWatcher,
      PresenceWatcher,
      PresenceWatcher,
      PresenceWatcher,
    ];
    await alice().setPresence('online', 'secret');
    await toBob.sees(ALICE, says('secret'));
    await toDora.sees(ALICE, isOnline);
    await alice().setPresence('unavailable', 'another secret');
    await afterAllThat(carol(), watchers);

    expect(toBob.of(ALICE).at(-1)).toMatchObject({ presence: 'unavailable', status_msg: 'another secret' });
    for (const content of toDora.of(ALICE)) expect(Object.keys(content)).toEqual(['presence']);
    expect(toDora.states(ALICE)).toEqual(['online', 'unavailable']);
    expect(toEve.of(ALICE)).toEqual([]);
    expect(toOlga.of(ALICE)).toEqual([]);
    for (const watcher of watchers) await watcher.stop();
  });

  it('rows 302, 310, 312: is not in an initial sync', async () => {
    await alice().setPresence('online', 'secret');
    expect((await firstSync(bob())).get(ALICE)).toMatchObject({ presence: 'online', status_msg: 'secret' });
    expect((await firstSync(dora())).get(ALICE)).toEqual({ presence: 'online' });
    expect((await firstSync(eve())).has(ALICE)).toBe(false);
    expect((await firstSync(olga())).get(ALICE)?.presence ?? 'offline').toBe('offline');
    expect((await firstSync(alice())).get(ALICE)).toMatchObject({ status_msg: 'secret', currently_active: true });
  });

  it('rows 303, 310: is not in an incremental sync with any token, on any device', async () => {
    const phone = await server.login('eve', { deviceId: 'PHONE' });
    const { next_batch: since } = await phone.sync({ set_presence: 'offline' });
    const { next_batch: sinceOfDora } = await dora().sync({ set_presence: 'offline' });
    await alice().setPresence('offline', 'secret');
    await alice().setPresence('online', 'very secret');
    await carol().setPresence('unavailable', 'not secret');
    for (const user of [phone, eve()]) {
      const events = eventsOf(await user.sync({ since, set_presence: 'offline' }));
      expect(events.get(CAROL)).toMatchObject({ status_msg: 'not secret' });
      expect(events.has(ALICE)).toBe(false);
    }
    expect(eventsOf(await dora().sync({ since: sinceOfDora, set_presence: 'offline' })).get(ALICE)).toEqual({
      presence: 'online',
    });
    const full = eventsOf(await eve().sync({ since, full_state: true, set_presence: 'offline' }));
    expect(full.has(ALICE)).toBe(false);
  });

  it('rows 304, 310–312: is not in the answer of GET: 403, less, or offline', async () => {
    await alice().setPresence('online', 'secret');
    expect(await bob().getPresence(ALICE)).toMatchObject({ status: 200, body: { status_msg: 'secret' } });
    expect((await dora().getPresence(ALICE)).body).toEqual({ presence: 'online' });
    expect((await olga().getPresence(ALICE)).body).toEqual({ presence: 'offline' });
    const stranger = await server.register('stranger');
    const [denied, unrelated] = await Promise.all([eve().getPresence(ALICE), stranger.getPresence(ALICE)]);
    expect(denied.status).toBe(403);
    // As if they had nothing to do with each other.
    expect(denied.body).toEqual(unrelated.body);
    expect((await alice().getPresence(ALICE)).body).toMatchObject({ presence: 'online', status_msg: 'secret' });
  });

  it('row 305: is not among the room extras of a join', async () => {
    await alice().setPresence('online', 'secret');
    for (const [name, isDenied] of [
      ['late-bob', false],
      ['late-eve', true],
    ] as const) {
      const user = await server.register(name);
      const { next_batch: since } = await user.sync({ set_presence: 'offline' });
      await user.join(roomId);
      const events = eventsOf(await user.sync({ since, set_presence: 'offline' }));
      expect(events.get(CAROL)?.presence).not.toBe('offline');
      expect(events.has(ALICE)).toBe(!isDenied);
    }
  });

  it('rows 306, 310: is not in the snapshot of sendLocalOnlinePresenceTo', async () => {
    await alice().setPresence('online', 'secret');
    const watchers = await Promise.all([bob(), dora(), eve(), olga()].map((user) => watchPresence(user)));
    const [toBob, toDora, toEve, toOlga] = watchers as [
      PresenceWatcher,
      PresenceWatcher,
      PresenceWatcher,
      PresenceWatcher,
    ];
    for (const watcher of watchers) watcher.forget();
    await change(server, { snapshotTo: watchers.map(({ user }) => user.userId) });
    for (const watcher of watchers) await watcher.sees(CAROL, () => true);
    await afterAllThat(carol(), watchers);
    expect(toBob.of(ALICE)).toMatchObject([{ status_msg: 'secret' }]);
    expect(toDora.of(ALICE)).toEqual([{ presence: 'online' }]);
    expect(toEve.of(ALICE)).toEqual([]);
    expect(toOlga.states(ALICE).filter((state) => state !== 'offline')).toEqual([]);
    for (const watcher of watchers) await watcher.stop();
  });
});

describe('what a module says later', () => {
  it('rows 303, 321, 325: takes sight away at once, with one last offline, and gives it back with the current state', async () => {
    await using server = await start({ rules: {} });
    const { users } = await inOneRoom(server, 'alice', 'bob', 'carol');
    const [alice, bob, carol] = users as [TestUser, TestUser, TestUser];
    await using toBob = await watchPresence(bob);
    await alice.setPresence('online', 'before');
    await toBob.sees(ALICE, says('before'));
    const phone = await server.login('bob', { deviceId: 'PHONE' });
    const { next_batch: since } = await phone.sync({ set_presence: 'offline' });
    toBob.forget();

    await change(server, { rules: { [ALICE]: { [bob.userId]: 'deny' } }, invalidate: [ALICE] });
    await toBob.sees(ALICE, isOffline);
    await alice.setPresence('unavailable', 'between');
    await alice.setPresence('online', 'between, too');
    await afterAllThat(carol, [toBob]);
    expect(toBob.of(ALICE)).toEqual([{ presence: 'offline' }]);
    expect((await bob.getPresence(ALICE)).status).toBe(403);
    // Each device is told once.
    const [first] = [await phone.sync({ since, set_presence: 'offline' })];
    expect(eventsOf(first).get(ALICE)).toEqual({ presence: 'offline' });
    expect(eventsOf(await phone.sync({ since: first.next_batch, set_presence: 'offline' })).has(ALICE)).toBe(false);
    toBob.forget();

    await change(server, { rules: { [ALICE]: { [bob.userId]: { hide: ['last_active_ago'] } } }, invalidate: [ALICE] });
    await toBob.sees(ALICE, says('between, too'));
    await afterAllThat(carol, [toBob]);
    expect(toBob.of(ALICE)).toEqual([{ presence: 'online', status_msg: 'between, too', currently_active: true }]);
    toBob.forget();

    await change(server, { rules: { [ALICE]: 'offline' }, invalidate: true });
    await toBob.sees(ALICE, isOffline);
    await alice.setPresence('unavailable', 'behind it');
    await afterAllThat(carol, [toBob]);
    expect(toBob.of(ALICE)).toEqual([{ presence: 'offline' }]);
    expect((await bob.getPresence(ALICE)).body).toEqual({ presence: 'offline' });
  });

  it('row 324: is told without a last offline where tell_offline_on_loss is false', async () => {
    await using server = await start({ rules: {} }, { presence: { ...CALM.presence, tell_offline_on_loss: false } });
    const { users, roomId } = await inOneRoom(server, 'alice', 'bob', 'carol');
    const [alice, bob, carol] = users as [TestUser, TestUser, TestUser];
    await using toBob = await watchPresence(bob);
    await using toCarol = await watchPresence(carol);
    await alice.setPresence('online', 'before');
    await toBob.sees(ALICE, isOnline);
    await toCarol.sees(ALICE, isOnline);
    await change(server, { rules: { [ALICE]: { [bob.userId]: 'deny' } }, invalidate: [ALICE] });
    await alice.setPresence('unavailable', 'after');
    await afterAllThat(carol, [toBob]);
    expect(toBob.states(ALICE)).toEqual(['online']);
    await alice.request('POST', `/rooms/${encodeURIComponent(roomId)}/leave`, { body: {} });
    await afterAllThat(carol, [toBob, toCarol]);
    expect(toCarol.states(ALICE)).toEqual(['online', 'unavailable']);
  });

  it('row 327: is waited for: nothing is told before it, and all of it after', async () => {
    await using server = await start({ rules: { [ALICE]: { '@eve:test.example': 'deny' } }, delayMs: 400 });
    const { users } = await inOneRoom(server, 'alice', 'bob', 'eve', 'carol');
    const [alice, bob, eve, carol] = users as [TestUser, TestUser, TestUser, TestUser];
    await using toBob = await watchPresence(bob);
    await using toEve = await watchPresence(eve);
    await alice.setPresence('online', 'late');
    await toBob.sees(ALICE, says('late'));
    await afterAllThat(carol, [toBob, toEve]);
    expect(toEve.of(ALICE)).toEqual([]);
    // Whoever comes for the first time has to wait for it, too, and misses nothing.
    const fresh = await server.register('fresh');
    await fresh.join(await alice.createRoom());
    expect((await firstSync(fresh)).get(ALICE)).toMatchObject({ presence: 'online', status_msg: 'late' });
    expect((await fresh.getPresence(ALICE)).body).toMatchObject({ status_msg: 'late' });
  });

  it.each([
    ['deny', false],
    ['allow', true],
  ] as const)(
    'rows 316, 318: while the module throws, on_failure: %s decides about those of whom it has said nothing',
    async (decision, isTold) => {
      await using server = await start(
        { rules: { [ALICE]: { '@eve:test.example': 'deny' } } },
        { module_callbacks: { on_failure: decision, failures_before_rest: 2, rest: '1h' } },
      );
      const { users, roomId } = await inOneRoom(server, 'alice', 'bob', 'eve', 'carol');
      const [alice, bob, eve, carol] = users as [TestUser, TestUser, TestUser, TestUser];
      await using toBob = await watchPresence(bob);
      await using toEve = await watchPresence(eve);
      await carol.setPresence('online', 'known');
      await alice.setPresence('online', 'known');
      await toBob.sees(ALICE, isOnline);
      await change(server, { isBroken: true, rules: { [ALICE]: { [bob.userId]: 'deny' } }, invalidate: true });
      const fresh = await server.register('fresh');
      await fresh.join(roomId);
      await using toFresh = await watchPresence(fresh);
      await alice.setPresence('unavailable', 'after');
      await bob.setPresence('online', 'never asked about');
      await toBob.sees(ALICE, says('after'));
      await afterAllThat(carol, [toBob, toEve]);
      // The last answers stand.
      expect(toBob.states(ALICE)).toEqual(['online', 'unavailable']);
      expect(toEve.of(ALICE)).toEqual([]);
      // Nobody has said anything about these.
      expect((await fresh.getPresence(ALICE)).status).toBe(isTold ? 200 : 403);
      expect((await eve.getPresence(bob.userId)).status).toBe(isTold ? 200 : 403);
      if (isTold) await toFresh.sees(ALICE, says('after'));
      else expect(toFresh.of(ALICE)).toEqual([]);
    },
  );
});

describe('leaving the last shared room', () => {
  const leave = (user: TestUser, roomId: string): Promise<unknown> =>
    user.request('POST', `/rooms/${encodeURIComponent(roomId)}/leave`, { body: {} });

  it.each([
    ['without modules', undefined],
    ['with a module that restricts', { rules: {} }],
  ])('row 322: is one last offline on both sides, %s', async (_, config) => {
    await using server = await (config === undefined ? startTestServer({ config: CALM }) : start(config));
    const { users, roomId } = await inOneRoom(server, 'alice', 'bob', 'carol');
    const [alice, bob, carol] = users as [TestUser, TestUser, TestUser];
    const second = await alice.createRoom();
    await bob.join(second);
    await carol.join(await bob.createRoom());
    await Promise.all([alice.setPresence('online', 'here'), bob.setPresence('unavailable', 'there')]);
    const { next_batch: since } = await bob.sync({ set_presence: 'offline' });
    await using toAlice = await watchPresence(alice);
    await using toBob = await watchPresence(bob);
    toAlice.forget();
    toBob.forget();

    await leave(bob, second);
    await afterAllThat(carol, [toAlice, toBob]);
    expect([toAlice.of(bob.userId), toBob.of(ALICE)]).toEqual([[], []]);

    await leave(bob, roomId);
    await toAlice.sees(bob.userId, isOffline);
    await toBob.sees(ALICE, isOffline);
    await alice.setPresence('unavailable', 'alone');
    await afterAllThat(carol, [toAlice, toBob]);
    expect(toAlice.of(bob.userId)).toEqual([{ presence: 'offline' }]);
    expect(toBob.of(ALICE)).toEqual([{ presence: 'offline' }]);
    expect((await bob.getPresence(ALICE)).status).toBe(403);
    expect((await alice.getPresence(bob.userId)).status).toBe(403);
    // A device that was away has one coming, too.
    expect(eventsOf(await bob.sync({ since, set_presence: 'offline' })).get(ALICE)).toEqual({ presence: 'offline' });

    await bob.join(roomId);
    await toBob.sees(ALICE, says('alone'));
    await toAlice.sees(bob.userId, says('there'));
  });

  it('row 322: also reaches a client that was away and comes back with its old token, after restarts and kill -9', async () => {
    await using server = await spawnServer({ config: CALM });
    const { users, roomId } = await inOneRoom(server, 'alice', 'bob', 'carol');
    const [alice, bob] = users as [TestUser, TestUser];
    await alice.setPresence('online', 'here');
    const { next_batch: since } = await bob.sync({ set_presence: 'offline' });
    await server.kill();
    await server.restart();
    await leave(alice, roomId);
    await server.kill();
    await server.restart();
    const back = await bob.sync({ since, set_presence: 'offline' });
    expect(eventsOf(back).get(ALICE)).toEqual({ presence: 'offline' });
    const after = await bob.sync({ since: back.next_batch, set_presence: 'offline' });
    expect(eventsOf(after).has(ALICE)).toBe(false);
    // The same token again is answered in the same way.
    expect(eventsOf(await bob.sync({ since, set_presence: 'offline' })).get(ALICE)).toEqual({ presence: 'offline' });
    expect((await firstSync(bob)).has(ALICE)).toBe(false);
  });
});

describe('matrix-js-sdk', () => {
  it('rows 321, 325: turns the light off when sight is lost and on when it is back', async () => {
    await using server = await start({ rules: {} });
    await using alice = await registerSdkClient(server.baseUrl, 'alice');
    await using bob = await registerSdkClient(server.baseUrl, 'bob');
    await alice.start();
    const { room_id: roomId } = await alice.client.createRoom({ invite: [bob.userId] });
    await bob.start();
    await bob.client.joinRoom(roomId);
    await alice.client.setPresence({ presence: 'online', status_msg: 'hello' });
    await bob.waitFor(alice.userId, 'online', (seen) => seen.statusMsg === 'hello');
    await change(server, { rules: { [alice.userId]: { [bob.userId]: 'deny' } }, invalidate: [alice.userId] });
    await bob.waitFor(alice.userId, 'offline', ({ presence }) => presence === 'offline');
    await change(server, { rules: { [alice.userId]: null }, invalidate: [alice.userId] });
    await bob.waitFor(alice.userId, 'online again', ({ presence }) => presence === 'online');
  });
});
