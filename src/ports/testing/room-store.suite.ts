/**
 * What every `RoomStore` has to do, as tests. Each test gets a new, empty store.
 */
import type { EventId, RoomAlias, RoomId, UserId } from '../../matrix/identifiers.ts';
import {
  type AppendBatch,
  type Membership,
  type NewEvent,
  type RoomStore,
  type StoredEvent,
  TRANSACTION_LIFETIME_MS,
} from '../room-store.ts';
import { storeTest, type StoreUnderTest, type SuiteTools } from './suite-tools.ts';

const ALICE: UserId = '@alice:test';
const BOB: UserId = '@bob:test';
const ROOM: RoomId = '!room:test';
const OTHER: RoomId = '!other:test';

export function roomStoreSuite(name: string, tools: SuiteTools, open: () => Promise<StoreUnderTest<RoomStore>>): void {
  const { assert } = tools;
  const test = storeTest(tools, open);

  tools.describe(name, () => {
    test('a new store is empty', async (store) => {
      assert.equal(await store.currentPosition(), 0);
      assert.equal(await store.findRoom(ROOM), null);
      assert.equal(await store.findEvent(ROOM, '$none'), null);
      assert.deepEqual(await store.readState(ROOM, { kind: 'all' }, null), []);
      assert.deepEqual(await store.listEvents(ROOM, { after: 0, upTo: 9, direction: 'forward', limit: 9 }), []);
      assert.deepEqual(await store.membershipsOf(ALICE, null), []);
      assert.deepEqual(await loaded(store), []);
      assert.equal(await store.countPublicRooms(), 0);
    });

    test('a batch that was acknowledged is there after the process was killed, whole', async (store, later) => {
      const last = await makeRoom(store);
      const said = message('$said', ALICE, { body: 'hi' }, { deviceId: 'D', txnId: 't1' });
      await append(store, [said, member('$bob', ALICE, BOB, 'invite')]);
      const reopened = await later();
      assert.equal(await reopened.currentPosition(), last + 2);
      const found = await reopened.findEvent(ROOM, '$said');
      assert.deepEqual(found, {
        position: last + 1,
        eventId: '$said',
        roomId: ROOM,
        type: 'm.room.message',
        stateKey: null,
        sender: ALICE,
        content: { body: 'hi' },
        originServerTs: 1_000,
        redacts: null,
        replaces: null,
        redactedBecause: null,
        transaction: { deviceId: 'D', txnId: 't1' },
      });
      assert.deepEqual(await reopened.findRoom(ROOM), {
        roomId: ROOM,
        version: '11',
        isPublic: false,
        joinedCount: 1,
        invitedCount: 1,
        lastPosition: last + 2,
        lastEventId: '$bob',
      });
    });

    test('a batch that fails leaves nothing behind', async (store) => {
      const last = await makeRoom(store);
      const failed = await rejects(append(store, [message('$new', ALICE), message('$create', ALICE)]));
      assert.ok(failed, 'an event id that exists was accepted');
      assert.equal(await store.findEvent(ROOM, '$new'), null);
      assert.equal(await store.currentPosition(), last);
      assert.ok(await rejects(append(store, [])), 'an empty batch was accepted');
      assert.ok(await rejects(append(store, [message('$x', ALICE)], OTHER)), 'an unknown room was accepted');
    });

    test('events of a room come in both directions, within their bounds, and without other rooms', async (store) => {
      const last = await makeRoom(store);
      await makeRoom(store, OTHER);
      const first =
        (await append(
          store,
          ['$1', '$2', '$3', '$4'].map((id) => message(id as EventId, ALICE)),
        )) - 3;
      const list = async (after: number, upTo: number, direction: 'forward' | 'backward', limit = 10) =>
        ids(await store.listEvents(ROOM, { after, upTo, direction, limit }));
      assert.deepEqual(await list(last, first + 3, 'forward'), ['$1', '$2', '$3', '$4']);
      assert.deepEqual(await list(first, first + 2, 'forward'), ['$2', '$3']);
      assert.deepEqual(await list(last, first + 3, 'backward', 3), ['$4', '$3', '$2']);
      assert.deepEqual(await list(first, first + 2, 'backward'), ['$3', '$2']);
      assert.deepEqual(await list(first + 3, first + 99, 'forward'), []);
    });

    test('the state is the newest event of each key, now and at any position', async (store) => {
      const start = await makeRoom(store);
      const one = await append(store, [state('$n1', 'm.room.name', '', { name: 'one' })]);
      const two = await append(store, [state('$n2', 'm.room.name', '', { name: 'two' })]);
      await append(store, [state('$x', 'x', '@k', { k: 1 })]);
      const names = async (at: number | null) =>
        (await store.readState(ROOM, { kind: 'keys', keys: [['m.room.name', '']] }, at)).map((e) => e.content['name']);
      assert.deepEqual(await names(null), ['two']);
      assert.deepEqual(await names(two), ['two']);
      assert.deepEqual(await names(one), ['one']);
      assert.deepEqual(await names(start), []);
      const all = await store.readState(ROOM, { kind: 'all' }, null);
      assert.deepEqual(ids(all), ['$create', '$alice', '$n2', '$x']);
      assert.deepEqual(all[2]?.replaces, { eventId: '$n1', sender: ALICE, content: { name: 'one' } });
      assert.deepEqual(ids(await store.readState(ROOM, { kind: 'all' }, one)), ['$create', '$alice', '$n1']);
      assert.deepEqual(ids(await store.stateChanges(ROOM, start, two)), ['$n2']);
      assert.deepEqual(ids(await store.stateChanges(ROOM, start, one)), ['$n1']);
      assert.deepEqual(
        (await store.stateHistory(ROOM, ['m.room.name', ''])).map((entry) => entry.position),
        [one, two],
      );
    });

    test('a part of the state can be chosen: keys, a type, or the members of some users', async (store) => {
      await makeRoom(store);
      await append(store, [
        member('$bob', ALICE, BOB, 'invite'),
        state('$a', 'a', '', {}),
        state('$z', 'z', "it's", {}),
        member('$carol', ALICE, '@carol:test', 'invite'),
      ]);
      const at = await store.currentPosition();
      for (const when of [null, at]) {
        const users = [BOB, '@nobody:test'] as const;
        assert.deepEqual(ids(await store.readState(ROOM, { kind: 'membersOf', users }, when)), [
          '$create',
          '$bob',
          '$a',
          '$z',
        ]);
        const type = { kind: 'type', type: 'm.room.member' } as const;
        assert.deepEqual(ids(await store.readState(ROOM, type, when)), ['$alice', '$bob', '$carol']);
        const keys = [
          ['z', "it's"],
          ['m.room.create', ''],
          ['a', 'no such key'],
        ] as const;
        assert.deepEqual(ids(await store.readState(ROOM, { kind: 'keys', keys }, when)), ['$create', '$z']);
      }
      assert.deepEqual(ids(await store.readState(ROOM, { kind: 'membersOf', users: [BOB] }, at - 4)), ['$create']);
    });

    test('a redaction strips its target and is found with it; it reaches no other room', async (store) => {
      await makeRoom(store);
      await makeRoom(store, OTHER);
      await append(store, [message('$bad', ALICE, { body: 'x' })]);
      await append(store, [state('$n1', 'm.room.name', '', { name: 'n' })]);
      const strip = (id: EventId, target: EventId): NewEvent => ({
        ...message(id, ALICE, { reason: 'r' }),
        type: 'm.room.redaction',
        redaction: { eventId: target, content: {} },
      });
      await append(store, [strip('$r0', '$bad')], OTHER);
      assert.deepEqual((await store.findEvent(ROOM, '$bad'))?.content, { body: 'x' });
      await append(store, [strip('$r1', '$bad'), strip('$r2', '$bad'), strip('$r3', '$n1')]);
      const bad = await store.findEvent(ROOM, '$bad');
      assert.deepEqual(bad?.content, {});
      assert.deepEqual(bad?.redactedBecause, {
        eventId: '$r1',
        sender: ALICE,
        content: { reason: 'r' },
        originServerTs: 1_000,
        redacts: '$bad',
      });
      assert.equal((await store.findEvent(ROOM, '$r1'))?.redacts, '$bad');
      await append(store, [state('$n2', 'm.room.name', '', { name: 'm' })]);
      assert.deepEqual((await store.findEvent(ROOM, '$n2'))?.replaces?.content, {});
    });

    test('a transaction is found by room, sender, device, type, id and target, also after a kill', async (store, later) => {
      await makeRoom(store);
      await makeRoom(store, OTHER);
      const transaction = { deviceId: 'D', txnId: 't' };
      await append(store, [message('$m', ALICE, {}, transaction)]);
      const key = { ...transaction, roomId: ROOM, sender: ALICE, type: 'm.room.message', redacts: null };
      const reopened = await later();
      assert.equal(await reopened.findTransaction(key), '$m');
      assert.equal(await reopened.findTransaction({ ...key, roomId: OTHER }), null);
      assert.equal(await reopened.findTransaction({ ...key, sender: BOB }), null);
      assert.equal(await reopened.findTransaction({ ...key, deviceId: 'E' }), null);
      assert.equal(await reopened.findTransaction({ ...key, type: 'x' }), null);
      assert.equal(await reopened.findTransaction({ ...key, txnId: 'u' }), null);
      assert.equal(await reopened.findTransaction({ ...key, redacts: '$x' }), null);
      assert.ok(await rejects(append(reopened, [message('$twice', ALICE, {}, transaction)])), 'written twice');
      await append(reopened, [message('$elsewhere', ALICE, {}, transaction)], OTHER);
    });

    test('a transaction is forgotten some time after its lifetime, and its id can be used again', async (store) => {
      await makeRoom(store);
      const key = { deviceId: 'D', roomId: ROOM, sender: ALICE, type: 'm.room.message', redacts: null };
      const find = (txnId: string) => store.findTransaction({ ...key, txnId });
      const say = (eventId: EventId, txnId: string, originServerTs: number) =>
        append(store, [{ ...message(eventId, ALICE, {}, { deviceId: 'D', txnId }), originServerTs }]);
      for (const n of [1, 2, 3]) await say(`$${n}`, `t${n}`, 1_000);
      await say('$4', 't4', 1_000 + TRANSACTION_LIFETIME_MS);
      for (const n of [1, 2, 3]) assert.equal(await find(`t${n}`), `$${n}`);
      await say('$5', 't5', 1_001 + TRANSACTION_LIFETIME_MS);
      await say('$6', 't6', 1_001 + TRANSACTION_LIFETIME_MS);
      for (const n of [1, 2, 3]) assert.equal(await find(`t${n}`), null);
      for (const n of [4, 5, 6]) assert.equal(await find(`t${n}`), `$${n}`);
      assert.equal((await store.findEvent(ROOM, '$1'))?.transaction, null);
      await say('$7', 't1', 1_001 + TRANSACTION_LIFETIME_MS);
      assert.equal(await find('t1'), '$7');
    });

    test('memberships follow member events, with counts, and forgetting ends with the next invite', async (store) => {
      await makeRoom(store);
      const at = await append(store, [member('$1', ALICE, BOB, 'invite')]);
      assert.deepEqual(await store.findMembership(ROOM, BOB), {
        roomId: ROOM,
        userId: BOB,
        membership: 'invite',
        position: at,
        forgotten: false,
      });
      await store.forget(ROOM, BOB);
      assert.equal((await store.findMembership(ROOM, BOB))?.forgotten, false);
      await append(store, [member('$2', BOB, BOB, 'join')]);
      assert.deepEqual(await counts(store), [2, 0]);
      assert.deepEqual(
        (await store.listMembers(ROOM, ['join'], 10)).map((row) => row.userId),
        [ALICE, BOB],
      );
      assert.equal((await store.listMembers(ROOM, ['join', 'invite'], 1)).length, 1);
      await append(store, [member('$3', BOB, BOB, 'leave')]);
      await store.forget(ROOM, BOB);
      assert.deepEqual(await counts(store), [1, 0]);
      const last = await append(store, [member('$4', ALICE, BOB, 'ban')]);
      assert.deepEqual(await store.membershipsOf(BOB, last - 1), [
        { roomId: ROOM, userId: BOB, membership: 'ban', position: last, forgotten: true, lastPosition: last },
      ]);
      assert.deepEqual(await store.membershipsOf(BOB, last), []);
      assert.equal((await store.membershipsOf(BOB, null)).length, 1);
      await append(store, [member('$5', ALICE, BOB, 'leave'), member('$6', ALICE, BOB, 'invite')]);
      assert.equal((await store.findMembership(ROOM, BOB))?.forgotten, false);
    });

    test('loadJoined gives every room with members once, and only who is joined', async (store) => {
      const rooms = Array.from({ length: 250 }, (_, index): RoomId => `!r${index}:test`);
      for (const roomId of rooms) await makeRoom(store, roomId);
      await append(store, [member('$b', ALICE, BOB, 'invite'), member('$c', BOB, BOB, 'join')], '!r7:test');
      await append(store, [member('$d', ALICE, ALICE, 'leave')], '!r9:test');
      const found = await loaded(store);
      assert.equal(found.length, 249);
      assert.deepEqual(found.find((room) => room.roomId === '!r7:test')?.members, [ALICE, BOB]);
      assert.equal(new Set(found.map((room) => room.roomId)).size, 249);
    });

    test('aliases are unique, belong to a room, and are written with the room or not at all', async (store) => {
      const alias: RoomAlias = '#a:test';
      await store.appendEvents({ ...newRoom(ROOM), aliases: [{ alias, creator: ALICE }] });
      const position = await store.currentPosition();
      const again = await store.appendEvents({ ...newRoom(OTHER), aliases: [{ alias, creator: BOB }] });
      assert.deepEqual(again, { kind: 'alias-taken', alias });
      assert.equal(await store.findRoom(OTHER), null);
      assert.equal(await store.currentPosition(), position);
      assert.deepEqual(await store.findAlias(alias), { roomId: ROOM, creator: ALICE });
      assert.equal(await store.addAlias(alias, ROOM, BOB), false);
      assert.equal(await store.addAlias('#0:test', ROOM, BOB), true);
      assert.deepEqual(await store.listAliases(ROOM), ['#0:test', alias]);
      assert.equal(await store.removeAlias(alias), true);
      assert.equal(await store.removeAlias(alias), false);
      assert.equal(await store.findAlias(alias), null);
    });

    test('the public list has the rooms that were put there, the largest first', async (store) => {
      for (const roomId of ['!a:test', '!b:test', '!c:test'] as const) await makeRoom(store, roomId);
      await append(store, [member('$b', ALICE, BOB, 'join')], '!b:test');
      await store.setPublic('!a:test', true);
      await store.setPublic('!b:test', true);
      assert.equal(await store.countPublicRooms(), 2);
      const list = async (offset: number, limit: number) =>
        (await store.listPublicRooms(offset, limit)).map((room) => room.roomId);
      assert.deepEqual(await list(0, 10), ['!b:test', '!a:test']);
      assert.deepEqual(await list(1, 10), ['!a:test']);
      assert.deepEqual(await list(0, 1), ['!b:test']);
      await store.setPublic('!b:test', false);
      assert.deepEqual(await list(0, 10), ['!a:test']);
    });

    test('receipts move forward only, one for each type and thread, and survive a kill', async (store, later) => {
      await makeRoom(store);
      await append(store, [message('$1', ALICE), message('$2', ALICE)]);
      const receipt = {
        roomId: ROOM,
        userId: BOB,
        receiptType: 'm.read',
        threadId: null,
        eventId: '$2',
        ts: 5,
      } as const;
      const position = await store.writeReceipt(receipt);
      assert.equal(position, await store.currentPosition());
      assert.equal(await store.writeReceipt({ ...receipt, eventId: '$1' }), null);
      assert.equal(await store.writeReceipt(receipt), null);
      assert.equal(await store.writeReceipt({ ...receipt, eventId: '$none' }), null);
      assert.equal(await store.writeReceipt({ ...receipt, roomId: '!none:test' }), null);
      assert.equal(await store.currentPosition(), position);
      await store.writeReceipt({ ...receipt, eventId: '$1', threadId: 'main' });
      await store.writeReceipt({ ...receipt, eventId: '$1', receiptType: 'm.read.private' });
      const reopened = await later();
      const upTo = await reopened.currentPosition();
      assert.deepEqual(await reopened.receiptsSince(ROOM, 0, Number(position)), [{ ...receipt, position }]);
      assert.deepEqual(
        (await reopened.receiptsSince(ROOM, Number(position), upTo)).map((r) => [r.receiptType, r.threadId, r.eventId]),
        [
          ['m.read', 'main', '$1'],
          ['m.read.private', null, '$1'],
        ],
      );
      assert.equal((await reopened.findRoom(ROOM))?.lastPosition, upTo);
    });
  });
}

