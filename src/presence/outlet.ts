/**
 * Where deliveries leave the presence service: parts of other servers to the federation transport, local observers to the listeners.
 *
 * Whatever tells somebody comes by here, and may have kept something back until modules say whether it may be told: so they are asked here.
 */
import type { Deliveries } from '../core/engine-api.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import { type Background, inBackground } from './background.ts';
import type { PositionBlock } from './position-block.ts';

type Listener = (users: readonly UserId[]) => void;

export interface OutletOptions extends Background {
  readonly engine: () => Pick<PresenceEngine, 'position' | 'userId'>;
  readonly positions: Pick<PositionBlock, 'isLow' | 'cover'>;
  readonly federation: FederationTransport;
  /** Asks modules about what was kept back. */
  readonly settle: () => void;
  readonly onDelivered: () => void;
}

export class Outlet {
  readonly #options: OutletOptions;
  readonly #listeners = new Set<Listener>();

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** See `PresenceHandler.onNotify`. */
  onNotify(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  deliver({ observers, servers }: Deliveries): void {
    const { positions } = this.#options;
    const engine = this.#options.engine();
    this.#send(servers);
    this.#options.onDelivered();
    // Positions given out between turns are covered by half a block; see to it that it stays so.
    if (positions.isLow(engine.position)) {
      inBackground(this.#options, 'positions', positions.cover(engine.position));
    }
    if (observers.length > 0) this.#notify(engine, observers);
    this.#options.settle();
  }

  send(servers: Deliveries['servers']): void {
    this.#send(servers);
    this.#options.settle();
  }

  keepAlive(servers: Deliveries['servers']): void {
    for (const [server, states] of servers) this.#options.federation.sendKeepAlives(server, states);
    this.#options.settle();
  }

  #notify(engine: Pick<PresenceEngine, 'userId'>, observers: Uint32Array): void {
    const { logger } = this.#options;
    const users: UserId[] = [];
    for (const uid of observers) users.push(engine.userId(uid));
    for (const listener of this.#listeners) {
      try {
        listener(users);
      } catch (err) {
        logger.error({ err }, 'a listener for presence failed');
      }
    }
  }

  #send(servers: Deliveries['servers']): void {
    for (const [server, states] of servers) this.#options.federation.sendPresence(server, states);
  }
}
