/** What the exit code of every command means. */
export const ExitCode = {
  /** Done, or stopped as asked. */
  OK: 0,
  /** A crash, or something outside the configuration is in the way: a port, a database, a refused request. */
  FAILURE: 1,
  /** Something in the configuration or on the command line is wrong. */
  CONFIG: 2,
  /** A module would not load. */
  MODULE: 3,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
