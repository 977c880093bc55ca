import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/adapters/memory/manual-clock.ts';
import { startTestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { look, roomOf, statesOf, staysOpen, type SyncBody, tokenOf, waitingPolls } from '../helpers.ts';

describe('a long poll', () => {
  it('row 181: ends when a room mate changes', async () => {
    await using server = await startTestServer();
    const [a, b] = (await roomOf(server, 'a', 'b')) as [TestUser, TestUser];
    const poll = look(a, await tokenOf(a), { timeout: 30_000 });
    await waitingPolls(server, 1);
    await b.setPresence('online');
    expect(statesOf(await poll)).toEqual({ [b.userId]: 'online' });
    await waitingPolls(server, 0);
  });

  it('ends on the user’s own change', async () => {
    await using server = await startTestServer();
    const u = await server.register('u');
    const poll = look(u, await tokenOf(u), { timeout: 30_000 });
    await waitingPolls(server, 1);
    await u.setPresence('online');
    expect(statesOf(await poll)).toEqual({ [u.userId]: 'online' });
  });

  it('does not end for presence that its filter leaves out, and the token passes it', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ overrides: { clock } });
    const [a, b, c] = (await roomOf(server, 'a', 'b', 'c')) as [TestUser, TestUser, TestUser];
    const filter = JSON.stringify({ presence: { senders: [c.userId] } });
    const poll = look(a, await tokenOf(a), { timeout: 10_000, filter });
    await waitingPolls(server, 1);
    await b.setPresence('online');
    expect(await staysOpen(server, poll)).toBe(true);
    await clock.advance(10_100);
    const body = await poll;
    expect(body.presence).toBeUndefined();
    expect((await look(a, body.next_batch)).presence).toBeUndefined();
  });

  it('answers with a token when nothing happens', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ overrides: { clock } });
    const u = await server.register('u');
    const since = await tokenOf(u);
    const poll = look(u, since, { timeout: 30_000 });
    await waitingPolls(server, 1);
    await clock.advance(29_900);
    expect(await staysOpen(server, poll)).toBe(true);
    await clock.advance(200);
    expect((await poll).next_batch).toBe(since);
  });

  it('does not wait without a timeout, and not longer than five minutes', async () => {
    const clock = new ManualClock();
    await using server = await startTestServer({ overrides: { clock } });
    const u = await server.register('u');
    const since = await tokenOf(u);
    await look(u, since);
    await look(u, since, { timeout: 0 });
    const poll = look(u, since, { timeout: 999_999_999 });
    await waitingPolls(server, 1);
    await clock.advance(300_100);
    await poll;
  });

  it('ends with 401 when its device is logged out, and only then', async () => {
    await using server = await startTestServer();
    const phone = await server.register('u', { deviceId: 'PHONE' });
    const tablet = await server.login('u', { deviceId: 'TABLET' });
    const other = await server.register('other', { deviceId: 'PHONE' });
    const open = async (user: TestUser) => {
      const query = { since: await tokenOf(user), timeout: 30_000, set_presence: 'offline' };
      return user.request('GET', '/sync', { query });
    };
    const [ofPhone, ofTablet, ofOther] = [open(phone), open(tablet), open(other)];
    await waitingPolls(server, 3);
    await phone.request('POST', '/logout');
    expect(await ofPhone).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: false } });
    await waitingPolls(server, 2);
    expect(await staysOpen(server, ofTablet)).toBe(true);
    expect(await staysOpen(server, ofOther)).toBe(true);
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'other' }, password: 'other' };
    await other.request('DELETE', '/devices/PHONE', { body: { auth } });
    expect((await ofOther).status).toBe(401);
    expect((await tablet.request('POST', '/logout/all')).status).toBe(200);
    expect((await ofTablet).status).toBe(401);
    await waitingPolls(server, 0);
  });

  it('leaves nothing behind when the client is gone', async () => {
    await using server = await startTestServer();
    const u = await server.register('u');
    const since = await tokenOf(u);
    const { port } = new URL(server.baseUrl);
    const socket = connect({ port: Number(port), host: '127.0.0.1' });
    socket.write(
      `GET /_matrix/client/v3/sync?timeout=280000&set_presence=offline&since=${since} HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: Bearer ${u.accessToken}\r\n\r\n`,
    );
    await waitingPolls(server, 1);
    socket.destroy();
    await waitingPolls(server, 0);
  });

  it('leaves nothing behind when the client is gone before the first answer of a router', async () => {
    const source = `
      export default class Slow {
        constructor(_config, api) {
          api.registerPresenceRouterCallbacks({
            getUsersForStates: () => new Map(),
            getInterestedUsers: () => new Promise((resolve) => { globalThis.answerSlowRouter = () => resolve([]); }),
          });
        }
      }`;
    await using server = await startTestServer({ modules: [{ source, module_callbacks: { timeout: '20s' } }] });
    const u = await server.register('u');
    const controller = new AbortController();
    const since = 's0_0_0';
    // Nothing to tell: without an end to its wait it would stay.
    const query = { since, timeout: 280_000, set_presence: 'offline' };
    const poll = u.sync(query, controller.signal).catch(() => 'gone');
    const world = globalThis as { answerSlowRouter?: () => void };
    await expect.poll(() => world.answerSlowRouter, { timeout: 10_000 }).toBeDefined();
    controller.abort();
    expect(await poll).toBe('gone');
    await server.request('GET', '/health');
    world.answerSlowRouter?.();
    await server.request('GET', '/health');
    await waitingPolls(server, 0);
  });

  it('answers when the server stops, and its token is good afterwards', async () => {
    await using server = await startTestServer();
    const [a, b] = (await roomOf(server, 'a', 'b')) as [TestUser, TestUser];
    const poll = look(a, await tokenOf(a), { timeout: 280_000 });
    await waitingPolls(server, 1);
    await server.restart();
    const body: SyncBody = await poll;
    await b.setPresence('online');
    expect(statesOf(await look(a, body.next_batch))).toEqual({ [b.userId]: 'online' });
  });

  it('a poll woken by presence does not ask the database', async () => {
    await using server = await startTestServer();
    const [a, b] = (await roomOf(server, 'a', 'b')) as [TestUser, TestUser];
    const since = await tokenOf(a);
    await b.setPresence('online');
    const body = await look(a, since);
    const parts = (token: string): string[] => token.split('_');
    // Rooms and typing stand where they stood.
    expect(parts(body.next_batch)[0]).toBe(parts(since)[0]);
    expect(parts(body.next_batch)[2]).toBe(parts(since)[2]);
    expect(body.rooms.join).toEqual({});
  });

  it('all devices and polls of a user hear of a change', async () => {
    await using server = await startTestServer();
    const [a, b] = (await roomOf(server, 'a', 'b')) as [TestUser, TestUser];
    const a2 = await server.login('a');
    const polls = [a, a, a2].map(async (user) => look(user, await tokenOf(user), { timeout: 30_000 }));
    await waitingPolls(server, 3);
    await b.setPresence('online');
    for (const body of await Promise.all(polls)) expect(statesOf(body)).toEqual({ [b.userId]: 'online' });
  });
});

