/**
 * `database`. SQLite is what there is; the names of PostgreSQL are known, so that they get a better answer than "unknown".
 */
import { z } from 'zod';
import { DEFAULTS } from '../defaults.ts';
import { duration, filePath, section, wholeNumber } from '../fields.ts';

const defaults = DEFAULTS.database;

const name = z
  .string({ error: 'must be "sqlite3"' })
  .prefault(defaults.name)
  .superRefine((value, context) => {
    if (value === 'sqlite3') return;
    const message =
      value === 'postgres' || value === 'psycopg2'
        ? 'must be "sqlite3": PostgreSQL is not in this version'
        : 'must be "sqlite3"';
    context.addIssue({ code: 'custom', message });
  });

export const storageKeys = {
  database: section({
    name: name.meta({ description: 'The kind of database.', example: 'sqlite3' }),
    args: section({
      database: filePath().prefault(defaults.args.database).meta({
        description: 'The file, or `:memory:` for a database that a restart empties. Its folder is made if missing.',
        example: 'data/thalamus.db',
      }),
      busy_timeout: duration({ zero: true }).prefault(defaults.args.busy_timeout).meta({
        description:
          'How long a write waits for another program that holds the file; the whole server waits with it. When that was not enough, further writes wait 10 ms at most until one succeeds.',
        example: '1s',
      }),
      max_page_count: wholeNumber({ min: 1 }).optional().meta({
        description: 'Largest size of the file, in pages of 4096 bytes; writes beyond it fail as on a full disk.',
        example: 262_144,
      }),
    })
      .prefault({})
      .meta({ description: 'How to open it.' }),
  })
    .prefault({})
    .meta({ description: 'Where accounts, rooms and presence are kept.' }),
};
