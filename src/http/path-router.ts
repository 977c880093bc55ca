/**
 * Finds the operation of a path: a tree of path segments, built once from all routes.
 *
 * Segments are compared as sent; only `:name` segments are percent-decoded, after matching, so an encoded slash never
 * splits an id. A literal segment wins over a `:name`. Only the last segment may be empty (an empty state key).
 */
import { MatrixError } from '../matrix/errors.ts';
import type { Route } from './route.ts';

export type Params = Readonly<Record<string, string>>;

export interface PathMatch<T> {
  readonly target: T;
  readonly params: Params;
}

interface Leaf<T> {
  readonly target: T;
  readonly names: readonly string[];
}

interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  param: Node<T> | null;
  /** Method → operation that ends here. */
  readonly leaves: Map<string, Leaf<T>>;
  /** Method → operation that takes the rest of the path. */
  readonly rests: Map<string, Leaf<T>>;
}

const NO_PARAMS: Params = Object.freeze({});

/** Every full path a route is served at. */
export function pathsOf(route: Pick<Route, 'path' | 'prefix' | 'versions'>): string[] {
  if (route.prefix !== undefined) return [route.prefix + route.path];
  return route.versions.map((version) => `/_matrix/client${version === '' ? '' : `/${version}`}${route.path}`);
}

export class PathRouter<T> {
  readonly #root: Node<T> = newNode();

  /** @throws Error when the method and path are taken: a mistake in the list of routes. */
  add(method: string, path: string, target: T): void {
    const names: string[] = [];
    let node = this.#root;
    for (const segment of path.slice(1).split('/')) {
      if (segment.startsWith('*')) {
        names.push(segment.slice(1));
        addLeaf(node.rests, method, path, { target, names });
        return;
      }
      if (segment.startsWith(':')) {
        names.push(segment.slice(1));
        node.param ??= newNode();
        node = node.param;
      } else {
        let next = node.literals.get(segment);
        if (next === undefined) node.literals.set(segment, (next = newNode()));
        node = next;
      }
    }
    addLeaf(node.leaves, method, path, { target, names });
  }

  /**
   * The operation, or the methods the path has (empty for an unknown path).
   * @throws MatrixError 400 `M_INVALID_PARAM` when a matched segment is not valid percent-encoding.
   */
  find(method: string, path: string): PathMatch<T> | readonly string[] {
    const values: string[] = [];
    const leaves = search(this.#root, path, 1, values);
    if (leaves === null) return [];
    const leaf = leaves.get(method);
    if (leaf === undefined) return [...leaves.keys()];
    return { target: leaf.target, params: leaf.names.length === 0 ? NO_PARAMS : toParams(leaf.names, values) };
  }
}

function newNode<T>(): Node<T> {
  return { literals: new Map(), param: null, leaves: new Map(), rests: new Map() };
}

function addLeaf<T>(leaves: Map<string, Leaf<T>>, method: string, path: string, leaf: Leaf<T>): void {
  if (leaves.has(method)) throw new Error(`two routes for ${method} ${path}`);
  leaves.set(method, leaf);
}

/** Leaves `values` as the matched `:name` segments, in order. */
function search<T>(node: Node<T>, path: string, from: number, values: string[]): Map<string, Leaf<T>> | null {
  if (from > path.length) return node.leaves.size > 0 ? node.leaves : takeRest(node, '', values);
  const slash = path.indexOf('/', from);
  const end = slash === -1 ? path.length : slash;
  const segment = path.slice(from, end);
  const literal = node.literals.get(segment);
  if (literal !== undefined) {
    const found = search(literal, path, end + 1, values);
    if (found !== null) return found;
  }
  if (node.param !== null && (end > from || slash === -1)) {
    values.push(segment);
    const found = search(node.param, path, end + 1, values);
    if (found !== null) return found;
    values.pop();
  }
  return takeRest(node, path.slice(from), values);
}

function takeRest<T>(node: Node<T>, rest: string, values: string[]): Map<string, Leaf<T>> | null {
  if (node.rests.size === 0) return null;
  values.push(rest);
  return node.rests;
}

function toParams(names: readonly string[], values: readonly string[]): Params {
  const params: Record<string, string> = {};
  for (const [i, name] of names.entries()) params[name] = decodeSegment(values[i] ?? '');
  return params;
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new MatrixError(400, 'M_INVALID_PARAM', 'The path is not valid percent-encoding');
  }
}
