/**
 * What other servers send, over a real socket and signed, and what becomes of it.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryRoomDirectory, MemoryTransactionStore } from '../../src/adapters/memory/index.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqliteTransactionStore } from '../../src/adapters/sqlite/transaction-store.ts';
import { PortError } from '../../src/ports/errors.ts';
import { later } from '../presence/rig.ts';
import { until } from '../support/until.ts';
import { ReceivingRig, type ReceivingOptions } from './receiving-rig.ts';

const REMOTE = 'remote.example:8448';
const Q = `@q:${REMOTE}` as const;
const A = '@a:test';
const ROOM = '!room:test';
const OK = { status: 200, body: { pdus: {} } };

const open: ReceivingRig[] = [];
afterEach(async () => {
  for (const rig of open.splice(0)) await rig[Symbol.asyncDispose]();
});

/** With A here and Q there in one room, and A looking. */
async function inOneRoom(options: ReceivingOptions = {}) {
  const rooms = new MemoryRoomDirectory();
  rooms.join(ROOM, A);
  for (const name of ['q', 'r', 's', 't']) rooms.join(ROOM, `@${name}:${REMOTE}`);
  const rig = await ReceivingRig.start({ ...options, presence: { rooms, ...options.presence } });
  open.push(rig);
  const peer = rig.peer(REMOTE);
  return { rig, peer, a: await rig.presence.client(A).watch(), clock: rig.presence.clock };
}

const online = (name: string, more: object = {}) => ({ user_id: `@${name}:${REMOTE}`, presence: 'online', ...more });
const edu = (push: unknown) => ({ edu_type: 'm.presence', content: { push } });

