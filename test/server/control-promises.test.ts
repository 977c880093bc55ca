/**
 * What full control promises where control.test.ts leaves off: modules that add and deny, fail, hang, take their time, or are several, over a
 * real server with real module files.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAdminServer } from '../support/admin-server.ts';
import {
  type RestrictingConfig,
  restrictingModule,
  type RulesAnswer,
  type RulesRequest,
} from '../support/restricting-module.ts';
import { startTestServer, type TestServer } from '../support/start-test-server.ts';
import type { ClientHelpers, PresenceContent, TestUser } from '../support/test-client.ts';
import type { TestModule } from '../support/test-config.ts';
import { until } from '../support/until.ts';
import { type PresenceWatcher, watchPresence } from '../support/watch-presence.ts';
import { eventsOf, type SyncBody } from '../client-api/helpers.ts';

/** Nothing but what tests do changes a state. */
const CALM = { presence: { last_active_granularity: '30m', sync_online_timeout: '1h', idle_timeout: '1h' } };

const [ALICE, EVE, CAROL] = ['@alice:test.example', '@eve:test.example', '@carol:test.example'];

function start(
  config: RestrictingConfig,
  entry: Pick<TestModule, 'module_callbacks'> = {},
  more: Readonly<Record<string, unknown>> = {},
): Promise<TestServer> {
  return startTestServer({ modules: [restrictingModule(config, entry)], config: { ...CALM, ...more } });
}

async function change(server: ClientHelpers, body: RulesRequest): Promise<void> {
  const { status } = await server.request('POST', '/_rules', { body });
  if (status !== 200) throw new Error(`the module answered ${status}`);
}

/** What the module has been asked about the source: observers. */
async function askedAbout(server: ClientHelpers, source: string): Promise<string[][]> {
  const { body } = await server.request('POST', '/_rules', { body: {} });
  const { asked } = (typeof body === 'string' ? JSON.parse(body) : body) as RulesAnswer;
  return asked.filter(([about]) => about === source).map(([, ...observers]) => observers);
}

/** Alice, Eve and Carol. */
type Three = [alice: TestUser, eve: TestUser, carol: TestUser];

async function three(server: ClientHelpers): Promise<Three> {
  return [await server.register('alice'), await server.register('eve'), await server.register('carol')];
}

async function inOneRoom(server: ClientHelpers): Promise<{ users: Three; roomId: string }> {
  const users = await three(server);
  const roomId = await users[0].createRoom();
  for (const user of users.slice(1)) await user.join(roomId);
  return { users, roomId };
}

/** The watchers see Carol, and have been told of what happened before: she says something. */
async function afterAllThat(carol: TestUser, ...watchers: readonly PresenceWatcher[]): Promise<void> {
  const text = `now ${Math.random()}`;
  await carol.setPresence('online', text);
  for (const watcher of watchers) await watcher.sees(CAROL, ({ status_msg: said }) => said === text);
}

function contentsOf(body: SyncBody, sender: string): PresenceContent[] {
  return eventsOf(body)
    .filter((event) => event.sender === sender)
    .map(({ content }) => content);
}

async function tokenOf(user: TestUser): Promise<string> {
  return (await user.sync({ set_presence: 'offline' })).next_batch as string;
}

