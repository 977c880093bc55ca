import { describe, expect, it } from 'vitest';
import { FakePeers, keyOf, PublishingServer } from '../../../test/support/fake-peers.ts';
import { RecordingLogger } from '../../adapters/memory/logger.ts';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import { MemoryMetrics } from '../../adapters/memory/metrics.ts';
import { MemoryPeerKeyStore } from '../../adapters/memory/peer-key-store.ts';
import { PeerError, type PeerErrorKind } from '../../ports/peer-client.ts';
import { signJson } from '../signing/sign-json.ts';
import { verifyJson } from '../signing/verify-json.ts';
import { KeyRing, type KeyRingOptions } from './key-ring.ts';

const S = 1_000;
const MINUTE = 60 * S;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PEER = 'peer.example';
const own = keyOf('us', 'us');

function rig(options: Partial<KeyRingOptions> = {}) {
  const clock = new ManualClock();
  const peers = new FakePeers();
  const store = new MemoryPeerKeyStore();
  const logger = new RecordingLogger();
  const metrics = new MemoryMetrics();
  const peer = new PublishingServer(PEER, clock);
  peers.answer(PEER, () => peer.document());
  const newRing = (more: Partial<KeyRingOptions> = {}) =>
    new KeyRing({
      serverName: 'us.example',
      own: [own],
      store,
      client: peers,
      clock,
      logger,
      metrics,
      trustedKeyServers: [],
      ...options,
      ...more,
    });
  const outcomes = () =>
    Object.fromEntries(
      ['known', 'fetched', 'unknown', 'paused', 'busy'].flatMap((outcome) => {
        const count = metrics.value('thalamus_federation_key_lookups_total', { outcome });
        return count === 0 ? [] : [[outcome, count]];
      }),
    );
  return { clock, peers, store, logger, metrics, peer, newRing, ring: newRing(), outcomes };
}

const bySource = (source: string) => ({ source });

