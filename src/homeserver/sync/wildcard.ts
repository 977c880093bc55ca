/**
 * Patterns of filters: `*` stands for any sequence of characters, everything else for itself.
 *
 * Source: Matrix specification, client-server API, Filtering. Matching never goes back more than one step, so that no
 * pattern a client sends is expensive.
 */

export type Matcher = (text: string) => boolean;

/** Matches a text that one of `patterns` matches; with no patterns, nothing. */
export function compilePatterns(patterns: readonly string[]): Matcher {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const globs = patterns.filter((pattern) => pattern.includes('*')).map(compileGlob);
  if (globs.length === 0) return (text) => exact.has(text);
  return (text) => exact.has(text) || globs.some((matches) => matches(text));
}

/** Matches the whole text: the pieces between the stars must follow each other, the first and the last at the ends. */
function compileGlob(pattern: string): Matcher {
  const pieces = pattern.split('*');
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  const middle = pieces.slice(1, -1).filter((piece) => piece !== '');
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let from = first.length;
    for (const piece of middle) {
      const at = text.indexOf(piece, from);
      if (at === -1 || at + piece.length > end) return false;
      from = at + piece.length;
    }
    return true;
  };
}
