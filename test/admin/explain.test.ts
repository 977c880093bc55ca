/**
 * Why somebody sees somebody, or not, by the admin API of a real server; test/cli/explain.test.ts has the command.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemoryRoomDirectory } from '../../src/adapters/memory/index.ts';
import { type AdminServer, runExplain, startAdminServer } from '../support/admin-server.ts';
import { rescript, type Script, scriptedModule } from '../support/scripted-module.ts';
import { startFederationNet } from '../support/federation-net.ts';
import type { TestServerOptions } from '../support/start-test-server.ts';
import { until } from '../support/until.ts';

interface Sent {
  readonly is_visible: boolean;
  readonly shown_as: string;
  readonly hidden: readonly string[];
  readonly status: Readonly<Record<string, unknown>> | null;
  readonly conclusion: string;
  readonly reasons: readonly {
    readonly rule: string;
    readonly holds: boolean | null;
    readonly says: string;
    readonly details: Readonly<Record<string, unknown>>;
  }[];
}

const ALICE = '@alice:test.example';
const BOB = '@bob:test.example';

async function explain(server: AdminServer, observer: string, target: string): Promise<Sent> {
  const query = `observer=${encodeURIComponent(observer)}&target=${encodeURIComponent(target)}`;
  const { status, body } = await server.admin('GET', `/explain?${query}`);
  expect(status).toBe(200);
  return body as Sent;
}

const ruled = ({ reasons }: Sent, rule: string) => reasons.filter((reason) => reason.rule === rule);
const chain = ({ reasons }: Sent) =>
  reasons.map(({ rule, holds, says }) => `${holds === null ? '·' : holds ? '✓' : '✗'} ${rule}: ${says}`);

/** Alice and Bob, who is online; in no room. */
async function start(script: Script | null, options: TestServerOptions = {}) {
  const modules = script === null ? {} : { modules: [scriptedModule(script, { module_callbacks: { timeout: 300 } })] };
  const server = await startAdminServer({ ...modules, ...options });
  const [alice, bob] = [await server.register('alice'), await server.register('bob')];
  await bob.setPresence('online', 'at the desk');
  return Object.assign(server, { alice, bob });
}

/** As the configuration names the first module of the server. */
const moduleEntry = ({ configFile }: AdminServer) =>
  (JSON.parse(readFileSync(configFile, 'utf8')) as { modules: readonly Record<string, unknown>[] }).modules[0];

const marks = (sent: Sent, rule: string) => ruled(sent, rule).map(({ holds }) => holds);
const says = (sent: Sent, rule: string) => ruled(sent, rule).map((reason) => reason.says);

