/**
 * Addresses and SRV records of a name: from servers of one's own, or as the system finds them.
 *
 * The system's way is the hosts file, then its DNS servers, then whatever else it knows (`getaddrinfo`). That one comes last because
 * only two of its calls run at a time: a name whose DNS servers are dead would hold up the names of all others.
 */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/with-deadline.ts';
import { type HostsFile, openHostsFile } from './hosts-file.ts';
import { codeOf, reasonOf, StepFailure } from './step-failure.ts';

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface NameResolver {
  /** At least one, those of the two families by turns. @throws StepFailure `not_found` or `timeout` */
  addresses(name: string): Promise<readonly string[]>;
  /** Empty if the name has none. @throws StepFailure if that could not be found out */
  srv(name: string): Promise<readonly SrvRecord[]>;
}

export interface NameResolverOptions {
  readonly clock: Clock;
  /** `address` or `address:port`; null: the system's. */
  readonly servers: readonly string[] | null;
  /** Whether the hosts file, and what else the system knows, count as well. @default without `servers` */
  readonly asSystem?: boolean;
  /** For one question, repetitions included. */
  readonly timeoutMs: number;
  readonly hosts?: HostsFile;
}

/** There is no such name, or it has no records of that type. */
const NO_RECORDS = new Set(['ENOTFOUND', 'ENODATA', 'ENOTIMP', 'EBADNAME']);
/** The system's DNS servers are read again this often. */
const RESOLVER_AGE_MS = 60_000;
/** How long addresses of the one family wait for those of the other (RFC 8305, section 3, wants 50 ms). */
const OTHER_FAMILY_MS = 50;

export function createNameResolver(options: NameResolverOptions): NameResolver {
  const { clock, servers, timeoutMs } = options;
  const { asSystem = servers === null, hosts = openHostsFile() } = options;
  let resolver: Resolver | null = null;
  let resolverTs = 0;

  const current = (): Resolver => {
    const now = clock.now();
    if (resolver !== null && (servers !== null || now - resolverTs < RESOLVER_AGE_MS)) return resolver;
    resolver = new Resolver({ timeout: Math.max(1, Math.floor(timeoutMs / 3)), tries: 2 });
    resolverTs = now;
    if (servers !== null) resolver.setServers(servers);
    return resolver;
  };
  const timely = <T>(name: string, work: Promise<T>): Promise<T> =>
    withDeadline(clock, timeoutMs, work, () => late(name, timeoutMs));

  const fromDns = async (name: string): Promise<readonly string[]> => {
    const dns = current();
    const v6 = dns.resolve6(name);
    const v4 = dns.resolve4(name);
    const settled = await Promise.allSettled([soonAfter(clock, v6, v4), soonAfter(clock, v4, v6)]);
    const [six, four] = settled.map((one) => (one.status === 'fulfilled' ? one.value : []));
    const found = byTurns(six ?? [], four ?? []);
    if (found.length > 0) return found;
    const failed = settled.find((one) => one.status === 'rejected' && !NO_RECORDS.has(codeOf(one.reason)));
    if (failed?.status === 'rejected') throw failed.reason;
    return [];
  };

  const fromSystem = async (name: string): Promise<readonly string[]> => {
    const fromHosts = await hosts.find(name);
    if (fromHosts.length > 0) return fromHosts;
    try {
      const found = await fromDns(name);
      if (found.length > 0) return found;
    } catch (error) {
      if (codeOf(error) !== 'ECONNREFUSED') throw error;
    }
    const found = await lookup(name, { all: true });
    return byTurns(
      found.filter(({ family }) => family === 6).map(({ address }) => address),
      found.filter(({ family }) => family === 4).map(({ address }) => address),
    );
  };

  return {
    async addresses(name) {
      let found: readonly string[] = [];
      try {
        found = await timely(name, asSystem ? fromSystem(name) : fromDns(name));
      } catch (error) {
        if (!NO_RECORDS.has(codeOf(error))) throw failureOf(name, error);
      }
      if (found.length > 0) return found;
      throw new StepFailure('not_found', `${name} has no address: no such name, or none with A or AAAA records`);
    },
    async srv(name) {
      try {
        const records = await timely(name, current().resolveSrv(name));
        return records.map(({ name: target, port, priority, weight }) => ({ name: target, port, priority, weight }));
      } catch (error) {
        if (NO_RECORDS.has(codeOf(error))) return [];
        throw failureOf(name, error);
      }
    },
  };
}

/** `wanted`, which has only a little time left once `other` has brought something. */
async function soonAfter(clock: Clock, wanted: Promise<string[]>, other: Promise<string[]>): Promise<string[]> {
  return new Promise((resolve, reject) => {
    wanted.then(resolve, reject);
    other.then(
      (found) => {
        if (found.length > 0) clock.setTimeout(() => resolve([]), OTHER_FAMILY_MS);
      },
      () => undefined,
    );
  });
}

function byTurns(first: readonly string[], second: readonly string[]): string[] {
  const mixed: string[] = [];
  for (let index = 0; index < Math.max(first.length, second.length); index++) {
    for (const address of [first[index], second[index]]) {
      if (address !== undefined && isIP(address) !== 0) mixed.push(address);
    }
  }
  return mixed;
}

function failureOf(name: string, error: unknown): StepFailure {
  if (error instanceof StepFailure) return error;
  if (codeOf(error) === 'ETIMEOUT') return new StepFailure('timeout', `the DNS servers did not answer about ${name}`);
  return new StepFailure('not_found', `the DNS servers failed for ${name}: ${reasonOf(error)}`, { cause: error });
}

function late(name: string, ms: number): StepFailure {
  return new StepFailure('timeout', `the DNS servers did not answer about ${name} within ${ms} ms`);
}
