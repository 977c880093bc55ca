/**
 * Text of a configuration file → plain values, and where each of them stands.
 *
 * YAML 1.2 (so JSON, too) with merge keys. Everything that is wrong with the text as YAML is reported at once; of the values nothing is checked
 * here but that the file is one mapping.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import type { ConfigPath, Position, Problem } from './problems.ts';

export interface YamlFile {
  /** The mapping; empty if the text has problems that hide it. */
  readonly value: Record<string, unknown>;
  readonly problems: readonly Problem[];
  /** Whether the structure can be trusted enough to look for further problems. */
  readonly readable: boolean;
  /** Where the key (or list entry) at `path` stands; of a path that does not exist, its nearest existing parent. */
  locateKey(path: ConfigPath): Position;
  /** Where its value stands. */
  locateValue(path: ConfigPath): Position;
}

/** @param empty - what is said of a file without anything in it */
export function readYaml(text: string, empty = 'the file is empty; it must at least say server_name'): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, stringKeys: true });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problems = document.errors.map(
    (error): Problem => ({
      path: [],
      position: at(openQuote(document, error) ?? error.pos[0]),
      message: explain(error, text),
    }),
  );
  const duplicatesOnly = document.errors.every((error) => error.code === 'DUPLICATE_KEY');
  const root = document.contents;

  const locate = (path: ConfigPath, want: 'key' | 'value'): Position => {
    let node: unknown = root;
    let offset = startOf(root) ?? 0;
    for (const [index, part] of path.entries()) {
      if (isAlias(node)) node = node.resolve(document);
      const last = index === path.length - 1;
      if (isMap(node)) {
        const pair = node.items.findLast(({ key }) => isScalar(key) && key.value === part);
        if (pair === undefined) break;
        offset = startOf(pair.key) ?? offset;
        if (last && want === 'value') offset = startOf(pair.value) ?? offset;
        node = pair.value;
      } else if (isSeq(node)) {
        const item = typeof part === 'number' ? node.items[part] : undefined;
        if (item === undefined) break;
        offset = startOf(item) ?? offset;
        node = item;
      } else break;
    }
    return at(offset);
  };
  const file = {
    locateKey: (path: ConfigPath) => locate(path, 'key'),
    locateValue: (path: ConfigPath) => locate(path, 'value'),
  };

  if (!duplicatesOnly) return { value: {}, problems, readable: false, ...file };
  const whole = (message: string): YamlFile => {
    const problem: Problem = { path: [], position: at(startOf(root) ?? 0), message };
    return { value: {}, problems: [...problems, problem], readable: false, ...file };
  };
  if (root === null || (isScalar(root) && root.value === null)) {
    return whole(empty);
  }
  if (!isMap(root))
    return whole('the file must be a section: lines of "key: value", such as "server_name: example.org"');
  const loose: Problem[] = [];
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const message = `*${alias.source} stands for something named &${alias.source} before it, and there is none`;
      loose.push({ path: [], position: at(startOf(alias) ?? 0), message });
    },
  });
  if (loose.length > 0) return { value: {}, problems: [...problems, ...loose], readable: false, ...file };
  try {
    const value: unknown = document.toJS();
    // An alias inside of what it stands for has no end; neither has a file written to exhaust us.
    if (isDeeperThan(value, DEEPEST)) return whole('sections and lists are nested too deeply');
    return { value: value as Record<string, unknown>, problems, readable: true, ...file };
  } catch (error) {
    return whole(`not valid YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const DEEPEST = 100;

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((child) => isDeeperThan(child, depth - 1));
}

function startOf(node: unknown): number | null {
  return (node as Node | null)?.range?.[0] ?? null;
}

/** Where the text begins that nobody closed: the parser only says where it gave up, which is the end of the file. */
function openQuote(document: Document, error: YAMLError): number | null {
  if (error.code !== 'MISSING_CHAR') return null;
  let start: number | null = null;
  visit(document, {
    Scalar: (_key, { type, range }) => {
      const isQuoted = type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE';
      if (isQuoted && range?.[1] === error.pos[0] && error.message.endsWith('quote')) start = range[0];
    },
  });
  return start;
}

function explain(error: YAMLError, text: string): string {
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return `${/^[^\s:]*/.exec(text.slice(error.pos[0]))?.[0]} stands twice in the same section; keep one of them`;
    case 'TAB_AS_INDENT':
      return 'a tab is used to indent; YAML wants spaces';
    case 'MULTIPLE_DOCS':
      return 'a second document starts here ("---"); the configuration is one document';
    case 'BAD_SCALAR_START':
      if (text[error.pos[0]] === '@') return 'not valid YAML: what begins with @ needs quotes: "@alice:example.org"';
      return `not valid YAML: ${error.message}`;
    default:
      return `not valid YAML: ${error.message}`;
  }
}
