/**
 * What every `AccountStore` has to do, as tests. Each test gets a new, empty store.
 */
import type { UserId } from '../../matrix/identifiers.ts';
import type { AccountStore, NewSession, NewUser } from '../account-store.ts';
import { storeTest, type StoreUnderTest, type SuiteTools } from './suite-tools.ts';

const ALICE = '@alice:test';
const BOB = '@bob:test';
const ROOM = '!room:test';

export function accountStoreSuite(
  name: string,
  tools: SuiteTools,
  open: () => Promise<StoreUnderTest<AccountStore>>,
): void {
  const { assert } = tools;
  const test = storeTest(tools, open);

  tools.describe(name, () => {
    test('users and sessions survive the death of the process', async (store, later) => {
      const made = await store.createUser(
        user(ALICE, { isAdmin: true, userType: 'bot' }),
        session(ALICE, 'PHONE', 'hash-1'),
      );
      assert.ok(made !== false && made.tokenId !== null);
      assert.deepEqual(await store.createUser(user(BOB), null), { tokenId: null });
      const reopened = await later();
      assert.deepEqual(await reopened.findUser(ALICE), {
        userId: ALICE,
        passwordHash: 'secret hash',
        isAdmin: true,
        userType: 'bot',
        creationTs: 1_700_000_000_000,
        isDeactivated: false,
      });
      const found = await reopened.findSession('hash-1');
      assert.deepEqual(found, { tokenId: found?.tokenId, userId: ALICE, deviceId: 'PHONE', isAdmin: true });
      assert.deepEqual(await reopened.findProfile(BOB), { displayname: 'bob', avatarUrl: null });
      assert.equal(await reopened.findUser('@carol:test'), null);
      assert.equal(await reopened.findSession('hash-2'), null);
      assert.deepEqual(await reopened.listDevices(BOB), []);
    });

    test('an id is given away once, and the second attempt changes nothing', async (store) => {
      await store.createUser(user(ALICE), session(ALICE, 'PHONE', 'hash-1'));
      assert.equal(
        await store.createUser(user(ALICE, { passwordHash: 'other' }), session(ALICE, 'X', 'hash-2')),
        false,
      );
      assert.equal((await store.findUser(ALICE))?.passwordHash, 'secret hash');
      assert.equal(await store.findSession('hash-2'), null);
      assert.deepEqual(
        (await store.listDevices(ALICE)).map((device) => device.deviceId),
        ['PHONE'],
      );
    });

    test('a device that logs in again keeps its name and loses its old token', async (store) => {
      await store.createUser(user(ALICE), session(ALICE, 'PHONE', 'hash-1', 'My phone'));
      const again = await store.createSession(session(ALICE, 'PHONE', 'hash-2', 'Another name'), 10);
      assert.deepEqual(again.removed, []);
      assert.equal(await store.findSession('hash-1'), null);
      assert.equal((await store.findSession('hash-2'))?.tokenId, again.tokenId);
      assert.equal((await store.listDevices(ALICE))[0]?.displayName, 'My phone');
    });

    test('the devices not seen for longest go when there are too many', async (store) => {
      await store.createUser(user(ALICE), null);
      for (const [index, deviceId] of ['A', 'B', 'C'].entries()) {
        await store.createSession({ ...session(ALICE, deviceId, `hash-${deviceId}`), now: 1000 + index }, 3);
      }
      await store.touchDevices([{ userId: ALICE, deviceId: 'A', ts: 5000, ip: '::1' }]);
      const { removed } = await store.createSession({ ...session(ALICE, 'D', 'hash-D'), now: 6000 }, 3);
      assert.deepEqual(removed, ['B']);
      assert.equal(await store.findSession('hash-B'), null);
      assert.ok((await store.findSession('hash-A')) !== null);
      assert.ok((await store.findSession('hash-D')) !== null);
    });

    test('devices are named, noted as seen, and removed with their tokens', async (store) => {
      await store.createUser(user(ALICE), session(ALICE, 'PHONE', 'hash-1'));
      await store.createUser(user(BOB), session(BOB, 'PHONE', 'hash-2'));
      await store.createSession(session(ALICE, 'LAPTOP', 'hash-3'), 10);
      assert.equal(await store.renameDevice(ALICE, 'PHONE', 'Phone'), true);
      assert.equal(await store.renameDevice(ALICE, 'NONE', 'Phone'), false);
      await store.touchDevices([
        { userId: ALICE, deviceId: 'PHONE', ts: 1_800_000_000_001, ip: '192.0.2.7' },
        { userId: ALICE, deviceId: 'NONE', ts: 1, ip: '' },
      ]);
      assert.deepEqual(await store.listDevices(ALICE), [
        { deviceId: 'LAPTOP', displayName: null, lastSeenTs: 1_700_000_000_500, lastSeenIp: null },
        { deviceId: 'PHONE', displayName: 'Phone', lastSeenTs: 1_800_000_000_001, lastSeenIp: '192.0.2.7' },
      ]);
      assert.deepEqual(await store.removeDevices(ALICE, ['PHONE', 'NONE']), ['PHONE']);
      assert.equal(await store.findSession('hash-1'), null);
      assert.ok((await store.findSession('hash-2')) !== null);
      assert.ok((await store.findSession('hash-3')) !== null);
    });

    test('all devices but one are removed at once', async (store) => {
      await store.createUser(user(ALICE), null);
      for (const deviceId of ['A', 'B', 'C']) await store.createSession(session(ALICE, deviceId, `h${deviceId}`), 10);
      assert.deepEqual([...(await store.removeDevices(ALICE, null, 'B'))].sort(), ['A', 'C']);
      assert.ok((await store.findSession('hB')) !== null);
      assert.deepEqual(await store.removeDevices(ALICE, null), ['B']);
      assert.equal(await store.findSession('hB'), null);
    });

    test('a deactivated user keeps the id and nothing else', async (store, later) => {
      await store.createUser(user(ALICE, { isAdmin: true }), session(ALICE, 'PHONE', 'hash-1'));
      await store.setProfile(ALICE, { avatarUrl: 'mxc://test/a' });
      await store.putAccountData(ALICE, null, 'a', { b: 1 }, 10);
      await store.addFilter(ALICE, '{}', 10);
      assert.deepEqual(await store.deactivateUser(ALICE), ['PHONE']);
      await store.setPasswordHash(ALICE, 'new');
      await store.setProfile(ALICE, { displayname: 'Alice again' });
      const reopened = await later();
      const left = await reopened.findUser(ALICE);
      assert.deepEqual([left?.isDeactivated, left?.passwordHash, left?.isAdmin], [true, null, false]);
      assert.equal(await reopened.findSession('hash-1'), null);
      assert.equal(await reopened.findProfile(ALICE), null);
      assert.equal(await reopened.findAccountData(ALICE, null, 'a'), null);
      assert.equal(await reopened.findFilter(ALICE, '0'), null);
      assert.equal(await reopened.createUser(user(ALICE), null), false);
    });

    test('a password and each part of a profile change alone', async (store) => {
      await store.createUser(user(ALICE), null);
      await store.setPasswordHash(ALICE, 'new hash');
      assert.equal((await store.findUser(ALICE))?.passwordHash, 'new hash');
      await store.setProfile(ALICE, { avatarUrl: 'mxc://test/a' });
      assert.deepEqual(await store.findProfile(ALICE), { displayname: 'alice', avatarUrl: 'mxc://test/a' });
      await store.setProfile(ALICE, { displayname: null });
      assert.deepEqual(await store.findProfile(ALICE), { displayname: null, avatarUrl: 'mxc://test/a' });
      assert.equal(await store.findProfile('@nobody:test'), null);
    });

    test('equal filters share an id, and each user has their own', async (store, later) => {
      await store.createUser(user(ALICE), null);
      await store.createUser(user(BOB), null);
      const first = await store.addFilter(ALICE, '{"room":{}}', 2);
      const second = await store.addFilter(ALICE, '{"presence":{}}', 2);
      assert.ok(first !== null && second !== null && first !== second);
      assert.equal(await store.addFilter(ALICE, '{"room":{}}', 2), first);
      assert.equal(await store.addFilter(ALICE, '{"account_data":{}}', 2), null);
      const reopened = await later();
      assert.equal(await reopened.findFilter(ALICE, first ?? ''), '{"room":{}}');
      assert.equal(await reopened.findFilter(BOB, first ?? ''), null);
      for (const wrong of ['7', '', '-1', '1e0', ' 0', '00', 'x', '99999999999999999999']) {
        assert.equal(await reopened.findFilter(ALICE, wrong), null, `filter '${wrong}'`);
      }
    });

    test('account data has positions that only grow, and changes are found by them', async (store, later) => {
      await store.createUser(user(ALICE), null);
      await store.createUser(user(BOB), null);
      const first = await store.putAccountData(ALICE, null, 'm.direct', { '@bob:test': ['!a:test'] }, 10);
      const second = await store.putAccountData(ALICE, ROOM, 'm.tag', { tags: {} }, 10);
      const other = await store.putAccountData(BOB, null, 'm.direct', {}, 10);
      const third = await store.putAccountData(ALICE, null, 'm.direct', { '@bob:test': [] }, 10);
      assert.ok(first !== null && second !== null && third !== null && other !== null);
      assert.ok((first ?? 0) > 0 && (second ?? 0) > (first ?? 0) && (third ?? 0) > (other ?? 0));
      const reopened = await later();
      const tag = { position: second, roomId: ROOM, type: 'm.tag', content: { tags: {} } };
      const direct = { position: third, roomId: null, type: 'm.direct', content: { '@bob:test': [] } };
      assert.deepEqual(await reopened.accountDataChanges(ALICE, 0, third ?? 0), [tag, direct]);
      assert.deepEqual(await reopened.accountDataChanges(ALICE, 0, other ?? 0), [tag]);
      assert.deepEqual(await reopened.accountDataChanges(ALICE, second ?? 0, third ?? 0), [direct]);
      assert.deepEqual(await reopened.accountDataChanges(ALICE, third ?? 0, third ?? 0), []);
      assert.deepEqual(await reopened.findAccountData(ALICE, ROOM, 'm.tag'), { tags: {} });
      assert.equal(await reopened.findAccountData(ALICE, null, 'm.tag'), null);
    });

    test('account data has a limit per user, which does not stop changes', async (store) => {
      await store.createUser(user(ALICE), null);
      assert.ok((await store.putAccountData(ALICE, null, 'a', {}, 2)) !== null);
      assert.ok((await store.putAccountData(ALICE, ROOM, 'a', {}, 2)) !== null);
      assert.equal(await store.putAccountData(ALICE, null, 'b', {}, 2), null);
      assert.ok((await store.putAccountData(ALICE, null, 'a', { now: 'this' }, 2)) !== null);
      assert.equal(await store.findAccountData(ALICE, null, 'b'), null);
    });
  });
}

function user(userId: UserId, rest: Partial<NewUser> = {}): NewUser {
  return {
    userId,
    passwordHash: 'secret hash',
    isAdmin: false,
    userType: null,
    creationTs: 1_700_000_000_000,
    displayname: userId.slice(1, userId.indexOf(':')),
    ...rest,
  };
}

function session(userId: UserId, deviceId: string, tokenHash: string, displayName: string | null = null): NewSession {
  return { userId, deviceId, tokenHash, displayName, now: 1_700_000_000_500 };
}
