/**
 * Presence in SQLite. Writes bind plain parameters, many rows to a statement; reads return big JSON arrays, because both
 * drivers spend most of their time on making row objects.
 *
 * JSON is only ever written by SQLite and parsed here, never the other way round: SQLite would decode an escaped half of a
 * surrogate pair into text that is not UTF-8, which libsql cannot read back.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import { isPresenceState } from '../../matrix/presence-state.ts';
import type { PresenceRow, PresenceStore, RoutedAnswer, StoredPresence } from '../../ports/presence-store.ts';
import type { Database, SqlValue } from './database.ts';

/** Rows read at once: about 3 ms of the process's time. */
const LOAD_BATCH = 2_000;
/** Rows of one statement; there is one for each number of rows up to it. */
const WRITE_BATCH = 50;

const ROW_COLUMNS = [
  'user_id',
  'state',
  'last_active_ts',
  'last_federation_update_ts',
  'last_user_sync_ts',
  'status_msg',
  'currently_active',
  'position',
] as const;

/** What rows are put into: those with a key that is there already replace what is there. */
interface UpsertTable {
  readonly name: string;
  /** The first one is the key. */
  readonly columns: readonly string[];
  /** The statement for each number of rows, made when it is first needed. */
  readonly sql: (string | undefined)[];
}

const PRESENCE: UpsertTable = { name: 'presence', columns: ROW_COLUMNS, sql: [] };
const FULL_MARKS: UpsertTable = { name: 'presence_full_marks', columns: ['user_id', 'position'], sql: [] };

type LoadedRow = readonly [
  userId: UserId,
  state: unknown,
  lastActiveTs: number,
  lastFederationUpdateTs: number,
  lastUserSyncTs: number,
  statusMsg: string | null,
  currentlyActive: number,
  position: number,
  routedPosition: number | null,
  routedTo: string | null,
];

