/**
 * The inbound endpoint asked with transactions, headers and bodies that are nearly right or not at all: no 5xx, no state of a user whose
 * server did not sign for it, no value that the specification does not know, and nothing that grows.
 *
 * A failure prints the seed and the request; the seed can be given as FUZZ_SEED, the number of requests as FUZZ_REQUESTS.
 */
import { Agent, request } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/matrix/canonical-json.ts';
import { type Peer, ReceivingRig } from './receiving-rig.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 1000);

/** Mulberry32: small, quick, the same everywhere. */
function randomFrom(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const upTo = (max: number): number => Math.floor(next() * max);
  return {
    chance: (probability: number) => next() < probability,
    upTo,
    pick: <T>(values: readonly T[]): T => values[upTo(values.length)] as T,
  };
}
type Random = ReturnType<typeof randomFrom>;

const USERS = [
  ...'@q:evil.example @r:evil.example @s:evil.example @q:good.example @a:test @q:EVIL.example @q:evil.example:443'.split(
    ' ',
  ),
  ...'@q:evil.example@good.example @:evil.example q:evil.example @q @q: nocolon'.split(' '),
  `@${'x'.repeat(300)}:evil.example`,
  '@\0:evil.example',
  '@\ud800:evil.example',
  '@é😀:evil.example',
];
const NUMBERS = [0, -0, 1, -1, 0.5, 1e21, 1e308, 2 ** 53, -(2 ** 53), 60_000];
const TEXTS = ['', 'x', 'online', 'weird', '5', '\ud800', '\0', 'x'.repeat(2_000), '__proto__'];
const SHAPES: readonly unknown[] = [[], [[]], {}, { a: 1 }, { toString: 1 }, undefined, null, true, false];
const ANYTHING: readonly unknown[] = [...NUMBERS, ...TEXTS, ...SHAPES];
const STATES = ['online', 'unavailable', 'offline', 'org.matrix.msc3026.busy', 'weird', ''];
/** Texts in place of a value, which no value writes. */
const ODDITIES = [
  ...'1.0 1e5 -0 1e400 123456789012345678901234567890 0.1 NaN Infinity 01 0x10 +1 nul tru'.split(' '),
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\u0001"',
  '"\\u0000"',
  '"\\x"',
  '{"a":1,"a":2}',
  '{"a":1,}',
  '[1,]',
  '{a:1}',
  "{'a':1}",
  '/**/1',
  '\ufeff1',
  `${'['.repeat(199)}${']'.repeat(199)}`,
  `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  '{"a":'.repeat(10_000),
  `"${'\\"'.repeat(10_000)}"`,
];

function entry(random: Random): unknown {
  if (random.chance(0.05)) return random.pick(ANYTHING);
  const made: Record<string, unknown> = { user_id: random.pick(USERS), presence: random.pick(STATES) };
  if (random.chance(0.6)) made['last_active_ago'] = random.chance(0.6) ? random.upTo(1e6) : random.pick(ANYTHING);
  if (random.chance(0.5)) made['status_msg'] = random.chance(0.6) ? 'here' : random.pick(ANYTHING);
  if (random.chance(0.5)) made['currently_active'] = random.chance(0.6) ? true : random.pick(ANYTHING);
  if (random.chance(0.05)) made[random.pick(['user_id', 'presence', 'x'])] = random.pick(ANYTHING);
  return made;
}

const many = <T>(random: Random, max: number, make: () => T): T[] => Array.from({ length: random.upTo(max) }, make);

function edu(random: Random): unknown {
  if (random.chance(0.05)) return random.pick(ANYTHING);
  const push = random.chance(0.9) ? many(random, 8, () => entry(random)) : random.pick(ANYTHING);
  const content = random.chance(0.95) ? { push } : random.pick(ANYTHING);
  return { edu_type: random.chance(0.9) ? 'm.presence' : random.pick([...ANYTHING, 'm.typing']), content };
}

function pdu(random: Random): unknown {
  if (random.chance(0.2)) return random.pick(ANYTHING);
  const type = random.pick<unknown>(['m.room.member', 'm.room.create', 'm.room.message', 5]);
  return {
    type,
    content: random.pick(ANYTHING),
    depth: random.pick(ANYTHING),
    ...(random.chance(0.3) && { event_id: random.pick(['$x', 5, '__proto__', '$__proto__']) }),
  };
}

