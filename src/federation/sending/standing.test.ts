import { describe, expect, it } from 'vitest';
import { SenderRig, US } from '../../../test/support/sender-rig.ts';

const PEER = 'peer.example';
const WELL = {
  isOn: true,
  isAllowed: true,
  failures: 0,
  retryAtTs: null,
  queued: 0,
  owedSinceTs: null,
  isSending: false,
};

describe('how a destination does', () => {
  it('is well without a record, and asking makes none', async () => {
    const rig = new SenderRig();
    await rig.start();
    expect(rig.sender.standingOf(PEER)).toEqual(WELL);
    expect(rig.sender.stats.destinations).toBe(0);
    expect(rig.sender.standingOf(US)).toMatchObject({ isAllowed: false });
  });

  it('has what waits, what is under way, and when the next attempt is', async () => {
    const rig = new SenderRig();
    rig.peers.behave = () => ({ deed: 'failed', afterMs: 30 });
    await rig.start();
    rig.tell(PEER, rig.state('alice'), rig.state('bob'));
    expect(rig.sender.standingOf(PEER)).toEqual({ ...WELL, queued: 2 });
    await rig.clock.advance(110);
    expect(rig.sender.standingOf(PEER)).toEqual({ ...WELL, queued: 2, isSending: true });
    await rig.clock.advance(50);
    const failing = rig.sender.standingOf(PEER);
    expect(failing).toMatchObject({ failures: 1, queued: 2, isSending: false });
    expect(failing.retryAtTs).toBeGreaterThan(rig.clock.now());
    await rig.clock.advance((failing.retryAtTs ?? 0) - rig.clock.now());
    expect(rig.sender.standingOf(PEER)).toMatchObject({ isSending: true, retryAtTs: null });
    await rig.clock.advance(3_600_000);
    expect(rig.sender.standingOf(PEER)).toMatchObject({ queued: 0, owedSinceTs: expect.any(Number) });
  });
});
