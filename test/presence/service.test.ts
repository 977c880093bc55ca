import { describe, expect, it } from 'vitest';
import { Form } from '../../src/core/forms.ts';
import { DEFAULT_TIMERS } from '../../src/presence/index.ts';
import { Rig } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const Q = '@q:remote';
const ROOM = '!room:test';

async function start(): Promise<Rig> {
  const rig = await Rig.start();
  rig.rooms.join(ROOM, ALICE, BOB, Q);
  return rig;
}

describe('syncs', () => {
  it('rows 3, 4, 5: a sync sets the state before it is answered, unless it says offline', async () => {
    const rig = await start();
    expect([...(await rig.client(ALICE).sync({ setPresence: 'online', explicit: false }))]).toMatchObject([
      [ALICE, { presence: 'online', currently_active: true }],
    ]);
    expect((await rig.client(BOB).sync({ setPresence: 'unavailable' })).get(BOB)).toMatchObject({
      presence: 'unavailable',
    });
    const other = await start();
    expect((await other.client(ALICE).sync({ setPresence: 'offline' })).has(ALICE)).toBe(false);
    expect(other.status(ALICE)).toEqual({ presence: 'offline' });
  });

  it('rows 22, 23, 24: never offline while a sync is open, offline 30 to 40 s after it ended, however often end is called', async () => {
    const rig = await start();
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    const other = await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.advance(200_000);
    other.end();
    other.end();
    other.end();
    await rig.advance(100_000);
    expect(rig.status(ALICE)['presence']).not.toBe('offline');
    session.end();
    session.end();
    await rig.advance(29_900);
    expect(rig.status(ALICE)['presence']).not.toBe('offline');
    await rig.advance(10_100);
    expect(rig.status(ALICE)['presence']).toBe('offline');
  });

  it('rows 157, 161: a rate-limited sync changes nothing, and protects while it is open', async () => {
    const rig = await start();
    await rig.client(ALICE).sync({ setPresence: 'online' });
    const session = await rig.client(ALICE).begin({ setPresence: 'unavailable', rateLimited: true });
    await rig.advance(120_000);
    expect(rig.status(ALICE)['presence']).toBe('online');
    session.end();
    await rig.advance(40_000);
    expect(rig.status(ALICE)['presence']).toBe('offline');
  });

  it('row 154: a remote user known only from a room is offline to room mates, and invisible to others', async () => {
    const rig = await start();
    expect(await rig.sees(ALICE, Q)).toBe(true);
    expect(rig.status(Q)).toEqual({ presence: 'offline' });
    expect(await rig.sees('@stranger:test', Q)).toBe(false);
  });

  it('an answer comes at once when nothing changed', async () => {
    const rig = await start();
    await rig.client(ALICE).sync({ setPresence: 'online', explicit: false });
    const options = { setPresence: 'online', explicit: false, rateLimited: false } as const;
    const session = rig.handler.beginSync(ALICE, 'DEVICE', options);
    expect(session).not.toBeInstanceOf(Promise);
    expect(rig.handler.beginSync(ALICE, 'DEVICE', { ...options, setPresence: 'unavailable' })).toBeInstanceOf(Promise);
  });

  it('row 181: a long poll is told once about a change, and once about its own', async () => {
    const rig = await start();
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'online');
    await rig.settle();
    expect(bob.seen.map(([sender]) => sender)).toEqual([ALICE, BOB]);
  });

  it('row 184: several changes between two syncs are one event with the last state', async () => {
    const rig = await start();
    const bob = rig.client(BOB);
    await bob.sync();
    for (const statusMsg of ['1', '2', '3']) await rig.put(ALICE, 'online', statusMsg);
    expect([...(await bob.sync())]).toMatchObject([[ALICE, { status_msg: '3' }]]);
  });

  it('row 183: a token from the future is answered like the newest one', async () => {
    const rig = await start();
    const bob = rig.client(BOB);
    await bob.sync();
    bob.cursor = { position: rig.handler.position + 1_000_000_000, resume: null };
    expect(await bob.sync()).toEqual(new Map());
    await rig.put(ALICE, 'online');
    expect([...(await bob.sync()).keys()]).toEqual([ALICE]);
  });
});

