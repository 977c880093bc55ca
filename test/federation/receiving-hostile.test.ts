/**
 * Servers that lie, flood and dawdle: what they cost themselves, and that they cost nobody else anything.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/matrix/canonical-json.ts';
import { later } from '../presence/rig.ts';
import { openRaw } from '../support/http-fixture.ts';
import { until } from '../support/until.ts';
import { type Peer, ReceivingRig, type ReceivingOptions, US } from './receiving-rig.ts';

const RC_FEDERATION = { windowMs: 1000, sleepLimit: 10, sleepDelayMs: 500, rejectLimit: 50, concurrent: 3 };
const OK = { status: 200, body: { pdus: {} } };
const HERE = { 'x-forwarded-for': '192.0.2.1' };
const THERE = { 'x-forwarded-for': '192.0.2.2' };

const open: ReceivingRig[] = [];
afterEach(async () => {
  for (const rig of open.splice(0)) await rig[Symbol.asyncDispose]();
});

async function start(options: ReceivingOptions = {}) {
  const rig = await ReceivingRig.start(options);
  open.push(rig);
  const refused = (reason: string) => rig.metrics.value('thalamus_federation_refused_requests', { reason });
  return { rig, honest: rig.peer('honest.example'), hostile: rig.peer('hostile.example'), refused };
}

const online = (peer: Peer, name = 'q') => [{ user_id: peer.user(name), presence: 'online' }];

/** A transaction that claims to be of `victim` and is signed by somebody else. */
function lie(rig: ReceivingRig, liar: Peer, victim: Peer, body: string, from = HERE) {
  const uri = '/_matrix/federation/v1/send/lie';
  const authorization = liar.authorization({ uri, contentText: body, origin: victim.name });
  return rig.request('PUT', uri, body, { authorization, ...from });
}

