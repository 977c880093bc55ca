/**
 * Keeps a second Thalamus away from a database file: two engines would give out the same positions.
 *
 * The lock is SQLite's own on an empty file beside the database, `<database>.lock`. The kernel lets go of it when the
 * process dies, however it dies, so there is never a stale lock to remove; and the database itself stays open to readers
 * such as a backup tool.
 */
import { PortError } from '../../ports/errors.ts';
import { type DriverName, openDriver } from './driver.ts';
import { DATABASE_PORT, isBusy, toPortError } from './errors.ts';

/** Takes the lock or throws a transient `PortError`. The function it returns gives the lock back. */
export function lockDatabase(databasePath: string, driver?: DriverName): () => void {
  const path = `${databasePath}.lock`;
  try {
    const connection = openDriver(path, 0, driver);
    try {
      connection.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return () => connection.close();
    } catch (error) {
      connection.close();
      throw error;
    }
  } catch (error) {
    if (!isBusy(error)) throw toPortError(error, 'open', path);
    throw new PortError(
      DATABASE_PORT,
      'open',
      true,
      `another Thalamus process is using the database ${databasePath} (it holds ${path}); stop it, or give this one its own database`,
      { cause: error },
    );
  }
}
