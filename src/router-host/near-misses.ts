/**
 * Finds the names that somebody probably meant to be a callback's: misspelt, in the reference server's spelling, or not registered.
 *
 * Names are compared by how many pairs of neighbouring letters they share. Nothing of the module runs: getters are not read.
 */
import {
  CALLBACK_POINTS,
  type CallbackName,
  type NoPresenceRouterCallbacks,
  type PresenceRouterCallbacks,
} from '../module/callbacks.ts';

type Registrable = PresenceRouterCallbacks | NoPresenceRouterCallbacks;

export const CALLBACK_NAMES = Object.keys(CALLBACK_POINTS) as CallbackName[];
/** Those that are registered together, or not at all. */
export const PAIR_NAMES = CALLBACK_NAMES.filter((name) => CALLBACK_POINTS[name].kind !== 'restrict');

/** Of two names, how alike they have to be, from 0 to 1. */
const ALIKE = 0.7;

/** Returns the functions of an object, or of what it inherits from, that are called nearly like one of `names`. Never throws. */
export function nearMisses(from: unknown, names: readonly CallbackName[] = CALLBACK_NAMES): string[] {
  return functionNames(from).filter(
    (name) => !(name in CALLBACK_POINTS) && names.some((known) => likeness(name, known) >= ALIKE),
  );
}

/**
 * Returns the names of functions that a module has but has not registered, though they are, or nearly are, those of callbacks. Never throws.
 *
 * @param registered - all that was registered, by object
 * @param has - where else it may have them
 */
export function unregistered(registered: readonly Registrable[], has: readonly unknown[]): string[] {
  const missing = CALLBACK_NAMES.filter((name) => !registered.some((callbacks) => callbacks[name] !== undefined));
  const names = new Set([...registered, ...has].flatMap(functionNames));
  const forgotten = missing.filter((name) => names.has(name));
  const alike = [...registered, ...has].flatMap((from) => nearMisses(from, missing));
  return [...new Set([...forgotten, ...alike])];
}

function functionNames(from: unknown): string[] {
  const found = new Set<string>();
  try {
    let object: unknown = from;
    for (let depth = 0; depth < 10 && isObject(object) && object !== Object.prototype; depth += 1) {
      for (const name of Object.getOwnPropertyNames(object)) {
        if (typeof Object.getOwnPropertyDescriptor(object, name)?.value === 'function') found.add(name);
      }
      object = Object.getPrototypeOf(object);
    }
  } catch {
    // A proxy that does not want to be looked at.
  }
  return [...found];
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function likeness(a: string, b: string): number {
  const [ofA, ofB] = [letterPairs(a), letterPairs(b)];
  return (2 * [...ofA].filter((pair) => ofB.has(pair)).length) / (ofA.size + ofB.size || 1);
}

function letterPairs(name: string): Set<string> {
  const letters = name
    .slice(0, 100)
    .toLowerCase()
    .replaceAll(/[^a-z]/g, '');
  return new Set(Array.from(letters.slice(1), (letter, index) => `${letters.charAt(index)}${letter}`));
}
