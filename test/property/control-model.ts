/**
 * Who gets what, and in what form: the contract of full control, written to be obvious instead of fast. Everything is recomputed.
 *
 * It knows rooms, interest, kept answers and restrictions; of presence it is told what was published. It says what an observer, or another
 * server, should believe of a source when everything has arrived, and what may be told at any moment.
 */
import type { Observer, RestrictionAnswer, RoutingAnswer } from '../../src/core/engine-api.ts';
import { Form, isHidden, reduced, UNKNOWN } from '../../src/core/forms.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import { type RoomId, type ServerName, serverNameOf, type UserId } from '../../src/matrix/identifiers.ts';

/** What somebody believes of a user; whoever was never told of believes them offline. */
export interface View {
  readonly state: string;
  readonly statusMsg: string | null;
  readonly currentlyActive: boolean;
}

export const NOT_THERE: View = Object.freeze({ state: 'offline', statusMsg: null, currentlyActive: false });

interface Answer {
  readonly others: number | null;
  readonly observers: Map<Observer, number>;
}

export class ControlModel {
  readonly ownServer: ServerName;
  readonly rooms = new Map<RoomId, Set<UserId>>();
  /** Of connected observers only. */
  readonly interest = new Map<UserId, readonly UserId[] | 'ALL'>();
  readonly kept = new Map<UserId, ReadonlySet<UserId>>();
  /** Other servers that routers named for the last update. */
  readonly #routed = new Map<UserId, ReadonlySet<ServerName>>();
  /** What was published last. */
  readonly shown = new Map<UserId, UserPresenceState>();
  readonly #answers = new Map<UserId, Answer>();
  #isRestricting = false;
  /** Whom a server has heard of: what `ALL` means. */
  readonly #isKnown: (userId: UserId) => boolean;

  constructor(ownServer: ServerName, isKnown: (userId: UserId) => boolean) {
    this.ownServer = ownServer;
    this.#isKnown = isKnown;
  }

  isLocal(userId: UserId): boolean {
    return serverNameOf(userId) === this.ownServer;
  }

  // What happens.

  join(userId: UserId, roomId: RoomId): void {
    this.rooms.set(roomId, (this.rooms.get(roomId) ?? new Set()).add(userId));
  }

  leave(userId: UserId, roomId: RoomId): void {
    this.rooms.get(roomId)?.delete(userId);
  }

  /** The routers' answer about one source: stands until its next update has been routed. */
  route(source: UserId, answer: RoutingAnswer): void {
    const targets = (answer.get(source) ?? []).filter((target) => target !== source);
    this.kept.set(source, new Set(targets.filter((target) => this.isLocal(target))));
    const remote = targets.filter((target) => !this.isLocal(target) && this.isLocal(source));
    this.#routed.set(source, new Set(remote.map((target) => serverNameOf(target))));
  }

  get isRestricting(): boolean {
    return this.#isRestricting;
  }

  setRestricting(isRestricting: boolean): void {
    this.#isRestricting = isRestricting;
    if (!isRestricting) this.#answers.clear();
  }

  /**
   * What modules say is about everybody, or about those asked; then of others stands what was said of them when they were asked, and of
   * `audience`, whom it concerns now, whatever was said.
   */
  restrict(source: UserId, asked: readonly Observer[], answer: RestrictionAnswer, audience: readonly Observer[]): void {
    if (!this.#isRestricting) return;
    if (answer.others !== null) {
      const different = [...answer.observers].filter(([, form]) => form !== answer.others);
      this.#answers.set(source, { others: answer.others, observers: new Map(different) });
      return;
    }
    const known = { others: null, observers: new Map<Observer, number>(this.#answers.get(source)?.observers) };
    for (const observer of audience) {
      const form = this.form(source, observer);
      if (form !== UNKNOWN && observer !== source) known.observers.set(observer, form);
    }
    for (const observer of asked) known.observers.set(observer, answer.observers.get(observer) ?? Form.FULL);
    this.#answers.set(source, known);
  }

  /** Nothing is known about the user any more. */
  forget(userId: UserId): void {
    this.#answers.delete(userId);
    this.kept.delete(userId);
    this.#routed.delete(userId);
    this.shown.delete(userId);
  }

  /** The user is forgotten as an observer: answers that name them have to be given again. */
  forgetObserver(userId: UserId): void {
    for (const [source, { observers }] of this.#answers) if (observers.has(userId)) this.#answers.delete(source);
  }

  // What follows.

  /** What modules have said about the pair; unknown if nothing. */
  form(source: UserId, observer: Observer): number {
    if (!this.#isRestricting || source === observer) return Form.FULL;
    const answer = this.#answers.get(source);
    return answer?.observers.get(observer) ?? answer?.others ?? UNKNOWN;
  }

  /** Whether anything but restrictions lets a local user see the source. */
  isNamed(observer: UserId, source: UserId): boolean {
    if (observer === source || this.shareRoom(observer, source)) return true;
    const interest = this.interest.get(observer) ?? [];
    if (interest === 'ALL' ? this.#isKnown(source) : interest.includes(source)) return true;
    return this.kept.get(source)?.has(observer) ?? false;
  }

  /** Whether the source's updates are for the observer. */
  hears(observer: UserId, source: UserId): boolean {
    return this.isNamed(observer, source) && isOpen(this.form(source, observer));
  }

  shareRoom(one: UserId, other: UserId): boolean {
    return [...this.rooms.values()].some((members) => members.has(one) && members.has(other));
  }

  /** Whether anything but restrictions sends a local user's presence to the server. */
  isSent(server: ServerName, source: UserId): boolean {
    return this.sharesRoomWith(server, source) || (this.#routed.get(source)?.has(server) ?? false);
  }

  sharesRoomWith(server: ServerName, source: UserId): boolean {
    if (!this.isLocal(source) || server === this.ownServer) return false;
    return [...this.rooms.values()].some(
      (members) => members.has(source) && [...members].some((member) => serverNameOf(member) === server),
    );
  }

  isLit(source: UserId): boolean {
    return (this.shown.get(source)?.state ?? 'offline') !== 'offline';
  }

  /** What the observer is to believe of the source, with this form in place of what modules have said so far if given. */
  view(observer: UserId, source: UserId, form = this.form(source, observer)): View {
    return this.isNamed(observer, source) ? this.viewIn(form, source) : NOT_THERE;
  }

  /** The same of a server. */
  serverView(server: ServerName, source: UserId, form = this.form(source, server)): View {
    return this.isSent(server, source) ? this.viewIn(form, source) : NOT_THERE;
  }

  viewIn(form: number, source: UserId): View {
    const shown = this.shown.get(source);
    if (shown === undefined || shown.state === 'offline' || !isOpen(form)) return NOT_THERE;
    return viewOf(reduced(shown, form));
  }
}

/** Whether updates reach somebody with this form at all. */
export function isOpen(form: number): boolean {
  return form !== UNKNOWN && !isHidden(form);
}

export function viewOf({ state, statusMsg, currentlyActive }: UserPresenceState): View {
  return state === 'offline' ? NOT_THERE : { state, statusMsg, currentlyActive };
}
