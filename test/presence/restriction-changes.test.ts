/**
 * What changes in who must not get what: losing and gaining sight, slow and failing modules, ends and starts.
 */
import { describe, expect, it } from 'vitest';
import { Form } from '../../src/core/forms.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import type { Restrictions } from '../../src/router-host/router-api.ts';
import { later, Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const CAROL = '@carol:test';
const X = '@x:test';
const FAR = '@far:island';
const ROOM = '!room:test';

type Forms = Record<UserId, Record<string, Form>>;

async function start(forms: Forms): Promise<Rig & { router: StubRouter }> {
  const rig = await Rig.start({ router: StubRouter.restricting(forms) });
  rig.rooms.join(ROOM, ALICE, BOB, CAROL);
  return rig as Rig & { router: StubRouter };
}

function everybody(form: Form, isFinal = true): Restrictions {
  return { others: form, observers: new Map(), isFinal };
}

/** States of the source that were sent to the server. */
function sent(rig: Rig, server: string, source: UserId = ALICE): unknown[] {
  const states = rig.federation.sent.filter(({ destination }) => destination === server).flatMap((each) => each.states);
  return states.filter(({ userId }) => userId === source).map(({ state, statusMsg }) => [state, statusMsg]);
}

describe('losing and gaining sight', () => {
  it('rows 321, 325: whoever loses sight is told offline once, and the present state when they gain it', async () => {
    const forms: Forms = {};
    const rig = await start(forms);
    const [bob, carol] = [await rig.client(BOB).watch(), await rig.client(CAROL).watch()];
    await rig.put(ALICE, 'online', 'hi');
    forms[ALICE] = { [BOB]: Form.DENIED };
    rig.handler.invalidateRestrictions([ALICE]);
    expect(bob.statesOf(ALICE)).toEqual(['online', 'offline']);
    await rig.put(ALICE, 'unavailable', 'two');
    rig.handler.invalidateRestrictions([ALICE]);
    expect(bob.statesOf(ALICE)).toEqual(['online', 'offline']);
    expect(await rig.get(BOB, ALICE)).toBeNull();
    forms[ALICE] = {};
    rig.handler.invalidateRestrictions();
    expect(bob.statesOf(ALICE)).toEqual(['online', 'offline', 'unavailable']);
    expect(bob.lastOf(ALICE)).toHaveProperty('status_msg', 'two');
    expect(carol.statesOf(ALICE)).toEqual(['online', 'unavailable']);
  });

  it('whoever gets another form is told the present in it', async () => {
    const forms: Forms = {};
    const rig = await start(forms);
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online', 'hi');
    for (const form of [Form.NO_STATUS, Form.OFFLINE, Form.NO_LAST_ACTIVE]) {
      forms[ALICE] = { [BOB]: form };
      rig.handler.invalidateRestrictions([ALICE]);
      expect(bob.lastOf(ALICE)).toEqual(await rig.get(BOB, ALICE));
    }
    expect(bob.seen.map(([, content]) => content)).toEqual([
      expect.objectContaining({ presence: 'online', status_msg: 'hi' }),
      { presence: 'online', currently_active: true, last_active_ago: 0 },
      { presence: 'offline' },
      { presence: 'online', status_msg: 'hi', currently_active: true },
    ]);
  });

  it('row 326: servers lose and gain sight, too: those in the rooms, and those that a router names', async () => {
    const forms: Forms = {};
    const rig = await start(forms);
    rig.router.route = () => new Map([[ALICE, [FAR]]] as const);
    await rig.put(ALICE, 'online', 'hi');
    rig.rooms.join(ROOM, '@m:mainland');
    await rig.settle();
    forms[ALICE] = { island: Form.DENIED, mainland: Form.OFFLINE };
    rig.handler.invalidateRestrictions([ALICE]);
    await rig.put(ALICE, 'online', 'kept back');
    forms[ALICE] = {};
    rig.handler.invalidateRestrictions([ALICE]);
    await rig.settle();
    for (const server of ['island', 'mainland']) {
      expect(sent(rig, server)).toEqual([
        ['online', 'hi'],
        ['offline', null],
        ['online', 'kept back'],
      ]);
    }
  });

  it('rows 308, 326: a server that a router named before a restart gets the present when it gains sight', async () => {
    const forms: Forms = { [ALICE]: { '*': Form.DENIED } };
    const before = await start(forms);
    before.router.restrict = (source) => everybody(forms[source]?.['*'] ?? Form.FULL);
    before.router.route = (states) => new Map(states.map(({ userId }) => [userId, [FAR]]));
    await before.put(ALICE, 'online', 'hi');
    const session = await before.client(ALICE).begin({ setPresence: 'online' });
    const rig = await before.successor();
    await rig.client(ALICE).begin({ setPresence: 'online' });
    rig.handler.resendSince(0);
    await rig.advance(100);
    expect(sent(rig, 'island')).toEqual([]);
    forms[ALICE] = {};
    rig.handler.invalidateRestrictions([ALICE]);
    await rig.advance(100);
    expect(sent(rig, 'island')).toEqual([['online', 'hi']]);
    session.end();
  });

  it('row 324: without the last offline, whoever loses sight is just told nothing any more', async () => {
    const forms: Forms = {};
    const rig = await Rig.start({ router: StubRouter.restricting(forms), tellsLoss: false });
    rig.rooms.join(ROOM, ALICE, BOB);
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online');
    forms[ALICE] = { [BOB]: Form.DENIED };
    rig.handler.invalidateRestrictions([ALICE]);
    rig.rooms.leave(ROOM, BOB);
    bob.collect({ lost: [ALICE] });
    await rig.put(ALICE, 'unavailable');
    expect(bob.statesOf(ALICE)).toEqual(['online']);
  });

  it('leaving the last common room is a loss, for those who were not told of the user by anything else', async () => {
    const rig = await start({ [CAROL]: { [BOB]: Form.DENIED } });
    const bob = rig.client(BOB);
    for (const userId of [ALICE, CAROL, X] as const) await rig.put(userId, 'online');
    rig.rooms.join('!other:test', BOB, X);
    expect([...(await bob.sync()).keys()].sort()).toEqual([ALICE, X]);
    rig.rooms.leave(ROOM, BOB);
    expect([...(await bob.sync({ lost: [ALICE, CAROL, X] }))]).toEqual([[ALICE, { presence: 'offline' }]]);
    expect(await bob.sync()).toEqual(new Map());
  });

  it('rows 303, 321, 325: whoever was away when they lost or gained sight hears of it when they come back', async () => {
    const forms: Forms = { [CAROL]: { [BOB]: Form.DENIED } };
    const rig = await start(forms);
    for (const userId of [ALICE, CAROL] as const) await rig.put(userId, 'online');
    const bob = rig.client(BOB);
    expect([...(await bob.sync()).keys()]).toEqual([ALICE]);
    await rig.advance(120_000);
    await rig.put(ALICE, 'online');
    await rig.put(CAROL, 'online');
    forms[ALICE] = { [BOB]: Form.DENIED };
    forms[CAROL] = {};
    rig.handler.invalidateRestrictions();
    await rig.settle();
    await rig.put(ALICE, 'unavailable');
    const found = await bob.sync();
    expect(found.get(ALICE)).toEqual({ presence: 'offline' });
    expect(found.get(CAROL)).toMatchObject({ presence: 'online' });
  });
});

describe('slow modules', () => {
  it('row 327: the first sync waits for them, and is complete', async () => {
    const rig = await start({});
    await rig.put(ALICE, 'online', 'hi');
    const answers = rig.router.restrict;
    rig.router.restrict = async (source, observers) => {
      await new Promise<void>((resolve) => void rig.clock.setTimeout(resolve, 500));
      return answers(source, observers);
    };
    const syncing = rig.client(BOB).sync();
    await rig.advance(500);
    expect([...(await syncing).keys()]).toEqual([ALICE]);
    expect(rig.router.restrictionQuestions).toContainEqual([ALICE, BOB]);
  });

  it('row 327: but not longer than the deadline; what is unknown then comes with the answer', async () => {
    const rig = await start({});
    await rig.put(ALICE, 'online', 'hi');
    const { promise, resolve } = later<Restrictions>();
    rig.router.restrict = () => promise;
    const bob = rig.client(BOB);
    const watching = bob.watch();
    await rig.advance(2_000);
    await watching;
    expect(bob.seen).toEqual([]);
    const reading = rig.get(BOB, ALICE);
    await rig.advance(2_000);
    expect(await reading).toBeNull();
    resolve(everybody(Form.NO_LAST_ACTIVE));
    await rig.settle();
    expect(bob.seen).toEqual([[ALICE, { presence: 'online', status_msg: 'hi', currently_active: true }]]);
  });

  it('row 327: one deadline is for all that a first sync waits for, interest and restrictions', async () => {
    const rig = await start({});
    await rig.put(ALICE, 'online', 'hi');
    rig.router.interest = () => later<readonly UserId[]>().promise;
    rig.router.restrict = () => later<Restrictions>().promise;
    const startTs = rig.clock.now();
    let isDone = false;
    const syncing = rig
      .client(BOB)
      .sync()
      .then(() => (isDone = true));
    await rig.advance(1_999);
    expect(isDone).toBe(false);
    await rig.advance(1);
    await syncing;
    expect(rig.clock.now() - startTs).toBe(2_000);
  });

  it('row 327: whom rooms show is asked about while interest is still to be said', async () => {
    const rig = await start({});
    await rig.put(ALICE, 'online', 'hi');
    rig.router.interest = () => later<readonly UserId[]>().promise;
    const answers = rig.router.restrict;
    rig.router.restrict = async (source, observers) => {
      await new Promise<void>((resolve) => void rig.clock.setTimeout(resolve, 1_500));
      return answers(source, observers);
    };
    const syncing = rig.client(BOB).sync();
    await rig.advance(2_000);
    expect([...(await syncing).keys()]).toEqual([ALICE]);
  });

  it('a denial that is decided while an answer is on its way is not overtaken by it', async () => {
    const rig = await start({});
    const bob = await rig.client(BOB).watch();
    const answers: ((answer: Restrictions) => void)[] = [];
    rig.rooms.join('!new:test', X, BOB);
    rig.router.restrict = () => new Promise((resolve) => void answers.push(resolve));
    await rig.put(X, 'online', 'secret');
    rig.handler.invalidateRestrictions([X]);
    answers.shift()?.(everybody(Form.FULL));
    await rig.settle();
    await rig.put(X, 'online', 'more');
    answers.shift()?.(everybody(Form.DENIED));
    await rig.settle();
    expect(bob.seen).toEqual([]);
  });

  it('are not waited for by whoever sets a state', async () => {
    const rig = await start({});
    const bob = await rig.client(BOB).watch();
    rig.rooms.join('!new:test', X, BOB);
    rig.router.restrict = () => new Promise(() => undefined);
    await rig.put(X, 'online');
    expect(bob.seen).toEqual([]);
  });
});

describe('modules that fail', () => {
  it('row 317: are asked again until they answer; nobody has to do anything', async () => {
    const rig = await start({});
    let isBroken = true;
    rig.router.restrict = () => (isBroken ? everybody(Form.DENIED, false) : everybody(Form.FULL));
    const bob = await rig.client(BOB).watch();
    await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.settle();
    await rig.advance(10_000);
    expect(bob.seen).toEqual([]);
    isBroken = false;
    await rig.advance(10_000);
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    const asked = rig.router.restrictionQuestions.length;
    await rig.advance(60_000);
    expect(rig.router.restrictionQuestions.length).toBe(asked);
  });
});

describe('without modules that restrict', () => {
  it('nobody is asked', async () => {
    const rig = await start({});
    rig.router.restricts = false;
    rig.router.restrictionQuestions.length = 0;
    const other = await rig.successor();
    const bob = await other.client(BOB).watch();
    await other.put(ALICE, 'online');
    other.handler.invalidateRestrictions();
    other.handler.invalidateRestrictions([ALICE]);
    await other.get(BOB, ALICE);
    await other.settle();
    expect(bob.statesOf(ALICE)).toEqual(['online']);
    expect(rig.router.restrictionQuestions).toEqual([]);
  });

  it('what modules kept back is not given when they are stopped', async () => {
    const rig = await start({ [ALICE]: { '*': Form.DENIED } });
    rig.rooms.join(ROOM, FAR);
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online');
    rig.router.restricts = false;
    await rig.put(ALICE, 'unavailable');
    expect(await rig.get(BOB, ALICE)).toBeNull();
    await rig.handler.stop();
    expect([bob.seen, sent(rig, 'island')]).toEqual([[], []]);
  });
});

describe('invalidateRestrictions', () => {
  it('asks about those named, or about everybody of whom anything is known; what is no user id is refused', async () => {
    const rig = await start({});
    await rig.client(BOB).watch();
    for (const userId of [ALICE, CAROL] as const) await rig.put(userId, 'online');
    const { restrictionQuestions: asked } = rig.router;
    asked.length = 0;
    rig.handler.invalidateRestrictions([ALICE, '@nobody:test']);
    expect(asked).toEqual([[ALICE, BOB]]);
    asked.length = 0;
    rig.handler.invalidateRestrictions();
    await rig.settle();
    expect(asked.map(([source]) => source).toSorted()).toEqual([ALICE, CAROL]);
    expect(() => rig.handler.invalidateRestrictions(['bob' as UserId])).toThrow('"bob" is not a user id');
  });

  it('reaches whoever read the status without being connected', async () => {
    const forms: Forms = {};
    const rig = await start(forms);
    await rig.put(ALICE, 'online');
    expect(await rig.sees(BOB, ALICE)).toBe(true);
    forms[ALICE] = { [BOB]: Form.DENIED };
    expect(await rig.sees(BOB, ALICE)).toBe(true);
    rig.handler.invalidateRestrictions([ALICE]);
    expect(await rig.sees(BOB, ALICE)).toBe(false);
  });
});
