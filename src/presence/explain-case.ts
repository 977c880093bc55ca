/**
 * What an explanation is made of: the parts it reads, and everything known of the pair at one instant.
 */
import type { PairFacts } from '../core/explain.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { Clock } from '../ports/clock.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { Router } from '../router-host/index.ts';
import type { Pair } from './explain-modules.ts';
import type { ExplainDirectory, ObserverKind } from './explanation.ts';
import type { PresenceSettings } from './presence-options.ts';
import type { RemoteKeeper } from './remote-keeper.ts';

export interface ExplainParts {
  readonly settings: Pick<PresenceSettings, 'serverName' | 'mode' | 'excludedRooms' | 'limits'>;
  readonly engine: () => PresenceEngine;
  readonly router: Pick<Router, 'hasCallbacks' | 'restricts' | 'examine'>;
  readonly federation: FederationTransport;
  readonly clock: Clock;
  readonly remote: Pick<RemoteKeeper, 'standingOf'>;
}

/** Rooms named in an explanation; more are counted. */
export const MAX_ROOMS_NAMED = 10;

/** What everything below looks at. */
export interface Case extends Pair, ExplainParts {
  readonly kind: ObserverKind;
  readonly isTargetLocal: boolean;
  readonly facts: PairFacts;
  /** Null if nothing is known of the target. */
  readonly state: UserPresenceState | null;
  readonly directory: ExplainDirectory;
  readonly now: number;
}

/** What nothing in effect has decided yet, so that modules are asked whenever somebody needs to know. */
export type AskedNow = 'interest' | 'routes' | 'restrictions' | null;