function transaction(random: Random): unknown {
  if (random.chance(0.03)) return random.pick(ANYTHING);
  const made: Record<string, unknown> = { origin_server_ts: random.pick(ANYTHING) };
  if (random.chance(0.9))
    made['edus'] = random.chance(0.95)
      ? many(random, random.chance(0.02) ? 110 : 5, () => edu(random))
      : random.pick(ANYTHING);
  if (random.chance(0.5))
    made['pdus'] = random.chance(0.9)
      ? many(random, random.chance(0.05) ? 60 : 4, () => pdu(random))
      : random.pick(ANYTHING);
  if (random.chance(0.3))
    made['origin'] = random.chance(0.7) ? 'evil.example' : random.pick([...ANYTHING, 'good.example']);
  return made;
}

/** JSON, now and then with a value replaced by a text that is odd or wrong, or a character changed. */
function bodyText(random: Random): string {
  let text = JSON.stringify(transaction(random) ?? null);
  if (random.chance(0.1)) text = text.replace(/"here"|true|\d+/, () => random.pick(ODDITIES));
  if (random.chance(0.05)) text = damaged(random, text);
  return random.chance(0.01) ? random.pick(['', ' ', 'x'.repeat(300_000), '{"pdus":[]}{"pdus":[]}']) : text;
}

function damaged(random: Random, text: string): string {
  const at = random.upTo(text.length + 1);
  const put = random.pick(['"', '{', '}', '\\', '\u0001', ',', '', 'é', ' ', '0', '=', '%', 'x'.repeat(5_000)]);
  return text.slice(0, at) + put + text.slice(at + random.upTo(3));
}

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

interface Sent {
  readonly uri: string;
  readonly authorization: readonly string[];
  readonly body: Buffer;
  /** Whether the request is signed by the server it names, and as it is. */
  readonly isProved: boolean;
}

function make(random: Random, evil: Peer, count: number): Sent {
  const txnId = random.chance(0.8)
    ? `t${count}`
    : random.pick(['again', '%ff', '%00', 'x'.repeat(400), '', 'a%2Fb', '__proto__']);
  const uri = `/_matrix/federation/v1/send/${txnId}${random.chance(0.05) ? '?a=%zz&b' : ''}`;
  const text = bodyText(random);
  let body = Buffer.from(text);
  const sign = (contentText: string, more: object = {}) => evil.authorization({ uri, contentText, ...more });
  const kind = random.upTo(10);
  if (kind <= 5) {
    let contentText = text;
    if (kind === 5) {
      try {
        contentText = canonicalJson(JSON.parse(text));
      } catch {
        // It has no canonical form, and is signed as it is.
      }
    }
    return { uri, authorization: [sign(contentText)], body, isProved: true };
  }
  let authorization: string[];
  if (kind === 6) authorization = [sign(text, { origin: 'good.example' })];
  else if (kind === 7) authorization = [damaged(random, sign(text)).replaceAll('\u0001', '')];
  else if (kind === 8) {
    authorization = [sign(text)];
    const at = random.upTo(body.length);
    body = Buffer.concat([
      body.subarray(0, at),
      Buffer.from([random.pick([0xff, 0x20, 0x00, 0x7d, 0x2c])]),
      body.subarray(at + 1),
    ]);
  } else {
    authorization = random.pick([
      [],
      [''],
      ['Bearer x'],
      ['X-Matrix'],
      [`X-Matrix ${'a=b,'.repeat(500)}`],
      ['X-Matrix origin=good.example,key="ed25519:a",sig=""'],
      [sign(text, { origin: 'good.example' }), sign(text)],
      Array.from({ length: 10 }, () => sign(text, { origin: 'good.example' })),
    ]);
  }
  return {
    uri,
    authorization: authorization.map((each) => Buffer.from(each).toString('latin1')),
    body,
    isProved: false,
  };
}

