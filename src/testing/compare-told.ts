/**
 * What was told against what was expected: missing, unexpected, or different, with as few of them as possible.
 */
import type {
  Expectation,
  ExpectedPresence,
  ExpectedSight,
  Mismatch,
  Receiver,
  Told,
  ToldPresence,
} from './scenario.ts';

/** Compares one step's (or all steps') deliveries. */
export function compareTold(told: Told, expected: NonNullable<Expectation['gets']>): Mismatch[] {
  const receivers = [...new Set<Receiver>([...expected.keys(), ...told.keys()])];
  return receivers.flatMap((receiver) =>
    compareLists(receiver, expected.get(receiver) ?? [], told.get(receiver) ?? []),
  );
}

export function isAsExpected(expected: ExpectedSight, seen: ToldPresence | null): boolean {
  if (typeof expected === 'boolean') return expected === (seen !== null);
  return seen !== null && isSame({ ...expected, userId: seen.userId }, seen);
}

function isSame(expected: ExpectedPresence, told: ToldPresence): boolean {
  return (
    expected.userId === told.userId &&
    (expected.state === undefined || expected.state === told.state) &&
    (expected.statusMsg === undefined || expected.statusMsg === told.statusMsg) &&
    (expected.currentlyActive === undefined || expected.currentlyActive === told.currentlyActive)
  );
}

/** Keeps the longest part that is in both and in the same order; of what is left, two about the same user are one difference. */
function compareLists(
  receiver: Receiver,
  expected: readonly ExpectedPresence[],
  told: readonly ToldPresence[],
): Mismatch[] {
  const kept = longestCommon(expected, told);
  const missing = expected.filter((_, index) => !kept.expected.has(index));
  const mismatches: Mismatch[] = [];
  for (const [index, one] of told.entries()) {
    if (kept.told.has(index)) continue;
    const at = missing.findIndex(({ userId }) => userId === one.userId);
    const [other] = at < 0 ? [] : missing.splice(at, 1);
    mismatches.push(
      other === undefined
        ? { kind: 'unexpected', receiver, told: one }
        : { kind: 'different', receiver, expected: other, told: one },
    );
  }
  return [...missing.map((one): Mismatch => ({ kind: 'missing', receiver, expected: one })), ...mismatches];
}

/** Lists beyond it are compared place by place: the table would be too large. */
const LONGEST_TABLE = 4_000_000;

/** Which of both belong together, by their places. */
function longestCommon(
  expected: readonly ExpectedPresence[],
  told: readonly ToldPresence[],
): { readonly expected: ReadonlySet<number>; readonly told: ReadonlySet<number> } {
  const inExpected = new Set<number>();
  const inTold = new Set<number>();
  const [rows, columns] = [expected.length, told.length];
  if ((rows + 1) * (columns + 1) > LONGEST_TABLE) {
    for (const [index, one] of expected.entries()) {
      const other = told[index];
      if (other === undefined || !isSame(one, other)) continue;
      inExpected.add(index);
      inTold.add(index);
    }
    return { expected: inExpected, told: inTold };
  }
  const width = columns + 1;
  const lengths = new Uint32Array((rows + 1) * width);
  const at = (row: number, column: number): number => lengths[row * width + column] ?? 0;
  const match = (row: number, column: number): boolean =>
    isSame(expected[row] as ExpectedPresence, told[column] as ToldPresence);
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      lengths[row * width + column] = match(row, column)
        ? at(row + 1, column + 1) + 1
        : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  for (let row = 0, column = 0; row < rows && column < columns; ) {
    if (match(row, column)) {
      inExpected.add(row++);
      inTold.add(column++);
    } else if (at(row + 1, column) >= at(row, column + 1)) row++;
    else column++;
  }
  return { expected: inExpected, told: inTold };
}
