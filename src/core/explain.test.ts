import { describe, expect, it } from 'vitest';
import { EngineDriver } from '../../test/support/engine-driver.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const EVE = '@eve:far.example';

function world() {
  const it = new EngineDriver();
  const { engine } = it;
  for (const room of ['!a:test', '!b:test', '!c:test'] as const) {
    engine.join(ALICE, room);
    engine.join(BOB, room);
  }
  engine.join('@carol:test', '!b:test');
  engine.join(EVE, '!c:test');
  return it;
}

describe('the facts of a pair', () => {
  it('name the first shared rooms and count all', () => {
    const { engine } = world();
    expect(engine.factsOf(ALICE, BOB, 2)).toMatchObject({
      isObserverKnown: true,
      isTargetKnown: true,
      shared: { rooms: ['!a:test', '!b:test'], count: 3 },
      sharedWithServer: { rooms: [], count: 0 },
      connection: null,
      kept: null,
    });
    expect(engine.factsOf('@carol:test', EVE, 9).shared).toEqual({ rooms: [], count: 0 });
  });

  it('know the rooms that a server is in through any of its users', () => {
    const { engine } = world();
    expect(engine.factsOf('far.example', BOB, 9).shared).toEqual({ rooms: ['!c:test'], count: 1 });
    expect(engine.factsOf('@mallory:far.example', BOB, 9)).toMatchObject({
      isObserverKnown: false,
      shared: { rooms: [], count: 0 },
      sharedWithServer: { rooms: ['!c:test'], count: 1 },
    });
    expect(engine.factsOf('other.example', BOB, 9)).toMatchObject({ isObserverKnown: false, shared: { count: 0 } });
  });

  it('have what is in effect: interest, kept answer, inbox', () => {
    const it = new EngineDriver();
    const { engine } = it;
    engine.beginSync(ALICE, 'A', null, false, it.now);
    expect(engine.factsOf(ALICE, BOB, 9).connection).toMatchObject({ isSyncing: true, pending: 0, interest: null });
    engine.setInterest(ALICE, [BOB]);
    engine.setPresence(BOB, 'B', 'online', null, it.now);
    expect(engine.factsOf(ALICE, BOB, 9)).toMatchObject({ isChangePending: true, targetPosition: 0 });
    const updates = it.commit();
    engine.route(updates, new Map([[BOB, [ALICE, '@dan:test']]]));
    engine.endSync(ALICE, 'A', false, it.now);
    const facts = engine.factsOf(ALICE, BOB, 9);
    expect(facts).toMatchObject({
      isChangePending: false,
      kept: { isNamed: true, targets: 2 },
      connection: { isSyncing: false, pending: 1, interest: [BOB] },
    });
    expect(facts.kept?.position).toBeGreaterThan(facts.targetPosition);
    expect(engine.factsOf('@zoe:test', BOB, 9).kept).toMatchObject({ isNamed: false, targets: 2 });
  });

  it('give nobody a number', () => {
    const { engine } = world();
    const before = engine.stats();
    engine.factsOf('@new:test', '@newer:new.example', 9);
    engine.factsOf('new.example', '@newest:test', 9);
    expect(engine.stats()).toEqual(before);
    expect(engine.uidOf('@new:test')).toBe(-1);
  });
});
