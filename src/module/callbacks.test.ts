import { describe, expect, expectTypeOf, it } from 'vitest';
import { CALLBACK_POINTS, EVERYBODY_ELSE, PRESENCE_ALL_USERS, PresenceState } from './index.ts';
import type {
  CallbackName,
  ModuleApi,
  ModuleClass,
  ModuleObject,
  Observer,
  PresenceRouterCallbacks,
  Restriction,
  RestrictionCallback,
  Restrictions,
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
    expect(Object.keys(CALLBACK_POINTS)).toEqual(['getUsersForStates', 'getInterestedUsers', 'getRestrictions']);
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

  it('takes getRestrictions alone, or with the pair, but not with half of it', () => {
    const register: ModuleApi['registerPresenceRouterCallbacks'] = () => undefined;
    const getRestrictions = (_source: UserId, observers: readonly Observer[]): Restrictions =>
      new Map(observers.map((observer) => [observer, 'deny']));

    register({ getRestrictions });
    register({ getUsersForStates: () => new Map(), getInterestedUsers: () => [], getRestrictions });
    // @ts-expect-error getInterestedUsers is missing
    register({ getUsersForStates: () => new Map(), getRestrictions });
    // @ts-expect-error getUsersForStates is missing
    register({ getInterestedUsers: () => [], getRestrictions });
    // @ts-expect-error a number restricts nobody
    register({ getRestrictions: () => 7 });

    const restricts: ModuleObject = { getRestrictions };
    const all: PresenceRouterCallbacks = {
      getUsersForStates: () => new Map(),
      getInterestedUsers: () => [],
      getRestrictions,
    };
    expect([restricts, all].map((callbacks) => callbacks.getRestrictions)).toEqual([getRestrictions, getRestrictions]);
  });

  it('has a restriction say what it is to be called with, and what with whom', () => {
    expectTypeOf<'deny' | 'offline'>().toExtend<Restriction>();
    expectTypeOf({ hide: new Set(['last_active_ago', 'status_msg'] as const) }).toExtend<Restriction>();
    expectTypeOf({ hide: ['state'] as const }).not.toExtend<Restriction>();
    expectTypeOf<undefined | null | 'deny'>().toExtend<Restrictions>();
    expectTypeOf({ '@a:test': 'deny', island: null, [EVERYBODY_ELSE]: { hide: [] } } as const).toExtend<Restrictions>();
    expectTypeOf(new Map<UserId | '*', 'deny' | null>()).toExtend<Restrictions>();
    expectTypeOf(async () => new Map([['island', 'offline' as const]])).toExtend<
      RestrictionCallback['getRestrictions']
    >();
    expectTypeOf<7>().not.toExtend<Restrictions>();
    expect(EVERYBODY_ELSE).toBe('*');
  });
});
