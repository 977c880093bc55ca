/**
 * Takes one request from its first line to its answer: match, authenticate, read the body, call the operation, answer.
 *
 * No promise is made on the way unless a part returns one, and authentication comes before the body, so strangers'
 * uploads are never buffered.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MatrixError } from '../matrix/errors.ts';
import type { Logger } from '../ports/logger.ts';
import { addressGroup } from './address-group.ts';
import { AddressBudgets, SharedBudget } from './body-budget.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { toErrorResponse } from './error-response.ts';
import { Exchange, type ExchangeHost, type Lifecycle } from './exchange.ts';
import { accessTokenOf } from './headers.ts';
import type { Deadlines } from './listener.ts';
import type { OpenResources } from './open-resources.ts';
import { createOperations, type Operation, routerOf } from './operations.ts';
import type { PathRouter } from './path-router.ts';
import { readBody } from './read-body.ts';
import { ReadyAnswers } from './ready-answers.ts';
import type { OperationMetrics, RequestMetrics } from './request-metrics.ts';
import { LATER, RawJson, Reply, type Requester, type Route } from './route.ts';
import { StreamReply } from './stream-reply.ts';
import { serveWebResource, type WebResources } from './web-resources.ts';

/** Where nobody has shown a token, a body is a user name and a password. */
const MAX_UNAUTHENTICATED_BODY_BYTES = 65_536;
const MAX_BODY_BYTES_AT_ONCE = 128 * 1024 * 1024;
/** For handlers that read bodies themselves: other servers, before it is certain who they are. */
const HELD_BODIES = { maxBytes: 64 * 1024 * 1024, maxBytesPerAddress: 16 * 1024 * 1024 };
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']);

/** `from` is where the token came from, for those who note it. */
export type Authenticate = (accessToken: string, from: { readonly ip: string }) => Requester | Promise<Requester>;

export interface DispatcherOptions {
  readonly routes: readonly Route[];
  readonly authenticate: Authenticate;
  readonly webResources: WebResources | null;
  readonly webResourceTimeoutMs: number;
  readonly deadlines: Pick<Deadlines, 'slowReaderTimeoutMs' | 'keepAliveTimeoutMs'>;
  readonly maxRequestBytes: number;
  readonly openResources: OpenResources;
  readonly requestMetrics: RequestMetrics;
  readonly connections: ConnectionLimit;
  readonly lifecycle: Lifecycle;
  readonly logger: Logger;
}

/** What a listener serves, and how much it believes. */
export interface ListenerScope {
  readonly resources: ReadonlySet<string>;
  readonly protocol: 'http' | 'https';
  readonly xForwarded: boolean;
}