describe('entries', () => {
  it('row 193: an entry without last_active_ago removes status and activity, and keeps when the user was last active', async () => {
    const { peer, a, clock } = await inOneRoom();
    await peer.push([online('q', { last_active_ago: 50_000, status_msg: 'here', currently_active: true })]);
    expect(a.lastOf(Q)).toMatchObject({ last_active_ago: 50_000, status_msg: 'here', currently_active: true });
    await clock.advance(1_000);
    expect(await peer.push([online('q')])).toEqual(OK);
    const content = a.lastOf(Q);
    expect(content).toEqual({ presence: 'online', last_active_ago: 51_000, currently_active: false });
  });

  it('row 194: entries of another origin, without a user or without a state are left out, and the others count', async () => {
    const { rig, peer, a } = await inOneRoom();
    const push = [
      { user_id: '@q:other', presence: 'online' },
      { presence: 'online' },
      { user_id: '', presence: 'online' },
      { user_id: Q },
      { user_id: Q, presence: '' },
      { user_id: '@q:remote.example', presence: 'online' },
      online('r'),
    ];
    expect(await peer.push(push)).toEqual(OK);
    expect(a.seen.map(([userId]) => userId)).toEqual([`@r:${REMOTE}`]);
    expect(['foreign', 'user_id', 'presence'].map((reason) => rig.dropped(reason))).toEqual([2, 2, 2]);
  });

  it('row 197: an EDU without entries is answered with 200, and nothing happens', async () => {
    const { rig, peer, a } = await inOneRoom();
    for (const content of [{}, { push: [] }, { push: null }]) {
      expect(await peer.send({ edus: [{ edu_type: 'm.presence', content }] })).toEqual(OK);
    }
    expect([rig.received, a.seen]).toEqual([[], []]);
  });

  it('row 198: an entry of the wrong shape costs itself, not the transaction', async () => {
    const { rig, peer, a } = await inOneRoom();
    const push = [
      online('q', { last_active_ago: '5' }),
      5,
      null,
      [],
      online('r'),
      { user_id: 'nocolon', presence: 'online' },
    ];
    expect(await peer.push(push)).toEqual(OK);
    const edus = [{ edu_type: 'm.presence' }, null, 'x', {}, edu({}), edu([online('s')])];
    expect(await peer.send({ edus })).toEqual(OK);
    expect(a.seen.map(([userId]) => userId)).toEqual([`@r:${REMOTE}`, `@s:${REMOTE}`]);
    expect(['last_active_ago', 'malformed', 'user_id'].map((reason) => rig.dropped(reason))).toEqual([1, 5, 1]);
    expect(rig.logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
  });

  it('row 199: a state that the specification does not know is left out; busy where it is enabled', async () => {
    const { rig, peer, a } = await inOneRoom();
    const busy = 'org.matrix.msc3026.busy';
    expect(await peer.push([online('q', { presence: 'weird' }), online('r', { presence: busy }), online('s')])).toEqual(
      OK,
    );
    expect(a.seen.map(([userId]) => userId)).toEqual([`@s:${REMOTE}`]);
    expect(rig.dropped('presence')).toBe(2);
    const other = await inOneRoom({ presence: { busyEnabled: true }, limits: { busyEnabled: true } });
    await other.peer.push([online('r', { presence: busy })]);
    expect(other.a.lastOf(`@r:${REMOTE}`)).toMatchObject({ presence: busy });
  });

  it('lets the last entry of a user win, over all EDUs of a transaction, in one step', async () => {
    const { rig, peer, a } = await inOneRoom();
    await peer.send({ edus: [edu([online('q'), online('r')]), edu([online('q', { presence: 'unavailable' })])] });
    expect(a.statesOf(Q)).toEqual(['unavailable']);
    expect([rig.received.length, rig.dropped('superseded')]).toEqual([1, 1]);
  });

  it('holds a status message to its limit, and believes no activity in the future', async () => {
    const { peer, a } = await inOneRoom();
    await peer.push([online('q', { status_msg: 'x'.repeat(1_001) }), online('r', { status_msg: 'x'.repeat(1_000) })]);
    expect(a.lastOf(Q)).toBeUndefined();
    expect(a.lastOf(`@r:${REMOTE}`)).toHaveProperty('status_msg', 'x'.repeat(1_000));
    await peer.push([online('q', { last_active_ago: -5_000 })]);
    expect(a.lastOf(Q)).toHaveProperty('last_active_ago', 0);
  });

  it('row 203: where presence is untracked or disabled, an EDU is answered with 200 and ignored', async () => {
    for (const mode of ['untracked', 'disabled'] as const) {
      const { rig, peer, a } = await inOneRoom({ presence: { mode }, tracks: false });
      expect(await peer.push([online('q')])).toEqual(OK);
      await rig.presence.settle();
      expect([rig.received, a.seen, rig.presence.handler.getState(Q).state]).toEqual([[], [], 'offline']);
      // Not only because the receiver knows.
      const careless = await inOneRoom({ presence: { mode } });
      expect(await careless.peer.push([online('q')])).toEqual(OK);
      expect(careless.a.seen).toEqual([]);
    }
  });

  it('row 206: what the rooms’ access lists say of a server is not asked', async () => {
    // The room directory says who is joined and nothing else: a server that a room bans is still in it until its users are.
    const { peer, a } = await inOneRoom();
    await peer.push([online('q')]);
    expect(a.statesOf(Q)).toEqual(['online']);
  });
});

describe('transactions', () => {
  it('row 204: more than 50 PDUs or 100 EDUs are refused, and so much is taken', async () => {
    const { rig, peer } = await inOneRoom();
    const pdus = (count: number) => Array.from({ length: count }, (_, i) => ({ event_id: `$${i}`, type: 'x' }));
    const edus = (count: number) => Array.from({ length: count }, () => edu([online('q')]));
    for (const body of [{ pdus: pdus(51) }, { edus: edus(101) }]) {
      const { status, body: error } = await peer.send(body);
      expect([status, error.errcode]).toEqual([400, 'M_BAD_JSON']);
    }
    expect(rig.received).toEqual([]);
    const { status, body } = await peer.send({ pdus: pdus(50), edus: edus(100) });
    expect([status, Object.keys(body.pdus).length, rig.received.length]).toEqual([200, 50, 1]);
    expect(rig.metrics.value('synapse_federation_server_received_pdus')).toBe(50);
    expect(rig.metrics.value('synapse_federation_server_received_edus')).toBe(100);
  });

  it('row 205: a repeat is answered as the first time, and nothing of it happens twice', async () => {
    const { rig, peer } = await inOneRoom();
    const body = { pdus: [{ event_id: '$a' }], edus: [edu([online('q')])] };
    const first = await peer.send(body, 'again');
    expect(first.body).toEqual({ pdus: { $a: { error: expect.any(String) } } });
    expect(await peer.send(body, 'again')).toEqual(first);
    expect(await peer.send({ pdus: [{ event_id: '$b' }] }, 'again')).toEqual(first);
    expect(rig.received.length).toBe(1);
    // The same id of another server is another transaction.
    const other = rig.peer('other.example');
    expect(await other.send({}, 'again')).toEqual(OK);
    expect(rig.metrics.value('thalamus_federation_received_transactions', { outcome: 'repeated' })).toBe(2);
  });

  it('row 205: a repeat is known after the process was killed', async () => {
    const db = openDatabase({ path: ':memory:', logger: (await inOneRoom()).rig.logger });
    const store = new SqliteTransactionStore(db);
    const before = await inOneRoom({ store });
    const first = await before.peer.send({ pdus: [{ event_id: '$a' }], edus: [edu([online('q')])] }, 'again');
    const after = await inOneRoom({ store });
    expect(await after.peer.send({}, 'again')).toEqual(first);
    expect(after.rig.received).toEqual([]);
    db.close();
  });

  it('answers when what was in it is durable, and not before', async () => {
    const gate = later<void>();
    const { rig, peer } = await inOneRoom({ receivePresence: () => gate.promise });
    let answered = false;
    const answer = peer.push([online('q')], 'one').then((result) => {
      answered = true;
      return result;
    });
    await until(() => rig.received.length === 1);
    await rig.request('GET', '/_matrix/federation/v1/version');
    expect([answered, await rig.store.find(REMOTE, 'one')]).toEqual([false, null]);
    // A repeat of the one under way waits with it.
    const repeat = peer.push([online('q')], 'one');
    await until(() => rig.metrics.value('thalamus_federation_received_transactions', { outcome: 'repeated' }) === 1);
    gate.resolve();
    expect([await answer, await repeat, rig.received.length]).toEqual([OK, OK, 1]);
    expect(await rig.store.find(REMOTE, 'one')).not.toBeNull();
  });

  it('is asked to come again when it could not be made durable, and then all of it happens', async () => {
    const store = new MemoryTransactionStore();
    let failing: 'presence' | 'save' | 'find' | null = 'presence';
    const fail = (what: string) => {
      if (failing === what) throw new PortError('database', what, what !== 'find', 'a secret of the server');
    };
    const { rig, peer } = await inOneRoom({
      receivePresence: async () => fail('presence'),
      store: {
        find: async (...key) => (fail('find'), store.find(...key)),
        save: async (...rest) => (fail('save'), store.save(...rest)),
        forget: (options) => store.forget(options),
      },
    });
    for (failing of ['presence', 'save', 'find'] as const) {
      const { status, body } = await peer.push([online('q')], 'one');
      expect([status, body.errcode, JSON.stringify(body).includes('secret')]).toEqual([503, 'M_UNKNOWN', false]);
      expect(await store.find(REMOTE, 'one')).toBeNull();
    }
    failing = null;
    expect(await peer.push([online('q')], 'one')).toEqual(OK);
    expect(rig.received.length).toBe(3);
    // One line for three failures.
    const lines = rig.logger.lines
      .filter(({ level }) => level !== 'debug')
      .map(({ level, message }) => `${level}: ${message}`);
    expect(lines).toEqual(['warn: transactions of other servers cannot be taken at the moment']);
  });

  it('is one at a time for each server; another server does not wait', async () => {
    const gates = [later<void>(), later<void>()];
    let begun = 0;
    const { rig, peer } = await inOneRoom({
      receivePresence: async (origin) => {
        if (origin === REMOTE) await gates[begun++]?.promise;
      },
      limits: { maxWaiting: 1 },
    });
    const first = peer.push([online('q')], '1');
    await until(() => begun === 1);
    const second = peer.push([online('r')], '2');
    await until(() => rig.receiver.pending === 2);
    const third = await peer.push([online('s')], '3');
    expect([third.status, third.body.errcode, third.body.retry_after_ms]).toEqual([429, 'M_LIMIT_EXCEEDED', 1000]);
    const other = rig.peer('other.example');
    expect(await other.push([{ user_id: '@x:other.example', presence: 'online' }])).toEqual(OK);
    expect(begun).toBe(1);
    gates[0]?.resolve();
    expect(await first).toEqual(OK);
    await until(() => begun === 2);
    gates[1]?.resolve();
    expect(await second).toEqual(OK);
    expect(await peer.push([online('s')], '3')).toEqual(OK);
    expect(rig.receiver.pending).toBe(0);
  });

  it('goes on after one that failed', async () => {
    let fails = true;
    const { peer } = await inOneRoom({
      receivePresence: async () => {
        if (fails) throw new Error('a bug');
      },
    });
    const answers = await Promise.all([peer.push([online('q')], '1'), peer.push([online('q')], '2')]);
    expect(answers.map(({ status }) => status)).toEqual([500, 500]);
    fails = false;
    expect(await peer.push([online('q')], '1')).toEqual(OK);
  });

  it('answers each event with an error, under its id or the hash that is its id', async () => {
    const { peer } = await inOneRoom();
    const error = { error: expect.stringContaining('rooms are local') };
    const message = { type: 'm.room.message', room_id: ROOM, sender: Q, content: { body: 'x' }, depth: 5 };
    const { body } = await peer.send({ pdus: [{ event_id: '$old:x' }, message, 5, null, { depth: 0.5 }] });
    const [hash = ''] = Object.keys(body.pdus).filter((id) => id !== '$old:x');
    expect(hash).toMatch(/^\$[\w-]{43}$/);
    expect(body).toEqual({ pdus: { '$old:x': error, [hash]: error } });
  });

  it('ignores EDUs of other kinds, and counts them', async () => {
    const { rig, peer, a } = await inOneRoom();
    const edus = [
      { edu_type: 'm.typing', content: { room_id: ROOM, user_id: Q, typing: true } },
      { edu_type: 'm.receipt', content: {} },
      edu([online('q')]),
      { content: { push: [online('r')] } },
      { edu_type: 5, content: { push: [online('r')] } },
    ];
    expect(await peer.send({ edus })).toEqual(OK);
    expect(a.seen.length).toBe(1);
    expect(rig.metrics.value('thalamus_federation_ignored_edus')).toBe(4);
  });

  it('takes absent and null lists as empty, and refuses what is no transaction', async () => {
    const { rig, peer } = await inOneRoom();
    for (const text of ['{}', '{"pdus":null,"edus":null}', '{"edus":[]}', ' {"pdus" : []} ', '{"origin":null}']) {
      expect(await peer.sendText(text), text).toEqual(OK);
    }
    for (const text of ['[]', '5', 'null', '"x"', '{"pdus":{}}', '{"edus":"x"}', '{"pdus":5}']) {
      const { status, body } = await peer.sendText(text);
      expect([status, body.errcode], text).toEqual([400, 'M_BAD_JSON']);
    }
    const forged = await peer.send({ origin: 'other.example', edus: [edu([online('q')])] });
    expect([forged.status, forged.body.errcode]).toEqual([403, 'M_FORBIDDEN']);
    expect(rig.received).toEqual([]);
  });

  it('has an id of up to 255 bytes', async () => {
    const { peer } = await inOneRoom();
    expect(await peer.push([], 'é'.repeat(127))).toEqual(OK);
    expect(await peer.push([], 'a/b?c d')).toEqual(OK);
    for (const txnId of ['é'.repeat(128), '', 'a\0b']) {
      const { status, body } = await peer.push([], txnId);
      expect([status, body.errcode], txnId).toEqual([400, 'M_INVALID_PARAM']);
    }
  });

  it('is forgotten by the store after a day, or behind many of its server', async () => {
    const { rig, peer, clock } = await inOneRoom({ limits: { keepPerOrigin: 3 } });
    for (let i = 0; i < 5; i++) await peer.push([online('q')], `t${i}`);
    const known = await Promise.all([0, 1, 2, 3, 4].map(async (i) => (await rig.store.find(REMOTE, `t${i}`)) !== null));
    expect(known).toEqual([false, false, true, true, true]);
    await clock.advance(25 * 3_600_000);
    await rig.peer('other.example').push([{ user_id: '@x:other.example', presence: 'online' }], 'x');
    expect(await rig.store.find(REMOTE, 't4')).toBeNull();
    expect(await rig.store.find('other.example', 'x')).not.toBeNull();
  });

  it('is forgotten by the store behind many of all servers, so that made-up ones do not fill the disk', async () => {
    const { rig, clock } = await inOneRoom({ limits: { keepInAll: 8 } });
    const names = Array.from({ length: 30 }, (_, i) => `s${i}.example`);
    for (const name of names) {
      await rig.peer(name).push([{ user_id: `@x:${name}`, presence: 'online' }], 'one');
      await clock.advance(1);
    }
    const known = await Promise.all(names.map(async (name) => (await rig.store.find(name, 'one')) !== null));
    const kept = known.filter(Boolean).length;
    expect([kept >= 8, kept <= 10, known.slice(-8)]).toEqual([true, true, Array.from({ length: 8 }, () => true)]);
  });
});

describe('other endpoints', () => {
  it('says what software this is, to anybody', async () => {
    const { rig } = await inOneRoom();
    const { status, body } = await rig.request('GET', '/_matrix/federation/v1/version');
    expect([status, body]).toEqual([200, { server: { name: 'Thalamus', version: '1.2.3' } }]);
  });

  it('tells other servers the profiles of local users, as far as they are set', async () => {
    const { rig, peer } = await inOneRoom();
    const path = '/_matrix/federation/v1/query/profile';
    const ask = async (query: string) => {
      const { status, body } = await peer.get(`${path}?${query}`);
      return status === 200 ? body : `${status} ${body.errcode}`;
    };
    expect(await ask('user_id=%40alice:test')).toEqual({ displayname: 'Alice', avatar_url: 'mxc://a/b' });
    expect(await ask('user_id=%40alice:test&field=displayname')).toEqual({ displayname: 'Alice' });
    expect(await ask('field=avatar_url&user_id=@alice:test')).toEqual({ avatar_url: 'mxc://a/b' });
    expect(await ask('user_id=@alice:test&field=m.tz')).toEqual({});
    expect(await ask('user_id=@bare:test')).toEqual({});
    expect(await ask('user_id=@nobody:test')).toBe('404 M_NOT_FOUND');
    expect(await ask(`user_id=${Q}`)).toBe('404 M_NOT_FOUND');
    expect(await ask('user_id=alice')).toBe('400 M_INVALID_PARAM');
    expect(await ask('field=x')).toBe('400 M_MISSING_PARAM');
    const unsigned = await rig.request('GET', `${path}?user_id=@alice:test`);
    expect([unsigned.status, unsigned.body.errcode]).toEqual([401, 'M_UNAUTHORIZED']);
    expect(rig.alive.length).toBe(9);
  });

  it('knows no others: 404, and 405 for another method of a known one', async () => {
    const { rig, peer } = await inOneRoom();
    for (const path of ['query/directory?room_alias=x', 'make_join/!r:test/@a:x', 'event/$x', 'send', 'send/a/b', '']) {
      const { status, body } = await peer.get(`/_matrix/federation/v1/${path}`);
      expect([status, body.errcode], path).toEqual([404, 'M_UNRECOGNIZED']);
    }
    const put = await rig.request('PUT', '/_matrix/federation/v2/send_join/!r:test/$x', '{}');
    expect([put.status, put.body.errcode]).toEqual([404, 'M_UNRECOGNIZED']);
    const post = await rig.request('POST', '/_matrix/federation/v1/send/1', '{}');
    expect([post.status, post.body.errcode]).toEqual([405, 'M_UNRECOGNIZED']);
  });
});
