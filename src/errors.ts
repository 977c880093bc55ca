/**
 * The base of every error this project throws on purpose, and the configuration error.
 *
 * Callers match on `code`, which never changes, rather than on `instanceof`: two copies of the package may be loaded.
 */

/** An error with a stable, machine-readable `code` such as `PRESENCE_ERR_CONFIG`. */
export class PresenceError extends Error {
  override name = 'PresenceError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Something in the configuration is wrong.
 *
 * `path` leads from the place that is being parsed to the wrong value: `['watched', 0]`. Modules throw it from
 * `parseConfig` with a path inside their own `config`; the host puts `modules[1].config` before it.
 */
export class ConfigError extends PresenceError {
  override name = 'ConfigError';
  readonly path: readonly (string | number)[];

  constructor(message: string, path: readonly (string | number)[] = [], options?: ErrorOptions) {
    super('PRESENCE_ERR_CONFIG', message, options);
    this.path = path;
  }
}

/** An adapter or a mode cannot do what was asked; `capability` names it. */
export class NotSupportedError extends PresenceError {
  override name = 'NotSupportedError';
  readonly capability: string;

  constructor(capability: string, message = `${capability} is not supported here`) {
    super('PRESENCE_ERR_NOT_SUPPORTED', message);
    this.capability = capability;
  }
}
