import { expect, it } from 'vitest';
import type { ModuleApi } from '../../src/module/index.ts';
import { createModuleHarness } from '../../src/testing/index.ts';

it('an answer about everybody is asked for again by invalidateRestrictions, also while nobody is there whom it concerns', async () => {
  let isDenied = true;
  const module = (_: unknown, api: ModuleApi) => ({
    getRestrictions: () => (isDenied ? ('deny' as const) : null),
    again: () => api.invalidateRestrictions(['@b:test']),
  });
  await using harness = await createModuleHarness(module, { serverName: 'test' });
  harness.rooms.join('!room:test', ['@a:test', '@b:test']);
  await harness.setPresence('@b:test', { state: 'online' });
  expect(harness.received('@a:test')).toEqual([]);

  harness.rooms.leave('!room:test', '@a:test');
  await harness.settle();
  isDenied = false;
  harness.instance.again();
  await harness.settle();
  harness.rooms.join('!room:test', '@a:test');
  await harness.settle();
  expect(await harness.get('@a:test', '@b:test')).toMatchObject({ state: 'online' });
  expect(harness.problems()).toEqual([]);
});
