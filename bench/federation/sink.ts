/**
 * All other servers in one process, as cheap as can be: takes every transaction and counts the states in it. `node sink.ts <folder>`.
 *
 * Prints `{"port":…,"peers":…,"silent":…}`: where to ask, where transactions go (TLS, any name), and where nothing ever answers.
 * `GET /wait/<n>` is answered when n states have come in all, `GET /count` at once: `{"states":…,"transactions":…}`.
 */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';

const ANSWER = '{"pdus":{}}';
const HEADERS = { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length };
const USER_ID = Buffer.from('"user_id":');

const dir = process.argv[2] ?? '.';
let [states, transactions] = [0, 0];
const waiting: { readonly until: number; readonly response: ServerResponse }[] = [];

function answer(response: ServerResponse): void {
  response.end(JSON.stringify({ states, transactions }));
}

function count(body: Buffer): void {
  transactions += 1;
  for (let at = body.indexOf(USER_ID); at >= 0; at = body.indexOf(USER_ID, at + USER_ID.length)) states += 1;
  for (const waiter of waiting.splice(0)) {
    if (states >= waiter.until) answer(waiter.response);
    else waiting.push(waiter);
  }
}

const take: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.writeHead(200, HEADERS);
    response.end(ANSWER);
    count(Buffer.concat(chunks));
  });
};

const peers = createTlsServer(
  { cert: readFileSync(join(dir, 'tls.pem')), key: readFileSync(join(dir, 'tls.key')) },
  take,
);
const silent = createTcpServer((socket) => socket.on('error', () => socket.destroy()).resume());
const control = createServer((request, response) => {
  const until = Number(/^\/wait\/(\d+)$/.exec(request.url ?? '')?.[1] ?? 0);
  if (states >= until) answer(response);
  else waiting.push({ until, response });
});
for (const server of [peers, control]) server.keepAliveTimeout = 600_000;
// Whoever asks may take minutes before the first question.
control.headersTimeout = 0;
control.requestTimeout = 0;

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const ports = { port: await listen(control), peers: await listen(peers), silent: await listen(silent) };
console.log(JSON.stringify(ports));
