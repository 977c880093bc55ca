/**
 * The record of traffic over the admin API, when reading it fails: what it has is looked at in test/server/record-traffic.test.ts.
 */
import { expect, it } from 'vitest';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { MemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { getTraffic } from '../../src/http/admin-api/getTraffic.ts';
import { routeOf } from '../../src/http/admin-api/operation.ts';
import { createHttpServer } from '../../src/http/http-server.ts';

it('is cut off, so that nobody takes a part for the whole, and logged', async () => {
  const logger = new RecordingLogger();
  let reads = 0;
  async function* read(): AsyncGenerator<Uint8Array> {
    reads++;
    yield new TextEncoder().encode('{"type":"ready"}\n');
    throw new Error('the disk is gone');
  }
  const http = createHttpServer({
    listeners: [{ port: 0, bindAddresses: ['127.0.0.1'], tls: false, xForwarded: false, resources: ['admin'] }],
    routes: [routeOf(getTraffic({ traffic: { read } }), { check: () => undefined })],
    authenticate: () => {
      throw new Error('nobody is authenticated here');
    },
    limits: { maxRequestBytes: 1000 },
    metrics: new MemoryMetrics(),
    logger,
  });
  try {
    const [first] = await http.listen();
    // More often than there may be readers at once: each gives its place back.
    for (let times = 1; times <= 3; times++) {
      const response = await fetch(`http://127.0.0.1:${first?.port}/_thalamus/admin/v1/traffic`);
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow('terminated');
      expect(reads).toBe(times);
    }
    expect(logger.lines.filter(({ level }) => level === 'error')).toMatchObject(
      [1, 2, 3].map(() => ({ message: 'request failed', fields: { operation: 'getTraffic' } })),
    );
  } finally {
    await http.close(0);
  }
});
