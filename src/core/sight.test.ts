import { describe, expect, it } from 'vitest';
import { EngineDriver } from '../../test/support/engine-driver.ts';
import type { ServerName, UserId } from '../matrix/identifiers.ts';
import type { Deliveries, EngineOptions, Observer, RestrictionAnswer } from './engine-api.ts';
import { Form, UNKNOWN } from './forms.ts';

const [A, B, C]: UserId[] = ['@a:test', '@b:test', '@c:test'];
const ROOM = '!room:test';
const FAR: UserId = '@far:far';

/** a and b share a room, and a watches. */
function driver(overrides: Partial<EngineOptions> = {}) {
  const it = new EngineDriver(overrides);
  it.engine.setRestricting(true);
  for (const user of [A, B] as const) it.engine.join(user as UserId, ROOM);
  it.commit();
  return { it, engine: it.engine, a: A as UserId, b: B as UserId, c: C as UserId };
}

/** About everybody. */
function everybody(others: Form, observers: Iterable<readonly [Observer, Form]> = []): RestrictionAnswer {
  return { others, observers: new Map(observers) };
}

/** About those asked. */
function listed(...observers: (readonly [Observer, Form])[]): RestrictionAnswer {
  return { others: null, observers: new Map(observers) };
}

function sent({ servers }: Pick<Deliveries, 'servers'>): [ServerName, string][] {
  return [...servers].flatMap(([server, states]) =>
    states.map(({ userId, state }): [ServerName, string] => [server, `${userId} ${state}`]),
  );
}

describe('what nobody has said anything about', () => {
  it('row 327: is withheld, asked about once, and told when somebody says', () => {
    const { it, engine, a, b } = driver();
    const watcher = it.watch(a);
    it.put(b, 'B', 'online');
    expect(it.woken).toEqual([]);
    expect(watcher.peek()).toEqual([]);
    expect([engine.canSee(a, b), engine.formFor(a, b)]).toEqual([false, UNKNOWN]);
    expect(engine.takeQuestions()).toEqual([{ source: b, observers: [a] }]);
    it.put(b, 'B', 'unavailable');
    expect(engine.takeQuestions()).toEqual([]);
    it.deliveries = engine.restrict(b, [a], listed());
    expect(it.woken).toEqual([a]);
    expect(watcher.peek()).toMatchObject([{ userId: b, state: 'unavailable' }]);
    expect(watcher.peek()).toEqual([]);
    expect(engine.stats().withheld).toBe(0);
  });

  it('is not told to those who are denied, nor that they are', () => {
    const { it, engine, a, b } = driver();
    const watcher = it.watch(a);
    it.put(b, 'B', 'online');
    it.deliveries = engine.restrict(b, [a], listed([a, Form.DENIED]));
    expect(it.woken).toEqual([]);
    expect(watcher.peek()).toEqual([]);
    expect(it.client(a).sync()).toMatchObject([]);
  });

  it('is asked about before a first sync, each source once', () => {
    const { it, engine, a, b } = driver();
    it.put(b, 'B', 'online');
    expect(engine.questionsFor(a)).toEqual([{ source: b, observers: [a] }]);
    engine.restrict(b, [], everybody(Form.FULL));
    expect(engine.questionsFor(a)).toEqual([]);
    expect(it.client(a).sync()).toMatchObject([{ userId: b, state: 'online' }]);
  });

  it('is found by a sync that comes first, and told by the next', () => {
    const { it, engine, a, b } = driver();
    it.put(b, 'B', 'online');
    const client = it.watch(a);
    expect(engine.takeQuestions()).toEqual([{ source: b, observers: [a] }]);
    engine.restrict(b, [a], listed());
    expect(client.peek()).toMatchObject([{ userId: b, state: 'online' }]);
  });

  it('of nobody is withheld while nothing restricts', () => {
    const { it, engine, a, b } = driver();
    engine.setRestricting(false);
    const watcher = it.watch(a);
    it.put(b, 'B', 'online');
    expect(watcher.peek()).toMatchObject([{ userId: b }]);
    expect(engine.takeQuestions()).toEqual([]);
  });
});

