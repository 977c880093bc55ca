/**
 * A database that another program holds while the server runs: what cannot be saved is refused, and nothing else happens.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDriver } from '../../src/adapters/sqlite/driver.ts';
import { startTestServer } from '../support/start-test-server.ts';

describe('a server whose database is locked', () => {
  it('refuses with 503 what it cannot save, shows nothing of it, and goes on when the lock is gone', async () => {
    await using server = await startTestServer({
      config: { database: { args: { database: 'data/thalamus.db', busy_timeout: 0 } } },
    });
    const alice = await server.register('alice');
    await alice.setPresence('online', 'before');
    const other = openDriver(join(server.dir, 'data/thalamus.db'), 1000);
    other.exec('BEGIN IMMEDIATE');

    expect(await alice.request('POST', '/createRoom', { body: {} })).toMatchObject({
      status: 503,
      body: { errcode: 'M_UNKNOWN' },
    });
    expect(await alice.setPresence('unavailable', 'during')).toMatchObject({
      status: 503,
      body: { errcode: 'M_UNKNOWN' },
    });
    expect((await alice.getPresence(alice.userId)).body.status_msg).toBe('before');
    expect((await server.request('GET', '/health')).status).toBe(200);

    other.exec('ROLLBACK');
    other.close();
    expect((await alice.request('POST', '/createRoom', { body: {} })).status).toBe(200);
    expect((await alice.setPresence('unavailable', 'after')).status).toBe(200);
    expect((await alice.getPresence(alice.userId)).body).toMatchObject({
      presence: 'unavailable',
      status_msg: 'after',
    });
  });
});
