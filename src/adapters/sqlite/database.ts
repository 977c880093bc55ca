/**
 * One open SQLite database, shared by all stores: prepared statements, transactions, errors in plain words.
 *
 * WAL with `synchronous = NORMAL`: a committed transaction survives the death of the process; the last ones may be lost when
 * the machine loses power. Calls are synchronous and block the process, so batches stay small. Numbers are bound as
 * SQLite reals: declare INTEGER columns, which turn whole ones back into integers.
 */
import { closeSync, existsSync, mkdirSync, openSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Logger } from '../../ports/logger.ts';
import { PortError } from '../../ports/errors.ts';
import { type DriverConnection, type DriverName, openDriver, type RunResult, type SqlValue } from './driver.ts';
import { DATABASE_PORT, isBusy, toPortError } from './errors.ts';
import { migrate } from './migrate.ts';
import { MIGRATIONS } from './migrations/index.ts';
import type { Migration } from './migrations/migration.ts';
import { lockDatabase } from './process-lock.ts';

export type { DriverName, RunResult, SqlValue } from './driver.ts';

export interface OpenDatabaseOptions {
  /** A file, made if it does not exist (with its folder, readable by this user only), or `:memory:`. */
  readonly path: string;
  /** Largest size in pages of 4 KiB; a write beyond it fails like a full disk. @default SQLite's own, about 17 TB */
  readonly maxPageCount?: number;
  /**
   * How long a statement waits, blocking the process, for another process's transaction. @default 1,000
   * Once that was too short, the next ones wait no more than 10 ms each, until one gets through.
   */
  readonly busyTimeoutMs?: number;
  readonly logger: Logger;
  /** @default node:sqlite, else libsql */
  readonly driver?: DriverName;
  /** @default all of this release */
  readonly migrations?: readonly Migration[];
}

/** Every method throws `PortError` when SQLite fails; `transient` if the same call may succeed later. */
export interface Statement {
  run(...params: SqlValue[]): RunResult;
  /** The first row. `T` is the caller's promise about the columns; rows after the first may be read, so add LIMIT 1. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the SQL text knows the shape
  get<T = unknown>(...params: SqlValue[]): T | undefined;
  all<T = unknown>(...params: SqlValue[]): T[];
}

export interface Database {
  readonly path: string;
  readonly driver: DriverName;
  readonly inTransaction: boolean;
  /** Prepared once for each text and kept; the text must not be built from data. */
  prepare(sql: string): Statement;
  exec(sql: string): void;
  /** Runs `fn` between BEGIN IMMEDIATE and COMMIT; rolls back when it throws. `fn` is synchronous; nesting is refused. */
  transaction<T>(fn: () => T): T;
  /** Writes the log back into the file and lets go of it. Everything afterwards throws. Harmless when repeated. */
  close(): void;
}

const MEMORY = ':memory:';
const MAX_STATEMENTS = 1_000;
const DEFAULT_BUSY_TIMEOUT_MS = 1_000;
/** While another process keeps the database locked, each request would else block all others for the whole time. */
const IMPATIENT_TIMEOUT_MS = 10;

/** Opens, locks and migrates. Throws `PortError`: in use, not a database, another program's, newer schema, no driver. */
export function openDatabase(options: OpenDatabaseOptions): Database {
  const { logger } = options;
  const path = options.path === MEMORY ? MEMORY : makeFolder(options.path);
  const unlock = path === MEMORY ? () => undefined : lockDatabase(path, options.driver);
  let connection: DriverConnection | undefined;
  try {
    if (path !== MEMORY) makeFile(path);
    const busyTimeoutMs = options.busyTimeoutMs ?? DEFAULT_BUSY_TIMEOUT_MS;
    connection = openDriver(path, busyTimeoutMs, options.driver);
    configure(connection, options.maxPageCount);
    const db = new SqliteDatabase(path, connection, busyTimeoutMs, unlock);
    const { from, to } = migrate(db, options.migrations ?? MIGRATIONS);
    logger.info({ path, driver: connection.name, fromSchema: from, schema: to }, 'database opened');
    return db;
  } catch (error) {
    connection?.close();
    unlock();
    throw toPortError(error, 'open', path);
  }
}

