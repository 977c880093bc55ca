/**
 * The present for servers that missed something: a peer that was away, or all of them after a restart of ours.
 *
 * Everybody local is looked at once, a few hundred at a time with pauses between, and the routers are asked again about those whom
 * default routing does not send. Only one batch is out at a time, however many servers come back together. What is
 * published meanwhile goes its own way; a batch is put together from the newest records, without waiting, before it is handed over.
 */
import type { PresenceUpdate, RoutingAnswer } from '../core/engine-api.ts';
import type { LocalUsers } from '../core/local-users.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type ServerName, serverNameOf } from '../matrix/identifiers.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { Router } from '../router-host/index.ts';
import { type Background, breathe } from './background.ts';

/** Dense ids looked at in one go; also the most that routers are asked about at once. */
const BATCH = 500;
/** Between two questions to routers, so that catching up leaves modules time for what happens now. */
const PAUSE_MS = 10;
/** An update may be told this long after the time it bears: store and routers come first. */
const TOLD_LATE_MS = 60_000;

export interface OwedOptions extends Background {
  readonly serverName: ServerName;
  readonly router: Router;
  readonly federation: FederationTransport;
  readonly isStopped: () => boolean;
}

export class OwedPresenceReader {
  readonly #options: OwedOptions;
  /** Settles when the question before has been answered and its pause is over. */
  #lane: Promise<void> = Promise.resolve();

  constructor(options: OwedOptions) {
    this.#options = options;
  }

  /** See the port `OwedPresence`. */
  async *statesFor(
    local: LocalUsers,
    destination: ServerName,
    sinceTs: number,
  ): AsyncGenerator<readonly UserPresenceState[], void, void> {
    const { isStopped, router, serverName } = this.#options;
    if (destination === serverName) return;
    for await (const told of this.#everybody(local, sinceTs, true)) {
      const routed = told.filter(({ uid }) => !local.sharesRoomWith(uid, destination));
      const answer = router.hasCallbacks && routed.length > 0 ? await this.#ask(routed) : null;
      if (isStopped()) return;
      const states: UserPresenceState[] = [];
      for (const update of told) {
        // Somebody newly told of while the routers were asked has been, or will be, routed by that update.
        if (!local.isNewest(update)) continue;
        const { uid, state } = update;
        if (local.sharesRoomWith(uid, destination) || names(answer, update, destination)) states.push(state);
      }
      if (states.length > 0) yield states;
    }
  }

  /** Tells servers again of local users whom they were told of at or after `sinceTs`; resolves when all is handed over. */
  async resendSince(local: LocalUsers, sinceTs: number): Promise<void> {
    const { federation, isStopped, router } = this.#options;
    for await (const told of this.#everybody(local, sinceTs - TOLD_LATE_MS, false)) {
      for (const [server, states] of local.tellServersAgain(told)) federation.sendPresence(server, states);
      if (!router.hasCallbacks) continue;
      const answer = await this.#ask(told);
      if (isStopped()) return;
      for (const [server, states] of local.tellRoutedServersAgain(told, answer))
        federation.sendPresence(server, states);
    }
  }

  /** Those concerned among all local users, in batches; gives way to everything else after each. */
  async *#everybody(
    local: LocalUsers,
    sinceTs: number,
    andPresent: boolean,
  ): AsyncGenerator<readonly PresenceUpdate[], void, void> {
    for (let from = 0; from < local.bound && !this.#options.isStopped(); from += BATCH) {
      const told = local.toldSince(sinceTs, andPresent, from, from + BATCH);
      if (told.length > 0) yield told;
      await breathe(this.#options);
    }
  }

  async #ask(updates: readonly PresenceUpdate[]): Promise<RoutingAnswer> {
    const { clock, router } = this.#options;
    const before = this.#lane;
    let release = (): void => undefined;
    this.#lane = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    try {
      return await router.getUsersForStates(updates.map(({ state }) => state));
    } finally {
      clock.setTimeout(release, PAUSE_MS);
    }
  }
}

function names(answer: RoutingAnswer | null, { state }: PresenceUpdate, server: ServerName): boolean {
  return answer?.get(state.userId)?.some((target) => serverNameOf(target) === server) ?? false;
}
