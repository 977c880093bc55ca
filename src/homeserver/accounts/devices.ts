/**
 * A user's devices: list, name, remove. Logging out removes the device, because a device without a token is nothing here.
 *
 * Removing is the one way by which tokens end, so this is where the sessions in memory and the presence of a device go.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { DeviceId, UserId } from '../../matrix/identifiers.ts';
import type { AccountStore, StoredDevice } from '../../ports/account-store.ts';
import type { AccountEvents } from './account-events.ts';
import type { Authenticator } from './authenticator.ts';

export interface DevicesOptions {
  readonly store: Pick<AccountStore, 'listDevices' | 'renameDevice' | 'removeDevices' | 'deactivateUser'>;
  readonly authenticator: Authenticator;
  readonly events: AccountEvents;
}

export class Devices {
  readonly #options: DevicesOptions;

  constructor(options: DevicesOptions) {
    this.#options = options;
  }

  async list(userId: UserId): Promise<readonly StoredDevice[]> {
    await this.#options.authenticator.flush();
    return this.#options.store.listDevices(userId);
  }

  /** @throws MatrixError 404 `M_NOT_FOUND` */
  async get(userId: UserId, deviceId: DeviceId): Promise<StoredDevice> {
    const found = (await this.list(userId)).find((device) => device.deviceId === deviceId);
    if (found === undefined) throw notFound();
    return found;
  }

  /** @throws MatrixError 404 `M_NOT_FOUND` */
  async rename(userId: UserId, deviceId: DeviceId, displayName: string | null): Promise<void> {
    if (!(await this.#options.store.renameDevice(userId, deviceId, displayName))) throw notFound();
  }

  /** Those that do not exist are gone already. */
  async remove(userId: UserId, deviceIds: readonly DeviceId[]): Promise<void> {
    await this.ended(userId, await this.#options.store.removeDevices(userId, deviceIds));
  }

  async removeAll(userId: UserId, except: DeviceId | null = null): Promise<void> {
    await this.ended(userId, await this.#options.store.removeDevices(userId, null, except));
  }

  /** Removes the user's devices and everything else but the id. */
  async deactivate(userId: UserId): Promise<void> {
    await this.ended(userId, await this.#options.store.deactivateUser(userId));
    await this.#options.events.emit('userDeactivated', userId);
  }

  /** Tells everybody that these devices are gone from the store. */
  async ended(userId: UserId, deviceIds: readonly DeviceId[]): Promise<void> {
    for (const deviceId of deviceIds) this.#options.authenticator.drop(userId, deviceId);
    for (const deviceId of deviceIds) await this.#options.events.emit('deviceRemoved', userId, deviceId);
  }
}

function notFound(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'There is no such device');
}
