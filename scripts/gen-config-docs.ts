/**
 * Writes docs/reference/config.md and docs/reference/config.schema.json from the configuration's own schema.
 *
 * Run with `npm run docs:reference`; test/config/reference-docs.test.ts fails while they are out of date.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { configJsonSchema, type JsonSchema } from '../src/config/json-schema.ts';
import { REFERENCE_KEYS } from '../src/config/reference-keys.ts';
import { SCHEMA_PARTS } from '../src/config/schema/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
export const configPage = join(root, 'docs/reference/config.md');
export const configSchemaFile = join(root, 'docs/reference/config.schema.json');

const HEAD = `# Configuration

<!-- Written by scripts/gen-config-docs.ts from src/config/schema. Do not edit. -->

One YAML file; JSON is YAML, too. Names and meanings are those of the reference server, Synapse, wherever it has such a key, so that a
configuration can be pasted. \`thalamus generate-config --server-name example.org\` writes one to begin with, and
\`thalamus check-config\` shows everything that is wrong with one: unknown keys with the nearest known one, wrong values with what they should
look like, all at once, each with its line. For editors there is a JSON Schema beside this page, [config.schema.json](config.schema.json).

- **Durations** are a whole number with \`s\`, \`m\`, \`h\`, \`d\`, \`w\` or \`y\` (\`30s\`, \`5m\`), or milliseconds without one.
- **Sizes** are a whole number with \`K\`, \`M\`, \`G\` or \`T\` (\`50M\`), or bytes without one.
- **Paths** are relative to the folder of the file.
- **Secrets** can be in a file of their own: \`…_path\` instead of the key.
- A key without a value is the same as no key. \`true\` and \`false\` can also be spelled \`yes\`, \`on\`, \`no\`, \`off\`.
- Keys of Synapse that have no meaning here are accepted with one warning each; the last section lists them.
- \`SIGHUP\` reads the file again: log level, rate limits, \`max_request_size\`, TLS files, the admin token and \`modules\` take effect at once, and the log says what needs a restart.
`;

/** The page as it should be. */
export function renderConfigPage(): string {
  const properties = configJsonSchema().properties ?? {};
  const parts = SCHEMA_PARTS.map(({ title, keys }) => {
    const sections = Object.keys(keys).map((key) => renderKey(key, properties[key] ?? {}, isRequired([], key)));
    return `## ${title}\n\n${sections.join('\n\n')}`;
  });
  const names = [...REFERENCE_KEYS].map((name) => `\`${name}\``).join(', ');
  const foot = `## Keys of Synapse without a meaning here\n\nAccepted, with one warning each, and ignored, whatever is below them. So are the names of experiments (\`experimental_features.msc…\`).\n\n${names}`;
  return `${[HEAD.trimEnd(), ...parts, foot].join('\n\n')}\n`;
}

/** The JSON Schema for editors. */
export function renderConfigSchema(): string {
  return `${JSON.stringify({ title: 'Configuration of Thalamus', ...configJsonSchema() }, null, 2)}\n`;
}

function renderKey(key: string, schema: JsonSchema, required: boolean): string {
  const lines = [`### \`${key}\``, '', schema.description ?? '', ''];
  const rows = [...tableRows(schema, '')];
  if (rows.length === 0) lines.push(`Type: ${typeOf(schema)}. ${defaultOf(schema, required)}`.trimEnd());
  else {
    lines.push('| key | type | default | meaning |', '| --- | --- | --- | --- |', ...rows);
    const whole = wholeDefault(schema);
    if (whole !== null) lines.push('', `Default: ${whole}.`);
  }
  const example = exampleOf(schema);
  if (example !== undefined)
    lines.push('', '```yaml', stringify({ [key]: example }, { lineWidth: 0 }).trimEnd(), '```');
  return lines.join('\n').replaceAll(/\n{3,}/g, '\n\n');
}

function* tableRows(schema: JsonSchema, prefix: string): Generator<string> {
  const { items } = schema;
  if (items !== undefined) yield* tableRows(items, `${prefix}[].`.replace(/^\[\]\./, '- '));
  const values = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
  if (values !== undefined) yield* tableRows(values, `${prefix}<name>.`);
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    const required = schema.required?.includes(name) ?? false;
    const nested = [...tableRows(child, child.items === undefined ? `${path}.` : path)];
    const fallback =
      nested.length > 0
        ? ''
        : defaultOf(child, required)
            .replace(/^Default: /, '')
            .replace(/\.(\**)$/, '$1')
            .toLowerCase();
    yield `| \`${path}\` | ${nested.length > 0 && child.items === undefined ? 'section' : typeOf(child)} | ${fallback} | ${(child.description ?? '').replaceAll('|', '\\|')} |`;
    yield* nested;
  }
}

function typeOf(schema: JsonSchema): string {
  if (schema.enum !== undefined)
    return schema.enum
      .filter((value) => typeof value === 'string')
      .map((value) => `\`${value}\``)
      .join(', ');
  if (schema.items !== undefined) return 'list';
  if (schema.properties !== undefined || typeof schema.additionalProperties === 'object') return 'section';
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type === 'integer') return 'whole number';
  if (schema.type === 'number') return 'number';
  if (schema.anyOf !== undefined) return durationOrSize(schema);
  return schema.type === 'string' ? 'text' : 'any';
}

/** Both are a number or a text; what the default or the example is tells them apart. */
function durationOrSize(schema: JsonSchema): string {
  const sample = JSON.stringify(schema.default ?? schema.example ?? '').replaceAll('"', '');
  if (/^\d+[KMGT]$/.test(sample)) return 'size';
  return /^\d+[smhdwy]?$/.test(sample) ? 'duration' : 'any of several';
}

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (required) return '**Required.**';
  return schema.default === undefined ? '' : `Default: \`${JSON.stringify(schema.default)}\`.`;
}

/** The default of a list of sections, which the table has no place for. */
function wholeDefault(schema: JsonSchema): string | null {
  return schema.items === undefined || schema.default === undefined ? null : `\`${JSON.stringify(schema.default)}\``;
}

function exampleOf(schema: JsonSchema): unknown {
  if (schema.example !== undefined) return schema.example;
  if (schema.items !== undefined) {
    const item = exampleOf(schema.items);
    return item === undefined ? undefined : [item];
  }
  const entries = Object.entries(schema.properties ?? {})
    .map(([name, child]) => [name, exampleOf(child)] as const)
    .filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function isRequired(path: readonly string[], key: string): boolean {
  return path.length === 0 && (configJsonSchema().required?.includes(key) ?? false);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(configPage, renderConfigPage());
  writeFileSync(configSchemaFile, renderConfigSchema());
}
