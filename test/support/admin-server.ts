/**
 * A test server whose first listener has the admin API, too, and a client of it that checks every answer against the description that the
 * server itself serves.
 */
import { Ajv2020, type AnySchema } from 'ajv/dist/2020.js';
import { runHere } from './run-here.ts';
import type { ProgramResult } from './spawn-server.ts';
import { startTestServer, type TestServer, type TestServerOptions } from './start-test-server.ts';
import type { RequestOptions, TestResponse } from './test-client.ts';

export const ADMIN_TOKEN = 'the token of the tests'.replaceAll(' ', '-');
export const ADMIN_V1 = '/_thalamus/admin/v1';

export interface AdminServer extends TestServer {
  /** With the token, below `ADMIN_V1`; fails when the answer is not as the description says. */
  admin(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** What the server says of itself. */
  readonly description: Description;
}

export interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationDescription>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, AnySchema>> };
}

export interface OperationDescription {
  readonly operationId: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

/** The configuration of `options` with the resource `admin` and a token in a file. */
export function withAdmin(options: TestServerOptions = {}): TestServerOptions {
  return {
    ...options,
    resources: ['client', 'health', 'metrics', 'admin'],
    files: { 'admin.token': `${ADMIN_TOKEN}\n`, ...options.files },
    config: { admin_api: { token_path: 'admin.token' }, ...options.config },
  };
}

export async function startAdminServer(options: TestServerOptions = {}): Promise<AdminServer> {
  const server = await startTestServer(withAdmin(options));
  const description = (await server.request('GET', `${ADMIN_V1}/openapi.json`)).body as Description;
  const check = createChecker(description);
  // A proxy, so that `server.server` and the like stay what they are at the time.
  return new Proxy(server, {
    get: (target, name) => {
      if (name === 'description') return description;
      if (name !== 'admin') return Reflect.get(target, name) as unknown;
      return async (method: string, path: string, more: RequestOptions = {}) => {
        const response = await target.request(method, ADMIN_V1 + path, { token: ADMIN_TOKEN, ...more });
        check(method, path, response);
        return response;
      };
    },
  }) as AdminServer;
}

/** `thalamus explain`, which asks this server. */
export function runExplain(server: TestServer, ...args: readonly string[]): Promise<ProgramResult> {
  return runHere(['explain', ...args, '--url', server.baseUrl, '--token-file', `${server.dir}/admin.token`]);
}

/** Throws for an answer that the description does not have, properties that it does not name included. */
export function createChecker(
  description: Description,
): (method: string, path: string, response: Pick<TestResponse, 'status' | 'body'>) => void {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true });
  // The schemas stay at their place in the document, to which they refer.
  ajv.addVocabulary(['components']);
  ajv.addSchema({ $id: 'api', components: { schemas: closed(description.components.schemas) } });
  return (method, path, { status, body }) => {
    const operation = findOperation(description, method, path);
    if (operation === null) throw new Error(`the description has no ${method} ${path}`);
    const schema = operation.responses[String(status)]?.content['application/json']?.schema;
    if (schema === undefined) throw new Error(`${operation.operationId} answers ${status}, which is not described`);
    const validate = ajv.compile(closed(within(schema)) as AnySchema);
    if (validate(body)) return;
    throw new Error(
      `${operation.operationId} answers ${status} other than described: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(body)}`,
    );
  };
}

export function findOperation(description: Description, method: string, path: string): OperationDescription | null {
  const [bare = ''] = path.split('?');
  for (const [template, operations] of Object.entries(description.paths)) {
    const pattern = new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
    const operation = operations[method.toLowerCase()];
    if (operation !== undefined && pattern.test(bare)) return operation;
  }
  return null;
}

/** Objects that name their properties have no others, unless they say so. */
function closed(value: unknown): unknown {
  return walk(value, (object) =>
    'properties' in object && !('additionalProperties' in object) ? { ...object, additionalProperties: false } : object,
  );
}

function within(value: unknown): unknown {
  return walk(value, (object) =>
    typeof object['$ref'] === 'string' ? { ...object, $ref: object['$ref'].replace(/^#/, 'api#') } : object,
  );
}

function walk(value: unknown, change: (object: Record<string, unknown>) => Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((one) => walk(one, change));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, child]) => [key, walk(child, change)]);
  return change(Object.fromEntries(entries) as Record<string, unknown>);
}
