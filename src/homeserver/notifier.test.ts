import { describe, expect, it } from 'vitest';
import { ManualClock } from '../adapters/memory/manual-clock.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { Notifier, type Subscription, type WaitResult } from './notifier.ts';

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

/** The next end of a wait of `timeoutMs`. */
function waitOf(clock: ManualClock, subscription: Subscription, timeoutMs = 1000): Promise<WaitResult> {
  return new Promise((resolve) => {
    subscription.wait(clock.now() + timeoutMs, { waitEnded: resolve });
  });
}

describe('Notifier', () => {
  it('wakes every poll of the users named and nobody else', async () => {
    const { clock, notifier } = setup();
    const a1 = waitOf(clock, notifier.subscribe(A));
    const a2 = waitOf(clock, notifier.subscribe(A));
    const b = waitOf(clock, notifier.subscribe(B));
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
    expect(await waitOf(clock, subscription)).toBe('woken');
    const second = waitOf(clock, subscription);
    await clock.advance(2000);
    expect(await second).toBe('timeout');
  });

  it('times out never early and at most a slice late, with one timer for many polls', async () => {
    const { clock, notifier } = setup();
    let ended = 0;
    const waits = Array.from({ length: 100 }, () => waitOf(clock, notifier.subscribe(A)).then(() => (ended += 1)));
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
    const wait = waitOf(clock, subscription);
    subscription.abort();
    expect(await wait).toBe('aborted');
    expect(await waitOf(clock, subscription)).toBe('aborted');
    subscription.dispose();
    subscription.dispose();
    expect(clock.pendingTimers).toBe(0);
    expect(notifier.stats).toMatchObject({ waiters: 0, users: 0, timers: 0 });
  });

  it('tells nobody after the end of the subscription, and nobody within the call that ends a wait', async () => {
    const { clock, notifier } = setup();
    const told: string[] = [];
    const listen = (name: string): Subscription => {
      const subscription = notifier.subscribe(A);
      subscription.wait(clock.now() + 1000, { waitEnded: (result) => told.push(`${name} ${result}`) });
      return subscription;
    };
    const gone = listen('gone');
    listen('there');
    notifier.wake([A]);
    gone.dispose();
    expect(told).toEqual([]);
    await clock.settle();
    expect(told).toEqual(['there woken']);
  });

  it('keeps a wake-up that arrives after a wait has ended and before its listener knows', async () => {
    const { clock, notifier } = setup();
    const subscription = notifier.subscribe(A);
    const first = waitOf(clock, subscription);
    notifier.wake([A]);
    notifier.wake([A]);
    expect(await first).toBe('woken');
    expect(await waitOf(clock, subscription)).toBe('woken');
  });

  it('ends the oldest poll when a user opens too many', async () => {
    const { clock, notifier } = setup({ maxWaitersPerUser: 2 });
    const first = waitOf(clock, notifier.subscribe(A));
    const second = waitOf(clock, notifier.subscribe(A));
    const third = waitOf(clock, notifier.subscribe(A));
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
    const { clock, notifier } = setup();
    const open = notifier.subscribe(A);
    const wait = waitOf(clock, open);
    notifier.stop();
    expect(await wait).toBe('stopped');
    expect(await waitOf(clock, notifier.subscribe(B))).toBe('stopped');
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