describe('a restriction', () => {
  it.each([
    [Form.NO_LAST_ACTIVE, { state: 'online', lastActiveTs: 0, statusMsg: 'hi', currentlyActive: true }],
    [Form.NO_CURRENTLY_ACTIVE, { state: 'online', statusMsg: 'hi', currentlyActive: false }],
    [Form.NO_STATUS, { state: 'online', statusMsg: null, currentlyActive: true }],
  ])('row 310: of form %i hides its field on every way', (form, expected) => {
    const { it, engine, a, b } = driver();
    const watcher = it.watch(a);
    it.put(b, 'B', 'online', 'hi');
    engine.restrict(b, [a], listed([a, form]));
    expect(watcher.peek()).toMatchObject([expected]);
    expect(it.client(a).sync()).toMatchObject([expected]);
    expect(it.client(a).sync({ extras: [b] })).toMatchObject([expected]);
    expect(engine.formFor(a, b)).toBe(form);
  });

  it('row 310: keeps an update from whoever does not get what is new in it', () => {
    const { it, engine, a, b } = driver();
    const watcher = it.watch(a);
    engine.restrict(b, [], everybody(Form.NO_STATUS));
    it.put(b, 'B', 'online', 'one');
    expect(watcher.peek()).toHaveLength(1);
    it.put(b, 'B', 'online', 'two');
    expect(it.woken).toEqual([]);
    expect(watcher.peek()).toEqual([]);
  });

  it('row 312: does not concern oneself', () => {
    const { it, engine, b } = driver();
    engine.restrict(b, [], everybody(Form.DENIED));
    const self = it.watch(b);
    it.put(b, 'B', 'online');
    expect(self.peek()).toMatchObject([{ userId: b, state: 'online' }]);
    expect(engine.canSee(b, b)).toBe(true);
  });

  it('row 309: wins over what routers and interest add', () => {
    const { it, engine, b, c } = driver();
    const watcher = it.watch(c);
    engine.setInterest(c, 'ALL');
    engine.restrict(b, [], everybody(Form.FULL, [[c, Form.DENIED]]));
    it.put(b, 'B', 'online');
    it.route(new Map([[b, [c]]]));
    expect(watcher.peek()).toEqual([]);
    expect(it.client(c).sync()).toEqual([]);
    expect(engine.canSee(c, b)).toBe(false);
  });

  it('row 311: shown as offline is visible, and heard nothing of', () => {
    const { it, engine, a, b } = driver();
    const watcher = it.watch(a);
    engine.restrict(b, [], everybody(Form.OFFLINE));
    it.put(b, 'B', 'online', 'hi');
    expect(it.woken).toEqual([]);
    expect(watcher.peek()).toEqual([]);
    expect(it.client(a).sync()).toEqual([]);
    expect(it.client(a).sync({ includeOffline: true })).toMatchObject([
      {},
      { userId: b, state: 'offline', statusMsg: null },
    ]);
    expect([engine.canSee(a, b), engine.formFor(a, b)]).toEqual([true, Form.OFFLINE]);
  });

  it('about everybody needs no further question; about some it does for others', () => {
    const { it, engine, b, c } = driver();
    engine.restrict(b, [], everybody(Form.FULL));
    engine.join(c, ROOM);
    it.watch(c);
    it.put(b, 'B', 'online');
    expect(engine.takeQuestions()).toEqual([]);
    engine.restrict(b, ['@a:test'], listed());
    it.put(b, 'B', 'unavailable');
    expect(engine.takeQuestions()).toEqual([{ source: b, observers: [c] }]);
  });

  it('of somebody who is not known yet holds when they come', () => {
    const { it, engine, b, c } = driver();
    engine.restrict(b, [], everybody(Form.FULL, [[c, Form.DENIED]]));
    it.put(b, 'B', 'online');
    engine.join(c, ROOM);
    expect(it.watch(c).peek({ extras: [b] })).toEqual([]);
    expect(engine.canSee(c, b)).toBe(false);
  });
});

