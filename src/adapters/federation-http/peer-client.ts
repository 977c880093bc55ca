/**
 * The `PeerClient` port over undici and TLS: finds a server, takes a connection to it, sends, and reads the whole answer.
 *
 * Each request has one deadline for all of it, and each step a shorter one of its own. Failures say which name, which address and which
 * step. A request whose connection breaks before any answer is repeated at once if the connection had been used before: the other side
 * may have closed it at that moment, and every request of this API may be repeated.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import { type PeerClient, PeerError, type PeerRequest, type PeerResponse } from '../../ports/peer-client.ts';
import { createClientMetrics } from './client-metrics.ts';
import { createConnector } from './connector.ts';
import { type Answer, type Exchange, isBroken, startExchange } from './exchange.ts';
import { createIpRanges } from './ip-ranges.ts';
import { createNameResolver } from './name-resolver.ts';
import { DEFAULT_LIMITS, type PeerClientOptions } from './peer-client-options.ts';
import { type Line, PeerPools } from './peer-pools.ts';
import { RequestLimits } from './request-limits.ts';
import { retryAfterMs } from './retry-after.ts';
import { createServerDiscovery } from './server-discovery.ts';
import { StepFailure } from './step-failure.ts';
import { createTlsPolicy } from './tls-policy.ts';
import { createWellKnown } from './well-known.ts';
import { createWellKnownGet } from './well-known-get.ts';

export type { PeerClientOptions } from './peer-client-options.ts';

/** One request under way. */
interface Call {
  readonly request: PeerRequest;
  line: Line | null;
  exchange: Exchange | null;
  /** Ends it now. */
  readonly end: (failure: StepFailure) => void;
}

