/**
 * From a server name to a route: literal addresses, explicit ports, `.well-known` delegation, SRV records, and the default port.
 *
 * Source: Matrix specification, server-server API, "Resolving server names"; the numbers below are its steps.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import { LruMap } from '../../ports/lru-map.ts';
import type { NameResolver, SrvRecord } from './name-resolver.ts';
import { type Route, type RouteSource, type RouteTarget, sameRoute } from './route.ts';
import { type ServerNameParts, serverNameParts } from './server-name-parts.ts';
import { StepFailure } from './step-failure.ts';
import type { WellKnown } from './well-known.ts';

export interface ServerDiscoveryOptions {
  readonly clock: Clock;
  readonly resolver: NameResolver;
  readonly wellKnown: WellKnown;
  readonly defaultPort: number;
  readonly maxEntries: number;
  readonly onResolved?: (outcome: RouteSource | 'failed') => void;
}

export interface ServerDiscovery {
  /** The same object for as long as nothing changes. @throws StepFailure */
  find(name: ServerName): Promise<Route>;
  /** Nobody was there: SRV records are asked for again next time (but not `.well-known`). */
  forget(name: ServerName): void;
}

/** SRV records, whose own lifetime Node does not tell. */
const SRV_LIFETIME_MS = 300_000;
/** When the DNS did not say whether there are SRV records. */
const UNSURE_LIFETIME_MS = 30_000;

interface Known {
  readonly route: Route;
  readonly untilTs: number;
}

export function createServerDiscovery(options: ServerDiscoveryOptions): ServerDiscovery {
  const { clock, resolver, wellKnown, defaultPort } = options;
  const routes = new LruMap<ServerName, Known>(options.maxEntries);
  const underWay = new Map<ServerName, Promise<Route>>();

  return {
    async find(name) {
      const known = routes.get(name);
      if (known !== undefined && clock.now() < known.untilTs) return known.route;
      const running = underWay.get(name);
      if (running !== undefined) return running;
      const resolving = resolve(name, known?.route).finally(() => underWay.delete(name));
      underWay.set(name, resolving);
      return resolving;
    },
    forget(name) {
      const known = routes.get(name);
      if (known?.route.source === 'srv' || known?.route.source === 'default')
        routes.set(name, { ...known, untilTs: 0 });
    },
  };

  async function resolve(name: ServerName, before: Route | undefined): Promise<Route> {
    try {
      const found = await discover(name);
      const route = before !== undefined && sameRoute(before, found.route) ? before : found.route;
      routes.set(name, { route, untilTs: found.untilTs });
      options.onResolved?.(route.source);
      return route;
    } catch (error) {
      options.onResolved?.('failed');
      throw error;
    }
  }

  async function discover(name: ServerName): Promise<Known> {
    const parts = serverNameParts(name);
    if (parts === null) throw new StepFailure('not_found', 'not a name that a server can have');
    const direct = byNameAlone(name, parts, false); // steps 1 and 2
    if (direct !== null) return { route: direct, untilTs: Number.POSITIVE_INFINITY };

    const { delegation, untilTs } = await wellKnown.find(parts.host); // step 3
    if (delegation === null) return bySrv(parts.host, name, false, untilTs); // steps 4 to 6
    const delegated = byNameAlone(delegation.name, delegation.parts, true); // steps 3.1 and 3.2
    if (delegated !== null) return { route: delegated, untilTs };
    return bySrv(delegation.parts.host, delegation.name, true, untilTs); // steps 3.3 to 3.5
  }

  /** A literal address or an explicit port says it all. */
  function byNameAlone(name: string, { host, port, family }: ServerNameParts, delegated: boolean): Route | null {
    if (family === 0 && port === null) return null;
    const targets = [targetOf(host, port ?? defaultPort)];
    return { hostHeader: name, tlsName: host, targets, source: family === 0 ? 'port' : 'literal', delegated };
  }

  /** The registered service, then the deprecated one, then the default port. The certificate is for `host` in each case. */
  async function bySrv(host: string, hostHeader: string, delegated: boolean, maxTs: number): Promise<Known> {
    let isSure = true;
    for (const service of ['_matrix-fed._tcp', '_matrix._tcp']) {
      let records: readonly SrvRecord[] = [];
      try {
        records = await resolver.srv(`${service}.${host.replace(/\.$/, '')}`);
      } catch {
        // A DNS server that cannot answer about services may well know the address.
        isSure = false;
      }
      if (records.length === 0) continue;
      const targets = records
        .filter(isUsable)
        .map((record) => targetOf(record.name, record.port, record))
        .sort((a, b) => a.priority - b.priority || a.port - b.port || (a.host < b.host ? -1 : 1));
      if (targets.length === 0) {
        throw new StepFailure('not_found', `${host} says in its SRV records (${service}) that it offers no federation`);
      }
      return known({ hostHeader, tlsName: host, targets, source: 'srv', delegated });
    }
    return known({ hostHeader, tlsName: host, targets: [targetOf(host, defaultPort)], source: 'default', delegated });

    function known(route: Route): Known {
      const lifetimeMs = isSure ? SRV_LIFETIME_MS : UNSURE_LIFETIME_MS;
      return { route, untilTs: Math.min(maxTs, clock.now() + lifetimeMs) };
    }
  }
}

/** RFC 2782: the root as a target means that the service is decidedly not there. */
function isUsable({ name, port }: SrvRecord): boolean {
  return name !== '' && name !== '.' && port > 0;
}

function targetOf(host: string, port: number, { priority = 0, weight = 0 }: Partial<SrvRecord> = {}): RouteTarget {
  return { host, port, priority, weight };
}
