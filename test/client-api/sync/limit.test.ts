import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../support/start-test-server.ts';
import type { TestUser } from '../../support/test-client.ts';
import { eventsOf, roomOf, type SyncBody, tokenOf } from '../helpers.ts';

let server: TestServer;
let watcher: TestUser;
let others: TestUser[];

beforeAll(async () => {
  server = await startTestServer();
  const names = Array.from({ length: 8 }, (_, i) => `u${i}`);
  [watcher, ...others] = (await roomOf(server, 'watcher', ...names)) as [TestUser, ...TestUser[]];
});
afterAll(() => server.stop());

/** What a step of the history does. */
type Step =
  | { readonly kind: 'change'; readonly user: number; readonly state: 'online' | 'unavailable' | 'offline' }
  | { readonly kind: 'sync'; readonly limit: number }
  | { readonly kind: 'join' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      user: fc.nat({ max: 7 }),
      state: fc.constantFrom('online' as const, 'unavailable' as const, 'offline' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sync' as const), limit: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('join' as const) }) },
);

describe('presence.limit', () => {
  it('row 178: never loses anything: in the end the client knows what everybody knows', async () => {
    let serial = 0;
    const check = async (steps: readonly Step[]): Promise<void> => {
      let since = await tokenOf(watcher);
      const seen = new Map<string, string | undefined>();
      const expected = new Map<string, string>();
      const sync = async (limit: number): Promise<number> => {
        const filter = JSON.stringify({ presence: { limit } });
        const body: SyncBody = await watcher.sync({ since, filter, set_presence: 'offline' });
        since = body.next_batch;
        const events = eventsOf(body);
        expect(events.length).toBeLessThanOrEqual(limit);
        for (const { sender, content } of events) seen.set(sender, content.status_msg);
        return events.length;
      };
      for (const one of steps) {
        if (one.kind === 'sync') await sync(one.limit);
        else if (one.kind === 'join') {
          const roomId = await watcher.createRoom();
          for (const user of others.slice(0, 3)) await user.join(roomId);
        } else {
          serial += 1;
          const user = others[one.user]!;
          expected.set(user.userId, String(serial));
          expect((await user.setPresence(one.state, String(serial))).status).toBe(200);
        }
      }
      for (let i = 0; (await sync(1)) > 0; i += 1) expect(i).toBeLessThan(100);
      for (const [userId, status] of expected) expect([userId, seen.get(userId)]).toEqual([userId, status]);
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), check), { numRuns: 25 });
  });

  it('row 178: an initial sync is cut as well, and what follows is exactly the rest', async () => {
    const filter = '{"presence":{"limit":3}}';
    for (const user of others) await user.setPresence('online', 'all of us');
    const seen: string[] = [];
    let body: SyncBody = await watcher.sync({ filter, set_presence: 'offline' });
    while (eventsOf(body).length > 0) {
      expect(eventsOf(body).length).toBeLessThanOrEqual(3);
      seen.push(...eventsOf(body).map(({ sender }) => sender));
      body = await watcher.sync({ filter, since: body.next_batch, set_presence: 'offline' });
    }
    expect(seen.toSorted()).toEqual(others.map(({ userId }) => userId).toSorted());
  });
});
