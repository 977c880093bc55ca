/**
 * Two processes over real TLS sockets, and somebody who lies to them, or says again what was true once: nothing of it is believed, and
 * no final state is lost by it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeServer, newKey, type SignedTransaction, startFakeServer } from '../support/fake-server.ts';
import { type Pair, startPair } from '../support/server-pair.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const CAT = '@cat:three';
const DOG = '@dog:four';
let pair: Pair;
/** Honest, as long as nobody says otherwise. */
let three: FakeServer;

beforeAll(async () => {
  pair = await startPair({ others: [CAT, DOG] });
  three = await startFakeServer(pair.net, 'three');
  // Both know its keys from now on.
  for (const server of ['one', 'two']) {
    expect(await three.push(server, [{ user_id: CAT, presence: 'online' }])).toMatchObject({ status: 200 });
  }
});
afterAll(async () => {
  await three[Symbol.asyncDispose]();
  await pair[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await Promise.all([pair.one.changeAll('true'), pair.two.changeAll('also true')]);
  expect(await pair.settled()).toEqual([]);
});

const catAt = (side: Pair['one']) => side.seen(CAT);
const lie = (user: string) => ({ user_id: user, presence: 'online', status_msg: 'a lie', currently_active: true });

/** Whatever was said, it is not believed, and those who tell the truth go on. */
async function nothingIsBelieved(): Promise<void> {
  expect(await pair.lost()).toEqual([]);
  await Promise.all([pair.one.changeAll('still true'), pair.two.changeAll('still true, too')]);
  expect(await pair.settled()).toEqual([]);
}

describe('a liar', () => {
  it('who signs in the name of another server with a key of their own, under the id of its key, too', async () => {
    const [keyId = ''] = Object.keys((await keysOf('two')).verify_keys);
    for (const key of [newKey('mine'), newKey(keyId.replace('ed25519:', ''))]) {
      const answer = await three.push('one', [lie('@user0:two')], { origin: 'two', key });
      expect(answer).toMatchObject({ status: 401, body: { errcode: 'M_UNAUTHORIZED' } });
    }
    await nothingIsBelieved();
  });

  it('who signs in the name of the server that is asked', async () => {
    const answer = await three.push('one', [lie('@user0:one')], { origin: 'one' });
    expect(answer).toMatchObject({ status: 401, body: { errcode: 'M_UNAUTHORIZED' } });
    await nothingIsBelieved();
  });

  it('whose body names another origin than the one that signed', async () => {
    const answer = await three.push('one', [lie('@user0:two')], { bodyOrigin: 'two' });
    expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } });
    await nothingIsBelieved();
  });

  it('who passes on what was signed for another server, or changes what was signed', async () => {
    const forOne = three.sign('one', [{ user_id: CAT, presence: 'unavailable', status_msg: 'for one' }]);
    expect(await three.deliver({ ...forOne, destination: 'two' })).toMatchObject({ status: 401 });
    const changed = { ...forOne, body: forOne.body.replace('for one', 'changed') };
    expect(changed.body).not.toBe(forOne.body);
    expect(await three.deliver(changed)).toMatchObject({ status: 401 });
    expect(await three.deliver({ ...forOne, uri: `${forOne.uri}x` })).toMatchObject({ status: 401 });
    expect(catAt(pair.two)).toMatchObject({ presence: 'online' });
    expect(catAt(pair.one)).toMatchObject({ presence: 'online' });
    await nothingIsBelieved();
  });

  it('who speaks for users of others, or of nobody, among their own', async () => {
    const entries = [
      lie('@user0:two'),
      lie('@user1:one'),
      lie('@user2:two:443'),
      lie('user3'),
      { ...lie('@user4:two'), user_id: null },
      { user_id: CAT, presence: 'online', status_msg: 'the truth' },
      lie('@user5:TWO'),
    ];
    expect(await three.push('one', entries)).toMatchObject({ status: 200 });
    await until(() => catAt(pair.one)?.status_msg === 'the truth');
    await nothingIsBelieved();
  });

  it.each([
    ['huge', Number.MAX_SAFE_INTEGER],
    ['negative', -1],
    ['hugely negative', Number.MIN_SAFE_INTEGER],
  ])('whose last_active_ago is %s: clients get a sane one, and the next state', async (label, ago) => {
    const push = [{ user_id: CAT, presence: 'online', status_msg: label, last_active_ago: ago }];
    expect(await three.push('one', push)).toMatchObject({ status: 200 });
    await until(() => catAt(pair.one)?.status_msg === label);
    const shown = catAt(pair.one)?.last_active_ago ?? 0;
    expect(shown).toBeGreaterThanOrEqual(0);
    expect(shown).toBeLessThanOrEqual(ago > 0 ? Date.now() : 10_000);
    expect(await three.push('one', [{ user_id: CAT, presence: 'unavailable', last_active_ago: 5 }])).toMatchObject({
      status: 200,
    });
    await until(() => catAt(pair.one)?.presence === 'unavailable');
    await nothingIsBelieved();
  });

  it.each([
    ['not a number', 'soon'],
    ['not whole', 0.5],
    ['beyond all numbers', 1e300],
  ])('whose last_active_ago is %s: that entry is left out, and the others count', async (label, ago) => {
    const push = [
      { user_id: CAT, presence: 'online', status_msg: label },
      { user_id: CAT, presence: 'offline', status_msg: 'wrong', last_active_ago: ago },
    ];
    expect(await three.push('one', push)).toMatchObject({ status: 200 });
    await until(() => catAt(pair.one)?.status_msg === label);
    await nothingIsBelieved();
  });

  it('whose keys can be had from somebody only who cannot prove to be that server', async () => {
    await using four = await startFakeServer(pair.net, 'four', pair.net.authority.issue({ dnsNames: ['three'] }));
    expect(await four.push('one', [lie(DOG)])).toMatchObject({ status: 401, body: { errcode: 'M_UNAUTHORIZED' } });
    expect(pair.one.seen(DOG)).toBeUndefined();
    await nothingIsBelieved();
  });

  it('who never stops, from the same address: neither that server nor others are kept out by it', async () => {
    const key = newKey('loud');
    const shout = async (origin: string): Promise<number> => {
      return (await three.push('one', [lie(`@user0:${origin}`)], { origin, key })).status;
    };
    const first = await Promise.all(Array.from({ length: 80 }, () => shout('two')));
    expect(new Set(first)).toEqual(new Set([401, 429]));
    // Whoever has proved themselves is not counted with those who have not, though they come from one address.
    for (let time = 0; time < 10; time++) {
      const noise = Array.from({ length: 6 }, (_, index) => shout(index % 2 === 0 ? 'two' : 'nobody.example'));
      const answer = await three.push('one', [{ user_id: CAT, presence: 'online', status_msg: `still here ${time}` }]);
      expect(answer.status).toBe(200);
      await Promise.all(noise);
    }
    await until(() => catAt(pair.one)?.status_msg === 'still here 9');
    await Promise.all([pair.one.changeAll('through the noise'), pair.two.changeAll('through the noise')]);
    expect(await pair.settled()).toEqual([]);
  });
});