describe('what is rendered', () => {
  it('rows 1, 2, 53: GET shows live values and nothing that is not there', async () => {
    const rig = await start();
    expect(rig.status(ALICE)).toEqual({ presence: 'offline' });
    expect(rig.status('@nobody:test')).toEqual({ presence: 'offline' });
    await rig.put(ALICE, 'online', 'x');
    await rig.advance(1_000);
    expect(rig.status(ALICE)).toEqual({
      presence: 'online',
      status_msg: 'x',
      currently_active: true,
      last_active_ago: 1_000,
    });
    const bob = await rig.client(BOB).watch();
    bob.seen.length = 0;
    rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
    await rig.settle();
    expect(rig.status(ALICE)).toMatchObject({ last_active_ago: 0 });
    expect(bob.seen).toEqual([]);
  });

  it('row 54: currently_active only while online; an empty status not at all', async () => {
    const rig = await start();
    await rig.put(ALICE, 'unavailable', '');
    expect(rig.status(ALICE)).toEqual({ presence: 'unavailable' });
  });

  it('row 169: an event has type, sender and content, without user_id, and any text survives', async () => {
    const rig = await start();
    const statusMsg = '"\\\u2028</script>\n😀';
    await rig.put(ALICE, 'online', statusMsg);
    const bob = rig.client(BOB);
    const session = await bob.begin();
    const { uids } = rig.handler.collect(BOB, {
      since: null,
      includeOffline: false,
      extras: [],
      accept: null,
      limit: null,
    });
    expect(uids.map((uid) => JSON.parse(rig.handler.eventBody(uid, Form.FULL)) as unknown)).toEqual([
      {
        type: 'm.presence',
        sender: ALICE,
        content: { presence: 'online', status_msg: statusMsg, currently_active: true, last_active_ago: 0 },
      },
    ]);
    session.end();
  });

  it('a body is made once and shared for 250 ms, and never outlives the state', async () => {
    const rig = await start();
    await rig.put(ALICE, 'online', 'one');
    const session = await rig.client(BOB).begin();
    const [uid] = rig.handler.collect(BOB, {
      since: null,
      includeOffline: false,
      extras: [],
      accept: null,
      limit: null,
    }).uids;
    const body = rig.handler.eventBody(uid ?? -1, Form.FULL);
    await rig.advance(250);
    expect(rig.handler.eventBody(uid ?? -1, Form.FULL)).toBe(body);
    await rig.advance(1);
    expect(JSON.parse(rig.handler.eventBody(uid ?? -1, Form.FULL))).toMatchObject({
      content: { last_active_ago: 251 },
    });
    await rig.put(ALICE, 'online', 'two');
    expect(JSON.parse(rig.handler.eventBody(uid ?? -1, Form.FULL))).toMatchObject({
      content: { status_msg: 'two', last_active_ago: 0 },
    });
    session.end();
  });
});

describe('restart', () => {
  it('row 235: who was online and does not come back is offline after the grace, and watchers are told', async () => {
    const rig = await start();
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.handler.stop();
    session.end();
    await rig.advance(HALF_A_DAY);
    const after = await rig.successor();
    const bob = await after.client(BOB).watch();
    expect(after.status(ALICE)['presence']).toBe('online');
    await after.advance(29_000);
    expect(after.status(ALICE)['presence']).toBe('online');
    await after.advance(11_000);
    expect(after.status(ALICE)['presence']).toBe('offline');
    expect(bob.statesOf(ALICE).at(-1)).toBe('offline');
  });

  it.each(['online', 'unavailable', 'offline'] as const)(
    'row 236: who was online and comes back with %s is online at first, and that afterwards',
    async (setPresence) => {
      const rig = await start();
      await rig.put(ALICE, 'online');
      const after = await rig.successor();
      await after.advance(15_000);
      const session = await after.client(ALICE, 'OTHER').begin({ setPresence });
      expect(after.status(ALICE)['presence']).toBe('online');
      await after.advance(25_000);
      expect(after.status(ALICE)['presence']).toBe(setPresence);
      session.end();
    },
  );
});

const HALF_A_DAY = 43_200_000;

describe('metrics', () => {
  it('row 254: a status that changes with the state counts as that only', async () => {
    const rig = await start();
    await rig.put(ALICE, 'online');
    const transition = { locality: 'local', from: 'online', to: 'unavailable' };
    await rig.put(ALICE, 'unavailable', 'new');
    expect(
      rig.metrics.value('synapse_handler_presence_notify_reason', { locality: 'local', reason: 'status_msg_change' }),
    ).toBe(1);
    expect(rig.metrics.value('synapse_handler_presence_state_transition', transition)).toBe(0);
  });

  it('row 255: going offline by timeout counts as a change of state', async () => {
    const rig = await start();
    await rig.client(ALICE).sync({ setPresence: 'online' });
    const read = () => [
      rig.metrics.value('synapse_handler_presence_notify_reason', { locality: 'local', reason: 'state_change' }),
      rig.metrics.value('synapse_handler_presence_state_transition', {
        locality: 'local',
        from: 'online',
        to: 'offline',
      }),
      rig.metrics.value('synapse_handler_presence_notified_presence'),
    ];
    const before = read();
    await rig.advance(40_000);
    expect(read()).toEqual(before.map((value) => value + 1));
    expect(rig.metrics.value('synapse_handler_presence_timers_fired')).toBeGreaterThan(0);
  });

  it('fan-out and sizes are counted', async () => {
    const rig = await start();
    const [bob] = [await rig.client(BOB).watch()];
    await rig.put(ALICE, 'online');
    expect(rig.metrics.observed('thalamus_fanout')).toEqual([1]);
    expect(rig.metrics.value('thalamus_presence_observers')).toBe(1);
    expect(rig.metrics.value('synapse_handlers_presence_user_to_current_state_size')).toBeGreaterThan(1);
    rig.handler.bumpPresenceActiveTime(BOB, 'DEVICE');
    await rig.advance(5_000);
    expect(rig.metrics.value('synapse_handler_presence_bump_active_time')).toBe(1);
    bob.unwatch();
  });
});

