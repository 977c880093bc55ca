import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { serverNameOf } from '../../src/matrix/identifiers.ts';
import {
  type ModuleApi,
  ObserverRelation,
  type ObserverPair,
  PRESENCE_ALL_USERS,
  type UserId,
  type UserOrAll,
} from '../../src/module/index.ts';
import { createModuleHarness } from '../../src/testing/index.ts';

const { THALAMUS_SEED = '20261122', THALAMUS_RUNS = '60' } = process.env;
const parameters = {
  numRuns: Number(THALAMUS_RUNS),
  ...(THALAMUS_SEED === 'random' ? {} : { seed: Number(THALAMUS_SEED) }),
};

const LOCAL = ['@a:test', '@b:test', '@c:test', '@d:test'] as const;
const REMOTE = ['@p:far', '@q:away'] as const;
const USERS: readonly UserId[] = [...LOCAL, ...REMOTE];

/** The relation as slow and as plain as possible. */
class Pairs {
  readonly #pairs = new Map<string, ObserverPair>();

  add([observer, source]: ObserverPair): void {
    if (observer !== source || source === PRESENCE_ALL_USERS)
      this.#pairs.set(`${observer} ${source}`, [observer, source]);
  }

  drop(isGone: (pair: ObserverPair) => boolean): void {
    for (const [key, pair] of this.#pairs) if (isGone(pair)) this.#pairs.delete(key);
  }

  sees(observer: UserId, source: UserId): boolean {
    const isHere = serverNameOf(observer) === 'test';
    return [...this.#pairs.values()].some(
      ([who, whom]) =>
        (who === observer || (who === PRESENCE_ALL_USERS && isHere)) &&
        (whom === source || whom === PRESENCE_ALL_USERS),
    );
  }

  seesAll(observer: UserId): boolean {
    return this.list.some(
      ([who, whom]) => (who === observer || who === PRESENCE_ALL_USERS) && whom === PRESENCE_ALL_USERS,
    );
  }

  get list(): ObserverPair[] {
    return [...this.#pairs.values()];
  }
}

type Edit =
  | { do: 'add' | 'delete'; pair: ObserverPair }
  | { do: 'set'; observer: UserOrAll; sources: readonly UserOrAll[] }
  | { do: 'setObserversOf'; source: UserId; observers: readonly UserOrAll[] }
  | { do: 'replace'; pairs: readonly ObserverPair[] };

type Step =
  | { do: 'edit'; edits: readonly Edit[] }
  | { do: 'change'; user: UserId; state: 'online' | 'unavailable' | 'offline' };

const user = fc.constantFrom(...USERS);
const userOrAll = fc.oneof({ weight: 9, arbitrary: user }, { weight: 1, arbitrary: fc.constant('ALL' as const) });
const pair: fc.Arbitrary<ObserverPair> = fc.tuple(userOrAll, userOrAll);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ do: fc.constantFrom('add' as const, 'delete' as const), pair }),
  fc.record({ do: fc.constant('set' as const), observer: userOrAll, sources: fc.array(userOrAll, { maxLength: 3 }) }),
  fc.record({
    do: fc.constant('setObserversOf' as const),
    source: user,
    observers: fc.array(userOrAll, { maxLength: 3 }),
  }),
  fc.record({ do: fc.constant('replace' as const), pairs: fc.array(pair, { maxLength: 6 }) }),
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('edit' as const), edits: fc.array(edit, { minLength: 1, maxLength: 3 }) }),
    fc.record({
      do: fc.constant('change' as const),
      user,
      state: fc.constantFrom('online' as const, 'unavailable' as const, 'offline' as const),
    }),
  ),
  { minLength: 1, maxLength: 14 },
);

function applyTo(relation: ObserverRelation, model: Pairs, step: Edit): void {
  switch (step.do) {
    case 'add':
      relation.add(...step.pair);
      model.add(step.pair);
      return;
    case 'delete':
      relation.delete(...step.pair);
      model.drop(([observer, source]) => observer === step.pair[0] && source === step.pair[1]);
      return;
    case 'set':
      relation.set(step.observer, step.sources);
      model.drop(([observer]) => observer === step.observer);
      for (const source of step.sources) model.add([step.observer, source]);
      return;
    case 'setObserversOf':
      relation.setObserversOf(step.source, step.observers);
      model.drop(([, source]) => source === step.source);
      for (const observer of step.observers) model.add([observer, step.source]);
      return;
    case 'replace':
      relation.replace(step.pairs);
      model.drop(() => true);
      for (const one of step.pairs) model.add(one);
  }
}

