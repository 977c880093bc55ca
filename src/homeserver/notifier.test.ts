import { describe, expect, it } from 'vitest';
import { ManualClock } from '../adapters/memory/manual-clock.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { Notifier } from './notifier.ts';

const A: UserId = '@a:test';
const B: UserId = '@b:test';

function setup(options: { maxWaitersPerUser?: number; maxTrackedUsers?: number } = {}) {
  // Not at the edge of a slice.
  const clock = new ManualClock(1_000_003);
  return {
    clock,
    notifier: new Notifier({ clock, startPosition: 10, startTypingSerial: 3, timeoutSliceMs: 50, ...options }),
  };
}

describe('Notifier', () => {
  it('wakes every poll of the users named and nobody else', async () => {
    const { clock, notifier } = setup();
    const a1 = notifier.subscribe(A).wait(1000);
    const a2 = notifier.subscribe(A).wait(1000);
    const b = notifier.subscribe(B).wait(1000);
    notifier.wake([A]);
    expect(await Promise.all([a1, a2])).toEqual(['woken', 'woken']);
    await clock.advance(1050);
    expect(await b).toBe('timeout');
  });

  it('keeps a wake-up that arrives between subscribing and waiting, once', async () => {
    const { clock, notifier } = setup();
    const subscription = notifier.subscribe(A);
    notifier.wake([A]);
    notifier.wake([A]);
    expect(await subscription.wait(1000)).toBe('woken');
    const second = subscription.wait(1000);
    await clock.advance(2000);
    expect(await second).toBe('timeout');
  });

  it('times out never early and at most a slice late, with one timer for many polls', async () => {
    const { clock, notifier } = setup();
    let ended = 0;
    const waits = Array.from({ length: 100 }, () =>
      notifier
        .subscribe(A)
        .wait(1000)
        .then(() => (ended += 1)),
    );
    expect(notifier.stats).toMatchObject({ waiters: 100, users: 1, timers: 1 });
    await clock.advance(999);
    expect(ended).toBe(0);
    await clock.advance(51);
    await Promise.all(waits);
    expect(ended).toBe(100);
    expect(notifier.stats.timers).toBe(0);
  });

  it('leaves no timer and no entry behind when polls end early', async () => {
    const { clock, notifier } = setup();
    const subscription = notifier.subscribe(A);
    const wait = subscription.wait(1000);
    subscription.abort();
    expect(await wait).toBe('aborted');
    expect(await subscription.wait(1000)).toBe('aborted');
    subscription.dispose();
    subscription.dispose();
    expect(clock.pendingTimers).toBe(0);
    expect(notifier.stats).toMatchObject({ waiters: 0, users: 0, timers: 0 });
  });

  it('ends the oldest poll when a user opens too many', async () => {
    const { notifier } = setup({ maxWaitersPerUser: 2 });
    const first = notifier.subscribe(A).wait(1000);
    const second = notifier.subscribe(A).wait(1000);
    const third = notifier.subscribe(A).wait(1000);
    expect(await first).toBe('displaced');
    expect(notifier.stats.waiters).toBe(2);
    notifier.wake([A]);
    expect(await Promise.all([second, third])).toEqual(['woken', 'woken']);
  });

  it('forgets users who do not poll any more', () => {
    const { notifier } = setup();
    for (let i = 0; i < 5000; i += 1) notifier.subscribe(`@${i}:test`).dispose();
    expect(notifier.stats.users).toBe(0);
    expect(notifier.stats.lists).toBeLessThanOrEqual(1000);
  });

  it('ends every wait when the server stops, later ones too', async () => {
    const { notifier } = setup();
    const open = notifier.subscribe(A);
    const wait = open.wait(1000);
    notifier.stop();
    expect(await wait).toBe('stopped');
    expect(await notifier.subscribe(B).wait(1000)).toBe('stopped');
  });

  it('remembers the newest homeserver position of a user; presence does not move it', () => {
    const { notifier } = setup();
    expect(notifier.lastPosition(A)).toBe(10);
    notifier.notify([A], 12);
    notifier.notify([A], 11);
    notifier.wake([A, B]);
    notifier.notifyTyping([B], 4);
    expect([notifier.lastPosition(A), notifier.lastTypingSerial(A)]).toEqual([12, 3]);
    expect([notifier.lastPosition(B), notifier.lastTypingSerial(B)]).toEqual([10, 4]);
  });

  it('forgets the longest quiet users first and is never too low about them', () => {
    const { notifier } = setup({ maxTrackedUsers: 2 });
    notifier.notify([A], 20);
    notifier.notify([B], 21);
    notifier.notify([A], 22);
    notifier.notify(['@c:test'], 23);
    expect(notifier.stats.positions).toBe(2);
    expect(notifier.lastPosition(A)).toBe(22);
    expect(notifier.lastPosition(B)).toBe(21);
    notifier.notify(['@d:test'], 24);
    expect(notifier.lastPosition(A)).toBe(22);
    notifier.notify([B], 12);
    expect(notifier.lastPosition(B)).toBeGreaterThanOrEqual(21);
  });
});
