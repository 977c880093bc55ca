import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { SharedHeaders } from './answer-head.ts';

const LIST = ['Content-Type', 'application/json', 'Cache-Control', 'no-store'];

/** Everything the server sends for two requests on one connection, with the date taken out. */
async function exchange(answer: (outgoing: ServerResponse) => void, method = 'GET'): Promise<string> {
  const listener: RequestListener = (_incoming, outgoing) => {
    answer(outgoing);
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  socket.write(`${method} /1 HTTP/1.1\r\nHost: x\r\n\r\n${method} /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += chunk as string;
  await new Promise((resolve) => server.close(resolve));
  return text.replace(/\r\nDate: [^\r]+/g, '\r\nDate: D');
}

describe('SharedHeaders', () => {
  const shared = new SharedHeaders(LIST);

  it.each([
    [200, 'GET'],
    [404, 'GET'],
    [299, 'GET'],
    [200, 'HEAD'],
  ])('puts on the wire what writeHead does, and keeps the connection: %i to %s', async (status, method) => {
    const own = ['Allow', 'GET'];
    const ours = await exchange((outgoing) => {
      shared.write(outgoing, status, own, '{}');
    }, method);
    const nodes = await exchange((outgoing) => {
      outgoing.writeHead(status, [...LIST, 'Content-Length', '2', ...own]);
      outgoing.end('{}', 'latin1');
    }, method);
    expect(ours).toBe(nodes);
    expect(ours.match(/Date: D\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n/g)).toHaveLength(1);
    expect(ours).toContain('Connection: close');
  });

  it('leaves the body out where there is none', async () => {
    const text = await exchange((outgoing) => {
      shared.write(outgoing, 204, [], '');
    });
    expect(text).toContain('HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n');
    expect(text).not.toMatch(/content-length|transfer-encoding/i);
  });

  it.each([
    ['text that is not ASCII', '{"name":"Zoë"}'],
    ['bytes', Buffer.from('{}')],
    ['nothing', ''],
    ['more than a socket takes at once', 'x'.repeat(10_000_000)],
  ])('writes %s', async (_what, body) => {
    const ours = await exchange((outgoing) => {
      shared.write(outgoing, 200, [], body);
    });
    const nodes = await exchange((outgoing) => {
      outgoing.writeHead(200, [...LIST, 'Content-Length', String(Buffer.byteLength(body))]);
      outgoing.end(body);
    });
    expect(ours === nodes).toBe(true);
  });

  it('does without the undocumented methods of Node', () => {
    const written: unknown[] = [];
    const outgoing = {
      writeHead: (...all: unknown[]) => written.push(all),
      end: (...all: unknown[]) => written.push(all),
    };
    shared.write(outgoing as unknown as ServerResponse, 200, [], '{}');
    expect(written).toEqual([[200, [...LIST, 'Content-Length', '2']], ['{}']]);
  });

  it('refuses what would split an answer, and what Node must see in each', () => {
    expect(() => new SharedHeaders(['X', 'a\r\nSet-Cookie: b'])).toThrow('Invalid character in header content');
    expect(() => new SharedHeaders(['X Y', 'a'])).toThrow('Header name must be a valid HTTP token');
    expect(() => new SharedHeaders(['Content-Length', '3'])).toThrow('cannot be shared');
  });
});