function makeFolder(path: string): string {
  return orRefuse(path, () => {
    makeFolders(dirname(path));
    // Also where the file itself is a link: the lock has to be the same for all who come to the same file.
    return existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
  });
}

/** One level at a time: Node's own `recursive` never returns where the system says that a folder's parent is missing for ever. */
function makeFolders(folder: string): void {
  if (existsSync(folder)) return;
  makeFolders(dirname(folder));
  mkdirSync(folder);
}

/** Before SQLite does, so that nobody else can read password hashes; its log files get the same permissions. */
function makeFile(path: string): void {
  orRefuse(path, () => closeSync(openSync(path, 'a', 0o600)));
}

function orRefuse<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PortError(DATABASE_PORT, 'open', false, `the database ${path} cannot be used: ${reason}`, {
      cause: error,
    });
  }
}

function configure(connection: DriverConnection, maxPageCount: number | undefined): void {
  // Through prepare, not exec: these pragmas answer with a row.
  connection.prepare('PRAGMA journal_mode = WAL').all([]);
  connection.exec('PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
  connection.prepare('PRAGMA journal_size_limit = 67108864').all([]);
  if (maxPageCount !== undefined) connection.prepare(`PRAGMA max_page_count = ${Math.trunc(maxPageCount)}`).all([]);
}

class SqliteDatabase implements Database {
  readonly path: string;
  readonly driver: DriverName;
  #connection: DriverConnection;
  #busyTimeoutMs: number;
  #isImpatient = false;
  #unlock: () => void;
  #statements = new Map<string, Statement>();
  #inTransaction = false;
  #closed = false;

  constructor(path: string, connection: DriverConnection, busyTimeoutMs: number, unlock: () => void) {
    this.path = path;
    this.driver = connection.name;
    this.#connection = connection;
    this.#busyTimeoutMs = busyTimeoutMs;
    this.#unlock = unlock;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const raw = this.#guard('prepare', () => this.#connection.prepare(sql));
    const statement = {
      run: (...params: SqlValue[]) => this.#guard('run', () => raw.run(params)),
      get: (...params: SqlValue[]) => this.#guard('get', () => raw.get(params)),
      all: (...params: SqlValue[]) => this.#guard('all', () => raw.all(params)),
    } as Statement;
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
    this.#statements.set(sql, statement);
    return statement;
  }

  exec(sql: string): void {
    this.#guard('exec', () => this.#connection.exec(sql));
  }

  transaction<T>(fn: () => T): T {
    if (this.#inTransaction) throw new Error('a transaction is open already: transactions do not nest');
    this.exec('BEGIN IMMEDIATE');
    this.#inTransaction = true;
    try {
      const result = fn();
      if (result instanceof Promise) throw new TypeError('a transaction must be synchronous');
      this.exec('COMMIT');
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  close(): void {
    if (this.#closed) return;
    try {
      this.#connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all([]);
    } catch {
      // A reader or a full disk is in the way: the log stays and is used by the next start.
    }
    this.#closed = true;
    this.#statements.clear();
    this.#connection.close();
    this.#unlock();
  }

  #rollBack(): void {
    try {
      this.#connection.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
  }

  #guard<T>(operation: string, work: () => T): T {
    if (this.#closed) throw new PortError(DATABASE_PORT, operation, false, `the database ${this.path} is closed`);
    try {
      const result = work();
      // Reading is possible under somebody else's lock: only a write shows that it is gone.
      if (this.#isImpatient && (operation === 'exec' || operation === 'run')) this.#waitUpTo(this.#busyTimeoutMs);
      return result;
    } catch (error) {
      if (!this.#isImpatient && isBusy(error)) this.#waitUpTo(Math.min(IMPATIENT_TIMEOUT_MS, this.#busyTimeoutMs));
      throw toPortError(error, operation, this.path);
    }
  }

  #waitUpTo(timeoutMs: number): void {
    this.#isImpatient = timeoutMs < this.#busyTimeoutMs;
    this.#connection.prepare(`PRAGMA busy_timeout = ${Math.trunc(timeoutMs)}`).all([]);
  }
}
