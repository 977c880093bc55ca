import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import { OriginLimits, type OriginRateLimit } from './origin-limits.ts';

const LIMIT: OriginRateLimit = { windowMs: 1000, sleepLimit: 10, sleepDelayMs: 500, rejectLimit: 50, concurrent: 3 };

function setUp(limit: Partial<OriginRateLimit> = {}, maxOrigins?: number) {
  const clock = new ManualClock();
  const actions: string[] = [];
  const limits = new OriginLimits({
    limit: { ...LIMIT, ...limit },
    clock,
    onLimited: (action) => actions.push(action),
    ...(maxOrigins === undefined ? {} : { maxOrigins }),
  });
  const begun: string[] = [];
  const finish = new Map<string, () => void>();
  /** Work that goes on until `end`. */
  const open = (origin: string, name: string) =>
    limits.run(origin, () => {
      begun.push(name);
      return new Promise<string>((resolve) => finish.set(name, () => resolve(name)));
    });
  const quick = (origin: string) => limits.run(origin, () => Promise.resolve(clock.now()));
  const end = async (name: string) => {
    finish.get(name)?.();
    await clock.settle();
  };
  return { clock, actions, limits, begun, open, quick, end };
}

describe('OriginLimits', () => {
  it('lets so many through in a window, and delays those beyond', async () => {
    const { clock, actions, quick } = setUp();
    const start = clock.now();
    const at = await Promise.all(Array.from({ length: 10 }, () => quick('a')));
    expect(new Set(at)).toEqual(new Set([start]));
    const late = [quick('a'), quick('a')];
    expect(await quick('b')).toBe(start);
    await clock.advance(499);
    expect(actions).toEqual(['sleep', 'sleep']);
    await clock.advance(1);
    expect(await Promise.all(late)).toEqual([start + 500, start + 500]);
  });

  it('counts in a window that moves', async () => {
    const { clock, actions, quick } = setUp();
    for (let i = 0; i < 40; i++) {
      await quick('a');
      await clock.advance(100);
    }
    expect(actions).toEqual([]);
    const soon = Array.from({ length: 2 }, () => quick('a'));
    await clock.advance(500);
    await Promise.all(soon);
    expect(actions).toEqual(['sleep']);
  });

  it('works on so many at once, in the order they came, also after one that fails', async () => {
    const { begun, open, end, limits, clock } = setUp({ sleepLimit: 100 });
    const all = ['1', '2', '3', '4', '5'].map((name) => open('a', name));
    const failing = limits.run('a', () => Promise.reject(new Error('broken'))).catch((error: unknown) => error);
    const after = open('a', '6');
    expect(begun).toEqual(['1', '2', '3']);
    await end('2');
    expect(begun).toEqual(['1', '2', '3', '4']);
    await end('1');
    await end('3');
    expect(await failing).toHaveProperty('message', 'broken');
    await clock.settle();
    expect(begun).toEqual(['1', '2', '3', '4', '5', '6']);
    for (const name of ['4', '5', '6']) await end(name);
    await Promise.all([...all, after]);
    // The places are there again.
    const more = ['7', '8', '9', '10'].map((name) => open('a', name));
    expect(begun.slice(6)).toEqual(['7', '8', '9']);
    for (const name of ['7', '8', '9', '10']) await end(name);
    await Promise.all(more);
  });

  it('refuses those beyond what may wait, sleepers included, and nobody else', async () => {
    const { actions, limits, begun, open, quick, end, clock } = setUp({ sleepLimit: 5, rejectLimit: 4 });
    const taken = ['1', '2', '3', '4', '5', '6', '7'].map((name) => open('a', name));
    // Three are worked on, two wait for them, two sleep.
    expect([begun.length, actions]).toEqual([3, ['sleep', 'sleep']]);
    const refused = expect.objectContaining({
      httpStatus: 429,
      errcode: 'M_LIMIT_EXCEEDED',
      extras: { retry_after_ms: 500 },
    });
    await expect(open('a', 'x')).rejects.toEqual(refused);
    expect(() => limits.refuseIfFull('a')).toThrow(refused);
    limits.refuseIfFull('b');
    expect(await quick('b')).toBe(clock.now());
    await end('1');
    limits.refuseIfFull('a');
    await clock.advance(500);
    for (const name of ['2', '3', '4', '5', '6', '7']) await end(name);
    expect(await Promise.all(taken)).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    expect(actions).toEqual(['sleep', 'sleep', 'reject', 'reject']);
  });

  it('refuses a name that asks too much without counting against it', () => {
    const { limits } = setUp();
    for (let i = 0; i < 1000; i++) limits.refuseIfFull('a');
    expect(limits.size).toBe(0);
  });

  it('forgets servers that have been quiet, and beyond a number those longest quiet, but none that is busy', async () => {
    const { clock, limits, open, quick, end } = setUp({}, 100);
    const busy = open('busy', 'busy');
    for (let i = 0; i < 1000; i++) await quick(`${i}`);
    expect(limits.size).toBe(100);
    for (let i = 0; i < 100; i++) {
      await clock.advance(1001);
      await quick('again');
    }
    expect(limits.size).toBe(2);
    await end('busy');
    expect(await busy).toBe('busy');
  });

  it('takes new limits', async () => {
    const { clock, limits, quick } = setUp();
    for (let i = 0; i < 10; i++) await quick('a');
    limits.setLimit({ ...LIMIT, sleepLimit: 3, sleepDelayMs: 100 });
    const start = clock.now();
    const late = quick('a');
    await clock.advance(100);
    expect(await late).toBe(start + 100);
    limits.setLimit({ ...LIMIT, sleepLimit: 100 });
    expect(await quick('a')).toBe(start + 100);
  });
});