export class SqlitePresenceStore implements PresenceStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async *loadAll(): AsyncIterable<readonly StoredPresence[]> {
    const page = this.#db.prepare(`
      SELECT
        json_group_array(json_array(${ROW_COLUMNS.map((column) => `p.${column}`).join(', ')}, r.position, r.routed_to)) AS rows,
        max(p.user_id) AS last
      FROM (SELECT * FROM presence WHERE user_id > ? ORDER BY user_id LIMIT ${LOAD_BATCH}) AS p
      LEFT JOIN presence_routed AS r ON r.user_id = p.user_id`);
    let after = '';
    for (;;) {
      const found = page.get<{ rows: string; last: string | null }>(after);
      if (found === undefined || found.last === null) return;
      after = found.last;
      yield (JSON.parse(found.rows) as LoadedRow[]).map(toStored);
    }
  }

  async write(rows: readonly PresenceRow[]): Promise<void> {
    this.#upsert(PRESENCE, rows, toColumns);
  }

  async writeRouted(answers: readonly RoutedAnswer[]): Promise<void> {
    if (answers.length === 0) return;
    const forget = this.#db.prepare('DELETE FROM presence_routed WHERE user_id = ?');
    const keep = this.#db.prepare(`
      INSERT INTO presence_routed (user_id, position, routed_to)
      SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM presence WHERE user_id = ?)
      ON CONFLICT (user_id) DO UPDATE SET position = excluded.position, routed_to = excluded.routed_to`);
    const save = ({ userId, routedTo, routedPosition }: RoutedAnswer): void => {
      if (routedTo.length === 0) forget.run(userId);
      else keep.run(userId, routedPosition, JSON.stringify(routedTo), userId);
    };
    if (answers.length === 1) answers.forEach(save);
    else this.#db.transaction(() => answers.forEach(save));
  }

  async moveRouted(positions: ReadonlyMap<UserId, number>): Promise<void> {
    if (positions.size === 0) return;
    // One statement for all of them takes three fifths of the time of one for each.
    this.#db
      .prepare(
        'UPDATE presence_routed SET position = moved.value FROM json_each(?) AS moved WHERE presence_routed.user_id = moved.key',
      )
      .run(JSON.stringify(Object.fromEntries(positions)));
  }

  async positionCeiling(): Promise<number> {
    return this.#db.prepare('SELECT ceiling FROM presence_position').get<{ ceiling: number }>()?.ceiling ?? 0;
  }

  async reservePositions(ceiling: number): Promise<void> {
    this.#db.prepare('UPDATE presence_position SET ceiling = ? WHERE ceiling < ?').run(ceiling, ceiling);
  }

  async loadFullPresenceMarks(): Promise<ReadonlyMap<UserId, number>> {
    const rows = this.#db
      .prepare('SELECT user_id, position FROM presence_full_marks')
      .all<{ user_id: UserId; position: number }>();
    return new Map(rows.map((row) => [row.user_id, row.position]));
  }

  async writeFullPresenceMarks(marks: ReadonlyMap<UserId, number>): Promise<void> {
    this.#upsert(FULL_MARKS, [...marks], (mark) => mark);
  }

  async remove(users: readonly UserId[]): Promise<void> {
    if (users.length === 0) return;
    const row = this.#db.prepare('DELETE FROM presence WHERE user_id = ?');
    const mark = this.#db.prepare('DELETE FROM presence_full_marks WHERE user_id = ?');
    this.#db.transaction(() => {
      for (const userId of users) {
        row.run(userId);
        mark.run(userId);
      }
    });
  }

  /** A turn of the size of most is one statement, which needs no BEGIN and COMMIT: a call of the driver costs as much as a row. */
  #upsert<T>(table: UpsertTable, rows: readonly T[], toValues: (row: T) => readonly SqlValue[]): void {
    if (rows.length === 0) return;
    if (rows.length <= WRITE_BATCH) {
      this.#upsertAtOnce(table, rows, toValues);
      return;
    }
    this.#db.transaction(() => {
      for (let next = 0; next < rows.length; next += WRITE_BATCH) {
        this.#upsertAtOnce(table, rows.slice(next, next + WRITE_BATCH), toValues);
      }
    });
  }

  #upsertAtOnce<T>(table: UpsertTable, rows: readonly T[], toValues: (row: T) => readonly SqlValue[]): void {
    const sql = (table.sql[rows.length] ??= upsertSql(table, rows.length));
    this.#db.prepare(sql).run(...rows.flatMap(toValues));
  }
}

function upsertSql({ name, columns }: UpsertTable, rows: number): string {
  const [key, ...rest] = columns;
  const values = `(${columns.map(() => '?').join(', ')})`;
  return (
    `INSERT INTO ${name} (${columns.join(', ')}) VALUES ${Array.from({ length: rows }, () => values).join(', ')} ` +
    `ON CONFLICT (${key}) DO UPDATE SET ${rest.map((column) => `${column} = excluded.${column}`).join(', ')}`
  );
}

function toColumns({ state, position }: PresenceRow): SqlValue[] {
  return [
    state.userId,
    state.state,
    state.lastActiveTs,
    state.lastFederationUpdateTs,
    state.lastUserSyncTs,
    state.statusMsg,
    state.currentlyActive ? 1 : 0,
    position,
  ];
}

function toStored(row: LoadedRow): StoredPresence {
  const [userId, storedState, lastActiveTs, lastFederationUpdateTs, lastUserSyncTs, statusMsg, active, position] = row;
  const state: UserPresenceState = {
    userId,
    // A state that a later release may know is no reason not to start.
    state: isPresenceState(storedState) ? storedState : 'offline',
    lastActiveTs,
    lastFederationUpdateTs,
    lastUserSyncTs,
    statusMsg,
    currentlyActive: active !== 0,
  };
  const routedTo = row[9] === null ? [] : (JSON.parse(row[9]) as UserId[]);
  return { state, position, routedTo, routedPosition: row[8] ?? 0 };
}
