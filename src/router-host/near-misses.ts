/**
 * Finds the names that somebody probably meant to be a callback's: misspelt, or in the reference server's spelling.
 *
 * Names are compared by how many pairs of neighbouring letters they share. Nothing of the module runs: getters are not read.
 */
import { CALLBACK_POINTS, type CallbackName } from '../module/callbacks.ts';

export const CALLBACK_NAMES = Object.keys(CALLBACK_POINTS) as CallbackName[];
/** Those that are registered together, or not at all. */
export const PAIR_NAMES = CALLBACK_NAMES.filter((name) => CALLBACK_POINTS[name].kind !== 'restrict');

/** Of two names, how alike they have to be, from 0 to 1. */
const ALIKE = 0.7;

/** Returns the functions of an object, or of what it inherits from, that are called nearly like one of `names`. Never throws. */
export function nearMisses(from: unknown, names: readonly CallbackName[] = CALLBACK_NAMES): string[] {
  const found = new Set<string>();
  try {
    let object: unknown = from;
    for (let depth = 0; depth < 10 && isObject(object) && object !== Object.prototype; depth += 1) {
      for (const name of Object.getOwnPropertyNames(object)) {
        if (name in CALLBACK_POINTS || !names.some((known) => likeness(name, known) >= ALIKE)) continue;
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
