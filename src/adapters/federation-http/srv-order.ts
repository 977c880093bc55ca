/**
 * The order in which the targets of SRV records are tried: by priority, and by chance in proportion to their weights.
 *
 * Source: RFC 2782, "Usage rules".
 */
import type { SrvRecord } from './name-resolver.ts';

/** @param random - as `Math.random` */
export function inSrvOrder<T extends Pick<SrvRecord, 'priority' | 'weight'>>(
  records: readonly T[],
  random: () => number,
): T[] {
  if (records.length < 2) return [...records];
  const ordered: T[] = [];
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  for (const priority of priorities) {
    // Those without weight come first in the list, so that they have a small chance, too.
    const left = records.filter((record) => record.priority === priority).sort((a, b) => a.weight - b.weight);
    while (left.length > 0) {
      const total = left.reduce((sum, { weight }) => sum + weight, 0);
      const drawn = Math.floor(random() * (total + 1));
      let passed = 0;
      const index = left.findIndex(({ weight }) => {
        passed += weight;
        return passed >= drawn;
      });
      ordered.push(...left.splice(Math.max(0, index), 1));
    }
  }
  return ordered;
}
