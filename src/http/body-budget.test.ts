import { expect, it } from 'vitest';
import { AddressBudgets } from './body-budget.ts';

it('has room for so much of one address and of all, and forgets addresses that hold nothing', () => {
  const budgets = new AddressBudgets({ maxBytes: 100, maxBytesPerAddress: 60 });
  const first = budgets.hold('a');
  expect([first.take(40), first.take(20), first.take(1)]).toEqual([true, true, false]);
  expect(budgets.hold('a').take(1)).toBe(false);
  const other = budgets.hold('b');
  expect([other.take(41), other.take(40)]).toEqual([false, true]);
  expect(budgets.hold('c').take(1)).toBe(false);
  expect([budgets.usedBytes, budgets.addresses]).toEqual([100, 2]);
  first.give();
  expect(budgets.usedBytes).toBe(100);
  first.release();
  first.release();
  expect([budgets.usedBytes, budgets.addresses]).toEqual([40, 1]);
  // Whoever has been answered holds nothing any more, also when more of the body comes in.
  expect(first.take(1)).toBe(false);
  other.release();
  expect([budgets.usedBytes, budgets.addresses]).toEqual([0, 0]);
});
