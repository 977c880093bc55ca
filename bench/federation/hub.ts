/**
 * The ceiling between servers: the same signed requests over TLS by a bare Node program that knows nothing of presence.
 *
 * `node hub.ts receive <folder> <origins>`: checks the signature of every transaction, parses it, and keeps each user's newest state.
 * `node hub.ts send <folder> <destination…>`: `GET /send/<states>` puts one signed transaction to every destination, all in this process on
 * loopback, and is answered when all have answered. Prints `{"port":…}`.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client } from 'undici';
import { LIVE_DOMAIN, MEASURED_NAME, signingKeyNumber } from './material.ts';

const ANSWER = '{"pdus":{}}';
const HEADERS = { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length };
const PUBLIC_KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PRIVATE_KEY_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const X_MATRIX = /^X-Matrix origin="([^"]+)",destination="([^"]+)",key="([^"]+)",sig="([^"]+)"$/;

const [mode, dir = '.', ...rest] = process.argv.slice(2);
const server = mode === 'send' ? createServer(sender(rest)) : receiver(Number(rest[0]));
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })));

function receiver(origins: number): Server {
  const keys = new Map<string, KeyObject>();
  for (let i = 0; i < origins; i += 1) {
    const key = Buffer.concat([PUBLIC_KEY_PREFIX, Buffer.from(signingKeyNumber(i).publicKey, 'base64')]);
    keys.set(`origin-${i}.${LIVE_DOMAIN}`, createPublicKey({ key, format: 'der', type: 'spki' }));
  }
  const states = new Map<string, unknown>();
  const take: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const [, origin = '', destination = '', , signature = ''] =
        X_MATRIX.exec(request.headers.authorization ?? '') ?? [];
      const key = keys.get(origin);
      const signed = signedText(body, destination, origin, request.url ?? '');
      if (key === undefined || !verify(null, Buffer.from(signed), key, Buffer.from(signature, 'base64'))) {
        response.writeHead(401).end();
        return;
      }
      const { edus } = JSON.parse(body) as { edus: { content: { push: { user_id: string }[] } }[] };
      for (const { content } of edus) for (const entry of content.push) states.set(entry.user_id, entry);
      response.writeHead(200, HEADERS);
      response.end(ANSWER);
    });
  };
  const tls = { cert: readFileSync(join(dir, 'tls.pem')), key: readFileSync(join(dir, 'tls.key')) };
  return createTlsServer(tls, take);
}

function sender(destinations: readonly string[]): RequestListener {
  const seed = Buffer.alloc(32, 7);
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_KEY_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const ca = readFileSync(join(dir, 'ca.pem'));
  const peers = destinations.map((destination) => {
    const { hostname, port } = new URL(`https://${destination}`);
    // Every name is this machine.
    const connect = { ca, servername: hostname, host: '127.0.0.1' };
    const client = new Client(`https://127.0.0.1:${port}`, {
      connect,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return { destination, client };
  });
  let [round, transactions] = [0, 0];

  const send = (destination: string, client: Client, body: string): Promise<void> => {
    const path = `/_matrix/federation/v1/send/${(transactions += 1)}`;
    const signature = sign(null, Buffer.from(signedText(body, destination, MEASURED_NAME, path)), key);
    const sig = signature.toString('base64').replace(/=+$/, '');
    const authorization = `X-Matrix origin="${MEASURED_NAME}",destination="${destination}",key="ed25519:bench",sig="${sig}"`;
    const headers = { authorization, 'content-type': 'application/json', host: destination };
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      client.dispatch(
        { path, method: 'PUT', headers, body },
        {
          onRequestStart: () => undefined,
          onResponseStart: () => undefined,
          onResponseData: (_controller, chunk) => void chunks.push(chunk),
          onResponseEnd: () => {
            JSON.parse(Buffer.concat(chunks).toString());
            resolve();
          },
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
  };
  return (request, response) => {
    const states = Number(/^\/send\/(\d+)$/.exec(request.url ?? '')?.[1] ?? 0);
    round += 1;
    const entries = Array.from({ length: states }, (_, i) => stateText(i, round));
    const edus = `{"content":{"push":[${entries.join(',')}]},"edu_type":"m.presence"}`;
    const body = `{"edus":[${edus}],"origin":"${MEASURED_NAME}","origin_server_ts":${Date.now()},"pdus":[]}`;
    Promise.all(peers.map(({ destination, client }) => send(destination, client, body))).then(
      () => response.end('{}'),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  };
}

/** In canonical form, as everything here is written. */
function signedText(body: string, destination: string, origin: string, uri: string): string {
  return `{"content":${body},"destination":"${destination}","method":"PUT","origin":"${origin}","uri":"${uri}"}`;
}

function stateText(user: number, change: number): string {
  return JSON.stringify({
    currently_active: true,
    last_active_ago: 12,
    presence: 'online',
    status_msg: `change number ${change}`,
    user_id: `@user-${String(user).padStart(6, '0')}:${MEASURED_NAME}`,
  });
}
