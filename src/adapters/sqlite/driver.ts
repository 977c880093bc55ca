/**
 * The two SQLite drivers behind one small synchronous interface: node:sqlite where Node has it (22.13 and later), else
 * the optional package libsql, which runs on Node 20 and is loaded only when it is needed.
 *
 * Parameters are always positional. They are checked here because libsql ends the process on a boolean, and because it
 * leaves a statement open after `get`, with the transaction it is in: there, rows are always read to the end.
 */
import { createRequire } from 'node:module';
import { PortError } from '../../ports/errors.ts';
import { DATABASE_PORT } from './errors.ts';

export type SqlValue = null | number | bigint | string | Uint8Array;
export type DriverName = 'node:sqlite' | 'libsql';

export interface RunResult {
  readonly changes: number;
  readonly lastInsertRowid: number;
}

export interface DriverStatement {
  run(params: readonly SqlValue[]): RunResult;
  get(params: readonly SqlValue[]): unknown;
  all(params: readonly SqlValue[]): unknown[];
}

export interface DriverConnection {
  readonly name: DriverName;
  prepare(sql: string): DriverStatement;
  exec(sql: string): void;
  close(): void;
}

interface RawRunResult {
  readonly changes: number | bigint;
  readonly lastInsertRowid: number | bigint;
}

interface NodeSqlite {
  readonly DatabaseSync: new (
    path: string,
    options: { timeout: number },
  ) => {
    prepare(sql: string): {
      run(...params: readonly SqlValue[]): RawRunResult;
      get(...params: readonly SqlValue[]): unknown;
      all(...params: readonly SqlValue[]): unknown[];
    };
    exec(sql: string): void;
    close(): void;
  };
}

type Libsql = new (
  path: string,
  options: { timeout: number },
) => {
  prepare(sql: string): {
    readonly reader: boolean;
    run(params: readonly SqlValue[]): RawRunResult;
    all(params: readonly SqlValue[]): unknown[];
  };
  exec(sql: string): void;
  close(): void;
};

/** Opens `path` with `driver`, or with the first one there is. Throws the driver's own errors, and `PortError` if none is there. */
export function openDriver(path: string, busyTimeoutMs: number, driver?: DriverName): DriverConnection {
  const nodeSqlite = driver === 'libsql' ? undefined : loadNodeSqlite();
  if (nodeSqlite !== undefined) return openNodeSqlite(nodeSqlite, path, busyTimeoutMs);
  const libsql = driver === 'node:sqlite' ? undefined : loadLibsql();
  if (libsql !== undefined) return openLibsql(libsql, path, busyTimeoutMs);
  throw new PortError(
    DATABASE_PORT,
    'open',
    false,
    driver === undefined
      ? 'no SQLite driver: use Node 22.13 or later, or install the optional package libsql (npm install libsql)'
      : `the SQLite driver ${driver} is not available here`,
  );
}

/** Which of the drivers can be used in this process, the preferred one first. */
export function availableDrivers(): DriverName[] {
  const found: DriverName[] = [];
  if (loadNodeSqlite() !== undefined) found.push('node:sqlite');
  if (loadLibsql() !== undefined) found.push('libsql');
  return found;
}

function loadNodeSqlite(): NodeSqlite | undefined {
  const builtin: unknown = process.getBuiltinModule('node:sqlite');
  return builtin as NodeSqlite | undefined;
}

function loadLibsql(): Libsql | undefined {
  try {
    return createRequire(import.meta.url)('libsql') as Libsql;
  } catch {
    // Not installed, or there is no binary for this platform: the caller says what to do.
    return undefined;
  }
}

function openNodeSqlite(module: NodeSqlite, path: string, timeout: number): DriverConnection {
  const connection = new module.DatabaseSync(path, { timeout });
  return {
    name: 'node:sqlite',
    prepare: (sql) => {
      const statement = connection.prepare(sql);
      return {
        run: (params) => toRunResult(statement.run(...checked(params))),
        get: (params) => statement.get(...checked(params)),
        all: (params) => statement.all(...checked(params)),
      };
    },
    exec: (sql) => connection.exec(sql),
    close: () => connection.close(),
  };
}

function openLibsql(Libsql: Libsql, path: string, timeout: number): DriverConnection {
  const connection = new Libsql(path, { timeout });
  return {
    name: 'libsql',
    prepare: (sql) => {
      const statement = connection.prepare(sql);
      const all = (params: readonly SqlValue[]): unknown[] => statement.all(checked(params));
      return {
        run: (params) => {
          if (!statement.reader) {
            try {
              return toRunResult(statement.run(checked(params)));
            } catch (error) {
              if (isBusy(error)) endStatement(connection, () => statement.run(checked(params)));
              throw error;
            }
          }
          return { changes: all(params).length, lastInsertRowid: 0 };
        },
        get: (params) => all(params)[0],
        all,
      };
    },
    exec: (sql) => connection.exec(sql),
    close: () => connection.close(),
  };
}

function isBusy(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'rawCode' in error && (Number(error.rawCode) & 0xff) === 5;
}

/**
 * Ends a statement that the database was too busy for. libsql leaves it half-way, ready to go on, and while it is, no other transaction
 * can commit. Being refused as a write in a connection that only reads is an end.
 */
function endStatement(connection: { exec(sql: string): unknown }, run: () => unknown): void {
  connection.exec('PRAGMA query_only = ON');
  try {
    run();
  } catch {
    // As intended.
  } finally {
    connection.exec('PRAGMA query_only = OFF');
  }
}

function checked(params: readonly SqlValue[]): readonly SqlValue[] {
  for (const value of params) {
    const type = typeof value;
    if (type === 'string' || type === 'number' || type === 'bigint' || value === null) continue;
    if (!(value instanceof Uint8Array)) throw new TypeError(`a ${type} cannot be a parameter of an SQL statement`);
  }
  return params;
}

function toRunResult(result: RawRunResult): RunResult {
  return { changes: Number(result.changes), lastInsertRowid: Number(result.lastInsertRowid) };
}
