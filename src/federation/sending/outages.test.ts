import { describe, expect, it } from 'vitest';
import { type Deed, SenderRig } from '../../../test/support/sender-rig.ts';
import { DEFAULT_SENDER_OPTIONS } from './sender-options.ts';

const PEER = 'peer.example';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A peer that can be switched. */
function switchable(rig: SenderRig): { deed: Deed; retryAfterMs: number | null } {
  const state: { deed: Deed; retryAfterMs: number | null } = { deed: 'ok', retryAfterMs: null };
  rig.peers.behave = () => ({
    deed: state.deed,
    afterMs: 10,
    ...(state.retryAfterMs === null ? {} : { retryAfterMs: state.retryAfterMs }),
  });
  return state;
}

/** A sender that runs, and its peer. */
async function started(
  deed: Deed,
  ...options: ConstructorParameters<typeof SenderRig>
): Promise<{ readonly rig: SenderRig; readonly peer: ReturnType<typeof switchable> }> {
  const rig = new SenderRig(...options);
  const peer = switchable(rig);
  peer.deed = deed;
  await rig.start();
  return { rig, peer };
}

describe('a destination that fails', () => {
  it('gets the same transaction again, under the same id, and newer states in the next one', async () => {
    const { rig, peer } = await started('failed');
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
    const { rig, peer } = await started('failed');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(2_000);
    peer.deed = 'ok';
    await rig.clock.advance(4_000);
    expect(rig.peers.view(PEER).size).toBe(1);
    expect(rig.sender.stats).toMatchObject({ destinations: 0, bytesInFlight: 0 });
  });

  it('keeps its queue for a while, then only what is owed since when', async () => {
    const { rig } = await started('failed');
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
    const { rig, peer } = await started('ok');
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
    const { rig, peer } = await started('failed');
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
    const { rig, peer } = await started('failed');
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
    const { rig, peer } = await started('limited');
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
    const { rig, peer } = await started('not_tried');
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
    const { rig, peer } = await started('failed');
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
    const { rig, peer } = await started('failed', { options: { maxEdusPerTransaction: 1 } });
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
    const { rig } = await started('failed');
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
    const { rig } = await started('failed', { options: { maxEdusPerTransaction: 1 } });
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
    const { rig, peer } = await started('failed');
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
    const { rig, peer } = await started('failed', { options: { failuresBeforeCollapse: 1 } });
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
    const { rig } = await started('failed');
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(6 * HOUR);
    rig.engine.states.clear();
    await rig.clock.advance(24 * HOUR);
    expect(rig.sender.stats.destinations).toBe(0);
    expect(await rig.store.loadAll()).toEqual([]);
  });
});