describe('other inputs', () => {
  it('rows 191, 194: what another server says about its own users is shown, and nothing else', async () => {
    const rig = await start();
    rig.rooms.join(ROOM, '@r:other');
    const bob = await rig.client(BOB).watch();
    const entry = {
      state: 'online',
      statusMsg: 'far',
      lastActiveTs: rig.clock.now() - 5_000,
      currentlyActive: true,
    } as const;
    await rig.handler.receiveRemote('remote', [
      { ...entry, userId: '@r:other' },
      { ...entry, userId: Q },
      { ...entry, userId: '@stranger:remote' },
      { ...entry, userId: ALICE },
    ]);
    expect(bob.seen).toEqual([
      [Q, { presence: 'online', status_msg: 'far', last_active_ago: 5_000, currently_active: true }],
    ]);
    expect(rig.federation.sent).toEqual([]);
    expect(rig.metrics.value('thalamus_presence_dropped', { reason: 'foreign' })).toBe(2);
    expect(rig.metrics.value('thalamus_presence_dropped', { reason: 'stranger' })).toBe(1);
    expect(rig.metrics.value('synapse_handler_presence_federation_presence')).toBe(1);
  });

  it('rows 203, 232: untracked and disabled ignore other servers and clients', async () => {
    for (const mode of ['untracked', 'disabled'] as const) {
      const rig = await Rig.start({ mode });
      rig.rooms.join(ROOM, ALICE, BOB, Q);
      await rig.put(ALICE, 'online', 'x');
      await rig.client(BOB).sync({ setPresence: 'online' });
      rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
      const entry = { userId: Q, state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true } as const;
      await rig.handler.receiveRemote('remote', [entry]);
      for (const userId of [ALICE, BOB, Q] as const) expect(rig.status(userId)).toEqual({ presence: 'offline' });
    }
  });

  it('logout ends a device at once, deactivation all of them', async () => {
    const rig = await start();
    const bob = await rig.client(BOB).watch();
    const [one, two] = [
      await rig.client(ALICE, 'ONE').begin({ setPresence: 'online' }),
      await rig.client(ALICE, 'TWO').begin({ setPresence: 'unavailable' }),
    ];
    rig.handler.removeDevice(ALICE, 'ONE');
    await rig.settle();
    expect(bob.statesOf(ALICE)).toEqual(['online', 'unavailable']);
    rig.handler.removeUser(ALICE);
    await rig.settle();
    expect(bob.statesOf(ALICE)).toEqual(['online', 'unavailable', 'offline']);
    one.end();
    two.end();
  });

  it('a listener that throws harms nobody', async () => {
    const rig = await start();
    rig.handler.onNotify(() => {
      throw new Error('listener');
    });
    const bob = await rig.client(BOB).watch();
    await rig.put(ALICE, 'online');
    await rig.put(ALICE, 'unavailable');
    expect(bob.statesOf(ALICE)).toEqual(['online', 'unavailable']);
    expect(rig.logger.messages('error').length).toBeGreaterThan(0);
  });

  it('row 245: configured timers hold', async () => {
    const rig = await Rig.start({
      timers: {
        ...DEFAULT_TIMERS,
        lastActiveGranularityMs: 120_000,
        syncOnlineTimeoutMs: 180_000,
        idleTimeoutMs: 1_200_000,
      },
    });
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.advance(110_000);
    expect(rig.status(ALICE)).toMatchObject({ currently_active: true });
    await rig.advance(20_000);
    expect(rig.status(ALICE)).toMatchObject({ currently_active: false, presence: 'online' });
    await rig.advance(1_080_000);
    expect(rig.status(ALICE)).toMatchObject({ presence: 'unavailable' });
    session.end();
    await rig.advance(175_000);
    expect(rig.status(ALICE)).toMatchObject({ presence: 'unavailable' });
    await rig.advance(15_000);
    expect(rig.status(ALICE)).toMatchObject({ presence: 'offline' });
  });
});
