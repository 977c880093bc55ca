import { describe, expect, it } from 'vitest';
import { openRaw, startHttpFixture } from '../support/http-fixture.ts';

const VERSIONS = 'GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\n\r\n';
const deadlines = { keepAliveTimeoutMs: 200 };

describe('idle connections', () => {
  it('are told how long they are kept, and are closed when that is over', async () => {
    await using server = await startHttpFixture({ http: { deadlines: { keepAliveTimeoutMs: 2500 } } });
    using idle = await openRaw(server.port);
    idle.write(VERSIONS);
    await idle.received(/Connection: keep-alive\r\n/);
    expect(idle.text()).toContain('Keep-Alive: timeout=2\r\n');
    const answeredAt = performance.now();
    await idle.closed;
    // The reserve for requests on their way is a second.
    expect(performance.now() - answeredAt).toBeGreaterThan(3400);
  });

  it('are told nothing where they are not kept', async () => {
    await using server = await startHttpFixture();
    using last = await openRaw(server.port);
    last.write(VERSIONS.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    await last.closed;
    expect(last.text()).toMatch(/Connection: close\r\n/);
    expect(last.text()).not.toContain('Keep-Alive');
  });

  it('are not closed for being idle once the next request has begun, or while one is answered', async () => {
    let release = (_value: unknown): void => undefined;
    const waiting = new Promise((resolve) => {
      release = resolve;
    });
    await using server = await startHttpFixture({
      routes: [
        { method: 'GET', path: '/wait', versions: ['v3'], auth: 'none', operationId: 'wait', handler: () => waiting },
      ],
      http: { deadlines },
    });
    using idle = await openRaw(server.port);
    using begun = await openRaw(server.port);
    using busy = await openRaw(server.port);
    for (const connection of [busy, begun, idle]) {
      connection.write(VERSIONS);
      await connection.received(/unstable_features/);
    }
    begun.write(VERSIONS.slice(0, 20));
    busy.write(VERSIONS.replace('versions', 'v3/wait'));
    await idle.closed;
    // They were answered first, so they have been looked at.
    begun.write(VERSIONS.slice(20));
    release({ released: true });
    await begun.received(/unstable_features.*unstable_features/s);
    await busy.received(/released/);
  });
});