describe('a restart', () => {
  it('after a clean stop owes nothing that left in time, and sends the rest afterwards', async () => {
    const rig = new SenderRig();
    rig.peers.behave = ({ destination }) => ({ deed: destination === PEER ? 'never' : 'ok' });
    await rig.start();
    await rig.clock.advance(2 * MINUTE);
    const toldTs = rig.clock.now();
    rig.tell([PEER, 'quick.example'], rig.state('alice'));
    await rig.clock.advance(500);
    rig.tell([PEER, 'quick.example'], rig.state('bob'));
    const stopping = rig.sender.stop();
    await rig.clock.advance(DEFAULT_SENDER_OPTIONS.stopTimeoutMs);
    await stopping;
    expect(rig.peers.view('quick.example').size).toBe(2);
    expect(await rig.store.loadAll()).toEqual([
      { destination: PEER, failures: 0, retryAtTs: 0, retryIntervalMs: 0, owedSinceTs: toldTs },
    ]);
    expect(await rig.store.deliveredUntilTs()).toBe(rig.clock.now());
    expect(rig.clock.pendingTimers).toBe(0);
    rig.peers.behave = () => ({ deed: 'ok' });
    await rig.restart();
    await rig.clock.advance(1_000);
    expect(rig.peers.view(PEER).size).toBe(2);
    expect(rig.peers.to('quick.example')).toHaveLength(2);
  });

  it('after a stop owes a transaction that was not answered', async () => {
    const rig = new SenderRig();
    rig.peers.behave = () => ({ deed: 'never' });
    await rig.start();
    const toldTs = rig.clock.now();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(500);
    const stopping = rig.sender.stop();
    await rig.clock.advance(DEFAULT_SENDER_OPTIONS.stopTimeoutMs);
    await stopping;
    expect(await rig.store.loadAll()).toMatchObject([{ destination: PEER, owedSinceTs: toldTs }]);
  });

  it('soon after the start leaves the saved time: what was told before may not have been told again yet', async () => {
    const rig = new SenderRig();
    await rig.store.setDeliveredUntilTs(1_234);
    await rig.start();
    expect(rig.sender.resendSinceTs).toBe(1_234);
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(20_000);
    const stopping = rig.sender.stop();
    await rig.clock.advance(0);
    await stopping;
    expect(await rig.store.deliveredUntilTs()).toBe(1_234);
  });

  it('after which the clock is put right does not take what is told from then on for delivered, if it is killed soon', async () => {
    const rig = new SenderRig();
    const nowTs = rig.clock.now();
    await rig.store.setDeliveredUntilTs(nowTs + 10 * MINUTE);
    await rig.start();
    expect(rig.sender.resendSinceTs).toBe(nowTs);
    rig.tell(PEER, rig.state('alice'));
    expect(await rig.store.deliveredUntilTs()).toBe(nowTs);
  });

  it('knows of an update that was told late, when it is older than what is owed already', async () => {
    const rig = new SenderRig();
    switchable(rig).deed = 'failed';
    await rig.start();
    const earlyTs = rig.clock.now() + 500;
    await rig.clock.advance(1_000);
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(HOUR);
    rig.tell(PEER, rig.state('bob', { state: 'offline', lastFederationUpdateTs: earlyTs, currentlyActive: false }));
    await rig.clock.advance(MINUTE);
    expect(await rig.store.loadAll()).toMatchObject([{ destination: PEER, owedSinceTs: earlyTs }]);
    rig.peers.behave = () => ({ deed: 'ok' });
    await rig.clock.advance(6 * HOUR);
    expect(rig.peers.view(PEER).size).toBe(2);
  });

  it('stops at once when there is nothing to wait for', async () => {
    const rig = new SenderRig();
    await rig.start();
    rig.tell(PEER, rig.state('alice'));
    const stopping = rig.sender.stop();
    await rig.clock.advance(0);
    await stopping;
    expect(rig.peers.view(PEER).size).toBe(1);
    rig.tell(PEER, rig.state('bob'));
    await rig.clock.advance(MINUTE);
    expect(rig.peers.attempts).toHaveLength(1);
  });

  it('in the middle of reading what is owed leaves it owed', async () => {
    const { rig, peer } = await started('failed');
    rig.tell(PEER, ...Array.from({ length: 300 }, (_, index) => rig.state(`user${index}`)));
    await rig.clock.advance(6 * HOUR);
    peer.deed = 'ok';
    let batches = 0;
    // The presence service has stopped before the sender does.
    rig.engine.pause = () => (++batches > 2 ? Promise.reject(new Error('stopping')) : Promise.resolve());
    rig.sender.peerIsAlive(PEER);
    await rig.clock.advance(1_000);
    await rig.restart();
    expect(await rig.store.loadAll()).toMatchObject([{ destination: PEER }]);
    rig.engine.pause = () => Promise.resolve();
    await rig.restart();
    await rig.clock.advance(10_000);
    expect(rig.peers.view(PEER).size).toBe(300);
  });

  it('restores backoff: a dead destination is not tried before its time', async () => {
    const rig = new SenderRig();
    switchable(rig).deed = 'failed';
    await rig.start();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(6 * HOUR);
    const before = rig.peers.attempts.length;
    const [row] = await rig.store.loadAll();
    expect(row).toMatchObject({ destination: PEER });
    await rig.restart();
    const restoredTs = rig.clock.now();
    expect(row?.retryAtTs).toBeGreaterThan(restoredTs + MINUTE);
    rig.tell(PEER, rig.state('bob'));
    await rig.clock.advance((row?.retryAtTs ?? 0) - restoredTs - 1_000);
    expect(rig.peers.attempts).toHaveLength(before);
    await rig.clock.advance(2_000);
    expect(rig.peers.attempts).toHaveLength(before + 1);
    await rig.clock.advance(MINUTE);
    expect((await rig.store.loadAll())[0]?.failures).toBe((row?.failures ?? 0) + 1);
  });

  it('does not wait longer than the longest rest, though the clock was set back', async () => {
    const rig = new SenderRig();
    const retryAtTs = rig.clock.now() + 400 * 24 * HOUR;
    await rig.store.save([{ destination: PEER, failures: 12, retryAtTs, retryIntervalMs: HOUR, owedSinceTs: 1 }]);
    rig.engine.set(rig.state('alice'));
    await rig.start();
    await rig.clock.advance(8 * 24 * HOUR);
    expect(rig.peers.view(PEER).size).toBe(1);
  });

  it('of many dead destinations does not try them all at once', async () => {
    const rig = new SenderRig();
    rig.peers.behave = ({ destination }) => ({ deed: destination.startsWith('dead') ? 'failed' : 'ok' });
    const rows = Array.from({ length: 300 }, (_, index) => ({
      destination: `dead${index}.example`,
      failures: 11,
      retryAtTs: 1,
      retryIntervalMs: 600_000,
      owedSinceTs: 1,
    }));
    rig.engine.set(rig.state('alice'));
    await rig.store.save(rows);
    await rig.start();
    await rig.clock.advance(1_000);
    expect(rig.peers.attempts.length).toBeLessThanOrEqual(51);
    rig.tell('alive.example', rig.state('alice'));
    await rig.clock.advance(1_000);
    expect(rig.peers.to('alive.example')).toHaveLength(1);
    await rig.clock.advance(30_000);
    expect(rig.peers.attempts).toHaveLength(301);
  });

  it('the saved time stays behind what is not delivered, and moves when it is', async () => {
    const { rig, peer } = await started('ok');
    await rig.clock.advance(5 * MINUTE);
    peer.deed = 'limited';
    peer.retryAfterMs = 150_000;
    const toldTs = rig.clock.now();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(2 * MINUTE);
    expect(await rig.store.deliveredUntilTs()).toBe(toldTs);
    peer.deed = 'ok';
    await rig.clock.advance(2 * MINUTE);
    expect(await rig.store.deliveredUntilTs()).toBeGreaterThan(toldTs);
    expect(rig.clock.pendingTimers).toBe(0);
  });

  it('the saved time stays behind keep-alives that wait', async () => {
    const rig = new SenderRig();
    await rig.start();
    await rig.clock.advance(5 * MINUTE);
    const toldTs = rig.clock.now();
    rig.sender.sendKeepAlives(PEER, [rig.state('alice')]);
    await rig.clock.advance(31_000);
    expect(rig.peers.attempts).toHaveLength(0);
    expect(await rig.store.deliveredUntilTs()).toBe(toldTs);
  });

  it('a store that fails for a while loses nothing: it is written again', async () => {
    const rig = new SenderRig();
    switchable(rig).deed = 'failed';
    await rig.start();
    const save = rig.store.save.bind(rig.store);
    rig.store.save = () => Promise.reject(new Error('disk full'));
    const toldTs = rig.clock.now();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(10 * MINUTE);
    expect(await rig.store.deliveredUntilTs()).toBe(toldTs);
    rig.store.save = save;
    await rig.clock.advance(10 * MINUTE);
    expect(await rig.store.loadAll()).toMatchObject([{ destination: PEER, owedSinceTs: toldTs }]);
    expect(await rig.store.deliveredUntilTs()).toBeGreaterThan(toldTs);
    expect(rig.logger.messages('warn')).toEqual([
      'the state of other servers could not be saved; it will be tried again',
    ]);
  });

  it('transaction ids are not used again, even when the clock was set back', async () => {
    let chance = 0;
    const rig = new SenderRig({ random: () => (chance = (chance + 0.37) % 1) });
    await rig.start();
    rig.tell(PEER, rig.state('alice'));
    await rig.clock.advance(1_000);
    const again = new SenderRig({ random: () => (chance = (chance + 0.37) % 1) });
    await again.start();
    again.tell(PEER, again.state('alice'));
    await again.clock.advance(1_000);
    expect(again.peers.attempts[0]?.txnId).not.toBe(rig.peers.attempts[0]?.txnId);
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