/** Plays the steps with the first two users connected, and compares everything that anybody is told or could see with the model. */
async function play(list: readonly Step[], initial: readonly ObserverPair[], only: boolean): Promise<void> {
  const module = (_: unknown, api: ModuleApi) => ({ relation: new ObserverRelation(initial).register(api, { only }) });
  await using harness = await createModuleHarness(module, { serverName: 'test' });
  const { relation } = harness.instance;
  const model = new Pairs();
  for (const one of initial) model.add(one);
  const watching = LOCAL.slice(0, 2);
  // Two who share a room see each other in any case, unless the relation is the only one.
  const roomMates: readonly UserId[] = ['@a:test', '@c:test', '@p:far'];
  harness.rooms.join('!room:test', roomMates);
  for (const userId of watching) await harness.connect(userId);
  const states = new Map<UserId, string>();
  const statusMsgs = new Map<UserId, string>();
  /** What servers were sent last: server and user → state. */
  const atServers = new Map<string, string>();
  const shareRoom = (one: UserId, other: UserId): boolean => roomMates.includes(one) && roomMates.includes(other);
  const sees = (observer: UserId, source: UserId): boolean =>
    observer === source || model.sees(observer, source) || (!only && shareRoom(observer, source));
  const serverSees = (server: string, source: UserId): boolean =>
    REMOTE.some((observer) => serverNameOf(observer) === server && sees(observer, source));
  const told = (observer: UserId) => harness.received(observer).filter(({ userId }) => userId !== observer);

  for (const [number, step] of list.entries()) {
    harness.clear();
    const before = new Map(USERS.map((observer) => [observer, USERS.filter((source) => sees(observer, source))]));
    const sawAll = new Map(watching.map((observer) => [observer, model.seesAll(observer)]));
    const statusMsg = `step ${number}`;
    if (step.do === 'edit') for (const one of step.edits) applyTo(relation, model, one);
    else {
      await harness.setPresence(step.user, { state: step.state, statusMsg });
      states.set(step.user, step.state);
      statusMsgs.set(step.user, statusMsg);
    }
    // Snapshots for other servers come one after the other, with a pause.
    await harness.advance({ ms: 50 });

    for (const observer of watching) {
      const expected: string[] = [];
      for (const source of USERS) {
        const state = states.get(source) ?? 'offline';
        const didSee = before.get(observer)?.includes(source) === true;
        if (source === observer) continue;
        if (step.do === 'change') {
          if (source === step.user && sees(observer, source)) expected.push(`${source} ${state}`);
        } else if (state === 'offline') continue;
        else if (!didSee && sees(observer, source)) expected.push(`${source} ${state}`);
        else if (didSee && !sees(observer, source)) expected.push(`${source} offline`);
      }
      // Who sees everybody from now on, or no longer, is told of all they see, known or not; of a stranger who was offline, they are told that.
      const isRepeated = step.do === 'edit' && model.seesAll(observer) !== sawAll.get(observer);
      const mayBeTold = ({ userId, state }: { userId: UserId; state: string }): boolean =>
        step.do === 'edit' && state === (states.get(userId) ?? 'offline') && (isRepeated || state === 'offline');
      const got = told(observer)
        .filter((one) => expected.includes(`${one.userId} ${one.state}`) || !mayBeTold(one))
        .map(({ userId, state }) => `${userId} ${state}`);
      deepStrictEqual(got.toSorted(), expected.toSorted(), `what ${observer} is told at step ${number}`);
    }
    const sent = harness.sentToServers();
    for (const { destination, userId, state, statusMsg } of sent) {
      ok(serverSees(destination, userId) || state === 'offline', `${destination} gets ${userId} at step ${number}`);
      atServers.set(`${destination} ${userId}`, state === 'offline' ? state : `${state} ${statusMsg}`);
    }
    // Who has been sent a state need not be sent it again.
    for (const observer of REMOTE) {
      for (const source of LOCAL) {
        const state = states.get(source) ?? 'offline';
        if (!sees(observer, source) || (step.do === 'edit' && state === 'offline')) continue;
        const what = `${observer} gets ${source} at step ${number}`;
        const newest = state === 'offline' ? state : `${state} ${statusMsgs.get(source)}`;
        strictEqual(atServers.get(`${serverNameOf(observer)} ${source}`) ?? 'offline', newest, what);
      }
    }
    for (const observer of LOCAL) {
      for (const source of states.keys()) {
        const seen = await harness.get(observer, source);
        strictEqual(seen !== null, sees(observer, source), `${observer} asks for ${source} at step ${number}`);
      }
    }
  }
  deepStrictEqual([...relation].map(String).toSorted(), model.list.map(String).toSorted());
  strictEqual(relation.size, model.list.length);
  strictEqual(harness.metric('thalamus_module_disagreements_total', { module: '0' }), 0);
  deepStrictEqual(harness.problems(), []);
}

describe('a relation, changed at random', () => {
  it('row 329: delivers exactly what it says beside shared rooms, and its callbacks never disagree', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.array(pair, { maxLength: 6 }), (list, initial) => play(list, initial, false)),
      parameters,
    );
  }, 120_000);

  it('row 329: that is the only one delivers exactly what it says', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.array(pair, { maxLength: 6 }), (list, initial) => play(list, initial, true)),
      parameters,
    );
  }, 120_000);
});
