/**
 * The ceiling: the least a Node process can do for the same requests. `node hub.ts hub <pollers>` or `node hub.ts fixed`.
 *
 * `hub` keeps every GET until a PUT comes, then answers all of them with one fixed, already serialised presence body. A
 * PUT that overtakes a poll on another connection waits for it, so that the hub needs no tokens. `fixed` answers every
 * request at once. Prints `{"port":…}` when it listens.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const HEADERS = { 'Content-Type': 'application/json' };
const SYNC_BODY = JSON.stringify({
  next_batch: 's1234_567890_12',
  account_data: { events: [] },
  to_device: { events: [] },
  device_lists: { changed: [], left: [] },
  device_one_time_keys_count: {},
  presence: {
    events: [
      {
        type: 'm.presence',
        sender: '@user-0123:bench.test',
        content: {
          presence: 'online',
          last_active_ago: 12,
          status_msg: 'change number 1234',
          currently_active: true,
        },
      },
    ],
  },
});
const EMPTY_BODY = '{}';
const STATUS_BODY = JSON.stringify({
  presence: 'online',
  last_active_ago: 1234,
  status_msg: 'change number 1234',
  currently_active: true,
});

const [mode, pollersText = '0'] = process.argv.slice(2);
const pollers = Number(pollersText);
const held: ServerResponse[] = [];
let pendingPuts = 0;

function send(response: ServerResponse, body: string): void {
  response.writeHead(200, { ...HEADERS, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function broadcastWhenAllPoll(): void {
  if (pendingPuts === 0 || held.length < pollers) return;
  pendingPuts -= 1;
  for (const response of held.splice(0)) send(response, SYNC_BODY);
}

const server =
  mode === 'hub'
    ? createServer((request, response) => {
        request.resume();
        if (request.method === 'PUT') {
          send(response, EMPTY_BODY);
          pendingPuts += 1;
        } else {
          held.push(response);
        }
        broadcastWhenAllPoll();
      })
    : createServer((request, response) => {
        request.resume();
        send(response, request.method === 'PUT' ? EMPTY_BODY : STATUS_BODY);
      });

server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ port }));
});
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
