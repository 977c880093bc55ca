/** What people do in rooms, done with matrix-js-sdk: the shapes are right if a real client makes sense of them. */
import { EventTimeline, Preset, type Room } from 'matrix-js-sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerSdkClient, sdkClient } from '../../support/sdk-client.ts';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import { until } from '../helpers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

function bodies(room: Room): string[] {
  return room
    .getLiveTimeline()
    .getEvents()
    .map((event) => String(event.getContent()['body'] ?? event.getType()));
}

it('two people meet in a room, talk, read, type, redact, rename, tag, scroll back and part', async () => {
  await using alice = await registerSdkClient(server.baseUrl, 'alice');
  await using bob = await registerSdkClient(server.baseUrl, 'bob');
  await alice.start();
  await bob.start();

  const { room_id: roomId } = await alice.client.createRoom({
    invite: [bob.userId],
    name: 'Kitchen',
    preset: Preset.PrivateChat,
  });
  await until(() => bob.client.getRoom(roomId)?.getMyMembership() === 'invite', 'the invite');
  expect(bob.client.getRoom(roomId)?.name).toBe('Kitchen');
  await bob.client.joinRoom(roomId);
  await until(() => bob.client.getRoom(roomId)?.getMyMembership() === 'join', 'the join');

  for (let i = 0; i < 30; i += 1) await alice.client.sendTextMessage(roomId, `m${i}`);
  const ofBob = bob.client.getRoom(roomId)!;
  await until(() => bodies(ofBob).includes('m29'), 'the last message');
  const ofAlice = alice.client.getRoom(roomId)!;
  await until(() => bodies(ofAlice).filter((body) => body === 'm29').length === 1, 'the echo, once');

  const last = ofBob.getLiveTimeline().getEvents().at(-1)!;
  const lastId = last.getId()!;
  await bob.client.setRoomReadMarkers(roomId, lastId, last);
  await until(() => ofAlice.hasUserReadEvent(bob.userId, lastId), 'the receipt');
  await until(() => ofBob.getAccountData('m.fully_read')?.getContent()['event_id'] === lastId, 'the marker');
  await bob.client.sendTyping(roomId, true, 5_000);
  await until(() => ofAlice.getMember(bob.userId)?.typing === true, 'the typing');
  await alice.client.redactEvent(roomId, lastId, undefined, { reason: 'typo' });
  await until(() => ofBob.findEventById(lastId)?.isRedacted() === true, 'the redaction');
  await alice.client.setDisplayName('Alice A.');
  await until(() => ofBob.getMember(alice.userId)?.name === 'Alice A.', 'the name');
  await bob.client.setRoomTag(roomId, 'm.favourite', { order: 0.1 });
  await until(() => Object.hasOwn(ofBob.tags, 'm.favourite'), 'the tag');

  const { accessToken, deviceId } = await server.login('bob', { password: 'bob-secret' });
  await using tablet = sdkClient(server.baseUrl, bob.userId, accessToken, deviceId);
  await tablet.start();
  const onTablet = tablet.client.getRoom(roomId)!;
  expect(onTablet.getJoinedMemberCount()).toBe(2);
  while (onTablet.getLiveTimeline().getPaginationToken(EventTimeline.BACKWARDS) !== null) {
    await tablet.client.scrollback(onTablet, 10);
  }
  expect(bodies(onTablet)[0]).toBe('m.room.create');
  expect(bodies(onTablet).filter((body) => /^m\d+$/.test(body))).toHaveLength(29);

  await alice.client.kick(roomId, bob.userId, 'bye');
  await until(() => onTablet.getMyMembership() === 'leave', 'the kick');
  await alice.client.leave(roomId);
  await alice.client.forget(roomId);
  await until(() => alice.client.getRoom(roomId) === null, 'the forgetting');
});
