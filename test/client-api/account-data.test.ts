import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpFixture, startHttpFixture } from '../support/http-fixture.ts';
import type { TestUser } from '../support/test-client.ts';

describe('filters, account data and push rules', () => {
  let server: HttpFixture;
  let alice: TestUser;
  let bob: TestUser;
  const changes: string[] = [];

  beforeAll(async () => {
    server = await startHttpFixture();
    alice = await server.register('alice');
    bob = await server.register('bob');
    server.accounts.events.on('accountDataChanged', (userId, position) => changes.push(`${userId} ${position}`));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describe('filters', () => {
    it('are stored and come back as they were', async () => {
      const filter = { presence: { types: ['m.presence'], senders: ['@bob:test.example'] }, room: { rooms: [] } };
      const { body } = await alice.request('POST', `/user/${alice.userId}/filter`, { body: filter });
      expect(body.filter_id).toBeTypeOf('string');
      expect((await alice.request('GET', `/user/${alice.userId}/filter/${body.filter_id}`)).body).toEqual(filter);
      const again = await alice.request('POST', `/user/${alice.userId}/filter`, { body: filter });
      expect(again.body.filter_id).toBe(body.filter_id);
    });

    it('row 179: malformed ones are 400', async () => {
      const malformed = [
        { presence: 'not_an_object' },
        { presence: [] },
        { presence: { types: 'm.presence' } },
        { presence: { senders: [5] } },
        { presence: { limit: 'many' } },
        { room: 'not_an_object' },
        { account_data: 5 },
      ];
      for (const body of malformed) {
        const response = await alice.request('POST', `/user/${alice.userId}/filter`, { body });
        expect([response.status, response.body.errcode], JSON.stringify(body)).toEqual([400, 'M_BAD_JSON']);
      }
      const array = await alice.request('POST', `/user/${alice.userId}/filter`, { body: [] });
      expect([array.status, array.body.errcode]).toEqual([400, 'M_BAD_JSON']);
    });

    it('are nobody else’s, and unknown ones are 404', async () => {
      const other = await bob.request('POST', `/user/${alice.userId}/filter`, { body: {} });
      expect([other.status, other.body.errcode]).toEqual([403, 'M_FORBIDDEN']);
      expect((await bob.request('GET', `/user/${alice.userId}/filter/0`)).status).toBe(403);
      for (const id of ['999', 'abc', '%00', '-1']) {
        const response = await alice.request('GET', `/user/${alice.userId}/filter/${id}`);
        expect([response.status, response.body.errcode], id).toEqual([404, 'M_NOT_FOUND']);
      }
    });

    it('are limited in size', async () => {
      const body = { unknown: 'x'.repeat(65_536) };
      const response = await alice.request('POST', `/user/${alice.userId}/filter`, { body });
      expect([response.status, response.body.errcode]).toEqual([413, 'M_TOO_LARGE']);
    });
  });

  describe('account data', () => {
    const global = (type: string) => `/user/${encodeURIComponent('@alice:test.example')}/account_data/${type}`;
    const room = (type: string) => `/user/@alice:test.example/rooms/!room:test.example/account_data/${type}`;

    it('is kept, global and per room, and tells the syncs', async () => {
      const before = changes.length;
      for (const [path, content] of [
        [global('org.example.a'), { a: 1 }],
        [room('org.example.a'), { a: 2 }],
        [global('org.example.a'), { a: 3, nested: { ä: null } }],
      ] as const) {
        expect((await alice.request('PUT', path, { body: content })).body).toEqual({});
        expect((await alice.request('GET', path)).body).toEqual(content);
      }
      expect((await alice.request('GET', room('org.example.a'))).body).toEqual({ a: 2 });
      expect(changes.length - before).toBe(3);
      expect(new Set(changes).size).toBe(changes.length);
    });

    it('is 404 where there is none, and 403 for others', async () => {
      expect((await alice.request('GET', global('org.example.none'))).body.errcode).toBe('M_NOT_FOUND');
      for (const path of [global('org.example.a'), room('org.example.a')]) {
        expect((await bob.request('GET', path)).body.errcode).toBe('M_FORBIDDEN');
        expect((await bob.request('PUT', path, { body: {} })).body.errcode).toBe('M_FORBIDDEN');
      }
    });

    it('refuses the types the server keeps, what is not an object, and wrong rooms', async () => {
      const reserved = await alice.request('PUT', global('m.push_rules'), { body: {} });
      expect([reserved.status, reserved.body.errcode]).toEqual([405, 'M_BAD_JSON']);
      expect((await alice.request('PUT', room('m.fully_read'), { body: {} })).status).toBe(405);
      expect((await alice.request('PUT', global('a'), { body: [] })).body.errcode).toBe('M_BAD_JSON');
      const wrong = '/user/@alice:test.example/rooms/room/account_data/a';
      expect((await alice.request('PUT', wrong, { body: {} })).body.errcode).toBe('M_INVALID_PARAM');
      expect((await alice.request('PUT', global('t'.repeat(256)), { body: {} })).body.errcode).toBe('M_INVALID_PARAM');
    });

    it('is found by position for syncs, with the push rules in a first one', async () => {
      const { accountData } = server.accounts;
      const all = await accountData.accountDataChanges('@alice:test.example', null, 1e9);
      expect(all.global.map(({ type }) => type)).toEqual(['m.push_rules', 'org.example.a']);
      expect(all.rooms.get('!room:test.example')).toEqual([{ type: 'org.example.a', content: { a: 2 } }]);
      const none = await accountData.accountDataChanges('@alice:test.example', 1e8, 1e9);
      expect([none.global, none.rooms.size]).toEqual([[], 0]);
    });
  });

  describe('push rules', () => {
    const rule = (id: string, rest = '', kind = 'override') => `/pushrules/global/${kind}/${id}${rest}`;

    it('start as the specification has them', async () => {
      for (const path of ['/pushrules/', '/pushrules']) {
        const { global } = (await bob.request('GET', path)).body;
        expect(Object.keys(global).sort()).toEqual(['content', 'override', 'room', 'sender', 'underride']);
        expect(global.override[0]).toMatchObject({ rule_id: '.m.rule.master', enabled: false, default: true });
        expect(global.underride.map((each: { rule_id: string }) => each.rule_id)).toContain('.m.rule.message');
        expect(global.content[0].pattern).toBe('bob');
      }
      const { global } = (await bob.request('GET', '/pushrules/')).body;
      expect((await bob.request('GET', '/pushrules/global/')).body).toEqual(global);
      expect((await bob.request('GET', rule('.m.rule.master'))).body).toEqual(global.override[0]);
    });

    it('are added in their place, changed, and removed', async () => {
      const put = (id: string, query = {}) =>
        alice.request('PUT', rule(id), { body: { actions: ['notify'], conditions: [] }, query });
      for (const response of [await put('one'), await put('two'), await put('three', { after: 'two' })]) {
        expect([response.status, response.body]).toEqual([200, {}]);
      }
      await put('four', { before: 'one' });
      const ids = async () =>
        (await alice.request('GET', '/pushrules/global/')).body.override
          .map((each: { rule_id: string }) => each.rule_id)
          .slice(0, 5);
      expect(await ids()).toEqual(['.m.rule.master', 'two', 'three', 'four', 'one']);
      await alice.request('PUT', rule('two', '/enabled'), { body: { enabled: false } });
      expect((await alice.request('GET', rule('two', '/enabled'))).body).toEqual({ enabled: false });
      await alice.request('PUT', rule('two', '/actions'), { body: { actions: [] } });
      expect((await alice.request('GET', rule('two', '/actions'))).body).toEqual({ actions: [] });
      expect((await put('two')).status).toBe(200);
      expect((await alice.request('GET', rule('two'))).body).toMatchObject({ enabled: false, actions: ['notify'] });
      expect((await alice.request('DELETE', rule('two'))).body).toEqual({});
      expect((await ids()).includes('two')).toBe(false);
      expect((await alice.request('GET', rule('two'))).body.errcode).toBe('M_NOT_FOUND');
    });

    it('of the server can be switched off but neither removed nor replaced', async () => {
      const message = rule('.m.rule.message', '', 'underride');
      expect((await alice.request('PUT', `${message}/enabled`, { body: { enabled: false } })).status).toBe(200);
      expect((await alice.request('GET', message)).body).toMatchObject({ enabled: false, default: true });
      expect((await alice.request('DELETE', message)).body.errcode).toBe('M_INVALID_PARAM');
      expect((await alice.request('PUT', message, { body: { actions: [] } })).body.errcode).toBe('M_INVALID_PARAM');
      const next = await alice.request('PUT', rule('x'), {
        body: { actions: [] },
        query: { before: '.m.rule.master' },
      });
      expect(next.body.errcode).toBe('M_INVALID_PARAM');
    });

    it('say what is wrong', async () => {
      const put = (path: string, body: unknown) => alice.request('PUT', path, { body });
      expect((await put('/pushrules/device/override/x', { actions: [] })).body.errcode).toBe('M_INVALID_PARAM');
      expect((await put(rule('x', '', 'weird'), { actions: [] })).body.errcode).toBe('M_INVALID_PARAM');
      expect((await put(rule('x', '', 'content'), { actions: [] })).body.errcode).toBe('M_MISSING_PARAM');
      expect((await put(rule('x'), { actions: 'notify' })).body.errcode).toBe('M_BAD_JSON');
      expect((await put(rule('x'), {})).body.errcode).toBe('M_MISSING_PARAM');
      expect((await put(rule('none', '/enabled'), { enabled: true })).body.errcode).toBe('M_NOT_FOUND');
    });

    it('loses none of many changes at once, and a sync sees the last', async () => {
      await Promise.all(
        Array.from({ length: 10 }, (_, i) => alice.request('PUT', rule(`many${i}`), { body: { actions: [] } })),
      );
      const { override } = (await alice.request('GET', '/pushrules/global/')).body;
      expect(override.filter((each: { rule_id: string }) => each.rule_id.startsWith('many'))).toHaveLength(10);
      const { global } = await server.accounts.accountData.accountDataChanges('@alice:test.example', null, 1e9);
      const found = global.filter(({ type }) => type === 'm.push_rules');
      expect(found).toHaveLength(1);
      expect(JSON.stringify(found)).toContain('many9');
    });
  });
});
