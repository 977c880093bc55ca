/**
 * `thalamus/module`: what a module author imports. Types, constants, errors and the relation; it starts nothing and weighs nothing.
 */
export { ConfigError, NotSupportedError } from '../errors.ts';
export { isServerName, isUserId, localpartOf, serverNameOf } from '../matrix/identifiers.ts';
export type { ServerName, UserId } from '../matrix/identifiers.ts';
export { isPresenceState, PresenceState } from '../matrix/presence-state.ts';
export type { UserPresenceState } from '../core/user-presence-state.ts';
export { CALLBACK_POINTS, EVERYBODY_ELSE, PRESENCE_ALL_USERS } from './callbacks.ts';
export type {
  CallbackContext,
  CallbackName,
  CallbackPoint,
  EverybodyElse,
  HideableField,
  InterestedUsers,
  NoPresenceRouterCallbacks,
  Observer,
  PresenceAllUsers,
  PresenceRouterCallbacks,
  Restriction,
  RestrictionCallback,
  Restrictions,
  RoutedUpdate,
  UsersForStates,
} from './callbacks.ts';
export { loadRelation } from './load-relation.ts';
export type { LoadRelationOptions, ObserverPairs } from './load-relation.ts';
export { ObserverRelation } from './relation.ts';
export type { RelationOptions } from './relation.ts';
export { pairsOfGroups } from './relation-pairs.ts';
export type { ObserverPair, UserOrAll } from './relation-pairs.ts';
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
