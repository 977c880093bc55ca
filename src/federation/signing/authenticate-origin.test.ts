import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../matrix/canonical-json.ts';
import { authenticateOrigin, type IncomingRequest, type PeerKeys } from './authenticate-origin.ts';
import { authorizationHeader, type SignedRequest } from './authorization.ts';
import { signingKeyOf } from './ed25519.ts';

const US = 'us.example';
const PEER = 'peer.example:8448';
const key = signingKeyOf('now', new Uint8Array(32).fill(1));
const otherKey = signingKeyOf('other', new Uint8Array(32).fill(2));
const request = { method: 'PUT', uri: '/_matrix/federation/v1/send/1?x=%41' };
const content = { pdus: [], edus: [{ edu_type: 'm.presence', content: { push: [] } }], origin: PEER };

describe('authenticateOrigin', () => {
  it('names the server that signed', async () => {
    expect(await ask({ authorization: header(), content })).toBe(PEER);
    const { content: _, ...withoutBody } = signed;
    const get = {
      ...request,
      method: 'GET',
      authorization: authorizationHeader({ ...withoutBody, method: 'GET', key }),
    };
    expect(await authenticateOrigin(get, keys().ring, US, () => true)).toBe(PEER);
  });

  it('accepts a body in another order, and with spaces, as the same value', async () => {
    const contentText = JSON.stringify(content, null, 2);
    expect(await ask({ authorization: header(), content: JSON.parse(contentText), contentText })).toBe(PEER);
  });

  it('accepts a body with numbers that have no canonical form, when it came as it was signed', async () => {
    for (const contentText of ['{"a":1.0}', '{"a":1.5}', '{"a":123456789012345678901}', '{"a":1e400}', '{"a":-0}']) {
      const authorization = header({ contentText });
      const body: unknown = JSON.parse(contentText);
      expect(await ask({ authorization, content: body, contentText })).toBe(PEER);
      const changed = contentText.replace('"a"', '"b"');
      await refused({ authorization, content: JSON.parse(changed), contentText: changed }, 401, 'does not match');
    }
  });

  it('parses a body only when its text is not what was signed, and a large one not even then', async () => {
    let parsed = 0;
    const lazily = (contentText: string) => ({
      contentText,
      content: undefined,
      parse: () => {
        parsed += 1;
        return JSON.parse(contentText) as unknown;
      },
    });
    const large = { ...content, padding: 'x'.repeat(300_000) };
    const spaced = JSON.stringify(large, null, 1);
    const authorization = header({ content: large });
    expect(await ask({ authorization, ...lazily(canonicalJson(large)) })).toBe(PEER);
    await refused({ authorization, ...lazily(spaced) }, 401, 'does not match');
    expect(parsed).toBe(0);
    expect(await ask({ authorization: header(), ...lazily(JSON.stringify(content, null, 1)) })).toBe(PEER);
    expect(parsed).toBe(1);
  });

  it('accepts a request of an old server that names no destination, and only if it was signed for us', async () => {
    const old = (text: string) => text.replace(/destination="[^"]*",/, '');
    expect(await ask({ authorization: old(header()), content })).toBe(PEER);
    await refused({ authorization: old(header({ destination: 'other.example' })), content }, 401, 'does not match');
  });

  it.each([
    ['the body', { content: { ...content, pdus: [1] } }],
    ['the body, and its text', { content: { a: 1 }, contentText: '{"a":1}' }],
    ['no body at all', { content: undefined }],
    ['the method', { method: 'POST' }],
    ['the path', { uri: '/_matrix/federation/v1/send/2?x=%41' }],
    ['how the query is encoded', { uri: '/_matrix/federation/v1/send/1?x=A' }],
  ])('refuses a request that differs in %s', async (_, change) => {
    await refused({ ...request, authorization: header(), content, ...change }, 401, 'does not match');
  });

  it('refuses a request signed for another server, before it looks for a key', async () => {
    const { asked } = await refused(
      { authorization: header({ destination: 'other.example' }), content },
      401,
      'another server',
    );
    expect(asked).toEqual([]);
  });

  it('refuses the other server’s header with our name written over the destination', async () => {
    const forged = header({ destination: 'other.example' }).replace(
      'destination="other.example"',
      `destination="${US}"`,
    );
    await refused({ authorization: forged, content }, 401, 'does not match');
  });

  it('refuses ourselves as the origin, and what is no server name, without a look for a key', async () => {
    for (const [origin, words] of [
      [US, 'itself'],
      ['not a server', 'not a server name'],
      ['a/../b', 'not a server name'],
      ['x'.repeat(300), 'not a server name'],
    ] as const) {
      const { asked } = await refused({ authorization: header({ origin }), content }, 401, words);
      expect(asked).toEqual([]);
    }
  });

  it('answers 403 to servers that are not on the list, without a look for a key', async () => {
    const { ring, asked } = keys();
    const given = { ...request, authorization: header(), content };
    const error = await authenticateOrigin(given, ring, US, (server) => server !== PEER).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ httpStatus: 403, errcode: 'M_FORBIDDEN' });
    expect(asked).toEqual([]);
  });

  it('refuses an unknown key, and a key of somebody else under a known id', async () => {
    await refused({ authorization: header({ key: otherKey }), content }, 401, 'No valid key');
    const impostor = signingKeyOf('now', new Uint8Array(32).fill(3));
    await refused({ authorization: header({ key: impostor }), content }, 401, 'does not match');
  });

  it('refuses a request without the header', async () => {
    await refused({ authorization: null, content }, 401, 'missing');
    await refused({ authorization: [], content }, 401, 'missing');
    await refused({ authorization: 'Bearer syt_abc', content }, 401, 'X-Matrix');
  });

  describe('with several headers', () => {
    it('takes one good one', async () => {
      const authorization = [header({ key: otherKey }), header()];
      expect(await ask({ authorization, content })).toBe(PEER);
      expect(await ask({ authorization: [...authorization].reverse(), content })).toBe(PEER);
    });

    it('refuses them when none is good, and when they name different origins', async () => {
      await refused(
        { authorization: [header({ key: otherKey }), header({ uri: '/x' })], content },
        401,
        'does not match',
      );
      const { asked } = await refused(
        { authorization: [header({ origin: 'x.example' }), header()], content },
        401,
        'different',
      );
      expect(asked).toEqual([]);
    });

    it('takes four, and refuses five before it looks for a key', async () => {
      const bad = header({ key: otherKey });
      expect(await ask({ authorization: [bad, bad, bad, header()], content })).toBe(PEER);
      const { asked } = await refused({ authorization: [bad, bad, bad, bad, header()], content }, 401, 'too many');
      expect(asked).toEqual([]);
    });
  });
});

