/**
 * Errors that leave the server in the shape of the Matrix specification: `{ errcode, error, ... }` with a status.
 *
 * Both `httpStatus` and `errcode` are required: a default is how a wrong status gets out.
 */
import { PresenceError } from '../errors.ts';

export type Errcode =
  | 'M_BAD_ALIAS'
  | 'M_BAD_JSON'
  | 'M_BAD_STATE'
  | 'M_CANNOT_LEAVE_SERVER_NOTICE_ROOM'
  | 'M_EXCLUSIVE'
  | 'M_FORBIDDEN'
  | 'M_GUEST_ACCESS_FORBIDDEN'
  | 'M_INVALID_PARAM'
  | 'M_INVALID_ROOM_STATE'
  | 'M_INVALID_USERNAME'
  | 'M_LIMIT_EXCEEDED'
  | 'M_MISSING_PARAM'
  | 'M_MISSING_TOKEN'
  | 'M_NOT_FOUND'
  | 'M_NOT_JSON'
  | 'M_ROOM_IN_USE'
  | 'M_TOO_LARGE'
  | 'M_UNAUTHORIZED'
  | 'M_UNKNOWN'
  | 'M_UNKNOWN_TOKEN'
  | 'M_UNRECOGNIZED'
  | 'M_UNSUPPORTED_ROOM_VERSION'
  | 'M_USER_DEACTIVATED'
  | 'M_USER_IN_USE'
  | 'M_WEAK_PASSWORD';

export class MatrixError extends PresenceError {
  override name = 'MatrixError';
  readonly httpStatus: number;
  readonly errcode: Errcode;
  /** Further members of the body, such as `retry_after_ms` or `soft_logout`. */
  readonly extras: Readonly<Record<string, unknown>>;

  constructor(
    httpStatus: number,
    errcode: Errcode,
    error: string,
    extras: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(errcode, error, options);
    this.httpStatus = httpStatus;
    this.errcode = errcode;
    this.extras = extras;
  }

  /** The response body. */
  toBody(): Record<string, unknown> {
    return { errcode: this.errcode, error: this.message, ...this.extras };
  }
}
