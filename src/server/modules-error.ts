/**
 * Modules would not load: everything that is wrong with all of them, at once.
 */
import { PresenceError } from '../errors.ts';

export class ModulesError extends PresenceError {
  override name = 'ModulesError';
  /** `ConfigError`s and `ModuleLoadError`s, in the order of the list; never empty. */
  readonly problems: readonly Error[];

  constructor(problems: readonly Error[]) {
    super('PRESENCE_ERR_MODULES', problems.map(({ message }) => message).join('\n'));
    this.problems = problems;
  }
}
