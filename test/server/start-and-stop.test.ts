import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startTestServer } from '../support/start-test-server.ts';

describe('a server', () => {
  it('answers /health and /metrics, and nothing after it stopped', async () => {
    const server = await startTestServer();
    expect((await server.request('GET', '/health')).body).toBe('OK');
    expect((await server.request('GET', '/metrics')).status).toBe(200);
    expect((await server.request('GET', '/_synapse/metrics')).status).toBe(200);
    await server.stop();
    await expect(server.request('GET', '/health')).rejects.toThrow('fetch failed');
    expect(existsSync(server.dir)).toBe(false);
  });

  it('comes back at the same address after a restart and after a crash', async () => {
    await using server = await startTestServer();
    await server.restart();
    expect((await server.request('GET', '/health')).status).toBe(200);
    await server.kill();
    await server.restart();
    expect((await server.request('GET', '/health')).status).toBe(200);
  });
});
