/**
 * Reads a few parameters of a short query without parsing all of it into objects, as every long poll does.
 *
 * Gives the same answers as `URLSearchParams.get`; a query with anything encoded in it goes there.
 */

/** Of a parameter that is there several times, the first value; null when it is not there. */
export function readQuery(rawQuery: string, name: string): string | null {
  if (rawQuery === '') return null;
  for (let start = 0; start <= rawQuery.length; ) {
    const ampersand = rawQuery.indexOf('&', start);
    const end = ampersand === -1 ? rawQuery.length : ampersand;
    if (rawQuery.startsWith(name, start) && start + name.length <= end) {
      const after = start + name.length;
      if (after === end) return '';
      if (rawQuery.charCodeAt(after) === 61 /* = */) return rawQuery.slice(after + 1, end);
    }
    start = end + 1;
  }
  return null;
}

/** Whether `readQuery` may be used: nothing is percent-encoded and no `+` stands for a space. */
export function isPlainQuery(rawQuery: string): boolean {
  return !rawQuery.includes('%') && !rawQuery.includes('+');
}
