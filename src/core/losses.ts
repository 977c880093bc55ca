/**
 * Whom an observer has lost sight of, and at which position of the stream they are to be told so: from farewells, from what modules
 * have come to keep back, and from rooms.
 */
import { Form, isHidden, UNKNOWN } from './forms.ts';
import type { Farewells } from './farewells.ts';
import type { Positions } from './positions.ts';
import type { Restrictions } from './restrictions.ts';
import type { Turn } from './turn.ts';
import type { UserTable } from './user-table.ts';
import type { Visibility } from './visibility.ts';

export interface LossParts {
  readonly users: UserTable;
  readonly visibility: Visibility;
  readonly positions: Positions;
  readonly turn: Turn;
  readonly restrictions: Restrictions;
  readonly farewells: Farewells;
}

export class Losses {
  readonly #parts: LossParts;
  readonly #tellsLoss: boolean;

  constructor(parts: LossParts, tellsLoss: boolean) {
    this.#parts = parts;
    this.#tellsLoss = tellsLoss;
  }

  /** Whether the observer has lost nobody, and nothing is kept from anybody. */
  areNoneFor(observer: number): boolean {
    const { farewells, restrictions } = this.#parts;
    return !restrictions.isOn && (farewells.size === 0 || !farewells.isFor(observer));
  }

  /** Whether the observer may have seen somebody present, at `since` or after, whom no rule lets them see any more. */
  hasGone(observer: number, uid: number, since: number): boolean {
    if (!this.#tellsLoss) return false;
    const { farewells, restrictions, turn, users, visibility } = this.#parts;
    if (visibility.wouldSee(observer, uid)) return false;
    const form = restrictions.form(uid, observer);
    // That they have gone offline since is withheld.
    if (form === UNKNOWN && restrictions.wasThere(uid)) return true;
    if (turn.isShownOffline(uid) && (users.position[uid] as number) <= since) return false;
    if (form !== UNKNOWN && !isHidden(form)) return true;
    return farewells.at(observer, uid) > since || restrictions.lostAt(uid, observer) > since;
  }

  /** Whether an entry of the inbox after `since` says that the observer has lost somebody. */
  isTold(observer: number, uid: number, since: number): boolean {
    const { visibility } = this.#parts;
    if (this.hasFarewell(observer, uid, since)) return true;
    if (!visibility.wouldSee(observer, uid)) return false;
    const form = visibility.formFor(observer, uid);
    return form !== UNKNOWN && isHidden(form) && this.newsAt(observer, uid, form, 0) > since;
  }

  /** Whether the observer, and not just anybody, was to be told after `since` that they have lost somebody. */
  hasFarewell(observer: number, uid: number, since: number): boolean {
    return this.#lostAt(observer, uid, this.#parts.farewells.at(observer, uid)) > since;
  }

  /** Position of what there is to tell, which is at `position` unless they are hidden: then only that they have come to be; 0 for nothing. */
  newsAt(observer: number, uid: number, form: Form, position: number): number {
    if (form === UNKNOWN || !isHidden(form)) return position;
    if (!this.#tellsLoss && (form & Form.DENIED) !== 0) return 0;
    const at = this.#parts.restrictions.lostAt(uid, observer);
    return at <= this.#published ? at : 0;
  }

  /** Calls `visit` for each whom the observer has lost after `since`, by the position of that. */
  each(observer: number, since: number, visit: (uid: number, position: number) => void): void {
    const { farewells } = this.#parts;
    if (farewells.size === 0) return;
    for (const [uid, farewell] of farewells.of(observer)) {
      if (farewell <= since) continue;
      const at = this.#lostAt(observer, uid, farewell);
      if (at > since) visit(uid, at);
    }
  }

  /** Position at which the observer lost sight of somebody, if that is still so; 0 for never. */
  #lostAt(observer: number, uid: number, farewell: number): number {
    const { visibility } = this.#parts;
    if (farewell === 0 || !visibility.hasLost(observer, uid)) return 0;
    const isOfHidden = farewell % 2 !== 0;
    if (isOfHidden && !visibility.wouldSee(observer, uid)) return 0;
    const at = isOfHidden ? farewell - 1 : farewell;
    return at <= this.#published ? at : 0;
  }

  get #published(): number {
    return this.#parts.positions.published;
  }
}
