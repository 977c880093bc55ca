import { describe, expect, it, vi } from 'vitest';
import { createTestHost } from '../../test/support/host-context.ts';
import { createTestServices, testAccounts } from '../../test/support/test-services.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { PresenceForUser } from '../module/index.ts';
import { BackgroundCalls } from './background-calls.ts';
import { createModuleApi } from './create-module-api.ts';
import type { ModuleServices } from './module-services.ts';
import { PresenceRouter } from './presence-router.ts';
import { WebResources } from './web-resources.ts';

function makeApi(more: Partial<ModuleServices> = {}) {
  const host = createTestHost();
  const { presence, services } = createTestServices(more);
  const router = new PresenceRouter(host.context);
  const forgetObservers = vi.spyOn(router, 'forgetObservers');
  const background = new BackgroundCalls('m', host.context);
  const api = createModuleApi({
    name: 'm',
    host: host.context,
    services,
    router,
    background,
    webResources: new WebResources(host.context),
    register: () => undefined,
    onNoCallbacks: () => undefined,
    onHalfPair: () => undefined,
    assertConstructing: () => undefined,
  });
  return { api, presence, forgetObservers, background, ...host };
}

describe('presence', () => {
  it('is passed on as it comes: the presence service checks it', async () => {
    const { api, presence } = makeApi();
    const users = new Set<UserId>(['@a:test', '@b:island']);
    const entries = new Map<UserId, PresenceForUser>([['@a:test', { state: 'online' }]]);
    await api.sendLocalOnlinePresenceTo(users);
    await api.setPresenceForUsers(entries);
    expect(presence.sendLocalOnlinePresenceTo.mock.calls).toEqual([[users]]);
    expect(presence.setPresenceForUsers.mock.calls).toEqual([[entries]]);
  });

  it('fails as the server does, by a rejection', async () => {
    const { api, presence } = makeApi();
    presence.sendLocalOnlinePresenceTo.mockRejectedValue(new Error('disk full'));
    presence.setPresenceForUsers.mockImplementation(() => {
      throw new TypeError('no such state');
    });
    await expect(api.sendLocalOnlinePresenceTo(['@a:test'])).rejects.toThrow('disk full');
    await expect(api.setPresenceForUsers(new Map())).rejects.toThrow('no such state');
  });
});

describe('invalidateInterestedUsers', () => {
  it('forgets what is remembered, then has the users asked again', () => {
    const { api, presence, forgetObservers } = makeApi();
    api.invalidateInterestedUsers(['@a:test']);
    api.invalidateInterestedUsers();
    expect(forgetObservers.mock.calls).toEqual([[['@a:test']], [undefined]]);
    expect(presence.invalidateInterestedUsers.mock.calls).toEqual([[['@a:test']], [undefined]]);
    expect(() => api.invalidateInterestedUsers(['a'] as never)).toThrow('"a" is not a user id');
  });
});

describe('invalidateUsersForStates', () => {
  it('has the sources asked about again', () => {
    const { api, presence } = makeApi();
    api.invalidateUsersForStates(new Set<UserId>(['@a:test', '@b:island']));
    expect(presence.invalidateUsersForStates.mock.calls).toEqual([[['@a:test', '@b:island']]]);
    expect(() => api.invalidateUsersForStates(['island' as never])).toThrow(
      'invalidateUsersForStates: "island" is not a user id',
    );
  });
});

describe('invalidateRestrictions', () => {
  it('has the sources asked about again, without forgetting what stands if that fails', () => {
    const { api, presence, forgetObservers } = makeApi();
    api.invalidateRestrictions(new Set<UserId>(['@a:test', '@b:island']));
    api.invalidateRestrictions();
    expect(presence.invalidateRestrictions.mock.calls).toEqual([[['@a:test', '@b:island']], [undefined]]);
    expect(forgetObservers).not.toHaveBeenCalled();
    expect(() => api.invalidateRestrictions(['island' as never])).toThrow(
      'invalidateRestrictions: "island" is not a user id',
    );
    expect(presence.invalidateRestrictions).toHaveBeenCalledTimes(2);
  });
});

