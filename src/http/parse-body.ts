/**
 * From a request body, or one query parameter, to a checked value: the only place where zod's findings become errors.
 *
 * Errors: not JSON → `M_NOT_JSON` (thrown by `request.body()`); not an object → `M_BAD_JSON`; a required key is missing →
 * `M_MISSING_PARAM`; a key has the wrong type → `M_BAD_JSON`; a value is outside its range → `M_INVALID_PARAM`. All 400.
 */
import type { z } from 'zod';
import { MatrixError } from '../matrix/errors.ts';
import { isJsonObject, type JsonObject } from '../matrix/json-object.ts';
import type { ClientRequest } from './route.ts';

/** The body as an object. No body at all is an error, see `optionalObjectBody`. */
export function objectBody(request: ClientRequest): JsonObject {
  const body = request.body();
  if (!isJsonObject(body)) throw new MatrixError(400, 'M_BAD_JSON', 'The body must be a JSON object');
  return body;
}

/** The body as an object; no body at all counts as `{}`, as clients send where every key is optional. */
export function optionalObjectBody(request: ClientRequest): JsonObject {
  return request.hasBody ? objectBody(request) : {};
}

/** The body as `schema` sees it. */
export function parseBody<T>(schema: z.ZodType<T>, request: ClientRequest): T {
  return parseValue(schema, objectBody(request));
}

/** Same, where no body at all counts as `{}`. */
export function parseOptionalBody<T>(schema: z.ZodType<T>, request: ClientRequest): T {
  return parseValue(schema, optionalObjectBody(request));
}

/** Any JSON value as `schema` sees it; the first problem is told, with the path to it. */
export function parseValue<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw toMatrixError(result.error.issues);
}

/** A whole number from the query: `fallback` when it is absent, 400 `M_INVALID_PARAM` when it is not one or below 0. */
export function integerParam<F extends number | null>(request: ClientRequest, name: string, fallback: F): number | F {
  const text = request.query.get(name);
  if (text === null) return fallback;
  if (!/^[0-9]{1,15}$/.test(text)) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `Query parameter '${name}' must be a whole number, 0 or more`);
  }
  return Number(text);
}

/** `true` or `false` from the query: `fallback` when absent, 400 `M_INVALID_PARAM` otherwise. */
export function booleanParam(request: ClientRequest, name: string, fallback: boolean): boolean {
  const text = request.query.get(name);
  if (text === null) return fallback;
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw new MatrixError(400, 'M_INVALID_PARAM', `Query parameter '${name}' must be 'true' or 'false'`);
}

function toMatrixError(issues: readonly z.core.$ZodIssue[]): MatrixError {
  const issue = issues[0];
  if (issue === undefined) return new MatrixError(400, 'M_BAD_JSON', 'The body has the wrong shape');
  const where = issue.path.length === 0 ? 'The body' : `'${issue.path.map(String).join('.')}'`;
  if (issue.code === 'invalid_type' && issue.input === undefined) {
    return new MatrixError(400, 'M_MISSING_PARAM', `${where} is missing`);
  }
  const errcode =
    issue.code === 'too_big' ||
    issue.code === 'too_small' ||
    issue.code === 'invalid_value' ||
    issue.code === 'invalid_format' ||
    issue.code === 'custom'
      ? 'M_INVALID_PARAM'
      : 'M_BAD_JSON';
  return new MatrixError(400, errcode, `${where}: ${issue.message}`);
}
