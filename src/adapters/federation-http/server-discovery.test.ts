/**
 * What is remembered of a discovery, for how long, and that a name is looked for once at a time.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../memory/index.ts';
import type { SrvRecord } from './name-resolver.ts';
import { createServerDiscovery, type ServerDiscovery } from './server-discovery.ts';
import { StepFailure } from './step-failure.ts';
import type { WellKnownResult } from './well-known.ts';

let clock: ManualClock;
let discovery: ServerDiscovery;
let records: readonly SrvRecord[] | 'fails';
let wellKnown: Omit<WellKnownResult, 'reason'>;
let questions: string[];
let outcomes: string[];
const record = (name: string, port: number): SrvRecord => ({ name, port, priority: 0, weight: 0 });

beforeEach(() => {
  clock = new ManualClock();
  records = [];
  wellKnown = { delegation: null, untilTs: Number.POSITIVE_INFINITY };
  questions = [];
  outcomes = [];
  discovery = createServerDiscovery({
    clock,
    defaultPort: 8448,
    maxEntries: 2,
    onResolved: (outcome) => void outcomes.push(outcome),
    wellKnown: {
      find: async (host) => {
        questions.push(`well-known ${host}`);
        return { ...wellKnown, reason: null };
      },
    },
    resolver: {
      addresses: async () => [],
      srv: async (name) => {
        questions.push(name);
        if (records === 'fails') throw new StepFailure('timeout', 'silent');
        return name.startsWith('_matrix-fed') ? records : [];
      },
    },
  });
});

describe('routes', () => {
  it('stay the same object while nothing changes, whatever order the records come in', async () => {
    records = [record('b.test', 1), record('a.test', 2)];
    const first = await discovery.find('one.test');
    await clock.advance(300_000);
    records = [record('a.test', 2), record('b.test', 1)];
    expect(await discovery.find('one.test')).toBe(first);
    await clock.advance(300_000);
    records = [record('a.test', 3)];
    expect((await discovery.find('one.test')).targets).toEqual([{ host: 'a.test', port: 3, priority: 0, weight: 0 }]);
    expect(outcomes).toEqual(['srv', 'srv', 'srv']);
  });

  it('hold for five minutes, or half a minute when the DNS was in doubt, and never longer than the delegation', async () => {
    const isAskedAfter = async (ms: number) => {
      await clock.advance(ms);
      const before = questions.length;
      await discovery.find('one.test');
      return questions.length > before;
    };
    await discovery.find('one.test');
    expect([await isAskedAfter(299_999), await isAskedAfter(1)]).toEqual([false, true]);
    records = 'fails';
    await clock.advance(300_000);
    await discovery.find('one.test');
    expect([await isAskedAfter(29_999), await isAskedAfter(1)]).toEqual([false, true]);
    records = [];
    wellKnown = { delegation: null, untilTs: clock.now() + 40_000 };
    await clock.advance(30_000);
    await discovery.find('one.test');
    expect([await isAskedAfter(9999), await isAskedAfter(1)]).toEqual([false, true]);
  });

  it('hold as long as the delegation when that names a port', async () => {
    const parts = { host: 'two.test', port: 1, family: 0 } as const;
    wellKnown = { delegation: { name: 'two.test:1', parts }, untilTs: clock.now() + 3_600_000 };
    const route = await discovery.find('one.test');
    expect(route).toMatchObject({ hostHeader: 'two.test:1', tlsName: 'two.test', source: 'port', delegated: true });
    await clock.advance(3_599_999);
    await discovery.find('one.test');
    expect(questions).toEqual(['well-known one.test']);
  });

  it('are looked for once at a time', async () => {
    const routes = await Promise.all([1, 2, 3].map(() => discovery.find('one.test')));
    expect(new Set(routes).size).toBe(1);
    expect(questions).toEqual(['well-known one.test', '_matrix-fed._tcp.one.test', '_matrix._tcp.one.test']);
  });

  it('are looked for again once they have been forgotten', async () => {
    await discovery.find('one.test');
    discovery.forget('one.test');
    discovery.forget('unknown.test');
    await discovery.find('one.test');
    expect(questions.filter((question) => question === '_matrix-fed._tcp.one.test').length).toBe(2);
  });

  it('are remembered for a limited number of servers', async () => {
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await discovery.find(name);
    expect(outcomes.length).toBe(4);
  });

  it('are not remembered when there is none', async () => {
    records = [record('.', 0)];
    await expect(discovery.find('one.test')).rejects.toThrow('it offers no federation');
    records = [];
    expect((await discovery.find('one.test')).source).toBe('default');
    await expect(discovery.find('one.test:0')).rejects.toThrow('not a name that a server can have');
    expect(outcomes).toEqual(['failed', 'default', 'failed']);
  });
});
