/**
 * Other modules answer from now on: everything is asked again, and what differs in who sees whom is delivered.
 *
 * First who must not get what, so that nobody gets what the new modules keep from them; then whom each connected observer is interested in,
 * and who gets each user who is not offline, or about whom an answer is in effect. A few hundred at a time with pauses between. Whoever changes
 * meanwhile goes their own way: what is published from now on is asked of the new modules anyway, and is at least as new. A
 * replacement that comes meanwhile takes over.
 */
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { Router } from '../router-host/index.ts';
import { NO_ROUTES } from '../router-host/router-api.ts';
import { type Background, breathe } from './background.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { OwedPresenceReader } from './owed-presence.ts';
import type { RemoteKeeper } from './remote-keeper.ts';
import type { RestrictionKeeper } from './restriction-keeper.ts';
import type { RoutingQueue } from './routing-queue.ts';

/** Users looked at in one go, and asked about at once. */
const BATCH = 300;
const EVERYBODY = { state: null, server: null, prefix: '' } as const;

export interface ModulesReplacedParts extends Background {
  readonly router: Pick<Router, 'hasCallbacks'>;
  readonly engine: () => Pick<PresenceEngine, 'local' | 'routable' | 'setRoutersAreAsked' | 'view'>;
  readonly restrictions: Pick<RestrictionKeeper, 'modulesReplaced'>;
  readonly interest: Pick<InterestKeeper, 'askAgain' | 'forgetAnswers'>;
  readonly routing: Pick<RoutingQueue, 'ask' | 'isBusyWith' | 'modulesReplaced' | 'takeAnswer'>;
  readonly remote: Pick<RemoteKeeper, 'modulesReplaced'>;
  readonly owed: Pick<OwedPresenceReader, 'forgetAnswers'>;
  readonly isStopped: () => boolean;
}

export class ModulesReplaced {
  readonly #parts: ModulesReplacedParts;
  #count = 0;

  constructor(parts: ModulesReplacedParts) {
    this.#parts = parts;
  }

  /** What must not wait is done before it returns. Resolves when all are asked and what differs is delivered. */
  async run(): Promise<void> {
    const { engine, owed, remote, restrictions, router, routing, isStopped } = this.#parts;
    const count = ++this.#count;
    const isOver = (): boolean => isStopped() || this.#count !== count;
    const restricted = restrictions.modulesReplaced();
    engine().setRoutersAreAsked(router.hasCallbacks);
    routing.modulesReplaced();
    owed.forgetAnswers();
    remote.modulesReplaced();
    await restricted;
    if (!router.hasCallbacks) this.#parts.interest.forgetAnswers();
    else await this.#askObservers(isOver);
    await this.#routeAgain(isOver);
  }

  async #askObservers(isOver: () => boolean): Promise<void> {
    const { engine, interest } = this.#parts;
    for (let from: number | null = 0; from !== null && !isOver(); ) {
      const { users, next } = engine().view.list(EVERYBODY, from, BATCH);
      const connected: UserId[] = [];
      for (const { isConnected, state } of users) if (isConnected) connected.push(state.userId);
      await interest.askAgain(connected);
      await breathe(this.#parts);
      from = next;
    }
  }

  async #routeAgain(isOver: () => boolean): Promise<void> {
    const { engine, router, routing } = this.#parts;
    for (let from = 0; from < engine().local.bound && !isOver(); from += BATCH) {
      // Whoever has something on its way to the modules is asked about by that.
      const updates = engine()
        .routable(from, from + BATCH)
        .filter(({ uid }) => !routing.isBusyWith(uid));
      if (updates.length > 0) {
        if (router.hasCallbacks) await routing.ask(updates);
        else routing.takeAnswer(updates, NO_ROUTES);
      }
      await breathe(this.#parts);
    }
  }
}
