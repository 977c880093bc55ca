import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimerWheel } from './timer-wheel.ts';

const steps = fc.array(
  fc.oneof(
    fc.record({
      id: fc.nat(20),
      inMs: fc.oneof(fc.integer({ min: -20_000, max: 60_000 }), fc.nat(20_000_000), fc.constant(Infinity)),
    }),
    fc.record({ advanceMs: fc.oneof(fc.nat(10_000), fc.nat(30_000_000), fc.integer({ min: -50_000, max: 0 })) }),
  ),
  { maxLength: 100, size: 'max' },
);

describe('TimerWheel', () => {
  it('fires exactly what is due, also after long pauses and when the clock is set back', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const wheel = new TimerWheel(5_000);
        const deadlines = new Map<number, number>();
        let now = 1_700_000_000_000;
        for (const step of history) {
          if ('id' in step) {
            wheel.arm(step.id, now + step.inMs);
            if (step.inMs === Infinity) deadlines.delete(step.id);
            else deadlines.set(step.id, now + step.inMs);
          } else {
            now += step.advanceMs;
            const due = [...deadlines].filter(([, deadline]) => deadline <= now).map(([id]) => id);
            for (const id of due) deadlines.delete(id);
            expect(wheel.advance(now).toSorted((a, b) => a - b)).toEqual(due.toSorted((a, b) => a - b));
          }
          expect(wheel.size).toBe(deadlines.size);
        }
      }),
    );
  });
});