describe('a transaction that was good once', () => {
  const old = (): SignedTransaction => three.sign('one', [{ user_id: CAT, presence: 'online', status_msg: 'old' }]);

  /** Nothing of it can be on its way when the answer to a later one is here. */
  async function catStays(statusMsg: string): Promise<void> {
    expect(catAt(pair.one)).toMatchObject({ status_msg: statusMsg });
    const marker = await three.push('one', [{ user_id: '@marker:three', presence: 'online' }]);
    expect(marker.status).toBe(200);
    const asked = await pair.one.people[0]?.user.getPresence(CAT);
    expect(asked).toMatchObject({ status: 200, body: { status_msg: statusMsg } });
  }

  it('gets its answer again, and changes nothing, after newer ones and after restarts', async () => {
    const recorded = old();
    const first = await three.deliver(recorded);
    expect(first.status).toBe(200);
    await until(() => catAt(pair.one)?.status_msg === 'old');
    for (let count = 0; count < 25; count++) {
      const newer = await three.push('one', [{ user_id: CAT, presence: 'unavailable', status_msg: `new ${count}` }]);
      expect(newer.status).toBe(200);
    }
    await until(() => catAt(pair.one)?.status_msg === 'new 24');
    expect(await three.deliver(recorded)).toEqual(first);
    await catStays('new 24');

    await pair.one.server.kill();
    await pair.one.server.restart();
    expect(await three.deliver(recorded)).toEqual(first);
    await catStays('new 24');
    await nothingIsBelieved();
  });
});

// oxlint-disable-next-line typescript/no-explicit-any -- as it comes
async function keysOf(server: string): Promise<any> {
  return (await three.get(server, '/_matrix/key/v2/server')).body;
}
