/**
 * The key ring with the real client: keys come over TLS from a server that DNS names, or not at all.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MemoryMetrics, MemoryPeerKeyStore, RecordingLogger } from '../../src/adapters/memory/index.ts';
import { createSystemClock } from '../../src/adapters/system-clock.ts';
import { KeyRing } from '../../src/federation/keys/key-ring.ts';
import { authenticateOrigin } from '../../src/federation/signing/authenticate-origin.ts';
import { authorizationHeader } from '../../src/federation/signing/authorization.ts';
import type { CertificateOptions } from '../support/certificates.ts';
import { keyOf, PublishingServer } from '../support/fake-peers.ts';
import { type PeerClientFixture, startPeerClientFixture } from '../support/peer-client-fixture.ts';

const US = 'us.test';
const clock = createSystemClock();
let fixture: PeerClientFixture;
beforeEach(async () => {
  fixture = await startPeerClientFixture();
  fixture.dns.set('peer.test', { A: ['127.0.0.1'] });
});
afterEach(async () => fixture[Symbol.asyncDispose]());

async function publish(certificate: CertificateOptions = { dnsNames: ['peer.test'] }) {
  let document = '';
  const server = await fixture.serve(certificate, {
    answer: (_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(document);
    },
  });
  const peer = new PublishingServer(`peer.test:${server.port}`, clock);
  document = JSON.stringify(peer.document());
  return { peer, server };
}

function newRing(logger = new RecordingLogger()) {
  const ring = new KeyRing({
    serverName: US,
    own: [keyOf('us', 'us')],
    store: new MemoryPeerKeyStore(),
    client: fixture.client(),
    clock,
    logger,
    metrics: new MemoryMetrics(),
    trustedKeyServers: [],
  });
  return { ring, logger };
}

it('believes a request that is signed with a key that its server publishes, and asks for it once', async () => {
  const { peer, server } = await publish();
  const { ring } = newRing();
  const signed = { method: 'PUT', uri: '/_matrix/federation/v1/send/1', origin: peer.name, destination: US };
  const content = { edus: [], pdus: [] };
  const [key = keyOf('none', 'none')] = peer.keys;
  for (let i = 0; i < 3; i += 1) {
    const authorization = authorizationHeader({ ...signed, content, key });
    expect(await authenticateOrigin({ ...signed, authorization, content }, ring, US, () => true)).toBe(peer.name);
  }
  expect(server.seen.map(({ method, url }) => [method, url])).toEqual([['GET', '/_matrix/key/v2/server']]);
  const forged = authorizationHeader({ ...signed, content, key: keyOf('evil', 'a') });
  await expect(
    authenticateOrigin({ ...signed, authorization: forged, content }, ring, US, () => true),
  ).rejects.toMatchObject({ httpStatus: 401, errcode: 'M_UNAUTHORIZED' });
  expect(server.seen).toHaveLength(1);
});

it.each<[string, CertificateOptions]>([
  ['for another name', { dnsNames: ['other.test'] }],
  ['that is over', { dnsNames: ['peer.test'], notAfter: new Date(Date.now() - 86_400_000) }],
])('does not ask a server with a certificate %s', async (_, certificate) => {
  const { peer, server } = await publish(certificate);
  const { ring, logger } = newRing();
  expect(await ring.find(peer.name, 'ed25519:a')).toBeNull();
  expect(server.seen).toEqual([]);
  expect(logger.messages()).toEqual(['no keys of an unknown server']);
});

it('does not go where addresses are private, whatever the name in the header says', async () => {
  const { peer, server } = await publish();
  const { logger } = newRing();
  const ring = new KeyRing({
    serverName: US,
    own: [],
    store: new MemoryPeerKeyStore(),
    client: fixture.client({ ipRangeWhitelist: [] }),
    clock,
    logger,
    metrics: new MemoryMetrics(),
    trustedKeyServers: [{ serverName: 'notary.test', verifyKeys: null, acceptKeysInsecurely: false }],
  });
  expect(await ring.find(peer.name, 'ed25519:a')).toBeNull();
  expect(await ring.find(`127.0.0.1:${server.port}`, 'ed25519:a')).toBeNull();
  expect(server.seen).toEqual([]);
});
