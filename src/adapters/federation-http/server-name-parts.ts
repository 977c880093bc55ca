/**
 * A server name taken apart: host and port, and whether the host is an address.
 *
 * Source: Matrix specification, appendices, "Server Name".
 */
import { isIP } from 'node:net';
import { isServerName, type ServerName } from '../../matrix/identifiers.ts';

export interface ServerNameParts {
  /** A DNS name, or an address without brackets. */
  readonly host: string;
  /** Null if the name has none. */
  readonly port: number | null;
  /** 0 for a DNS name. */
  readonly family: 0 | 4 | 6;
}

/** Null for what is no server name, and for ports and addresses that cannot be. */
export function serverNameParts(name: ServerName): ServerNameParts | null {
  if (!isServerName(name)) return null;
  const match = /^(?:\[(?<address>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d+))?$/.exec(name);
  if (match?.groups === undefined) return null;
  const { address, host, port } = match.groups;
  const number = port === undefined ? null : Number(port);
  if (number !== null && (number < 1 || number > 65_535)) return null;
  if (address !== undefined) return isIP(address) === 6 ? { host: address, port: number, family: 6 } : null;
  if (host === undefined || !/[0-9A-Za-z]/.test(host)) return null;
  return { host, port: number, family: isIP(host) === 4 ? 4 : 0 };
}

/** `example.org:8448`, `[::1]:8448` */
export function hostAndPort(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
