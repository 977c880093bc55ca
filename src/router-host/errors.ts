/**
 * What goes wrong with modules: loading one stops the start, a failing callback only costs its answer.
 */
import { PresenceError } from '../errors.ts';
import type { CallbackName } from '../module/callbacks.ts';

/** A module would not load or could not be constructed: exit code 3. The message is complete: entry, file, what, how it should look. */
export class ModuleLoadError extends PresenceError {
  override name = 'ModuleLoadError';
  /** As the configuration spells it, such as `./my-router.ts#Router`. */
  readonly module: string;
  readonly reason: ModuleLoadReason;

  constructor(module: string, reason: ModuleLoadReason, message: string, options?: ErrorOptions) {
    super('PRESENCE_ERR_MODULE_LOAD', message, options);
    this.module = module;
    this.reason = reason;
  }
}

export type ModuleLoadReason =
  | 'not_found'
  | 'import_failed'
  | 'export_missing'
  | 'not_a_module'
  | 'api_version'
  | 'construction_failed'
  | 'half_a_pair';

/** A callback's answer was dropped. Made for the log; it never leaves the host. */
export class ModuleCallbackError extends PresenceError {
  override name = 'ModuleCallbackError';
  readonly module: string;
  readonly callback: CallbackName;
  readonly reason: CallbackFailure;

  constructor(
    module: string,
    callback: CallbackName,
    reason: CallbackFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super('PRESENCE_ERR_MODULE_CALLBACK', message, options);
    this.module = module;
    this.callback = callback;
    this.reason = reason;
  }
}

/** `blocked`: held up the whole process for a second or more. */
export type CallbackFailure = 'threw' | 'timed_out' | 'invalid_return' | 'blocked';