const signed: SignedRequest = { ...request, origin: PEER, destination: US, content };

function header(change: Partial<SignedRequest> & { key?: typeof key } = {}): string {
  return authorizationHeader({ ...signed, key, ...change });
}

function keys(): { ring: PeerKeys; asked: string[] } {
  const asked: string[] = [];
  const ring: PeerKeys = {
    find: async (origin, keyId) => {
      asked.push(keyId);
      if (keyId !== key.keyId || origin !== PEER) return null;
      return { serverName: origin, keyId, publicKey: key.publicKey, validUntilTs: 1, fetchedTs: 0 };
    },
  };
  return { ring, asked };
}

function ask(change: Partial<IncomingRequest>): Promise<string> {
  const contentText = change.contentText ?? (change.content === undefined ? undefined : canonicalJson(change.content));
  const given = { ...request, authorization: null, ...change, ...(contentText === undefined ? {} : { contentText }) };
  return authenticateOrigin(given, keys().ring, US, () => true);
}

async function refused(
  change: Partial<IncomingRequest>,
  httpStatus: number,
  words: string,
): Promise<{ asked: string[] }> {
  const { ring, asked } = keys();
  const given = { ...request, authorization: null, ...change };
  const error = await authenticateOrigin(given, ring, US, () => true).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ httpStatus, errcode: 'M_UNAUTHORIZED', message: expect.stringContaining(words) });
  return { asked };
}
