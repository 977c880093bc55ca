/**
 * What the client counts.
 */
import type { Metrics } from '../../ports/metrics.ts';
import type { PeerErrorKind } from '../../ports/peer-client.ts';
import type { RouteSource } from './route.ts';

export interface ClientMetrics {
  /** `error`: a mistake of ours. */
  request(outcome: 'answered' | 'error' | PeerErrorKind): void;
  resolution(outcome: RouteSource | 'failed'): void;
  wellKnown(outcome: 'delegated' | 'none'): void;
}

export function createClientMetrics(
  metrics: Metrics,
  read: { connections: () => number; requests: () => number },
): ClientMetrics {
  const requests = metrics.counter({
    name: 'thalamus_federation_client_requests',
    help: 'Requests to other servers by how they ended: answered (with whatever status), or why not',
    labelNames: ['outcome'],
  });
  const resolutions = metrics.counter({
    name: 'thalamus_federation_client_resolutions',
    help: 'Times that a server was looked for by the rules of discovery, by what it was found by',
    labelNames: ['outcome'],
  });
  const wellKnown = metrics.counter({
    name: 'thalamus_federation_client_well_known',
    help: "Look-ups of other servers' /.well-known/matrix/server, from the cache or not, by whether it delegates",
    labelNames: ['outcome'],
  });
  metrics.gauge({
    name: 'thalamus_federation_client_connections',
    help: 'Connections to other servers, those that are being opened included',
    collect: read.connections,
  });
  metrics.gauge({
    name: 'thalamus_federation_client_open_requests',
    help: 'Requests to other servers that wait or are under way',
    collect: read.requests,
  });
  return {
    request: (outcome) => requests.inc({ outcome }),
    resolution: (outcome) => resolutions.inc({ outcome }),
    wellKnown: (outcome) => wellKnown.inc({ outcome }),
  };
}
