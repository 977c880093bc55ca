/**
 * What modules have said about who is kept from whose presence: (source, observer) → form, and what is withheld until they say.
 *
 * An answer about a source is either about everybody (`others`, and those who differ), or about those asked. Observers are local users,
 * by dense id, and other servers, by name. Nobody is kept from themself. While nothing restricts, nothing is looked up.
 */
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';
import { grownCapacity, resized } from './columns.ts';
import type { Observer, RestrictionAnswer, RestrictionQuestion } from './engine-api.ts';
import { Form, isHidden, UNKNOWN } from './forms.ts';
import { PairTable } from './pair-table.ts';
import { OWN_SERVER, type UserTable } from './user-table.ts';
import { type ObserverKey, Withheld } from './withheld.ts';

interface Answer {
  /** `UNKNOWN` if the answer is only about those in the tables. */
  others: Form;
  local: PairTable | null;
  servers: Map<ServerName, Form> | null;
  /** Position at which it became different for somebody; 0 if it has never kept anything from anybody. */
  changedAt: number;
  /** The same of the time before. */
  changedBefore: number;
  /** Position at which those whom the tables did not name then (`named`) lost sight; 0 for never. */
  lostAt: number;
  named: PairTable | null;
}

const DEFAULT_MAX_PAIRS = 2_000_000;
const MAX_STRAYS = 100_000;

export class Restrictions {
  readonly #users: UserTable;
  readonly #maxPairs: number;
  /** Source → answer, the one given longest ago first. */
  readonly #answers = new Map<number, Answer>();
  #pairs = 0;
  #evictions = 0;
  /** What is kept back until somebody says. */
  readonly withheld: Withheld;
  /** Local users who have an id only because an answer names them: forgotten, they would come back unrestricted. */
  readonly #strays = new Set<number>();
  /** Whether modules restrict. */
  isOn = false;
  /** Position at which they began to. */
  onSince = 0;
  /** Position at which they ceased to, the last time; 0 for never. */
  offSince = 0;
  /** By source: that position if they were there then, that of their last change if they were offline; 0 for not known then. */
  #goneAt: Float64Array = new Float64Array(0);

  constructor(users: UserTable, maxPairs = DEFAULT_MAX_PAIRS) {
    this.#users = users;
    this.#maxPairs = maxPairs;
    this.withheld = new Withheld(maxPairs);
  }

  /** Observers, of all sources, whose form is kept. */
  get pairs(): number {
    return this.#pairs;
  }

