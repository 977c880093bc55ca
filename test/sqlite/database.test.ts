import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase, type OpenDatabaseOptions } from '../../src/adapters/sqlite/database.ts';
import { availableDrivers, openDriver } from '../../src/adapters/sqlite/driver.ts';
import { isUniqueViolation } from '../../src/adapters/sqlite/errors.ts';
import { currentStreamPosition, nextStreamPosition } from '../../src/adapters/sqlite/stream.ts';
import { PortError } from '../../src/ports/errors.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

let folder: string;
let opened: Database[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thalamus-sqlite-'));
});
afterEach(() => {
  for (const db of opened) db.close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

function thrownBy(work: () => unknown): PortError {
  try {
    work();
  } catch (error) {
    if (error instanceof PortError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe.each(availableDrivers())('a database through %s', (driver) => {
  function open(options: Partial<OpenDatabaseOptions> = {}): Database {
    const db = openDatabase({
      path: join(folder, 'thalamus.db'),
      busyTimeoutMs: 20,
      logger: silent,
      driver,
      ...options,
    });
    opened.push(db);
    return db;
  }

  it('keeps what a transaction wrote and nothing of one that threw', () => {
    const db = open();
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT');
    const insert = db.prepare('INSERT INTO t VALUES (?, ?)');
    expect(insert.run(1, 'a')).toEqual({ changes: 1, lastInsertRowid: 1 });
    expect(() =>
      db.transaction(() => {
        insert.run(2, 'b');
        throw new Error('no');
      }),
    ).toThrow('no');
    db.transaction(() => insert.run(3, 'c'));
    expect(db.prepare('SELECT id FROM t ORDER BY id').all()).toEqual([{ id: 1 }, { id: 3 }]);
    expect(db.prepare('SELECT id, name FROM t WHERE id = ?').get(3)).toEqual({ id: 3, name: 'c' });
    expect(db.prepare('SELECT id FROM t WHERE id = ?').get(4)).toBeUndefined();
    expect(db.prepare('SELECT 1')).toBe(db.prepare('SELECT 1'));
  });

  it('commits a statement that returns a row, so that nobody stays locked out', () => {
    const db = open();
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT');
    expect(db.prepare('INSERT INTO t VALUES (?) RETURNING id').get(7)).toEqual({ id: 7 });
    expect(db.prepare('INSERT INTO t VALUES (8), (9) RETURNING id').run().changes).toBe(2);
    const other = openDriver(db.path, 20, driver);
    other.exec('BEGIN IMMEDIATE; ROLLBACK');
    other.close();
    expect(db.inTransaction).toBe(false);
  });

  it('refuses nesting, asynchronous transactions and values that are not SQL', () => {
    const db = open();
    expect(() => db.transaction(() => db.transaction(() => 1))).toThrow('do not nest');
    expect(() => db.transaction(async () => 1)).toThrow('synchronous');
    expect(db.inTransaction).toBe(false);
    expect(() => db.prepare('SELECT ?').get(true as never)).toThrow(TypeError);
    expect(() => db.prepare('SELECT ?').get(undefined as never)).toThrow(TypeError);
  });

  it('says so when a key exists already', () => {
    const db = open();
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT');
    db.prepare('INSERT INTO t VALUES (1, ?)').run('a');
    const error = thrownBy(() => db.prepare('INSERT INTO t VALUES (2, ?)').run('a'));
    expect(isUniqueViolation(error)).toBe(true);
    expect(error.transient).toBe(false);
    expect(isUniqueViolation(new Error('x'))).toBe(false);
  });

  it('is a transient error while another process writes, and works again afterwards', () => {
    const db = open();
    const other = openDriver(db.path, 20, driver);
    other.exec('BEGIN IMMEDIATE');
    const error = thrownBy(() => db.transaction(() => nextStreamPosition(db)));
    expect(error).toMatchObject({ port: 'database', transient: true });
    expect(error.message).toMatch(/locked/);
    expect(db.inTransaction).toBe(false);
    other.exec('ROLLBACK');
    other.close();
    expect(db.transaction(() => nextStreamPosition(db))).toBe(1);
  });

  it('waits for a lock once, then lets nobody wait for long until a write gets through', () => {
    const db = open({ busyTimeoutMs: 60 });
    const timeout = () => Object.values(db.prepare('PRAGMA busy_timeout').get() as object)[0];
    const write = () => db.transaction(() => nextStreamPosition(db));
    const other = openDriver(db.path, 20, driver);
    other.exec('BEGIN IMMEDIATE');
    expect(timeout()).toBe(60);
    expect(thrownBy(write)).toMatchObject({ transient: true });
    expect(timeout()).toBe(10);
    expect(thrownBy(write)).toMatchObject({ transient: true });
    expect(timeout(), 'reading shows nothing').toBe(10);
    other.exec('ROLLBACK');
    other.close();
    expect(write()).toBe(1);
    expect(timeout()).toBe(60);
  });

  it('is a transient error when the disk is full, and what was there stays', () => {
    const db = open({ maxPageCount: 60 });
    db.exec('CREATE TABLE t (body TEXT) STRICT');
    const insert = db.prepare('INSERT INTO t VALUES (?)');
    insert.run('first');
    const error = thrownBy(() => {
      for (let i = 0; i < 200; i++) db.transaction(() => insert.run('x'.repeat(2_000)));
    });
    expect(error).toMatchObject({ transient: true });
    expect(error.message).toMatch(/disk is full/);
    expect(db.prepare('SELECT body FROM t LIMIT 1').get()).toEqual({ body: 'first' });
    db.exec('DELETE FROM t WHERE length(body) > 100');
    db.transaction(() => insert.run('room again'));
  });

  it('row 251: a second process on the same file is refused, until the first is gone', () => {
    const db = open();
    const error = thrownBy(() => open());
    expect(error).toMatchObject({ transient: true });
    expect(error.message).toContain('another Thalamus process');
    db.close();
    open();
  });

  it('refuses a second process that comes by a link to the file, too', () => {
    const db = open();
    symlinkSync(db.path, join(folder, 'link.db'));
    expect(thrownBy(() => open({ path: join(folder, 'link.db') })).message).toContain('another Thalamus process');
    db.close();
    expect(open({ path: join(folder, 'link.db') }).path).toBe(db.path);
  });

  it('lets other programs read it meanwhile', () => {
    const db = open();
    const reader = openDriver(db.path, 20, driver);
    expect(reader.prepare('PRAGMA user_version').all([])).toHaveLength(1);
    reader.close();
  });

  it('refuses a newer schema and names both versions', () => {
    const db = open();
    db.exec('PRAGMA user_version = 99');
    db.close();
    const error = thrownBy(() => open());
    expect(error.transient).toBe(false);
    expect(error.message).toMatch(/schema version 99.*up to 5/);
  });

  it("refuses another program's database and files that are none", () => {
    const foreign = join(folder, 'homeserver.db');
    const other = openDriver(foreign, 20, driver);
    other.exec('CREATE TABLE users (name TEXT)');
    other.close();
    expect(thrownBy(() => open({ path: foreign })).message).toContain('another program');
    const text = join(folder, 'notes.txt');
    writeFileSync(text, 'this is not a database. '.repeat(100));
    const error = thrownBy(() => open({ path: text }));
    expect(error).toMatchObject({ transient: false });
    expect(error.message).toContain('not a SQLite database');
    expect(thrownBy(() => open({ path: folder })).message).toContain(folder);
    writeFileSync(join(folder, 'file'), '');
    expect(thrownBy(() => open({ path: join(folder, 'file', 'thalamus.db') })).transient).toBe(false);
    // A place where folders cannot be made, and where making them all at once would never end.
    expect(thrownBy(() => open({ path: '/proc/nowhere/thalamus.db' })).message).toContain('/proc/nowhere');
  });

  it('a migration that fails changes nothing', () => {
    const good = { version: 1, name: 'good', sql: 'CREATE TABLE good (a TEXT) STRICT' };
    const bad = {
      version: 2,
      name: 'bad',
      sql: 'CREATE TABLE half (a TEXT) STRICT; CREATE TABLE good (a TEXT) STRICT',
    };
    expect(thrownBy(() => open({ migrations: [good, bad] })).message).toContain('good already exists');
    const db = open({ migrations: [good] });
    expect(db.prepare('SELECT name FROM sqlite_master').all()).toEqual([{ name: 'good' }]);
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
  });

  it('makes its folder, lets only this user read the files, and leaves no log behind', () => {
    const path = join(folder, 'data', 'deep', 'thalamus.db');
    const db = open({ path });
    for (const name of readdirSync(join(folder, 'data', 'deep'))) {
      if (name.endsWith('.lock')) continue;
      expect(statSync(join(folder, 'data', 'deep', name)).mode & 0o077).toBe(0);
    }
    db.close();
    db.close();
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
    expect(log?.size ?? 0).toBe(0);
    const error = thrownBy(() => db.prepare('SELECT 1').get());
    expect(error.message).toContain('closed');
  });

  it('keeps the homeserver stream positions across a crash', () => {
    const db = open();
    expect(currentStreamPosition(db)).toBe(0);
    expect(() => nextStreamPosition(db)).toThrow('in the transaction');
    expect(db.transaction(() => nextStreamPosition(db, 5))).toBe(5);
    expect(() =>
      db.transaction(() => {
        nextStreamPosition(db);
        throw new Error('no');
      }),
    ).toThrow('no');
    // What is on disk now is what a killed process leaves behind.
    const copy = join(folder, 'after-kill');
    mkdirSync(copy);
    for (const name of ['thalamus.db', 'thalamus.db-wal']) cpSync(join(folder, name), join(copy, name));
    const again = open({ path: join(copy, 'thalamus.db') });
    expect(currentStreamPosition(again)).toBe(5);
    expect(again.transaction(() => nextStreamPosition(again))).toBe(6);
  });

  it('a killed process leaves no lock behind', async () => {
    const path = join(folder, 'thalamus.db');
    const script = `
      const { lockDatabase } = await import(${JSON.stringify(new URL('../../scripts/register-ts.mjs', import.meta.url).href)})
        .then(() => import(${JSON.stringify(new URL('../../src/adapters/sqlite/process-lock.ts', import.meta.url).href)}));
      globalThis.held = lockDatabase(${JSON.stringify(path)}, ${JSON.stringify(driver)});
      console.log('held');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      expect(thrownBy(() => open()).message).toContain('another Thalamus process');
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    open();
  });
});

it.skipIf(availableDrivers().includes('node:sqlite'))('says which driver is missing', () => {
  expect(thrownBy(() => openDriver(':memory:', 0, 'node:sqlite')).message).toContain('not available');
});