describe('GET /explain', () => {
  it('row 336: says that everybody sees themself, and asks nobody', async () => {
    await using server = await start({ restrictions: { [BOB]: { '*': 'deny' } } });
    const sent = await explain(server, BOB, BOB);
    expect(sent).toMatchObject({ is_visible: true, shown_as: 'full', status: { presence: 'online' } });
    expect(chain(sent)).toEqual([
      '✓ presence_mode: Presence is tracked',
      `✓ target: ${BOB} is online`,
      `✓ self: ${BOB} always sees themself`,
    ]);
    expect(sent.conclusion).toBe(`${BOB} sees their own presence.`);
  });

  it('row 336: names shared rooms, and how many more there are', async () => {
    await using server = await start(null);
    const rooms: string[] = [];
    for (let index = 0; index < 12; index++) {
      const named = index === 0 ? { name: 'Lounge', room_alias_name: 'lounge' } : {};
      const roomId = await server.alice.createRoom({ preset: 'public_chat', ...named });
      await server.bob.join(roomId);
      rooms.push(roomId);
    }
    const sent = await explain(server, ALICE, BOB);
    expect(sent).toMatchObject({ is_visible: true, status: { status_msg: 'at the desk' } });
    const [shared] = ruled(sent, 'shared_rooms');
    expect(shared).toMatchObject({ holds: true, details: { count: 12, rooms: { length: 10 } } });
    expect(shared?.details['rooms']).toContainEqual({
      room_id: rooms[0],
      name: 'Lounge',
      alias: '#lounge:test.example',
    });
    expect(shared?.says).toContain(`"Lounge" (#lounge:test.example, ${rooms[0]})`);
    expect(shared?.says).toContain('and 2 more');
    expect(ruled(sent, 'getUsersForStates')).toEqual([]);
  });

  it('tells of shared rooms that the configuration leaves out', async () => {
    await using server = await start(null);
    const roomId = await server.alice.createRoom({ preset: 'public_chat', name: 'Everybody' });
    await server.bob.join(roomId);
    await server.restart({ exclude_rooms_from_presence: [roomId] });
    const sent = await explain(server, ALICE, BOB);
    expect(sent).toMatchObject({ is_visible: false, shown_as: 'nothing', status: null });
    expect(says(sent, 'excluded_rooms')).toEqual([
      `${BOB} and ${ALICE} are both in "Everybody" (${roomId}), which exclude_rooms_from_presence leaves out`,
    ]);
    expect(sent.conclusion).toContain('exclude_rooms_from_presence leaves out');
    const { exitCode, stdout } = await runExplain(server, ALICE, BOB);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('✗');
  });

  it('row 336: tells what modules give, with how long it took, and what is kept of it', async () => {
    await using server = await start({ routes: { [BOB]: [ALICE] }, interest: { [ALICE]: [BOB] } });
    const sent = await explain(server, ALICE, BOB);
    expect(sent).toMatchObject({ is_visible: true, shown_as: 'full' });
    expect(marks(sent, 'shared_rooms')).toEqual([false]);
    expect(ruled(sent, 'getInterestedUsers')).toMatchObject([
      { holds: true, details: { module: '0', outcome: 'ok', ms: expect.any(Number), named: 1, error: null } },
    ]);
    expect(ruled(sent, 'getUsersForStates')).toMatchObject([{ holds: true, details: { ms: expect.any(Number) } }]);
    expect(ruled(sent, 'kept_answer')).toMatchObject([{ holds: true, details: { targets: 1, agrees: true } }]);
    expect(marks(sent, 'disagreement')).toEqual([]);
    // What modules say now is not what is in effect: both are told.
    await rescript(server.baseUrl, { routes: {}, interest: {} });
    const after = await explain(server, ALICE, BOB);
    expect(after.is_visible).toBe(true);
    expect(marks(after, 'getUsersForStates')).toEqual([false]);
    expect(says(after, 'kept_answer')[0]).toContain('names @alice:test.example; the modules say otherwise now');
    expect((await server.alice.getPresence(BOB)).status).toBe(200);
    await server.bob.setPresence('online', 'gone for lunch');
    const gone = await explain(server, ALICE, BOB);
    expect(gone.is_visible).toBe(false);
    expect((await server.alice.getPresence(BOB)).status).toBe(403);
  });

  it('stops at the first module that wants everybody', async () => {
    const modules = [
      scriptedModule({ interest: { [ALICE]: 'ALL' } }),
      scriptedModule({ routes: {} }, { name: 'later' }),
    ];
    await using server = await start(null, { modules });
    const sent = await explain(server, ALICE, BOB);
    expect(sent.is_visible).toBe(true);
    expect(says(sent, 'getInterestedUsers')).toEqual([
      `module 0 (./module-0.ts) has ${ALICE} interested in everybody`,
      `module later (./module-1.ts) is not asked whom ${ALICE} is interested in: a module before it has answered "everybody"`,
    ]);
    expect((await server.alice.getPresence(BOB)).status).toBe(200);
  });

  it('row 336: has denials, fields that are kept back, and offline in place of a state', async () => {
    await using server = await start({
      restrictions: { [BOB]: { [ALICE]: 'deny' } },
      interest: { [ALICE]: [BOB] },
      routes: { [BOB]: [ALICE] },
    });
    const denied = await explain(server, ALICE, BOB);
    expect(denied).toMatchObject({ is_visible: false, shown_as: 'nothing', status: null });
    expect(denied.conclusion).toBe(
      `${ALICE} does not see the presence of ${BOB}: module 0 (./module-0.ts) denies ${ALICE} the presence of ${BOB}.`,
    );
    expect(await runExplain(server, ALICE, BOB)).toMatchObject({ exitCode: 1, stderr: '' });
    await rescript(server.baseUrl, { restrictions: { [BOB]: { '*': { hide: ['status_msg', 'last_active_ago'] } } } });
    const hidden = await explain(server, ALICE, BOB);
    expect(hidden).toMatchObject({ is_visible: true, shown_as: 'reduced', hidden: ['last_active_ago', 'status_msg'] });
    expect(hidden.status).toEqual((await server.alice.getPresence(BOB)).body);
    expect(ruled(hidden, 'getRestrictions')).toMatchObject([{ holds: null, details: { is_about_everybody: true } }]);
    expect(hidden.conclusion).toContain('without last_active_ago and status_msg');
    await rescript(server.baseUrl, { restrictions: { [BOB]: { [ALICE]: 'offline' } } });
    // GET has asked by now, and its answer stands until the module says that it does not.
    const standing = await explain(server, ALICE, BOB);
    expect(standing).toMatchObject({ shown_as: 'reduced' });
    expect(says(standing, 'getRestrictions')[0]).toContain('as offline, whatever they do');
    expect(says(standing, 'restriction_in_effect')[0]).toMatch(/are kept from .*; the modules say otherwise now/);
    await server.restart({
      modules: [{ ...moduleEntry(server), config: { restrictions: { [BOB]: { [ALICE]: 'offline' } } } }],
    });
    await server.bob.join(await server.alice.createRoom({ preset: 'public_chat' }));
    const offline = await explain(server, ALICE, BOB);
    expect(offline).toMatchObject({ is_visible: false, shown_as: 'offline', status: { presence: 'offline' } });
    expect((await server.alice.getPresence(BOB)).body).toEqual(offline.status);
    expect((await runExplain(server, ALICE, BOB)).exitCode).toBe(1);
  });

  it('row 336: tells of callbacks that throw, do not answer, answer nonsense, and rest', async () => {
    const fails = { getInterestedUsers: 'throw', getUsersForStates: 'hang', getRestrictions: 'wrong' } as const;
    await using server = await startAdminServer({
      modules: [
        scriptedModule(
          { restrictions: {}, failing: fails },
          { module_callbacks: { timeout: 200, failures_before_rest: 2, rest: '1h' } },
        ),
      ],
    });
    const alice = await server.register('alice');
    const roomId = await alice.createRoom({ preset: 'public_chat' });
    await (await server.register('bob')).join(roomId);
    const sent = await explain(server, ALICE, BOB);
    // Two explanations are no two failures.
    await explain(server, ALICE, BOB);
    expect(ruled(sent, 'getInterestedUsers')).toMatchObject([
      { holds: null, details: { outcome: 'threw', error: 'getInterestedUsers is out of order' } },
    ]);
    const [routes] = ruled(sent, 'getUsersForStates');
    expect(routes).toMatchObject({ holds: null, details: { outcome: 'timed_out', error: 'no answer after 200 ms' } });
    expect(routes?.details['ms']).toBeGreaterThanOrEqual(190);
    expect(ruled(sent, 'getRestrictions')).toMatchObject([{ holds: false, details: { outcome: 'invalid_return' } }]);
    expect(says(sent, 'getRestrictions')[0]).toContain('it has said nothing yet, so on_failure decides: deny');
    expect(sent).toMatchObject({ is_visible: false, shown_as: 'nothing' });
    const { stdout } = await runExplain(server, ALICE, BOB);
    expect(stdout).toContain('! module 0 (./module-0.ts) fails: it threw "getInterestedUsers is out of order"');

    const before = await rescript(server.baseUrl);
    for (let count = 0; count < 2; count++) await alice.sync({ set_presence: 'offline' });
    const resting = await explain(server, ALICE, BOB);
    const [interest] = ruled(resting, 'getInterestedUsers');
    expect(interest?.says).toMatch(/rests after failures in a row, until 20\d\d-/);
    expect(interest).toMatchObject({ details: { outcome: 'rests', ms: null, rests_until_ts: expect.any(Number) } });
    const after = await rescript(server.baseUrl);
    expect(after['getInterestedUsers']).toBe((before['getInterestedUsers'] ?? 0) + 2);
  });

  it('row 336: says that presence is disabled', async () => {
    await using server = await startAdminServer({
      modules: [scriptedModule({})],
      config: { presence: { enabled: false } },
    });
    const alice = await server.register('alice');
    await server.register('bob');
    const sent = await explain(server, ALICE, BOB);
    expect(sent).toMatchObject({ is_visible: false, shown_as: 'offline', status: { presence: 'offline' } });
    expect(sent.status).toEqual((await alice.getPresence(BOB)).body);
    expect(sent.conclusion).toContain('presence is disabled');
    expect(await rescript(server.baseUrl)).toEqual({});
  });

  it('has nobody without an account see anything, whatever the modules say', async () => {
    await using server = await start({ interest: { '@alcie:test.example': 'ALL', [ALICE]: 'ALL' } });
    expect(await explain(server, ALICE, BOB)).toMatchObject({ is_visible: true });
    const sent = await explain(server, '@alcie:test.example', BOB);
    expect(sent).toMatchObject({
      is_visible: false,
      shown_as: 'nothing',
      conclusion:
        '@alcie:test.example does not see the presence of @bob:test.example: there is no account @alcie:test.example on this server.',
    });
    expect(marks(sent, 'observer')).toEqual([false]);
  });

  it('says who is unknown, and refuses what is no id', async () => {
    await using server = await start({ interest: { [ALICE]: ['@bbo:test.example'] } });
    const sent = await explain(server, '@alcie:test.example', '@bbo:test.example');
    expect(says(sent, 'observer')).toEqual(['There is no account @alcie:test.example on this server']);
    expect(says(sent, 'target')).toEqual(['There is no account @bbo:test.example on this server']);
    expect(sent.conclusion).toContain('there is no account @bbo:test.example on this server');
    expect(ruled(await explain(server, ALICE, '@x:far.example'), 'target')).toMatchObject([{ holds: false }]);
    for (const query of ['observer=a b&target=@b:c', `observer=${ALICE}&target=bob`, `observer=${ALICE}`]) {
      expect((await server.admin('GET', `/explain?${query}`)).status).toBe(400);
    }
    expect((await server.request('GET', `/_thalamus/admin/v1/explain?observer=${ALICE}&target=${BOB}`)).status).toBe(
      401,
    );
  });

  it('tells whether the observer is there, and when the two callbacks of a module disagree', async () => {
    await using server = await start({ interest: { [ALICE]: [BOB] } });
    const away = await explain(server, ALICE, BOB);
    expect(ruled(away, 'delivery')).toMatchObject([{ holds: null, details: { is_connected: false } }]);
    expect(ruled(away, 'interest_in_effect')).toMatchObject([{ holds: null }]);
    expect(ruled(away, 'disagreement')).toMatchObject([{ holds: null, details: { module: '0' } }]);
    const { next_batch: since } = await server.alice.sync({ set_presence: 'offline' });
    const lingering = await explain(server, ALICE, BOB);
    expect(ruled(lingering, 'delivery')).toMatchObject([{ details: { is_connected: true, is_syncing: false } }]);
    const leave = new AbortController();
    const poll = server.alice.sync({ since, timeout: 30_000, set_presence: 'offline' }, leave.signal).catch(() => null);
    await until(async () => marks(await explain(server, ALICE, BOB), 'delivery')[0] === true);
    await until(async () => {
      const [delivery] = ruled(await explain(server, ALICE, BOB), 'delivery');
      return delivery?.details['is_syncing'] === true;
    });
    expect(ruled(await explain(server, ALICE, BOB), 'interest_in_effect')).toMatchObject([{ holds: true }]);
    leave.abort();
    await poll;
  });

  it('row 339: explains other servers: rooms, routes, the whitelist, and how the way there is', async () => {
    await using net = await startFederationNet();
    const rooms = new MemoryRoomDirectory();
    rooms.join('!shared:test.example', '@bob:test.example', '@eve:far.example');
    const options = await net.server('test.example', {
      modules: [scriptedModule({ routes: { [BOB]: ['@zoe:other.example'] }, restrictions: {} })],
      config: { federation_domain_whitelist: ['far.example', 'other.example'] },
    });
    await using server = await start(null, { ...options, overrides: { rooms } });

    const shared = await explain(server, '@eve:far.example', BOB);
    expect(shared).toMatchObject({ is_visible: true, shown_as: 'full', status: { presence: 'online' } });
    expect(shared.conclusion).toContain('far.example is sent the presence of @bob:test.example');
    expect(shared.conclusion).toContain('It shows it to @eve:far.example');
    // Nobody answers there.
    await until(async () => marks(await explain(server, 'far.example', BOB), 'destination')[0] === false);
    const [failing] = ruled(await explain(server, 'far.example', BOB), 'destination');
    expect(failing?.says).toMatch(/far\.example cannot be reached: \d+ attempts? .* failed/);
    expect(failing?.details['failures']).toBeGreaterThan(0);

    const mallory = await explain(server, '@mallory:far.example', BOB);
    expect(mallory.is_visible).toBe(true);
    expect(mallory.conclusion).toContain('Whether it shows it to @mallory:far.example');

    const routed = await explain(server, 'other.example', BOB);
    expect(routed).toMatchObject({ is_visible: true });
    expect(marks(routed, 'shared_rooms')).toEqual([false]);
    expect(says(routed, 'getUsersForStates')).toEqual([
      `module 0 (./module-0.ts) gives updates of ${BOB} to users of other.example`,
    ]);
    const barred = await explain(server, 'barred.example', BOB);
    expect(barred.conclusion).toContain('federation_domain_whitelist leaves barred.example out');
    const passedOn = await explain(server, 'other.example', '@eve:far.example');
    expect(passedOn.conclusion).toContain('this server never passes it on');

    await rescript(server.baseUrl, { restrictions: { [BOB]: { 'other.example': 'deny' } } });
    const denied = await explain(server, 'other.example', BOB);
    expect(ruled(denied, 'getRestrictions')).toMatchObject([{ holds: false }]);
  });

  it('row 338: leaves no trace: metrics, log, counters and what is remembered are as before', async () => {
    await using server = await start({
      interest: { [ALICE]: [BOB] },
      restrictions: {},
      failing: { getUsersForStates: 'throw' },
    });
    const traces = async () => {
      const metrics = (await server.request('GET', '/metrics')).body as string;
      const { body } = await server.admin('GET', '/server');
      const own = /http|process|nodejs|admin|memory|event_loop|cpu|_bytes/i;
      return [
        metrics.split('\n').filter((line) => !line.startsWith('#') && !own.test(line)),
        (body as { counts: unknown }).counts,
        server.logger.lines.filter(({ message }) => !/request/.test(message)).length,
      ];
    };
    await server.bob.setPresence('online', 'settled');
    await until(async () => (await server.metric('thalamus_presence_routing_queue')) !== 1);
    const calls = await rescript(server.baseUrl);
    const before = await traces();
    for (const observer of [ALICE, BOB, '@new:test.example', '@far:far.example', 'far.example']) {
      for (const target of [BOB, '@newer:test.example', '@other:other.example'])
        await explain(server, observer, target);
    }
    expect(await traces()).toEqual(before);
    const after = await rescript(server.baseUrl);
    expect(after['getInterestedUsers']).toBeGreaterThan(calls['getInterestedUsers'] ?? 0);
  });
});
