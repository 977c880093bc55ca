/**
 * `thalamus/module`: what a module author imports. Types, constants and errors only; it starts nothing and weighs nothing.
 */
export { ConfigError, NotSupportedError } from '../errors.ts';
export { isServerName, isUserId, localpartOf, serverNameOf } from '../matrix/identifiers.ts';
export type { ServerName, UserId } from '../matrix/identifiers.ts';
export { isPresenceState, PresenceState } from '../matrix/presence-state.ts';
export type { UserPresenceState } from '../core/user-presence-state.ts';
export { CALLBACK_POINTS, PRESENCE_ALL_USERS } from './callbacks.ts';
export type {
  CallbackContext,
  CallbackName,
  CallbackPoint,
  InterestedUsers,
  NoPresenceRouterCallbacks,
  PresenceAllUsers,
  PresenceRouterCallbacks,
  RoutedUpdate,
  UsersForStates,
} from './callbacks.ts';
export { MODULE_API_VERSION } from './module-api.ts';
export type {
  BackgroundCallOptions,
  LogMethod,
  ModuleApi,
  ModuleLogger,
  PresenceForUser,
  ProfileInfo,
  RequesterInfo,
  UserInfo,
  WebResourceHandler,
} from './module-api.ts';
export type {
  ModuleClass,
  ModuleDefinition,
  ModuleFunction,
  ModuleObject,
  ModuleResult,
  ModuleStatics,
} from './module-kinds.ts';
