import { createModuleHarness } from 'thalamus/module/testing';
import { describe, expect, it } from 'vitest';
import { CustomPresenceRouter } from './custom-presence-router.ts';

describe('CustomPresenceRouter', () => {
  it('routes the updates of bob and charlie of this server to alice unless the configuration says otherwise', async () => {
    await using harness = await createModuleHarness(CustomPresenceRouter, { serverName: 'example.org' });
    await harness.connect('@alice:example.org');
    await harness.setPresence('@bob:example.org', { state: 'online', statusMsg: 'hello' });
    await harness.setPresence('@charlie:example.org', { state: 'unavailable' });
    await harness.setPresence('@dave:example.org', { state: 'online' });

    expect(harness.received('@alice:example.org')).toEqual([
      { userId: '@bob:example.org', state: 'online', statusMsg: 'hello', currentlyActive: true },
      { userId: '@charlie:example.org', state: 'unavailable', statusMsg: null, currentlyActive: false },
    ]);
    expect(harness.problems()).toEqual([]);
  });

  it("works with the reference text's own ids, where charlie is a remote user whose update arrives by federation", async () => {
    await using harness = await createModuleHarness(CustomPresenceRouter, {
      serverName: 'example.com',
      config: { watcher: '@alice:example.com', watched: ['@bob:example.com', '@charlie:somewhere.org'] },
    });
    await harness.connect('@alice:example.com');
    await harness.setPresence('@bob:example.com', { state: 'online' });
    await harness.receiveFromServer('somewhere.org', [{ userId: '@charlie:somewhere.org', state: 'online' }]);

    expect(harness.received('@alice:example.com')).toMatchObject([
      { userId: '@bob:example.com', state: 'online' },
      { userId: '@charlie:somewhere.org', state: 'online' },
    ]);
    // Nobody else has asked for them, and no other server has to know.
    expect(harness.sentToServers()).toEqual([]);
    expect(harness.problems()).toEqual([]);
  });

  it('lets alice see at her first sync who is there, ask for them, and nobody else', async () => {
    await using harness = await createModuleHarness(CustomPresenceRouter, { serverName: 'example.org' });
    await harness.setPresence('@bob:example.org', { state: 'online' });
    await harness.setPresence('@dave:example.org', { state: 'online' });

    expect(await harness.sync('@alice:example.org')).toMatchObject([{ userId: '@bob:example.org', state: 'online' }]);
    expect(await harness.get('@alice:example.org', '@bob:example.org')).toMatchObject({ state: 'online' });
    expect(await harness.get('@alice:example.org', '@dave:example.org')).toBeNull();
    expect(await harness.get('@dave:example.org', '@bob:example.org')).toBeNull();
  });

  it('sends the updates to a watcher of another server through that server', async () => {
    await using harness = await createModuleHarness(CustomPresenceRouter, {
      config: { watcher: '@bob:matrix.org', watched: ['@alice:example.org'] },
    });
    await harness.setPresence('@alice:example.org', { state: 'online' });
    expect(harness.sentToServers()).toMatchObject([
      { destination: 'matrix.org', userId: '@alice:example.org', state: 'online' },
    ]);
  });

  it.each([
    [{ watcher: 'alice' }, 'must be a user id', ['config', 'watcher']],
    [{ watched: '@bob:example.org' }, 'must be a list of user ids', ['config', 'watched']],
    [{ watched: ['bob'] }, 'must be a list of user ids', ['config', 'watched']],
  ])('refuses %j, saying where', async (config, message, path) => {
    await expect(createModuleHarness(CustomPresenceRouter, { config })).rejects.toMatchObject({ message, path });
  });
});
