/**
 * The timers of the configuration, on a clock that the test moves.
 */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { startTestServer } from '../support/start-test-server.ts';

const MINUTE = 60_000;

describe('row 245: timers of 2, 3 and 20 minutes', () => {
  const presence = { last_active_granularity: '2m', sync_online_timeout: '3m', idle_timeout: '20m' };

  it('row 245: a device is online for 3 minutes after its last sync, not for 30 seconds', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ config: { presence }, overrides: { clock } });
    const alice = await server.register('alice');
    await alice.sync();
    await clock.advance(3 * MINUTE - 1000);
    expect((await alice.getPresence(alice.userId)).body.presence).toBe('online');
    await clock.advance(11_000);
    expect((await alice.getPresence(alice.userId)).body.presence).toBe('offline');
  });

  it('row 245: a device that goes on syncing is active for 2 minutes and idles after 20, not after 1 and 5', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ config: { presence }, overrides: { clock } });
    const alice = await server.register('alice');
    await alice.setPresence('online');
    const at = async (ms: number): Promise<unknown> => {
      while (clock.now() < start + ms) {
        await alice.sync();
        await clock.advance(Math.min(MINUTE, start + ms - clock.now()));
      }
      const { body } = await alice.getPresence(alice.userId);
      return [body.presence, body.currently_active ?? false];
    };
    const start = clock.now();
    expect(await at(MINUTE + 10_000)).toEqual(['online', true]);
    expect(await at(2 * MINUTE + 10_000)).toEqual(['online', false]);
    expect(await at(20 * MINUTE - 1000)).toEqual(['online', false]);
    expect(await at(20 * MINUTE + 10_000)).toEqual(['unavailable', false]);
  });
});
