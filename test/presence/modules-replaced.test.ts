/** Who sees whom after modules were replaced, and that nothing is told twice or lost for it. */
import { describe, expect, it } from 'vitest';
import type { RoutingAnswer } from '../../src/core/engine-api.ts';
import { Form } from '../../src/core/forms.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const CAROL = '@carol:test';
const FAR = '@far:island';
const FURTHER = '@further:atoll';

type Pairs = Readonly<Record<UserId, readonly UserId[]>>;

/** The same router object, as the host's is, with other modules behind it. */
async function replace(rig: Rig, router: StubRouter, pairs: Pairs): Promise<void> {
  const next = StubRouter.connecting(pairs);
  router.hasCallbacks = Object.keys(pairs).length > 0;
  router.route = (states) => (router.hasCallbacks ? next.route(states) : new Map());
  router.interest = (userId) => (router.hasCallbacks ? next.interest(userId) : []);
  const replaced = rig.handler.modulesReplaced();
  await rig.settle();
  await replaced;
}

/** Sources as getUsersForStates alone knows them. */
async function replaceRoutes(rig: Rig, router: StubRouter, pairs: Pairs): Promise<void> {
  await replace(rig, Object.assign(router, { hasCallbacks: true }), pairs);
}

describe('modules that are replaced', () => {
  it('row 350: who is named from now on gets the current state, who is not any more one last offline, and others nothing', async () => {
    const router = StubRouter.connecting({ [ALICE]: [BOB] });
    const rig = await Rig.start({ router });
    const bob = await rig.client(BOB).watch();
    const carol = await rig.client(CAROL).watch();
    await rig.put(ALICE, 'unavailable', 'at lunch');
    await rig.settle();
    expect(bob.statesOf(ALICE)).toEqual(['unavailable']);

    await replace(rig, router, { [ALICE]: [BOB, CAROL] });
    expect(bob.statesOf(ALICE)).toEqual(['unavailable']);
    expect(carol.statesOf(ALICE)).toEqual(['unavailable']);

    await replace(rig, router, { [ALICE]: [CAROL] });
    expect(bob.statesOf(ALICE)).toEqual(['unavailable', 'offline']);
    expect(carol.statesOf(ALICE)).toEqual(['unavailable']);

    await rig.put(ALICE, 'online');
    await rig.settle();
    expect(bob.statesOf(ALICE)).toEqual(['unavailable', 'offline']);
    expect(carol.statesOf(ALICE)).toEqual(['unavailable', 'online']);
  });

  it('rows 323, 350: the same for those whom only one of the two callbacks names', async () => {
    const router = StubRouter.connecting({});
    router.hasCallbacks = true;
    const rig = await Rig.start({ router });
    const [bob, carol] = [await rig.client(BOB).watch(), await rig.client(CAROL).watch()];
    await rig.put(ALICE, 'online');
    router.route = (states) => new Map(states.map(({ userId }) => [userId, [BOB]]));
    router.interest = (userId) => (userId === CAROL ? [ALICE] : []);
    await settled(rig, rig.handler.modulesReplaced());
    expect([bob.statesOf(ALICE), carol.statesOf(ALICE)]).toEqual([['online'], ['online']]);
    // The same answers again tell nobody anything.
    await settled(rig, rig.handler.modulesReplaced());
    expect([bob.statesOf(ALICE), carol.statesOf(ALICE)]).toEqual([['online'], ['online']]);
    router.route = () => new Map();
    router.interest = () => [];
    await settled(rig, rig.handler.modulesReplaced());
    expect([bob.statesOf(ALICE), carol.statesOf(ALICE)]).toEqual([
      ['online', 'offline'],
      ['online', 'offline'],
    ]);
  });

  it('with none left, what the last ones said ends; the first ones count for whoever is connected already', async () => {
    const router = new StubRouter();
    router.hasCallbacks = false;
    const rig = await Rig.start({ router });
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online');
    rig.handler.routeUnanswered();
    await replace(rig, router, { [ALICE]: [BOB] });
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    await replace(rig, router, {});
    expect(bob.statesOf(ALICE)).toEqual(['online', 'offline']);
    expect(await rig.handler.statusFor(BOB, ALICE)).toBeNull();
    await rig.put(ALICE, 'unavailable');
    await rig.settle();
    expect(bob.statesOf(ALICE)).toEqual(['online', 'offline']);
  });

  it('row 350: servers: those new to it get the current state, those that had it nothing, and those not named any more one offline', async () => {
    const router = StubRouter.connecting({ [ALICE]: [FAR] });
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online', 'hi');
    await rig.settle();
    rig.federation.sent.length = 0;
    await replaceRoutes(rig, router, { [ALICE]: [FAR, FURTHER] });
    expect(rig.federation.sent).toMatchObject([
      { destination: 'atoll', states: [{ userId: ALICE, state: 'online', statusMsg: 'hi' }] },
    ]);
    rig.federation.sent.length = 0;
    await replaceRoutes(rig, router, { [ALICE]: [FURTHER] });
    expect(rig.federation.sent).toMatchObject([
      { destination: 'island', states: [{ userId: ALICE, state: 'offline' }] },
    ]);
    rig.federation.sent.length = 0;
    await replace(rig, router, {});
    expect(rig.federation.sent).toMatchObject([
      { destination: 'atoll', states: [{ userId: ALICE, state: 'offline' }] },
    ]);
  });

  it('an answer about an older state never replaces that about a newer one', async () => {
    const router = StubRouter.connecting({ [ALICE]: [BOB] });
    const rig = await Rig.start({ router });
    const bob = await rig.client(BOB).watch();
    const carol = await rig.client(CAROL).watch();
    await rig.put(ALICE, 'online', 'one');
    await rig.settle();
    const answers: ((answer: RoutingAnswer) => void)[] = [];
    router.interest = () => [];
    router.route = () =>
      new Promise((resolve) => {
        answers.push(resolve);
      });
    const replaced = rig.handler.modulesReplaced();
    await rig.settle();
    await rig.put(ALICE, 'online', 'two');
    await rig.settle();
    // The one that was asked with the older state, then the one that waited for it.
    answers[0]?.(new Map([[ALICE, [CAROL]]]));
    await rig.settle();
    answers[1]?.(new Map([[ALICE, [BOB]]]));
    await settled(rig, replaced);
    expect(bob.seen.at(-1)).toMatchObject([ALICE, { presence: 'online', status_msg: 'two' }]);
    expect(await rig.handler.statusFor(CAROL, ALICE)).toBeNull();
    expect(carol.statesOf(ALICE).at(-1) ?? 'offline').toBe('offline');
  });

  it('asks about many a few hundred at a time, about nobody who is offline unless an answer is in effect', async () => {
    const router = new StubRouter();
    const rig = await Rig.start({ router });
    const users = Array.from({ length: 1_000 }, (_, n): UserId => `@u${n}:test`);
    await rig.handler.setPresenceForUsers(new Map(users.map((userId) => [userId, { state: 'online' }])));
    router.route = (states) => new Map(states.map(({ userId }) => [userId, userId === BOB ? [CAROL] : []]));
    await rig.put(BOB, 'online');
    await rig.put(BOB, 'offline');
    await rig.put(ALICE, 'online');
    await rig.put(ALICE, 'offline');
    await rig.settle();
    router.batches.length = 0;
    await settled(rig, rig.handler.modulesReplaced());
    const asked = router.batches.flat().map(({ userId }) => userId);
    expect(asked.toSorted()).toEqual([...users, BOB].toSorted());
    expect(Math.max(...router.batches.map(({ length }) => length))).toBeLessThanOrEqual(300);
  });

  it('row 350: restrictions of the new ones come before what they let others see', async () => {
    const router = StubRouter.connecting({});
    router.hasCallbacks = true;
    const rig = await Rig.start({ router });
    const [bob, carol] = [await rig.client(BOB).watch(), await rig.client(CAROL).watch()];
    await rig.put(ALICE, 'online');
    const next = StubRouter.restricting({ [ALICE]: { [CAROL]: Form.DENIED } });
    router.restricts = true;
    router.restrict = async (source, observers) => next.restrict(source, observers);
    router.route = (states) => new Map(states.map(({ userId }) => [userId, [BOB, CAROL]]));
    router.interest = () => [ALICE];
    await settled(rig, rig.handler.modulesReplaced());
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(carol.statesOf(ALICE)).not.toContain('online');
    router.restricts = false;
    await settled(rig, rig.handler.modulesReplaced());
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(carol.statesOf(ALICE).at(-1)).toBe('online');
  });

  it('strangers of other servers are asked about again', async () => {
    const router = StubRouter.connecting({});
    router.hasCallbacks = true;
    const rig = await Rig.start({ router });
    const bob = await rig.client(BOB).watch();
    await rig.handler.receiveRemote('island', [
      { userId: FAR, state: 'online', statusMsg: null, lastActiveTs: rig.clock.now(), currentlyActive: true },
    ]);
    await rig.settle();
    expect(bob.statesOf(FAR)).toEqual([]);
    await rig.clock.advance(1_000);
    await replaceRoutes(rig, router, { [FAR]: [BOB] });
    await rig.settle();
    expect(bob.statesOf(FAR)).toEqual(['online']);
  });

  it('the last of several replacements counts, and a stop ends them', async () => {
    const router = StubRouter.connecting({ [ALICE]: [BOB] });
    const rig = await Rig.start({ router });
    const carol = await rig.client(CAROL).watch();
    await rig.put(ALICE, 'online');
    router.interest = () => new Promise(() => undefined);
    const stuck = rig.handler.modulesReplaced();
    await rig.settle();
    await replace(rig, router, { [ALICE]: [CAROL] });
    expect(carol.statesOf(ALICE)).toEqual(['online']);
    router.route = () => new Promise(() => undefined);
    const last = rig.handler.modulesReplaced();
    await rig.settle();
    await rig.handler.stop();
    await rig.clock.advance(2_000);
    await Promise.all([stuck, last]);
    await rig.handler.modulesReplaced();
  });
});

async function settled(rig: Rig, work: Promise<void>): Promise<void> {
  await rig.settle();
  await work;
}
