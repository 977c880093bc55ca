/**
 * The files of modules, read and run anew: each loading has a memory of its own, which goes when nothing refers to its modules any more.
 *
 * Node keeps what `import()` has loaded for ever, and the loader jiti what it has compiled. So files are compiled by jiti, which strips
 * types on Node 20 to 24 alike, and run here: those that modules are in, and what they import by path. Packages, Node's own
 * modules and this project's entries are the process's, and stay as they are.
 */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, extname, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction, constants } from 'node:vm';
import type { createJiti as CreateJiti, Jiti } from 'jiti';

export interface ModuleFilesOptions {
  readonly createJiti: typeof CreateJiti;
  readonly jitiOptions: NonNullable<Parameters<typeof CreateJiti>[1]>;
  /** Whole modules by the names that files import them by. */
  readonly virtual: Readonly<Record<string, unknown>>;
  /** Folder of this project's own code, with a separator at its end. */
  readonly ownFolder: string;
}

/** A file while it is loaded, and afterwards. */
interface Source {
  readonly file: string;
  readonly jiti: Jiti;
  readonly module: { exports: unknown; readonly id: string; readonly filename: string; loaded: boolean };
  /** Settles when it has run; null until it runs, and for those that were run by `require`. */
  done: Promise<void> | null;
  /** Those whose end its imports wait for. */
  readonly waitsFor: Set<Source>;
  isCommonJs: boolean;
}

/** What the compiled text of a file is a function of. */
type Body = (
  exports: unknown,
  require: unknown,
  module: Source['module'],
  filename: string,
  folder: string,
  importFrom: (specifier: string) => Promise<unknown>,
  resolveFrom: (specifier: string) => string,
) => unknown;

/** The names that jiti gives them. */
const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname', 'jitiImport', 'jitiESMResolve'];
/** Compiling more takes a minute in which nothing else happens, and some GB: it is not a module, but data, or a mistake. */
const MAX_COMPILED_CHARACTERS = 5_000_000;
const COMPILED = /\.[cm]?[jt]sx?$/;
const ESM_SYNTAX =
  /(?:[\s;]|^)(?:import[\s\w*,{}]*from|import\s*["'*{]|export\b\s*(?:[*{]|default|class|type|function|const|var|let|async function)|import\.meta\b)/m;

export class ModuleFiles {
  readonly #options: ModuleFilesOptions;
  readonly #sources = new Map<string, Source>();
  readonly #read = new Set<string>();

  constructor(options: ModuleFilesOptions) {
    this.#options = options;
  }

  /** Absolute paths: what was read, and what was imported by path and is not there. Packages are left out. */
  get read(): ReadonlySet<string> {
    return this.#read;
  }

  /** The file that a specifier means for whoever stands at the path `from`, or null. */
  resolve(specifier: string, from: string): string | null {
    const resolved = this.#jitiAt(from).esmResolve(specifier, { try: true });
    if (resolved === undefined) {
      if (isPath(specifier)) this.#read.add(resolve(dirname(from), specifier));
      return null;
    }
    return resolved.startsWith('file:') ? fileURLToPath(resolved) : resolved;
  }

  /** The namespace of a file. Rejects with whatever goes wrong inside. */
  async import(file: string): Promise<unknown> {
    return this.#isOurs(file) ? this.#importFile(file, null) : this.#jitiAt(file).import(file);
  }

  async #importFrom(specifier: string, from: Source): Promise<unknown> {
    if (Object.hasOwn(this.#options.virtual, specifier)) return this.#options.virtual[specifier];
    if (isBuiltin(specifier) || specifier.startsWith('data:')) return from.jiti.import(specifier);
    const file = this.#locate(specifier, from, () => from.jiti.esmResolve(specifier));
    return this.#isOurs(file) ? this.#importFile(file, from) : from.jiti.import(file);
  }

  #requireFrom(specifier: string, from: Source): unknown {
    if (Object.hasOwn(this.#options.virtual, specifier)) return this.#options.virtual[specifier];
    if (isBuiltin(specifier)) return from.jiti(specifier) as unknown;
    const file = this.#locate(specifier, from, () => from.jiti.resolve(specifier));
    if (!this.#isOurs(file)) return from.jiti(file) as unknown;
    const known = this.#sources.get(file);
    if (known !== undefined) return known.module.exports;
    const source = this.#open(file);
    try {
      // What a file evaluates to is a promise only where it was compiled for `import`.
      void this.#run(source, false);
      this.#finish(source);
    } catch (error) {
      this.#sources.delete(file);
      throw error;
    }
    return source.module.exports;
  }

  async #importFile(file: string, importer: Source | null): Promise<unknown> {
    const source = this.#sources.get(file) ?? this.#begin(file);
    if (source.done !== null && !source.module.loaded) {
      // Files that import each other see what there is of each other so far.
      if (importer !== null && (source === importer || isWaitingFor(source, importer))) return source.module.exports;
      importer?.waitsFor.add(source);
      try {
        await source.done;
      } finally {
        importer?.waitsFor.delete(source);
      }
    }
    return source.isCommonJs ? namespaceOf(source.module.exports) : source.module.exports;
  }

  #begin(file: string): Source {
    const source = this.#open(file);
    const done = (async (): Promise<void> => {
      await this.#run(source, true);
      this.#finish(source);
    })();
    // Whoever imports it is told; without anybody, it is nobody's business.
    done.catch(() => undefined);
    source.done = done;
    return source;
  }

  #open(file: string): Source {
    const module = { exports: {}, id: file, filename: file, loaded: false };
    const source: Source = {
      file,
      jiti: this.#jitiAt(file),
      module,
      done: null,
      waitsFor: new Set(),
      isCommonJs: false,
    };
    this.#sources.set(file, source);
    return source;
  }

  /** Runs a file; for `import`, it may wait. */
  #run(source: Source, isAsync: boolean): unknown {
    const { file, jiti, module } = source;
    this.#read.add(file);
    const written = readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
    if (extname(file) === '.json') {
      source.isCommonJs = true;
      module.exports = JSON.parse(written);
      return undefined;
    }
    const isTyped = /\.[cm]?tsx?$/.test(file);
    source.isCommonJs = !isTyped && extname(file) !== '.mjs' && (extname(file) === '.cjs' || !ESM_SYNTAX.test(written));
    if (!source.isCommonJs && written.length > MAX_COMPILED_CHARACTERS) {
      throw new Error(
        `${file} has ${written.length} characters, of ${MAX_COMPILED_CHARACTERS} at most; keep data in JSON files, and large code in a package`,
      );
    }
    const code = source.isCommonJs
      ? written.replace(/^#!/, '//')
      : jiti.transform({ filename: file, source: written, ts: isTyped, async: isAsync });
    const isWaited = isAsync && !source.isCommonJs;
    const text = isWaited ? `return (async function () { ${code}\n}).call(this);` : code;
    const body = compile(text, file, source.isCommonJs);
    const require = Object.assign((specifier: string) => this.#requireFrom(specifier, source), {
      resolve: (specifier: string) => jiti.resolve(specifier),
      cache: {},
    });
    const importFrom = (specifier: string): Promise<unknown> => this.#importFrom(specifier, source);
    const resolveFrom = (specifier: string): string => jiti.esmResolve(specifier);
    return body.call(module.exports, module.exports, require, module, file, dirname(file), importFrom, resolveFrom);
  }

  #finish({ module }: Source): void {
    throwIfNotCompiled(module.exports);
    module.loaded = true;
  }

  #locate(specifier: string, from: Source, locate: () => string): string {
    try {
      const found = locate();
      return found.startsWith('file:') ? fileURLToPath(found) : found;
    } catch (error) {
      if (isPath(specifier)) this.#read.add(resolve(dirname(from.file), specifier));
      throw error;
    }
  }

  #isOurs(file: string): boolean {
    if (file.includes(`${sep}node_modules${sep}`) || file.startsWith(this.#options.ownFolder)) return false;
    return COMPILED.test(file) || extname(file) === '.json';
  }

  /** One for each file: what a specifier means depends on where it stands. */
  #jitiAt(file: string): Jiti {
    return this.#options.createJiti(file, this.#options.jitiOptions);
  }
}

