import { createModuleHarness } from 'thalamus/module/testing';
import { describe, expect, it } from 'vitest';
import { Groups } from './groups.ts';

const config = {
  groups: {
    nurses: ['@ada:example.org', '@bea:example.org', '@cyd:partner.example'],
    night_shift: ['@bea:example.org', '@dan:example.org'],
  },
};

describe('Groups', () => {
  it('shows members of a group to each other, and to nobody else', async () => {
    await using harness = await createModuleHarness(Groups, { config });
    for (const userId of ['@ada:example.org', '@bea:example.org', '@dan:example.org'] as const)
      await harness.connect(userId);
    await harness.setPresence('@ada:example.org', { state: 'online' });

    expect(harness.received('@bea:example.org')).toMatchObject([{ userId: '@ada:example.org', state: 'online' }]);
    expect(harness.received('@dan:example.org')).toEqual([]);
    expect(harness.problems()).toEqual([]);
  });

  it('shows a member of two groups to both', async () => {
    await using harness = await createModuleHarness(Groups, { config });
    await harness.setPresence('@bea:example.org', { state: 'online' });
    expect(await harness.sync('@ada:example.org')).toMatchObject([{ userId: '@bea:example.org' }]);
    expect(await harness.sync('@dan:example.org')).toMatchObject([{ userId: '@bea:example.org' }]);
  });

  it('reaches members on other servers, and hears from them', async () => {
    await using harness = await createModuleHarness(Groups, { config });
    await harness.connect('@ada:example.org');
    await harness.setPresence('@ada:example.org', { state: 'online' });
    await harness.receiveFromServer('partner.example', [{ userId: '@cyd:partner.example', state: 'online' }]);

    expect(harness.sentToServers()).toMatchObject([{ destination: 'partner.example', userId: '@ada:example.org' }]);
    expect(harness.received('@ada:example.org')).toMatchObject([
      { userId: '@ada:example.org' },
      { userId: '@cyd:partner.example', state: 'online' },
    ]);
  });

  it('still tells when a member becomes idle and goes away', async () => {
    await using harness = await createModuleHarness(Groups, { config });
    await harness.connect('@bea:example.org');
    await harness.setPresence('@ada:example.org', { state: 'online' });
    await harness.advance({ minutes: 6 });
    await harness.setPresence('@ada:example.org', { state: 'offline' });

    const states = harness.received('@bea:example.org').map(({ state }) => state);
    expect([...new Set(states)]).toEqual(['online', 'unavailable', 'offline']);
  });

  it.each([
    [{ groups: { nurses: '@ada:example.org' } }, ['config', 'groups', 'nurses']],
    [{ groups: { nurses: ['@ada:example.org', 'bea'] } }, ['config', 'groups', 'nurses', 1]],
  ])('refuses %j, saying where', async (wrong, path) => {
    await expect(createModuleHarness(Groups, { config: wrong })).rejects.toMatchObject({ name: 'ConfigError', path });
  });
});
