/**
 * Parameters of paths and queries, as the operation's schema sees them; what is wrong becomes a 400 that says how it should be.
 *
 * A parameter that there is not is an error, too: a filter that is misspelt must not look like one that found everything.
 */
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import { isUserId, type UserId } from '../../matrix/identifiers.ts';
import type { Params } from '../path-router.ts';

/** A whole number in decimal digits. */
export function numberParam({ min, max }: { readonly min: number; readonly max: number }) {
  const expected = `must be a whole number from ${min} to ${max}`;
  return z.preprocess(
    (text) => (typeof text === 'string' && /^[0-9]{1,15}$/.test(text) ? Number(text) : text),
    z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected }),
  );
}

export function flagParam() {
  return z.preprocess(
    (text) => (text === 'true' ? true : text === 'false' ? false : text),
    z.boolean({ error: "must be 'true' or 'false'" }),
  );
}

export function userIdParam() {
  return z
    .custom<UserId>(isUserId, { error: 'must be a user id, such as @alice:example.org' })
    .meta({ type: 'string' });
}

export function parsePath(schema: z.ZodObject | null, params: Params): unknown {
  return check(schema ?? NOTHING, { ...params }, 'The part of the path');
}

/** @throws MatrixError 400 `M_INVALID_PARAM` or `M_MISSING_PARAM` */
export function parseQuery(schema: z.ZodObject | null, query: URLSearchParams): unknown {
  // Without a prototype: `__proto__` is a name like any other.
  const values = Object.create(null) as Record<string, string>;
  for (const [name, value] of query) {
    if (Object.hasOwn(values, name)) {
      throw new MatrixError(400, 'M_INVALID_PARAM', `The query parameter '${name}' is there twice`);
    }
    values[name] = value;
  }
  return check(schema ?? NOTHING, values, 'The query parameter');
}

const NOTHING = z.object({});

function check(schema: z.ZodObject, values: Readonly<Record<string, string>>, what: string): unknown {
  const known = Object.keys(schema.shape);
  for (const name of Object.keys(values)) {
    if (known.includes(name)) continue;
    const there = known.length === 0 ? 'there are none here' : `there are: ${known.join(', ')}`;
    throw new MatrixError(400, 'M_INVALID_PARAM', `There is no query parameter '${name}'; ${there}`);
  }
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = String(issue?.path[0] ?? '');
  if (!Object.hasOwn(values, name)) throw new MatrixError(400, 'M_MISSING_PARAM', `${what} '${name}' is missing`);
  throw new MatrixError(400, 'M_INVALID_PARAM', `${what} '${name}' ${issue?.message ?? 'is wrong'}`);
}