describe('losing and gaining sight', () => {
  function seen(overrides: Partial<EngineOptions> = {}) {
    const its = driver(overrides);
    its.engine.restrict(its.b, [], everybody(Form.FULL));
    const watcher = its.it.watch(its.a);
    its.it.put(its.b, 'B', 'online', 'hi');
    its.it.beginSync(its.b, 'B');
    watcher.peek();
    return { ...its, watcher };
  }

  it('rows 301, 321, 325: by a denial tells one last offline, and then nothing', () => {
    const { it, engine, a, b, watcher } = seen();
    it.deliveries = engine.restrict(b, [a], listed([a, Form.DENIED]));
    expect(it.woken).toEqual([a]);
    expect(watcher.peek()).toMatchObject([{ userId: b, state: 'offline', statusMsg: null, lastActiveTs: 0 }]);
    it.put(b, 'B', 'unavailable', 'secret');
    expect(it.woken).not.toContain(a);
    expect(watcher.peek()).toEqual([]);
    it.deliveries = engine.restrict(b, [a], listed());
    expect(watcher.peek()).toMatchObject([{ userId: b, state: 'unavailable', statusMsg: 'secret' }]);
  });

  it('row 324: tells nothing if it is not to be told; being shown as offline is told in any case', () => {
    const { engine, a, b, watcher } = seen({ tellsLoss: false });
    engine.restrict(b, [a], listed([a, Form.DENIED]));
    expect(watcher.peek()).toEqual([]);
    engine.restrict(b, [a], listed());
    watcher.peek();
    engine.restrict(b, [a], listed([a, Form.OFFLINE]));
    expect(watcher.peek()).toMatchObject([{ state: 'offline' }]);
  });

  it('of somebody offline tells nothing', () => {
    const { it, engine, a, b, watcher } = seen();
    it.put(b, 'B', 'offline');
    watcher.peek();
    it.deliveries = engine.restrict(b, [a], listed([a, Form.DENIED]));
    expect(it.woken).toEqual([]);
    it.deliveries = engine.restrict(b, [a], listed());
    expect(it.woken).toEqual([]);
  });

  it('another form tells the current state in it', () => {
    const { engine, a, b, watcher } = seen();
    engine.restrict(b, [a], listed([a, Form.NO_STATUS]));
    expect(watcher.peek()).toMatchObject([{ state: 'online', statusMsg: null }]);
    engine.restrict(b, [a], listed([a, Form.NO_STATUS]));
    expect(watcher.peek()).toEqual([]);
    engine.restrict(b, [a], listed());
    expect(watcher.peek()).toMatchObject([{ state: 'online', statusMsg: 'hi' }]);
  });

  it.each([
    ['denied', Form.DENIED, [{ state: 'offline' }]],
    ['reduced', Form.NO_STATUS, [{ state: 'online', statusMsg: null }]],
  ])('is told to who was away when they were %s, and comes back with an old token', (_, form, expected) => {
    const { it, engine, a, b, watcher } = seen();
    engine.endSync(a, 'watching', false, it.now);
    it.advance(120_000);
    expect(engine.isConnected(a)).toBe(false);
    engine.restrict(b, [], everybody(form));
    expect(watcher.sync()).toMatchObject(expected);
    expect(watcher.sync()).toEqual([]);
  });

  it('with the last shared room is told once, unless another rule still shows them', () => {
    const { it, engine, a, b, watcher } = seen();
    engine.setInterest(a, [b]);
    watcher.peek();
    engine.leave(b, ROOM);
    expect(watcher.peek({ lost: [b] })).toEqual([]);
    engine.setInterest(a, []);
    expect(watcher.peek()).toMatchObject([{ userId: b, state: 'offline' }]);
    engine.join(b, ROOM);
    expect(watcher.peek({ extras: [b] })).toMatchObject([{ state: 'online' }]);
    engine.leave(b, ROOM);
    it.commit();
    expect(watcher.peek({ lost: [b] })).toMatchObject([{ userId: b, state: 'offline' }]);
    expect(watcher.peek()).toEqual([]);
  });

  it('when a module begins to restrict, who saw somebody loses them; when none does any more, all is given', () => {
    const it = new EngineDriver();
    const [a, b] = ['@a:test', '@b:test'] as const;
    for (const user of [a, b]) it.engine.join(user, ROOM);
    const watcher = it.watch(a);
    it.put(b, 'B', 'online');
    watcher.peek();
    it.engine.setRestricting(true);
    const question = it.engine.questionAbout(b);
    expect(question).toEqual({ source: b, observers: [a] });
    it.engine.restrict(b, [a], listed([a, Form.DENIED]));
    expect(watcher.peek()).toMatchObject([{ state: 'offline' }]);
    it.deliveries = it.engine.setRestricting(false);
    expect(it.woken).toEqual([a]);
    expect(watcher.peek()).toMatchObject([{ userId: b, state: 'online' }]);
  });

  it('a token from before the start is told all of it again', () => {
    const { it, engine, b } = driver({ startPosition: 5_000 });
    const state = { ...engine.stateOf(b), state: 'online' } as const;
    engine.restore([{ state, position: 3_000, routedTo: [], routedPosition: 0 }], it.now);
    engine.restrict(b, [], everybody(Form.DENIED));
    const client = it.client('@a:test');
    client.cursor = { position: 4_000, resume: null };
    // A snapshot names nobody who is hidden; what it owes comes next.
    expect(client.sync()).toEqual([]);
    expect(client.sync()).toMatchObject([{ userId: b, state: 'offline' }]);
    expect(client.sync()).toEqual([]);
  });
});

