import { createModuleHarness } from 'thalamus/module/testing';
import { describe, expect, it } from 'vitest';
import { Invisible } from './invisible.ts';

const ALICE = '@alice:example.org';
const BOB = '@bob:example.org';
const EVE = '@eve:example.org';
const config = { invisible: { [ALICE]: [BOB, '@carol:partner.example'] } };
const ROOM = '!room:example.org';

describe('Invisible', () => {
  it('shows an invisible user to friends, and to nobody else', async () => {
    await using harness = await createModuleHarness(Invisible, { config });
    harness.rooms.join(ROOM, [ALICE, BOB, EVE, '@carol:partner.example', '@mallory:elsewhere.example']);
    await harness.setPresence(ALICE, { state: 'online', statusMsg: 'back' });

    expect(harness.received(BOB)).toMatchObject([{ userId: ALICE, state: 'online', statusMsg: 'back' }]);
    expect(harness.received(EVE)).toEqual([]);
    expect(await harness.get(BOB, ALICE)).toMatchObject({ state: 'online' });
    expect(await harness.get(EVE, ALICE)).toMatchObject({ state: 'offline', statusMsg: null });
    expect(await harness.sync(EVE, { fullState: true })).toEqual([]);
    expect(new Set(harness.sentToServers().map(({ destination }) => destination))).toEqual(
      new Set(['partner.example']),
    );
    expect(harness.problems()).toEqual([]);
  });

  it('leaves everybody else as they are, and lets the invisible see', async () => {
    await using harness = await createModuleHarness(Invisible, { config });
    harness.rooms.join(ROOM, [ALICE, BOB, EVE]);
    await harness.setPresence(EVE, { state: 'online' });
    expect(harness.received(ALICE)).toMatchObject([{ userId: EVE, state: 'online' }]);
    expect(harness.received(BOB)).toMatchObject([{ userId: EVE, state: 'online' }]);
  });

  it('adds nobody: a friend without a shared room sees nothing', async () => {
    await using harness = await createModuleHarness(Invisible, { config });
    await harness.connect(BOB);
    await harness.setPresence(ALICE, { state: 'online' });
    expect(harness.received(BOB)).toEqual([]);
    expect(await harness.get(BOB, ALICE)).toBeNull();
  });

  it.each([
    [{ invisible: { alice: [] } }, ['config', 'invisible', 'alice']],
    [{ invisible: { [ALICE]: BOB } }, ['config', 'invisible', ALICE]],
  ])('refuses %j, saying where', async (wrong, path) => {
    await expect(createModuleHarness(Invisible, { config: wrong })).rejects.toMatchObject({
      name: 'ConfigError',
      path,
    });
  });
});
