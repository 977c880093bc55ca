/**
 * Fourth stage of a start: presence, restored from the store, with the routers it will ask and the events that feed it.
 */
import type { FederationConfig } from '../config/config.ts';
import type { PresenceTimers } from '../core/engine-api.ts';
import type { FederationTransport } from '../ports/federation-transport.ts';
import type { TrafficTap } from '../ports/traffic-tap.ts';
import { createPresenceHandler, DEFAULT_TIMERS, type PresenceHandler, type RemoteLimits } from '../presence/index.ts';
import type { Router } from '../router-host/index.ts';
import type { Homeserver } from './build-homeserver.ts';
import type { Foundation } from './foundation.ts';
import type { Storage } from './open-storage.ts';

/** Saving what is unsaved may take long on a slow disk. */
const STOP_TIMEOUT_MS = 15_000;

export async function startPresence(
  foundation: Foundation,
  storage: Storage,
  homeserver: Homeserver,
  router: Router,
  federation: FederationTransport,
  tap: TrafficTap | null,
): Promise<PresenceHandler> {
  const { clock, config, logger, metrics, overrides, releases } = foundation;
  const settings = config.presence;
  const timers: PresenceTimers = {
    ...DEFAULT_TIMERS,
    lastActiveGranularityMs: settings.lastActiveGranularityMs,
    syncOnlineTimeoutMs: settings.syncOnlineTimeoutMs,
    idleTimeoutMs: settings.idleTimeoutMs,
    ...overrides.timers,
  };
  const presence = createPresenceHandler(
    {
      serverName: config.serverName,
      mode: settings.mode,
      timers,
      limits: {
        maxPendingPerObserver: config.limits.maxPendingUpdatesPerObserver,
        maxRoutedPerUser: config.limits.maxRoutedUsersPerUpdate,
      },
      excludedRooms: new Set(settings.excludedRooms),
      tellsLoss: settings.tellOfflineOnLoss,
      maxStatusMsgBytes: settings.maxStatusMsgBytes,
      busyEnabled: settings.busyEnabled,
      ...(config.federation === null ? {} : { remote: remoteLimits(config.federation.presence) }),
    },
    {
      store: storage.presence,
      rooms: overrides.rooms ?? homeserver.rooms.roomDirectory,
      federation,
      router,
      clock,
      logger,
      metrics,
      tap,
    },
  );
  releases.add('presence', () => presence.stop(), STOP_TIMEOUT_MS);
  await presence.start();

  const wokenUsers = metrics.counter({
    name: 'synapse_notifier_users_woken_by_stream',
    help: 'Users whose long polls were told of something new, by stream',
    labelNames: ['stream'],
  });
  const stream = { stream: 'presence' };
  presence.onNotify((users) => {
    wokenUsers.inc(stream, users.length);
    homeserver.notifier.wake(users);
  });
  homeserver.accounts.onDeviceRemoved((userId, deviceId) => {
    presence.removeDevice(userId, deviceId);
  });
  homeserver.accounts.onUserDeactivated((userId) => {
    presence.removeUser(userId);
  });
  return presence;
}

function remoteLimits(bounds: FederationConfig['presence']): Partial<RemoteLimits> {
  return {
    maxStrangersPerServer: bounds.maxStrangersPerServer,
    maxStrangers: bounds.maxStrangers,
    maxGuestsPerServer: bounds.maxUsersPerServer,
    maxGuests: bounds.maxUsers,
    strangersAskedPerSecondAndServer: bounds.strangersAskedPerSecondAndServer,
    strangersAskedPerSecond: bounds.strangersAskedPerSecond,
  };
}
