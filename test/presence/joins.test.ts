import { describe, expect, it } from 'vitest';
import { MemoryRoomDirectory } from '../../src/adapters/memory/index.ts';
import type { UserPresenceState } from '../../src/core/user-presence-state.ts';
import type { RoomId, ServerName, UserId } from '../../src/matrix/identifiers.ts';
import type { FederationTransport } from '../../src/ports/federation-transport.ts';
import { ManualClock } from '../../src/adapters/memory/manual-clock.ts';
import { later, Rig, type RigOptions, StubRouter, UnreliableStore } from './rig.ts';
import { MemoryPresenceStore } from '../../src/adapters/memory/index.ts';

const T1 = '@t1:test';
const T2 = '@t2:test';
const ALICE = '@alice:server2';
const BOB = '@bob:server3';
const ROOM = '!room:test';
const DAY = 86_400_000;

/** What left since the last call, as `server: user state`, in order. */
function sent(rig: Rig): string[] {
  const told = rig.federation.sent.flatMap(({ destination, states }) =>
    states.map(({ userId, state }) => `${destination}: ${userId} ${state}`),
  );
  rig.federation.clear();
  return told;
}

async function start(options: RigOptions = {}): Promise<Rig> {
  const rig = await Rig.start(options);
  await rig.put(T2, 'online');
  sent(rig);
  return rig;
}

async function join(rig: Rig, roomId: RoomId, ...users: UserId[]): Promise<string[]> {
  rig.rooms.join(roomId, ...users);
  await rig.settle();
  return sent(rig);
}

describe('joins and other servers', () => {
  it('rows 222, 223: a server whose first user joins gets who is there, only that server, and nobody who never was online', async () => {
    const rig = await start();
    expect(await join(rig, ROOM, T1, T2)).toEqual([]);
    expect(await join(rig, ROOM, ALICE)).toEqual([`server2: ${T2} online`]);
    expect(await join(rig, ROOM, BOB)).toEqual([`server3: ${T2} online`]);
  });

  it('row 222: of offline users, those who were active within seven days or have a status message', async () => {
    const rig = await Rig.start();
    rig.rooms.join(ROOM, '@old:test', '@old-status:test', '@recent:test', '@never:test');
    await rig.put('@old:test', 'online');
    await rig.put('@old:test', 'offline');
    await rig.put('@old-status:test', 'online');
    await rig.put('@old-status:test', 'offline', 'on holiday');
    await rig.advance(60_000);
    await rig.put('@recent:test', 'online');
    await rig.put('@recent:test', 'offline');
    const week = await rig.successor({ clock: new ManualClock(rig.clock.now() - 60_000 + 7 * DAY) });
    expect((await join(week, ROOM, ALICE)).sort()).toEqual([
      'server2: @old-status:test offline',
      'server2: @old:test offline',
      'server2: @recent:test offline',
    ]);
    await week.advance(5_000);
    expect((await join(week, ROOM, BOB)).sort()).toEqual([
      'server3: @old-status:test offline',
      'server3: @recent:test offline',
    ]);
  });

  it('row 224: a local user who joins is sent to all servers in the room, nobody else is', async () => {
    const rig = await start();
    await rig.put(T1, 'online');
    await join(rig, ROOM, T1, ALICE, '@alice2:server2', BOB);
    expect((await join(rig, ROOM, T2)).sort()).toEqual([`server2: ${T2} online`, `server3: ${T2} online`]);
  });

  it('row 226: a second user from a server that is there triggers nothing; the first after all have left does', async () => {
    const rig = await start();
    await join(rig, ROOM, T2, ALICE);
    expect(await join(rig, ROOM, '@alice2:server2')).toEqual([]);
    rig.rooms.leave(ROOM, ALICE);
    expect(await join(rig, ROOM, ALICE)).toEqual([]);
    rig.rooms.leave(ROOM, ALICE, '@alice2:server2');
    await rig.settle();
    expect(await join(rig, ROOM, ALICE)).toEqual([`server2: ${T2} online`]);
  });

  it('row 227: a join of somebody who is joined (a new display name) triggers nothing', async () => {
    const rig = await start();
    await join(rig, ROOM, T2, ALICE);
    expect(await join(rig, ROOM, ALICE, T2)).toEqual([]);
  });

  it('row 229: a room that is new here: our user goes to every server in it, once', async () => {
    const rig = await start();
    const told = await join(rig, '!elsewhere:server2', ALICE, '@alice2:server2', BOB, T2);
    expect(told.sort()).toEqual([`server2: ${T2} online`, `server3: ${T2} online`]);
  });

  it('row 230: a local user about whom there is nothing to tell is not sent; offline after being active is something', async () => {
    const rig = await start();
    await join(rig, ROOM, ALICE);
    expect(await join(rig, ROOM, T1)).toEqual([]);
    await rig.put(T2, 'offline');
    await rig.settle();
    const later = await rig.successor({ clock: new ManualClock(rig.clock.now() + 30 * DAY) });
    expect(await join(later, ROOM, T2)).toEqual([`server2: ${T2} offline`]);
  });

  it('row 231: nothing is sent for an excluded room', async () => {
    const rig = await start({ excludedRooms: new Set([ROOM]) });
    expect(await join(rig, ROOM, T2, ALICE)).toEqual([]);
    expect(await join(rig, ROOM, BOB)).toEqual([]);
  });

  it('row 232: nothing is sent while presence is untracked, or disabled', async () => {
    for (const mode of ['untracked', 'disabled'] as const) {
      const rig = await Rig.start({ mode });
      await rig.handler.setPresenceForUsers(new Map([[T2, { state: 'online' }]]));
      expect(await join(rig, ROOM, T2, ALICE)).toEqual([]);
      expect(await join(rig, ROOM, BOB)).toEqual([]);
    }
  });

  it('row 98: a join asks no module', async () => {
    const router = StubRouter.connecting({ [T2]: ['@p:island'] });
    const rig = await start({ router });
    const asked = router.batches.length;
    expect(await join(rig, ROOM, T2, ALICE)).toEqual([`server2: ${T2} online`]);
    expect(router.batches.length).toBe(asked);
  });

  it('joins of one turn are told together: each user once a server, also over several rooms', async () => {
    const rig = await start();
    rig.rooms.join(ROOM, T2);
    rig.rooms.join('!two:test', T2);
    await rig.settle();
    rig.rooms.join(ROOM, ALICE, '@alice2:server2');
    rig.rooms.join('!two:test', ALICE, BOB);
    await rig.settle();
    expect(rig.federation.sent.map(({ destination }) => destination).sort()).toEqual(['server2', 'server3']);
    expect(sent(rig).sort()).toEqual([`server2: ${T2} online`, `server3: ${T2} online`]);
  });

  it('whoever joins and leaves in one turn was not there', async () => {
    const rig = await start();
    await join(rig, ROOM, ALICE);
    rig.rooms.join(ROOM, T2, BOB);
    rig.rooms.leave(ROOM, T2, BOB);
    await rig.settle();
    expect(sent(rig)).toEqual([]);
  });

  it('nothing is sent for those who are joined at the start; joins while it loads count', async () => {
    const rig = await start();
    await join(rig, ROOM, T2, ALICE);
    const rooms = new (class extends MemoryRoomDirectory {
      override async *loadJoined() {
        yield { roomId: ROOM, members: [T2, ALICE] } as const;
        this.join(ROOM, BOB, ALICE);
      }
    })();
    const next = await rig.successor({ rooms });
    expect(sent(next)).toEqual([`server3: ${T2} online`]);
  });

  it('what is not durable is not sent; it goes to the new server when it is', async () => {
    const store = new UnreliableStore(new MemoryPresenceStore());
    const rig = await start({ store });
    await join(rig, ROOM, T2);
    const { promise, resolve } = later<void>();
    store.gates.set('write', promise);
    const put = rig.put(T2, 'unavailable');
    await rig.settle();
    expect(await join(rig, ROOM, ALICE)).toEqual([]);
    resolve();
    await put;
    expect(sent(rig)).toEqual([`server2: ${T2} unavailable`]);
  });

  it('a crowd costs what one costs: a thousand who join a large room are looked at once', async () => {
    const rig = await Rig.start();
    const crowd = (server: ServerName, size: number): UserId[] =>
      Array.from({ length: size }, (_, index): UserId => `@u${index}:${server}`);
    for (const userId of crowd('test', 300)) await rig.put(userId, 'online');
    await join(rig, ROOM, ...crowd('test', 300));
    rig.rooms.join(ROOM, ...crowd('server2', 1_000));
    await rig.settle();
    expect(rig.federation.sent.length).toBe(1);
    expect(rig.federation.sent[0]?.states.length).toBe(300);
  });
});

