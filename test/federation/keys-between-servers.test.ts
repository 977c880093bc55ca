/**
 * Keys of two whole servers, as an administrator starts them, asked over TLS.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadOrCreateSigningKey, type SigningKey } from '../../src/federation/keys/signing-key-file.ts';
import { verifyJson } from '../../src/federation/signing/verify-json.ts';
import { type FederationNet, startFederationNet } from '../support/federation-net.ts';
import { startTestServer, type TestServer } from '../support/start-test-server.ts';

const SEED = 'YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1';
let net: FederationNet;
let one: TestServer;
let two: TestServer;

beforeAll(async () => {
  net = await startFederationNet();
  one = await startTestServer(await net.server('one.test', { config: { signing_key_path: 'made/one.signing.key' } }));
  two = await startTestServer(
    await net.server('two.test', {
      files: { 'existing.key': `ed25519 a_RXGa ${SEED}\n` },
      config: {
        signing_key_path: 'existing.key',
        key_refresh_interval: '2h',
        old_signing_keys: { 'ed25519:before': { key: 'XSl0kuyvrXNj6A+7/tkrB9sxSbRi08Of5uRhxOqZtEQ', expired_ts: 5 } },
      },
    }),
  );
});
afterAll(async () => {
  await Promise.all([one.stop(), two.stop()]);
  await net[Symbol.asyncDispose]();
});

async function keysOf(name: string, path: string): Promise<Record<string, unknown>> {
  const connect = { ca: net.authority.cert, servername: name };
  const dispatcher = new Agent({ connect });
  const { body } = await request(`https://127.0.0.1:${await net.portOf(name)}/_matrix/key/v2/${path}`, { dispatcher });
  const json = (await body.json()) as Record<string, unknown>;
  await dispatcher.close();
  return json;
}

function fileKey(server: TestServer, file: string): SigningKey {
  const [key] = loadOrCreateSigningKey(join(server.dir, file));
  if (key === undefined) throw new Error('no key');
  return key;
}

it('makes a key at the first start and publishes it, the same after a restart', async () => {
  const key = fileKey(one, 'made/one.signing.key');
  expect(statSync(join(one.dir, 'made/one.signing.key')).mode & 0o777).toBe(0o600);
  const before = await keysOf('one.test', 'server');
  expect(before).toMatchObject({ server_name: 'one.test', verify_keys: { [key.keyId]: { key: key.publicKey } } });
  await one.restart();
  const after = await keysOf('one.test', 'server');
  expect(after['verify_keys']).toEqual(before['verify_keys']);
  for (const document of [before, after]) expect(verifyJson(document, 'one.test', key.keyId, key.publicKey)).toBe(true);
});

it('publishes the key of an existing file, and what the configuration says of old ones', async () => {
  const document = await keysOf('two.test', 'server');
  const key = fileKey(two, 'existing.key');
  expect(readFileSync(join(two.dir, 'existing.key'), 'utf8')).toBe(`ed25519 a_RXGa ${SEED}\n`);
  expect(document).toMatchObject({
    verify_keys: { 'ed25519:a_RXGa': { key: key.publicKey } },
    old_verify_keys: { 'ed25519:before': { key: 'XSl0kuyvrXNj6A+7/tkrB9sxSbRi08Of5uRhxOqZtEQ', expired_ts: 5 } },
  });
  const validForMs = Number(document['valid_until_ts']) - Date.now();
  expect(validForMs).toBeGreaterThan(3_600_000 - 60_000);
  expect(validForMs).toBeLessThanOrEqual(7_200_000);
});

it('tells the keys of another server, which it finds and asks over TLS, with both signatures', async () => {
  const { server_keys: documents } = (await keysOf('one.test', 'query/two.test')) as { server_keys: unknown[] };
  expect(documents).toHaveLength(1);
  const [theirs, ours] = [fileKey(two, 'existing.key'), fileKey(one, 'made/one.signing.key')];
  expect(verifyJson(documents[0], 'two.test', theirs.keyId, theirs.publicKey)).toBe(true);
  expect(verifyJson(documents[0], 'one.test', ours.keyId, ours.publicKey)).toBe(true);
});
