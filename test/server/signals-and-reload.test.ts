/**
 * A server that is told to stop, or to read its configuration again, while clients are at it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { startFederationNet } from '../support/federation-net.ts';
import { startTestServer } from '../support/start-test-server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import * as certificates from '../support/tls-certificates.ts';

describe('a server that stops', () => {
  it('answers the long polls that wait, and lets nobody in any more', async () => {
    await using server = await spawnServer();
    const alice = await server.register('alice');
    const { next_batch: since } = await alice.sync();
    // The first poll tells what became of alice's own presence; the second one waits.
    const { next_batch: next } = await alice.sync({ since, timeout: 1000 });
    const poll = alice.sync({ since: next, timeout: 60_000 });
    await expect
      .poll(async () => (await server.request('GET', '/metrics')).body, { timeout: 5000 })
      .toMatch(/^synapse_notifier_listeners\{[^}]*\} 1$/m);
    const [body, { exitCode }] = await Promise.all([poll, server.terminate()]);
    expect(body.next_batch).toBeTypeOf('string');
    expect(exitCode).toBe(0);
  });

  it('ends at once at the second signal', async () => {
    await using server = await spawnServer({
      modules: [
        {
          source:
            'export default class { async [Symbol.asyncDispose]() { await new Promise((r) => setTimeout(r, 60_000)); } }',
        },
      ],
    });
    server.program.child.kill('SIGTERM');
    await server.program.waitFor(/"msg":"stopping"/);
    server.program.child.kill('SIGTERM');
    const { exitCode, stdout } = await server.program.ended;
    expect(exitCode).toBe(1);
    expect(stdout).toContain('second signal: ending at once');
  });
});

describe('reload', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'thalamus-tls-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('takes a renewed certificate for new connections, and keeps the old one when the new one is broken', async () => {
    const use = ({ cert, key }: { readonly cert: string; readonly key: string }): void => {
      writeFileSync(join(dir, 'now.pem'), cert);
      writeFileSync(join(dir, 'now.key'), key);
    };
    use(certificates.one);
    await using server = await startTestServer({
      config: {
        listeners: [{ port: 0, bind_addresses: ['127.0.0.1'], tls: true, resources: [{ names: ['client'] }] }],
        tls_certificate_path: join(dir, 'now.pem'),
        tls_private_key_path: join(dir, 'now.key'),
      },
    });
    const { config } = loadConfig(server.configFile);
    const port = Number(new URL(server.baseUrl).port);
    expect(await nameOfCertificate(port)).toBe('one.test.example');
    use(certificates.two);
    expect(server.server.reload(config)).toEqual({ reloaded: ['TLS files'], needRestart: [] });
    expect(await nameOfCertificate(port)).toBe('two.test.example');
    writeFileSync(join(dir, 'now.pem'), certificates.one.cert);
    expect(() => server.server.reload(config)).toThrow('are not a certificate and its key');
    expect(await nameOfCertificate(port)).toBe('two.test.example');
  });

  it('names the changed keys of federation, each once', async () => {
    await using net = await startFederationNet();
    await using server = await startTestServer(await net.server('one.test'));
    const { config } = loadConfig(server.configFile);
    const { federation } = config;
    if (federation === null) throw new Error('the server has no federation');
    const changed = {
      ...federation,
      domainWhitelist: ['two.test'],
      client: { ...federation.client, timeoutMs: 1 },
      destinations: { ...federation.destinations, retryMultiplier: 3 },
    };
    expect(server.server.reload({ ...config, federation: changed }).needRestart).toEqual([
      'federation_domain_whitelist',
      'federation',
    ]);
    expect(server.server.reload(config).needRestart).toEqual([]);
  });

  it('changes rate limits and the limit of bodies for requests from now on', async () => {
    await using server = await startTestServer();
    const alice = await server.register('alice');
    const { config } = loadConfig(server.configFile);
    expect((await alice.setPresence('online')).status).toBe(200);
    const presencePerUser = { perSecond: 0.001, burstCount: 1 };
    const report = server.server.reload({
      ...config,
      rateLimits: { ...config.rateLimits, presencePerUser },
      maxRequestSize: 1000,
      presence: { ...config.presence, mode: 'disabled' },
    });
    expect(report).toEqual({ reloaded: ['rate limits', 'max_request_size'], needRestart: ['presence'] });
    // Whoever asked for it.
    expect(server.logger.lines.slice(-2)).toMatchObject([
      { message: 'configuration read again', fields: { reloaded: ['rate limits', 'max_request_size'] } },
      { message: 'changes that take effect at the next start', fields: { needRestart: ['presence'] } },
    ]);
    // Compared with what runs, not with what was read last: taken back, a change needs no restart; kept, it still does.
    expect(server.server.reload({ ...config, presence: { ...config.presence, mode: 'disabled' } })).toMatchObject({
      needRestart: ['presence'],
    });
    const back = { ...config, rateLimits: { ...config.rateLimits, presencePerUser }, maxRequestSize: 1000 };
    expect(server.server.reload(back)).toMatchObject({ needRestart: [] });
    await alice.setPresence('unavailable');
    expect((await alice.setPresence('online')).body.errcode).toBe('M_LIMIT_EXCEEDED');
    const large = { body: { name: 'x'.repeat(2000) } };
    expect((await alice.request('POST', '/createRoom', large)).body.errcode).toBe('M_TOO_LARGE');
  });
});

function nameOfCertificate(port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
