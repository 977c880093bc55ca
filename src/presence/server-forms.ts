/**
 * In what form other servers may have our users, where presence is put together for one server: modules are asked about what is unknown, and
 * whoever puts it together waits for them.
 */
import type { RestrictionQuestion } from '../core/engine-api.ts';
import { type Form, isHidden, reduced, UNKNOWN } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { ServerName } from '../matrix/identifiers.ts';
import type { RestrictionKeeper } from './restriction-keeper.ts';

/** A state that is meant for a server. */
export interface MeantState {
  readonly uid: number;
  readonly state: UserPresenceState;
}

export interface ServerFormsOptions {
  readonly engine: () => { formForServer(server: ServerName, uid: number): Form };
  readonly restrictions: Pick<RestrictionKeeper, 'ask' | 'isRestricting'>;
}

export class ServerForms {
  readonly #options: ServerFormsOptions;

  constructor(options: ServerFormsOptions) {
    this.#options = options;
  }

  /** Resolves when modules have said what the server may have of these users. */
  async known(server: ServerName, meant: readonly MeantState[]): Promise<void> {
    const { engine, restrictions } = this.#options;
    if (!restrictions.isRestricting) return;
    const questions: RestrictionQuestion[] = [];
    for (const { uid, state } of meant) {
      if (engine().formForServer(server, uid) === UNKNOWN)
        questions.push({ source: state.userId, observers: [server] });
    }
    await restrictions.ask(questions);
  }

  /** What the server may have of them now, each in its form. */
  shown(server: ServerName, meant: readonly MeantState[]): UserPresenceState[] {
    const shown: UserPresenceState[] = [];
    for (const { uid, state } of meant) {
      const form = this.#options.engine().formForServer(server, uid);
      if (form !== UNKNOWN && !isHidden(form)) shown.push(reduced(state, form));
    }
    return shown;
  }
}
