import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineHeap, type HeapEntry } from './deadline-heap.ts';

describe('DeadlineHeap', () => {
  it('gives what is due, the earliest first, whatever was set, moved and removed', () => {
    const step = fc.record({
      what: fc.constantFrom('set' as const, 'set' as const, 'remove' as const, 'take' as const),
      entry: fc.nat(15),
      ts: fc.nat(30),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new DeadlineHeap<HeapEntry>();
        const entries = Array.from({ length: 16 }, (): HeapEntry => ({ dueTs: 0, heapIndex: -1 }));
        const model = new Map<HeapEntry, number>();
        for (const { what, entry: index, ts } of steps) {
          const entry = entries[index] as HeapEntry;
          if (what === 'set') {
            heap.set(entry, ts);
            model.set(entry, ts);
          } else if (what === 'remove') {
            heap.remove(entry);
            model.delete(entry);
          } else {
            const earliest = Math.min(...model.values());
            const taken = heap.take(ts);
            if (earliest > ts) expect(taken).toBeNull();
            else {
              expect(model.get(taken as HeapEntry)).toBe(earliest);
              model.delete(taken as HeapEntry);
            }
          }
          expect(heap.size).toBe(model.size);
          expect(heap.nextTs).toBe(Math.min(...model.values()));
          for (const each of entries) expect(each.heapIndex >= 0).toBe(model.has(each));
        }
      }),
    );
  });
});
