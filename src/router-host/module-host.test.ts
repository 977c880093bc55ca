// oxlint-disable typescript/no-extraneous-class, typescript/no-misused-promises -- these are what modules are written like
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, MemoryMetrics, RecordingLogger } from '../adapters/memory/index.ts';
import type { ModuleApi } from '../module/index.ts';
import { createTestServices } from '../../test/support/test-services.ts';
import { raise, stateOf } from '../../test/support/host-context.ts';
import { loadedModules } from '../../test/support/loaded-modules.ts';
import { ModuleHost } from './module-host.ts';

const u = stateOf('@u:test');
const hosts: ModuleHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

function makeHost(more: object = {}) {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const metrics = new MemoryMetrics();
  const host = new ModuleHost({ clock, logger, metrics, watchdog: null, ...more });
  hosts.push(host);
  const calls = (callback: string): number =>
    metrics.value('thalamus_module_callback_total', { module: '0', callback, outcome: 'ok' });
  return { host, clock, logger, calls, ...createTestServices() };
}

const pair = { getUsersForStates: () => ({ '@x:test': [u] }), getInterestedUsers: () => ['@u:test'] };

describe('constructing modules', () => {
  it('row 123: goes in list order, one after the other, with the configuration and the api', async () => {
    const order: unknown[] = [];
    class First {
      constructor(config: unknown, api: ModuleApi) {
        order.push(['first', config, api.serverName]);
      }
    }
    const second = async (config: unknown): Promise<void> => {
      order.push(['second begins', config]);
      await Promise.resolve();
      order.push(['second ends']);
    };
    const third = { setup: (config: unknown) => void order.push(['third', config]) };
    const { host, services } = makeHost();
    await host.construct(loadedModules(First, second, third), services);
    expect(order).toEqual([
      ['first', { index: 0 }, 'test'],
      ['second begins', { index: 1 }],
      ['second ends'],
      ['third', { index: 2 }],
    ]);
  });

  it.each([
    [
      'a class that registers itself',
      class {
        readonly #to = '@x:test';
        constructor(_: unknown, api: ModuleApi) {
          api.registerPresenceRouterCallbacks(this);
        }
        getUsersForStates() {
          return { [this.#to]: [u] } as const;
        }
        getInterestedUsers() {
          return ['@u:test'] as const;
        }
      },
    ],
    [
      'a class as old compilers write it',
      (() => {
        function Old(this: object, _: unknown, api: ModuleApi) {
          api.registerPresenceRouterCallbacks(this as typeof pair as never);
        }
        Object.assign(Old.prototype as object, pair);
        return Old;
      })(),
    ],
    ['a function that registers', (_: unknown, api: ModuleApi) => api.registerPresenceRouterCallbacks(pair as never)],
    ['a function that returns callbacks', () => pair],
    ['an asynchronous function', async () => pair],
    [
      'a function keyword',
      function router() {
        return pair;
      },
    ],
    ['an object with callbacks', pair],
    ['an object with setup that returns callbacks', { setup: async () => pair }],
    [
      'an object with setup that registers',
      { setup: (_: unknown, api: ModuleApi) => api.registerPresenceRouterCallbacks(pair as never) },
    ],
  ])('accepts %s', async (_what, definition) => {
    const { host, services } = makeHost();
    await host.construct(loadedModules(definition), services);
    expect(host.router.hasCallbacks).toBe(true);
    expect(host.router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
    expect(host.router.getInterestedUsers('@x:test')).toEqual(['@u:test']);
  });

  it('row 89: registers what a module under presence.presence_router has, once', async () => {
    class Legacy {
      getUsersForStates() {
        return { '@x:test': [u] };
      }
      getInterestedUsers() {
        return ['@u:test'];
      }
    }
    class Registers extends Legacy {
      constructor(_: unknown, api: ModuleApi) {
        super();
        api.registerPresenceRouterCallbacks(this as never);
      }
    }
    const path = ['presence', 'presence_router'];
    for (const definition of [Legacy, Registers]) {
      const { host, services, calls } = makeHost();
      await host.construct([{ ...loadedModules(definition)[0]!, path }], services);
      expect(await host.router.getUsersForStates([u])).toEqual(new Map([['@u:test', ['@x:test']]]));
      expect(calls('getUsersForStates')).toBe(1);
    }
    const { host, services } = makeHost();
    await host.construct(loadedModules(Legacy), services);
    expect(host.router.hasCallbacks).toBe(false);
  });

  it('asks nobody until all are constructed', async () => {
    const { host, services } = makeHost();
    const during: boolean[] = [];
    await host.construct(
      loadedModules(pair, () => void during.push(host.router.hasCallbacks)),
      services,
    );
    expect(during).toEqual([false]);
    expect(host.router.hasCallbacks).toBe(true);
  });

  it('row 86: accepts a module that registers nothing, or an empty pair', async () => {
    const { host, services } = makeHost();
    class Nothing {
      constructor(_: unknown, api: ModuleApi) {
        api.registerPresenceRouterCallbacks({});
        api.registerPresenceRouterCallbacks({ getUsersForStates: undefined });
      }
    }
    await host.construct(
      loadedModules(Nothing, () => undefined, {}),
      services,
    );
    expect(host.router.hasCallbacks).toBe(false);
  });

  it.each([
    [
      'a class whose methods are misspelt',
      class {
        constructor(_: unknown, api: ModuleApi) {
          api.registerPresenceRouterCallbacks(this as never);
        }
        getUserForStates() {}
        get_interested_users() {}
        getUserinfo() {}
      },
      'getUserForStates, get_interested_users',
    ],
    ['an object with a misspelt restriction', { getRestriction() {} }, 'getRestriction'],
    ['a module in the reference server’s spelling', () => ({ get_restrictions() {} }), 'get_restrictions'],
    [
      'a class that has callbacks but does not register them',
      class {
        getUsersForStates() {}
        getRestrictions() {}
      },
      'getUsersForStates, getRestrictions',
    ],
    ['a function that returns misspelt callbacks', () => ({ getUsersForState() {} }), 'getUsersForState'],
    ['an object with misspelt callbacks', { getIntrestedUsers() {} }, 'getIntrestedUsers'],
    ['a module that does nothing', () => undefined, 'nothing like it'],
    [
      'a misspelt module that has more to do',
      (_: unknown, api: ModuleApi) => {
        api.registerWebResource('/kiosk', () => new Response());
        return { getUserForStates() {} };
      },
      'getUserForStates',
    ],
    [
      'something that lets nobody look',
      () => new Proxy({}, { has: () => false, ownKeys: () => raise(new Error('no')) }),
      'nothing like it',
    ],
  ])('warns of %s, and says what it found instead of callbacks', async (_what, definition, found) => {
    const { host, services, logger } = makeHost();
    await host.construct(loadedModules(definition), services);
    expect(logger.lines.filter(({ level }) => level === 'warn')).toEqual([
      {
        level: 'warn',
        fields: {
          module: '0',
          spec: './router.ts',
          known: 'getUsersForStates, getInterestedUsers, getRestrictions',
          found,
        },
        message: 'a module registered no callbacks',
      },
    ]);
  });

  it('says nothing of a module without callbacks that serves the web or works in the background', async () => {
    const { host, services, logger } = makeHost();
    const serves = (_: unknown, api: ModuleApi) => api.registerWebResource('/kiosk', () => new Response());
    const works = (_: unknown, api: ModuleApi) => void api.loopingBackgroundCall(() => undefined, 1000);
    await host.construct(loadedModules(serves, works, pair), services);
    expect(logger.messages('warn')).toEqual([]);
  });

  it.each([
    ['a pair with a misspelt restriction', { ...pair, getRestriction() {} }, 'getRestriction'],
    [
      'a class that registers its pair, but not its restriction',
      class {
        constructor(_: unknown, api: ModuleApi) {
          api.registerPresenceRouterCallbacks(pair as never);
        }
        getRestrictions() {}
      },
      'getRestrictions',
    ],
    ['a restriction beside a misspelt pair', { getRestrictions() {}, getUserForStates() {} }, 'getUserForStates'],
  ])('warns of %s, though something was registered', async (_what, definition, found) => {
    const { host, services, logger } = makeHost();
    await host.construct(loadedModules(definition), services);
    expect(logger.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      {
        fields: { module: '0', found },
        message: 'a module has a function that is called like a callback, but has not registered it',
      },
    ]);
  });

  it.each([
    ['a function that returns getRestrictions alone', () => ({ getRestrictions: () => 'deny' })],
    ['an object that has it', { getRestrictions: () => 'deny' }],
    [
      'a class that registers it',
      class {
        constructor(_: unknown, api: ModuleApi) {
          api.registerPresenceRouterCallbacks(this);
        }
        getRestrictions() {
          return 'deny' as const;
        }
      },
    ],
    ['a module with all three', () => ({ ...pair, getRestrictions: () => 'deny' })],
  ])('registers, and says nothing of, %s', async (_what, definition) => {
    const { host, services, logger } = makeHost();
    await host.construct(loadedModules(definition), services);
    expect(host.router.restricts).toBe(true);
    expect(host.router.getRestrictions('@u:test', ['@x:test'])).toMatchObject({ others: 16 });
    expect(logger.messages('warn')).toEqual([]);
  });

  it('knows whose users are local: a user of another server is nobody who can be asked about', async () => {
    const { host, services, logger } = makeHost();
    await host.construct(
      loadedModules({ getRestrictions: () => ({ '@x:test': 'offline', '@far:island': 'deny' }) }),
      services,
    );
    const { observers } = await host.router.getRestrictions('@u:test', ['@x:test', 'island']);
    expect(observers).toEqual(
      new Map([
        ['@x:test', 8],
        ['island', 16],
      ]),
    );
    expect(logger.lines.at(-1)?.fields).toMatchObject({ reason: 'remote_user', value: '"@far:island"' });
  });

  it('names the misspelt half of a pair', async () => {
    const { host, services } = makeHost();
    const misspelt = { getUsersForStates: () => ({}), getInterestedUser: () => [] };
    await expect(host.construct(loadedModules(misspelt), services)).rejects.toThrow(
      'getUsersForStates is registered without getInterestedUsers (found getInterestedUser); register both, or neither',
    );
  });

  it('registers again after the first pair when a module does so twice', async () => {
    const order: number[] = [];
    const numbered = (n: number) => ({ getUsersForStates: () => (order.push(n), {}), getInterestedUsers: () => [] });
    const { host, services } = makeHost();
    const twice = (_: unknown, api: ModuleApi): void => {
      api.registerPresenceRouterCallbacks(numbered(1));
      api.registerPresenceRouterCallbacks(numbered(2));
    };
    await host.construct(loadedModules(twice, numbered(3)), services);
    await host.router.getUsersForStates([u]);
    expect(order).toEqual([1, 2, 3]);
  });

  it('refuses to register once the module is constructed', async () => {
    const { host, services } = makeHost();
    let api: ModuleApi | undefined;
    await host.construct(
      loadedModules((_: unknown, given: ModuleApi) => void (api = given)),
      services,
    );
    expect(() => api?.registerPresenceRouterCallbacks(pair as never)).toThrow(
      /only while the module is being constructed/,
    );
    expect(() => api?.registerWebResource('/late', () => new Response())).toThrow(/only while/);
  });

  it.each([
    [
      'a class',
      class {
        constructor() {
          throw new Error('no database');
        }
      },
      'no database',
    ],
    ['a function', () => raise('no database'), '"no database" was thrown'],
    ['an asynchronous function', async () => raise(new Error('no database')), 'no database'],
    ['setup', { setup: () => raise(null) }, 'null was thrown'],
  ])('stops the start when %s throws, naming entry and file', async (_what, definition, says) => {
    const { host, services } = makeHost();
    await expect(
      host.construct(
        loadedModules(() => undefined, definition),
        services,
      ),
    ).rejects.toMatchObject({
      name: 'ModuleLoadError',
      reason: 'construction_failed',
      message: `modules[1] (./router.ts): /etc/router.ts: could not be constructed: ${says}`,
    });
  });

  it('stops the start when construction does not finish', async () => {
    const { host, services } = makeHost({ constructTimeoutMs: 20 });
    const never = (): Promise<void> => new Promise(() => undefined);
    await expect(host.construct(loadedModules(never), services)).rejects.toThrow(
      /construction did not finish within 0.02 s/,
    );
  });

  it.each([
    [
      'a class',
      class {
        constructor(_: unknown, api: ModuleApi) {
          api.registerPresenceRouterCallbacks({ getUsersForStates: () => ({}) } as never);
        }
      },
    ],
    [
      'a class that catches the error',
      class {
        constructor(_: unknown, api: ModuleApi) {
          try {
            api.registerPresenceRouterCallbacks({ getUsersForStates: () => ({}) } as never);
          } catch {
            /* it is none of my business */
          }
        }
      },
    ],
    ['a function', () => ({ getUsersForStates: () => ({}) })],
    ['an object', { getUsersForStates: () => ({}) }],
  ])('row 85: stops the start when %s registers half a pair', async (_what, definition) => {
    const { host, services } = makeHost();
    await expect(host.construct(loadedModules(definition), services)).rejects.toMatchObject({
      name: 'ModuleLoadError',
      reason: 'half_a_pair',
      message:
        'modules[0] (./router.ts): /etc/router.ts: getUsersForStates is registered without getInterestedUsers; register both, or neither',
    });
  });

  it('refuses callbacks that are no functions', async () => {
    const { host, services } = makeHost();
    const wrong = { getUsersForStates: 'yes', getInterestedUsers: () => [] };
    await expect(host.construct(loadedModules(wrong), services)).rejects.toThrow(
      /getUsersForStates is "yes" rather than a function/,
    );
  });

  it('takes down what was constructed before a failure', async () => {
    const { host, services, clock } = makeHost();
    const disposed: string[] = [];
    const first = (_: unknown, api: ModuleApi) => {
      api.loopingBackgroundCall(() => undefined, 1000);
      return { [Symbol.dispose]: () => void disposed.push('first') };
    };
    await expect(
      host.construct(
        loadedModules(first, () => raise(new Error('no'))),
        services,
      ),
    ).rejects.toThrow('no');
    expect(disposed).toEqual(['first']);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('what the log says of a module', () => {
  it('has its file and export, and so has the error of a callback', async () => {
    const { host, services, logger, clock } = makeHost();
    const module = (_: unknown, api: ModuleApi) => {
      api.delayedBackgroundCall(10, () => raise(new Error('no')));
      api.registerWebResource('/kiosk', () => raise(new Error('no')));
      api.logger.warn('mine');
      return { getUsersForStates: () => raise(new Error('no')), getInterestedUsers: () => ['x'] };
    };
    await host.construct(loadedModules(module), services);
    await host.router.getUsersForStates([u]);
    await host.router.getInterestedUsers('@x:test');
    await clock.advance(10);
    await host.webResources.find('/kiosk')?.(new Request('http://x/kiosk'));
    expect(logger.lines).toHaveLength(6);
    for (const { fields } of logger.lines) expect(fields).toMatchObject({ module: '0', spec: './router.ts' });
    const [threw] = logger.lines.filter(({ fields }) => fields['reason'] === 'threw');
    expect(threw?.fields['err']).toHaveProperty('message', 'getUsersForStates of module 0 (./router.ts) threw: no');
  });
});

describe('stopping', () => {
  it('disposes of the modules, last first, and waits for them', async () => {
    const order: string[] = [];
    const { host, services } = makeHost();
    class First {
      async [Symbol.asyncDispose](): Promise<void> {
        await Promise.resolve();
        order.push('first');
      }
      [Symbol.dispose](): void {
        order.push('not this one');
      }
    }
    await host.construct(
      loadedModules(First, () => ({ [Symbol.dispose]: () => void order.push('second') })),
      services,
    );
    await host.stop();
    expect(order).toEqual(['second', 'first']);
  });

  it('does not wait for ever, and goes on when one throws', async () => {
    const order: string[] = [];
    const { host, services, logger } = makeHost({ stopTimeoutMs: 20 });
    await host.construct(
      loadedModules(
        () => ({ [Symbol.dispose]: () => void order.push('first') }),
        () => ({ [Symbol.asyncDispose]: () => new Promise(() => undefined) }),
        () => ({ [Symbol.dispose]: () => raise(new Error('no')) }),
      ),
      services,
    );
    await host.stop();
    expect(order).toEqual(['first']);
    expect(logger.messages('warn').filter((message) => message.includes('taken down'))).toHaveLength(2);
  });

  it('does not wait for ever for a callback that hangs', async () => {
    const { host, services, logger } = makeHost({ stopTimeoutMs: 20 });
    const hangs = { getUsersForStates: () => new Promise(() => undefined), getInterestedUsers: () => [] };
    await host.construct(loadedModules(hangs), services);
    const routes = host.router.getUsersForStates([u]);
    await host.stop();
    expect(routes).toBeInstanceOf(Promise);
    expect(logger.lines.filter(({ level }) => level === 'warn')).toEqual([
      {
        level: 'warn',
        fields: { module: '0', spec: './router.ts', callback: 'getUsersForStates' },
        message: 'a callback of a module still runs; its module is taken down all the same',
      },
    ]);
  });
});
