import { describe, expect, it } from 'vitest';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { later, Rig, StubRouter } from './rig.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const CAROL = '@carol:test';
const Q = '@q:remote';
const FAR = '@far:island';
const ROOM = '!room:test';
const HOUR = 3_600_000;

describe('sendLocalOnlinePresenceTo', () => {
  it('row 124: each device gets the snapshot exactly once', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB);
    await rig.put(ALICE, 'online', 'here');
    const devices = [rig.client(BOB, 'ONE'), rig.client(BOB, 'TWO')];
    for (const device of devices) await device.sync();
    await rig.handler.sendLocalOnlinePresenceTo([BOB]);
    for (const device of devices) {
      expect([...(await device.sync())]).toMatchObject([[ALICE, { presence: 'online', status_msg: 'here' }]]);
      expect(await device.sync()).toEqual(new Map());
    }
  });

  it('row 125: offline users are not part of it', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB);
    await rig.put(ALICE, 'offline', 'gone');
    const bob = rig.client(BOB);
    await bob.sync();
    await rig.handler.sendLocalOnlinePresenceTo([BOB]);
    expect(await bob.sync()).toEqual(new Map());
  });

  it('row 128: watchers by interest get everybody they may see, unavailable ones, too', async () => {
    const router = new StubRouter();
    router.interest = (userId) => (userId.startsWith('@g') ? 'ALL' : []);
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'unavailable');
    await rig.put(CAROL, 'online');
    const gobblers = [rig.client('@g1:test'), rig.client('@g2:test')];
    for (const client of gobblers) await client.sync();
    await rig.handler.sendLocalOnlinePresenceTo(['@g1:test', '@g2:test']);
    for (const client of gobblers) expect([...(await client.sync()).keys()].sort()).toEqual([ALICE, BOB, CAROL]);
  });

  it('rows 129, 132: a remote user gets the local users they may see who are not offline, through their server', async () => {
    const router = new StubRouter();
    router.interest = (userId) => (userId === FAR ? [BOB, '@third:elsewhere'] : []);
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, CAROL, FAR, '@third:elsewhere');
    await rig.put(ALICE, 'unavailable', 'room mate');
    await rig.put(BOB, 'online', 'interesting');
    await rig.put(CAROL, 'offline', 'gone');
    await rig.put('@stranger:test', 'online');
    await rig.handler.receiveRemote('elsewhere', [
      { userId: '@third:elsewhere', state: 'online', statusMsg: null, lastActiveTs: null, currentlyActive: true },
    ]);
    rig.federation.clear();
    await rig.handler.sendLocalOnlinePresenceTo([FAR, '@other:island']);
    expect(rig.federation.sent.map(({ destination }) => destination)).toEqual(['island']);
    expect([...rig.federation.statesAt('island').values()].map(({ userId, statusMsg }) => [userId, statusMsg])).toEqual(
      [
        [ALICE, 'room mate'],
        [BOB, 'interesting'],
      ],
    );
  });

  it('row 129: a remote user interested in all gets every local user, and whoever was routed to them', async () => {
    const router = new StubRouter();
    router.interest = (userId) => (userId === FAR ? 'ALL' : []);
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'online');
    await rig.put(BOB, 'unavailable');
    await rig.put(CAROL, 'offline', 'gone');
    await rig.handler.sendLocalOnlinePresenceTo([FAR]);
    expect([...rig.federation.statesAt('island').keys()].sort()).toEqual([ALICE, BOB]);
  });

  it('row 129: a remote user gets whom only getUsersForStates sends to them; nobody is asked to be remembered', async () => {
    const router = StubRouter.connecting({ [ALICE]: [FAR], [BOB]: ['@other:island'], [CAROL]: [FAR] });
    router.interest = () => [];
    const rig = await Rig.start({ router });
    await rig.put(ALICE, 'unavailable', 'routed');
    await rig.put(BOB, 'online');
    await rig.put(CAROL, 'offline', 'gone');
    await rig.settle();
    rig.federation.clear();
    await rig.handler.sendLocalOnlinePresenceTo([FAR, '@nobody:mainland']);
    expect(rig.federation.sent).toMatchObject([
      { destination: 'island', states: [{ userId: ALICE, statusMsg: 'routed' }] },
    ]);
    expect(rig.metrics.value('synapse_handlers_presence_user_to_current_state_size')).toBe(3);
  });

  it('a snapshot holds what is true when it is sent, not when the first module answered', async () => {
    const router = new StubRouter();
    const { promise, resolve } = later<readonly UserId[]>();
    router.interest = (userId) => (userId === FAR ? promise : []);
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, '@other:island');
    await rig.put(ALICE, 'online', 'then');
    const sending = rig.handler.sendLocalOnlinePresenceTo(['@other:island', FAR]);
    await rig.put(ALICE, 'online', 'now');
    rig.federation.clear();
    resolve([ALICE]);
    await sending;
    expect(rig.federation.sent).toMatchObject([{ destination: 'island', states: [{ statusMsg: 'now' }] }]);
  });

  it('a hanging module delays a remote snapshot at most until the deadline', async () => {
    const router = new StubRouter();
    router.interest = () => new Promise(() => undefined);
    const rig = await Rig.start({ router });
    rig.rooms.join(ROOM, ALICE, FAR);
    await rig.put(ALICE, 'online');
    rig.federation.clear();
    const sent = rig.handler.sendLocalOnlinePresenceTo([FAR]);
    await rig.advance(2_000);
    await sent;
    expect([...rig.federation.statesAt('island').keys()]).toEqual([ALICE]);
  });

  it('rows 130, 131: it wakes every target and changes nobody', async () => {
    const rig = await Rig.start();
    await rig.put(ALICE, 'online', 'hi');
    const [alice, bob] = [await rig.client(ALICE).watch(), await rig.client(BOB).watch()];
    const before = { ...rig.handler.getState(ALICE) };
    alice.seen.length = 0;
    const woken: string[] = [];
    rig.handler.onNotify((users) => woken.push(...users));
    await rig.handler.sendLocalOnlinePresenceTo([ALICE, BOB]);
    expect(woken.sort()).toEqual([ALICE, BOB]);
    expect(rig.handler.getState(ALICE)).toEqual(before);
    expect(alice.seen).toMatchObject([[ALICE, { status_msg: 'hi' }]]);
    expect(bob.seen).toEqual([]);
  });

  it('row 134: an initial sync clears the mark of that device', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB);
    await rig.put(ALICE, 'online');
    await rig.handler.sendLocalOnlinePresenceTo([BOB]);
    const bob = rig.client(BOB);
    expect([...(await bob.sync()).keys()]).toEqual([ALICE]);
    expect(await bob.sync()).toEqual(new Map());
  });

  it('row 135: nobody named, nothing done; a malformed id names itself and nothing is done either', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, BOB);
    await rig.put(ALICE, 'online');
    const bob = rig.client(BOB);
    await bob.sync();
    await rig.handler.sendLocalOnlinePresenceTo([]);
    await expect(rig.handler.sendLocalOnlinePresenceTo([BOB, 'nocolon' as never])).rejects.toThrow(
      new TypeError('"nocolon" is not a user id: it should look like @name:server'),
    );
    await expect(rig.handler.sendLocalOnlinePresenceTo(BOB as never)).rejects.toThrow(TypeError);
    await expect(rig.handler.sendLocalOnlinePresenceTo(undefined as never)).rejects.toThrow(TypeError);
    expect(await bob.sync()).toEqual(new Map());
  });

  it('untracked: local users get their snapshot, other servers nothing', async () => {
    const rig = await Rig.start({ mode: 'untracked' });
    rig.rooms.join(ROOM, ALICE, BOB, FAR);
    await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'online' }]]));
    const bob = rig.client(BOB);
    await bob.sync();
    await rig.handler.sendLocalOnlinePresenceTo([BOB, FAR]);
    expect([...(await bob.sync()).keys()]).toEqual([ALICE]);
    expect(await bob.sync()).toEqual(new Map());
    expect(rig.federation.sent).toEqual([]);
  });
});

