import { describe, expect, it } from 'vitest';
import { SenderRig, startedRig, switchable } from '../../../test/support/sender-rig.ts';
import { DEFAULT_SENDER_OPTIONS } from './sender-options.ts';

const PEER = 'peer.example';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a destination that fails', () => {
  it('gets the same transaction again, under the same id, and newer states in the next one', async () => {
    const { rig, peer } = await startedRig('failed');
    rig.tell(PEER, rig.state('alice', { statusMsg: 'one' }), rig.state('bob'));
    await rig.clock.advance(500);
    rig.tell(PEER, rig.state('alice', { statusMsg: 'two' }));
    await rig.clock.advance(3_000);
    peer.deed = 'ok';
    await rig.clock.advance(10_000);
    const sent = rig.peers.to(PEER);
    expect(sent).toHaveLength(4);
    expect(new Set(sent.slice(0, 3).map(({ txnId, body }) => `${txnId} ${body}`)).size).toBe(1);
    expect(sent[3]?.txnId).not.toBe(sent[0]?.txnId);
    expect(sent[3]?.pushes.flat()).toMatchObject([{ user_id: '@alice:us.example', status_msg: 'two' }]);
    expect(rig.peers.view(PEER).get('@alice:us.example')?.status_msg).toBe('two');
  });

  it('is tried after 1, 4, 16, 60 … s, then after 10 min, 20 min … up to 7 days', async () => {
    const rig = new SenderRig();
    switchable(rig).deed = 'failed';
    await rig.start();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(40 * 24 * HOUR);
    const starts = rig.peers.to(PEER).map(({ atTs }) => atTs);
    const pauses = starts.slice(1).map((ts, index) => Math.round((ts - (starts[index] ?? 0) - 10) / 1_000));
    const quick = [1, 4, 16, 60, 60, 60, 60, 60, 60, 60];
    const rests = [600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 76_800, 153_600, 307_200, 604_800, 604_800];
    expect(pauses.slice(0, 22)).toEqual([...quick, ...rests]);
  });

  it('sets no timer that is longer than timers can be', async () => {
    const rig = new SenderRig({ options: { maxRetryIntervalMs: 90 * 24 * HOUR, minRetryIntervalMs: 60 * 24 * HOUR } });
    switchable(rig).deed = 'failed';
    const setTimer = rig.clock.setTimeout.bind(rig.clock);
    let longest = 0;
    rig.clock.setTimeout = (callback, delayMs) => {
      longest = Math.max(longest, delayMs);
      return setTimer(callback, delayMs);
    };
    await rig.start();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(100 * 24 * HOUR);
    expect(rig.peers.attempts).toHaveLength(12);
    expect(longest).toBeLessThan(2 ** 31);
  });

  it('that is back within seconds gets everything within seconds', async () => {
    const { rig, peer } = await startedRig('failed');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(2_000);
    peer.deed = 'ok';
    await rig.clock.advance(4_000);
    expect(rig.peers.view(PEER).size).toBe(1);
    expect(rig.sender.stats).toMatchObject({ destinations: 0, bytesInFlight: 0 });
  });

  it('keeps its queue for a while, then only what is owed since when', async () => {
    const { rig } = await startedRig('failed');
    const toldTs = rig.clock.now();
    rig.tell(PEER, rig.state('alice'), rig.state('bob'));
    await rig.clock.advance(50_000);
    expect(rig.sender.stats).toMatchObject({ failingDestinations: 1, owedDestinations: 0 });
    expect(rig.sender.stats.bytesInFlight).toBeGreaterThan(0);
    rig.tell(PEER, rig.state('carol'));
    await rig.clock.advance(3 * MINUTE);
    expect(rig.sender.stats).toEqual({
      destinations: 1,
      states: 0,
      pendingDestinations: 0,
      openTransactions: 0,
      bytesInFlight: 0,
      failingDestinations: 1,
      owedDestinations: 1,
    });
    expect(await rig.store.loadAll()).toMatchObject([{ destination: PEER, owedSinceTs: toldTs }]);
    expect(rig.logger.messages('info')).toEqual([
      'a server does not take presence; it gets the present states when it does',
    ]);
  });

  it('row 213: with the next retry 10 min away an update is not lost', async () => {
    await expectNothingLost(10 * MINUTE);
  });

  it('row 213: with the next retry 2 h away an update is not lost, either', async () => {
    await expectNothingLost(2 * HOUR);
  });

  it('row 214: what was pending at a failed attempt with more than 1 h of backoff comes later, as it is then', async () => {
    const { rig, peer } = await startedRig('ok');
    rig.tell(PEER, rig.state('alice'), rig.state('bob'), rig.state('untouched'));
    await rig.clock.advance(MINUTE);
    peer.deed = 'failed';
    rig.tell(PEER, rig.state('alice', { statusMsg: 'pending' }));
    await rig.clock.advance(6 * HOUR);
    rig.tell(PEER, rig.state('bob', { state: 'offline', currentlyActive: false }));
    rig.engine.set(rig.state('alice', { statusMsg: 'newest' }));
    const before = rig.peers.attempts.length;
    peer.deed = 'ok';
    await rig.clock.advance(24 * HOUR);
    const sent = rig.peers.attempts.slice(before).flatMap(({ pushes }) => pushes.flat());
    expect(sent.map(({ user_id, presence, status_msg }) => [user_id, presence, status_msg])).toEqual([
      ['@alice:us.example', 'online', 'newest'],
      ['@bob:us.example', 'offline', undefined],
      ['@untouched:us.example', 'online', undefined],
    ]);
    expect(rig.logger.messages('info').at(-1)).toBe('a server takes presence again');
    await rig.clock.advance(MINUTE);
    expect(await rig.store.loadAll()).toEqual([]);
    expect(rig.sender.stats.destinations).toBe(0);
  });

  it('row 215: a request of its own clears the backoff, and what is owed leaves at once', async () => {
    const { rig, peer } = await startedRig('failed');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(6 * HOUR);
    peer.deed = 'ok';
    const before = rig.peers.attempts.length;
    rig.sender.peerIsAlive(PEER);
    await rig.clock.advance(100);
    expect(rig.peers.attempts.slice(before)).toHaveLength(1);
    expect(rig.peers.view(PEER).size).toBe(1);
    expect(rig.sender.stats).toMatchObject({ failingDestinations: 0, owedDestinations: 0 });
  });

  it('row 215: a request of its own also ends the pause between quick retries', async () => {
    const { rig, peer } = await startedRig('failed');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(30_000);
    peer.deed = 'ok';
    rig.sender.peerIsAlive(PEER);
    await rig.clock.advance(100);
    expect(new Set(rig.peers.to(PEER).map(({ txnId }) => txnId)).size).toBe(1);
    expect(rig.peers.view(PEER).size).toBe(1);
  });

  it('cannot make us try without end by talking without taking', async () => {
    const rig = new SenderRig();
    switchable(rig).deed = 'failed';
    await rig.start();
    rig.tell(PEER, rig.state('alice'));
    for (let i = 0; i < 600; i++) {
      rig.sender.peerIsAlive(PEER);
      await rig.clock.advance(100);
    }
    expect(rig.peers.attempts.length).toBeLessThanOrEqual(40);
  });

  it('that asks for patience gets it, up to a limit, and keeps its queue', async () => {
    const { rig, peer } = await startedRig('limited');
    peer.retryAfterMs = 100_000;
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(99_000);
    rig.sender.peerIsAlive(PEER);
    rig.tell(PEER, rig.state('bob'));
    await rig.clock.advance(500);
    expect(rig.peers.attempts).toHaveLength(1);
    await rig.clock.advance(2_000);
    expect(rig.peers.attempts).toHaveLength(2);
    peer.retryAfterMs = 1_000_000_000;
    await rig.clock.advance(101_000);
    peer.deed = 'ok';
    peer.retryAfterMs = null;
    await rig.clock.advance(DEFAULT_SENDER_OPTIONS.maxRetryAfterMs);
    expect(rig.peers.view(PEER).size).toBe(2);
    expect(rig.engine.calls).toEqual([]);
  });

  it('that was never asked, for a reason of ours, does not count as failing', async () => {
    const { rig, peer } = await startedRig('not_tried');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(30_000);
    expect(rig.sender.stats.failingDestinations).toBe(0);
    peer.deed = 'ok';
    await rig.clock.advance(1_100);
    expect(rig.peers.view(PEER).size).toBe(1);
  });
});

