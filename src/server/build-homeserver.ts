/**
 * Third stage of a start: the small homeserver of standalone mode, which is accounts, rooms and what wakes its syncs.
 */
import { type Accounts, createAccounts } from '../homeserver/accounts/index.ts';
import { Notifier } from '../homeserver/notifier.ts';
import { createRooms, type Rooms } from '../homeserver/rooms/rooms.ts';
import type { Foundation } from './foundation.ts';
import type { Storage } from './open-storage.ts';

export interface Homeserver {
  readonly accounts: Accounts;
  readonly rooms: Rooms;
  readonly notifier: Notifier;
}

export async function buildHomeserver(foundation: Foundation, storage: Storage): Promise<Homeserver> {
  const { clock, config, logger, metrics, releases } = foundation;
  const { serverName, registration } = config;
  const accounts = createAccounts({
    store: storage.accounts,
    clock,
    logger,
    serverName,
    sharedSecret: registration.sharedSecret,
  });
  releases.add('accounts', () => accounts.stop());

  const notifier = new Notifier({
    clock,
    startPosition: await storage.rooms.currentPosition(),
    startTypingSerial: clock.now(),
  });
  const excludedRooms = new Set(config.presence.excludedRooms);
  const rooms = createRooms({
    store: storage.rooms,
    clock,
    serverName,
    notifier,
    profiles: accounts.profiles,
    accountData: accounts.accountData,
    countsForPresence: (roomId) => !excludedRooms.has(roomId),
    onError: (err) => {
      logger.error({ err }, 'members were not woken for typing');
    },
  });
  releases.add('rooms', () => {
    rooms.close();
  });
  releases.add('notifier', () => {
    notifier.stop();
  });

  accounts.events.on('accountDataChanged', (userId, position) => {
    notifier.notify([userId], position);
  });
  accounts.events.on('profileChanged', (userId) => rooms.memberships.profileChanged(userId));
  accounts.onUserDeactivated((userId) => rooms.memberships.leaveAll(userId));

  metrics.gauge({
    name: 'synapse_notifier_listeners',
    help: 'Long polls that wait',
    collect: () => notifier.stats.waiters,
  });
  metrics.gauge({
    name: 'synapse_notifier_users',
    help: 'Users with a long poll that waits',
    collect: () => notifier.stats.users,
  });
  return { accounts, rooms, notifier };
}
