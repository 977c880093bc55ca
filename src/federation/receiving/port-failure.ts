/**
 * Tells failures of what is behind a port from bugs.
 */

/** By code, not by class: two copies of the package may be loaded. */
export function isPortError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'PRESENCE_ERR_PORT';
}
