/**
 * Writes docs/reference/admin-api.md from the description that the admin API serves of itself.
 *
 * Run with `npm run docs:reference`; test/admin/description.test.ts fails while it is out of date.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { adminOperations, type AdminApiServices } from '../src/http/admin-api/index.ts';
import { describeAdminApi, GENERAL_ERRORS } from '../src/http/admin-api/openapi.ts';
import { ADMIN_V1 } from '../src/http/admin-api/operation.ts';

export const adminPage = fileURLToPath(new URL('../docs/reference/admin-api.md', import.meta.url));

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly description?: string;
    readonly schema: Schema;
  }[];
  readonly responses: Readonly<Record<string, Response>>;
}

interface Response {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
}

const HEAD = `# Admin API

<!-- Written by scripts/gen-admin-docs.ts from src/http/admin-api. Do not edit. -->

For those who look after a server: who is online and why, who sees whom and why, and the modules that decide it. It is served below
\`${ADMIN_V1}\` on listeners with the resource \`admin\`. \`GET ${ADMIN_V1}/openapi.json\` is the same as this page, for programs (OpenAPI 3.1).

**The token.** Every request needs \`Authorization: Bearer <token>\`. The token is in the file that [\`admin_api.token_path\`](config.md#admin_api) names, in its first line, or in
the environment variable \`THALAMUS_ADMIN_TOKEN\`, which wins. The file is made by the first start, readable by the server's user only. Write another token
into it and send \`SIGHUP\` to change it. Whoever has it sees the presence of everybody: keep the listener on \`127.0.0.1\`, or use TLS. After ten wrong
tokens an address has to wait. Access tokens of Matrix users are not accepted.

\`\`\`
curl -s http://127.0.0.1:8008${ADMIN_V1}/users -H "Authorization: Bearer $(head -1 admin.token)"
\`\`\`

**Conventions.** JSON, with errors in the shape of the Matrix specification: \`{"errcode": "M_NOT_FOUND", "error": "…"}\`. Times (\`…_ts\`) are in milliseconds since 1970. A query parameter
that an operation does not have is an error. Answers may get further properties in later versions. Of errors the tables below have those of one operation; these can come from any:

${GENERAL_ERRORS.map(({ status, text }) => `- ${status} ${text}`).join('\n')}`;

/** Making the operations asks nothing of the services. */
const anything: unknown = new Proxy(() => undefined, { get: () => anything, apply: () => anything });

/** The page as it should be. */
export function renderAdminPage(): string {
  const { paths, components } = describeAdminApi(adminOperations(anything as AdminApiServices), '');
  const schemas = components.schemas as Readonly<Record<string, Schema>>;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      return renderOperation(method.toUpperCase(), path, operation as unknown as Operation, schemas);
    }),
  );
  const parts = Object.entries(schemas).map(([name, schema]) => `### ${name}\n\n${renderSchema(schema)}`);
  return `${[HEAD, '## Operations', ...operations, '## Answers', ...parts].join('\n\n')}\n`;
}

function renderOperation(
  method: string,
  path: string,
  { summary, description: details, security, parameters = [], responses }: Operation,
  schemas: Readonly<Record<string, Schema>>,
): string {
  const lines = [`### \`${method} ${path}\``, `${summary}.${security?.length === 0 ? ' Needs no token.' : ''}`];
  if (details !== undefined) lines.push(details);
  if (parameters.length > 0) {
    const rows = parameters.map((parameter) => {
      const { name, required, description: meaning = '', schema } = parameter;
      const fallback = required ? '**required**' : schema.default === undefined ? '' : code(schema.default);
      return `| \`${parameter.in === 'path' ? `{${name}}` : name}\` | ${typeOf(schema)} | ${fallback} | ${cell(meaning)} |`;
    });
    lines.push(['| parameter | type | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n'));
  }
  const rows = Object.entries(responses).flatMap(([status, { description, content }]) => {
    const meaning = GENERAL_ERRORS.reduce((rest, { text }) => rest.replace(text, ''), description).trim();
    if (meaning === '') return [];
    // All types of one answer have the same schema.
    const schema = Object.values(content)[0]?.schema;
    return [`| ${status} | ${schema === undefined ? '' : typeOf(schema)} | ${cell(meaning)} |`];
  });
  lines.push(['| status | answer | meaning |', '| --- | --- | --- |', ...rows].join('\n'));
  const inline = responses['200']?.content['application/json']?.schema;
  if (inline?.properties !== undefined && inline.$ref === undefined && !Object.hasOwn(schemas, path)) {
    lines.push(renderSchema(inline));
  }
  return lines.join('\n\n');
}

function renderSchema(schema: Schema): string {
  const rows = [...propertyRows(schema, '')];
  const table = ['| property | type | meaning |', '| --- | --- | --- |', ...rows].join('\n');
  const head = schema.description === undefined ? [] : [schema.description];
  return [...head, ...(rows.length === 0 ? [] : [table])].join('\n\n');
}

function* propertyRows(schema: Schema, prefix: string): Generator<string> {
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const optional = schema.required?.includes(name) === true ? '' : ', may be absent';
    yield `| \`${prefix}${name}\` | ${typeOf(child)}${optional} | ${cell(child.description ?? '')} |`;
    yield* propertyRows(child, `${prefix}${name}.`);
    if (child.items !== undefined) yield* propertyRows(child.items, `${prefix}${name}[].`);
  }
}

function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace(/^.*\//, '');
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (Array.isArray(schema.type)) return schema.type.map((type: string) => typeOf({ ...schema, type })).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  if (schema.type === 'integer') {
    const { minimum, maximum } = schema;
    return maximum === undefined ? 'whole number' : `whole number, ${minimum ?? 0} to ${maximum}`;
  }
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type === 'string') return 'text';
  return typeof schema.type === 'string' ? schema.type : 'any';
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value || '""' : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(adminPage, renderAdminPage());