describe('a destination that is back', () => {
  it('is probed with one EDU, then gets the rest, everybody once', async () => {
    const { rig, peer } = await startedRig('failed');
    rig.tell(PEER, ...Array.from({ length: 1_700 }, (_, index) => rig.state(`user${index}`)));
    await rig.clock.advance(6 * HOUR);
    const probes = rig.peers.attempts.slice(-3);
    expect(probes.map(({ pushes }) => pushes.map((push) => push.length))).toEqual([[50], [50], [50]]);
    const before = rig.peers.attempts.length;
    peer.deed = 'ok';
    rig.tell(PEER, rig.state('user7', { statusMsg: 'newest' }));
    await rig.clock.advance(24 * HOUR);
    const sent = rig.peers.attempts.slice(before);
    expect(sent[0]?.pushes.map((push) => push.length)).toEqual([50]);
    const entries = sent.flatMap(({ pushes }) => pushes.flat());
    expect(entries).toHaveLength(1_700);
    expect(new Set(entries.map((entry) => entry.user_id)).size).toBe(1_700);
    expect(rig.peers.view(PEER).get('@user7:us.example')?.status_msg).toBe('newest');
  });

  it('never gets an older state behind a newer one that was told while owed states were read', async () => {
    const { rig, peer } = await startedRig('failed', { options: { maxEdusPerTransaction: 1 } });
    const users = Array.from({ length: 150 }, (_, index) => rig.state(`user${index}`, { statusMsg: 'old' }));
    rig.tell(PEER, ...users);
    await rig.clock.advance(6 * HOUR);
    peer.deed = 'ok';
    // All of one batch is read long before its end is sent.
    rig.engine.batch = 150;
    rig.peers.behave = () => ({ deed: 'ok', afterMs: 1_000 });
    rig.sender.peerIsAlive(PEER);
    await rig.clock.advance(300);
    rig.tell(PEER, rig.state('user149', { statusMsg: 'new' }), rig.state('user0', { statusMsg: 'new' }));
    await rig.clock.advance(20_000);
    for (const name of ['user0', 'user149']) {
      expect(rig.peers.view(PEER).get(`@${name}:us.example`)?.status_msg).toBe('new');
    }
    const entries = rig.peers.entries(PEER).filter((entry) => entry.user_id === '@user149:us.example');
    expect(entries.map((entry) => entry.status_msg).at(-1)).toBe('new');
  });

  it('that fails again in the middle gets everything at the next time', async () => {
    const { rig } = await startedRig('failed');
    rig.tell(PEER, ...Array.from({ length: 1_200 }, (_, index) => rig.state(`user${index}`)));
    await rig.clock.advance(6 * HOUR);
    let left = 2;
    rig.peers.behave = () => ({ deed: left-- > 0 ? 'ok' : 'failed' });
    await rig.clock.advance(3 * HOUR);
    expect(rig.sender.stats).toMatchObject({ owedDestinations: 1, failingDestinations: 1, states: 0 });
    rig.peers.behave = () => ({ deed: 'ok' });
    await rig.clock.advance(24 * HOUR);
    expect(rig.peers.view(PEER).size).toBe(1_200);
    expect(rig.sender.stats.destinations).toBe(0);
  });

  it('is asked for the next batch only when it has taken the one before', async () => {
    const { rig } = await startedRig('failed', { options: { maxEdusPerTransaction: 1 } });
    rig.tell(PEER, ...Array.from({ length: 500 }, (_, index) => rig.state(`user${index}`)));
    await rig.clock.advance(6 * HOUR);
    let read = 0;
    rig.engine.pause = async () => void read++;
    rig.peers.behave = () => ({ deed: 'ok', afterMs: 1_000 });
    rig.sender.peerIsAlive(PEER);
    await rig.clock.advance(500);
    expect(read).toBe(1);
    const before = rig.peers.attempts.length - 1;
    // Told of now, so it is left out of the batch that is still to come.
    rig.tell(PEER, rig.state('user499'));
    await rig.clock.advance(20_000);
    expect(rig.peers.view(PEER).size).toBe(500);
    const entries = rig.peers.attempts.slice(before).flatMap(({ pushes }) => pushes.flat());
    expect(entries).toHaveLength(500);
  });

  it('is served later when what it is owed cannot be read, or reading stalls', async () => {
    const { rig, peer } = await startedRig('failed');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(6 * HOUR);
    peer.deed = 'ok';
    rig.engine.pause = () => Promise.reject(new Error('broken'));
    rig.sender.peerIsAlive(PEER);
    await rig.clock.advance(1_000);
    rig.engine.pause = () => new Promise(() => undefined);
    await rig.clock.advance(3 * MINUTE);
    expect(rig.logger.messages('warn').length).toBeGreaterThanOrEqual(2);
    expect(rig.peers.view(PEER).size).toBe(0);
    rig.engine.pause = () => Promise.resolve();
    await rig.clock.advance(5 * MINUTE);
    expect(rig.peers.view(PEER).size).toBe(1);
  });

  it('and fails again before that was saved is still owed, after a kill, too', async () => {
    const { rig, peer } = await startedRig('failed', { options: { failuresBeforeCollapse: 1 } });
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(6 * HOUR);
    peer.deed = 'ok';
    rig.sender.peerIsAlive(PEER);
    await rig.clock.advance(1_000);
    expect(rig.peers.view(PEER).size).toBe(1);
    peer.deed = 'failed';
    const toldTs = rig.clock.now();
    rig.tell(PEER, rig.state('bob'));
    await rig.clock.advance(2 * MINUTE);
    expect(await rig.store.loadAll()).toMatchObject([{ destination: PEER, owedSinceTs: toldTs }]);
  });

  it('of which nothing is owed any more is forgotten', async () => {
    const { rig } = await startedRig('failed');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(6 * HOUR);
    rig.engine.states.clear();
    await rig.clock.advance(24 * HOUR);
    expect(rig.sender.stats.destinations).toBe(0);
    expect(await rig.store.loadAll()).toEqual([]);
  });
});

async function expectNothingLost(pauseMs: number): Promise<void> {
  const rig = new SenderRig();
  const peer = switchable(rig);
  await rig.start();
  peer.deed = 'failed';
  rig.tell(PEER, rig.state('alice'));
  let before = 0;
  // Until the pause that has just begun is long enough.
  for (let attempts = 0; attempts < 100; attempts++) {
    before = rig.peers.attempts.length;
    await rig.clock.advance(Math.min(pauseMs, HOUR));
    if (rig.peers.attempts.length === before) break;
  }
  rig.tell(PEER, rig.state('bob'), rig.state('alice', { state: 'offline', currentlyActive: false }));
  await rig.clock.advance(1_000);
  expect(rig.peers.attempts).toHaveLength(before);
  peer.deed = 'ok';
  await rig.clock.advance(48 * HOUR);
  const view = [...rig.peers.view(PEER).values()].map(({ user_id, presence }) => [user_id, presence]);
  expect(view).toEqual([
    ['@alice:us.example', 'offline'],
    ['@bob:us.example', 'online'],
  ]);
}