describe('a denied observer who shares a room', () => {
  let server: TestServer;
  let users: Three;
  const forEve = { [EVE]: 'deny' } as const;
  beforeAll(async () => {
    server = await start({ rules: { [ALICE]: forEve } });
    ({ users } = await inOneRoom(server));
  });
  afterAll(() => server.stop());

  it('row 301: is not woken by changes: their poll is answered by the next thing that is for them', async () => {
    const [alice, eve, carol] = users;
    let since = await tokenOf(eve);
    // What else there is to tell is told.
    for (;;) {
      const body: SyncBody = await eve.sync({ since, set_presence: 'offline' });
      if (body.next_batch === since) break;
      since = body.next_batch;
    }
    const poll: Promise<SyncBody> = eve.sync({ since, timeout: 30_000, set_presence: 'offline' });
    await until(async () => (await server.metric('synapse_notifier_listeners{server_name="test.example"}')) === 1);
    for (const text of ['one', 'two', 'three']) await alice.setPresence('online', text);
    await alice.setPresence('unavailable');
    await carol.setPresence('online', 'for all');
    const body = await poll;
    expect(eventsOf(body).map(({ sender }) => sender)).toEqual([CAROL]);
  });

  it('row 305: has nobody denied among the room extras, whichever of the two joins', async () => {
    const [alice, eve, carol] = users;
    await alice.setPresence('online', 'secret');
    await carol.setPresence('online', 'not secret');
    const roomOfEve = await eve.createRoom();
    for (const joining of [carol, alice]) await joining.join(roomOfEve);
    const roomOfAlice = await alice.createRoom();
    await carol.join(roomOfAlice);
    const [since, sinceOfCarol] = [await tokenOf(eve), await tokenOf(carol)];
    const another = await eve.createRoom();
    for (const joining of [carol, alice]) await joining.join(another);
    await eve.join(roomOfAlice);
    const body: SyncBody = await eve.sync({ since, set_presence: 'offline' });
    expect(contentsOf(body, CAROL)).toMatchObject([{ status_msg: 'not secret' }]);
    expect(contentsOf(body, ALICE)).toEqual([]);
    const told: SyncBody = await carol.sync({ since: sinceOfCarol, set_presence: 'offline' });
    expect(contentsOf(told, ALICE)).toMatchObject([{ status_msg: 'secret' }]);
  });
});

