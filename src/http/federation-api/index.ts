/**
 * The operations of the server-server API that this server answers, on listeners with the resource `federation`; everything else is
 * `M_UNRECOGNIZED`.
 */
import { BodyTurns } from '../../federation/receiving/body-turns.ts';
import { ByteAllowance } from '../../federation/receiving/byte-allowance.ts';
import { FailureGuard } from '../../federation/receiving/failure-guard.ts';
import { OriginLimits, type OriginRateLimit } from '../../federation/receiving/origin-limits.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Route } from '../route.ts';
import { FederationGate, type FederationGateOptions } from './federation-gate.ts';
import { getServerKey, type GetServerKeyServices } from './getServerKey.ts';
import { getVersion } from './getVersion.ts';
import { keyQuery, type KeyQueryServices } from './keyQuery.ts';
import { queryProfile, type QueryProfileServices } from './queryProfile.ts';
import { sendTransaction, type SendTransactionServices } from './sendTransaction.ts';

export { wellKnownServer } from './wellKnownServer.ts';

/** What the operations need, together. */
export interface FederationApiServices
  extends Omit<FederationGateOptions, 'guard' | 'largeBodies' | 'limits' | 'turns'>,
    Omit<QueryProfileServices, 'gate'>,
    Omit<SendTransactionServices, 'gate'>,
    GetServerKeyServices,
    KeyQueryServices {
  /** Of this software. */
  readonly version: string;
  readonly clock: Clock;
  /** `rc_federation`. */
  readonly rateLimit: OriginRateLimit;
}

/** Every route of the server-server API. */
export function federationApiRoutes(services: FederationApiServices): Route[] {
  const { clock, metrics, rateLimit } = services;
  const limited = metrics.counter({
    name: 'thalamus_federation_rate_limited',
    help: 'Requests of other servers beyond rc_federation, that had to wait or were refused',
    labelNames: ['action'],
  });
  const limits = new OriginLimits({
    limit: rateLimit,
    clock,
    onLimited: (action) => {
      limited.inc({ action });
    },
  });
  const gate = new FederationGate({
    ...services,
    guard: new FailureGuard({ clock }),
    largeBodies: new ByteAllowance({ clock }),
    turns: new BodyTurns({ schedule: setImmediate }),
    limits,
  });
  return [
    ...getServerKey(services),
    ...keyQuery(services),
    getVersion(services),
    queryProfile({ ...services, gate }),
    sendTransaction({ ...services, gate }),
  ];
}
