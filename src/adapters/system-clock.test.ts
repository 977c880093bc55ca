import { describe, expect, it } from 'vitest';
import { createSystemClock } from './system-clock.ts';

function fakeTime() {
  const time = { wallMs: 1_000_000, monotonicMs: 0 };
  const clock = createSystemClock({ wall: () => time.wallMs, monotonic: () => time.monotonicMs });
  const pass = (ms: number): number => {
    time.wallMs += ms;
    time.monotonicMs += ms;
    return clock.now();
  };
  return { time, clock, pass };
}

describe('createSystemClock', () => {
  it('follows the wall clock, also when it jumps ahead', () => {
    const { time, clock, pass } = fakeTime();
    expect(pass(250)).toBe(1_000_250);
    time.wallMs += 60_000;
    expect(clock.now()).toBe(1_060_250);
  });

  it('goes on at half speed when the wall clock is set back, until the two meet', () => {
    const { time, pass } = fakeTime();
    time.wallMs -= 10_000;
    expect(pass(2000)).toBe(1_001_000);
    expect(pass(10_000)).toBe(1_006_000);
    expect(pass(10_000)).toBe(1_012_000);
    expect(pass(1000)).toBe(1_013_000);
  });

  it('does not count the fractions by which the two sources differ', () => {
    const { time, pass } = fakeTime();
    for (let i = 0; i < 1000; i++) {
      time.monotonicMs += 0.4;
      pass(1);
    }
    expect(pass(0)).toBe(1_001_000);
  });

  it('looks at the other source only when the wall clock has moved', () => {
    const { time, clock, pass } = fakeTime();
    expect(pass(5)).toBe(1_000_005);
    time.monotonicMs += 0.9;
    expect(clock.now()).toBe(1_000_005);
    time.wallMs -= 4;
    time.monotonicMs += 1.1;
    expect(clock.now()).toBe(1_000_006);
  });

  it('calls back once, and not after cancel', async () => {
    const clock = createSystemClock();
    let calls = 0;
    clock.setTimeout(() => calls++, 1).cancel();
    const immediate = clock.setTimeout(() => calls++, 2 ** 40);
    // The clock's own timers do not keep a process alive; this one does.
    const keepAlive = setTimeout(() => undefined, 5000);
    await new Promise<void>((resolve) => {
      clock.setTimeout(resolve, 5);
    });
    clearTimeout(keepAlive);
    immediate[Symbol.dispose]();
    expect(calls).toBe(0);
  });
});