describe('what is kept back', () => {
  it('row 309: wins over interest in everybody, and over updates that a module routes, on every path', async () => {
    await using server = await start({
      rules: { [ALICE]: { [EVE]: 'deny' } },
      routes: { [ALICE]: [EVE, CAROL], [CAROL]: [EVE, CAROL] },
      interest: { [EVE]: 'ALL', [CAROL]: [ALICE] },
    });
    const [alice, eve, carol] = await three(server);
    await using toEve = await watchPresence(eve);
    await using toCarol = await watchPresence(carol);
    for (const text of ['one', 'two']) {
      await alice.setPresence('online', text);
      await toCarol.sees(ALICE, ({ status_msg: said }) => said === text);
    }
    await change(server, { snapshotTo: [EVE, CAROL] });
    await afterAllThat(carol, toEve, toCarol);
    expect(toEve.of(ALICE)).toEqual([]);
    expect((await eve.getPresence(ALICE)).status).toBe(403);
    expect((await carol.getPresence(ALICE)).status).toBe(200);
    const first: SyncBody = await eve.sync({ set_presence: 'offline' });
    expect(contentsOf(first, CAROL)).toHaveLength(1);
    expect(contentsOf(first, ALICE)).toEqual([]);
    await alice.join(await eve.createRoom());
    await alice.setPresence('unavailable');
    await afterAllThat(carol, toEve, toCarol);
    expect(toEve.of(ALICE)).toEqual([]);
  });

  it('row 310: what is new only in fields that are kept back is not told', async () => {
    await using server = await start({ rules: { [ALICE]: { [EVE]: { hide: ['status_msg', 'last_active_ago'] } } } });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await alice.setPresence('online', 'one');
    await using toEve = await watchPresence(eve);
    await using toCarol = await watchPresence(carol);
    toEve.forget();
    for (const text of ['two', 'three']) {
      await alice.setPresence('online', text);
      await toCarol.sees(ALICE, ({ status_msg: said }) => said === text);
    }
    await afterAllThat(carol, toEve);
    expect(toEve.of(ALICE)).toEqual([]);
    await alice.setPresence('unavailable', 'three');
    expect(await toEve.sees(ALICE, ({ presence }) => presence === 'unavailable')).toEqual({
      presence: 'unavailable',
    });
  });

  it('row 311: who is shown as offline is in no first sync', async () => {
    await using server = await start({ rules: { [ALICE]: { [EVE]: 'offline' } } });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await alice.setPresence('online', 'secret');
    await carol.setPresence('online');
    const body: SyncBody = await eve.sync({ set_presence: 'offline' });
    expect(contentsOf(body, CAROL)).toHaveLength(1);
    expect(contentsOf(body, ALICE)).toEqual([]);
    expect(await eve.getPresence(ALICE)).toMatchObject({ status: 200, body: { presence: 'offline' } });
    expect(Object.keys((await eve.getPresence(ALICE)).body as object)).toEqual(['presence']);
  });

  it('row 312: is never one’s own, even if everybody is denied everything', async () => {
    await using server = await start({ rules: { [ALICE]: 'deny' } });
    const { users } = await inOneRoom(server);
    const [alice, eve] = users;
    await using toAlice = await watchPresence(alice);
    await alice.setPresence('online', 'myself');
    const own = { presence: 'online', status_msg: 'myself', currently_active: true };
    expect(await toAlice.sees(ALICE, () => true)).toEqual({ ...own, last_active_ago: expect.any(Number) });
    expect(contentsOf(await alice.sync({ set_presence: 'offline' }), ALICE)).toMatchObject([own]);
    expect((await alice.getPresence(ALICE)).body).toMatchObject(own);
    expect((await eve.getPresence(ALICE)).status).toBe(403);
  });

  it('row 319: adds up when several modules restrict', async () => {
    const keeping = (answer: unknown): TestModule => ({
      source: `export default class {
        constructor(config, api) { api.registerPresenceRouterCallbacks(this); }
        getRestrictions(source) { return source === '${ALICE}' ? config : null; }
      }`.replace('config : null', `${JSON.stringify(answer)} : null`),
    });
    await using server = await startTestServer({
      modules: [
        keeping({ hide: ['status_msg'] }),
        keeping({ [EVE]: 'deny' }),
        keeping({ '*': { hide: ['last_active_ago'] }, [EVE]: null }),
      ],
      config: CALM,
    });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await using toCarol = await watchPresence(carol);
    await alice.setPresence('online', 'secret');
    expect(await toCarol.sees(ALICE, () => true)).toEqual({ presence: 'online', currently_active: true });
    expect((await carol.getPresence(ALICE)).body).toEqual({ presence: 'online', currently_active: true });
    expect((await eve.getPresence(ALICE)).status).toBe(403);
  });

  it('row 320: is everything where an entry is wrong; the others count, and it is counted', async () => {
    const rules = { [ALICE]: { [EVE]: 'dny', [CAROL]: { hide: ['status_msg'] }, '@nobody': 'deny' } };
    await using server = await start({ rules: rules as never });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await alice.setPresence('online', 'secret');
    expect((await eve.getPresence(ALICE)).status).toBe(403);
    expect((await carol.getPresence(ALICE)).body).toMatchObject({ presence: 'online' });
    expect((await carol.getPresence(ALICE)).body).not.toHaveProperty('status_msg');
    const dropped = (reason: string) =>
      `thalamus_module_dropped_entries_total{callback="getRestrictions",module="0",reason="${reason}"}`;
    const text = (await server.request('GET', '/metrics')).body as string;
    for (const reason of ['not_a_restriction', 'not_an_observer']) {
      const parts = dropped(reason).match(/\w+="\w+"/g) as string[];
      const line = text
        .split('\n')
        .find((each) => each.startsWith('thalamus_module_dropped') && parts.every((part) => each.includes(part)));
      expect(Number(line?.split(' ').at(-1)), reason).toBeGreaterThan(0);
    }
  });
});

