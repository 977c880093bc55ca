/**
 * Writes docs/reference/log-fields.md: every line that the server logs, with its fields, read from the source.
 *
 * Run with `npm run docs:reference`; test/config/reference-docs.test.ts fails while it is out of date.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseSync } from 'oxc-parser';

const root = fileURLToPath(new URL('..', import.meta.url));
export const logPage = join(root, 'docs/reference/log-fields.md');

const HEAD = `# Log lines and their fields

<!-- Written by scripts/gen-log-docs.ts from the source. Do not edit. -->

One JSON object a line on the standard output, or lines for people on a terminal; \`log\` in the [configuration](config.md) says which, and from which level on.
Every line has \`time\` (ISO 8601), \`level\` and \`msg\`. The message of a kind of event never changes; what differs is in the fields, so that lines can be
counted and searched by \`msg\`. Errors are under \`err\`, with \`type\`, \`message\` and \`stack\`; lines of a module carry its name under \`module\`.
Access tokens, passwords, secrets and status messages are never logged: whoever writes a line leaves them out, and what slips through is
replaced by \`[redacted]\`.`;

const LEVELS = ['error', 'warn', 'info', 'debug'];

interface LogLine {
  readonly message: string;
  readonly level: string;
  readonly fields: readonly string[];
  readonly folder: string;
}

/** The page as it should be. */
export function renderLogPage(): string {
  const rows = collectLines()
    .toSorted((a, b) => (a.message < b.message ? -1 : 1))
    .map(({ message, level, fields, folder }) => {
      return `| ${message.replaceAll('|', '\\|')} | ${level} | ${fields.map((field) => `\`${field}\``).join(', ')} | ${folder} |`;
    });
  return `${[HEAD, '', '| msg | level | fields | from |', '| --- | --- | --- | --- |', ...new Set(rows)].join('\n')}\n`;
}

/** Calls of `….error(fields, message)` and the like, and of a log gate's `….tell(cause, () => fields, message)`, with a fixed text. */
function collectLines(): LogLine[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter(
      (path) =>
        path.endsWith('.ts') &&
        !path.endsWith('.test.ts') &&
        !/^(testing|ports|module|adapters\/(memory|logging))\//.test(path),
    )
    .toSorted()
    .flatMap((path) => {
      const { program } = parseSync(path, readFileSync(join(root, 'src', path), 'utf8'));
      const found: LogLine[] = [];
      visit(program, (node) => {
        found.push(...readCall(node, path.split('/').slice(0, -1).join('/') || 'src'));
      });
      return found;
    });
}

function readCall(node: Node, folder: string): LogLine[] {
  if (node['type'] !== 'CallExpression' || !Array.isArray(node['arguments'])) return [];
  const callee = asNode(node['callee']);
  const method = nameOf(callee?.['property']) ?? '';
  if (callee?.['type'] !== 'MemberExpression') return [];
  const [first, second, third] = node['arguments'].map(asNode);
  if (method === 'tell') {
    const fields = [...fieldsOf(unwrapped(asNode(second?.['body']))), 'unloggedBefore'];
    return textsOf(third).map((message) => ({ message, level: 'warn', fields, folder }));
  }
  if (!LEVELS.includes(method) || first === null || first === undefined) return [];
  return textsOf(second).map((message) => ({ message, level: method, fields: fieldsOf(first), folder }));
}

function fieldsOf(node: Node | null): string[] {
  if (node?.['type'] !== 'ObjectExpression' || !Array.isArray(node['properties'])) return ['…'];
  return node['properties'].map((property) => nameOf(asNode(property)?.['key']) ?? '…');
}

function unwrapped(node: Node | null): Node | null {
  return node?.['type'] === 'ParenthesizedExpression' ? asNode(node['expression']) : node;
}

/** The text, or both texts of a choice. */
function textsOf(node: Node | null | undefined): string[] {
  if (node?.['type'] === 'Literal' && typeof node['value'] === 'string') return [node['value']];
  if (node?.['type'] === 'ConditionalExpression')
    return [...textsOf(asNode(node['consequent'])), ...textsOf(asNode(node['alternate']))];
  return [];
}

type Node = Readonly<Record<string, unknown>>;

function asNode(value: unknown): Node | null {
  return typeof value === 'object' && value !== null ? (value as Node) : null;
}

function nameOf(value: unknown): string | null {
  const name = asNode(value)?.['name'];
  return typeof name === 'string' ? name : null;
}

function visit(value: unknown, see: (node: Node) => void): void {
  const node = asNode(value);
  if (node === null) return;
  see(node);
  for (const child of Object.values(node)) visit(child, see);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(logPage, renderLogPage());
