/**
 * Structured logging: fields first, then a short constant sentence. Tokens, passwords and status messages never go in.
 */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** Put an `Error` under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;
