/**
 * An address that swallows connection attempts holds up neither the others nor the caller for long.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSocket } from '../../src/adapters/federation-http/open-socket.ts';
import { createSystemClock } from '../../src/adapters/system-clock.ts';

/** Listens, and never accepts: its thread stands still. */
const FROZEN = `
  const { createServer } = require('node:net');
  const { parentPort } = require('node:worker_threads');
  const server = createServer();
  server.listen({ port: 0, host: '127.0.0.2', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

let frozen: Worker;
let port: number;
let living: Server;
const sockets: Socket[] = [];

beforeEach(async () => {
  frozen = new Worker(FROZEN, { eval: true });
  port = await new Promise<number>((resolve) => frozen.once('message', resolve));
  living = createServer((socket) => void sockets.push(socket));
  await new Promise<void>((resolve) => living.listen(port, '127.0.0.1', resolve));
  // What does not fit into the queue of the frozen one gets no answer at all.
  for (let i = 0; i < 8; i++) sockets.push(connect({ port, host: '127.0.0.2' }).on('error', () => undefined));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await frozen.terminate();
  await new Promise<void>((resolve) => living.close(() => resolve()));
});

function open(addresses: readonly string[], timeoutMs: number, staggerMs = 100) {
  const opened: Socket[] = [];
  const options = {
    clock: createSystemClock(),
    timeoutMs,
    staggerMs,
    onSocket: (socket: Socket) => void opened.push(socket),
  };
  return { opened, result: openSocket(addresses, port, options) };
}

it('goes on to the next address while the first one is silent, and drops what it does not need', async () => {
  const { opened, result } = open(['127.0.0.2', '127.0.0.1'], 10_000);
  const socket = await result;
  expect(socket.remoteAddress).toBe('127.0.0.1');
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([true, false]);
  socket.destroy();
});

it('gives up after its time, and says what it tried', async () => {
  const { opened, result } = open(['127.0.0.2'], 200);
  await expect(result).rejects.toMatchObject({
    kind: 'timeout',
    message: `no connection to 127.0.0.2:${port} within 200 ms`,
  });
  expect(opened.every(({ destroyed }) => destroyed)).toBe(true);
});

it('goes on at once when an address refuses', async () => {
  const before = performance.now();
  const socket = await open(['127.0.0.3', '127.0.0.4', '127.0.0.1'], 10_000, 5000).result;
  expect(performance.now() - before).toBeLessThan(4000);
  expect(socket.remoteAddress).toBe('127.0.0.1');
  socket.destroy();
});
