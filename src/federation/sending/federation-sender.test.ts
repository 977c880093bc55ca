import { describe, expect, it } from 'vitest';
import { SenderRig, US } from '../../../test/support/sender-rig.ts';

const PEER = 'peer.example';

describe('FederationSender', () => {
  it('row 207: a default record makes an entry with presence and user_id and nothing more', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(
      PEER,
      rig.state('alice', { state: 'offline', lastActiveTs: 0, currentlyActive: false, lastUserSyncTs: 0 }),
    );
    await rig.clock.advance(100);
    const [sent] = rig.peers.to(PEER);
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      origin: US,
      origin_server_ts: rig.clock.now(),
      pdus: [],
      edus: [{ edu_type: 'm.presence', content: { push: [{ presence: 'offline', user_id: '@alice:us.example' }] } }],
    });
    expect(rig.peers.attempts).toHaveLength(1);
  });

  it('row 208: 100 records go in EDUs of at most 50, and all users are covered', async () => {
    const rig = new SenderRig();
    await rig.start();
    const states = Array.from({ length: 101 }, (_, index) => rig.state(`user${index}`));
    rig.tell(PEER, ...states);
    await rig.clock.advance(100);
    expect(rig.peers.to(PEER).flatMap(({ pushes }) => pushes.map((push) => push.length))).toEqual([50, 50, 1]);
    expect(rig.peers.entries(PEER).map((entry) => entry.user_id)).toEqual(states.map((state) => state.userId));
  });

  it('splits what does not fit into one transaction, and sends one after the other', async () => {
    const rig = new SenderRig({ options: { maxEdusPerTransaction: 2 } });
    rig.peers.behave = () => ({ deed: 'ok', afterMs: 30 });
    await rig.start();
    rig.tell(PEER, ...Array.from({ length: 250 }, (_, index) => rig.state(`user${index}`)));
    await rig.clock.advance(1_000);
    expect(rig.peers.to(PEER).map(({ pushes }) => pushes.map((push) => push.length))).toEqual([
      [50, 50],
      [50, 50],
      [50],
    ]);
    const [first, second] = rig.peers.to(PEER).map(({ atTs }) => atTs);
    expect((second ?? 0) - (first ?? 0)).toBe(30);
    expect(new Set(rig.peers.to(PEER).map(({ txnId }) => txnId)).size).toBe(3);
  });

  it('closes a transaction that has become large', async () => {
    const rig = new SenderRig({ options: { maxTransactionBytes: 10_000 } });
    await rig.start();
    rig.tell(
      PEER,
      ...Array.from({ length: 5 }, (_, index) => rig.state(`u${index}`, { statusMsg: 'x'.repeat(4_000) })),
    );
    rig.tell(PEER, rig.state('huge', { statusMsg: 'x'.repeat(60_000) }));
    await rig.clock.advance(1_000);
    expect(rig.peers.to(PEER).map(({ pushes }) => pushes.flat().length)).toEqual([2, 2, 1, 1]);
  });

  it('row 211: five changes during a transaction leave as one entry with the last state', async () => {
    const rig = new SenderRig();
    rig.peers.behave = () => ({ deed: 'ok', afterMs: 2_000 });
    await rig.start();
    rig.tell(PEER, rig.state('alice', { statusMsg: '0' }));
    await rig.clock.advance(200);
    for (let i = 1; i <= 5; i++) {
      rig.tell(PEER, rig.state('alice', { statusMsg: String(i) }));
      await rig.clock.advance(300);
    }
    await rig.clock.advance(10_000);
    expect(rig.peers.to(PEER).map(({ pushes }) => pushes.flat().map((entry) => entry.status_msg))).toEqual([
      ['0'],
      ['5'],
    ]);
    expect(rig.metrics.value('thalamus_federation_superseded_states')).toBe(4);
  });

  it('a newer state replaces the value and keeps the place', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(PEER, rig.state('a'), rig.state('b'));
    rig.tell(PEER, rig.state('c'), rig.state('a', { statusMsg: 'newer' }));
    await rig.clock.advance(100);
    expect(rig.peers.entries(PEER).map(({ user_id, status_msg }) => [user_id, status_msg])).toEqual([
      ['@a:us.example', 'newer'],
      ['@b:us.example', undefined],
      ['@c:us.example', undefined],
    ]);
  });

  it('flapping within the window makes one request', async () => {
    const rig = new SenderRig({ options: { coalescingWindowMs: 500 } });
    await rig.start();
    for (let i = 0; i < 20; i++) {
      rig.tell(PEER, rig.state('alice', i % 2 === 0 ? {} : { state: 'offline', currentlyActive: false }));
      await rig.clock.advance(20);
    }
    await rig.clock.advance(1_000);
    expect(rig.peers.entries(PEER).map((entry) => entry.presence)).toEqual(['offline']);
  });

  it('row 216: starts for 200 destinations are at least 20 ms apart, and all within 30 s', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(
      Array.from({ length: 200 }, (_, index) => `server${index}.example`),
      rig.state('alice'),
    );
    const toldTs = rig.clock.now();
    await rig.clock.advance(60_000);
    const starts = rig.peers.attempts.map(({ atTs }) => atTs);
    expect(starts).toHaveLength(200);
    expect(Math.min(...gaps(starts))).toBeGreaterThanOrEqual(20);
    expect(Math.max(...starts) - toldTs).toBeLessThanOrEqual(30_000);
    expect(starts[0]).toBe(toldTs + 100);
  });

  it('row 216: 2,500 destinations are closer together, evenly, and all within 30 s of the first', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(
      Array.from({ length: 2_500 }, (_, index) => `server${index}.example`),
      rig.state('alice'),
    );
    await rig.clock.advance(60_000);
    const starts = rig.peers.attempts.map(({ atTs }) => atTs);
    expect(starts).toHaveLength(2_500);
    const first = starts[0] ?? 0;
    expect((starts.at(-1) ?? 0) - first).toBeLessThanOrEqual(30_000);
    for (let second = 1; second <= 30; second++) {
      const inIt = starts.filter((ts) => ts > first + (second - 1) * 1_000 && ts <= first + second * 1_000);
      expect(inIt.length).toBeLessThan(100);
    }
  }, 30_000);

  it('writes a state for 1,000 destinations once', async () => {
    const rig = new SenderRig();
    await rig.start();
    const state = rig.state('alice', { statusMsg: 'here' });
    let reads = 0;
    const spied = new Proxy(state, {
      get(target, key) {
        if (key === 'statusMsg') reads++;
        return Reflect.get(target, key) as unknown;
      },
    });
    rig.tell(
      Array.from({ length: 1_000 }, (_, index) => `server${index}.example`),
      spied,
    );
    await rig.clock.advance(40_000);
    expect(rig.peers.attempts).toHaveLength(1_000);
    expect(reads).toBeLessThan(10);
  });

  it('row 217: nothing goes to servers that are not allowed, to ourselves, or to names that are none', async () => {
    const rig = new SenderRig({ isAllowed: (server) => server !== 'refused.example' });
    await rig.start();
    rig.tell(['refused.example', US, 'not a name', ''], rig.state('alice'));
    for (const server of ['refused.example', US]) rig.sender.sendKeepAlives(server, [rig.state('alice')]);
    expect(rig.sender.stats.destinations).toBe(0);
    await rig.clock.advance(1_000_000);
    expect(rig.peers.attempts).toEqual([]);
    expect(rig.metrics.value('thalamus_federation_refused_states')).toBe(6);
  });

  it('row 217: what was owed to a server that is not allowed any more is forgotten', async () => {
    const rig = new SenderRig({ isAllowed: (server) => server !== PEER });
    await rig.store.save([
      { destination: PEER, failures: 3, retryAtTs: 0, retryIntervalMs: 0, owedSinceTs: 1 },
      { destination: US, failures: 3, retryAtTs: 0, retryIntervalMs: 0, owedSinceTs: 1 },
    ]);
    await rig.start();
    await rig.clock.advance(120_000);
    expect(rig.peers.attempts).toEqual([]);
    expect(await rig.store.loadAll()).toEqual([]);
  });

  it('row 221: last_active_ago is computed when the transaction is made', async () => {
    const rig = new SenderRig();
    rig.peers.behave = () => ({ deed: 'ok', afterMs: 7_000 });
    await rig.start();
    const state = rig.state('alice', { lastActiveTs: rig.clock.now() - 1_000 });
    rig.tell(PEER, rig.state('bob'));
    await rig.clock.advance(150);
    rig.tell(PEER, state);
    await rig.clock.advance(20_000);
    const [, second] = rig.peers.to(PEER);
    expect(second?.pushes.flat()).toMatchObject([{ user_id: '@alice:us.example', last_active_ago: 8_100 }]);
    expect(second?.atTs).toBe(state.lastActiveTs + 8_100);
  });

  it('counts what was sent under the names of the reference server', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(PEER, ...Array.from({ length: 51 }, (_, index) => rig.state(`user${index}`)));
    expect(rig.metrics.value('synapse_federation_transaction_queue_pending_edus')).toBe(51);
    expect(rig.metrics.value('synapse_federation_transaction_queue_pending_destinations')).toBe(1);
    await rig.clock.advance(1_000);
    expect(rig.metrics.value('synapse_federation_client_sent_edus')).toBe(2);
    expect(rig.metrics.value('synapse_federation_client_sent_edus_by_type', { type: 'm.presence' })).toBe(2);
    expect(rig.metrics.value('thalamus_federation_sent_states')).toBe(51);
    expect(rig.metrics.value('thalamus_federation_transactions', { outcome: 'ok' })).toBe(1);
    expect(rig.metrics.value('synapse_federation_transaction_queue_pending_edus')).toBe(0);
  });

  it('keeps nothing of a destination that has everything', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(['a.example', 'b.example'], rig.state('alice'));
    await rig.clock.advance(120_000);
    expect(rig.sender.stats).toEqual({
      destinations: 0,
      states: 0,
      pendingDestinations: 0,
      openTransactions: 0,
      bytesInFlight: 0,
      failingDestinations: 0,
      owedDestinations: 0,
    });
    expect(rig.clock.pendingTimers).toBe(0);
    expect(await rig.store.loadAll()).toEqual([]);
  });

  it('never throws and sends nothing before the start', async () => {
    const rig = new SenderRig();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(60_000);
    expect(rig.peers.attempts).toEqual([]);
    await rig.start();
    await rig.clock.advance(1_000);
    expect(rig.peers.entries(PEER)).toMatchObject([{ user_id: '@alice:us.example' }]);
  });
});

