/**
 * Every operation of the client-server API, asked with bodies, ids, queries and tokens that are nearly right or not at all: each answer
 * is JSON, none is a 5xx, and the server is well afterwards.
 *
 * The walk starts from the list of routes, so a new operation is part of it. A failure prints the seed and the request; the
 * seed can be given as FUZZ_SEED, the number of requests as FUZZ_REQUESTS.
 */
import { describe, expect, it } from 'vitest';
import { clientApiRoutes } from '../../src/http/client-api/index.ts';
import { pathsOf } from '../../src/http/path-router.ts';
import type { Route } from '../../src/http/route.ts';
import { startTestServer } from '../support/start-test-server.ts';
import type { TestResponse, TestUser } from '../support/test-client.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 1000);
const TOKENS = 200;
/** They end the session that the rest needs. */
const LEFT_OUT = new Set(['logout', 'logout_all', 'deactivateAccount', 'changePassword']);

function everyRoute(): Route[] {
  // Only the list is wanted: nothing of this is called.
  const anything: unknown = new Proxy(() => undefined, { get: () => anything, apply: () => anything });
  return clientApiRoutes(anything as Parameters<typeof clientApiRoutes>[0]).filter(
    ({ operationId }) => !LEFT_OUT.has(operationId),
  );
}

/** Mulberry32: small, quick, the same everywhere. */
function randomFrom(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const pick = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)] as T;
  return {
    chance: (probability: number) => next() < probability,
    upTo: (max: number) => Math.floor(next() * max),
    pick,
  };
}
type Random = ReturnType<typeof randomFrom>;

const TEXTS = [
  ...'a 1 -1 1e99 NaN null true [] {} % . .. a/b a%2Fb * é😀 __proto__ constructor toString s0_0_0 b f 10 12'.split(
    ' ',
  ),
  ...'@alice:test.example @bob:test.example @x:remote.example !x:test.example #a:test.example mxc://a/b'.split(' '),
  ...'join leave ban invite public private shared world_readable online offline busy global override content'.split(
    ' ',
  ),
  ...'m.room.message m.room.member m.room.create m.read m.fully_read m.tag .m.rule.master public_chat client'.split(
    ' ',
  ),
  ...'m.login.password m.login.dummy m.id.user'.split(' '),
  '',
  ' ',
  '\0',
  '\ud800',
  "'; DROP TABLE users;--",
  'x'.repeat(300),
  'x'.repeat(70_000),
];
/** Something of each type, so that one of them is not the right one. */
const WRONG = [5, true, null, 'x', [], {}, [5], [null], ['x'], { x: 5 }];
const NUMBERS = [0, 1, -1, 0.5, 50, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308];
const QUERY_KEYS =
  'since from to dir limit filter timeout full_state set_presence at membership not_membership server kind username access_token'.split(
    ' ',
  );
const STATE_TYPES =
  'member name power_levels join_rules canonical_alias history_visibility create encryption tombstone'.split(' ');
const FILTER =
  '{"room":{"timeline":{"limit":10,"types":["*"],"not_senders":["@a:b"],"lazy_load_members":true},"include_leave":true,"not_rooms":[]},"presence":{"limit":3,"types":["m.presence"],"senders":["*"]},"account_data":{"types":["*"]},"event_fields":["content.body"],"event_format":"client"}';

