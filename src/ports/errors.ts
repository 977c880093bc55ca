/**
 * What adapters throw when the thing behind a port fails.
 */
import { PresenceError } from '../errors.ts';

export class PortError extends PresenceError {
  override name = 'PortError';
  readonly port: string;
  readonly operation: string;
  /** Whether the same call may succeed later: a locked database is, a newer schema is not. */
  readonly transient: boolean;

  constructor(port: string, operation: string, transient: boolean, message: string, options?: ErrorOptions) {
    super('PRESENCE_ERR_PORT', message, options);
    this.port = port;
    this.operation = operation;
    this.transient = transient;
  }
}

/** By code, not by class: two copies of the package may be loaded. */
export function isPortError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'PRESENCE_ERR_PORT';
}