function message(
  eventId: EventId,
  sender: UserId,
  content: NewEvent['content'] = {},
  transaction: NewEvent['transaction'] = null,
): NewEvent {
  const common = { stateKey: null, originServerTs: 1_000, redaction: null };
  return { ...common, eventId, type: 'm.room.message', sender, content, transaction };
}

function state(eventId: EventId, type: string, stateKey: string, content: NewEvent['content']): NewEvent {
  return { ...message(eventId, ALICE, content), type, stateKey };
}

function member(eventId: EventId, sender: UserId, userId: UserId, membership: Membership): NewEvent {
  return { ...message(eventId, sender, { membership }), type: 'm.room.member', stateKey: userId };
}

/** The creator's first two events; ids carry the room's, except in the first room. */
function newRoom(roomId: RoomId): AppendBatch {
  const suffix = roomId === ROOM ? '' : roomId;
  const events = [
    state(`$create${suffix}`, 'm.room.create', '', { room_version: '11' }),
    member(`$alice${suffix}`, ALICE, ALICE, 'join'),
  ];
  return { roomId, create: { version: '11', isPublic: false }, events, aliases: [] };
}

async function makeRoom(store: RoomStore, roomId: RoomId = ROOM): Promise<number> {
  const result = await store.appendEvents(newRoom(roomId));
  return result.kind === 'appended' ? result.last : -1;
}

async function append(store: RoomStore, events: readonly NewEvent[], roomId: RoomId = ROOM): Promise<number> {
  const result = await store.appendEvents({ roomId, create: null, events, aliases: [] });
  return result.kind === 'appended' ? result.last : -1;
}

async function counts(store: RoomStore): Promise<readonly (number | undefined)[]> {
  const room = await store.findRoom(ROOM);
  return [room?.joinedCount, room?.invitedCount];
}

async function loaded(store: RoomStore): Promise<{ roomId: RoomId; members: readonly UserId[] }[]> {
  const rooms: { roomId: RoomId; members: readonly UserId[] }[] = [];
  for await (const room of store.loadJoined()) rooms.push({ ...room, members: room.members.toSorted() });
  return rooms;
}

function ids(events: readonly StoredEvent[]): EventId[] {
  return events.map((event) => event.eventId);
}

async function rejects(promise: Promise<unknown>): Promise<boolean> {
  try {
    await promise;
    return false;
  } catch {
    return true;
  }
}