describe('keep-alives', () => {
  it('of one destination are collected, and go together at its own moment', async () => {
    const rig = new SenderRig();
    await rig.start();
    for (let i = 0; i < 40; i++) {
      rig.sender.sendKeepAlives(PEER, [rig.state(`user${i}`)]);
      await rig.clock.advance(1_000);
    }
    await rig.clock.advance(180_000);
    expect(rig.peers.to(PEER).length).toBeLessThanOrEqual(2);
    expect(rig.peers.entries(PEER)).toHaveLength(40);
    const starts = rig.peers.to(PEER).map(({ atTs }) => atTs);
    if (starts.length === 2) expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBe(180_000);
  });

  it('that fall due at once for 1,000 destinations are spread over the time, without a spike', async () => {
    const rig = new SenderRig();
    await rig.start();
    const states = Array.from({ length: 10 }, (_, index) => rig.state(`user${index}`));
    const toldTs = rig.clock.now();
    for (let i = 0; i < 1_000; i++) rig.sender.sendKeepAlives(`server${i}.example`, states);
    await rig.clock.advance(240_000);
    expect(rig.peers.attempts).toHaveLength(1_000);
    const seconds = new Map<number, number>();
    for (const { atTs } of rig.peers.attempts) {
      const second = Math.floor((atTs - toldTs) / 1_000);
      seconds.set(second, (seconds.get(second) ?? 0) + 1);
    }
    expect(Math.max(...seconds.keys())).toBeLessThanOrEqual(181);
    expect(Math.max(...seconds.values())).toBeLessThan(22);
  });

  it('give way to a real update of the user, and ride along with those of others', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.sender.sendKeepAlives(PEER, [rig.state('alice', { statusMsg: 'old' }), rig.state('bob'), rig.state('carol')]);
    rig.tell(PEER, rig.state('alice', { statusMsg: 'new' }));
    await rig.clock.advance(1_000);
    expect(rig.peers.entries(PEER).map(({ user_id, status_msg }) => [user_id, status_msg])).toEqual([
      ['@alice:us.example', 'new'],
      ['@bob:us.example', undefined],
      ['@carol:us.example', undefined],
    ]);
    await rig.clock.advance(400_000);
    expect(rig.peers.attempts).toHaveLength(1);
  });

  it('fill up an EDU when they ride along, and make no further one', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.sender.sendKeepAlives(
      PEER,
      Array.from({ length: 80 }, (_, index) => rig.state(`quiet${index}`)),
    );
    rig.tell(PEER, ...Array.from({ length: 60 }, (_, index) => rig.state(`user${index}`)));
    await rig.clock.advance(1_000);
    expect(rig.peers.to(PEER).map(({ pushes }) => pushes.map((push) => push.length))).toEqual([[50, 50]]);
    await rig.clock.advance(200_000);
    expect(new Set(rig.peers.entries(PEER).map((entry) => entry.user_id)).size).toBe(140);
    expect(rig.peers.entries(PEER)).toHaveLength(140);
  });

  it('do not replace an update that waits', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(PEER, rig.state('alice', { statusMsg: 'new' }));
    rig.sender.sendKeepAlives(PEER, [rig.state('alice', { statusMsg: 'old' })]);
    await rig.clock.advance(300_000);
    expect(rig.peers.entries(PEER).map((entry) => entry.status_msg)).toEqual(['new']);
  });

  it('row 218: never wait longer than the spread', async () => {
    const rig = new SenderRig();
    await rig.start();
    for (let i = 0; i < 300; i++) {
      const server = `server${i}.example`;
      const toldTs = rig.clock.now();
      rig.sender.sendKeepAlives(server, [rig.state('alice')]);
      await rig.clock.advance(190_000);
      expect((rig.peers.to(server)[0]?.atTs ?? Infinity) - toldTs).toBeLessThan(180_000);
    }
  });
});

