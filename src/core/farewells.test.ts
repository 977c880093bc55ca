import { describe, expect, it } from 'vitest';
import { Farewells } from './farewells.ts';

describe('farewells', () => {
  it('keep the newest position of each pair', () => {
    const farewells = new Farewells();
    farewells.add(1, 2, 10);
    farewells.add(1, 2, 20);
    farewells.add(1, 3, 30);
    expect([farewells.at(1, 2), farewells.at(2, 1), farewells.size]).toEqual([20, 0, 2]);
    expect([...farewells.of(1)]).toEqual([
      [2, 20],
      [3, 30],
    ]);
  });

  it('are bounded: who lost somebody longest ago goes first', () => {
    const farewells = new Farewells();
    for (let observer = 0; observer < 11; observer++) {
      for (let source = 100; source < 10_100; source++) farewells.add(observer, source, source);
    }
    expect(farewells.size).toBe(100_000);
    expect([farewells.at(0, 100), farewells.at(1, 100), farewells.at(10, 10_099)]).toEqual([0, 100, 10_099]);
  });

  it('of one observer are bounded, too', () => {
    const farewells = new Farewells();
    for (let source = 1; source <= 150_000; source++) farewells.add(0, source, source);
    expect(farewells.size).toBeLessThanOrEqual(100_000);
    expect([farewells.at(0, 1), farewells.at(0, 150_000)]).toEqual([0, 150_000]);
  });

  it('forget observers and sources whose numbers will be others', () => {
    const farewells = new Farewells();
    farewells.add(1, 2, 10);
    farewells.add(2, 3, 20);
    farewells.add(3, 4, 30);
    farewells.forget((uid) => uid === 2);
    expect([farewells.at(1, 2), farewells.at(2, 3), farewells.at(3, 4), farewells.size]).toEqual([0, 0, 30, 1]);
  });
});