describe('KeyRing', () => {
  it('fetches the keys of a server from itself, once', async () => {
    const { ring, peers, peer, clock, metrics, outcomes } = rig();
    const key = await ring.find(PEER, 'ed25519:a');
    expect(key).toEqual({
      serverName: PEER,
      keyId: 'ed25519:a',
      publicKey: peer.keys[0]?.publicKey,
      validUntilTs: clock.now() + DAY,
      fetchedTs: clock.now(),
    });
    expect(await ring.find(PEER, 'ed25519:a')).toEqual(key);
    expect(peers.requests).toMatchObject([{ destination: PEER, method: 'GET', uri: '/_matrix/key/v2/server' }]);
    expect(peers.requests[0]).toMatchObject({ timeoutMs: 10_000, maxResponseBytes: 32_768 });
    expect(metrics.value('thalamus_federation_key_fetches_total', bySource('origin'))).toBe(1);
    expect(metrics.value('thalamus_federation_key_servers')).toBe(1);
    expect(outcomes()).toEqual({ fetched: 1, known: 1 });
  });

  it('asks once for all who wait', async () => {
    const { ring, peers } = rig();
    const go = peers.hold();
    const found = Promise.all(Array.from({ length: 50 }, () => ring.find(PEER, 'ed25519:a')));
    await new ManualClock().settle();
    go();
    expect((await found).every((key) => key !== null)).toBe(true);
    expect(peers.requests).toHaveLength(1);
  });

  it('never asks for our own keys, nor for ids that cannot be', async () => {
    const { ring, peers } = rig();
    expect(await ring.find('us.example', 'ed25519:us')).toBeNull();
    for (const keyId of ['', 'a', 'rsa:a', 'ed25519:', 'ed25519:a b', `ed25519:${'x'.repeat(129)}`, 'ed25519:"']) {
      expect(await ring.find(PEER, keyId)).toBeNull();
    }
    expect(peers.requests).toEqual([]);
  });

  it('takes what the store has, also when nobody answers', async () => {
    const { ring, newRing, peers, clock } = rig();
    const key = await ring.find(PEER, 'ed25519:a');
    peers.answer(PEER, 500);
    await clock.advance(11 * HOUR);
    expect(await newRing().find(PEER, 'ed25519:a')).toEqual(key);
    expect(peers.requests).toHaveLength(1);
  });

  it('goes on without a store that fails', async () => {
    const { newRing, peers, logger } = rig();
    const fail = async () => {
      throw new Error('disk');
    };
    const ring = newRing({ store: { load: fail, save: fail, forget: fail } });
    expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
    expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
    expect(peers.requests).toHaveLength(1);
    expect(logger.messages('warn')).toEqual([
      "another server's keys could not be read from the store",
      "another server's keys could not be saved",
    ]);
  });

  describe('time', () => {
    it('refreshes behind a lookup once half of the time is over', async () => {
      const { ring, peers, clock } = rig();
      await ring.find(PEER, 'ed25519:a');
      await clock.advance(12 * HOUR - 1);
      await ring.find(PEER, 'ed25519:a');
      expect(peers.requests).toHaveLength(1);
      await clock.advance(1);
      const go = peers.hold();
      // Answered although nobody answers the refresh.
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      expect(peers.requests).toHaveLength(2);
      go();
      await clock.settle();
      expect(await ring.find(PEER, 'ed25519:a')).toMatchObject({ validUntilTs: clock.now() + DAY });
      expect(peers.requests).toHaveLength(2);
    });

    it('keeps a good key through refreshes that fail, and asks at growing intervals', async () => {
      const { ring, peers, clock, logger } = rig();
      await ring.find(PEER, 'ed25519:a');
      peers.answer(PEER, 502);
      await clock.advance(12 * HOUR);
      for (let minute = 0; minute < 60; minute += 1) {
        expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
        await clock.advance(MINUTE);
      }
      const refreshes = peers.requests.length - 1;
      expect(refreshes).toBeGreaterThan(5);
      expect(refreshes).toBeLessThan(15);
      expect(logger.lines.filter(({ level }) => level === 'warn')[0]).toMatchObject({
        message: "another server's keys could not be fetched",
        fields: { server: PEER, reason: 'it answered 502' },
      });
    });

    it('does not believe an expired key when no new document can be had, and believes the next one', async () => {
      const { ring, peers, peer, clock } = rig();
      await ring.find(PEER, 'ed25519:a');
      peers.answer(PEER, 500);
      await clock.advance(DAY - 1);
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      await clock.advance(10 * MINUTE);
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
      peers.answer(PEER, () => peer.document());
      await clock.advance(20 * MINUTE);
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
    });

    it('does not believe a document that has expired', async () => {
      const { ring, peer, logger } = rig();
      peer.validityMs = -DAY;
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
      expect(logger.lines).toMatchObject([{ level: 'debug', fields: { reason: 'it has expired' } }]);
    });

    it('forgets at the deadline of seven days, whatever the document says', async () => {
      const { ring, peers, peer, clock } = rig();
      peer.validityMs = 365 * DAY;
      await ring.find(PEER, 'ed25519:a');
      peers.answer(PEER, 500);
      await clock.advance(7 * DAY - 1);
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      await clock.advance(HOUR);
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
    });

    it.each([-10 * MINUTE, 10 * MINUTE])(
      'serves a peer whose clock is off by %d ms, at all times, with few fetches',
      async (offset) => {
        for (const validityMs of [DAY, HOUR, 5 * MINUTE]) {
          const { ring, peers, peer, clock } = rig();
          peer.clockOffsetMs = offset;
          peer.validityMs = validityMs;
          for (let step = 0; step < 200; step += 1) {
            expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
            await clock.advance(20 * S);
          }
          expect(peers.requests.length).toBeLessThanOrEqual(67);
        }
      },
    );

    it('cuts what a store remembers from a time when our clock was wrong', async () => {
      const { ring, store, clock, peers } = rig();
      const key = { serverName: PEER, keyId: 'ed25519:a', publicKey: keyOf('x', 'a').publicKey };
      await store.save([{ ...key, fetchedTs: clock.now() + 365 * DAY, validUntilTs: clock.now() + 366 * DAY }]);
      peers.answer(PEER, 500);
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      await clock.advance(7 * DAY + HOUR);
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
    });
  });

  describe('a server that changes its key', () => {
    it('is believed with the new key at its first use, and no longer with the old one', async () => {
      const { ring, peer, clock, newRing } = rig();
      await ring.find(PEER, 'ed25519:a');
      await clock.advance(HOUR);
      const [old] = peer.keys;
      peer.keys = [keyOf('new', 'b')];
      if (old !== undefined) peer.old = [{ key: old, expiredTs: clock.now() }];
      expect(await ring.find(PEER, 'ed25519:b')).not.toBeNull();
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
      expect(await newRing().find(PEER, 'ed25519:a')).toBeNull();
      expect(await newRing().find(PEER, 'ed25519:b')).not.toBeNull();
    });

    it('is not believed with a key that is gone without a word, also after a restart', async () => {
      const { ring, peer, clock, newRing, peers } = rig();
      await ring.find(PEER, 'ed25519:a');
      await clock.advance(HOUR);
      peer.keys = [keyOf('new', 'b')];
      await ring.find(PEER, 'ed25519:b');
      peers.answer(PEER, 500);
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
      expect(await newRing().find(PEER, 'ed25519:a')).toBeNull();
    });

    it('is not believed with an old key of whom nothing was known', async () => {
      const { ring, peer, clock } = rig();
      peer.old = [{ key: keyOf('old', 'old'), expiredTs: clock.now() }];
      expect(await ring.find(PEER, 'ed25519:old')).toBeNull();
    });

    it('need not be asked about a key that it calls old', async () => {
      const { ring, peer, clock, peers } = rig();
      peer.old = [{ key: keyOf('old', 'old'), expiredTs: 5 }];
      await ring.find(PEER, 'ed25519:a');
      await clock.advance(HOUR);
      expect(await ring.find(PEER, 'ed25519:old')).toBeNull();
      expect(peers.requests).toHaveLength(1);
    });
  });

  describe('bounds', () => {
    it('does not fetch for each key id that somebody makes up', async () => {
      const { ring, peers, clock, peer, outcomes } = rig();
      await ring.find(PEER, 'ed25519:a');
      for (let i = 0; i < 1_000; i += 1) expect(await ring.find(PEER, `ed25519:x${i}`)).toBeNull();
      expect(peers.requests).toHaveLength(1);
      expect(outcomes()).toMatchObject({ paused: 1_000 });
      for (let i = 0; i < 3_600; i += 1) {
        await ring.find(PEER, `ed25519:y${i}`);
        await clock.advance(S);
      }
      expect(peers.requests.length).toBeLessThanOrEqual(16);
      // The server itself is served all the same, and its new key is noticed within five minutes.
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      peer.keys = [keyOf('new', 'b')];
      await clock.advance(5 * MINUTE);
      expect(await ring.find(PEER, 'ed25519:b')).not.toBeNull();
    });

    it('asks a server that does not answer at growing intervals', async () => {
      const { ring, peers, clock, outcomes } = rig();
      for (let i = 0; i < 3_600; i += 1) {
        expect(await ring.find('gone.example', 'ed25519:a')).toBeNull();
        await clock.advance(S);
      }
      expect(peers.asked('gone.example')).toBeGreaterThan(8);
      expect(peers.asked('gone.example')).toBeLessThanOrEqual(13);
      expect(outcomes()['paused']).toBe(3_600 - peers.asked('gone.example'));
    });

    it('runs few fetches at once, and keeps some of them for servers it knows', async () => {
      const { newRing, peers, clock, outcomes } = rig();
      const ring = newRing({ maxFetches: 8 });
      await ring.find(PEER, 'ed25519:a');
      await clock.advance(12 * HOUR);
      const go = peers.hold();
      const strangers = Array.from({ length: 100 }, (_, i) => ring.find(`stranger${i}.example`, 'ed25519:a'));
      await clock.settle();
      expect(peers.inFlight).toBe(6);
      expect(outcomes()).toMatchObject({ busy: 94 });
      await ring.find(PEER, 'ed25519:a');
      expect(peers.inFlight).toBe(7);
      go();
      await Promise.all(strangers);
      // Those for which there was no slot were not given up.
      peers.answer('stranger99.example', () => new PublishingServer('stranger99.example', clock).document());
      expect(await ring.find('stranger99.example', 'ed25519:a')).not.toBeNull();
    });

    it('keeps a number of servers in memory, and the others in the store', async () => {
      const { newRing, peers, clock, metrics } = rig();
      const ring = newRing({ maxServers: 10 });
      for (let i = 0; i < 30; i += 1) {
        const server = new PublishingServer(`s${i}.example`, clock);
        peers.answer(server.name, server.document());
        await ring.find(server.name, 'ed25519:a');
      }
      await ring.find('s0.example', 'ed25519:a');
      expect(metrics.value('thalamus_federation_key_servers')).toBe(10);
      expect(peers.requests).toHaveLength(30);
    });

    it('has the store forget what is of no use, now and then', async () => {
      const { newRing, store, peers, clock } = rig();
      const forgotten: unknown[] = [];
      const ring = newRing({
        store: {
          load: (server) => store.load(server),
          save: (keys) => store.save(keys),
          forget: (options) => {
            forgotten.push(options);
            return store.forget(options);
          },
        },
      });
      for (let i = 0; i <= 100; i += 1) {
        peers.answer(`s${i}.example`, new PublishingServer(`s${i}.example`, clock).document());
        await ring.find(`s${i}.example`, 'ed25519:a');
      }
      const options = { fetchedBeforeTs: clock.now() - 7 * DAY, keepNewest: 20_000 };
      expect(forgotten).toEqual([options, options]);
    });

    it('ends its fetches when it is stopped, and asks nobody afterwards', async () => {
      const notary = { serverName: 'notary.example', verifyKeys: null, acceptKeysInsecurely: true };
      const { newRing, peers, store, clock, logger } = rig({ trustedKeyServers: [notary] });
      const ring = newRing();
      peers.hold();
      const found = ring.find(PEER, 'ed25519:a');
      await clock.settle();
      await ring.stop();
      expect(await found).toBeNull();
      expect(await ring.find('other.example', 'ed25519:a')).toBeNull();
      expect(peers.requests.map(({ destination }) => destination)).toEqual([PEER]);
      expect(await store.load(PEER)).toEqual([]);
      expect(logger.lines).toEqual([]);
    });
  });

  it.each<[string, Parameters<FakePeers['answer']>[1], string]>([
    ['an error', 404, 'it answered 404'],
    ['no JSON', '<html>', 'its answer is not JSON'],
    ['nothing', '', 'its answer is not JSON'],
    ['another document', { hello: 1 }, 'it names no server'],
    ['too much', `"${'x'.repeat(40_000)}"`, 'too large'],
    ['no certificate', new PeerError(PEER, 'certificate', 'self-signed certificate'), 'self-signed certificate'],
  ])('has no key of a server that answers with %s', async (_, answer, reason) => {
    const { ring, peers, logger } = rig();
    peers.answer(PEER, answer);
    expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
    expect(logger.lines).toMatchObject([{ fields: { server: PEER, reason } }]);
  });

  it('does not believe another server’s document', async () => {
    const { ring, peers, clock } = rig();
    peers.answer(PEER, new PublishingServer('victim.example', clock).document());
    expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
    expect(await ring.find('victim.example', 'ed25519:a')).toBeNull();
  });

  describe('with key servers', () => {
    const keyServerKey = keyOf('notary', 'n');
    const notary = {
      serverName: 'notary.example',
      verifyKeys: { 'ed25519:n': keyServerKey.publicKey },
      acceptKeysInsecurely: false,
    };
    const vouched = (document: object, key = keyServerKey) => signJson(document, notary.serverName, key);
    const notaryRig = (servers = [notary]) => {
      const rigged = rig({ trustedKeyServers: servers });
      rigged.peers.answer(PEER, 500);
      return rigged;
    };

    it('asks them when the server itself does not answer', async () => {
      const { ring, peers, peer, clock, metrics } = notaryRig();
      peers.answer('notary.example', () => ({ server_keys: [vouched(peer.document())] }));
      expect(await ring.find(PEER, 'ed25519:a')).toMatchObject({ publicKey: peer.keys[0]?.publicKey });
      const { body = '', ...request } = peers.requests[1] ?? {};
      expect(request).toMatchObject({ destination: 'notary.example', method: 'POST', uri: '/_matrix/key/v2/query' });
      expect(JSON.parse(body)).toEqual({
        server_keys: { [PEER]: { 'ed25519:a': { minimum_valid_until_ts: clock.now() } } },
      });
      expect(metrics.value('thalamus_federation_key_fetches_total', bySource('key_server'))).toBe(1);
    });

    it('does not ask them when the server answers, nor when we do not talk to it', async () => {
      const { ring, peers, peer } = notaryRig();
      peers.answer('notary.example', () => ({ server_keys: [vouched(peer.document())] }));
      for (const kind of ['refused', 'closed'] satisfies PeerErrorKind[]) {
        peers.answer(`${kind}.example`, new PeerError(PEER, kind, 'not that one'));
        expect(await ring.find(`${kind}.example`, 'ed25519:a')).toBeNull();
      }
      peers.answer(PEER, () => peer.document());
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      expect(peers.asked('notary.example')).toBe(0);
    });

    it.each<[string, (document: object) => unknown]>([
      ['without its signature', (document) => document],
      ['with the signature of another key', (document) => vouched(document, keyOf('evil', 'n'))],
      ['for another server', (document) => vouched({ ...document, server_name: 'other.example' })],
      ['that the server did not sign', (document) => vouched({ ...document, signatures: {} })],
      ['that it has changed', (document) => vouched({ ...document, valid_until_ts: Number.MAX_SAFE_INTEGER })],
      ['of the wrong shape', () => null],
    ])('does not believe a document %s', async (_, change) => {
      const { ring, peers, peer } = notaryRig();
      peers.answer('notary.example', () => ({ server_keys: [change(peer.document())] }));
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
      expect(peers.asked('notary.example')).toBe(1);
    });

    it.each([{}, { server_keys: null }, { server_keys: {} }, [], 'x', { server_keys: [] }])(
      'has no key when a key server answers %j',
      async (answer) => {
        const { ring, peers } = notaryRig();
        peers.answer('notary.example', answer);
        expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
      },
    );

    it('believes one without keys in the configuration, or that may be insecure, without its signature', async () => {
      for (const change of [{ verifyKeys: null }, { acceptKeysInsecurely: true }]) {
        const { ring, peers, peer } = notaryRig([{ ...notary, ...change } as typeof notary]);
        peers.answer('notary.example', () => ({ server_keys: [peer.document()] }));
        expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      }
    });

    it('asks the next one, and never the server itself or us', async () => {
      const names = [PEER, 'us.example', 'gone.example', 'notary.example', 'last.example'];
      const { ring, peers, peer } = notaryRig(names.map((serverName) => ({ ...notary, serverName })));
      peers.answer('notary.example', () => ({ server_keys: [vouched(peer.document())] }));
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
      expect(peers.requests.map(({ destination }) => destination)).toEqual([PEER, 'gone.example', 'notary.example']);
    });

    it('takes the document with the key that is asked for', async () => {
      const { ring, peers, peer, clock } = notaryRig();
      const later = new PublishingServer(PEER, clock, ['later']);
      later.validityMs = 2 * DAY;
      peers.answer('notary.example', () => ({
        server_keys: [later, peer, later].map((each) => vouched(each.document())),
      }));
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
    });

    it('does not go back to an older document than the server gave itself', async () => {
      const { ring, peers, peer, clock } = notaryRig();
      const stale = vouched(new PublishingServer(PEER, clock, ['stolen']).document());
      await clock.advance(HOUR);
      peers.answer(PEER, () => peer.document());
      peers.answer('notary.example', { server_keys: [stale] });
      await ring.find(PEER, 'ed25519:a');
      peers.answer(PEER, 500);
      await clock.advance(HOUR);
      expect(await ring.find(PEER, 'ed25519:stolen')).toBeNull();
      expect(peers.asked('notary.example')).toBe(1);
      expect(await ring.find(PEER, 'ed25519:a')).not.toBeNull();
    });

    it('asks no further when twice the time of a request is over', async () => {
      const names = ['a', 'b', 'c', 'd'].map((name) => ({ ...notary, serverName: `${name}.example` }));
      const { ring, peers, clock } = notaryRig(names);
      const slow = async (request: { timeoutMs: number }) => {
        // Takes all of its time.
        await clock.advance(request.timeoutMs);
        return 500;
      };
      for (const server of [PEER, ...names.map(({ serverName }) => serverName)]) peers.answer(server, slow);
      expect(await ring.find(PEER, 'ed25519:a')).toBeNull();
      expect(peers.requests.map(({ destination }) => destination)).toEqual([PEER, 'a.example']);
    });
  });

  describe('documentOf', () => {
    const yes = () => true;

    it('returns the document signed by its author and by us', async () => {
      const { ring, peer, clock } = rig();
      const document: unknown = JSON.parse((await ring.documentOf(PEER, clock.now(), yes)) ?? '');
      expect(document).toMatchObject(peer.document());
      expect(verifyJson(document, PEER, 'ed25519:a', peer.keys[0]?.publicKey ?? '')).toBe(true);
      expect(verifyJson(document, 'us.example', own.keyId, own.publicKey)).toBe(true);
    });

    it('keeps it for half of its life, and longer when the server does not answer', async () => {
      const { ring, peers, clock } = rig();
      const first = await ring.documentOf(PEER, clock.now(), yes);
      await clock.advance(12 * HOUR - 1);
      expect(await ring.documentOf(PEER, clock.now(), yes)).toBe(first);
      expect(peers.requests).toHaveLength(1);
      await clock.advance(1);
      const second = await ring.documentOf(PEER, clock.now(), yes);
      expect(second).not.toBe(first);
      expect(peers.requests).toHaveLength(2);
      peers.answer(PEER, 500);
      await clock.advance(3 * DAY);
      expect(await ring.documentOf(PEER, clock.now(), yes)).toBe(second);
      expect(peers.requests).toHaveLength(3);
    });

    it('asks again for one that must last longer, but not at once and not when it may not', async () => {
      const { ring, peers, clock } = rig();
      const first = await ring.documentOf(PEER, clock.now(), yes);
      const later = clock.now() + DAY + 1;
      expect(await ring.documentOf(PEER, later, yes)).toBe(first);
      expect(peers.requests).toHaveLength(1);
      await clock.advance(MINUTE);
      expect(await ring.documentOf(PEER, later, () => false)).toBe(first);
      expect(peers.requests).toHaveLength(1);
      expect(await ring.documentOf(PEER, later, yes)).not.toBe(first);
      expect(peers.requests).toHaveLength(2);
    });

    it('is null for a server that never answered, and asks for permission only when a fetch could be', async () => {
      const { ring, clock } = rig();
      let asked = 0;
      const may = () => {
        asked += 1;
        return true;
      };
      expect(await ring.documentOf('gone.example', clock.now(), may)).toBeNull();
      expect(await ring.documentOf('gone.example', clock.now(), may)).toBeNull();
      expect(asked).toBe(1);
    });
  });
});