/** Good bodies of the operations that want one, as JSON with # for a number; what they say is then changed here and there. */
const BODIES: Readonly<Record<string, readonly string[]>> = {
  register: ['{"username":"u#","auth":{"type":"m.login.dummy"},"device_id":"D","inhibit_login":true}'],
  login: ['{"type":"m.login.password","identifier":{"type":"m.id.user","user":"no"},"password":"x","device_id":"D"}'],
  createRoom: [
    '{"preset":"public_chat","visibility":"public","room_alias_name":"a#","name":"n","topic":"t","room_version":"10","invite":["@bob:test.example"],"is_direct":true,"creation_content":{"m.federate":false},"invite_3pid":[],"initial_state":[{"type":"m.room.encryption","state_key":"","content":{"a":1}}],"power_level_content_override":{"users":{"@alice:test.example":100},"events":{"m.room.name":50},"ban":50}}',
  ],
  setRoomStateWithKey: [
    '{"membership":"join","displayname":"x","avatar_url":"mxc://a/b","third_party_invite":{"signed":{}}}',
    '{"users":{"@alice:test.example":100,"@bob:test.example":100},"events":{"m.room.name":50},"users_default":0,"ban":0}',
    '{"join_rule":"public","allow":[{"type":"m.room_membership","room_id":"!x:test.example"}]}',
    '{"alias":"#a:test.example","alt_aliases":["#b:test.example"]}',
    '{"history_visibility":"shared"}',
  ],
  sendMessage: [
    '{"msgtype":"m.text","body":"b","m.relates_to":{"rel_type":"m.thread","event_id":"$x"},"redacts":"$y"}',
  ],
  setPresence: ['{"presence":"online","status_msg":"x"}'],
  setTyping: ['{"typing":true,"timeout":1000}'],
  setReadMarker: ['{"m.fully_read":"$x","m.read":"$x","m.read.private":"$x"}'],
  setPushRule: [
    '{"actions":["notify",{"set_tweak":"sound"}],"conditions":[{"kind":"event_match","key":"a","pattern":"b"}]}',
  ],
  setPushRuleActions: ['{"actions":["notify"]}'],
  setPushRuleEnabled: ['{"enabled":true}'],
  defineFilter: [FILTER],
  setRoomAlias: ['{"room_id":"!x:test.example"}'],
  queryPublicRooms: ['{"limit":10,"since":"x","filter":{"generic_search_term":"x","room_types":[null]}}'],
  deleteDevices: [
    '{"devices":["D"],"auth":{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"}}}',
  ],
  registerBySharedSecret: ['{"nonce":"x","username":"u","password":"p","admin":false,"mac":"ff","user_type":null}'],
};
const MEMBER_BODY =
  '{"user_id":"@bob:test.example","reason":"x","visibility":"public","displayname":"x","avatar_url":"mxc://a/b","order":0.5}';

function anyValue(random: Random, depth = 0): unknown {
  if (random.chance(0.4)) return random.pick(TEXTS);
  if (random.chance(0.3)) return random.pick<unknown>([...NUMBERS, true, false, null]);
  if (depth > 3) return {};
  const members = Array.from({ length: random.upTo(4) }, () => anyValue(random, depth + 1));
  return random.chance(0.5) ? members : Object.fromEntries(members.map((member) => [random.pick(TEXTS), member]));
}

/** Up to three of its members become something else, or go. */
function changed(random: Random, value: unknown): unknown {
  for (let times = random.upTo(4); times > 0; times--) {
    let at = value as Record<string, unknown>;
    for (;;) {
      const key = random.pick(Object.keys(at));
      if (key === undefined) break;
      const member = at[key];
      if (typeof member === 'object' && member !== null && random.chance(0.6)) {
        at = member as Record<string, unknown>;
        continue;
      }
      if (random.chance(0.15)) delete at[key];
      else at[key] = random.chance(0.5) ? structuredClone(random.pick<unknown>(WRONG)) : anyValue(random);
      break;
    }
  }
  return value;
}

function bodyText(random: Random, { operationId }: Route): string {
  const good = random.pick(BODIES[operationId] ?? [MEMBER_BODY]).replaceAll('#', String(random.upTo(1e6)));
  const value = random.chance(0.8) ? changed(random, JSON.parse(good)) : anyValue(random);
  const text = JSON.stringify(value);
  if (random.chance(0.95)) return text;
  const at = random.upTo(text.length);
  return text.slice(0, at) + random.pick(['"', '{', '\\', '\u0001', ',', '']) + text.slice(at + 1);
}

/** A token of this server with a few characters taken out, put in or replaced. */
function changedToken(random: Random, token: string): string {
  const characters = token.split('');
  for (let times = 1 + random.upTo(3); times > 0; times--) {
    const replaced = random.upTo(2);
    characters.splice(
      random.upTo(characters.length + 1),
      replaced,
      random.pick(['', 's', '_', '~', '0', '7', 't', '-', '+', '.', 'e', ' ', '٣', '9'.repeat(20)]),
    );
  }
  return characters.join('');
}

