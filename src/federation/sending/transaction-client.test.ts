import { describe, expect, it } from 'vitest';
import { PeerError, type PeerErrorKind, type PeerRequest, type PeerResponse } from '../../ports/peer-client.ts';
import { parseAuthorization, requestText } from '../signing/authorization.ts';
import { signingKeyOf, verifySignature } from '../signing/ed25519.ts';
import { createTransactionClient } from './transaction-client.ts';

const signingKey = signingKeyOf('a_1', new Uint8Array(32).fill(7));
const BODY =
  '{"edus":[{"content":{"push":[]},"edu_type":"m.presence"}],"origin":"us.example","origin_server_ts":1,"pdus":[]}';

async function send(answer: PeerResponse | Error, signal = new AbortController().signal) {
  const requests: PeerRequest[] = [];
  const client = createTransactionClient({
    serverName: 'us.example',
    signingKey,
    timeoutMs: 1_234,
    client: {
      request: (request) => {
        requests.push(request);
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
      close: () => Promise.resolve(),
    },
  });
  const result = await client.send('peer.example:8448', 'abc-1', BODY, signal);
  return { result, requests };
}

const answer = (httpStatus: number, body = '{}', retryAfterMs: number | null = null): PeerResponse => ({
  httpStatus,
  body,
  retryAfterMs,
});

describe('createTransactionClient', () => {
  it('puts the body as it is, signed for that destination', async () => {
    const { result, requests } = await send(answer(200));
    expect(result).toEqual({ ok: true });
    const [request] = requests;
    expect(request).toMatchObject({
      destination: 'peer.example:8448',
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/abc-1',
      body: BODY,
      timeoutMs: 1_234,
    });
    const { origin, destination, keyId, signature } = parseAuthorization(request?.headers?.['Authorization'] ?? '');
    expect([origin, destination, keyId]).toEqual(['us.example', 'peer.example:8448', 'ed25519:a_1']);
    const signed = requestText({
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/abc-1',
      origin: 'us.example',
      destination: 'peer.example:8448',
      content: JSON.parse(BODY),
    });
    expect(verifySignature(signed, signature, signingKey.publicKey)).toBe(true);
  });

  it.each([400, 401, 403, 404, 405, 413, 500, 502, 503])('takes %i for a failure that may pass', async (status) => {
    const { result } = await send(answer(status, '{"errcode":"M_UNKNOWN"}', 5_000));
    expect(result).toEqual({ ok: false, reason: 'failed', retryAfterMs: 5_000, detail: String(status) });
  });

  it('takes 429 for a wish for patience', async () => {
    const { result } = await send(answer(429, '{}', 7_000));
    expect(result).toEqual({ ok: false, reason: 'limited', retryAfterMs: 7_000, detail: '429' });
  });

  it.each<[string, number | null]>([
    ['{"retry_after_ms":1500}', 1_500],
    ['{"retry_after_ms":-1}', null],
    ['{"retry_after_ms":"1500"}', null],
    ['<html>', null],
  ])('looks into the body, %s, of a 429 without the header', async (body, retryAfterMs) => {
    expect((await send(answer(429, body))).result).toMatchObject({ reason: 'limited', retryAfterMs });
  });

  it.each(['', '<html>', '[]', 'null', '"ok"'])('does not take 200 with %j for success', async (body) => {
    expect((await send(answer(200, body))).result).toMatchObject({ ok: false, reason: 'failed' });
  });

  it.each<[PeerErrorKind, string]>([
    ['refused', 'failed'],
    ['not_found', 'failed'],
    ['unreachable', 'failed'],
    ['certificate', 'failed'],
    ['timeout', 'failed'],
    ['too_large', 'failed'],
    ['busy', 'not_tried'],
    ['closed', 'not_tried'],
  ])('says of an error of kind %s that it %s', async (kind, reason) => {
    const { result } = await send(new PeerError('peer.example:8448', kind, 'why'));
    expect(result).toEqual({ ok: false, reason, retryAfterMs: null, detail: `${kind}: why` });
  });

  it('never rejects, and blames nobody when it was told to stop', async () => {
    expect((await send(new TypeError('a bug'))).result).toMatchObject({ ok: false, reason: 'failed' });
    const stopped = await send(new PeerError('peer.example:8448', 'unreachable', 'gone'), AbortSignal.abort());
    expect(stopped.result).toMatchObject({ ok: false, reason: 'not_tried' });
  });
});
