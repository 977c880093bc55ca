/**
 * The module on this side, the twin of synapse_router.py: who observes whom comes from the configuration.
 *
 * `snapshots` is for `sendLocalOnlinePresenceTo`: whom an observer sees in it, and on no other way. It is called when somebody's status is
 * "everybody".
 */
import type { ModuleApi } from 'thalamus/module';

interface InteropRouterConfig {
  /** Source → observers. */
  readonly observers: Readonly<Record<string, readonly string[]>>;
  /** Observer → sources. */
  readonly snapshots: Readonly<Record<string, readonly string[]>>;
}

export default class InteropRouter {
  constructor({ observers, snapshots }: InteropRouterConfig, api: ModuleApi) {
    api.registerPresenceRouterCallbacks({
      getUsersForStates: (states) => {
        const users: Record<string, (typeof states)[number][]> = {};
        for (const state of states) {
          for (const observer of observers[state.userId] ?? []) (users[observer] ??= []).push(state);
          if (state.statusMsg === 'everybody' && api.isMine(state.userId)) {
            void api.sendLocalOnlinePresenceTo(Object.keys(snapshots));
          }
        }
        return users;
      },
      getInterestedUsers: (userId) => [
        ...Object.keys(observers).filter((source) => observers[source]?.includes(userId)),
        ...(snapshots[userId] ?? []),
      ],
    });
  }
}
