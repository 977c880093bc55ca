/** What is said when the admin API of a server refuses: over a real connection to a server that answers anything. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type AdminApi, getAdmin } from './admin-api.ts';

async function refusalOf(status: number, body: string): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status).end(body));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const api: AdminApi = {
    url: `http://127.0.0.1:${port}/_thalamus/admin/v1`,
    token: 'secret',
    tokenFrom: 'admin.token',
    servername: null,
    serverName: null,
  };
  try {
    await getAdmin(api, '/traffic');
  } catch (error) {
    return String(error).replace(String(port), 'PORT');
  } finally {
    server.close();
  }
  throw new Error('it did not refuse');
}

describe('a refusal', () => {
  it('of something that is not there says what it is', async () => {
    const body = JSON.stringify({ errcode: 'M_NOT_FOUND', error: 'Traffic is not recorded' });
    expect(await refusalOf(404, body)).toBe(
      'AdminApiError: http://127.0.0.1:PORT refused: Traffic is not recorded (M_NOT_FOUND)',
    );
  });

  it.each(['{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}', 'Not Found'])(
    'by a server without the API says how it is switched on: %s',
    async (body) => {
      expect(await refusalOf(404, body)).toBe(
        'AdminApiError: http://127.0.0.1:PORT has no admin API: it is served by a listener with the resource admin',
      );
    },
  );

  it('of the token names where it comes from, and not the token', async () => {
    const refusal = await refusalOf(401, '{"errcode":"M_UNKNOWN_TOKEN"}');
    expect(refusal).toContain('does not take the token of admin.token');
    expect(refusal).not.toContain('secret');
  });
});