describe('identifiers', () => {
  const { api } = makeApi();

  it('isMine compares the server name, port included', () => {
    expect(
      ['@a:test', '#room:test', '@a:test:8448', '@a:island', 'test', '@a', ''].map((id) => api.isMine(id)),
    ).toEqual([true, true, false, false, false, false, false]);
    expect(api.isMine(7 as never)).toBe(false);
  });

  it('getQualifiedUserId completes a localpart, and leaves a user id as it is', () => {
    expect(api.getQualifiedUserId('alice')).toBe('@alice:test');
    expect(api.getQualifiedUserId('@bob:island')).toBe('@bob:island');
    expect(() => api.getQualifiedUserId('')).toThrow(TypeError);
  });

  it('has members that can be taken apart, and nobody can change', () => {
    // oxlint-disable-next-line typescript/unbound-method -- its members do without `this`
    const { isMine, serverName, publicBaseurl, workerName } = api;
    expect([isMine('@a:test'), serverName, publicBaseurl, workerName]).toEqual([true, 'test', 'https://test/', null]);
    expect(Object.isFrozen(api)).toBe(true);
  });
});

describe('accounts', () => {
  it('are looked up where there are any', async () => {
    const { api } = makeApi({ accounts: testAccounts });
    expect(await api.checkUserExists('@alice:test')).toBe('@alice:test');
    expect(await api.checkUserExists('@nobody:test')).toBeNull();
    expect(await api.getUserinfoById('@alice:test')).toMatchObject({ isAdmin: true });
    expect(await api.getProfileForUser('bob')).toEqual({ displayName: 'BOB', avatarUrl: null });
    expect(await api.getUserByReq(new Request('http://test/'))).toMatchObject({ deviceId: 'D' });
    await expect(api.checkUserExists('alice' as never)).rejects.toThrow(TypeError);
  });

  it('are NotSupportedError where there are none', async () => {
    const { api } = makeApi();
    const calls = {
      checkUserExists: () => api.checkUserExists('@a:test'),
      getUserinfoById: () => api.getUserinfoById('@a:test'),
      getProfileForUser: () => api.getProfileForUser('a'),
      getUserByReq: () => api.getUserByReq(new Request('http://test/')),
    };
    for (const [capability, call] of Object.entries(calls)) {
      await expect(call()).rejects.toMatchObject({
        name: 'NotSupportedError',
        code: 'PRESENCE_ERR_NOT_SUPPORTED',
        capability,
      });
    }
  });
});

describe('the log', () => {
  it('marks each line with the module, and takes a sentence alone', () => {
    const { api, logger } = makeApi();
    api.logger.info('ready');
    api.logger.warn({ groups: 3 }, 'few groups');
    expect(logger.lines).toEqual([
      { level: 'info', fields: { module: 'm' }, message: 'ready' },
      { level: 'warn', fields: { module: 'm', groups: 3 }, message: 'few groups' },
    ]);
  });
});

