/**
 * Where a server is found, as what it is spoken to, and for which name its certificate must be: the result of server discovery.
 */

export interface RouteTarget {
  /** A DNS name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** What discovery went by. */
export type RouteSource = 'literal' | 'port' | 'srv' | 'default';

export interface Route {
  /** The `Host` header. */
  readonly hostHeader: string;
  /** A DNS name, or an address without brackets. */
  readonly tlsName: string;
  /** At least one; several only from SRV records. In an order that depends on nothing but themselves. */
  readonly targets: readonly RouteTarget[];
  readonly source: RouteSource;
  /** Whether a `.well-known` answer named the server. */
  readonly delegated: boolean;
}

/** Equal for routes that connections can be shared by. */
export function sameRoute(a: Route, b: Route): boolean {
  return (
    a === b ||
    (a.hostHeader === b.hostHeader &&
      a.tlsName === b.tlsName &&
      JSON.stringify(a.targets) === JSON.stringify(b.targets))
  );
}