describe('parameters', () => {
  it.each([
    [{ since: 'nonsense' }, 'M_INVALID_PARAM'],
    [{ since: '' }, 'M_INVALID_PARAM'],
    [{ since: 's1_2' }, 'M_INVALID_PARAM'],
    [{ timeout: 'soon' }, 'M_INVALID_PARAM'],
    [{ timeout: '-1' }, 'M_INVALID_PARAM'],
    [{ timeout: '1.5' }, 'M_INVALID_PARAM'],
    [{ full_state: 'maybe' }, 'M_INVALID_PARAM'],
    [{ set_presence: 'foo' }, 'M_INVALID_PARAM'],
    [{ filter: '{' }, 'M_NOT_JSON'],
    [{ filter: '{"room":5}' }, 'M_BAD_JSON'],
    [{ filter: '42' }, 'M_INVALID_PARAM'],
  ])('%j is answered with 400 %s, and has no effect', async (query, errcode) => {
    await using server = await startTestServer();
    const u = await server.register('u');
    const response = await u.request('GET', '/sync', { query });
    expect(response).toMatchObject({ status: 400, body: { errcode, error: expect.any(String) } });
    expect((await u.getPresence(u.userId)).body).toEqual({ presence: 'offline' });
  });

  it('is served under r0 and with the token in the query', async () => {
    await using server = await startTestServer();
    const u = await server.register('u');
    const { status } = await server.request('GET', '/_matrix/client/r0/sync', {
      query: { access_token: u.accessToken },
    });
    expect(status).toBe(200);
    expect(await server.request('GET', '/sync')).toMatchObject({ status: 401, body: { errcode: 'M_MISSING_TOKEN' } });
  });
});
