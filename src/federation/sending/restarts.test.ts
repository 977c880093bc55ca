import { describe, expect, it } from 'vitest';
import { SenderRig, startedRig, switchable } from '../../../test/support/sender-rig.ts';
import { DEFAULT_SENDER_OPTIONS } from './sender-options.ts';

const PEER = 'peer.example';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

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
    const { rig, peer } = await startedRig('failed');
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
    const { rig, peer } = await startedRig('ok');
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
