/** Freezes configuration before a module gets it: plain objects and arrays all the way down, nothing else. */

/** Freezes `value` in place and returns it. Class instances, Maps and the like are left as they are. Cycles are fine. */
export function deepFreeze<T>(value: T, seen = new Set<unknown>()): T {
  if (typeof value !== 'object' || value === null || seen.has(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== null && prototype !== Object.prototype) return value;
  seen.add(Object.freeze(value));
  for (const { value: member } of Object.values(Object.getOwnPropertyDescriptors(value))) deepFreeze(member, seen);
  return value;
}