export class Dispatcher {
  maxRequestBytes: number;
  readonly #options: DispatcherOptions;
  readonly #operations: readonly Operation[];
  readonly #budget = new SharedBudget(MAX_BODY_BYTES_AT_ONCE);
  readonly #ready = new ReadyAnswers((exchange, value) => this.#succeed(exchange, value));
  readonly #heldBodies = new AddressBudgets(HELD_BODIES);
  readonly #other: Readonly<Record<'unrecognized' | 'preflight' | 'open' | 'webResource', OperationMetrics>>;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.maxRequestBytes = options.maxRequestBytes;
    const { requestMetrics } = options;
    this.#operations = createOperations(options.routes, requestMetrics);
    this.#other = {
      unrecognized: requestMetrics.operation('any', 'unrecognized'),
      preflight: requestMetrics.operation('OPTIONS', 'preflight'),
      open: requestMetrics.operation('GET', 'healthOrMetrics'),
      webResource: requestMetrics.operation('any', 'webResource'),
    };
  }

  /** The listener for Node's `request` event. */
  requestListener(scope: ListenerScope): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
    const { slowReaderTimeoutMs, keepAliveTimeoutMs } = this.#options.deadlines;
    const host: ExchangeHost = {
      trustForwardedFor: scope.xForwarded,
      slowReaderTimeoutMs,
      keepAlive: ['Keep-Alive', `timeout=${Math.floor(keepAliveTimeoutMs / 1000)}`],
      lifecycle: this.#options.lifecycle,
      readBody: (exchange) => this.#readOnDemand(exchange),
      succeed: (exchange, value) => this.#ready.add(exchange, value),
      fail: (exchange, error) => this.#fail(exchange, error),
      answered: (exchange, httpStatus) => this.#answered(exchange, httpStatus),
    };
    const router = routerOf(this.#operations, scope.resources);
    return (incoming, outgoing) => {
      if (!this.#options.connections.received(incoming.socket)) return;
      const exchange = new Exchange(host, this.#other.unrecognized, incoming, outgoing);
      try {
        this.#begin(scope, router, exchange);
      } catch (error) {
        this.#fail(exchange, error);
      }
    };
  }

  #begin(scope: ListenerScope, router: PathRouter<Operation>, exchange: Exchange): void {
    const { method, path } = exchange;
    const client = scope.resources.has('client');
    const found = router.find(method, path);
    if ('target' in found) {
      exchange.operation = found.target.metrics;
      exchange.params = found.params;
      this.#authenticate(exchange, found.target.route);
      return;
    }
    if (found.length > 0 && !(method === 'OPTIONS' && client)) {
      exchange.sendJson(405, UNRECOGNIZED_METHOD, ['Allow', found.join(', ')]);
      return;
    }
    if (this.#options.openResources.owns(scope.resources, method, path)) {
      exchange.operation = this.#other.open;
      this.#options.openResources.serve(exchange, path);
      return;
    }
    const handler = client && METHODS.has(method) ? (this.#options.webResources?.find(path) ?? null) : null;
    if (handler !== null) {
      exchange.operation = this.#other.webResource;
      const { webResourceTimeoutMs: timeoutMs } = this.#options;
      this.#withBody(exchange, this.maxRequestBytes, () => {
        this.#options.connections.working(exchange.incoming.socket);
        serveWebResource(handler, exchange, { timeoutMs, protocol: scope.protocol }).catch((error: unknown) => {
          this.#fail(exchange, error);
        });
      });
    } else if (method === 'OPTIONS' && client) {
      exchange.operation = this.#other.preflight;
      exchange.sendPreflight();
    } else {
      exchange.sendJson(404, UNRECOGNIZED_PATH);
    }
  }

  #authenticate(exchange: Exchange, route: Route): void {
    route.guard?.(exchange);
    const token = route.auth === 'none' ? null : accessTokenOf(exchange.incoming.rawHeaders, exchange.url);
    if (token === null) {
      if (route.auth === 'required') throw new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token');
      this.#readThenRun(exchange, route);
      return;
    }
    const requester = this.#options.authenticate(token, exchange);
    if (requester instanceof Promise) {
      requester
        .then((known) => {
          exchange.requesterOrNull = known;
          this.#readThenRun(exchange, route);
        })
        .catch((error: unknown) => {
          this.#fail(exchange, error);
        });
      return;
    }
    exchange.requesterOrNull = requester;
    this.#readThenRun(exchange, route);
  }

  #readThenRun(exchange: Exchange, route: Route): void {
    if (route.method === 'GET') {
      this.#run(exchange, route);
      return;
    }
    if (route.readsBody === true) {
      exchange.maxBodyBytes = this.#maxBodyBytes(exchange, route);
      this.#call(exchange, route);
      return;
    }
    const maxBytes = this.#maxBodyBytes(exchange, route);
    this.#withBody(exchange, maxBytes, () => {
      this.#run(exchange, route);
    });
  }

  #maxBodyBytes(exchange: Exchange, { maxBodyBytes }: Route): number {
    if (maxBodyBytes !== undefined) return maxBodyBytes;
    if (exchange.requesterOrNull !== null) return this.maxRequestBytes;
    return Math.min(MAX_UNAUTHENTICATED_BODY_BYTES, this.maxRequestBytes);
  }

  #readOnDemand(exchange: Exchange): Promise<void> {
    const held = this.#heldBodies.hold(addressGroup(exchange.ip));
    exchange.held = held;
    return new Promise((resolve, reject) => {
      readBody(exchange.incoming, exchange.maxBodyBytes, held, (result) => {
        if (result === null) reject(new MatrixError(400, 'M_UNKNOWN', 'The request ended early'));
        else if (result instanceof MatrixError) reject(result);
        else {
          this.#options.connections.working(exchange.incoming.socket);
          exchange.bytes = result;
          resolve();
        }
      });
    });
  }

  #withBody(exchange: Exchange, maxBytes: number, next: () => void): void {
    readBody(exchange.incoming, maxBytes, this.#budget, (result) => {
      if (result === null) {
        exchange.giveUp();
      } else if (result instanceof MatrixError) {
        this.#fail(exchange, result);
      } else {
        exchange.bytes = result;
        next();
      }
    });
  }

  #run(exchange: Exchange, route: Route): void {
    this.#options.connections.working(exchange.incoming.socket);
    this.#call(exchange, route);
  }

  #call(exchange: Exchange, route: Route): void {
    let result: unknown;
    try {
      result = route.handler(exchange);
    } catch (error) {
      this.#fail(exchange, error);
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (value: unknown) => {
          this.#succeed(exchange, value);
        },
        (error: unknown) => {
          this.#fail(exchange, error);
        },
      );
    } else {
      this.#succeed(exchange, result);
    }
  }

  #succeed(exchange: Exchange, value: unknown): void {
    if (value === LATER) return;
    try {
      if (value === undefined) exchange.sendJson(200, '{}');
      else if (value instanceof RawJson) exchange.sendJson(value.httpStatus, value.text);
      else if (value instanceof StreamReply) value.begin(exchange);
      else if (value instanceof Reply) exchange.sendJson(value.httpStatus, JSON.stringify(value.body));
      else exchange.sendJson(200, JSON.stringify(value));
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    const { httpStatus, body, logLevel } = toErrorResponse(error);
    if (logLevel !== null) {
      this.#options.logger[logLevel]({ err: error, operation: exchange.operation.operationId }, 'request failed');
    }
    if (exchange.done || exchange.outgoing.headersSent) {
      // The answer has begun and cannot be finished: cutting it off is the only way to say so.
      if (!exchange.outgoing.writableEnded) exchange.outgoing.destroy();
      return;
    }
    exchange.sendJson(httpStatus, JSON.stringify(body));
  }

  #answered(exchange: Exchange, httpStatus: number | null): void {
    const { connections, requestMetrics, logger } = this.#options;
    const now = performance.now();
    const durationMs = now - exchange.startedAt;
    connections.answered(exchange.incoming.socket, now);
    exchange.held?.release();
    if (httpStatus !== null) requestMetrics.answered(exchange.operation, httpStatus, durationMs);
    const { operationId } = exchange.operation;
    // The query may hold a token: only the path is written down.
    logger.debug(
      { operation: operationId, method: exchange.method, path: exchange.path, httpStatus, durationMs },
      'request',
    );
  }
}

const UNRECOGNIZED_PATH = JSON.stringify({ errcode: 'M_UNRECOGNIZED', error: 'Unrecognized request' });
const UNRECOGNIZED_METHOD = JSON.stringify({ errcode: 'M_UNRECOGNIZED', error: 'This path does not have that method' });
