/**
 * Real Matrix clients (matrix-js-sdk) against the real server over HTTP: rooms, a module without rooms, idling, going away,
 * status messages, and a restart in between.
 */
import { describe, expect, it } from 'vitest';
import { registerSdkClient, sdkClient } from '../support/sdk-client.ts';
import { startTestServer } from '../support/start-test-server.ts';

/** Short enough to live through, long enough for a busy machine: grace 1.5 s, idle 2 s. */
const timers = { last_active_granularity: 1000, sync_online_timeout: 1500, idle_timeout: 2000 };
const example = 'examples/custom-presence-router/custom-presence-router.ts';

const isOnline = ({ presence }: { presence: string }): boolean => presence === 'online';

describe('two matrix-js-sdk clients in a room', () => {
  it('see each other come, write a status message, idle and go', async () => {
    await using server = await startTestServer({ config: { presence: timers } });
    await using alice = await registerSdkClient(server.baseUrl, 'alice');
    await using bob = await registerSdkClient(server.baseUrl, 'bob');
    await alice.start();
    const { room_id: roomId } = await alice.client.createRoom({ name: 'Kitchen', invite: [bob.userId] });
    await bob.start();
    await bob.client.joinRoom(roomId);

    await alice.waitFor(bob.userId, 'online', isOnline);
    await bob.waitFor(alice.userId, 'online', isOnline);

    await bob.client.setPresence({ presence: 'online', status_msg: 'cooking 🍝' });
    await alice.waitFor(bob.userId, 'cooking', (seen) => seen.statusMsg === 'cooking 🍝');

    await alice.waitFor(bob.userId, 'idle', (seen) => seen.presence === 'unavailable');
    expect(alice.seen(bob.userId).statusMsg).toBe('cooking 🍝');

    await bob.client.sendTextMessage(roomId, 'dinner is ready');
    await alice.waitFor(bob.userId, 'online after a message', isOnline);

    bob.stop();
    await alice.waitFor(bob.userId, 'offline', (seen) => seen.presence === 'offline');
    expect(alice.seen(bob.userId).statusMsg).toBe('cooking 🍝');
  });

  it('have the room itself: name, members, messages, a redaction', async () => {
    await using server = await startTestServer();
    await using alice = await registerSdkClient(server.baseUrl, 'alice');
    await using bob = await registerSdkClient(server.baseUrl, 'bob');
    await alice.start();
    await bob.start();
    const { room_id: roomId } = await alice.client.createRoom({ name: 'Kitchen', invite: [bob.userId] });
    await bob.client.joinRoom(roomId);
    const { event_id: eventId } = await bob.client.sendTextMessage(roomId, 'hello');

    await expect.poll(() => alice.client.getRoom(roomId)?.findEventById(eventId)?.getContent().body).toBe('hello');
    expect(alice.client.getRoom(roomId)?.name).toBe('Kitchen');
    await expect.poll(() => alice.client.getRoom(roomId)?.getJoinedMembers().length).toBe(2);

    await bob.client.redactEvent(roomId, eventId);
    await expect.poll(() => alice.client.getRoom(roomId)?.findEventById(eventId)?.isRedacted()).toBe(true);
  });
});

describe('two matrix-js-sdk clients without a room', () => {
  it('see nothing of each other, unless a module says so, and then only what it says', async () => {
    await using server = await startTestServer({
      serverName: 'localhost',
      modules: [{ module: example }],
      config: { presence: timers },
    });
    await using alice = await registerSdkClient(server.baseUrl, 'alice');
    await using bob = await registerSdkClient(server.baseUrl, 'bob');
    await using dora = await registerSdkClient(server.baseUrl, 'dora');
    await alice.start();
    await dora.start();
    await bob.start();

    await alice.waitFor(bob.userId, 'online', isOnline);
    await bob.client.setPresence({ presence: 'online', status_msg: 'on the train' });
    await alice.waitFor(bob.userId, 'on the train', (seen) => seen.statusMsg === 'on the train');
    expect((await alice.client.getPresence(bob.userId)).presence).toBe('online');

    bob.stop();
    await alice.waitFor(bob.userId, 'offline', (seen) => seen.presence === 'offline');
    expect(alice.seen(dora.userId).presence).not.toBe('online');
    expect(bob.seen(alice.userId).events).toBe(0);
    expect(dora.seen(bob.userId).events).toBe(0);
    await expect(dora.client.getPresence(bob.userId)).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' });
  });
});

describe('a restart in between', () => {
  it('loses no account, room or status, and the clients carry on with their tokens', async () => {
    await using server = await startTestServer({ config: { presence: timers } });
    await using alice = await registerSdkClient(server.baseUrl, 'alice');
    await using bob = await registerSdkClient(server.baseUrl, 'bob');
    await alice.start({ pollTimeoutMs: 5_000 });
    const { room_id: roomId } = await alice.client.createRoom({ invite: [bob.userId] });
    await bob.start({ pollTimeoutMs: 5_000 });
    await bob.client.joinRoom(roomId);
    await bob.client.setPresence({ presence: 'unavailable', status_msg: 'away' });
    await alice.waitFor(bob.userId, 'away', (seen) => seen.statusMsg === 'away');
    bob.stop();

    await server.restart();

    await using bobAgain = sdkClient(server.baseUrl, bob.userId, bob.accessToken);
    await bobAgain.start();
    expect(bobAgain.client.getRoom(roomId)?.getMyMembership()).toBe('join');
    await bobAgain.client.setPresence({ presence: 'online', status_msg: 'back' });
    await alice.waitFor(bob.userId, 'back', (seen) => seen.statusMsg === 'back', 25_000);
  });
});