describe('who is not proved', () => {
  it('changes nothing and wakes nobody', async () => {
    const { rig, honest, hostile } = await start();
    const body = JSON.stringify({ edus: [{ edu_type: 'm.presence', content: { push: online(honest) } }] });
    const { status, body: error } = await lie(rig, hostile, honest, body);
    expect([status, error.errcode]).toEqual([401, 'M_UNAUTHORIZED']);
    expect([rig.received, rig.alive, rig.presence.handler.getState(honest.user('q')).state]).toEqual([
      [],
      [],
      'offline',
    ]);
    await honest.push(online(honest));
    expect(rig.alive).toEqual(['honest.example']);
  });

  it('is refused by the headers alone, if these are wrong, before a key is looked for or a body read', async () => {
    const { rig, honest } = await start({ isAllowed: (server) => server !== 'blocked.example' });
    const blocked = rig.peer('blocked.example');
    const uri = '/_matrix/federation/v1/send/1';
    const cases: [string, string | null, string][] = [
      ['no header', null, '401'],
      ['a client', 'Bearer token', '401'],
      ['half a header', 'X-Matrix origin="honest.example"', '401'],
      ['another destination', honest.authorization({ uri, destination: 'elsewhere.example' }), '401'],
      ['our own name', honest.authorization({ uri, origin: US }), '401'],
      ['a server outside the whitelist', blocked.authorization({ uri }), '403'],
    ];
    for (const [what, authorization, status] of cases) {
      using raw = await openRaw(rig.port);
      const header = authorization === null ? '' : `Authorization: ${authorization}\r\n`;
      raw.write(`PUT ${uri} HTTP/1.1\r\nHost: x\r\n${header}Content-Length: 9000000\r\n\r\n`);
      await raw.received(new RegExp(`HTTP/1\\.1 ${status} .*"errcode":"M_`, 's'));
      expect(rig.keyLookUps, what).toEqual([]);
    }
    expect(rig.metrics.value('thalamus_federation_refused_requests', { reason: 'header' })).toBe(cases.length - 1);
    expect(rig.metrics.value('thalamus_federation_refused_requests', { reason: 'not_allowed' })).toBe(1);
  });

  it('has no body read whose key cannot be found', async () => {
    const { rig } = await start();
    const unknown = rig.peer('unknown.example');
    const uri = '/_matrix/federation/v1/send/1';
    const authorization = unknown.authorization({ uri }).replace('ed25519:a', 'ed25519:b');
    using raw = await openRaw(rig.port);
    raw.write(`PUT ${uri} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: 9000000\r\n\r\n`);
    await raw.received(/HTTP\/1\.1 401 .*No valid key/s);
  });

  it('may fail so often from one address, whatever names it takes, and then costs no look-up any more', async () => {
    const { rig, honest, hostile, refused } = await start();
    const uri = '/_matrix/federation/v1/send/1';
    const statuses: number[] = [];
    for (let i = 0; i < 200; i++) {
      const authorization = hostile.authorization({ uri, origin: `made-up-${i}.example` });
      const { status, body } = await rig.request('PUT', uri, '{}', { authorization, ...HERE });
      statuses.push(status);
      if (status === 429) expect(body).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1000 });
    }
    expect([statuses.filter((status) => status === 401).length, rig.keyLookUps.length]).toEqual([50, 50]);
    expect([refused('signature'), refused('limited')]).toEqual([50, 150]);
    // Others are let in, at other addresses, and the liar again after a while.
    expect(await honest.push(online(honest), 'a', THERE)).toEqual(OK);
    await rig.presence.advance(1000);
    expect((await lie(rig, hostile, honest, '{}')).status).toBe(401);
    expect((await lie(rig, hostile, honest, '{}')).status).toBe(429);
  });

  it('pays for large bodies', async () => {
    const { rig, honest, hostile } = await start();
    const large = JSON.stringify({ pdus: [], padding: 'x'.repeat(4_000_000) });
    expect((await lie(rig, hostile, honest, large)).status).toBe(401);
    const { status, body } = await lie(rig, hostile, honest, '{}');
    expect([status, Math.round(body.retry_after_ms / 1000)]).toEqual([429, 196]);
    expect((await lie(rig, hostile, honest, '{}', THERE)).status).toBe(401);
  });

  it('cannot use up another server’s allowance, nor lock it out by its name', async () => {
    const { rig, honest, hostile } = await start({ rateLimit: { ...RC_FEDERATION, sleepLimit: 2 } });
    await Promise.all(Array.from({ length: 45 }, () => lie(rig, hostile, honest, '{}')));
    for (let i = 0; i < 40; i++) await lie(rig, hostile, honest, '{}', THERE);
    // Would wait for the clock, which stands still, if any of that counted.
    expect(await honest.push(online(honest), 'a', { 'x-forwarded-for': '192.0.2.3' })).toEqual(OK);
    expect(await honest.push(online(honest), 'b', { 'x-forwarded-for': '192.0.2.3' })).toEqual(OK);
  });

  it('does not lock out those who proved themselves from the same address', async () => {
    const { rig, honest, hostile } = await start();
    const late = rig.peer('late.example');
    expect(await honest.push(online(honest), 'a', HERE)).toEqual(OK);
    for (let i = 0; i < 60; i++)
      await rig.request('PUT', '/_matrix/federation/v1/send/1', '{}', {
        authorization: hostile.authorization({ uri: '/_matrix/federation/v1/send/1', origin: `made-up-${i}.example` }),
        ...HERE,
      });
    expect(await honest.push(online(honest), 'b', HERE)).toEqual(OK);
    expect((await late.push(online(late), 'a', HERE)).status).toBe(429);
  });

  it('has only so many look-ups under way from one address', async () => {
    const gate = later<null>();
    const { rig, hostile } = await start({ findKey: () => gate.promise });
    const uri = '/_matrix/federation/v1/version';
    const ask = (i: number) => {
      const path = '/_matrix/federation/v1/send/1';
      return rig.request('PUT', path, '{}', {
        authorization: hostile.authorization({ uri: path, origin: `slow-${i}.example` }),
        ...HERE,
      });
    };
    const waiting = Array.from({ length: 50 }, (_, i) => ask(i));
    await until(() => rig.keyLookUps.length === 50);
    expect((await ask(50)).status).toBe(429);
    expect((await rig.request('GET', uri)).status).toBe(200);
    gate.resolve(null);
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([401]));
  });
});

