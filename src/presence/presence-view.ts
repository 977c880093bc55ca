/**
 * Presence for people who look after the server: every user, and what their state is made of. Changes nothing, and asks no rule whether
 * it may be shown.
 */
import type { EngineStats } from '../core/engine-api.ts';
import type { DeviceView, UserFilter, UserPage, UserView } from '../core/engine-view.ts';
import type { PresenceEngine } from '../core/presence-engine.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { type ServerName, serverNameOf, type UserId } from '../matrix/identifiers.ts';

/** A user whom presence knows; `isStranger`: only the newest state is kept, outside the engine. */
export interface KnownUser extends UserView {
  readonly isStranger: boolean;
  /** Empty for users of other servers. */
  readonly devices: readonly DeviceView[];
}

export interface PresenceView {
  stats(): EngineStats & { readonly strangers: number };
  /** Null if presence has not heard of the user. */
  user(userId: UserId): KnownUser | null;
  /** Users, without strangers, from a place on; the first is 0. */
  users(filter: UserFilter, from: number, limit: number): UserPage;
}

export interface PresenceViewParts {
  readonly serverName: ServerName;
  readonly engine: () => PresenceEngine;
  readonly strangers: () => number;
  readonly strangerState: (userId: UserId) => UserPresenceState | null;
}

export function createPresenceView({ serverName, engine, strangers, strangerState }: PresenceViewParts): PresenceView {
  return {
    stats: () => ({ ...engine().stats(), strangers: strangers() }),
    user: (userId) => {
      const { view } = engine();
      const known = view.user(userId);
      if (known !== null) return { ...known, isStranger: false, devices: view.devicesOf(userId) };
      const state = strangerState(userId);
      if (state === null) return null;
      const isLocal = serverNameOf(userId) === serverName;
      return { state, isLocal, isConnected: false, isStranger: true, devices: [] };
    },
    users: (filter, from, limit) => engine().view.list(filter, from, limit),
  };
}
