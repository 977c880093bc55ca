import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, MemoryMetrics, RecordingLogger } from '../adapters/memory/index.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { ModuleApi } from '../module/index.ts';
import { createTestServices } from '../../test/support/test-services.ts';
import { raise, stateOf } from '../../test/support/host-context.ts';
import { loadedModules } from '../../test/support/loaded-modules.ts';
import { until } from '../../test/support/until.ts';
import { ModuleHost } from './module-host.ts';

const u = stateOf('@u:test');
const hosts: ModuleHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

async function started(...definitions: unknown[]) {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const host = new ModuleHost({ clock, logger, metrics: new MemoryMetrics(), watchdog: null, stopTimeoutMs: 200 });
  hosts.push(host);
  const { services, presence } = createTestServices();
  await host.construct(loadedModules(...definitions), services);
  let replaced = 0;
  const replace = (...next: unknown[]): Promise<void> =>
    host.replace(loadedModules(...next), services, () => {
      replaced += 1;
    });
  return { host, clock, logger, presence, services, replace, replaced: () => replaced };
}

/** A module that gives everything to one user, and to whom that user is `u`. */
const to = (target: UserId) => ({
  getUsersForStates: () => ({ [target]: [u] }),
  getInterestedUsers: (userId: UserId) => (userId === target ? ['@u:test'] : []),
});