describe('a server that floods', () => {
  it('waits and is refused by rc_federation, and costs others no time at all', async () => {
    const gate = later<void>();
    const { rig, honest, hostile } = await start({
      rateLimit: RC_FEDERATION,
      receivePresence: async (origin) => {
        if (origin === hostile.name) await gate.promise;
      },
    });
    const flood = Array.from({ length: 100 }, (_, i) => hostile.push(online(hostile), `t${i}`));
    await until(() => rig.metrics.value('thalamus_federation_rate_limited', { action: 'reject' }) === 47);
    expect([rig.receiver.pending, rig.received.length]).toEqual([3, 1]);
    // The clock stands still: whoever had to wait would not be answered.
    for (let i = 0; i < 10; i++) expect(await honest.push(online(honest, `q${i}`), `t${i}`)).toEqual(OK);
    // The flood is refused by its name alone by now, before a signature is checked.
    const alive = rig.alive.length;
    expect((await hostile.push(online(hostile), 'more')).status).toBe(429);
    expect(rig.alive.length).toBe(alive);
    gate.resolve();
    await until(async () => {
      await rig.presence.advance(500);
      return rig.receiver.pending === 0;
    });
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    expect([200, 429].map((wanted) => statuses.filter((status) => status === wanted).length)).toEqual([53, 47]);
    // None of what was taken is lost, and each was worked on once.
    expect(rig.received.filter(([origin]) => origin === hostile.name).length).toBe(53);
  });

  it('delays what is more than the limit in a window', async () => {
    const { rig, honest } = await start({ rateLimit: RC_FEDERATION });
    for (let i = 0; i < 10; i++) expect(await honest.push(online(honest), `t${i}`)).toEqual(OK);
    let answered = false;
    const late = honest.push(online(honest), 'late').then((answer) => {
      answered = true;
      return answer;
    });
    await until(() => rig.metrics.value('thalamus_federation_rate_limited', { action: 'sleep' }) === 1);
    await rig.presence.advance(499);
    await rig.request('GET', '/_matrix/federation/v1/version');
    expect([answered, rig.received.length]).toEqual([false, 10]);
    await rig.presence.advance(1);
    expect(await late).toEqual(OK);
  });

  it('has its queries counted like its transactions', async () => {
    const { rig, hostile } = await start({ rateLimit: { ...RC_FEDERATION, sleepLimit: 1 } });
    const uri = `/_matrix/federation/v1/query/profile?user_id=@alice:${US}`;
    expect((await hostile.get(uri)).status).toBe(200);
    const late = hostile.get(uri);
    await until(() => rig.metrics.value('thalamus_federation_rate_limited', { action: 'sleep' }) === 1);
    await rig.presence.advance(500);
    expect((await late).status).toBe(200);
  });

  it('sends only so much in large bodies, and small ones all the while', async () => {
    const { rig, hostile, refused } = await start();
    const large = (i: number) => hostile.send({ padding: 'x'.repeat(5_200_000) }, `large${i}`);
    for (let i = 0; i < 4; i++) expect(await large(i)).toEqual(OK);
    const { status, body } = await large(4);
    expect([status, body.errcode, body.retry_after_ms > 0, refused('body')]).toEqual([
      429,
      'M_LIMIT_EXCEEDED',
      true,
      1,
    ]);
    expect(await hostile.push(online(hostile), 'small')).toEqual(OK);
    await rig.presence.advance(body.retry_after_ms);
    expect(await large(4)).toEqual(OK);
  });

  it('is not let in with bodies that take seconds to parse', async () => {
    const { rig, hostile, refused } = await start();
    const bombs = [`{"a":[${'[],'.repeat(1_500_000)}1]}`, `{"a":[${'{"b":1,"a":2},'.repeat(300_000)}1]}`];
    for (const bomb of bombs) {
      const startedAt = performance.now();
      const { status, body } = await hostile.sendText(bomb);
      expect([status, body.errcode]).toEqual([400, 'M_BAD_JSON']);
      // Without the limit it is seconds.
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      await rig.presence.advance(60 * 60_000);
    }
    expect([refused('body'), refused('signature')]).toEqual([2, 0]);
  });

  it('has large bodies that come together taken a few at a time, and everybody else is served in between', async () => {
    const gate = later<void>();
    const rounds: number[] = [];
    let round = 0;
    let isOver = false;
    const { rig, hostile } = await start({
      receivePresence: async () => void rounds.push(round),
      findKey: async (serverName, keyId) => {
        await gate.promise;
        return { serverName, keyId, publicKey: hostile.key.publicKey, validUntilTs: 2 ** 52, fetchedTs: 0 };
      },
    });
    const origin = 'late.example';
    const push = Array.from({ length: 3_000 }, (_, i) => ({ user_id: `@q${i}:${origin}`, presence: 'online' }));
    const body = JSON.stringify({ edus: [{ edu_type: 'm.presence', content: { push } }] });
    const answers = Array.from({ length: 40 }, (_, i) => {
      const uri = `/_matrix/federation/v1/send/${i}`;
      return rig.request('PUT', uri, body, {
        authorization: hostile.authorization({ uri, contentText: body, origin }),
      });
    });
    await until(() => rig.keyLookUps.length === 40);
    const count = (): void => {
      round++;
      if (!isOver) setImmediate(count);
    };
    count();
    gate.resolve();
    for (const answer of await Promise.all(answers)) expect(answer).toEqual(OK);
    isOver = true;
    expect(rounds.length).toBe(40);
    for (const one of new Set(rounds)) expect(rounds.filter((each) => each === one).length).toBeLessThanOrEqual(2);
  });

  it('is held to so many entries of a transaction', async () => {
    const { rig, hostile } = await start({ limits: { maxEntries: 10 } });
    const push = Array.from({ length: 5_000 }, (_, i) => ({ user_id: hostile.user(`q${i}`), presence: 'online' }));
    expect(await hostile.push(push)).toEqual(OK);
    expect([rig.received[0]?.[1].length, rig.dropped('limit')]).toEqual([10, 4_990]);
  });
});

describe('a server that repeats', () => {
  it('what another one signed is answered as the first time, and under another id not at all', async () => {
    const { rig, honest } = await start();
    const text = canonicalJson({ edus: [{ edu_type: 'm.presence', content: { push: online(honest) } }] });
    const uri = '/_matrix/federation/v1/send/1';
    const headers = { authorization: honest.authorization({ uri, contentText: text }) };
    const first = await rig.request('PUT', uri, text, headers);
    await honest.push([{ user_id: honest.user('q'), presence: 'offline' }], '2');
    expect(await rig.request('PUT', uri, text, { ...headers, ...HERE })).toEqual(first);
    expect(rig.received.length).toBe(2);
    expect((await rig.request('PUT', '/_matrix/federation/v1/send/3', text, headers)).status).toBe(401);
    expect((await rig.request('PUT', `${uri}?x=1`, text, headers)).status).toBe(401);
    expect((await rig.request('PUT', '/_matrix/federation/v1/send/%31', text, headers)).status).toBe(401);
    expect((await rig.request('PUT', uri, `${text} `, headers)).status).toBe(200);
    expect((await rig.request('PUT', uri, text.replace('online', 'offline'), headers)).status).toBe(401);
    expect(rig.received.length).toBe(2);
  });
});
