/**
 * Turns what a SQLite driver throws into a `PortError` that says what is wrong and whether trying again can help.
 *
 * node:sqlite reports the extended result code as `errcode`, libsql as `rawCode`; the lowest byte is the primary code
 * (https://sqlite.org/rescode.html). Everything else, a `TypeError` for example, is a mistake of ours and passes unchanged.
 */
import { PortError } from '../../ports/errors.ts';

export const DATABASE_PORT = 'database';

const BUSY = 5;
const UNIQUE = 2067;
const PRIMARY_KEY = 1555;

const WORDS: Readonly<Record<number, { transient: boolean; words: string }>> = {
  [BUSY]: { transient: true, words: 'the database is locked by somebody else' },
  6: { transient: true, words: 'a table of the database is locked' },
  8: { transient: false, words: 'the database file is read-only' },
  10: { transient: true, words: 'the disk failed to read or write the database' },
  11: { transient: false, words: 'the database file is damaged' },
  13: { transient: true, words: 'the disk is full, or the database reached its size limit' },
  14: { transient: false, words: 'the database file cannot be opened: does its folder exist, and may we write there?' },
  19: { transient: false, words: 'the change breaks a rule of the schema' },
  26: { transient: false, words: 'the file is not a SQLite database' },
};

/** The extended SQLite result code, or null when `error` did not come from SQLite. */
export function sqliteCodeOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null) return null;
  if (error instanceof PortError) return sqliteCodeOf(error.cause);
  const { errcode, rawCode, message } = error as { errcode?: unknown; rawCode?: unknown; message?: unknown };
  if (typeof errcode === 'number') return errcode;
  if (typeof rawCode === 'number') return rawCode;
  // libsql gives no code when the file cannot be opened, only this text.
  const opening =
    typeof message === 'string' ? /Unable to open connection to local database .*: (\d+)/s.exec(message) : null;
  return opening === null ? null : Number(opening[1]);
}

/** Whether `error`, mapped or not, says that a row with the same key exists already. */
export function isUniqueViolation(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return code === UNIQUE || code === PRIMARY_KEY;
}

/** Whether `error`, mapped or not, says that another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return ((sqliteCodeOf(error) ?? 0) & 0xff) === BUSY;
}

/** `error` as a `PortError` if SQLite reported it; anything else as it is. The database's path is part of the message. */
export function toPortError(error: unknown, operation: string, path: string): unknown {
  if (error instanceof PortError) return error;
  const code = sqliteCodeOf(error);
  if (code === null) return error;
  const known = WORDS[code & 0xff];
  const detail = error instanceof Error ? error.message : String(error);
  const message = `${known?.words ?? 'the database refused a statement'} (${path}: ${detail})`;
  return new PortError(DATABASE_PORT, operation, known?.transient ?? false, message, { cause: error });
}
