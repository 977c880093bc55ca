/** The presence service; what others may rely on is in presence-api.ts. */
export { Form } from '../core/forms.ts';
export type { BeginSyncOptions, PresenceEntry, PresenceHandler, SyncSession } from './presence-api.ts';
export type { ExplainDirectory, Explanation } from './explanation.ts';
export { createPresenceHandler } from './presence-handler.ts';
export type { KnownUser, PresenceView } from './presence-view.ts';
export {
  DEFAULT_LIMITS,
  DEFAULT_TIMERS,
  type PresenceParts,
  type PresenceSettings,
  type RemoteLimits,
} from './presence-options.ts';
