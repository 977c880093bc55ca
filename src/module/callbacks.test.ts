import { describe, expect, expectTypeOf, it } from 'vitest';
import { CALLBACK_POINTS, PRESENCE_ALL_USERS, PresenceState } from './index.ts';
import type {
  CallbackName,
  ModuleApi,
  ModuleClass,
  ModuleObject,
  PresenceRouterCallbacks,
  UserId,
  UserPresenceState,
} from './index.ts';

type Registered = Parameters<ModuleApi['registerPresenceRouterCallbacks']>[0];

class Router {
  constructor(_config: { readonly watcher: UserId }, api: ModuleApi) {
    api.registerPresenceRouterCallbacks(this);
  }

  async getUsersForStates(stateUpdates: readonly UserPresenceState[]) {
    return new Map<UserId, Set<UserPresenceState>>([['@alice:test', new Set(stateUpdates)]]);
  }

  getInterestedUsers(userId: UserId) {
    return userId === '@alice:test' ? PRESENCE_ALL_USERS : new Set<UserId>();
  }
}

describe('the module kit', () => {
  it('has one row for each callback', () => {
    expectTypeOf<keyof typeof CALLBACK_POINTS>().toEqualTypeOf<CallbackName>();
    expect(Object.keys(CALLBACK_POINTS)).toEqual(['getUsersForStates', 'getInterestedUsers']);
  });

  it("says ALL in the reference server's word", () => {
    expect(PRESENCE_ALL_USERS).toBe('ALL');
    expect(PresenceState.ONLINE).toBe('online');
  });

  it('accepts a module that registers itself, sync or async callbacks, Map or object', () => {
    expectTypeOf(Router).toExtend<ModuleClass<{ readonly watcher: UserId }>>();
    expectTypeOf<Router>().toExtend<PresenceRouterCallbacks>();
    expectTypeOf({
      getUsersForStates: (updates: readonly UserPresenceState[]) => ({ '@a:test': updates }) as const,
      getInterestedUsers: async () => ['@b:test'] as const,
    }).toExtend<Registered>();
    expectTypeOf({}).toExtend<Registered>();
  });

  it('row 85: half a pair does not compile', () => {
    const register: ModuleApi['registerPresenceRouterCallbacks'] = () => undefined;

    // @ts-expect-error getInterestedUsers is missing
    register({ getUsersForStates: () => new Map() });
    // @ts-expect-error getUsersForStates is missing
    register({ getInterestedUsers: () => [] });
    // @ts-expect-error getInterestedUsers is missing here, too
    const half: ModuleObject = { getUsersForStates: () => new Map() };

    expect(Object.keys(half)).toEqual(['getUsersForStates']);
  });
});