describe(`whatever other servers send (seed ${SEED})`, () => {
  it('is answered without a 5xx, changes only their own users, and leaves nothing behind', {
    timeout: 60_000 + REQUESTS * 20,
  }, async () => {
    await using rig = await ReceivingRig.start();
    rig.logger.debug = () => undefined;
    const evil = rig.peer('evil.example');
    rig.peer('good.example');
    rig.presence.rooms.join('!room:test', '@a:test', '@q:evil.example', '@r:evil.example', '@q:good.example');
    const random = randomFrom(SEED);
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const send = (sent: Sent): Promise<{ status: number; text: string }> =>
      new Promise((resolve, reject) => {
        const from = `10.${random.upTo(256)}.${random.upTo(256)}.${random.upTo(256)}`;
        const headers = {
          'content-length': sent.body.length,
          'x-forwarded-for': from,
          authorization: [...sent.authorization] as unknown as string,
        };
        const outgoing = request(
          { port: rig.port, host: '127.0.0.1', path: sent.uri, method: 'PUT', agent, headers },
          (incoming) => {
            const chunks: Buffer[] = [];
            incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
            incoming.on('end', () =>
              resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
            );
          },
        );
        outgoing.on('error', reject);
        outgoing.end(sent.body);
      });

    const statuses = new Map<number, number>();
    let heapBefore = Number.POSITIVE_INFINITY;
    let accepted = 0;
    const ask = async (count: number): Promise<void> => {
      const sent = make(random, evil, count);
      const what = `seed ${SEED}, request ${count}: ${sent.uri.slice(0, 200)} ${sent.authorization.join(' | ').slice(0, 600)} ${sent.body.toString().slice(0, 3_000)}`;
      const { status, text } = await send(sent);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect([200, 400, 401, 403, 413, 429], what).toContain(status);
      const body = JSON.parse(text) as Record<string, unknown>;
      if (status === 200) expect(Object.keys(body), what).toEqual(['pdus']);
      else expect(body, what).toMatchObject({ errcode: expect.stringMatching(/^M_/), error: expect.any(String) });
      if (sent.isProved) return;
      // One character more or less may be no change at all: a space, or one that was the same.
      if (status === 200) accepted++;
    };
    for (let i = 0; i < REQUESTS; i += 8) {
      await Promise.all(Array.from({ length: 8 }, (_, lane) => ask(i + lane)));
      for (const [origin, entries] of rig.received.splice(0)) {
        expect(origin).toBe('evil.example');
        for (const { userId, state, statusMsg, lastActiveTs, currentlyActive } of entries) {
          expect(userId.slice(userId.indexOf(':') + 1)).toBe('evil.example');
          expect(['online', 'unavailable', 'offline']).toContain(state);
          expect(statusMsg === null || (typeof statusMsg === 'string' && statusMsg.length <= 1_000)).toBe(true);
          expect(
            lastActiveTs === null ||
              (Number.isSafeInteger(lastActiveTs) && lastActiveTs >= 0 && lastActiveTs <= rig.presence.clock.now()),
          ).toBe(true);
          expect(typeof currentlyActive).toBe('boolean');
        }
      }
      expect(rig.alive.splice(0).every((origin) => origin === 'evil.example')).toBe(true);
      if (i % 400 === 0) await rig.presence.advance(60_000);
      if (i >= REQUESTS / 2 && heapBefore === Number.POSITIVE_INFINITY) heapBefore = heapAfterCollection();
    }
    agent.destroy();
    // Otherwise they would all be turned away at the door.
    expect(statuses.get(200)).toBeGreaterThan(REQUESTS / 4);
    expect([400, 401].map((status) => (statuses.get(status) ?? 0) > REQUESTS / 50)).toEqual([true, true]);
    expect(accepted).toBeLessThan(REQUESTS / 50);
    const { handler } = rig.presence;
    expect(['@q:good.example', '@a:test'].map((userId) => handler.getState(userId as '@a:test').state)).toEqual([
      'offline',
      'offline',
    ]);
    expect(rig.receiver.pending).toBe(0);
    expect(rig.logger.lines).toEqual([]);
    expect(heapAfterCollection() - heapBefore).toBeLessThan(16e6);
  });
});
