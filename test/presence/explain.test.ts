import { describe, expect, it } from 'vitest';
import { raise } from '../support/host-context.ts';
import { chain, ExplainRig, saysOf } from './explain-rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const EVE = '@eve:far.example';

describe('explanations', () => {
  it('row 336: have every rule in its order', async () => {
    const rig = await ExplainRig.start({
      joined: { '!a:test': [ALICE, BOB] },
      modules: [
        { getUsersForStates: (states) => ({ [ALICE]: states }), getInterestedUsers: () => [BOB] },
        { getUsersForStates: () => raise(new Error('no')), getInterestedUsers: () => 42 },
        { getRestrictions: () => ({ hide: ['status_msg'] }) },
      ],
    });
    await rig.online(BOB, 'hello');
    await rig.connect(ALICE);
    const explanation = await rig.explain(ALICE, BOB);
    expect(chain(explanation).map((line) => line.split(':')[0])).toEqual([
      '✓ presence_mode',
      '✓ target',
      '✓ shared_rooms',
      '✓ getInterestedUsers',
      '✓ getUsersForStates',
      '· getInterestedUsers',
      '· getUsersForStates',
      '✓ interest_in_effect',
      '✓ kept_answer',
      '· getRestrictions',
      '· restriction_in_effect',
      '✓ delivery',
    ]);
  });

  it('say what is in effect where modules say something else by now', async () => {
    let isIn = true;
    let form: 'deny' | null = null;
    const rig = await ExplainRig.start({
      joined: { '!a:test': ['@carol:test'] },
      modules: [
        {
          getUsersForStates: (states) => (isIn ? { [ALICE]: states } : {}),
          getInterestedUsers: () => (isIn ? [BOB] : []),
          getRestrictions: () => form,
        },
      ],
    });
    await rig.online(BOB);
    await rig.connect(ALICE);
    isIn = false;
    form = 'deny';
    const stale = await rig.explain(ALICE, BOB);
    expect(stale).toMatchObject({ isVisible: true, shownAs: 'full' });
    expect(await rig.get(ALICE, BOB)).toEqual(stale.status);
    for (const rule of ['interest_in_effect', 'kept_answer', 'restriction_in_effect'] as const) {
      expect(saysOf(stale, rule)[0]).toContain('the modules say otherwise now, which takes effect');
    }
    rig.handler.invalidateRestrictions([BOB]);
    await rig.clock.settle();
    const denied = await rig.explain(ALICE, BOB);
    expect(denied).toMatchObject({ isVisible: false, shownAs: 'nothing', status: null });
    expect(denied.conclusion).toBe(
      '@alice:test does not see the presence of @bob:test: module a denies @alice:test the presence of @bob:test.',
    );
  });

  it('have strangers, and the limit that keeps them out', async () => {
    let isWanted = false;
    const rig = await ExplainRig.start({
      remote: { maxGuests: 1 },
      modules: [{ getUsersForStates: () => ({}), getInterestedUsers: () => (isWanted ? 'ALL' : []) }],
    });
    const entry = { state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true } as const;
    for (const userId of [EVE, '@mallory:far.example'] as const) {
      await rig.handler.receiveRemote('far.example', [{ userId, ...entry }]);
    }
    const stranger = await rig.explain(ALICE, EVE);
    expect(saysOf(stranger, 'stranger')).toEqual([
      '@eve:far.example is a stranger: nobody here sees them yet, so only their newest state is kept',
    ]);
    isWanted = true;
    await rig.connect(ALICE);
    const [one, other] = [await rig.explain(ALICE, EVE), await rig.explain(ALICE, '@mallory:far.example')];
    expect(one.isVisible).not.toBe(other.isVisible);
    const left = one.isVisible ? other : one;
    expect(left.conclusion).toContain('federation.presence.max_users (1) is reached');
    expect(await rig.get(ALICE, left.target)).toBeNull();
  });

  it('row 336: have the limit of users that an update is routed to', async () => {
    const rig = await ExplainRig.start({
      limits: { maxPendingPerObserver: 1_000, maxRoutedPerUser: 1 },
      modules: [
        { getUsersForStates: (states) => ({ '@zoe:test': states, [ALICE]: states }), getInterestedUsers: () => [] },
      ],
    });
    rig.accounts.add(ALICE);
    await rig.online(BOB);
    const explanation = await rig.explain(ALICE, BOB);
    expect(explanation).toMatchObject({ isVisible: false });
    expect(explanation.conclusion).toContain('limits.max_routed_users_per_update (1)');
  });

  it('have what waits for the observer: a snapshot that a module asked for, and changes in an inbox', async () => {
    const rig = await ExplainRig.start({ joined: { '!a:test': [ALICE, BOB] } });
    (await rig.connect(ALICE))[Symbol.dispose]();
    await rig.online(BOB);
    const waiting = await rig.explain(ALICE, BOB);
    expect(waiting.reasons.at(-1)).toMatchObject({
      rule: 'delivery',
      details: { isConnected: true, isSyncing: false, pending: 1 },
    });
    await rig.handler.sendLocalOnlinePresenceTo([ALICE]);
    expect(saysOf(await rig.explain(ALICE, BOB), 'inbox')[0]).toContain('a module has asked for it');
  });

  it('row 339: of other servers have their queue, when the next attempt is, and what is owed', async () => {
    const rig = await ExplainRig.start({ joined: { '!a:test': [BOB, EVE] } });
    await rig.online(BOB);
    const about = async (standing: ExplainRig['federation']['standing']) => {
      rig.federation.standing = standing;
      return rig.explain(EVE, BOB);
    };
    expect(saysOf(await about({}), 'destination')).toEqual(['far.example does well: nothing waits for it']);
    expect(saysOf(await about({ queued: 2 }), 'destination')).toEqual([
      'far.example does well: updates are on their way to it',
    ]);
    const failing = await about({ failures: 3, retryAtTs: Date.UTC(2026, 0, 2), queued: 2 });
    expect(failing).toMatchObject({ isVisible: true });
    expect(saysOf(failing, 'destination')).toEqual([
      'far.example cannot be reached: 3 attempts have failed in a row, the next attempt is at 2026-01-02T00:00:00.000Z; updates are queued',
    ]);
    const owed = await about({ failures: 9, retryAtTs: Date.UTC(2026, 0, 2), owedSinceTs: Date.UTC(2026, 0, 1) });
    expect(saysOf(owed, 'destination')[0]).toContain('in place of what it has missed since 2026-01-01T00:00:00.000Z');
    expect(await about({ isAllowed: false })).toMatchObject({ isVisible: false, status: null });
    const off = await about({ isOn: false });
    expect(off.conclusion).toContain('no listener has the resource federation');
  });

  it('row 339: of other servers have modules about the server as a whole, and users of theirs by name', async () => {
    const rig = await ExplainRig.start({
      modules: [
        {
          getUsersForStates: (states) => ({ [EVE]: states }),
          getInterestedUsers: () => raise(new Error('only local users are asked about')),
          getRestrictions: (_, observers) =>
            observers.includes('far.example') ? { hide: ['last_active_ago'] } : 'deny',
        },
      ],
    });
    await rig.online(BOB);
    const server = await rig.explain('far.example', BOB);
    expect(server).toMatchObject({ observerKind: 'server', isVisible: true, hidden: ['last_active_ago'] });
    expect(rig.federation.statesAt('far.example').get(BOB)).toMatchObject({ state: 'online', lastActiveTs: 0 });
    const eve = await rig.explain(EVE, BOB);
    expect(saysOf(eve, 'getUsersForStates')).toEqual(['module a gives updates of @bob:test to @eve:far.example']);
    const mallory = await rig.explain('@mallory:far.example', BOB);
    expect(saysOf(mallory, 'getUsersForStates')).toEqual([
      'module a gives updates of @bob:test to other users of far.example',
    ]);
    expect(mallory.conclusion).toContain('is up to far.example');
    expect(await rig.explain('other.example', BOB)).toMatchObject({ isVisible: false });
  });

  it('know that nothing goes to other servers, or comes from there, while presence is not tracked', async () => {
    const rig = await ExplainRig.start({ mode: 'untracked', joined: { '!a:test': [BOB, EVE, ALICE] } });
    expect(await rig.explain('far.example', BOB)).toMatchObject({ isVisible: false, shownAs: 'nothing' });
    expect(saysOf(await rig.explain(ALICE, EVE), 'federation')).toEqual([
      'What other servers tell is not taken while presence is untracked',
    ]);
    expect(await rig.explain(ALICE, BOB)).toMatchObject({ isVisible: true });
  });
});
