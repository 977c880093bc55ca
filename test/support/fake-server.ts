/**
 * Another homeserver as a test wants it: it publishes its keys and takes transactions over real TLS, writes down what comes, and sends
 * what it is told to, in its own name or in another's.
 */
import type { ServerResponse } from 'node:http';
import { Agent, request } from 'undici';
import { authorizationHeader, parseAuthorization, requestText } from '../../src/federation/signing/authorization.ts';
import { type SigningKey, signingKeyOf, verifySignature } from '../../src/federation/signing/ed25519.ts';
import { signJson } from '../../src/federation/signing/sign-json.ts';
import type { IssuedCertificate } from './certificates.ts';
import type { FederationNet } from './federation-net.ts';
import { answerJson, type PeerServer, type SeenRequest, startPeerServer } from './peer-server.ts';

export interface PushEntry {
  readonly user_id: string;
  readonly presence: string;
  readonly status_msg?: string;
  readonly last_active_ago?: number;
  readonly currently_active?: boolean;
}

/** One that came in. */
export interface TakenTransaction {
  readonly origin: string;
  readonly txnId: string;
  readonly ts: number;
  /** Whether the signature is good under the keys that the origin publishes. */
  readonly isSigned: boolean;
  /** Of each EDU, all of which are presence. */
  readonly pushes: readonly (readonly PushEntry[])[];
  /** Whether it was answered with success. */
  readonly isTaken: boolean;
}

/** A request that can be sent, more than once. */
export interface SignedTransaction {
  readonly destination: string;
  readonly uri: string;
  readonly authorization: string;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever a test expects
  readonly body: any;
}

interface Pretence {
  /** Of the header and the body. @default this server */
  readonly origin?: string;
  /** Of the body, if it is another. */
  readonly bodyOrigin?: string;
  readonly key?: SigningKey;
  /** What is signed. @default whom it is sent to */
  readonly signedFor?: string;
  readonly txnId?: string;
}