  get bytes(): number {
    let bytes = 0;
    for (const { local, named } of this.#answers.values()) bytes += (local?.bytes ?? 0) + (named?.bytes ?? 0);
    return bytes;
  }

  /** Sources whose answers were dropped to stay within the limit, since the last call. */
  takeEvictions(): number {
    const evictions = this.#evictions;
    this.#evictions = 0;
    return evictions;
  }

  /** Sources about which anything was said. */
  sources(): number[] {
    return [...this.#answers.keys()];
  }

  /** Whether nobody here is kept from anything of the source. */
  isFree(source: number): boolean {
    if (!this.isOn) return true;
    const answer = this.#answers.get(source);
    return answer !== undefined && answer.others === Form.FULL && answer.local === null;
  }

  /** In what form a local user gets the source; `UNKNOWN` if nobody has said. */
  form(source: number, observer: number): Form {
    if (!this.isOn || source === observer) return Form.FULL;
    const answer = this.#answers.get(source);
    if (answer === undefined) return UNKNOWN;
    const own = answer.local?.get(observer) ?? UNKNOWN;
    return own === UNKNOWN ? answer.others : own;
  }

  formOfServer(source: number, server: ServerName): Form {
    if (!this.isOn) return Form.FULL;
    const answer = this.#answers.get(source);
    return answer === undefined ? UNKNOWN : (answer.servers?.get(server) ?? answer.others);
  }

  formOfKey(source: number, key: ObserverKey): Form {
    return typeof key === 'number' ? this.form(source, key) : this.formOfServer(source, key);
  }

  /** Whether the observer, whom rules show the source to, may have seen it: if nobody has said, then before modules began to restrict. */
  mayHaveSeen(source: number, key: ObserverKey): boolean {
    const form = this.formOfKey(source, key);
    return form === UNKNOWN ? this.wasThere(source) : !isHidden(form);
  }

  /** Whether what is known holds for everybody, asked about or not. */
  isAboutEverybody(source: number): boolean {
    const answer = this.#answers.get(source);
    return answer !== undefined && answer.others !== UNKNOWN;
  }

  /** Position at which the answer about the source changed last, or, of those to whom that is too late, before `until`: as far as is known. */
  changedAt(source: number, until = Infinity): number {
    const answer = this.#answers.get(source);
    if (answer === undefined || answer.changedAt <= until) return answer?.changedAt ?? 0;
    return Math.min(answer.changedBefore, until);
  }

  /** Whom to ask about, each pair once. */
  takeQuestions(): RestrictionQuestion[] {
    const questions: RestrictionQuestion[] = [];
    for (const [source, keys] of this.withheld.takeFresh()) {
      questions.push({ source: this.#users.ids.name(source), observers: this.names(keys) });
    }
    return questions;
  }

  names(keys: Iterable<ObserverKey>): Observer[] {
    const names: Observer[] = [];
    for (const key of keys) names.push(typeof key === 'number' ? this.#users.ids.name(key) : key);
    return names;
  }

  /** Those in the source's tables. */
  answeredKeys(source: number): ObserverKey[] {
    const answer = this.#answers.get(source);
    const keys: ObserverKey[] = [];
    answer?.local?.each((uid) => keys.push(uid));
    for (const server of answer?.servers?.keys() ?? []) keys.push(server);
    return keys;
  }

  /** The key of an observer, or null for whom there is none: a user of another server, or nobody known. */
  keyOf(observer: Observer): ObserverKey | null {
    if (!observer.startsWith('@')) return observer;
    const uid = this.#users.find(observer as UserId);
    return uid >= 0 && this.#users.isLocal(uid) ? uid : null;
  }

  /** Takes an answer over. Returns whether one about everybody may be different for somebody; one about some is for the caller to compare. */
  answer(source: number, asked: readonly Observer[], given: RestrictionAnswer): boolean {
    const known = this.#answers.get(source);
    const isWhole = given.others !== null;
    const others = known === undefined || known.others === UNKNOWN ? Form.FULL : known.others;
    const hasNamed = given.observers.size > 0 || (known !== undefined && known.local !== null);
    const answer: Answer =
      known === undefined || isWhole || known.others !== UNKNOWN
        ? {
            others: given.others ?? UNKNOWN,
            local: null,
            servers: null,
            changedAt: known?.changedAt ?? 0,
            changedBefore: known?.changedBefore ?? 0,
            lostAt: known?.lostAt ?? 0,
            named: known?.named ?? null,
          }
        : known;
    if (known !== undefined) this.#pairs -= sizeOf(known);
    if (isWhole) {
      for (const [observer, form] of given.observers) if (form !== given.others) this.#put(answer, observer, form);
    } else {
      if (asked.length > 0) (answer.local ??= new PairTable()).reserve(asked.length);
      for (const observer of asked) this.#put(answer, observer, given.observers.get(observer) ?? Form.FULL);
    }
    this.#answers.delete(source);
    this.#answers.set(source, answer);
    this.#pairs += sizeOf(answer);
    this.#evict(source);
    return isWhole && (hasNamed || others !== given.others);
  }

  /** Keeps to the limit; the answer about this source stays. */
  #evict(source: number): void {
    for (const [oldest, old] of this.#answers) {
      if (this.#pairs <= this.#maxPairs || oldest === source) break;
      this.#answers.delete(oldest);
      this.#pairs -= sizeOf(old);
      this.#evictions++;
    }
  }

  /** The form of those whom the answer about a source does not name. */
  formOfOthers(source: number): Form {
    return this.isOn ? (this.#answers.get(source)?.others ?? UNKNOWN) : Form.FULL;
  }

  /** The local users whom the answer about a source names. */
  named(source: number): PairTable | null {
    return this.#answers.get(source)?.local ?? null;
  }

  /** Whoever is not in `named` has lost sight of the source, at `position`. */
  setLostAt(source: number, position: number, named: PairTable | null): void {
    const answer = this.#answers.get(source);
    if (answer === undefined) return;
    this.#pairs -= sizeOf(answer);
    answer.lostAt = position;
    answer.named = named;
    this.#pairs += sizeOf(answer);
    this.#evict(source);
  }

  /** Position from which on the observer, to whom the source is hidden, has not seen it, if nothing else says so; 0 for always. */
  lostAt(source: number, observer: number): number {
    const answer = this.#answers.get(source);
    const before = this.#goneAt[source] ?? 0;
    if (answer === undefined || answer.named?.has(observer) === true) return before;
    return Math.max(before, answer.lostAt);
  }

  /** The answer about some, in place of one about everybody, does not name them: until somebody is asked, what was said of them stands. */
  keep(source: number, key: ObserverKey, form: Form): void {
    const answer = this.#answers.get(source);
    if (answer === undefined) return;
    this.#pairs -= sizeOf(answer);
    if (typeof key === 'number') (answer.local ??= new PairTable()).set(key, form);
    else (answer.servers ??= new Map()).set(key, form);
    this.#pairs += sizeOf(answer);
    this.withheld.ask(source, key);
  }

  /** Modules restrict from now on. `goneAt`: see `noteGone`. */
  begin(position: number, goneAt: Float64Array): void {
    this.isOn = true;
    this.onSince = position;
    this.#goneAt = goneAt;
  }

  /** Whoever has a token from before `position`, which is not after modules began to restrict, may have seen the source. */
  noteGone(source: number, position: number): void {
    if (source >= this.#goneAt.length) {
      this.#goneAt = resized(this.#goneAt, grownCapacity(this.#goneAt.length, source + 1));
    }
    this.#goneAt[source] = position;
  }

  /** Whether something was known of the source when modules began to restrict. */
  wasKnown(source: number): boolean {
    return this.isOn && (this.#goneAt[source] ?? 0) > 0;
  }

  /** Whether the source was there when modules began to restrict. */
  wasThere(source: number): boolean {
    return this.isOn && this.#goneAt[source] === this.onSince;
  }

  setChangedAt(source: number, position: number): void {
    const answer = this.#answers.get(source);
    if (answer === undefined) return;
    answer.changedBefore = answer.changedAt;
    answer.changedAt = position;
  }

  /** Nobody restricts any more, from `position` on. */
  clear(position: number): void {
    this.isOn = false;
    this.offSince = position;
    this.#goneAt = new Float64Array(0);
    this.#answers.clear();
    this.withheld.clear();
    this.#strays.clear();
    this.#pairs = 0;
  }

  /** Whether an answer names the user, who would be unknown otherwise. */
  isStray(uid: number): boolean {
    return this.#strays.has(uid);
  }

  /** The user is forgotten as a source. */
  forgetSource(uid: number): void {
    if (uid < this.#goneAt.length) this.#goneAt[uid] = 0;
    const answer = this.#answers.get(uid);
    if (answer !== undefined) {
      this.#answers.delete(uid);
      this.#pairs -= sizeOf(answer);
    }
    this.withheld.forget(uid);
  }

  /** The numbers of these users will be others': answers that name them are asked for again. */
  forgetObservers(isForgotten: (uid: number) => boolean): void {
    for (const [source, { local }] of this.#answers) {
      let names = false;
      local?.each((uid) => (names ||= isForgotten(uid)));
      if (names) this.forgetSource(source);
    }
    this.withheld.forgetObservers(isForgotten);
  }

  #put(answer: Answer, observer: Observer, form: Form): void {
    if (!observer.startsWith('@')) {
      (answer.servers ??= new Map()).set(observer, form);
      return;
    }
    // A user of another server gets what their server gets.
    if (serverNameOf(observer as UserId) !== this.#users.servers.name(OWN_SERVER)) return;
    const known = this.#users.find(observer as UserId);
    const uid = known >= 0 ? known : this.#users.intern(observer as UserId);
    if ((known < 0 || this.#users.isBlank(uid)) && this.#strays.size < MAX_STRAYS) this.#strays.add(uid);
    (answer.local ??= new PairTable()).set(uid, form);
  }
}

function sizeOf({ local, servers, named }: Answer): number {
  // One for the answer itself.
  return 1 + (local?.size ?? 0) + (servers?.size ?? 0) + (named?.size ?? 0);
}
