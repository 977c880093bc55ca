import { createModuleHarness } from 'thalamus/module/testing';
import { describe, expect, it } from 'vitest';
import { Broadcast } from './broadcast.ts';

const config = { seen_by_everyone: ['@helpdesk:example.org'], sees_all: '@wall:example.org' };

describe('Broadcast', () => {
  it('shows the help desk to everyone, at the first sync and as it changes', async () => {
    await using harness = await createModuleHarness(Broadcast, { config });
    await harness.connect('@alice:example.org');
    await harness.setPresence('@helpdesk:example.org', { state: 'online', statusMsg: 'how can we help?' });
    await harness.setPresence('@carol:example.org', { state: 'online' });

    expect(harness.received('@alice:example.org')).toMatchObject([
      { userId: '@helpdesk:example.org', state: 'online', statusMsg: 'how can we help?' },
    ]);
    expect(await harness.sync('@late:example.org')).toMatchObject([{ userId: '@helpdesk:example.org' }]);
    expect(harness.problems()).toEqual([]);
  });

  it('shows everybody, local and remote, to the wall display', async () => {
    await using harness = await createModuleHarness(Broadcast, { config });
    await harness.connect('@wall:example.org');
    await harness.setPresence('@alice:example.org', { state: 'online' });
    await harness.receiveFromServer('elsewhere.example', [{ userId: '@bob:elsewhere.example', state: 'unavailable' }]);

    expect(harness.received('@wall:example.org')).toMatchObject([
      { userId: '@alice:example.org', state: 'online' },
      { userId: '@bob:elsewhere.example', state: 'unavailable' },
    ]);
    expect(harness.problems()).toEqual([]);
  });

  it('shows the wall display to nobody', async () => {
    await using harness = await createModuleHarness(Broadcast, { config });
    await harness.connect('@alice:example.org');
    await harness.setPresence('@wall:example.org', { state: 'online' });
    expect(harness.received('@alice:example.org')).toEqual([]);
  });

  it('does nothing without a configuration', async () => {
    await using harness = await createModuleHarness(Broadcast);
    await harness.connect('@alice:example.org');
    await harness.setPresence('@bob:example.org', { state: 'online' });
    expect(harness.received('@alice:example.org')).toEqual([]);
  });

  it.each([
    [{ seen_by_everyone: 'helpdesk' }, ['config', 'seen_by_everyone']],
    [{ sees_all: ['@wall:example.org'] }, ['config', 'sees_all']],
  ])('refuses %j, saying where', async (wrong, path) => {
    await expect(createModuleHarness(Broadcast, { config: wrong })).rejects.toMatchObject({
      name: 'ConfigError',
      path,
    });
  });
});
