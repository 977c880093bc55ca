/** The presence service; what others may rely on is in presence-api.ts. */
export type { BeginSyncOptions, PresenceEntry, PresenceHandler, SyncSession } from './presence-api.ts';
