/**
 * What the rest of the server wants to know of accounts: presence ends with its device, rooms show a new name, syncs wake.
 *
 * Listeners are called after the change is durable, in the order they came; the change waits for them, so that a client
 * which has its answer finds their work done. A listener that fails is logged and fails nothing else.
 */
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { StoredProfile } from '../../ports/account-store.ts';
import type { Logger } from '../../ports/logger.ts';

export interface AccountEventMap {
  /** Logout, deletion, replacement by newer devices, deactivation: once for each device. */
  readonly deviceRemoved: (userId: UserId, deviceId: DeviceId) => unknown;
  /** After `deviceRemoved` of all devices. */
  readonly userDeactivated: (userId: UserId) => unknown;
  readonly profileChanged: (userId: UserId, profile: StoredProfile) => unknown;
  /** `position` is of the homeserver stream. */
  readonly accountDataChanged: (userId: UserId, position: number) => unknown;
}

type Listeners = { readonly [E in keyof AccountEventMap]: Set<AccountEventMap[E]> };

export class AccountEvents {
  readonly #logger: Logger;
  readonly #listeners: Listeners = {
    deviceRemoved: new Set(),
    userDeactivated: new Set(),
    profileChanged: new Set(),
    accountDataChanged: new Set(),
  };

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  on<E extends keyof AccountEventMap>(event: E, listener: AccountEventMap[E]): Disposable {
    const listeners: Set<AccountEventMap[E]> = this.#listeners[event];
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  }

  async emit<E extends keyof AccountEventMap>(event: E, ...args: Parameters<AccountEventMap[E]>): Promise<void> {
    for (const listener of this.#listeners[event]) {
      try {
        await (listener as (...args: Parameters<AccountEventMap[E]>) => unknown)(...args);
      } catch (error) {
        this.#logger.error({ err: error, event }, 'a listener to account changes failed');
      }
    }
  }
}
