/**
 * Two processes over real TLS sockets, one with a clock that is ten minutes off, or put right, or with another key; and servers whose keys
 * have expired. What is to be believed arrives, and no final state is lost.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadOrCreateSigningKey, type SigningKey } from '../../src/federation/keys/signing-key-file.ts';
import { type FakeServer, newKey, startFakeServer } from '../support/fake-server.ts';
import { type Pair, type Side, startPair } from '../support/server-pair.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const CAT = '@cat:three';

/** What makes a process take it for so much later than it is, and time for faster. */
function clockOffBy(ms: number, speed = 1): Readonly<Record<string, string>> {
  const source = `const now = Date.now, start = now(); Date.now = () => Math.floor(start + ${ms} + (now() - start) * ${speed});`;
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(source)}` };
}
const RIGHT = clockOffBy(0);

let pair: Pair;
let three: FakeServer;

beforeAll(async () => {
  pair = await startPair({ others: [CAT], two: { env: clockOffBy(10 * MINUTE_MS) } });
  three = await startFakeServer(pair.net, 'three');
});
afterAll(async () => {
  await three[Symbol.asyncDispose]();
  await pair[Symbol.asyncDispose]();
});
beforeEach(async () => {
  expect(await pair.settled()).toEqual([]);
});

const changeAll = (label: string): Promise<unknown> =>
  Promise.all([pair.one.changeAll(label), pair.two.changeAll(label)]);

async function restart({ server }: Side, env: Readonly<Record<string, string>>): Promise<void> {
  await server.terminate();
  await server.restart(env);
}

/** How far the process believes to be ahead. */
function offsetOf({ server }: Side): number {
  const times = [...server.program.stdout().matchAll(/"time":"([^"]+)"[^\n]*"msg":"server started"/g)];
  // Not -0.
  return Math.round((Date.parse(times.at(-1)?.[1] ?? '') - Date.now()) / MINUTE_MS) + 0;
}

describe('a clock', () => {
  it.each([10, -10])('that is %i minutes off is nobody’s trouble', async (minutes) => {
    if (minutes < 0) await restart(pair.two, clockOffBy(minutes * MINUTE_MS));
    expect(offsetOf(pair.two)).toBe(minutes);
    await changeAll(`off by ${minutes} minutes`);
    await pair.one.change(0, 'online', 'now');
    await pair.two.change(0, 'online', 'now');
    expect(await pair.settled()).toEqual([]);
    // How long ago somebody was active is told in time that has passed, not in anybody's time of day.
    for (const [side, user] of [
      [pair.one, '@user0:two'],
      [pair.two, '@user0:one'],
    ] as const) {
      expect(side.seen(user)).toMatchObject({ presence: 'online', currently_active: true });
      expect(side.seen(user)?.last_active_ago).toBeLessThan(20_000);
    }
  });

  it('that was ten minutes fast and is put right, right before the other server is away and this one is killed', async () => {
    await restart(pair.two, clockOffBy(10 * MINUTE_MS, 30));
    // So long that it notes at its end how far everything has been told: a minute of its time.
    const startedTs = Date.now();
    await changeAll('in the future');
    expect(await pair.settled()).toEqual([]);
    await until(() => Date.now() >= startedTs + MINUTE_MS / 30);
    await restart(pair.two, RIGHT);
    expect(offsetOf(pair.two)).toBe(0);
    await pair.one.server.kill();
    await pair.two.changeAll('in the present');
    await pair.two.server.kill();
    await Promise.all([pair.one.server.restart(), pair.two.server.restart()]);
    expect(await pair.settled()).toEqual([]);
  });

  it('that is days ahead makes all keys old: what others sign is not believed before it is put right', async () => {
    await restart(pair.two, RIGHT);
    await restart(pair.one, clockOffBy(9 * DAY_MS));
    await pair.two.changeAll('not believed');
    await until(async () => (await pair.two.metric('thalamus_federation_failing_destinations')) === 1, 15_000);
    expect(await pair.lost()).not.toEqual([]);
    await pair.one.changeAll('believed');
    await until(async () => (await pair.lost()).every((line) => line.includes(':two')), 20_000);
    await restart(pair.one, RIGHT);
    expect(await pair.settled()).toEqual([]);
  });
});

describe('a key', () => {
  const cat = (label: string) => [{ user_id: CAT, presence: 'online', status_msg: label }];
  const catAtOne = () => pair.one.seen(CAT)?.status_msg;

  it('in a document that has expired is none', async () => {
    three.validUntilTs = Date.now() - 20 * MINUTE_MS;
    expect(await three.push('one', cat('expired'))).toMatchObject({ status: 401, body: { errcode: 'M_UNAUTHORIZED' } });
    expect(catAtOne()).toBeUndefined();
    await changeAll('others go on');
    expect(await pair.settled()).toEqual([]);
  });

  it('that its server says has expired is none; its new one is', async () => {
    const [before] = three.keys;
    if (before === undefined) throw new Error('no key');
    three.validUntilTs = Date.now() + DAY_MS;
    three.oldKeys = [{ key: before, expiredTs: Date.now() - MINUTE_MS }];
    three.keys = [newKey('next')];
    // It forgets that it has just asked.
    await restart(pair.one, RIGHT);
    expect(await three.push('one', cat('old key'), { key: before })).toMatchObject({ status: 401 });
    expect(catAtOne()).toBeUndefined();
    expect(await three.push('one', cat('new key'))).toMatchObject({ status: 200 });
    await until(() => catAtOne() === 'new key');
    expect(await three.push('one', cat('old key'), { key: before })).toMatchObject({ status: 401 });
    expect(catAtOne()).toBe('new key');
  });

  it('that a server changes: the other believes the new one, and not the old one any more', async () => {
    const file = join(pair.two.server.dir, 'two.signing.key');
    const [old] = loadOrCreateSigningKey(file) as [SigningKey];
    await pair.two.server.terminate();
    const next = `ed25519 next ${Buffer.alloc(32, 7).toString('base64').replace(/=+$/, '')}\n`;
    writeFileSync(file, next);
    pair.two.server.changeConfig({
      old_signing_keys: { [old.keyId]: { key: old.publicKey, expired_ts: Date.now() } },
    });
    await pair.two.server.restart();
    expect(readFileSync(file, 'utf8')).toBe(next);
    await restart(pair.one, RIGHT);
    await changeAll('with a new key');
    expect(await pair.settled()).toEqual([]);
    const forged = await three.push('one', [{ user_id: '@user0:two', presence: 'online' }], {
      origin: 'two',
      key: old,
    });
    expect(forged).toMatchObject({ status: 401 });
    expect(await pair.lost()).toEqual([]);
  });
});
