/**
 * A router for measuring: every update goes to the same list of users, who share no room.
 */
import type { ModuleApi, UserId, UserPresenceState } from 'thalamus/module';

interface Config {
  readonly users: readonly UserId[];
}

export default class EverybodyRouter {
  readonly #users: readonly UserId[];

  constructor(config: Config, api: ModuleApi) {
    this.#users = config.users;
    api.registerPresenceRouterCallbacks(this);
  }

  getUsersForStates(stateUpdates: readonly UserPresenceState[]): Map<UserId, readonly UserPresenceState[]> {
    return new Map(this.#users.map((userId) => [userId, stateUpdates]));
  }

  getInterestedUsers(): readonly UserId[] {
    return this.#users;
  }
}
