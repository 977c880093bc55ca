import { describe, expect, it } from 'vitest';
import { ConfigError, type ModuleApi, type UserId, type UserPresenceState } from '../module/index.ts';
import { createModuleHarness } from './index.ts';

const alice = '@alice:example.org';
const bob = '@bob:example.org';

/** Does nothing by itself, and hands out its api. */
class Idle {
  readonly api: ModuleApi;
  readonly config: { readonly word?: string };
  disposed = false;

  static parseConfig(config: unknown): { readonly word?: string } {
    const { word } = config as { word?: unknown };
    if (word !== undefined && typeof word !== 'string') throw new ConfigError('must be a word', ['word']);
    return word === undefined ? {} : { word };
  }

  constructor(config: { readonly word?: string }, api: ModuleApi) {
    this.config = config;
    this.api = api;
    api.registerWebResource('/_idle', (request) => new Response(`${request.method} ${new URL(request.url).search}`));
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}

describe('createModuleHarness', () => {
  it('constructs the module with its parsed configuration, and takes it down at the end', async () => {
    let instance: Idle | undefined;
    {
      await using harness = await createModuleHarness(Idle, { config: { word: 'yes' } });
      ({ instance } = harness);
      expect(instance.config).toEqual({ word: 'yes' });
      expect(instance.disposed).toBe(false);
      expect(harness.serverName).toBe('example.org');
    }
    expect(instance.disposed).toBe(true);
  });

  it('throws what parseConfig throws, with the path', async () => {
    await expect(createModuleHarness(Idle, { config: { word: 5 } })).rejects.toMatchObject({
      name: 'ConfigError',
      path: ['config', 'word'],
    });
  });

  it('has users who share a room see each other, and tells what their clients got in order', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', [alice, bob]);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'hello' });
    await harness.setPresence(bob, { state: 'unavailable' });
    await harness.setPresence(bob, { state: 'offline' });
    expect(harness.received(alice)).toEqual([
      { userId: bob, state: 'online', statusMsg: 'hello', currentlyActive: true },
      { userId: bob, state: 'unavailable', statusMsg: null, currentlyActive: false },
      { userId: bob, state: 'offline', statusMsg: null, currentlyActive: false },
    ]);
    harness.clear();
    expect(harness.received(alice)).toEqual([]);
    harness.rooms.leave('!room:example.org', alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toEqual([]);
  });

  it('has whoever leaves the last common room go offline for those who stay, and they for them', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', [alice, bob]);
    for (const userId of [alice, bob] as const) await harness.setPresence(userId, { state: 'online' });
    await harness.sync(bob, { device: 'A' });
    harness.clear();
    harness.rooms.leave('!room:example.org', bob);
    await harness.settle();
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'offline' }]);
    expect(harness.received(bob)).toMatchObject([{ userId: alice, state: 'offline' }]);
    expect(await harness.sync(bob, { device: 'A' })).toMatchObject([{ userId: alice, state: 'offline' }]);
    expect(await harness.get(alice, bob)).toBeNull();
  });

  it('keeps back what a module restricts, in every answer', async () => {
    const forms = new Map<UserId, 'deny' | 'offline' | { hide: ['status_msg'] }>([[bob, { hide: ['status_msg'] }]]);
    const callbacks = { getRestrictions: (source: UserId) => forms.get(source) };
    await using harness = await createModuleHarness(callbacks);
    harness.rooms.join('!room:example.org', [alice, bob]);
    await harness.setPresence(bob, { state: 'online', statusMsg: 'hello' });
    const shown = { userId: bob, state: 'online', statusMsg: null, currentlyActive: true };
    expect(harness.received(alice)).toEqual([shown]);
    expect(await harness.get(alice, bob)).toEqual(shown);
    expect(await harness.sync(alice)).toEqual([shown]);
    expect(await harness.get(bob, bob)).toMatchObject({ statusMsg: 'hello' });
  });

  it('tells a new room mate’s presence to those who are there', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', alice);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toEqual([]);
    harness.rooms.join('!room:example.org', bob);
    await harness.settle();
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
  });

  it('moves time: a user whose client stays becomes idle, and one without a client goes away', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', [alice, bob]);
    const start = harness.now();
    await harness.setPresence(bob, { state: 'online' });
    await harness.advance({ minutes: 4 });
    expect(await harness.get(alice, bob)).toMatchObject({ state: 'online' });
    await harness.advance({ minutes: 1, seconds: 10, ms: 5 });
    expect(await harness.get(alice, bob)).toMatchObject({ state: 'unavailable' });
    expect(harness.now() - start).toBe(310_005);
  });

  it('keeps the syncs of devices apart', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', [alice, bob]);
    await harness.setPresence(bob, { state: 'online' });
    expect(await harness.sync(alice, { device: 'A' })).toHaveLength(1);
    expect(await harness.sync(alice, { device: 'A' })).toHaveLength(0);
    expect(await harness.sync(alice, { device: 'A', fullState: true })).toHaveLength(1);
    expect(await harness.sync(alice, { device: 'B' })).toHaveLength(1);
    expect(await harness.get(alice, bob)).toMatchObject({ state: 'online' });
    expect(await harness.get('@stranger:example.org', bob)).toBeNull();
  });

  it('connects to other servers in both directions', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', [alice, '@far:island']);
    await harness.setPresence(alice, { state: 'online' });
    expect(harness.sentToServers()).toMatchObject([{ destination: 'island', userId: alice, state: 'online' }]);
    await harness.setPresence('@far:island', { state: 'unavailable', statusMsg: 'lunch' });
    expect(harness.received(alice).at(-1)).toMatchObject({
      userId: '@far:island',
      state: 'unavailable',
      statusMsg: 'lunch',
    });
    harness.clear();
    expect(harness.sentToServers()).toEqual([]);
  });

  it('rows 124, 131, 134: delivers sendLocalOnlinePresenceTo once per device', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', [alice, bob]);
    await harness.setPresence(bob, { state: 'online' });
    await harness.sync(alice, { device: 'A' });
    await harness.sync(alice, { device: 'B' });
    await harness.instance.api.sendLocalOnlinePresenceTo([alice]);
    for (const device of ['A', 'B', 'NEW']) {
      expect(await harness.sync(alice, { device })).toMatchObject([{ userId: bob, state: 'online' }]);
      expect(await harness.sync(alice, { device })).toEqual([]);
    }
  });

  it('applies setPresenceForUsers, or refuses it whole', async () => {
    await using harness = await createModuleHarness(Idle);
    harness.rooms.join('!room:example.org', [alice, bob]);
    const { api } = harness.instance;
    await api.setPresenceForUsers(new Map([[bob, { state: 'online', statusMsg: 'on call' }]]));
    await harness.settle();
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online', statusMsg: 'on call' }]);
    const wrong = new Map<UserId, never>([
      [alice, { state: 'online' } as never],
      [bob, { state: 'dnd' } as never],
    ]);
    await expect(api.setPresenceForUsers(wrong)).rejects.toThrow(TypeError);
    await expect(api.setPresenceForUsers(wrong)).rejects.toThrow(bob);
    await harness.settle();
    expect(await harness.get(alice, alice)).toMatchObject({ state: 'offline' });
  });

  it('serves the module’s web resources', async () => {
    await using harness = await createModuleHarness(Idle);
    const response = await harness.fetch('/_idle/x?q=1', { method: 'POST' });
    expect(await response?.text()).toBe('POST ?q=1');
    expect(await harness.fetch('/other')).toBeNull();
  });

  it('lists what the host complained about', async () => {
    const broken = {
      getUsersForStates: (): Map<UserId, UserPresenceState[]> => {
        throw new Error('no such table');
      },
      getInterestedUsers: () => [],
    };
    await using harness = await createModuleHarness(broken);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.problems()).toEqual([
      'the answer of a module was dropped: getUsersForStates of module 0 (the module) threw: no such table',
    ]);
  });

  it('says of which callback an entry was dropped, and why', async () => {
    const careless = { getUsersForStates: () => new Map(), getInterestedUsers: () => ['bob'] as never };
    await using harness = await createModuleHarness(careless);
    await harness.connect(alice);
    expect(harness.problems()).toEqual([
      expect.stringMatching(
        /^an entry of .* was dropped \(callback getInterestedUsers, reason user_id, value "bob"\)$/,
      ),
    ]);
  });

  it('says clearly what a test got wrong', async () => {
    await using harness = await createModuleHarness(Idle);
    const before = harness.now();
    await expect(harness.advance({ minute: 3 } as never)).rejects.toThrow(
      new TypeError('advance: "minute" is not known; give minutes, seconds or ms'),
    );
    await expect(harness.advance({ minutes: '3' as never })).rejects.toThrow(
      new TypeError('advance: minutes is "3" rather than a number from 0'),
    );
    await expect(harness.advance({ seconds: -1 })).rejects.toThrow(TypeError);
    expect(harness.now()).toBe(before);
    for (const userId of [bob, '@far:island'] as const) {
      await expect(harness.setPresence(userId, { state: 'onlin' as never })).rejects.toThrow(
        new TypeError('setPresence: "onlin" is not a presence state'),
      );
    }
    expect(() => harness.received(alice)).toThrow("await harness.connect('@alice:example.org') first");
    await expect(harness.connect('@far:island')).rejects.toThrow('@far:island is not a user of example.org');
    await expect(harness.sync('@far:island')).rejects.toThrow('only those have clients here');
  });

  it('passes on the limits of callbacks', async () => {
    const slow = { getUsersForStates: () => new Promise<never>(() => undefined), getInterestedUsers: () => [] };
    await using harness = await createModuleHarness(slow, { callbacks: { timeoutMs: 50 }, name: 'slow' });
    await harness.setPresence(bob, { state: 'online' });
    await harness.advance({ ms: 50 });
    const labels = { module: 'slow', callback: 'getUsersForStates', outcome: 'timed_out' };
    expect(harness.metric('thalamus_module_callback_total', labels)).toBe(1);
  });
});
