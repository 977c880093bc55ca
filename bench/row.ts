/**
 * One line of the table of benchmarks: what was measured, against what, and whether it is enough.
 */

export interface BenchRow {
  /** What is measured, in the words of the table. */
  readonly what: string;
  readonly measured: number;
  readonly unit: string;
  /** What the same measurement gave for what this is compared with; null where the target is absolute. */
  readonly comparedWith: number | null;
  /** What counts: the ratio of the two, or the measured value where there is nothing to compare with. */
  readonly value: number;
  readonly target: string;
  readonly isMet: boolean;
  /** Runs that the medians are of. */
  readonly runs: number;
}

export interface BenchReport {
  readonly startedAt: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryBytes: number; readonly os: string };
  readonly nodeVersion: string;
  readonly commit: { readonly id: string; readonly date: string };
  readonly rows: readonly BenchRow[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) throw new Error('nothing was measured');
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function formatNumber(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-GB');
  return value.toPrecision(3);
}
