/**
 * Reads what `getRestrictions` returned, trusting nothing: nothing, a restriction for everybody, or a Map or plain object of restrictions.
 *
 * A wrong top-level value is refused whole. One bad entry costs only itself, and on the safe side: whom it names is denied. Reading stops
 * after `maxEntries`, and whoever was not seen until then is denied, too. The cost is that of what was returned, not of who was asked about.
 */
import { isMap } from 'node:util/types';
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import { serverNameOf, type UserId } from '../matrix/identifiers.ts';
import { EVERYBODY_ELSE } from '../module/callbacks.ts';
import { type Drop, Invalid } from './callback-runner.ts';
import { kindOf, show } from './describe-value.ts';
import type { KnownIds } from './known-ids.ts';
import { everybody, type RestrictionRequest } from './restriction-answers.ts';

export interface RestrictionRules {
  readonly ids: KnownIds;
  readonly maxEntries: number;
  /** Whose users are local; null if nobody has said. */
  readonly serverName: string | null;
}

const SHOULD =
  "it should be nothing, 'deny', 'offline', { hide: […] }, or a Map or a plain object from observer to one of these";
const FIELDS: ReadonlyMap<unknown, Form> = new Map([
  ['last_active_ago', Form.NO_LAST_ACTIVE],
  ['currently_active', Form.NO_CURRENTLY_ACTIVE],
  ['status_msg', Form.NO_STATUS],
]);
/** Of the fields in one restriction, as many as are read: some may be there twice. */
const MAX_FIELDS = 100;

const UNRESTRICTED = everybody(Form.FULL);

export function checkRestrictions(
  value: unknown,
  request: RestrictionRequest,
  rules: RestrictionRules,
  drop: Drop,
): RestrictionAnswer | Invalid {
  if (value === undefined || value === null) return UNRESTRICTED;
  if (typeof value === 'string') {
    const form = readRestriction(value);
    return form === null ? new Invalid(`returned the string ${show(value)}; ${SHOULD}`) : everybody(form);
  }
  if (isMap(value)) {
    const map: ReadonlyMap<unknown, unknown> = value;
    // The built-in methods, whatever a subclass has made of its own.
    const keys = Map.prototype.keys.call(map);
    return readAll(keys, (key) => Map.prototype.get.call(map, key), request, rules, drop);
  }
  if (typeof value !== 'object') return new Invalid(`returned ${kindOf(value)}; ${SHOULD}`);
  const isPlain = isPlainObject(value);
  if (isPlain ? Object.hasOwn(value, 'hide') : 'hide' in value) {
    const form = readRestriction(value);
    if (form === null)
      return new Invalid(`returned an object whose \`hide\` lists no fields that there are; ${SHOULD}`);
    if (isPlain && Object.keys(value).length > 1) {
      return new Invalid(`returned an object with \`hide\` and other keys; ${SHOULD}`);
    }
    return everybody(form);
  }
  if (!isPlain) return new Invalid(`returned ${kindOf(value)}; ${SHOULD}`);
  return readAll(Object.keys(value), (key) => value[String(key)], request, rules, drop);
}

function readAll(
  keys: Iterable<unknown>,
  get: (key: unknown) => unknown,
  { source, observers }: RestrictionRequest,
  { ids, maxEntries, serverName }: RestrictionRules,
  drop: Drop,
): RestrictionAnswer {
  const forms = new Map<Observer, Form>();
  let others: Form | null = null;
  let entries = 0;
  let isWhole = true;

  for (const key of keys) {
    if (entries >= maxEntries) {
      drop('too_many');
      isWhole = false;
      break;
    }
    entries += 1;
    const form = readEntry(key, get, drop);
    if (key === EVERYBODY_ELSE) others = form;
    else if (key === source) continue;
    else if (!ids.isObserver(key)) drop('not_an_observer', key);
    else if (serverName !== null && isRemoteUser(key, serverName)) {
      drop('remote_user', key);
      // Nobody but the server can keep it from its user.
      if (form !== Form.FULL) forms.set(serverNameOf(key), Form.DENIED);
    } else forms.set(key, (forms.get(key) ?? Form.FULL) | form);
  }
  if (isWhole) return finish(forms, others, observers);
  // What was not read may have denied anybody.
  if (others !== null) return { others: Form.DENIED, observers: forms };
  return { others, observers: new Map(observers.map((observer) => [observer, forms.get(observer) ?? Form.DENIED])) };
}

/** Leaves out what goes without saying, and most of those about whom nobody asked. */
function finish(forms: Map<Observer, Form>, others: Form | null, asked: readonly Observer[]): RestrictionAnswer {
  const usual = others ?? Form.FULL;
  for (const [observer, form] of forms) if (form === usual) forms.delete(observer);
  if (others !== null || forms.size <= asked.length) return { others, observers: forms };
  const named = asked.filter((observer) => forms.has(observer));
  return { others, observers: new Map(named.map((observer) => [observer, forms.get(observer) ?? Form.FULL])) };
}

/** Whatever is wrong with it, whom it names is denied. */
function readEntry(key: unknown, get: (key: unknown) => unknown, drop: Drop): Form {
  try {
    const restriction = get(key);
    if (restriction === undefined || restriction === null) return Form.FULL;
    const form = readRestriction(restriction);
    if (form !== null) return form;
    drop('not_a_restriction', restriction);
  } catch (thrown) {
    drop('threw', thrown);
  }
  return Form.DENIED;
}

/** Null if it is none. */
function readRestriction(value: unknown): Form | null {
  if (value === 'deny') return Form.DENIED;
  if (value === 'offline') return Form.OFFLINE;
  if (typeof value !== 'object' || value === null || !('hide' in value)) return null;
  const { hide } = value;
  // A string is iterable, too, but nobody means its characters.
  if (typeof hide !== 'object' || hide === null || !(Symbol.iterator in hide)) return null;
  let form: Form = Form.FULL;
  let fields = 0;
  for (const field of hide as Iterable<unknown>) {
    const bit = FIELDS.get(field);
    fields += 1;
    if (bit === undefined || fields > MAX_FIELDS) return null;
    form |= bit;
  }
  return form;
}

function isRemoteUser(observer: Observer, serverName: string): observer is UserId {
  return observer.startsWith('@') && serverNameOf(observer as UserId) !== serverName;
}

function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
