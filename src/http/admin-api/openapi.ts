/**
 * The description of the admin API, OpenAPI 3.1, made from the operations that are served: it cannot say anything else than they do.
 *
 * Schemas with an id become components. Objects say what they have and may get more later; that is left to readers to ignore.
 */
import { z } from 'zod';
import { ADMIN_V1, type AdminOperation, type Answer } from './operation.ts';

type Json = Readonly<Record<string, unknown>>;

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string; readonly description: string }[];
  readonly security: readonly Json[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly components: { readonly securitySchemes: Json; readonly schemas: Json };
}

const WRONG_PARAMETER = {
  status: 400,
  text: '`M_INVALID_PARAM`, `M_MISSING_PARAM`: a parameter is wrong, or missing.',
};
const NO_TOKEN = { status: 401, text: '`M_MISSING_TOKEN`, `M_UNKNOWN_TOKEN`: without the token of the admin API.' };
const TOO_MANY_FAILURES = { status: 429, text: '`M_LIMIT_EXCEEDED`: too many wrong tokens came from this address.' };
/** What operations have in common. */
export const GENERAL_ERRORS = [WRONG_PARAMETER, NO_TOKEN, TOO_MANY_FAILURES];

const matrixError = z
  .object({
    errcode: z.string().meta({ description: 'What kind of error it is, such as `M_UNKNOWN_TOKEN`.' }),
    error: z.string().meta({ description: 'What is wrong, for people.' }),
    retry_after_ms: z.int().optional().meta({ description: 'With `M_LIMIT_EXCEEDED`: when to come again.' }),
  })
  .meta({ id: 'Error', description: 'An error in the shape of the Matrix specification.' });

/** `version`: of this software. */
export function describeAdminApi(operations: readonly AdminOperation[], version: string): OpenApiDocument {
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[operation.method.toLowerCase()] = describeOperation(operation, schemas);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Thalamus admin API',
      version,
      description:
        'Who is online and why, who may see whom and why, and the modules that decide it. On listeners with the resource `admin`.',
    },
    servers: [{ url: ADMIN_V1, description: 'This server' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'The token of `admin_api.token_path` or `THALAMUS_ADMIN_TOKEN`; no access token of a user.',
        },
      },
      schemas,
    },
  };
}

function describeOperation(operation: AdminOperation, schemas: Record<string, unknown>): Json {
  const { operationId, summary, description, isOpen = false, pathParameters, query, answers } = operation;
  const parameters = [
    ...describeParameters('path', pathParameters, schemas),
    ...describeParameters('query', query, schemas),
  ];
  return {
    operationId,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(isOpen ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer, schemas)]),
      ),
      ...describeErrors(operation, schemas),
    },
  };
}

function* describeParameters(
  where: 'path' | 'query',
  schema: z.ZodObject | null,
  schemas: Record<string, unknown>,
): Generator<Json> {
  for (const [name, parameter] of Object.entries(schema?.shape ?? {})) {
    const { description, ...rest } = toJsonSchema(parameter as z.ZodType, schemas);
    const required = where === 'path' || !(parameter as z.ZodType).safeParse(undefined).success;
    yield { name, in: where, required, description, schema: rest };
  }
}

function describeAnswer({ description, schema, stream }: Answer, schemas: Record<string, unknown>): Json {
  const content = { schema: toJsonSchema(schema, schemas) };
  if (stream === undefined) return { description, content: { 'application/json': content } };
  const { when, isAlways = false } = stream;
  if (isAlways) return { description: `${description} ${when}`, content: { 'application/x-ndjson': content } };
  return {
    description: `${description} ${when} As lines of JSON, of which empty ones mean nothing, or as events, if \`Accept\` has \`text/event-stream\`.`,
    content: { 'application/json': content, 'application/x-ndjson': content, 'text/event-stream': content },
  };
}

/** What the operation can refuse with; several errors of one status are told together. */
function describeErrors(
  { isOpen = false, errors, pathParameters, query, answers }: AdminOperation,
  schemas: Record<string, unknown>,
): Readonly<Record<string, Json>> {
  const all = [
    ...errors.map(({ status, errcode, description }) => ({ status, text: `\`${errcode}\`: ${description}` })),
    ...(pathParameters === null && query === null ? [] : [WRONG_PARAMETER]),
    ...(isOpen ? [] : [NO_TOKEN, TOO_MANY_FAILURES]),
  ];
  const content = { 'application/json': { schema: toJsonSchema(matrixError, schemas) } };
  const byStatus = groupByStatus(all);
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => answers[status] === undefined)
      .map(([status, texts]) => [status, { description: texts.join(' '), content }]),
  );
}

function groupByStatus(all: readonly { readonly status: number; readonly text: string }[]): Map<number, string[]> {
  const grouped = new Map<number, string[]>();
  for (const { status, text } of all) grouped.set(status, [...(grouped.get(status) ?? []), text]);
  return grouped;
}

/** Named parts go to `schemas`, and a reference takes their place. */
function toJsonSchema(schema: z.ZodType, schemas: Record<string, unknown>): Record<string, unknown> {
  const {
    $schema: _,
    $defs = {},
    ...own
  } = z.toJSONSchema(schema, {
    io: 'output',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      // JavaScript's largest exact number is no limit anybody chose.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  for (const [name, part] of Object.entries($defs)) schemas[name] = relocate(part);
  const { id, ...inline } = own;
  if (typeof id !== 'string') return relocate(inline) as Record<string, unknown>;
  schemas[id] = relocate(inline);
  return { $ref: `#/components/schemas/${id}` };
}

function relocate(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relocate);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'id' || typeof (value as Json)['id'] !== 'string')
      .map(([key, child]) =>
        key === '$ref' && typeof child === 'string'
          ? [key, child.replace('#/$defs/', '#/components/schemas/')]
          : [key, relocate(child)],
      ),
  );
}
