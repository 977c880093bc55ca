import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/adapters/memory/manual-clock.ts';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import { waitingPolls } from '../helpers.ts';

/** One in ten seconds, the reference server's default. */
async function limited(): Promise<TestServer & { clock: ManualClock }> {
  const clock = new ManualClock();
  const config = { rc_presence: { per_user: { per_second: 0.1, burst_count: 1 } } };
  return Object.assign(await startTestServer({ config, overrides: { clock } }), { clock });
}

describe('the presence rate limit', () => {
  it('row 155: refuses the second PUT, and the first one stands', async () => {
    await using server = await limited();
    const u = await server.register('u');
    expect((await u.setPresence('online', 'first')).status).toBe(200);
    const second = await u.setPresence('unavailable', 'second');
    expect(second).toMatchObject({ status: 429, body: { errcode: 'M_LIMIT_EXCEEDED' } });
    expect(second.body.retry_after_ms).toBeGreaterThan(0);
    expect(second.body.retry_after_ms).toBeLessThanOrEqual(10_000);
    expect(second.headers.has('retry-after')).toBe(false);
    expect((await u.getPresence(u.userId)).body).toMatchObject({ presence: 'online', status_msg: 'first' });
  });

  it('row 155: checks who and where before it counts, and the body after', async () => {
    await using server = await limited();
    const u = await server.register('u');
    const put = (userId: string, body: unknown) => u.request('PUT', `/presence/${userId}/status`, { body });
    expect((await put('alice', { presence: 'online' })).status).toBe(400);
    expect((await put('@other:test.example', { presence: 'online' })).status).toBe(403);
    expect((await put(u.userId, { presence: 'here' })).status).toBe(400);
    expect((await put(u.userId, { presence: 'online' })).status).toBe(429);
  });

  it('row 156: takes PUTs 30 s apart', async () => {
    await using server = await limited();
    const u = await server.register('u');
    expect((await u.setPresence('online')).status).toBe(200);
    await server.clock.advance(30_000);
    expect((await u.setPresence('unavailable')).status).toBe(200);
  });

  it('row 157: a second sync at once is answered and has no effect', async () => {
    await using server = await limited();
    const u = await server.register('u');
    await u.sync({ set_presence: 'online' });
    await u.sync({ set_presence: 'unavailable' });
    expect((await u.getPresence(u.userId)).body.presence).toBe('online');
  });

  it('row 158: a second sync 30 s later takes effect', async () => {
    await using server = await limited();
    const u = await server.register('u');
    await u.sync({ set_presence: 'online' });
    await server.clock.advance(29_000);
    await u.sync({ set_presence: 'unavailable' });
    expect((await u.getPresence(u.userId)).body.presence).toBe('unavailable');
  });

  it('has one bucket for PUT and another for sync', async () => {
    await using server = await limited();
    const u = await server.register('u');
    await u.sync({ set_presence: 'online' });
    expect((await u.setPresence('unavailable')).status).toBe(200);
    expect((await u.getPresence(u.userId)).body.presence).toBe('unavailable');
  });

  it('row 160: the devices of a user share the bucket, and the second one’s claim has no effect', async () => {
    await using server = await limited();
    const u = await server.register('u');
    const second = await server.login('u');
    await u.sync({ set_presence: 'unavailable' });
    await second.sync({ set_presence: 'online' });
    expect((await u.getPresence(u.userId)).body.presence).toBe('unavailable');
  });

  it('row 161: a sync over the limit that stays open keeps its device from going offline', async () => {
    await using server = await limited();
    const u = await server.register('u');
    const body = await u.sync({ set_presence: 'online' });
    const controller = new AbortController();
    const filter = '{"presence":{"types":[]}}';
    const poll = u.sync({ since: body.next_batch, timeout: 280_000, filter }, controller.signal).catch(() => undefined);
    await waitingPolls(server, 1);
    await server.clock.advance(60_000);
    expect((await u.getPresence(u.userId)).body.presence).toBe('online');
    controller.abort();
    await poll;
    await waitingPolls(server, 0);
    await server.clock.advance(40_000);
    expect((await u.getPresence(u.userId)).body.presence).toBe('offline');
  });
});