describe('replacing modules', () => {
  it('row 349: asks the new ones, in the step in which it says so', async () => {
    const { host, services } = await started(to('@x:test'));
    let within: unknown;
    await host.replace(loadedModules(to('@y:test')), services, () => {
      within = host.router.getUsersForStates([u]);
    });
    expect(within).toEqual(new Map([['@u:test', ['@y:test']]]));
    expect(host.router.getInterestedUsers('@x:test')).toEqual([]);
    expect(host.router.getInterestedUsers('@y:test')).toEqual(['@u:test']);
    expect(host.modules).toHaveLength(1);
  });

  it('goes from none to some, and back', async () => {
    const { host, replace } = await started();
    expect(host.router.hasCallbacks).toBe(false);
    await replace(to('@x:test'));
    expect(host.router.hasCallbacks).toBe(true);
    await replace();
    expect(host.router.hasCallbacks).toBe(false);
    expect(host.router.getInterestedUsers('@x:test')).toEqual([]);
  });

  it.each([
    ['a constructor that throws', () => raise(new Error('no')), 'could not be constructed: no'],
    ['half a pair', { getInterestedUsers: () => [] }, 'getInterestedUsers is registered without getUsersForStates'],
  ])('keeps the ones before, after %s, and takes down the new ones', async (_what, broken, says) => {
    const disposed: string[] = [];
    const old = { setup: () => ({ ...to('@x:test'), [Symbol.dispose]: () => disposed.push('old') }) };
    const { host, replace, replaced } = await started(old);
    const half = { setup: () => ({ ...to('@y:test'), [Symbol.dispose]: () => disposed.push('new') }) };
    await expect(replace(half, broken)).rejects.toThrow(says);
    expect(disposed).toEqual(['new']);
    expect(replaced()).toBe(0);
    expect(host.router.getInterestedUsers('@x:test')).toEqual(['@u:test']);
    await replace(to('@y:test'));
    expect(host.router.getInterestedUsers('@y:test')).toEqual(['@u:test']);
  });

  it('row 349: answers by the new ones what the old ones are still thinking about, and disposes of those after their calls', async () => {
    const order: string[] = [];
    let answer = (_value: unknown): void => undefined;
    let signal: AbortSignal | undefined;
    const slow = {
      setup: () => ({
        getUsersForStates: (_: unknown, context: { signal: AbortSignal }) => {
          ({ signal } = context);
          return new Promise((resolve) => {
            answer = resolve;
          });
        },
        getInterestedUsers: (_: unknown, { signal: end }: { signal: AbortSignal }) =>
          new Promise((resolve) => {
            end.addEventListener('abort', () => resolve(['@old:test']));
          }),
        [Symbol.asyncDispose]: async () => void order.push('disposed'),
      }),
    };
    const { host, replace } = await started(slow);
    const routes = host.router.getUsersForStates([u]);
    const interest = host.router.getInterestedUsers('@y:test');
    await replace(to('@y:test'));
    expect(await routes).toEqual(new Map([['@u:test', ['@y:test']]]));
    expect(await interest).toEqual(['@u:test']);
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toEqual(new Error('the modules have been replaced'));
    expect(order).toEqual([]);
    order.push('answered');
    answer({ '@x:test': [u] });
    await host.replacedEnded();
    expect(order).toEqual(['answered', 'disposed']);
  });

  it('does not wait for ever for a call of the old ones', async () => {
    const disposed: string[] = [];
    const stuck = {
      setup: () => ({
        getUsersForStates: () => new Promise(() => undefined),
        getInterestedUsers: () => [],
        [Symbol.dispose]: () => disposed.push('stuck'),
      }),
    };
    const { host, replace, logger } = await started(stuck);
    const routes = host.router.getUsersForStates([u]);
    await replace(to('@y:test'));
    expect(await routes).toEqual(new Map([['@u:test', ['@y:test']]]));
    await host.replacedEnded();
    expect(disposed).toEqual(['stuck']);
    expect(logger.lines.map(({ message }) => message)).toContain(
      'a callback of a module still runs; its module is taken down all the same',
    );
  });

  it('exchanges web resources, and lets requests of the old ones end before those are disposed of', async () => {
    const order: string[] = [];
    let finish = (): void => undefined;
    const serving = (text: string, wait?: Promise<void>) => (_: unknown, api: ModuleApi) => {
      api.registerWebResource('/_kiosk', async () => {
        await wait;
        order.push(`${text} answered`);
        return new Response(text);
      });
      return { [Symbol.dispose]: () => order.push(`${text} disposed`) };
    };
    const open = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { host, replace } = await started(serving('old', open));
    const ask = async (): Promise<string> =>
      (await host.webResources.find('/_kiosk')?.(new Request('http://test/_kiosk')))?.text() ?? 'nobody';
    const first = ask();
    await replace(serving('new'));
    expect(await ask()).toBe('new');
    finish();
    expect(await first).toBe('old');
    await host.replacedEnded();
    expect(order).toEqual(['new answered', 'old answered', 'old disposed']);
  });

  it('ends background calls of the old ones, and hears nothing of them any more', async () => {
    let oldApi: ModuleApi | undefined;
    const runs: string[] = [];
    const looping = (name: string) => (_: unknown, api: ModuleApi) => {
      oldApi ??= api;
      api.loopingBackgroundCall(() => void runs.push(name), 1000);
      return to('@x:test');
    };
    const { host, clock, replace, presence } = await started(looping('old'));
    await replace(looping('new'));
    await host.replacedEnded();
    await clock.advance(1000);
    expect(runs).toEqual(['new']);
    await oldApi?.sendLocalOnlinePresenceTo(['@x:test']);
    await oldApi?.setPresenceForUsers(new Map([['@x:test', { state: 'online' }]]));
    oldApi?.invalidateInterestedUsers();
    for (const operation of Object.values(presence)) expect(operation).not.toHaveBeenCalled();
  });

  it('is refused while another one is under way', async () => {
    let finish = (): void => undefined;
    const slow = async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return to('@y:test');
    };
    const { replace, replaced } = await started(to('@x:test'));
    const first = replace(slow);
    await expect(replace(to('@z:test'))).rejects.toThrow('being replaced already');
    finish();
    await first;
    expect(replaced()).toBe(1);
  });

  it('does not happen to a host that stops meanwhile', async () => {
    const disposed: string[] = [];
    let finish = (): void => undefined;
    const slow = async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { ...to('@y:test'), [Symbol.dispose]: () => disposed.push('new') };
    };
    const { host, replace, replaced } = await started(to('@x:test'));
    const replacing = replace(slow);
    const stopped = host.stop();
    await until(() => !host.router.hasCallbacks);
    finish();
    await expect(replacing).rejects.toThrow('the server is stopping');
    await stopped;
    expect(disposed).toEqual(['new']);
    expect(replaced()).toBe(0);
    expect(host.router.hasCallbacks).toBe(false);
  });
});
