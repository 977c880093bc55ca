/**
 * The present for servers that missed something: a peer that was away, all of them after a restart of ours, or one a module names.
 *
 * Everybody local is looked at, a few hundred at a time with pauses between, and the routers are asked again about them. Only one
 * question is out at a time, and servers that come back together share the answers. What is published meanwhile goes its own way: whoever
 * has a newer update by then is left to it, and states are taken when they are handed over, not when routers were asked.
 */
import type { PresenceUpdate, RoutingAnswer } from '../core/engine-api.ts';
import type { LocalUsers } from '../core/local-users.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import type { Router } from '../router-host/index.ts';
import { type Background, breathe } from './background.ts';
import type { Outlet } from './outlet.ts';
import type { ServerForms } from './server-forms.ts';

/** Dense ids looked at in one go; also the most that routers are asked about at once. */
const BATCH = 500;
/** Between two questions to routers, so that catching up leaves modules time for what happens now. */
const PAUSE_MS = 10;
/** How long, and how many, answers are shared: enough for servers that come back together. */
const SHARED_MS = 5_000;
const MAX_SHARED = 8;
/** An update may be told this long after the time it bears: store and routers come first. */
const TOLD_LATE_MS = 60_000;
/** What was told before is no news after a restart: at a first one with federation, that would be everybody who ever was online. */
const MAX_AGE_MS = 7 * 24 * 60 * 60_000;
const NO_ANSWER: RoutingAnswer = new Map();

export interface OwedOptions extends Background {
  readonly serverName: ServerName;
  readonly router: Router;
  readonly outlet: Pick<Outlet, 'send'>;
  readonly forms: ServerForms;
  readonly isStopped: () => boolean;
}

/** Whom: those who are not offline (if `present`), and those who were told of at or after `sinceTs`. */
interface Range {
  readonly sinceTs: number;
  readonly present: boolean;
}

/** A batch of them, and what routers said. */
interface Look extends Range {
  readonly updates: readonly PresenceUpdate[];
  readonly answer: RoutingAnswer;
  readonly askedTs: number;
}

export class OwedPresenceReader {
  readonly #options: OwedOptions;
  /** Settles when the question before has been answered and its pause is over. */
  #lane: Promise<void> = Promise.resolve();
  /** By first dense id, oldest first. */
  readonly #shared = new Map<number, Look>();
  #passes = 0;

  constructor(options: OwedOptions) {
    this.#options = options;
  }

  /** See the port `OwedPresence`. Batches may be empty, so that nobody who waits for the next one waits for long. */
  async *statesFor(
    local: LocalUsers,
    destination: ServerName,
    sinceTs: number,
  ): AsyncGenerator<readonly UserPresenceState[], void, void> {
    const { forms, serverName } = this.#options;
    if (destination === serverName) return;
    for await (const { updates, answer } of this.#pass(local, { sinceTs, present: true })) {
      const isFor = ({ uid, state }: PresenceUpdate): boolean =>
        local.sharesRoomWith(uid, destination) ||
        (answer.get(state.userId)?.some((target) => serverNameOf(target) === destination) ?? false);
      const meant = updates.filter(isFor);
      await forms.known(destination, meant);
      yield forms.shown(
        destination,
        meant.filter((update) => local.isNewest(update)),
      );
    }
  }

  /** Other modules answer from now on. */
  forgetAnswers(): void {
    this.#shared.clear();
  }

  /** Tells servers again of local users whom they were told of at or after `sinceTs`; resolves when all is handed over. */
  async resendSince(local: LocalUsers, sinceTs: number): Promise<void> {
    const fromTs = Math.max(sinceTs - TOLD_LATE_MS, this.#options.clock.now() - MAX_AGE_MS);
    for await (const { updates, answer } of this.#pass(local, { sinceTs: fromTs, present: false })) {
      const newest = updates.filter((update) => local.isNewest(update));
      // About whom modules have not said anything yet is told when they have.
      this.#options.outlet.send(local.tellServersAgain(newest));
      this.#options.outlet.send(local.tellRoutedServersAgain(newest, answer));
    }
  }

  /** Users who are not offline and whom routers send to these remote users: server → users. */
  async routedTo(local: LocalUsers, targets: ReadonlySet<UserId>): Promise<Map<ServerName, UserId[]>> {
    const routed = new Map<ServerName, UserId[]>();
    if (!this.#options.router.hasCallbacks) return routed;
    for await (const { updates, answer } of this.#pass(local, { sinceTs: Infinity, present: true })) {
      for (const update of updates) {
        const named = answer.get(update.state.userId)?.filter((target) => targets.has(target)) ?? [];
        if (named.length === 0 || !local.isNewest(update)) continue;
        for (const server of new Set(named.map(serverNameOf))) {
          const users = routed.get(server);
          if (users === undefined) routed.set(server, [update.state.userId]);
          else users.push(update.state.userId);
        }
      }
    }
    return routed;
  }

  /** All of them in batches; gives way to everything else after each. */
  async *#pass(local: LocalUsers, range: Range): AsyncGenerator<Look, void, void> {
    const { isStopped } = this.#options;
    this.#passes++;
    try {
      for (let from = 0; from < local.bound && !isStopped(); from += BATCH) {
        const look = await this.#look(local, range, from);
        if (isStopped()) return;
        yield look;
        await breathe(this.#options);
      }
    } finally {
      this.#passes--;
      if (this.#passes === 0) this.#shared.clear();
    }
  }

  async #look(local: LocalUsers, range: Range, from: number): Promise<Look> {
    const { clock, isStopped, router } = this.#options;
    const look = (): Omit<Look, 'answer'> => ({
      ...range,
      updates: local.toldSince(range.sinceTs, range.present, from, from + BATCH),
      askedTs: clock.now(),
    });
    if (!router.hasCallbacks) return { ...look(), answer: NO_ANSWER };
    const before = this.#lane;
    let release = (): void => undefined;
    this.#lane = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    const shared = this.#sharedLook(range, from);
    const asked = shared ?? look();
    if (shared !== null || asked.updates.length === 0 || isStopped()) {
      release();
      return shared ?? { ...asked, answer: NO_ANSWER };
    }
    try {
      const answer = await router.getUsersForStates(asked.updates.map(({ state }) => state));
      const answered: Look = { ...asked, answer };
      this.#share(from, answered);
      return answered;
    } finally {
      clock.setTimeout(release, PAUSE_MS);
    }
  }

  #sharedLook(range: Range, from: number): Look | null {
    const look = this.#shared.get(from);
    if (look === undefined || look.askedTs + SHARED_MS < this.#options.clock.now()) return null;
    return look.sinceTs <= range.sinceTs && (look.present || !range.present) ? narrowed(look, range) : null;
  }

  #share(from: number, look: Look): void {
    this.#shared.delete(from);
    this.#shared.set(from, look);
    const [oldest] = this.#shared.keys();
    if (this.#shared.size > MAX_SHARED && oldest !== undefined) this.#shared.delete(oldest);
  }
}

/** What a range asks for, of an answer to a wider one. */
function narrowed(look: Look, { sinceTs, present }: Range): Look {
  const updates = look.updates.filter(
    ({ state }) => state.lastFederationUpdateTs >= sinceTs || (present && state.state !== 'offline'),
  );
  return { ...look, updates };
}
