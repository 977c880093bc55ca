/**
 * Brings a database to the newest schema, and refuses one that is not ours or that a newer release has written.
 *
 * `PRAGMA application_id` marks our files. Without that mark a file with tables in it belongs to another program, another
 * homeserver perhaps, whose configuration was copied.
 */
import { PortError } from '../../ports/errors.ts';
import type { Database } from './database.ts';
import { DATABASE_PORT } from './errors.ts';
import type { Migration } from './migrations/migration.ts';

/** "THLM" */
const APPLICATION_ID = 0x54484c4d;

/** Runs what is missing, each migration in one transaction. Returns the versions before and after. */
export function migrate(db: Database, migrations: readonly Migration[]): { from: number; to: number } {
  const from = pragma(db, 'user_version');
  const to = migrations.at(-1)?.version ?? 0;
  refuseStrangers(db);
  if (from > to) {
    throw refused(
      `the database ${db.path} has schema version ${from}, but this version of Thalamus knows schema versions up to ${to}: ` +
        'use the newer Thalamus again, or a backup from before the upgrade',
    );
  }
  for (const { version, sql } of migrations) {
    if (version <= from) continue;
    db.transaction(() => {
      if (sql.trim() !== '') db.exec(sql);
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version}`);
    });
  }
  return { from, to };
}

function refuseStrangers(db: Database): void {
  if (pragma(db, 'application_id') === APPLICATION_ID) return;
  const tables = db.prepare('SELECT count(*) AS n FROM sqlite_master').get<{ n: number }>()?.n ?? 0;
  if (tables === 0 && pragma(db, 'user_version') === 0) return;
  throw refused(`the database ${db.path} belongs to another program; give Thalamus a file of its own`);
}

function pragma(db: Database, name: 'user_version' | 'application_id'): number {
  return db.prepare(`PRAGMA ${name}`).get<Record<string, number>>()?.[name] ?? 0;
}

function refused(message: string): PortError {
  return new PortError(DATABASE_PORT, 'migrate', false, message);
}
