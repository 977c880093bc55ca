/**
 * The GET requests of `.well-known` look-ups: each on a connection of its own, which is guarded and checked as all others are.
 */
import { Client } from 'undici';
import type { Clock } from '../../ports/clock.ts';
import type { Connector } from './connector.ts';
import { type Answer, startExchange } from './exchange.ts';
import type { Route } from './route.ts';
import { StepFailure } from './step-failure.ts';
import { undiciConnect } from './undici-connect.ts';
import { MAX_WELL_KNOWN_BYTES } from './well-known.ts';

export interface WellKnownGetOptions {
  readonly clock: Clock;
  readonly connector: Pick<Connector, 'connect'>;
  /** 443, except in tests. */
  readonly port: number;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
}

export function createWellKnownGet({ clock, connector, port, timeoutMs, headers }: WellKnownGetOptions) {
  return async (url: URL): Promise<Answer> => {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const route: Route = {
      hostHeader: url.host,
      tlsName: host,
      targets: [{ host, port: url.port === '' ? port : Number(url.port), priority: 0, weight: 0 }],
      source: 'literal',
      delegated: false,
    };
    const client = new Client(url.origin, {
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: undiciConnect(() => connector.connect(route)),
    });
    const exchange = startExchange(client, {
      method: 'GET',
      uri: `${url.pathname}${url.search}`,
      headers: { ...headers, host: url.host, connection: 'close' },
      body: undefined,
      maxResponseBytes: MAX_WELL_KNOWN_BYTES,
    });
    const timer = clock.setTimeout(() => {
      exchange.abort(new StepFailure('timeout', `${url.href} did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      return await exchange.answer;
    } finally {
      timer.cancel();
      void client.destroy().catch(() => undefined);
    }
  };
}