function isPath(specifier: string): boolean {
  return /^\.{0,2}\//.test(specifier);
}

/** Whether `source` goes on only after `other`, because it imports it, or something that does. */
function isWaitingFor(source: Source, other: Source, seen = new Set<Source>()): boolean {
  if (seen.has(source)) return false;
  seen.add(source);
  for (const next of source.waitsFor) if (next === other || isWaitingFor(next, other, seen)) return true;
  return false;
}

/**
 * Not as a script: what of those has run once is never let go of (Node 20), nor are compiled functions (Node 24); of what is evaluated,
 * everything is. Only `import()` in CommonJS, which is run as it is written, and a path with a blank need the function.
 */
function compile(text: string, file: string, isCommonJs: boolean): Body {
  try {
    if (!isCommonJs && !/\s/.test(file)) {
      // oxlint-disable-next-line eslint/no-eval -- a module's own code, as much as with any loader
      return (0, eval)(`(function (${PARAMETERS.join(', ')}) {${text}\n})\n//# sourceURL=${file}`) as Body;
    }
    return compileFunction(text, PARAMETERS, {
      filename: file,
      // For `import()` in CommonJS, which is run as it is written.
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    }) as Body;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    const [where = ''] = thrown.stack?.split('\n') ?? [];
    throw new Error(`SyntaxError: ${thrown.message}\n${where}`, { cause: thrown });
  }
}

const NOT_COMPILED = '__JITI_ERROR__';

/** What jiti makes of a file that cannot be compiled. */
function throwIfNotCompiled(exports: unknown): void {
  if (typeof exports !== 'object' || exports === null || !(NOT_COMPILED in exports)) return;
  const { filename, line, column, code, message } = exports[NOT_COMPILED] as Record<string, unknown>;
  throw new Error(`${String(code)}: ${String(message)}\n${String(filename)}:${String(line)}:${String(column)}`);
}

/** What `import` gives of a CommonJS module: all of it as the default, and its members by name. */
function namespaceOf(exports: unknown): Readonly<Record<string, unknown>> {
  const isObject = (typeof exports === 'object' && exports !== null) || typeof exports === 'function';
  return { ...(isObject ? exports : {}), default: exports };
}
