/**
 * GET …/status: the same answer to who may see whom, and in what form, as on every other path.
 *
 * Observers who are not connected may be watchers by a module's word alone, which is asked for then; what is said about them is not kept. A
 * pair about which the modules have not said what is kept back waits for them, at most until the routers' deadline.
 */
import type { Observer } from '../core/engine-api.ts';
import { Form, UNKNOWN } from '../core/forms.ts';
import type { InterestAnswer } from '../core/interest.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { Clock } from '../ports/clock.ts';
import { formIn } from '../router-host/restriction-answers.ts';
import type { Router } from '../router-host/router-api.ts';
import { formatStatus } from './format-presence.ts';
import type { InterestKeeper } from './interest-keeper.ts';
import type { RestrictionKeeper } from './restriction-keeper.ts';

export interface StatusReaderOptions {
  readonly clock: Clock;
  readonly router: Pick<Router, 'hasCallbacks' | 'getRestrictions'>;
  readonly engine: () => {
    formFor(observer: Observer, target: UserId): Form;
    interestOf(observer: UserId): InterestAnswer | null;
  };
  readonly interest: Pick<InterestKeeper, 'lookUp'>;
  readonly restrictions: Pick<RestrictionKeeper, 'answered' | 'isRestricting'>;
  /** Whether anything was ever heard of the user. */
  readonly isKnown: (userId: UserId) => boolean;
  /** Of anybody, as observers may see them. */
  readonly stateOf: (userId: UserId) => UserPresenceState;
}

export class StatusReader {
  readonly #options: StatusReaderOptions;

  constructor(options: StatusReaderOptions) {
    this.#options = options;
  }

  /** See `PresenceHandler.statusFor`. */
  statusFor(observer: UserId, target: UserId): string | null | Promise<string | null> {
    const form = this.formFor(observer, target);
    return form instanceof Promise ? form.then((late) => this.#body(target, late)) : this.#body(target, form);
  }

  /** In what form: `DENIED` if not at all, `UNKNOWN` if modules have not said in time. */
  formFor(observer: UserId, target: UserId): Form | Promise<Form> {
    const { engine, interest, isKnown, restrictions, router } = this.#options;
    const form = engine().formFor(observer, target);
    if (form === UNKNOWN) {
      const answered = restrictions.answered([{ source: target, observers: [observer] }]);
      const later = (): Form => engine().formFor(observer, target);
      return answered === undefined ? later() : answered.then(later);
    }
    // Whoever is connected has been asked about.
    const mayBeWatcher = (form & Form.DENIED) !== 0 && router.hasCallbacks && engine().interestOf(observer) === null;
    if (!mayBeWatcher || !isKnown(target)) return form;
    return interest.lookUp(observer).then((wanted) => {
      if (wanted !== 'ALL' && wanted?.includes(target) !== true) return Form.DENIED;
      return this.#restrictionOn(observer, target);
    });
  }

  async #restrictionOn(observer: UserId, target: UserId): Promise<Form> {
    if (!this.#options.restrictions.isRestricting) return Form.FULL;
    return formIn(await this.#options.router.getRestrictions(target, [observer]), observer);
  }

  #body(target: UserId, form: Form): string | null {
    const { clock, stateOf } = this.#options;
    if (form === UNKNOWN || (form & Form.DENIED) !== 0) return null;
    return formatStatus(stateOf(target), clock.now(), form);
  }
}