describe('background calls', () => {
  it('loop by the server’s clock, first after one period, and go on after failures', async () => {
    const { api, clock, logger, memory } = makeApi();
    const f = vi.fn<() => void>();
    f.mockImplementationOnce(() => {
      throw new Error('no');
    });
    api.loopingBackgroundCall(f, 1000, { desc: 'tidy up' });
    await clock.advance(999);
    expect(f).toHaveBeenCalledTimes(0);
    await clock.advance(1);
    expect(f).toHaveBeenCalledTimes(1);
    await clock.advance(3000);
    expect(f).toHaveBeenCalledTimes(4);
    expect(logger.lines[0]?.fields).toMatchObject({ module: 'm', desc: 'tidy up', err: { message: 'no' } });
    expect(memory.value('thalamus_module_background_total', { module: 'm', outcome: 'failed' })).toBe(1);
    expect(memory.value('thalamus_module_background_total', { module: 'm', outcome: 'ok' })).toBe(3);
  });

  it('do not overlap: a period begins when the call before is done', async () => {
    const { api, clock } = makeApi();
    let done: () => void = () => undefined;
    const f = vi.fn<() => Promise<void>>(() => new Promise((resolve) => (done = resolve)));
    api.loopingBackgroundCall(f, 1000);
    await clock.advance(5000);
    expect(f).toHaveBeenCalledTimes(1);
    done();
    await clock.advance(999);
    expect(f).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    expect(f).toHaveBeenCalledTimes(2);
  });

  it('end when they are disposed of, also from inside', async () => {
    const { api, clock } = makeApi();
    const f = vi.fn<() => void>(() => loop[Symbol.dispose]());
    const loop = api.loopingBackgroundCall(f, 1000);
    const delayed = vi.fn<() => void>();
    api.delayedBackgroundCall(500, delayed)[Symbol.dispose]();
    api.delayedBackgroundCall(500, delayed);
    await clock.advance(10_000);
    expect(f).toHaveBeenCalledTimes(1);
    expect(delayed).toHaveBeenCalledTimes(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('loop only where background work runs, unless they are for all processes', async () => {
    const { api, clock } = makeApi({ runsBackgroundTasks: false });
    const one = vi.fn<() => void>();
    const all = vi.fn<() => void>();
    expect(api.shouldRunBackgroundTasks()).toBe(false);
    api.loopingBackgroundCall(one, 1000);
    api.loopingBackgroundCall(all, 1000, { runOnAllInstances: true });
    await clock.advance(1000);
    expect([one.mock.calls.length, all.mock.calls.length]).toEqual([0, 1]);
  });

  it('run now, and their failure is looked after', async () => {
    const { api, logger } = makeApi();
    expect(await api.runAsBackgroundProcess('count', async () => 7)).toBe(7);
    expect(await api.runAsBackgroundProcess('fail', () => Promise.reject(new Error('no')))).toBeUndefined();
    expect(logger.messages('error')).toHaveLength(1);
  });

  it('stop with the server, which waits for those that run', async () => {
    const { api, clock, background } = makeApi();
    let finish: () => void = () => undefined;
    const f = vi.fn<() => void>();
    api.loopingBackgroundCall(f, 1000);
    const running = api.runAsBackgroundProcess(
      'long',
      () => new Promise<string>((resolve) => (finish = () => resolve('done'))),
    );
    let stopped = false;
    const stopping = background.stop().then(() => (stopped = true));
    await clock.advance(5000);
    expect(stopped).toBe(false);
    finish();
    await stopping;
    expect(await running).toBe('done');
    api.loopingBackgroundCall(f, 1000);
    await clock.advance(5000);
    expect(f).not.toHaveBeenCalled();
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([0, -1, Number.NaN, Infinity, 2 ** 31, '1000'])('refuse a period of %s', (msec) => {
    const { api } = makeApi();
    expect(() => api.loopingBackgroundCall(() => undefined, msec as never)).toThrow(TypeError);
  });

  it('refuse what is no function', () => {
    const { api } = makeApi();
    expect(() => api.loopingBackgroundCall('f' as never, 1000)).toThrow(TypeError);
    expect(() => api.delayedBackgroundCall(1000, undefined as never)).toThrow(TypeError);
  });
});

describe('time', () => {
  it('is the server’s clock; sleep counts in seconds', async () => {
    const { api, clock } = makeApi();
    expect(api.getCurrentTimeMsec()).toBe(clock.now());
    let awake = false;
    const sleeping = api.sleep(2).then(() => (awake = true));
    await clock.advance(1999);
    expect(awake).toBe(false);
    await clock.advance(1);
    await sleeping;
    expect(awake).toBe(true);
  });
});