export interface FakeServer extends AsyncDisposable {
  readonly name: string;
  /** The keys it publishes; the first one signs. */
  keys: SigningKey[];
  /** Of the document with the keys. @default tomorrow */
  validUntilTs: number;
  /** Keys that it says have expired. */
  oldKeys: { readonly key: SigningKey; readonly expiredTs: number }[];
  /** What becomes of transactions: taken, refused, or not answered before `answer` is something else. */
  answer: 'take' | 'refuse' | 'hold';
  /** Transactions that are held. */
  readonly holding: number;
  /** In the order in which they came, those that were not taken, too. */
  readonly transactions: readonly TakenTransaction[];
  /** Entries of transactions that were taken. */
  readonly entries: readonly PushEntry[];
  /** Forgets what came so far. */
  clear(): void;
  /** Makes a transaction with one EDU. */
  sign(destination: string, push: unknown, pretence?: Pretence): SignedTransaction;
  deliver(transaction: SignedTransaction): Promise<Answer>;
  /** Both. */
  push(destination: string, push: unknown, pretence?: Pretence): Promise<Answer>;
  /** Asks without signing. */
  get(destination: string, path: string): Promise<Answer>;
  /** Nobody listens any more, until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

let seeds = 0;

export function newKey(version = 'a'): SigningKey {
  return signingKeyOf(version, new Uint8Array(32).fill((seeds += 1)));
}

export async function startFakeServer(
  net: FederationNet,
  name: string,
  certificate: IssuedCertificate = net.authority.issue({ dnsNames: [name] }),
): Promise<FakeServer> {
  const port = await net.portOf(name);
  const agents = new Map<string, Agent>();
  const transactions: TakenTransaction[] = [];
  let held: (() => void)[] = [];
  let answer: FakeServer['answer'] = 'take';
  let txnCount = 0;
  let server: PeerServer | null = null;

  const ask = async (destination: string, method: 'GET' | 'PUT', path: string, headers = {}, body?: string) => {
    let dispatcher = agents.get(destination);
    if (dispatcher === undefined) {
      dispatcher = new Agent({ connect: { ca: net.authority.cert, servername: destination } });
      agents.set(destination, dispatcher);
    }
    const url = `https://127.0.0.1:${await net.portOf(destination)}${path}`;
    const response = await request(url, { dispatcher, method, headers, ...(body === undefined ? {} : { body }) });
    return { status: response.statusCode, body: (await response.body.json()) as Answer['body'] };
  };
  const isSignedBy = async (origin: string, { headers, url, body }: SeenRequest): Promise<boolean> => {
    const { keyId, signature } = parseAuthorization(headers.authorization ?? '');
    const { body: document } = await ask(origin, 'GET', '/_matrix/key/v2/server');
    const publicKey = document.verify_keys[keyId]?.key as string | undefined;
    const signed = requestText({ method: 'PUT', uri: url, origin, destination: name, contentText: body });
    return publicKey !== undefined && verifySignature(signed, signature, publicKey);
  };
  const take = async (seen: SeenRequest, response: ServerResponse): Promise<void> => {
    const { origin, edus } = JSON.parse(seen.body) as { origin: string; edus: { content: { push: PushEntry[] } }[] };
    const ts = Date.now();
    if (answer === 'hold') await new Promise<void>((resolve) => held.push(resolve));
    transactions.push({
      origin,
      txnId: decodeURIComponent(seen.url.split('/').at(-1) ?? ''),
      ts,
      isSigned: await isSignedBy(origin, seen),
      pushes: edus.map(({ content }) => content.push),
      isTaken: answer !== 'refuse',
    });
    if (answer === 'refuse') answerJson(response, 500, { errcode: 'M_UNKNOWN', error: 'not now' });
    else answerJson(response, 200, { pdus: {} });
  };

  const fake: FakeServer = {
    name,
    keys: [newKey()],
    validUntilTs: Date.now() + 86_400_000,
    oldKeys: [],
    get answer() {
      return answer;
    },
    set answer(next) {
      answer = next;
      if (next === 'hold') return;
      for (const go of held) go();
      held = [];
    },
    get holding() {
      return held.length;
    },
    get transactions() {
      return transactions;
    },
    get entries() {
      return transactions.filter(({ isTaken }) => isTaken).flatMap(({ pushes }) => pushes.flat());
    },
    clear: () => {
      transactions.length = 0;
    },
    sign: (destination, push, pretence = {}) => {
      const { origin = name, bodyOrigin = origin, key = fake.keys[0], signedFor = destination, txnId } = pretence;
      const uri = `/_matrix/federation/v1/send/${txnId ?? `${name}-${(txnCount += 1)}`}`;
      const content = {
        origin: bodyOrigin,
        origin_server_ts: Date.now(),
        pdus: [],
        edus: [{ edu_type: 'm.presence', content: { push } }],
      };
      if (key === undefined) throw new Error('no key');
      const body = JSON.stringify(content);
      const parts = { method: 'PUT', uri, origin, destination: signedFor, key, contentText: body };
      return { destination, uri, authorization: authorizationHeader(parts), body };
    },
    deliver: ({ destination, uri, authorization, body }) => ask(destination, 'PUT', uri, { authorization }, body),
    push: (destination, push, pretence) => fake.deliver(fake.sign(destination, push, pretence)),
    get: (destination, path) => ask(destination, 'GET', path),
    stop: async () => {
      await server?.close();
      server = null;
    },
    start: async () => {
      server = await startPeerServer(certificate, {
        port,
        answer: (seen, response) => {
          if (seen.url.startsWith('/_matrix/key/v2/server')) answerJson(response, 200, documentOf(fake));
          else if (seen.url.startsWith('/_matrix/federation/v1/send/')) {
            take(seen, response).catch((error: unknown) => answerJson(response, 400, { error: String(error) }));
          } else answerJson(response, 404, { errcode: 'M_UNRECOGNIZED', error: 'unrecognized' });
        },
      });
    },
    [Symbol.asyncDispose]: async () => {
      fake.answer = 'take';
      await fake.stop();
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
    },
  };
  await fake.start();
  return fake;
}

function documentOf({ name, keys, oldKeys, validUntilTs }: FakeServer): object {
  const document = {
    server_name: name,
    valid_until_ts: validUntilTs,
    verify_keys: Object.fromEntries(keys.map((key) => [key.keyId, { key: key.publicKey }])),
    old_verify_keys: Object.fromEntries(
      oldKeys.map(({ key, expiredTs }) => [key.keyId, { key: key.publicKey, expired_ts: expiredTs }]),
    ),
  };
  return keys.reduce<object>((signed, key) => signJson(signed, name, key), document);
}