/** Hands over at once, as the network will one day. */
class Link implements FederationTransport {
  peers = new Map<ServerName, Rig>();
  readonly #origin: ServerName;

  constructor(origin: ServerName) {
    this.#origin = origin;
  }

  sendPresence(destination: ServerName, states: readonly UserPresenceState[]): void {
    const entries = states.map(({ userId, state, statusMsg, lastActiveTs, currentlyActive }) => ({
      userId,
      state,
      statusMsg,
      lastActiveTs,
      currentlyActive,
    }));
    this.peers
      .get(destination)
      ?.handler.receiveRemote(this.#origin, entries)
      .catch((error: unknown) => expect.fail(String(error)));
  }

  sendKeepAlives(destination: ServerName, states: readonly UserPresenceState[]): void {
    this.sendPresence(destination, states);
  }
}

describe('two servers', () => {
  it('row 84: both members of a new room see both presences, whoever of them joined first', async () => {
    for (const isOneFirst of [true, false]) {
      const clock = new ManualClock();
      const [linkOne, linkTwo] = [new Link('one'), new Link('two')];
      const one = await Rig.start({ serverName: 'one', clock, transport: linkOne });
      const two = await Rig.start({ serverName: 'two', clock, transport: linkTwo });
      linkOne.peers.set('two', two);
      linkTwo.peers.set('one', one);
      const [alice, bob] = ['@alice:one', '@bob:two'] as const;
      await one.put(alice, 'online', 'here');
      await two.put(bob, 'unavailable');
      const watching = { alice: await one.client(alice).watch(), bob: await two.client(bob).watch() };
      const members = isOneFirst ? [alice, bob] : [bob, alice];
      for (const member of members) for (const { rooms } of [one, two]) rooms.join(ROOM, member);
      await clock.settle();
      expect(watching.alice.lastOf(bob)).toMatchObject({ presence: 'unavailable' });
      expect(watching.bob.lastOf(alice)).toMatchObject({ presence: 'online', status_msg: 'here' });
      expect([...(await one.client(alice, 'NEW').sync()).keys()].sort()).toEqual([alice, bob]);
      expect([...(await two.client(bob, 'NEW').sync()).keys()].sort()).toEqual([alice, bob]);
    }
  });
});
