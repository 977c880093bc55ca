import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import { canonicalJson } from '../../matrix/canonical-json.ts';
import { PRESENCE_STATES } from '../../matrix/presence-state.ts';
import { presenceEdu, StateWriter, transactionBody } from './render-transaction.ts';

const NOW = 1_800_000_000_000;
const alice: UserPresenceState = {
  userId: '@alice:us.example',
  state: 'online',
  lastActiveTs: NOW - 1_500,
  lastFederationUpdateTs: NOW,
  lastUserSyncTs: NOW,
  statusMsg: 'at "work" \u2028 ☕',
  currentlyActive: false,
};

function entry(state: UserPresenceState, now = NOW): unknown {
  return JSON.parse(new StateWriter().entry(state, now));
}

describe('StateWriter', () => {
  it('writes all members of somebody online', () => {
    expect(entry(alice)).toEqual({
      user_id: '@alice:us.example',
      presence: 'online',
      last_active_ago: 1_500,
      status_msg: 'at "work" \u2028 ☕',
      currently_active: false,
    });
  });

  it('leaves out what there is not: no activity, no or an empty status, and currently_active unless online', () => {
    for (const statusMsg of [null, '']) {
      for (const state of ['offline', 'unavailable', 'org.matrix.msc3026.busy'] as const) {
        expect(entry({ ...alice, state, statusMsg, lastActiveTs: 0, currentlyActive: true })).toEqual({
          user_id: '@alice:us.example',
          presence: state,
        });
      }
    }
  });

  it('never says a negative time', () => {
    expect(entry({ ...alice, lastActiveTs: NOW + 5_000 })).toMatchObject({ last_active_ago: 0 });
  });

  it('replaces half a surrogate pair, which has no canonical form', () => {
    expect(entry({ ...alice, statusMsg: 'a\ud800b' })).toMatchObject({ status_msg: 'a\ufffdb' });
  });

  it('writes a state once, with the time of each use, and forgets the oldest', () => {
    const writer = new StateWriter(2);
    for (let i = 0; i < 1_000; i++) {
      expect(JSON.parse(writer.entry(alice, NOW + i))).toMatchObject({ last_active_ago: 1_500 + i });
    }
    expect(writer.written).toBe(1);
    for (let i = 0; i < 4; i++) writer.entry({ ...alice }, NOW);
    writer.entry(alice, NOW);
    expect(writer.written).toBe(6);
  });

  it('is canonical JSON, whatever the user wrote', () => {
    const state: fc.Arbitrary<UserPresenceState> = fc.record({
      userId: fc.string({ maxLength: 5 }).map((name) => `@${name}:us.example` as const),
      state: fc.constantFrom(...PRESENCE_STATES),
      lastActiveTs: fc.nat(NOW),
      lastFederationUpdateTs: fc.constant(0),
      lastUserSyncTs: fc.constant(0),
      statusMsg: fc.option(
        fc.string({
          unit: fc.constantFrom('a', '"', '\\', '\u0000', '\u001f', '\u007f', '\n', '\ud83d', '😀'),
          maxLength: 10,
        }),
      ),
      currentlyActive: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 5 }), (states) => {
        const writer = new StateWriter();
        const edu = presenceEdu(states.map((each) => writer.entry(each, NOW)).join(','));
        const body = transactionBody('us.example', NOW, `${edu},${edu}`);
        expect(canonicalJson(JSON.parse(body))).toBe(body);
      }),
    );
  });
});
