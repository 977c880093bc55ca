/**
 * The one place where whatever was thrown becomes a response.
 *
 * A `MatrixError` goes out as it is. A port that failed for now is 503, everything else 500, both `M_UNKNOWN` without
 * detail: the detail is for the log.
 */
import type { MatrixError } from '../matrix/errors.ts';

export interface ErrorResponse {
  readonly httpStatus: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** `error`: a bug or a broken part. `warn`: a part that does not answer now. `null`: the client's fault. */
  readonly logLevel: 'error' | 'warn' | null;
}

/** Turns anything that was thrown into what the client gets. */
export function toErrorResponse(error: unknown): ErrorResponse {
  if (isMatrixError(error)) return { httpStatus: error.httpStatus, body: error.toBody(), logLevel: null };
  if (isTransient(error)) {
    return {
      httpStatus: 503,
      body: { errcode: 'M_UNKNOWN', error: 'The server cannot do this at the moment' },
      logLevel: 'warn',
    };
  }
  return { httpStatus: 500, body: { errcode: 'M_UNKNOWN', error: 'Internal server error' }, logLevel: 'error' };
}

// By shape, not by class: two copies of the package may be loaded.
function isMatrixError(error: unknown): error is MatrixError {
  return error instanceof Error && 'errcode' in error && 'httpStatus' in error && 'toBody' in error;
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'PRESENCE_ERR_PORT' &&
    'transient' in error &&
    error.transient === true
  );
}
