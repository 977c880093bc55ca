import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { QuietRequest } from './quiet-request.ts';

/** What happened to the requests of one connection, which nobody reads, and all the answers. */
async function exchange(requests: string): Promise<{ events: string[]; answers: number }> {
  const events: string[] = [];
  const server = createServer({ IncomingMessage: QuietRequest }, (incoming: IncomingMessage, outgoing) => {
    for (const event of ['end', 'close']) incoming.on(event, () => events.push(`${incoming.url} ${event}`));
    setImmediate(() => outgoing.end('answer'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('latin1');
  socket.write(requests);
  let text = '';
  for await (const chunk of socket) text += chunk as string;
  await new Promise((resolve) => server.close(resolve));
  return { events, answers: text.split('answer').length - 1 };
}

const LAST = 'GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

it('does nothing about a request without a body', async () => {
  expect(await exchange(`GET /first HTTP/1.1\r\nHost: x\r\n\r\n${LAST}`)).toEqual({ events: [], answers: 2 });
});

it('reads the body that nobody has read, so that the next request is found', async () => {
  const body = 'x'.repeat(1_000_000);
  const { events, answers } = await exchange(
    `PUT /first HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}${LAST}`,
  );
  expect(answers).toBe(2);
  expect(events).toEqual(['/first end', '/first close']);
});
