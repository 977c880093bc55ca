/** Modules are constructed while presence runs already: until then nobody knows what they keep back. */
import { describe, expect, it } from 'vitest';
import { Form } from '../../src/core/forms.ts';
import { type Restrictions, UNRESTRICTED } from '../../src/router-host/router-api.ts';
import { Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const FAR = '@far:island';

/** A router whose modules are still to come, and what they are when they are there. */
async function startWaiting() {
  const router = new StubRouter();
  router.restricts = true;
  let answer: (restrictions: Restrictions) => void = () => undefined;
  router.restrict = () => new Promise((resolve) => (answer = resolve));
  const rig = await Rig.start({ router });
  for (const userId of [ALICE, BOB, FAR] as const) rig.rooms.join('!room:test', userId);
  await rig.settle();
  const bob = await rig.client(BOB).watch();
  await rig.put(ALICE, 'online', 'hi');
  await rig.settle();
  expect([bob.statesOf(ALICE), rig.federation.sent]).toEqual([[], []]);
  const constructed = async (restrictions: Restrictions, restricts: boolean): Promise<void> => {
    router.restricts = restricts;
    router.restrict = () => restrictions;
    answer(restrictions);
    rig.handler.routeUnanswered();
    await rig.settle();
  };
  return { rig, bob, constructed };
}

describe('until modules are constructed', () => {
  it('nothing is told; when none of them restricts, everything is', async () => {
    const { rig, bob, constructed } = await startWaiting();
    await constructed(UNRESTRICTED, false);
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(rig.federation.sent).toMatchObject([
      { destination: 'island', states: [{ userId: ALICE, statusMsg: 'hi' }] },
    ]);
    await rig.put(ALICE, 'unavailable');
    await rig.settle();
    expect(bob.statesOf(ALICE)).toEqual(['online', 'unavailable']);
  });

  it('nothing is told; then only what they leave', async () => {
    const { rig, bob, constructed } = await startWaiting();
    await constructed({ others: Form.FULL, observers: new Map([['island', Form.DENIED]]), isFinal: true }, true);
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(rig.federation.sent).toEqual([]);
  });
});
