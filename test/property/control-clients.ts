/**
 * What clients and other servers believe, and the rule that holds for every single thing they are told: what is for them, in the form that
 * modules gave, and else nothing but one last `offline` to whoever believed something else.
 */
import { deepStrictEqual, ok } from 'node:assert/strict';
import type { PresenceCursor } from '../../src/core/engine-api.ts';
import { Form, isHidden, reduced } from '../../src/core/forms.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import type { ServerName, UserId } from '../../src/matrix/identifiers.ts';
import { type ControlModel, isOpen, NOT_THERE, type View, viewOf } from './control-model.ts';

/** A token, and what a client that has it believes. */
export interface Token {
  readonly cursor: PresenceCursor | null;
  readonly views: ReadonlyMap<UserId, View>;
  /** Step at which nothing before was held up. */
  readonly step: number;
  /** How much of the user's room history it covers. */
  readonly rooms: number;
}

export const NO_TOKEN: Token = { cursor: null, views: new Map(), step: -1, rooms: 0 };

export class Beliefs {
  readonly #model: ControlModel;
  /** By observer and source: the last step at which the observer could see that the source was there, or was told of it. */
  readonly #lit = new Map<string, number>();
  /** The same, but for whether anything named the source to the observer. */
  readonly #allowed = new Map<string, number>();
  /** The same, whether or not the source was there, and whether or not it was kept from the observer, who may be told so when they lose it. */
  readonly #seen = new Map<string, number>();
  /** Whether or not the source was there, and anything named it. */
  readonly #open = new Set<string>();
  /** Who was there when modules began to restrict: nobody knows who saw them. */
  #litBefore: ReadonlySet<UserId> = new Set();
  readonly #servers = new Map<ServerName, Map<UserId, View>>();
  readonly #undecided = new Set<UserId>();

  constructor(model: ControlModel) {
    this.#model = model;
  }

  /** After whatever changes it: whom local observers can see. `updated`: who was told of just now, be it as offline. */
  note(step: number, observers: readonly UserId[], sources: readonly UserId[], updated: readonly UserId[]): void {
    const model = this.#model;
    for (const source of sources) {
      const isNews = model.isLit(source) || updated.includes(source);
      for (const observer of observers) {
        const key = `${observer} ${source}`;
        const isNamed = model.isNamed(observer, source);
        if (isNamed) this.#seen.set(key, step);
        if (!isOpen(model.form(source, observer))) continue;
        this.#open.add(key);
        if (isNews) this.#allowed.set(key, step);
        if (isNews && isNamed) this.#lit.set(key, step);
      }
    }
  }

  /** Modules restrict from now on. */
  begin(sources: readonly UserId[]): void {
    this.#litBefore = new Set(sources.filter((source) => this.#model.isLit(source)));
  }

  /**
   * A client is told of `source`: whether that may be, and what it believes then. `why`: it is to be told of them whatever is new, because it
   * knows nothing yet, or they are new in a room, or they left one, or that was cut off before.
   */
  tell(
    observer: UserId,
    token: Token,
    source: UserId,
    why: 'first' | 'gained' | 'lost' | 'owed' | null,
    form: number,
    shown: UserPresenceState,
  ): View {
    const model = this.#model;
    const what = `${observer} is told of ${source} in form ${form}`;
    if (model.hears(observer, source)) {
      deepStrictEqual(form, model.form(source, observer), what);
      return viewOf(reduced(shown, form));
    }
    ok(isHidden(form), `${what}, which may say no more than that they are offline`);
    const own = model.form(source, observer);
    const isNamed = model.isNamed(observer, source);
    const isShown = isNamed && own === Form.OFFLINE && (why === 'first' || why === 'gained');
    // Whoever shared a room until now may have been seen.
    const wasOpen = isOpen(own) || this.#open.has(`${observer} ${source}`);
    const isParted = !isNamed && wasOpen && why === 'lost';
    const believed = token.views.get(source) ?? NOT_THERE;
    const last = (isNamed ? this.#allowed : this.#lit).get(`${observer} ${source}`) ?? -1;
    const isBefore = this.#litBefore.has(source);
    // Nothing new, and nothing that they may not know.
    const wasSeen = !isNamed && (this.#seen.get(`${observer} ${source}`) ?? -1) >= token.step;
    const isHarmless = wasSeen || (wasOpen && !model.isLit(source));
    const isDue = believed !== NOT_THERE || last >= token.step || isBefore || isHarmless;
    // As offline they were to be told of anyhow, when it was cut off.
    const isOwed = why === 'owed' && (wasOpen || isNamed);
    ok(isDue || isShown || isParted || isOwed, `${what}, but knows it, or never saw them`);
    return NOT_THERE;
  }

  /** A server is sent a state. `shown`: all that the server may know of it now. */
  tellServer(server: ServerName, state: UserPresenceState, isHeldUp: boolean): void {
    const source = state.userId;
    const form = this.#model.form(source, server);
    const what = `${server} is sent ${source} (${state.state}) in form ${form}`;
    if (isOpen(form)) deepStrictEqual(state, reduced(state, form), what);
    else {
      deepStrictEqual(state, reduced(state, Form.DENIED), `${what}, which may say no more than that they are offline`);
      // Of what is held up nobody knows yet whom it will reach.
      const wasThere = this.serverView(server, source) !== NOT_THERE || this.#litBefore.has(source);
      const isDue = wasThere || isHeldUp || this.#undecided.has(source) || !this.#model.isLit(source);
      ok(isDue, `${what}, but knows it, or never saw them`);
    }
    const views = this.#servers.get(server) ?? new Map<UserId, View>();
    this.#servers.set(server, views.set(source, viewOf(state)));
  }

  /** An answer about the source was given while routers had still to say who gets its newest update. */
  noteUndecided(source: UserId): void {
    this.#undecided.add(source);
  }

  serverView(server: ServerName, source: UserId): View {
    return this.#servers.get(server)?.get(source) ?? NOT_THERE;
  }

  /** The user is forgotten: their number may be another's. */
  forget(userId: UserId): void {
    for (const noted of [this.#lit, this.#allowed, this.#seen, this.#open]) {
      for (const key of noted.keys()) if (key.endsWith(` ${userId}`)) noted.delete(key);
    }
  }
}