describe('other servers', () => {
  function federated(overrides: Partial<EngineOptions> = {}) {
    const its = driver(overrides);
    its.engine.join(FAR, ROOM);
    its.it.commit();
    its.engine.takeQuestions();
    return its;
  }

  it('hear nothing before somebody says, then what was withheld', () => {
    const { it, engine, b } = federated();
    it.put(b, 'B', 'online');
    expect(sent(it.deliveries)).toEqual([]);
    expect(engine.takeQuestions()).toMatchObject([{ source: b, observers: ['far'] }]);
    expect(sent(engine.restrict(b, ['far'], listed()))).toEqual([['far', `${b} online`]]);
  });

  it('rows 307, 326: hear one last offline when denied, nothing then, and the current state when they may again', () => {
    const { it, engine, b } = federated();
    engine.restrict(b, [], everybody(Form.FULL));
    it.put(b, 'B', 'online');
    expect(sent(it.deliveries)).toEqual([['far', `${b} online`]]);
    expect(sent(engine.restrict(b, ['far'], listed(['far', Form.DENIED])))).toEqual([['far', `${b} offline`]]);
    it.put(b, 'B', 'unavailable');
    it.advance(1_600_000);
    expect([sent(it.deliveries), [...it.keepAlives]]).toEqual([[], []]);
    it.put(b, 'B', 'online');
    expect(sent(engine.restrict(b, ['far'], listed()))).toEqual([['far', `${b} online`]]);
  });

  it('row 310: get the reduced form, by joins and routers, too', () => {
    const { it, engine, b } = federated();
    engine.restrict(b, [], everybody(Form.NO_STATUS | Form.NO_LAST_ACTIVE));
    it.put(b, 'B', 'online', 'secret');
    it.route(new Map([[b, ['@x:third']]]));
    expect(it.deliveries.servers.get('third')).toMatchObject([{ statusMsg: null, lastActiveTs: 0, state: 'online' }]);
    engine.join('@y:fourth', ROOM);
    it.commit();
    expect(it.joins.get('fourth')).toMatchObject([{ userId: b, statusMsg: null, lastActiveTs: 0 }]);
    expect(engine.formForServer('fourth', engine.uidOf(b))).toBe(Form.NO_STATUS | Form.NO_LAST_ACTIVE);
  });

  it('row 326: that share no room any more hear one last offline, unless the user is routed to them', () => {
    const { it, engine, b } = federated();
    engine.setRestricting(false);
    it.put(b, 'B', 'online');
    engine.leave(FAR, ROOM);
    it.commit();
    expect(sent({ servers: it.joins })).toEqual([['far', `${b} offline`]]);
    engine.join(FAR, ROOM);
    it.commit();
    it.put(b, 'B', 'unavailable');
    it.route(new Map([[b, ['@x:far']]]));
    engine.leave(b, ROOM);
    it.commit();
    expect(sent({ servers: it.joins })).toEqual([]);
    it.put(b, 'B', 'online');
    expect(sent(it.route(new Map()))).toEqual([['far', `${b} offline`]]);
  });
});