describe('setPresenceForUsers', () => {
  it('row 136: untracked, room mates get it and it lasts until the next call', async () => {
    const rig = await Rig.start({ mode: 'untracked' });
    rig.rooms.join(ROOM, ALICE, BOB, FAR);
    const bob = await rig.client(BOB).watch();
    await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'online', statusMsg: 'x' }]]));
    expect(bob.seen).toMatchObject([[ALICE, { presence: 'online', status_msg: 'x' }]]);
    await rig.advance(5 * HOUR);
    expect(rig.status(ALICE)).toMatchObject({ presence: 'online', status_msg: 'x' });
    expect(bob.seen.length).toBe(1);
    expect((await rig.successor()).status(ALICE)).toMatchObject({ presence: 'online' });
    expect(rig.federation.sent).toEqual([]);
  });

  it('always tells, even if nothing is different', async () => {
    const rig = await Rig.start();
    const alice = await rig.client(ALICE).watch();
    for (let round = 0; round < 3; round++) {
      await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'online', statusMsg: 'same' }]]));
    }
    expect(alice.seen.length).toBe(3);
  });

  it('row 138: tracked, it stands until the next sync, which keeps the status', async () => {
    const rig = await Rig.start();
    const session = await rig.client(ALICE).begin({ setPresence: 'online' });
    await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'unavailable', statusMsg: 'm' }]]));
    expect(rig.status(ALICE)).toMatchObject({ presence: 'unavailable', status_msg: 'm' });
    session.end();
    await rig.client(ALICE).sync({ setPresence: 'online' });
    expect(rig.status(ALICE)).toMatchObject({ presence: 'online', status_msg: 'm' });
  });

  it('row 139: tracked, without devices it lasts an hour, or as long as it says', async () => {
    const rig = await Rig.start();
    await rig.handler.setPresenceForUsers(
      new Map([
        [ALICE, { state: 'online' as const }],
        [BOB, { state: 'online' as const, ttlMs: 90_000 }],
      ]),
    );
    await rig.advance(80_000);
    expect([rig.status(ALICE), rig.status(BOB)]).toMatchObject([{ presence: 'online' }, { presence: 'online' }]);
    await rig.advance(30_000);
    expect([rig.status(ALICE), rig.status(BOB)]).toMatchObject([{ presence: 'online' }, { presence: 'offline' }]);
    rig.handler.bumpPresenceActiveTime(ALICE, 'DEVICE');
    expect(rig.status(ALICE)).toMatchObject({ presence: 'online' });
    await rig.advance(HOUR);
    expect(rig.status(ALICE)).toMatchObject({ presence: 'offline' });
  });

  it('row 140: a remote user is shown to local watchers, federated to nobody, and offline after half an hour', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, ALICE, Q, FAR);
    const alice = await rig.client(ALICE).watch();
    await rig.handler.setPresenceForUsers(new Map([[Q, { state: 'online', statusMsg: 'm' }]]));
    expect(alice.seen).toMatchObject([[Q, { presence: 'online', status_msg: 'm' }]]);
    expect(rig.federation.sent).toEqual([]);
    await rig.advance(29 * 60_000);
    expect(rig.status(Q)).toMatchObject({ presence: 'online' });
    await rig.advance(61_000 + 10_000);
    expect(alice.statesOf(Q)).toEqual(['online', 'offline']);
  });

  it('row 141: disabled, it is ignored, with a line in the log', async () => {
    const rig = await Rig.start({ mode: 'disabled' });
    await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'online' }]]));
    expect(rig.status(ALICE)).toEqual({ presence: 'offline' });
    expect(rig.logger.messages('warn').length).toBe(1);
  });

  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['row 142: a state that is none', new Map([[BOB, { state: 'dnd' }]]), `the state of ${BOB} must be`],
    ['busy while it is off', new Map([[BOB, { state: 'org.matrix.msc3026.busy' }]]), `the state of ${BOB} must be`],
    ['a user id that is none', new Map([['bob', { state: 'online' }]]), '"bob" is not a user id'],
    ['an entry that is a tuple', new Map([[BOB, ['online', 'x']]]), `the state of ${BOB} must be`],
    ['an entry that is nothing', new Map([[BOB, null]]), `the entry of ${BOB} must be`],
    [
      'a status that is a number',
      new Map([[BOB, { state: 'online', statusMsg: 5 }]]),
      `the statusMsg of ${BOB} must be`,
    ],
    [
      'a status that is too long',
      new Map([[BOB, { state: 'online', statusMsg: 'é'.repeat(40_000) }]]),
      'is longer than',
    ],
    ['a lifetime that is none', new Map([[BOB, { state: 'online', ttlMs: 0 }]]), `the ttlMs of ${BOB} must be`],
    ['a lifetime that is NaN', new Map([[BOB, { state: 'online', ttlMs: Number.NaN }]]), `the ttlMs of ${BOB} must be`],
    ['an object in place of a Map', { [BOB]: { state: 'online' } }, 'must be a Map'],
    ['nothing at all', undefined, 'must be a Map'],
  ];
  it.each(wrong)('%s rejects the whole call by name, and nothing is applied', async (_title, users, message) => {
    const rig = await Rig.start();
    const entries = users instanceof Map ? new Map<unknown, unknown>([[ALICE, { state: 'online' }], ...users]) : users;
    const call = rig.handler.setPresenceForUsers(entries as never);
    await expect(call).rejects.toThrow(TypeError);
    await expect(call).rejects.toThrow(message);
    await rig.settle();
    expect(rig.status(ALICE)).toEqual({ presence: 'offline' });
  });

  it('busy is accepted while it is on', async () => {
    const rig = await Rig.start({ busyEnabled: true });
    await rig.handler.setPresenceForUsers(new Map([[ALICE, { state: 'org.matrix.msc3026.busy' }]]));
    expect(rig.status(ALICE)).toMatchObject({ presence: 'org.matrix.msc3026.busy' });
  });
});