describe('questions to modules', () => {
  it('row 313: about a pair, or everybody, are not asked twice, whatever happens', async () => {
    await using server = await start({ rules: { [ALICE]: { [EVE]: 'deny' }, [CAROL]: { '*': null } } });
    const { users, roomId } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await using toCarol = await watchPresence(carol);
    await using toEve = await watchPresence(eve);
    await alice.setPresence('online', 'first');
    await toCarol.sees(ALICE, ({ status_msg: said }) => said === 'first');
    await afterAllThat(carol, toEve);
    await Promise.all([eve.getPresence(ALICE), alice.getPresence(CAROL), alice.getPresence(EVE)]);
    const asked = async (): Promise<string[][][]> =>
      Promise.all([ALICE, CAROL, EVE].map((source) => askedAbout(server, source)));
    const before = await asked();
    for (const text of ['second', 'third']) {
      await alice.setPresence('online', text);
      await toCarol.sees(ALICE, ({ status_msg: said }) => said === text);
    }
    await afterAllThat(carol, toEve);
    for (const user of [alice, eve, carol]) {
      await user.sync({ set_presence: 'offline' });
      for (const target of [ALICE, EVE, CAROL]) await user.getPresence(target);
    }
    expect(await asked()).toEqual(before);
    for (const observers of before) expect(new Set(observers.flat()).size).toBe(observers.flat().length);
    // Carol's answer is about whoever comes, Alice's is not.
    const fresh = await server.register('fresh');
    await fresh.join(roomId);
    for (const target of [ALICE, CAROL]) expect((await fresh.getPresence(target)).status).toBe(200);
    expect((await asked())[0]).toEqual([...(before[0] ?? []), [fresh.userId]]);
    expect((await asked())[1]).toEqual(before[1]);
    expect(before[1]).toHaveLength(1);
  });

  it('row 315: after invalidateRestrictions the old answer stands until the new one is there', async () => {
    const rules = { [ALICE]: { [EVE]: 'deny' } } as const;
    await using server = await start({ rules }, { module_callbacks: { timeout: '30s' } });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await using toEve = await watchPresence(eve);
    await using toCarol = await watchPresence(carol);
    await alice.setPresence('online', 'before');
    await toCarol.sees(ALICE, () => true);
    await afterAllThat(carol, toEve);
    await change(server, { isWaiting: true, rules: { [ALICE]: { [CAROL]: 'deny' } }, invalidate: [ALICE] });
    await alice.setPresence('unavailable', 'meanwhile');
    await toCarol.sees(ALICE, ({ status_msg: said }) => said === 'meanwhile');
    await afterAllThat(carol, toEve, toCarol);
    expect(toEve.of(ALICE)).toEqual([]);
    expect((await eve.getPresence(ALICE)).status).toBe(403);
    expect((await carol.getPresence(ALICE)).status).toBe(200);
    toCarol.forget();
    await change(server, { isWaiting: false });
    await toEve.sees(ALICE, ({ status_msg: said }) => said === 'meanwhile');
    await toCarol.sees(ALICE, ({ presence }) => presence === 'offline');
    await alice.setPresence('online', 'after');
    await toEve.sees(ALICE, ({ status_msg: said }) => said === 'after');
    await afterAllThat(carol, toEve, toCarol);
    expect(toCarol.of(ALICE)).toEqual([{ presence: 'offline' }]);
    expect((await carol.getPresence(ALICE)).status).toBe(403);
  });

  it('row 330: are the only ones that a module is asked which registers nothing else', async () => {
    await using server = await startAdminServer({ modules: [restrictingModule({ rules: {} })] });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await using toCarol = await watchPresence(carol);
    await using toEve = await watchPresence(eve);
    await alice.setPresence('online', 'seen');
    for (const watcher of [toCarol, toEve]) await watcher.sees(ALICE, () => true);
    const [module] = (await server.admin('GET', '/modules')).body.modules;
    expect(module.callbacks).toMatchObject([{ callback: 'getRestrictions', calls: { threw: 0, invalid_return: 0 } }]);
    expect(module.callbacks[0].calls.ok).toBeGreaterThan(0);
    const text = (await server.request('GET', '/metrics')).body as string;
    const calls = text
      .split('\n')
      .filter((line) => /^thalamus_module_callback_total\{.*get(UsersForStates|InterestedUsers)/.test(line));
    expect(calls.filter((line) => !line.endsWith(' 0'))).toEqual([]);
  });
});

describe('a module that fails', () => {
  it('row 316: to answer in time has its last answer stand', async () => {
    const limits = { timeout: 200, failures_before_rest: 2, rest: '1h' };
    await using server = await start({ rules: { [ALICE]: { [EVE]: 'deny' } } }, { module_callbacks: limits });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await using toEve = await watchPresence(eve);
    await using toCarol = await watchPresence(carol);
    await alice.setPresence('online', 'before');
    await toCarol.sees(ALICE, () => true);
    await afterAllThat(carol, toEve);
    await change(server, { isWaiting: true, rules: { [ALICE]: { [CAROL]: 'deny' } }, invalidate: true });
    const calls = async (outcome: string): Promise<number> => {
      const text = (await server.request('GET', '/metrics')).body as string;
      const line = text
        .split('\n')
        .find(
          (each) =>
            each.startsWith('thalamus_module_callback_total{') &&
            each.includes('getRestrictions') &&
            each.includes(`"${outcome}"`),
        );
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    const sees = async (text: string): Promise<void> => {
      await alice.setPresence('online', text);
      await toCarol.sees(ALICE, ({ status_msg: said }) => said === text);
      await afterAllThat(carol, toEve);
      expect(toEve.of(ALICE)).toEqual([]);
      expect([(await eve.getPresence(ALICE)).status, (await carol.getPresence(ALICE)).status]).toEqual([403, 200]);
    };
    await sees('while it hangs');
    await until(async () => (await calls('timed_out')) >= 2);
    await sees('when it is late');
    // From the next question on it rests.
    await change(server, { invalidate: true });
    await until(async () => (await calls('rested')) > 0);
    await sees('while it rests');
  });

  it('row 317: before it has said anything keeps presence back if nothing else is configured, and gives it when it answers', async () => {
    await using server = await start({ rules: { [ALICE]: { [EVE]: 'deny' } }, isBroken: true });
    const { users } = await inOneRoom(server);
    const [alice, eve, carol] = users;
    await using toEve = await watchPresence(eve);
    await using toCarol = await watchPresence(carol);
    await alice.setPresence('online', 'kept back');
    await carol.setPresence('online', 'kept back, too');
    expect((await carol.getPresence(ALICE)).status).toBe(403);
    expect((await eve.getPresence(CAROL)).status).toBe(403);
    expect([toCarol.of(ALICE), toEve.of(CAROL), toEve.of(ALICE)]).toEqual([[], [], []]);
    // Nobody does anything more: it is asked again by itself.
    await change(server, { isBroken: false });
    expect(await toCarol.sees(ALICE, () => true)).toMatchObject({ presence: 'online', status_msg: 'kept back' });
    await toEve.sees(CAROL, ({ status_msg: said }) => said === 'kept back, too');
    expect(toEve.of(ALICE)).toEqual([]);
    expect(toCarol.of(ALICE)).toHaveLength(1);
  });
});

describe('sight by a module alone', () => {
  it.each([
    [true, ['online', 'offline']],
    [false, ['online']],
  ])(
    'rows 323, 324: with tell_offline_on_loss %s, ends with interest, and when updates are not routed any more',
    async (isTold, states) => {
      const presence = { ...CALM.presence, tell_offline_on_loss: isTold };
      await using server = await start(
        { routes: { [ALICE]: [], [CAROL]: [EVE, CAROL] }, interest: { [EVE]: [ALICE, CAROL] } },
        {},
        { presence },
      );
      const [alice, eve, carol] = await three(server);
      await using toEve = await watchPresence(eve);
      await alice.setPresence('online', 'of interest');
      await toEve.sees(ALICE, () => true);
      await change(server, { interest: { [EVE]: [CAROL] } });
      await alice.setPresence('online', 'of no interest');
      await afterAllThat(carol, toEve);
      expect(toEve.states(ALICE)).toEqual(states);
      expect((await eve.getPresence(ALICE)).status).toBe(403);

      toEve.forget();
      // `routes` alone name Eve from now on.
      await change(server, { routes: { [ALICE]: [EVE] } });
      await alice.setPresence('online', 'routed');
      await toEve.sees(ALICE, ({ status_msg: said }) => said === 'routed');
      await change(server, { routes: { [ALICE]: [] } });
      await alice.setPresence('unavailable', 'not routed');
      await until(async () => (await eve.getPresence(ALICE)).status === 403);
      await afterAllThat(carol, toEve);
      expect(toEve.states(ALICE)).toEqual(states);
    },
  );
});
