/**
 * The module on this side, the twin of synapse_router.py: who observes whom comes from the configuration.
 *
 * `snapshots` is for `sendLocalOnlinePresenceTo`: whom an observer sees in it, and on no other way. It is called when somebody's status is
 * "everybody".
 */
import type { ModuleApi, UserId } from 'thalamus/module';

interface InteropRouterConfig {
  /** Source → observers. */
  readonly observers: Readonly<Record<UserId, readonly UserId[]>>;
  /** Observer → sources. */
  readonly snapshots: Readonly<Record<UserId, readonly UserId[]>>;
}

export default function interopRouter({ observers, snapshots }: InteropRouterConfig, api: ModuleApi): void {
  const sources = Object.keys(observers) as UserId[];
  const receivers = Object.keys(snapshots) as UserId[];
  api.registerPresenceRouterCallbacks({
    getUsersForStates: (states) => {
      const users: Record<string, (typeof states)[number][]> = {};
      for (const state of states) {
        for (const observer of observers[state.userId] ?? []) (users[observer] ??= []).push(state);
        if (state.statusMsg === 'everybody' && api.isMine(state.userId)) {
          api.delayedBackgroundCall(0, () => api.sendLocalOnlinePresenceTo(receivers), { desc: 'snapshot' });
        }
      }
      return users;
    },
    getInterestedUsers: (userId) => [
      ...sources.filter((source) => observers[source]?.includes(userId)),
      ...(snapshots[userId] ?? []),
    ],
  });
}
