/**
 * Every way on which presence reaches somebody, with everything that modules can say about it. On each, modules begin to restrict when all else
 * is set up: nobody has said anything about anybody then, and the way itself has to see to it that they are asked.
 */
import { describe, expect, it } from 'vitest';
import type { Observer } from '../../src/core/engine-api.ts';
import { Form } from '../../src/core/forms.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { DEFAULT_TIMERS } from '../../src/presence/index.ts';
import type { Restrictions } from '../../src/router-host/router-api.ts';
import { type Content, Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const X = '@x:test';
const Q = '@q:remote';
const FAR = '@far:island';
const ROOM = '!room:test';

class Stage {
  readonly router = new StubRouter();
  rig!: Rig;
  /** How long modules take. */
  readonly delayMs: number;
  /** What reached the observer of the source since modules restrict. */
  readonly got: (Content | null)[] = [];

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  async start(): Promise<void> {
    this.router.hasCallbacks = true;
    const timers = { ...DEFAULT_TIMERS, federationPingIntervalMs: 100_000 };
    this.rig = await Rig.start({ router: this.router, timers });
  }

  /** A client of the observer that polls. */
  async poll(userId: UserId, source: UserId): Promise<void> {
    const client = await this.rig.client(userId).watch();
    const told = client.seen.length;
    this.afterwards.push(() => {
      for (const [sender, content] of client.seen.slice(told)) if (sender === source) this.got.push(content);
    });
  }

  /** Goes on in time; nothing waits for modules that answer at once. */
  async wait(ms: number): Promise<void> {
    for (let waited = 0; waited < ms; waited += 100) {
      await this.rig.advance(100);
      if (this.delayMs === 0) expect(this.rig.metrics.value('thalamus_presence_withheld')).toBe(0);
    }
  }

  /** Looked at when it is over. */
  readonly afterwards: (() => void)[] = [];
}

interface Way {
  readonly name: string;
  readonly source?: UserId;
  readonly observer: Observer;
  readonly isGet?: boolean;
  /** Resolves with what tells the observer. */
  prepare(stage: Stage): Promise<() => Promise<unknown>>;
}

const together = async ({ rig }: Stage): Promise<void> => {
  rig.rooms.join(ROOM, ALICE, BOB);
  await rig.put(ALICE, 'online', 'hi');
};
const tell = ({ got }: Stage, found: ReadonlyMap<UserId, Content>): void => {
  const content = found.get(ALICE);
  if (content !== undefined) got.push(content);
};

const WAYS: readonly Way[] = [
  {
    name: 'an update that a poll waits for',
    observer: BOB,
    async prepare(stage) {
      await together(stage);
      await stage.poll(BOB, ALICE);
      return () => stage.rig.put(ALICE, 'unavailable', 'new');
    },
  },
  {
    name: 'an update of a user of another server',
    source: Q,
    observer: BOB,
    async prepare(stage) {
      const { rig } = stage;
      rig.rooms.join(ROOM, BOB, Q);
      await stage.poll(BOB, Q);
      const entry = { userId: Q, state: 'online', statusMsg: 'hi', lastActiveTs: 1, currentlyActive: true } as const;
      return () => rig.handler.receiveRemote('remote', [entry]);
    },
  },
  {
    name: 'the first sync',
    observer: BOB,
    async prepare(stage) {
      await together(stage);
      return async () => tell(stage, await stage.rig.client(BOB).sync());
    },
  },
  {
    name: 'the initial sync of another device',
    observer: BOB,
    async prepare(stage) {
      await together(stage);
      await stage.rig.client(BOB).sync();
      return async () => tell(stage, await stage.rig.client(BOB, 'NEW').sync());
    },
  },
  {
    name: 'the sync of somebody who comes back',
    observer: BOB,
    async prepare(stage) {
      const { rig } = stage;
      rig.rooms.join(ROOM, ALICE, BOB);
      const bob = rig.client(BOB);
      await bob.sync();
      await rig.advance(120_000);
      await rig.put(ALICE, 'online', 'hi');
      return async () => tell(stage, await bob.sync());
    },
  },
  {
    name: 'a new room mate',
    observer: BOB,
    async prepare(stage) {
      const { rig } = stage;
      await rig.put(ALICE, 'online', 'hi');
      const bob = rig.client(BOB);
      await bob.sync();
      rig.rooms.join(ROOM, ALICE, BOB);
      await stage.poll(BOB, ALICE);
      return async () => tell(stage, await bob.sync({ extras: [ALICE] }));
    },
  },
  {
    name: 'an interest that a module adds',
    observer: X,
    async prepare(stage) {
      await together(stage);
      await stage.poll(X, ALICE);
      return async () => {
        stage.router.interest = () => [ALICE];
        stage.rig.handler.invalidateInterestedUsers([X]);
        await stage.rig.settle();
      };
    },
  },
  {
    name: 'an update that a module routes',
    observer: X,
    async prepare(stage) {
      stage.router.route = () => new Map([[ALICE, [X]]] as const);
      await stage.rig.put(ALICE, 'unavailable');
      await stage.poll(X, ALICE);
      return () => stage.rig.put(ALICE, 'online', 'hi');
    },
  },
  {
    name: 'a snapshot that a module asks for',
    observer: BOB,
    async prepare(stage) {
      await together(stage);
      await stage.poll(BOB, ALICE);
      return () => stage.rig.handler.sendLocalOnlinePresenceTo([BOB]);
    },
  },
  {
    name: 'GET of a room mate',
    observer: BOB,
    isGet: true,
    async prepare(stage) {
      await together(stage);
      return async () => stage.got.push(await stage.rig.get(BOB, ALICE));
    },
  },
  {
    name: 'GET of a room mate who is connected',
    observer: BOB,
    isGet: true,
    async prepare(stage) {
      await together(stage);
      await stage.rig.client(BOB).sync();
      return async () => stage.got.push(await stage.rig.get(BOB, ALICE));
    },
  },
  {
    name: 'GET of somebody to whom the source is routed',
    observer: X,
    isGet: true,
    async prepare(stage) {
      stage.router.route = () => new Map([[ALICE, [X]]] as const);
      await together(stage);
      return async () => stage.got.push(await stage.rig.get(X, ALICE));
    },
  },
  {
    name: 'GET of somebody who is interested by a module’s word alone',
    observer: X,
    isGet: true,
    async prepare(stage) {
      stage.router.interest = () => [ALICE];
      await together(stage);
      return async () => stage.got.push(await stage.rig.get(X, ALICE));
    },
  },
  {
    name: 'GET about a stranger',
    source: Q,
    observer: X,
    isGet: true,
    async prepare(stage) {
      stage.router.interest = () => 'ALL';
      const entry = { userId: Q, state: 'online', statusMsg: 'hi', lastActiveTs: 1, currentlyActive: true } as const;
      await stage.rig.handler.receiveRemote('remote', [entry]);
      return async () => stage.got.push(await stage.rig.get(X, Q));
    },
  },
  {
    name: 'an update to a server in the room',
    observer: 'island',
    async prepare(stage) {
      await together(stage);
      stage.rig.rooms.join(ROOM, FAR);
      return () => stage.rig.put(ALICE, 'unavailable', 'new');
    },
  },
  {
    name: 'an update to a server that a module names',
    observer: 'island',
    async prepare(stage) {
      await together(stage);
      stage.router.route = () => new Map([[ALICE, [FAR]]] as const);
      return () => stage.rig.put(ALICE, 'unavailable', 'new');
    },
  },
  {
    name: 'a server that comes into a room',
    observer: 'island',
    async prepare(stage) {
      await together(stage);
      return async () => {
        stage.rig.rooms.join(ROOM, FAR);
        await stage.rig.settle();
      };
    },
  },
  {
    name: 'a keep-alive',
    observer: 'island',
    async prepare(stage) {
      const { rig } = stage;
      rig.rooms.join(ROOM, ALICE, FAR);
      await rig.put(ALICE, 'online', 'hi');
      await rig.client(ALICE).begin({ setPresence: 'online' });
      // Not active any more, which is told; the keep-alive comes next.
      await rig.advance(90_000);
      return () => stage.wait(80_000);
    },
  },
  {
    name: 'a keep-alive to a server that a module names',
    observer: 'island',
    async prepare(stage) {
      const { rig } = stage;
      stage.router.route = () => new Map([[ALICE, [FAR]]] as const);
      await rig.put(ALICE, 'online', 'hi');
      await rig.client(ALICE).begin({ setPresence: 'online' });
      // Not active any more, which is told; the keep-alive comes next.
      await rig.advance(90_000);
      return () => stage.wait(80_000);
    },
  },
  {
    name: 'what a server missed',
    observer: 'island',
    async prepare(stage) {
      await together(stage);
      stage.rig.rooms.join(ROOM, FAR);
      return async () => {
        for await (const states of stage.rig.handler.statesFor('island', 0)) {
          stage.rig.federation.sendPresence('island', states);
        }
      };
    },
  },
  {
    name: 'what servers are told again after a restart',
    observer: 'island',
    async prepare(stage) {
      await together(stage);
      stage.rig.rooms.join(ROOM, FAR);
      return async () => {
        stage.rig.handler.resendSince(0);
        await stage.rig.advance(100);
      };
    },
  },
  {
    name: 'the same of servers that a module names',
    observer: 'island',
    async prepare(stage) {
      stage.router.route = () => new Map([[ALICE, [FAR]]] as const);
      await together(stage);
      return async () => {
        stage.rig.handler.resendSince(0);
        await stage.rig.advance(100);
      };
    },
  },
  {
    name: 'a snapshot for a user of another server',
    observer: 'island',
    async prepare(stage) {
      await together(stage);
      stage.rig.rooms.join(ROOM, FAR);
      return () => stage.rig.handler.sendLocalOnlinePresenceTo([FAR]);
    },
  },
];

/** What reaches the observer when modules say this, at once or after 100 ms. */
async function play(
  way: Way,
  form: Form,
  delayMs = 0,
): Promise<{ got: (Content | null)[]; early: (Content | null)[] }> {
  const stage = new Stage(delayMs);
  const { router, got } = stage;
  await stage.start();
  const act = await way.prepare(stage);
  const { rig } = stage;
  await rig.settle();
  rig.federation.clear();
  router.restricts = true;
  router.restrict = (_source, observers): Restrictions | Promise<Restrictions> => {
    const answer = { others: null, observers: new Map(observers.map((each) => [each, form])), isFinal: true };
    if (delayMs === 0) return answer;
    return new Promise((resolve) => void rig.clock.setTimeout(() => resolve(answer), delayMs));
  };
  const acting = act();
  await rig.settle();
  const look = (): (Content | null)[] => {
    const sent = rig.federation.sent.filter(({ destination }) => destination === way.observer);
    const states = sent.flatMap((each) => each.states).filter(({ userId }) => userId === ALICE);
    return states.map(({ state, statusMsg }) => ({
      presence: state,
      ...(statusMsg === null ? {} : { status_msg: statusMsg }),
    }));
  };
  const early = [...got, ...(rig.clock.pendingTimers > 0 && delayMs > 0 ? look() : [])];
  await stage.wait(500);
  await acting;
  await rig.settle();
  for (const afterwards of stage.afterwards) afterwards();
  got.push(...look());
  const asked = router.restrictionQuestions.some(
    ([source, ...observers]) => source === (way.source ?? ALICE) && observers.includes(way.observer),
  );
  expect(asked, 'modules were asked').toBe(true);
  return { got, early };
}

const isPresent = (content: Content | null): boolean => content !== null && content['presence'] !== 'offline';

describe.each(WAYS)('$name', (way) => {
  describe.each([
    ['at once', 0],
    ['later', 60],
  ])('when modules answer %s', (_when, delayMs) => {
    it('has everything that nobody keeps back', async () => {
      const { got } = await play(way, Form.FULL, delayMs);
      expect(got.filter(isPresent).at(-1)).toHaveProperty('status_msg');
    });

    it('row 310: leaves out what is kept back', async () => {
      const { got } = await play(way, Form.NO_STATUS, delayMs);
      expect(got.filter(isPresent).length).toBeGreaterThan(0);
      for (const content of got) expect(content).not.toHaveProperty('status_msg');
    });

    it.each([
      ['offline', Form.OFFLINE],
      ['denied', Form.DENIED],
    ])('rows 301–309, 311: tells nothing of somebody %s', async (_how, form) => {
      const { got } = await play(way, form, delayMs);
      expect(got.filter(isPresent)).toEqual([]);
      for (const content of got) if (content !== null) expect(content).toEqual({ presence: 'offline' });
      if (way.isGet === true) expect(got).toEqual([form === Form.OFFLINE ? { presence: 'offline' } : null]);
    });
  });

  it('row 327: tells nothing before modules have said anything', async () => {
    expect((await play(way, Form.FULL, 60)).early.filter(isPresent)).toEqual([]);
  });
});