function encoded(text: string): string {
  return encodeURIComponent(Buffer.from(text.slice(0, 3000)).toString());
}

describe(`whatever is asked (seed ${SEED})`, () => {
  it('is answered with JSON and without a 5xx', { timeout: 60_000 + REQUESTS * 20 }, async () => {
    await using server = await startTestServer({ config: { log: { level: 'warn', format: 'json' } } });
    const random = randomFrom(SEED);
    const { pick, chance } = random;
    const alice = await server.register('alice');
    const users = [alice, await server.register('bob')];
    const rooms: string[] = [];
    const events: string[] = [];
    const newRoom = async (): Promise<void> => {
      const roomId = await alice.createRoom({ preset: 'public_chat' });
      await users[1]?.join(roomId);
      rooms.push(roomId);
      const { body } = await alice.request('PUT', `/rooms/${roomId}/send/m.room.message/1`, { body: { body: 'x' } });
      events.push(body.event_id);
    };
    const answered = new Map<string, number>();
    const check = (response: TestResponse, what: string): void => {
      expect(response.status, `seed ${SEED}: ${what}`).toBeLessThan(500);
      expect(response.headers.get('content-type'), what).toBe('application/json');
    };

    const param = (name: string, user: TestUser): string => {
      if (chance(0.2)) return pick(TEXTS);
      if (name.startsWith('roomId')) return rooms.at(-1) ?? '';
      if (name === 'userId') return user.userId;
      if (name === 'eventId') return pick(events);
      if (name === 'eventType') return `m.room.${pick(STATE_TYPES)}`;
      return name === 'scope' ? 'global' : pick(TEXTS);
    };
    const ask = async (route: Route): Promise<void> => {
      const user = pick(users);
      const path = pick(pathsOf(route)).replaceAll(/[:*]([a-zA-Z]+)/g, (_, name: string) => encoded(param(name, user)));
      const query = Array.from({ length: random.upTo(3) }, () => {
        const key = pick(QUERY_KEYS);
        if (key === 'timeout') return `timeout=${pick(['0', '1', 'x', '-1'])}`;
        if (key === 'filter') return `filter=${encoded(JSON.stringify(changed(random, JSON.parse(FILTER))))}`;
        return `${key}=${encoded(pick(TEXTS))}`;
      }).join('&');
      const body = route.method === 'GET' ? undefined : bodyText(random, route);
      const token = chance(0.97) ? user.accessToken : 'unknown';
      const response = await server.request(route.method, `${path}?${query}`, {
        token,
        ...(body !== undefined && { body }),
      });
      check(response, `${route.method} ${path.slice(0, 500)}?${query.slice(0, 500)} ${body?.slice(0, 2000)}`);
      if (response.status === 200) answered.set(route.operationId, (answered.get(route.operationId) ?? 0) + 1);
    };

    const routes = everyRoute();
    expect(routes.length).toBeGreaterThan(70);
    // More for those with more to get wrong.
    const walk = routes.flatMap((route) => Array<Route>(Object.hasOwn(BODIES, route.operationId) ? 5 : 1).fill(route));
    for (let i = 0; i < REQUESTS; i++) {
      if (i % 100 === 0) await newRoom();
      await ask(walk[i % walk.length] as Route);
    }
    // Otherwise they would all be turned away at the door.
    expect(answered.size).toBeGreaterThan(35);

    const { next_batch } = await alice.sync();
    const { body: page } = await alice.request('GET', `/rooms/${rooms[0]}/messages?dir=b&limit=2`);
    for (let i = 0; i < TOKENS; i++) {
      const token = encoded(changedToken(random, pick([next_batch, page.start, page.end ?? page.start])));
      const claim = pick(['online', 'offline', 'busy', 'ONLINE', '']);
      const path = pick([
        `/sync?set_presence=${claim}&since=`,
        `/rooms/${rooms[0]}/messages?dir=f&from=`,
        `/rooms/${rooms[0]}/members?at=`,
      ]);
      check(await alice.request('GET', path + token), path + token);
    }
    for (const user of users) expect((await user.sync()).next_batch).toBeTypeOf('string');
    expect(server.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
