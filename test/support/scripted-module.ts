/**
 * A module for tests that says what it is told to say, or fails as it is told to fail, changed while the server runs by `POST /_script`.
 *
 * It is the source of a real module file, so it goes through the same loader as an administrator's.
 */
import type { TestModule } from './test-config.ts';

export interface Script {
  /** Target → who gets their updates. */
  readonly routes?: Readonly<Record<string, readonly string[]>>;
  /** Observer → whom they are interested in. */
  readonly interest?: Readonly<Record<string, readonly string[] | 'ALL'>>;
  /** Source → observer → restriction; with `*` for everybody else. */
  readonly restrictions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Callback → how it fails. `hang` never answers. */
  readonly failing?: Readonly<Record<string, 'throw' | 'hang' | 'wrong' | null>>;
}

const SOURCE = `
export default class Scripted {
  constructor(script, api) {
    let now = { routes: {}, interest: {}, restrictions: {}, failing: {}, ...script };
    const calls = {};
    const fail = (callback) => {
      calls[callback] = (calls[callback] ?? 0) + 1;
      switch (now.failing[callback]) {
        case 'throw': throw new Error(callback + ' is out of order');
        case 'hang': return new Promise(() => undefined);
        case 'wrong': return 42;
      }
    };
    const pair = {
      getUsersForStates: (updates) => {
        const failure = fail('getUsersForStates');
        if (failure !== undefined) return failure;
        const users = new Map();
        for (const update of updates) {
          for (const target of now.routes[update.userId] ?? []) users.set(target, [...(users.get(target) ?? []), update]);
        }
        return users;
      },
      getInterestedUsers: (userId) => fail('getInterestedUsers') ?? now.interest[userId] ?? [],
    };
    const restricting = {
      getRestrictions: (source) => fail('getRestrictions') ?? new Map(Object.entries(now.restrictions[source] ?? {})),
    };
    api.registerPresenceRouterCallbacks(script.restrictions === undefined ? pair : { ...pair, ...restricting });
    api.registerWebResource('/_script', async (request) => {
      if (request.method === 'POST') now = { ...now, ...(await request.json()) };
      return Response.json(calls);
    });
  }
}
`;

export function scriptedModule(script: Script = {}, entry: Omit<TestModule, 'source' | 'config'> = {}): TestModule {
  return { ...entry, source: SOURCE, config: script };
}

/** Changes what the first such module says. Returns how often each callback was called. */
export async function rescript(baseUrl: string, script: Script = {}): Promise<Readonly<Record<string, number>>> {
  const response = await fetch(`${baseUrl}/_script`, { method: 'POST', body: JSON.stringify(script) });
  return (await response.json()) as Record<string, number>;
}
