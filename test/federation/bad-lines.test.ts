/**
 * Two processes over real TLS sockets, on a line that is slow, cut or silent, or with certificates that are not to be trusted: what can
 * arrive does, and in the end no final state is lost.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CertificateOptions, createAuthority, type IssuedCertificate } from '../support/certificates.ts';
import { createRandom, type Pair, type Side, startPair } from '../support/server-pair.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const DAY_MS = 86_400_000;
let pair: Pair;

beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair[Symbol.asyncDispose]());
beforeEach(async () => {
  // What a test before left behind is none of this one's.
  expect(await pair.settled()).toEqual([]);
});

const sides = (): Side[] => [pair.one, pair.two];

describe('a line', () => {
  it('that is slow makes presence late, and loses none', async () => {
    for (const { relay } of sides()) {
      relay.cut();
      relay.setWeather({ delayMs: 30, bytesPerSecond: 20_000 });
    }
    const stops = sides().map((side) => side.keepChanging('slowly'));
    await sleep(500);
    await Promise.all(stops.map((stop) => stop()));
    expect(await pair.settled()).toEqual([]);
    for (const { relay } of sides()) relay.setWeather({});
  });

  it('that is cut again and again, wherever a request stands', async () => {
    const random = createRandom(11);
    const stops = sides().map((side) => side.keepChanging('cut'));
    for (let time = 0; time < 20; time++) {
      await sleep(random() * 60);
      (random() < 0.5 ? pair.one : pair.two).relay.cut();
    }
    await Promise.all(stops.map((stop) => stop()));
    expect(await pair.settled()).toEqual([]);
  });

  it('on which nothing passes for longer than a request may take, in the middle of requests and before their answers', async () => {
    const stops = sides().map((side) => side.keepChanging('silence'));
    for (const { relay } of sides()) relay.setWeather({ isSilent: true });
    for (const side of sides()) {
      await until(async () => (await side.metric('thalamus_federation_failing_destinations')) === 1, 20_000);
    }
    await Promise.all(stops.map((stop) => stop()));
    for (const side of sides()) await side.changeAll('nobody hears it');
    expect(await pair.lost()).not.toEqual([]);
    for (const { relay } of sides()) relay.setWeather({});
    expect(await pair.settled()).toEqual([]);
  });
});

describe('a certificate', () => {
  /** Takes it in use as an administrator would, and has it seen by whoever is connected. */
  const install = async (
    { relay, server }: Side,
    { cert, key }: Pick<IssuedCertificate, 'cert' | 'key'>,
  ): Promise<void> => {
    writeFileSync(join(server.dir, 'tls.pem'), cert);
    writeFileSync(join(server.dir, 'tls.key'), key);
    const before = server.program.stdout().length;
    server.program.child.kill('SIGHUP');
    await until(() => /configuration read again/.test(server.program.stdout().slice(before)));
    relay.cut();
  };

  const issue = (options: CertificateOptions): IssuedCertificate => pair.net.authority.issue(options);

  it.each<[string, () => IssuedCertificate]>([
    ['for another name', () => issue({ dnsNames: ['three'] })],
    ['that has expired', () => issue({ dnsNames: ['two'], notAfter: new Date(Date.now() - DAY_MS / 2) })],
    ['that is not valid yet', () => issue({ dnsNames: ['two'], notBefore: new Date(Date.now() + DAY_MS) })],
    ['of an unknown authority', () => createAuthority('Somebody').issue({ dnsNames: ['two'] })],
  ])('%s: nothing is sent to that server, and everything once it has a good one', async (_, bad) => {
    await install(pair.two, bad());
    const takenBefore = await pair.two.metric('thalamus_federation_received_transactions_total{outcome="processed"}');
    expect(takenBefore).toBeGreaterThan(0);
    await pair.one.changeAll('secret');
    await pair.two.changeAll('public');
    await until(async () => (await pair.one.metric('thalamus_federation_failing_destinations')) === 1, 15_000);
    // Its own requests are signed, and the certificate that it has is not asked for.
    await until(async () => (await pair.lost()).every((line) => line.includes(':one')));
    expect(await pair.two.metric('thalamus_federation_received_transactions_total{outcome="processed"}')).toBe(
      takenBefore,
    );
    expect(await pair.lost()).not.toEqual([]);
    await install(pair.two, issue({ dnsNames: ['two'] }));
    expect(await pair.settled()).toEqual([]);
  });
});
