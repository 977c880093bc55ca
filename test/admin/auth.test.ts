/**
 * Who gets into the admin API: whoever has its token, on listeners that have it, and nobody else.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { ADMIN_TOKEN, ADMIN_V1, type AdminServer, startAdminServer, withAdmin } from '../support/admin-server.ts';
import { startTestServer } from '../support/start-test-server.ts';

const SERVER = `${ADMIN_V1}/server`;
const REFUSED = 'thalamus_admin_refused_requests_total';

const answerOf = ({ status, body }: { status: number; body: { errcode?: string } }) => [status, body.errcode];
const ok = [200, undefined];
const unknown = [401, 'M_UNKNOWN_TOKEN'];
const missing = [401, 'M_MISSING_TOKEN'];

describe('the token', () => {
  let server: AdminServer;
  beforeAll(async () => {
    server = await startAdminServer({
      listeners: [{ port: 0, bind_addresses: ['127.0.0.1'], x_forwarded: true, resources: [{ names: ['admin'] }] }],
    });
  });
  afterAll(() => server.stop());

  const ask = async (authorization?: string, path = SERVER) =>
    answerOf(await server.request('GET', path, { headers: authorization === undefined ? {} : { authorization } }));

  it('opens every operation, whatever the case of "Bearer"', async () => {
    expect(await ask(`Bearer ${ADMIN_TOKEN}`)).toEqual(ok);
    expect(await ask(`bearer  ${ADMIN_TOKEN} `)).toEqual(ok);
  });

  it('row 331: must be there, in the header: what is in an address ends up in logs', async () => {
    expect(await ask()).toEqual(missing);
    expect(await ask('')).toEqual(missing);
    expect(await ask('Bearer')).toEqual(missing);
    expect(await ask('Bearer ')).toEqual(missing);
    expect(await ask(`Basic ${ADMIN_TOKEN}`)).toEqual(missing);
    expect(await ask(undefined, `${SERVER}?access_token=${ADMIN_TOKEN}`)).toEqual(missing);
    expect(await server.metric(`${REFUSED}{reason="missing"}`)).toBeGreaterThanOrEqual(6);
  });

  it('row 331: must be the whole of it and nothing else; after ten wrong ones an address waits, with the right one, too', async () => {
    const port = server.server.addresses.at(-1)?.port;
    const from = async (address: string, token: string) => {
      const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': address };
      const response = await fetch(`http://127.0.0.1:${port}${SERVER}`, { headers });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const before = (await server.metric(`${REFUSED}{reason="unknown"}`)) ?? 0;
    const wrong = [
      ADMIN_TOKEN.slice(0, -1),
      ADMIN_TOKEN.slice(1),
      `${ADMIN_TOKEN}x`,
      ADMIN_TOKEN.toUpperCase(),
      'x',
      'x'.repeat(ADMIN_TOKEN.length),
      'x'.repeat(10_000),
      '%',
      'undefined',
      'null',
    ];
    for (const token of wrong) expect([token, answerOf(await from('192.0.2.1', token))]).toEqual([token, unknown]);
    expect(await server.metric(`${REFUSED}{reason="unknown"}`)).toBe(before + wrong.length);
    const error = expect.stringMatching(/^Too many wrong tokens came from this address; it may come again in \d+ s$/);
    const limited = { status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', error, retry_after_ms: expect.any(Number) } };
    const refused = await from('192.0.2.1', 'x');
    expect(refused).toMatchObject(limited);
    expect(refused.body['retry_after_ms']).toBeGreaterThan(1000);
    expect(refused.body['retry_after_ms']).toBeLessThanOrEqual(10_000);
    expect(await from('192.0.2.1', ADMIN_TOKEN)).toMatchObject(limited);
    expect(await server.metric(`${REFUSED}{reason="limited"}`)).toBe(2);
    expect((await from('192.0.2.2', ADMIN_TOKEN)).status).toBe(200);
    expect(await server.metric(`${REFUSED}{reason="unknown"}`)).toBe(before + wrong.length);
  });

  it('right ones are never counted', async () => {
    for (let i = 0; i < 30; i++) expect(await ask(`Bearer ${ADMIN_TOKEN}`)).toEqual(ok);
  });

  it('row 331: is no access token of a user, not even of an administrator, and opens nothing of the client API', async () => {
    const alice = await server.register('alice');
    expect(answerOf(await alice.request('GET', SERVER))).toEqual(unknown);
    expect(answerOf(await server.request('GET', '/account/whoami', { token: ADMIN_TOKEN }))).toEqual(unknown);
  });

  it('row 331: is not needed for the description, and for nothing else', async () => {
    const open = Object.entries(server.description.paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { security }]) =>
        security?.length === 0 ? [`${method} ${path}`] : [],
      ),
    );
    expect(open).toEqual(['get /openapi.json']);
    expect(answerOf(await server.request('GET', `${ADMIN_V1}/openapi.json`))).toEqual(ok);
    for (const [path, operations] of Object.entries(server.description.paths)) {
      for (const method of Object.keys(operations)) {
        if (path === '/openapi.json') continue;
        const full = ADMIN_V1 + path.replace('{userId}', '@a:b').replaceAll(/\{\w+\}/g, 'x');
        expect([full, answerOf(await server.request(method.toUpperCase(), full))]).toEqual([full, missing]);
      }
    }
  });

  it('is asked for before anything else: strangers do not learn which users there are', async () => {
    expect(await ask(undefined, `${ADMIN_V1}/users/nonsense`)).toEqual(missing);
    expect(await ask(undefined, `${ADMIN_V1}/users?limit=nonsense`)).toEqual(missing);
  });

  it('is in no log line', () => {
    expect(JSON.stringify(server.logger.lines)).not.toContain(ADMIN_TOKEN);
  });
});

describe('the admin API', () => {
  it('row 332: is on listeners with the resource, and on no other', async () => {
    const admin = { port: 0, bind_addresses: ['127.0.0.1'], resources: [{ names: ['admin'] }] };
    const client = { port: 0, bind_addresses: ['127.0.0.1'], resources: [{ names: ['client', 'metrics'] }] };
    await using server = await startTestServer(withAdmin({ config: { listeners: [client, admin] } }));
    const found = await Promise.all(
      server.server.addresses.map(async ({ port }) => {
        const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
        const paths = [
          SERVER,
          `${ADMIN_V1}/openapi.json`,
          `${ADMIN_V1}/nothing`,
          '/_matrix/client/versions',
          '/metrics',
        ];
        return await Promise.all(
          paths.map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status),
        );
      }),
    );
    expect(found).toEqual([
      [404, 404, 404, 200, 200],
      [200, 200, 404, 404, 404],
    ]);
  });

  it('says which methods a path has', async () => {
    await using server = await startAdminServer();
    const response = await server.request('PUT', SERVER, { token: ADMIN_TOKEN, body: {} });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
  });
});

describe('the file with the token', () => {
  it('is made by the first start, for this user alone, and kept', async () => {
    await using server = await startTestServer(withAdmin({ config: { admin_api: { token_path: 'made.token' } } }));
    const file = join(server.dir, 'made.token');
    const token = readFileSync(file, 'utf8').trim();
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(answerOf(await server.request('GET', SERVER, { token }))).toEqual(ok);
    expect(answerOf(await server.request('GET', SERVER, { token: ADMIN_TOKEN }))).toEqual(unknown);
    expect(server.logger.lines).toContainEqual(
      expect.objectContaining({ message: 'a token for the admin API has been made' }),
    );
    expect(JSON.stringify(server.logger.lines)).not.toContain(token);
    await server.restart();
    expect(readFileSync(file, 'utf8').trim()).toBe(token);
  });

  it('is read again by a reload: the new token opens, the old one does not', async () => {
    await using server = await startTestServer(withAdmin());
    const other = 'another token of the tests'.replaceAll(' ', '-');
    const file = join(server.dir, 'admin.token');
    writeFileSync(file, `\uFEFF${other}  \r\n# what it is for\r\n`);
    expect(server.server.reload(loadConfig(server.configFile).config).reloaded).toEqual(['the token of the admin API']);
    expect(answerOf(await server.request('GET', SERVER, { token: other }))).toEqual(ok);
    expect(answerOf(await server.request('GET', SERVER, { token: ADMIN_TOKEN }))).toEqual(unknown);
    expect(server.server.reload(loadConfig(server.configFile).config).reloaded).toEqual([]);
    for (const text of ['', '\nsecond line', 'too short', 'with spaces in the middle of it']) {
      writeFileSync(file, text);
      expect(() => server.server.reload(loadConfig(server.configFile).config)).toThrow(/admin\.token/);
    }
    rmSync(file);
    expect(() => server.server.reload(loadConfig(server.configFile).config)).toThrow(/cannot be used/);
    expect(answerOf(await server.request('GET', SERVER, { token: other }))).toEqual(ok);
  });

  it('stops a start when it is of no use, before anything is opened', async () => {
    for (const text of ['', 'short', `${'x'.repeat(16)} ${'x'.repeat(16)}`]) {
      await expect(startTestServer(withAdmin({ files: { 'admin.token': text } }))).rejects.toThrow(
        /the first line of .*admin\.token (has no token|is too short|is no token)/,
      );
    }
    await expect(startTestServer(withAdmin({ config: { admin_api: { token_path: 'no/folder' } } }))).rejects.toThrow(
      /the token file .*no\/folder cannot be used/,
    );
  });
});
