/**
 * The shape of a schema migration. Migrations are only ever added: one that was released never changes.
 */
export interface Migration {
  /** 1, 2, 3 …: the schema version once it has run. */
  readonly version: number;
  readonly name: string;
  /** Any number of statements, run in one transaction with the new version number. */
  readonly sql: string;
}