/** @throws TypeError for ranges that are none, and what node:tls throws for certificates that are none */
export function createPeerClient(options: PeerClientOptions): PeerClient {
  const { clock, logger } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const ports = options.ports ?? { https: 443, federation: 8448 };
  const { domainWhitelist = null } = options;
  const whitelist = domainWhitelist === null ? null : new Set(domainWhitelist);
  const ownHeaders = { 'user-agent': options.userAgent ?? 'Thalamus', accept: 'application/json' };

  const metrics = createClientMetrics(options.metrics, {
    connections: () => connector.connections,
    requests: () => open.requests,
  });
  const resolver = createNameResolver({ clock, servers: options.dnsServers ?? null, timeoutMs: limits.dnsTimeoutMs });
  const connector = createConnector({
    clock,
    resolver,
    ranges: createIpRanges(options.ipRangeBlacklist, options.ipRangeWhitelist ?? []),
    tls: createTlsPolicy({
      verifyCertificates: options.verifyCertificates ?? true,
      certificateVerificationWhitelist: options.certificateVerificationWhitelist ?? [],
      customCas: options.customCas ?? null,
    }),
    random: options.random ?? Math.random,
    maxConnections: limits.maxConnections,
    connectTimeoutMs: limits.connectTimeoutMs,
    makeRoom: () => pools.closeIdle(),
  });
  const wellKnown = createWellKnown({
    clock,
    get: createWellKnownGet({
      clock,
      connector,
      port: ports.https,
      timeoutMs: limits.wellKnownTimeoutMs,
      headers: ownHeaders,
    }),
    maxEntries: limits.maxKnownServers,
  });
  const discovery = createServerDiscovery({
    clock,
    resolver,
    wellKnown: {
      async find(host) {
        const result = await wellKnown.find(host);
        metrics.wellKnown(result.delegation === null ? 'none' : 'delegated');
        logger.debug({ host, delegatedTo: result.delegation?.name, reason: result.reason }, 'asked for .well-known');
        return result;
      },
    },
    defaultPort: ports.federation,
    maxEntries: limits.maxKnownServers,
    onResolved: (outcome) => metrics.resolution(outcome),
  });
  const pools = new PeerPools({
    connector,
    maxConnectionsPerServer: limits.maxConnectionsPerServer,
    idleMs: limits.idleMs,
    onConnectFailure: (destination) => discovery.forget(destination),
  });
  const open = new RequestLimits(limits);
  const calls = new Set<Call>();
  let closed = false;

  return {
    async request(request) {
      try {
        const answer = await perform(request);
        metrics.request('answered');
        return answer;
      } catch (error) {
        metrics.request(error instanceof StepFailure ? error.kind : 'error');
        throw error instanceof StepFailure ? peerError(request.destination, error) : error;
      }
    },
    async close() {
      closed = true;
      const failure = new StepFailure('closed', 'this server is stopping');
      for (const call of calls) call.end(failure);
      connector.close();
      await pools.close(failure);
    },
  };

  async function perform(request: PeerRequest): Promise<PeerResponse> {
    const { destination } = request;
    if (closed) throw new StepFailure('closed', 'this server is stopping');
    if (request.signal?.aborted === true) throw givenUp();
    if (whitelist !== null && !whitelist.has(destination)) {
      throw new StepFailure('refused', 'it is not in federation_domain_whitelist');
    }
    const bytes = Buffer.byteLength(request.body ?? '');
    open.enter(destination, bytes);
    try {
      const answer = await timely(request);
      const retryAfter = retryAfterMs(answer.headers['retry-after'], clock.now());
      return { httpStatus: answer.httpStatus, retryAfterMs: retryAfter, body: answer.body };
    } finally {
      open.leave(destination, bytes);
    }
  }

  /** Whatever ends first: the request, its time, its caller's patience, or this client. */
  function timely(request: PeerRequest): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        timer.cancel();
        request.signal?.removeEventListener('abort', onAbort);
        calls.delete(call);
      };
      const call: Call = {
        request,
        line: null,
        exchange: null,
        end(failure) {
          settle();
          reject(failure);
          call.exchange?.abort(failure);
        },
      };
      const onAbort = (): void => call.end(givenUp());
      const timer = clock.setTimeout(() => call.end(late(call)), request.timeoutMs);
      request.signal?.addEventListener('abort', onAbort);
      calls.add(call);
      exchangeWith(call).then(resolve, reject).finally(settle);
    });
  }

  async function exchangeWith(call: Call): Promise<Answer> {
    const { destination } = call.request;
    const route = await discovery.find(destination);
    for (let attempt = 0; ; attempt++) {
      // Finding takes time, and the call may be over by now.
      if (!calls.has(call)) throw new StepFailure('closed', 'the request is over');
      const line = pools.take(destination, route);
      const mayBeStale = line.isOpen;
      call.line = line;
      try {
        call.exchange = startExchange(line.client, exchangeRequest(call.request, route.hostHeader));
        return await call.exchange.answer;
      } catch (error) {
        const isStale = mayBeStale && isBroken(error) && call.exchange?.stage === 'sent';
        if (!isStale || attempt >= limits.maxConnectionsPerServer) throw located(error, line);
      } finally {
        pools.give(destination, line);
      }
    }
  }

  function exchangeRequest(request: PeerRequest, hostHeader: string) {
    const { method, uri, body, maxResponseBytes } = request;
    const content = body === undefined ? {} : { 'content-type': 'application/json' };
    const headers = { ...ownHeaders, ...request.headers, ...content, host: hostHeader };
    return { method, uri, body, maxResponseBytes, headers };
  }
}

/** How far it has come tells an administrator where to look. */
function late({ request, line, exchange }: Call): StepFailure {
  const within = `within ${request.timeoutMs} ms`;
  if (line === null) return new StepFailure('timeout', `it was not found ${within} (DNS and .well-known)`);
  const at = line.address === null ? '' : ` at ${line.address}`;
  if (exchange === null || exchange.stage === 'waiting') {
    return new StepFailure('timeout', `no connection${at} became free ${within}`);
  }
  const what = exchange.stage === 'sent' ? 'did not answer' : 'did not finish its answer';
  return new StepFailure('timeout', `the server${at} ${what} ${within}`);
}

/** Failures of the exchange know nothing of addresses; those of connecting name them already. */
function located(error: unknown, { address }: Line): unknown {
  if (!(error instanceof StepFailure) || address === null || error.message.includes(address)) return error;
  if (!isBroken(error) && error.kind !== 'too_large') return error;
  return new StepFailure(error.kind, `${error.message} (${address})`, { cause: error.cause });
}

function givenUp(): StepFailure {
  return new StepFailure('closed', 'the request was given up by whoever had asked for it');
}

function peerError(destination: ServerName, failure: StepFailure): PeerError {
  return new PeerError(destination, failure.kind, `${destination}: ${failure.message}`, { cause: failure });
}
