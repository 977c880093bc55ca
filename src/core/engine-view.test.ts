import { describe, expect, it } from 'vitest';
import { engineOptions } from '../../test/support/engine-driver.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { PresenceEngine } from './presence-engine.ts';

const EVERYBODY = { state: null, server: null, prefix: '' };

describe('a list of users', () => {
  it('looks at a hundred thousand users at once, and says where to go on, if nobody was found either', () => {
    const engine = new PresenceEngine(engineOptions());
    const members = Array.from({ length: 150_000 }, (_, index): UserId => `@u${index}:test`);
    engine.loadJoined('!r:test', members);
    engine.endLoading();
    const filter = { ...EVERYBODY, prefix: '@u149999:' };
    const first = engine.view.list(filter, 0, 10);
    expect(first).toEqual({ users: [], next: 100_000 });
    const second = engine.view.list(filter, first.next ?? 0, 10);
    expect([second.users.map(({ state }) => state.userId), second.next]).toEqual([['@u149999:test'], null]);
    expect(engine.view.list(EVERYBODY, 150_000, 10)).toEqual({ users: [], next: null });
    expect(engine.view.list(EVERYBODY, 1e15, 10)).toEqual({ users: [], next: null });
  });

  it('shows what observers see: a change that is not published yet is not in it', () => {
    const engine = new PresenceEngine(engineOptions());
    engine.setPresence('@a:test', 'D', 'online', null, 1);
    const shown = () => engine.view.list(EVERYBODY, 0, 10).users.map(({ state }) => state.state);
    expect([shown(), engine.view.user('@a:test')?.state.state]).toEqual([['offline'], 'offline']);
    expect(engine.view.list({ ...EVERYBODY, state: 'online' }, 0, 10).users).toEqual([]);
    engine.publish(engine.takeChanges());
    expect([shown(), engine.view.user('@a:test')?.state.state]).toEqual([['online'], 'online']);
    expect(engine.view.user('@b:test')).toBeNull();
    expect(engine.view.devicesOf('@b:test')).toEqual([]);
  });

  it('passes over numbers of users who have been forgotten, and keeps the others in their places', () => {
    const engine = new PresenceEngine(engineOptions());
    engine.join('@first:test', '!r:test');
    const far = (userId: UserId) => ({
      userId,
      state: 'online' as const,
      statusMsg: null,
      lastActiveTs: 1,
      currentlyActive: true,
    });
    engine.remote.receive([far('@gone:far')], 1);
    engine.join('@last:test', '!r:test');
    engine.publish(engine.takeChanges());
    const names = (server: string | null) =>
      engine.view.list({ ...EVERYBODY, server }, 0, 10).users.map(({ state }) => state.userId);
    expect(names(null)).toEqual(['@first:test', '@gone:far', '@last:test']);
    const never = () => false;
    const options = { passIntervalMs: 0, budget: 1000, isBusy: never, isCrowded: never, everybodyLingerMs: 0 };
    for (let now = 1; now < 6; now++) engine.remote.release(now, options);
    expect([names(null), names('far'), names('test')]).toEqual([
      ['@first:test', '@last:test'],
      [],
      ['@first:test', '@last:test'],
    ]);
    expect(engine.view.list(EVERYBODY, 2, 10).users.map(({ state }) => state.userId)).toEqual(['@last:test']);
  });
});
