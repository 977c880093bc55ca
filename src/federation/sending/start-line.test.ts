import { describe, expect, it } from 'vitest';
import { Destination } from './destination.ts';
import { type Lane, StartLine } from './start-line.ts';

const ROOM = { fast: true, strangers: true, slow: true };

function lineOf(members: Readonly<Partial<Record<Lane, number>>>, now = 0): StartLine {
  const line = new StartLine({ wakesPerSecond: 50, maxSpreadMs: 30_000 });
  for (const lane of ['urgent', 'fresh', 'strangers', 'retries'] as const) {
    for (let i = 0; i < (members[lane] ?? 0); i++) line.add(new Destination(`${lane}${i}.example`), lane, now);
  }
  return line;
}

/** When each starts, by lane, looking every `everyMs`. */
function starts(line: StartLine, fromMs: number, toMs: number, everyMs: number): Record<Lane, number[]> {
  const found: Record<Lane, number[]> = { urgent: [], fresh: [], strangers: [], retries: [] };
  for (let now = fromMs; now <= toMs; now += everyMs) {
    for (let next = line.take(now, ROOM); next !== null; next = line.take(now, ROOM)) {
      next.phase = 'waiting';
      found[next.lane].push(now);
    }
  }
  return found;
}

describe('StartLine', () => {
  it('retries, however many, do not make the others wait', () => {
    const { fresh, retries } = starts(lineOf({ fresh: 50, retries: 100 }), 0, 980, 1);
    expect(fresh).toEqual(Array.from({ length: 50 }, (_, i) => i * 20));
    expect(retries).toEqual(Array.from({ length: 13 }, (_, i) => i * 80));
  });

  it('strangers, however many, do not make the others wait, either', () => {
    const { fresh, strangers } = starts(lineOf({ fresh: 10, strangers: 10_000 }), 0, 980, 1);
    expect(fresh).toEqual(Array.from({ length: 10 }, (_, i) => i * 20));
    expect(strangers.length).toBeGreaterThan(50);
  });

  it('retries are closer together when the last of them would wait for more than 30 s', () => {
    const { retries } = starts(lineOf({ retries: 1_000 }), 0, 31_000, 1);
    expect(retries).toHaveLength(1_000);
  });

  it('keeps its pace when timers are late', () => {
    const { fresh } = starts(lineOf({ fresh: 200 }), 0, 2_000, 33);
    expect(fresh.length).toBeGreaterThanOrEqual(98);
    expect(fresh.length).toBeLessThanOrEqual(101);
  });

  it('catches up no more than a tenth of a second', () => {
    const line = lineOf({ fresh: 200 });
    expect(starts(line, 0, 0, 1).fresh).toHaveLength(1);
    expect(starts(line, 10_000, 10_000, 1).fresh).toHaveLength(6);
  });

  it('catches up nothing for the time in which nobody waited', () => {
    const line = lineOf({ fresh: 1 });
    expect(starts(line, 0, 0, 1).fresh).toHaveLength(1);
    for (let i = 0; i < 10; i++) line.add(new Destination(`later${i}.example`), 'fresh', 10_000);
    expect(starts(line, 10_000, 10_000, 1).fresh).toHaveLength(1);
  });

  it('who goes on waits for neither', () => {
    expect(starts(lineOf({ urgent: 5, fresh: 5, retries: 5 }), 0, 0, 1)).toEqual({
      urgent: [0, 0, 0, 0, 0],
      fresh: [0],
      strangers: [],
      retries: [0],
    });
  });
});
