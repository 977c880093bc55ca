import { createModuleHarness } from 'thalamus/module/testing';
import { describe, expect, it } from 'vitest';
import { FederationPolicy } from './federation-policy.ts';

const ALICE = '@alice:example.org';
const BOB = '@bob:example.org';
const ROOM = '!room:example.org';
const config = {
  servers: { 'partner.example': 'allow', 'public.example': 'reduced', 'gossip.example': 'deny' },
  others: 'deny',
};
const MEMBERS = [
  ALICE,
  BOB,
  '@carol:partner.example',
  '@dan:public.example',
  '@eve:gossip.example',
  '@frank:elsewhere.example',
] as const;

describe('FederationPolicy', () => {
  it('sends each server what it may get', async () => {
    await using harness = await createModuleHarness(FederationPolicy, { config });
    harness.rooms.join(ROOM, MEMBERS);
    await harness.setPresence(ALICE, { state: 'online', statusMsg: 'at the sea' });

    const sent = harness.sentToServers();
    expect(sent.filter(({ destination }) => destination === 'partner.example')).toMatchObject([
      { userId: ALICE, state: 'online', statusMsg: 'at the sea', currentlyActive: true },
    ]);
    expect(sent.filter(({ destination }) => destination === 'public.example')).toMatchObject([
      { userId: ALICE, state: 'online', statusMsg: null, currentlyActive: false },
    ]);
    expect(new Set(sent.map(({ destination }) => destination))).toEqual(new Set(['partner.example', 'public.example']));
    expect(harness.problems()).toEqual([]);
  });

  it('leaves users of this server, and what comes from other servers, as they are', async () => {
    await using harness = await createModuleHarness(FederationPolicy, { config });
    harness.rooms.join(ROOM, MEMBERS);
    await harness.setPresence(ALICE, { state: 'online', statusMsg: 'at the sea' });
    await harness.setPresence('@eve:gossip.example', { state: 'online', statusMsg: 'have you heard?' });

    expect(harness.received(BOB)).toMatchObject([
      { userId: ALICE, statusMsg: 'at the sea' },
      { userId: '@eve:gossip.example', statusMsg: 'have you heard?' },
    ]);
  });

  it('restricts nobody without a configuration', async () => {
    await using harness = await createModuleHarness(FederationPolicy);
    harness.rooms.join(ROOM, MEMBERS);
    await harness.setPresence(ALICE, { state: 'online' });
    expect(new Set(harness.sentToServers().map(({ destination }) => destination)).size).toBe(4);
  });

  it.each([
    [{ servers: { 'partner.example': 'maybe' } }, ['config', 'servers', 'partner.example']],
    [{ servers: { 'not a server': 'deny' } }, ['config', 'servers', 'not a server']],
    [{ others: 'nothing' }, ['config', 'others']],
  ])('refuses %j, saying where', async (wrong, path) => {
    await expect(createModuleHarness(FederationPolicy, { config: wrong })).rejects.toMatchObject({
      name: 'ConfigError',
      path,
    });
  });
});
