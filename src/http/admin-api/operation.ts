/**
 * What an operation of the admin API is: its schemas, from which requests are checked and the description is made, and its handler.
 *
 * One file per operation, named by its operationId, exports `(services) => AdminOperation`.
 */
import type { z } from 'zod';
import type { Errcode } from '../../matrix/errors.ts';
import type { ClientRequest, RawJson, Reply, Route } from '../route.ts';
import type { StreamReply } from '../stream-reply.ts';
import type { AdminGate } from './admin-gate.ts';
import { parsePath, parseQuery } from './parse-input.ts';

export const ADMIN_V1 = '/_thalamus/admin/v1';

export interface Answer {
  readonly description: string;
  readonly schema: z.ZodType;
  /** Instead of one value, a stream of them. */
  readonly stream?: {
    /** In a sentence. */
    readonly when: string;
    /** Whether there is nothing but lines of JSON: neither a single value nor events. */
    readonly isAlways?: boolean;
  };
}

/** An operation, as routes and the description see it. */
export interface AdminOperation {
  readonly operationId: string;
  readonly method: 'GET' | 'POST';
  /** Below `ADMIN_V1`: `/users/:userId`. */
  readonly path: string;
  /** A few words. */
  readonly summary: string;
  readonly description?: string;
  /** Whether it needs no token. */
  readonly isOpen?: boolean;
  readonly pathParameters: z.ZodObject | null;
  readonly query: z.ZodObject | null;
  /** By status: the answer that was asked for, and others that are no errors in the specification's shape. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Besides those that all operations have. */
  readonly errors: readonly DescribedError[];
  readonly handler: (request: ClientRequest) => unknown;
}

export interface DescribedError {
  readonly status: number;
  readonly errcode: Errcode;
  readonly description: string;
}

type Result<A> = A | RawJson | Reply | StreamReply;

export interface OperationDefinition<P extends z.ZodObject, Q extends z.ZodObject, A extends z.ZodType>
  extends Pick<AdminOperation, 'operationId' | 'method' | 'path' | 'summary' | 'description' | 'isOpen'> {
  readonly pathParameters?: P;
  readonly query?: Q;
  /** What a 200 has. */
  readonly answer: Answer & { readonly schema: A };
  readonly otherAnswers?: Readonly<Record<number, Answer>>;
  readonly errors?: readonly DescribedError[];
  readonly handler: (input: {
    readonly path: z.output<P>;
    readonly query: z.output<Q>;
    readonly request: ClientRequest;
  }) => Result<z.input<A>> | Promise<Result<z.input<A>>>;
}

/** Checks what comes in before the handler sees it. */
export function defineOperation<
  A extends z.ZodType,
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
>(definition: OperationDefinition<P, Q, A>): AdminOperation {
  const { answer, otherAnswers, errors = [], pathParameters = null, query = null, handler, ...rest } = definition;
  return {
    ...rest,
    pathParameters,
    query,
    answers: { 200: answer, ...otherAnswers },
    errors,
    handler: (request) =>
      handler({
        path: parsePath(pathParameters, request.params) as z.output<P>,
        query: parseQuery(query, request.query) as z.output<Q>,
        request,
      }),
  };
}

export function routeOf(operation: AdminOperation, gate: Pick<AdminGate, 'check'>): Route {
  const { method, path, operationId, handler, isOpen = false } = operation;
  return {
    method,
    prefix: ADMIN_V1,
    path,
    versions: [],
    auth: 'none',
    resource: 'admin',
    operationId,
    ...(isOpen ? {} : { guard: (request: ClientRequest) => gate.check(request) }),
    handler,
  };
}