describe('limits', () => {
  it('destinations: up to the limit are served, one more is dropped, counted, and logged once', async () => {
    const rig = new SenderRig({ options: { maxDestinations: 3 } });
    await rig.start();
    rig.tell(['a.example', 'b.example', 'c.example', 'd.example', 'e.example'], rig.state('alice'));
    await rig.clock.advance(200_000);
    expect([...rig.peers.views.keys()].toSorted()).toEqual(['a.example', 'b.example', 'c.example']);
    expect(rig.metrics.value('thalamus_federation_sender_limit_reached', { limit: 'destinations' })).toBe(2);
    expect(rig.logger.messages('warn')).toEqual(['a limit on sending to other servers was reached']);
    rig.tell(['d.example'], rig.state('alice'));
    await rig.clock.advance(1_000);
    expect([...rig.peers.views.keys()]).toContain('d.example');
  });

  it('states of one destination: at the limit they wait, beyond it they are read again, and nothing is lost', async () => {
    const rig = new SenderRig({ options: { maxStatesPerDestination: 100 } });
    await rig.start();
    rig.tell(PEER, ...Array.from({ length: 100 }, (_, index) => rig.state(`user${index}`)));
    expect(rig.sender.stats).toMatchObject({ states: 100, owedDestinations: 0 });
    rig.tell(PEER, rig.state('one-more'), rig.state('gone', { state: 'offline', currentlyActive: false }));
    expect(rig.sender.stats).toMatchObject({ states: 0, owedDestinations: 1 });
    rig.tell(PEER, rig.state('later'));
    await rig.clock.advance(10_000);
    expect(rig.peers.view(PEER).size).toBe(103);
    expect(rig.peers.entries(PEER)).toHaveLength(103);
    expect(rig.sender.stats).toMatchObject({ states: 0, owedDestinations: 0 });
    expect(rig.logger.messages('warn')).toHaveLength(1);
  });

  it('states of all destinations: the one that goes beyond is owed', async () => {
    const rig = new SenderRig({ options: { maxStates: 10 } });
    await rig.start();
    rig.tell(['a.example', 'b.example'], ...Array.from({ length: 5 }, (_, index) => rig.state(`user${index}`)));
    expect(rig.sender.stats).toMatchObject({ states: 10, owedDestinations: 0 });
    rig.tell(['c.example'], rig.state('user0'));
    expect(rig.sender.stats).toMatchObject({ states: 10, owedDestinations: 1 });
    await rig.clock.advance(10_000);
    expect(rig.peers.view('c.example').size).toBe(5);
    expect(rig.metrics.value('thalamus_federation_sender_limit_reached', { limit: 'states' })).toBe(1);
  });

  it('open transactions: never more than allowed', async () => {
    const rig = new SenderRig({ options: { maxConcurrentTransactions: 7, wakesPerSecond: 1_000 } });
    rig.peers.behave = () => ({ deed: 'ok', afterMs: 3_000 });
    await rig.start();
    rig.tell(
      Array.from({ length: 30 }, (_, index) => `server${index}.example`),
      rig.state('alice'),
    );
    await rig.clock.advance(60_000);
    expect(rig.peers.maxOpen).toBe(7);
    expect(rig.peers.attempts).toHaveLength(30);
  });

  it('bytes in flight: no further transaction starts beyond it', async () => {
    const rig = new SenderRig({ options: { maxBytesInFlight: 10_000, wakesPerSecond: 1_000 } });
    rig.peers.behave = () => ({ deed: 'ok', afterMs: 3_000 });
    await rig.start();
    rig.tell(
      Array.from({ length: 30 }, (_, index) => `server${index}.example`),
      rig.state('alice', { statusMsg: 'x'.repeat(3_000) }),
    );
    await rig.clock.advance(1_000);
    expect(rig.sender.stats.bytesInFlight).toBeGreaterThanOrEqual(10_000);
    expect(rig.peers.maxOpen).toBe(4);
    await rig.clock.advance(60_000);
    expect(rig.peers.maxOpen).toBe(4);
    expect(rig.peers.views.size).toBe(30);
    expect(rig.sender.stats.bytesInFlight).toBe(0);
  });

  it('destinations that never answer do not take the places of the others', async () => {
    const options = { maxConcurrentTransactions: 20, maxSlowTransactions: 20, wakesPerSecond: 1_000 };
    const rig = new SenderRig({ options });
    rig.peers.behave = ({ destination }) =>
      destination.startsWith('dead') ? { deed: 'failed', afterMs: 60_000 } : { deed: 'ok', afterMs: 20 };
    await rig.start();
    const dead = Array.from({ length: 20 }, (_, index) => `dead${index}.example`);
    const alive = Array.from({ length: 50 }, (_, index) => `alive${index}.example`);
    rig.tell([...dead, ...alive], rig.state('alice'));
    await rig.clock.advance(7_000);
    for (const server of alive) expect(rig.peers.to(server)).toHaveLength(1);
    for (let i = 0; i < 20; i++) {
      rig.tell([...dead, ...alive], rig.state('alice'));
      await rig.clock.advance(10_000);
    }
    for (const server of alive) expect(rig.peers.to(server)).toHaveLength(21);
    expect(rig.peers.maxOpen).toBeLessThanOrEqual(40);
  });

  it('thousands that have never taken anything do not hold up one that has', async () => {
    const rig = new SenderRig({ options: { maxConcurrentTransactions: 20, maxSlowTransactions: 10 } });
    rig.peers.behave = ({ destination }) =>
      destination.startsWith('dead') ? { deed: 'failed', afterMs: 60_000 } : { deed: 'ok', afterMs: 20 };
    await rig.start();
    rig.tell('alive.example', rig.state('alice'));
    await rig.clock.advance(1_000);
    const dead = Array.from({ length: 2_000 }, (_, index) => `dead${index}.example`);
    rig.tell([...dead, 'alive.example'], rig.state('alice', { statusMsg: 'all' }));
    await rig.clock.advance(10_000);
    for (let i = 0; i < 20; i++) {
      rig.tell('alive.example', rig.state('alice', { statusMsg: `${i}` }));
      await rig.clock.advance(1_000);
      expect(rig.peers.view('alive.example').get(`@alice:${US}`)?.status_msg).toBe(`${i}`);
    }
    // And one that nobody knew before is reached, too.
    rig.tell('new.example', rig.state('alice'));
    const tried = rig.peers.attempts.length;
    await rig.clock.advance(60_000);
    expect(rig.peers.attempts.length).toBeGreaterThan(tried + 10);
    expect(rig.peers.maxOpen).toBeLessThanOrEqual(30);
    // Nor after a restart, when all of them are owed something.
    await rig.restart();
    await rig.clock.advance(20_000);
    rig.tell('alive.example', rig.state('alice', { statusMsg: 'again' }));
    await rig.clock.advance(5_000);
    expect(rig.peers.view('alive.example').get(`@alice:${US}`)?.status_msg).toBe('again');
  });
});

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((ts, index) => ts - (times[index] ?? 0));
}
