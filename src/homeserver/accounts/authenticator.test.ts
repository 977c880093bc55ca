import { describe, expect, it } from 'vitest';
import { RecordingLogger } from '../../adapters/memory/logger.ts';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import type { DeviceSeen, StoredSession } from '../../ports/account-store.ts';
import { hashAccessToken } from './access-tokens.ts';
import { Authenticator } from './authenticator.ts';

const from = { ip: '192.0.2.1' };

function make(maxSessions?: number) {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const sessions = new Map<string, StoredSession>();
  const lookUps: string[] = [];
  const written: DeviceSeen[][] = [];
  let failing = false;
  let hold: Promise<void> = Promise.resolve();
  const authenticator = new Authenticator({
    store: {
      findSession: async (tokenHash) => {
        lookUps.push(tokenHash);
        const found = sessions.get(tokenHash) ?? null;
        await hold;
        return found;
      },
      touchDevices: async (seen) => {
        if (failing) throw new Error('disk full');
        written.push([...seen]);
      },
    },
    clock,
    logger,
    ...(maxSessions === undefined ? {} : { maxSessions }),
  });
  const add = (token: string, userId: UserId = '@alice:test', deviceId = token): void => {
    sessions.set(hashAccessToken(token), { tokenId: sessions.size + 1, userId, deviceId, isAdmin: false });
  };
  return {
    authenticator,
    clock,
    logger,
    sessions,
    lookUps,
    written,
    add,
    fail: (value: boolean) => void (failing = value),
    holdLookUps: (until: Promise<void>) => void (hold = until),
  };
}

describe('authenticator', () => {
  it('asks the store once for a token, then answers at once', async () => {
    const { authenticator, lookUps, add } = make();
    add('a');
    const first = authenticator.authenticate('a', from);
    expect(first).toBeInstanceOf(Promise);
    expect(authenticator.authenticate('a', from)).toBeInstanceOf(Promise);
    const session = await first;
    expect(authenticator.authenticate('a', from)).toEqual(session);
    expect(lookUps.length).toBeLessThanOrEqual(2);
    await expect(authenticator.authenticate('b', from)).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' });
  });

  it('forgets one device, or all of a user, and nobody else', async () => {
    const { authenticator, sessions, add } = make();
    add('phone');
    add('laptop');
    add('bobs', '@bob:test');
    for (const token of ['phone', 'laptop', 'bobs']) await authenticator.authenticate(token, from);
    sessions.clear();
    authenticator.drop('@alice:test', 'phone');
    await expect(authenticator.authenticate('phone', from)).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' });
    expect(authenticator.authenticate('laptop', from)).toMatchObject({ deviceId: 'laptop' });
    authenticator.drop('@alice:test', null);
    await expect(authenticator.authenticate('laptop', from)).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' });
    expect(authenticator.authenticate('bobs', from)).toMatchObject({ userId: '@bob:test' });
  });

  it('does not keep what was looked up before a device was dropped', async () => {
    const { authenticator, sessions, lookUps, add, holdLookUps } = make();
    add('a');
    let release = (): void => undefined;
    holdLookUps(new Promise((resolve) => (release = resolve)));
    const looking = authenticator.authenticate('a', from);
    sessions.clear();
    authenticator.drop('@alice:test', 'a');
    release();
    expect(await looking).toMatchObject({ deviceId: 'a' });
    await expect(authenticator.authenticate('a', from)).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' });
    expect(lookUps).toHaveLength(2);
  });

  it('keeps a bounded number of sessions', async () => {
    const { authenticator, lookUps, add } = make(2);
    for (const token of ['a', 'b', 'c']) {
      add(token);
      await authenticator.authenticate(token, from);
    }
    expect(authenticator.authenticate('b', from)).not.toBeInstanceOf(Promise);
    expect(authenticator.authenticate('c', from)).not.toBeInstanceOf(Promise);
    await authenticator.authenticate('a', from);
    expect(lookUps).toHaveLength(4);
  });

  it('writes when devices were seen in batches, and once per device and interval', async () => {
    const { authenticator, clock, written, add } = make();
    add('a');
    add('b');
    await authenticator.authenticate('a', from);
    await authenticator.authenticate('b', { ip: '' });
    for (let i = 0; i < 10; i++) await authenticator.authenticate('a', { ip: '192.0.2.2' });
    const startedTs = clock.now();
    await clock.advance(30_000);
    expect(written).toEqual([[{ userId: '@alice:test', deviceId: 'a', ts: startedTs, ip: '192.0.2.1' }]]);
    await clock.advance(90_000);
    await authenticator.authenticate('a', { ip: '192.0.2.3' });
    await authenticator.flush();
    expect(written[1]).toEqual([{ userId: '@alice:test', deviceId: 'a', ts: startedTs + 120_000, ip: '192.0.2.3' }]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('goes on when that cannot be written', async () => {
    const { authenticator, clock, logger, add, fail } = make();
    add('a');
    fail(true);
    await authenticator.authenticate('a', from);
    await clock.advance(30_000);
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(authenticator.authenticate('a', from)).toMatchObject({ deviceId: 'a' });
  });
});