describe('bounds', () => {
  it('beyond the limit the source answered longest ago is asked about again', () => {
    const { it, engine, a, b } = driver({
      limits: { maxPendingPerObserver: 10, maxRoutedPerUser: 10, maxRestrictions: 25 },
    });
    engine.restrict(b, [a], listed([a, Form.DENIED]));
    const many = Array.from({ length: 20 }, (_, index): UserId => `@m${index}:test`);
    for (const user of many) engine.join(user, ROOM);
    it.put('@m0:test', 'M', 'online');
    engine.restrict('@m0:test', many, listed());
    engine.restrict('@m1:test', many.slice(0, 5), listed());
    expect(engine.takeCounters().restrictionsEvicted).toBeGreaterThan(0);
    expect(engine.formFor(a, b)).toBe(UNKNOWN);
    expect(engine.stats().restrictions).toBeLessThanOrEqual(25);
  });

  it('those count, too, whom an answer named before everybody was denied', () => {
    const { it, engine, b } = driver({
      limits: { maxPendingPerObserver: 10, maxRoutedPerUser: 10, maxRestrictions: 50 },
    });
    const many = Array.from({ length: 20 }, (_, index): UserId => `@m${index}:test`);
    for (const user of [b, ...many]) engine.join(user, ROOM);
    it.put(b, 'B', 'online');
    const named = everybody(
      Form.FULL,
      many.map((user) => [user, Form.NO_STATUS]),
    );
    for (const source of many.slice(0, 10)) {
      engine.restrict(source, [], named);
      engine.restrict(source, [], everybody(Form.DENIED));
      expect(engine.stats().restrictions).toBeLessThanOrEqual(50);
    }
    expect(engine.stats().restrictions).toBeGreaterThan(20);
    expect(engine.takeCounters().restrictionsEvicted).toBeGreaterThan(0);
  });

  it('answers go with the users they are about', () => {
    const { engine } = driver();
    const options = {
      passIntervalMs: 0,
      budget: 1_000,
      isBusy: () => false,
      isCrowded: () => false,
      everybodyLingerMs: 0,
    };
    engine.remote.receive(
      [{ userId: FAR, state: 'online', statusMsg: null, lastActiveTs: 1, currentlyActive: true }],
      1,
    );
    engine.publish(engine.takeChanges());
    engine.restrict(FAR, [], everybody(Form.DENIED));
    expect(engine.answeredSources()).toContain(FAR);
    for (let now = 1; now < 6; now++) engine.remote.release(now, options);
    expect(engine.uidOf(FAR)).toBe(-1);
    expect(engine.answeredSources()).not.toContain(FAR);
  });
});
