import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../adapters/memory/manual-clock.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import { PortError } from '../../ports/errors.ts';
import type { SyncSession } from '../../presence/index.ts';
import { Notifier } from '../notifier.ts';
import type { RoomSync, RoomSyncChanges, RoomSyncRequest } from '../rooms/room-sync.ts';
import type { AccountDataChanges } from './account-data-sync.ts';
import { DEFAULT_FILTER, parseFilter } from './filter.ts';
import { parseStreamToken, type PresencePosition } from './stream-token.ts';
import { type SyncRequest, SyncService, type SyncServices } from './sync-service.ts';
import { isPending } from '../../../test/support/is-pending.ts';

const A: UserId = '@a:test';
const B: UserId = '@b:test';
const NO_ROOM_CHANGES: RoomSyncChanges = {
  joined: [],
  invited: [],
  knocked: [],
  left: [],
  newlyJoinedRooms: [],
  newlyVisibleUsers: new Set(),
  lostUsers: new Set(),
};

type Collect = Parameters<SyncServices['presence']['collect']>[1];

/** A world where A watches numbered users, with everything the service asks recorded. */
class World {
  readonly clock = new ManualClock();
  readonly notifier = new Notifier({ clock: this.clock, startPosition: 100, startTypingSerial: 5 });
  position = 100;
  typing = 5;
  presencePosition = 50;
  /** uid and position of what there is to collect. */
  updates: { uid: number; position: number }[] = [];
  forms: Uint8Array | null = null;
  collected: Collect[] = [];
  roomRequests: RoomSyncRequest[] = [];
  open = 0;
  begun: unknown[] = [];
  onChanges: (request: RoomSyncRequest) => Promise<RoomSyncChanges> = () => Promise.resolve(NO_ROOM_CHANGES);
  accountData: AccountDataChanges = { global: [], rooms: new Map() };
  aborts: (() => void)[] = [];

  readonly service = new SyncService({
    clock: this.clock,
    notifier: this.notifier,
    includeOfflineUsers: false,
    presence: this.#presence(),
    rooms: this.#rooms(),
    accounts: {
      accountDataChanges: () => Promise.resolve(this.accountData),
      findFilter: () => Promise.resolve(null),
    },
  });

  #presence(): SyncServices['presence'] {
    const newest = (): number => this.presencePosition;
    return {
      get position() {
        return newest();
      },
      beginSync: (_userId, _deviceId, options): SyncSession => {
        this.begun.push(options);
        this.open += 1;
        let isOver = false;
        return {
          end: () => {
            if (!isOver) this.open -= 1;
            isOver = true;
          },
        };
      },
      collect: (_observer, options) => {
        this.collected.push(options);
        const since = options.since?.resume ?? options.since?.position ?? 0;
        const due = this.updates.filter(
          ({ uid, position }) => position > since && (options.accept?.(`@${uid}:test`) ?? true),
        );
        const kept = due.slice(0, options.limit ?? due.length);
        const next: PresencePosition = {
          position: this.presencePosition,
          resume: kept.length < due.length ? (kept.at(-1)?.position ?? 0) : null,
        };
        return { uids: kept.map(({ uid }) => uid), forms: this.forms, next };
      },
      eventBody: (uid, form) => `{"sender":"@${uid}:test","form":${form}}`,
    };
  }

  #rooms(): RoomSync {
    return {
      position: () => Promise.resolve(this.position),
      typingSerial: () => this.typing,
      changes: (request) => {
        this.roomRequests.push(request);
        return this.onChanges(request);
      },
      joinedRooms: () => Promise.resolve([]),
    };
  }

  change(uid: number): void {
    this.presencePosition += 1;
    this.updates.push({ uid, position: this.presencePosition });
    this.notifier.wake([A]);
  }

  async sync(options: Partial<SyncRequest> & { token?: string } = {}): Promise<Answer> {
    const { token, ...rest } = options;
    const request: SyncRequest = {
      userId: A,
      deviceId: 'D',
      since: token === undefined ? null : parseStreamToken(token),
      filter: DEFAULT_FILTER,
      fullState: false,
      timeoutMs: 0,
      setPresence: 'online',
      explicit: false,
      rateLimited: false,
      ...rest,
    };
    const text = await new Promise<string>((answered, failed) => {
      this.service.sync(request, { answered, failed, onAborted: (listener) => this.aborts.push(listener) });
    });
    return JSON.parse(text) as Answer;
  }
}

interface Answer {
  readonly next_batch: string;
  readonly presence?: { readonly events: readonly { readonly sender: string }[] };
  readonly rooms: { readonly join: Record<string, unknown> };
  readonly account_data: { readonly events: readonly unknown[] };
}

const NOW = 's100_50_5';

function senders(answer: Answer): string[] {
  return (answer.presence?.events ?? []).map(({ sender }) => sender);
}

describe('SyncService', () => {
  it('row 174: has every section that clients expect, and no empty presence section', async () => {
    const world = new World();
    const answer = await world.sync();
    expect(answer).toEqual({
      next_batch: NOW,
      rooms: { join: {}, invite: {}, knock: {}, leave: {} },
      account_data: { events: [] },
      to_device: { events: [] },
      device_lists: { changed: [], left: [] },
      device_one_time_keys_count: {},
      device_unused_fallback_key_types: [],
    });
    expect(world.roomRequests).toMatchObject([{ since: null, typingSince: null, upTo: 100 }]);
    expect(world.collected).toMatchObject([{ since: null, extras: [] }]);
  });

  it('row 181: waits, and answers with the update that ends the wait, without asking about rooms', async () => {
    const world = new World();
    const poll = world.sync({ token: NOW, timeoutMs: 30_000 });
    expect(await isPending(world, poll)).toBe(true);
    world.change(7);
    const answer = await poll;
    expect(senders(answer)).toEqual(['@7:test']);
    expect(answer.next_batch).toBe('s100_51_5');
    expect(world.roomRequests).toEqual([]);
    expect(world.open).toBe(0);
    expect(world.notifier.stats.waiters).toBe(0);
  });

  it('answers with the same token when the time is over', async () => {
    const world = new World();
    const poll = world.sync({ token: NOW, timeoutMs: 30_000 });
    await world.clock.advance(30_100);
    expect((await poll).next_batch).toBe(NOW);
    expect(world.open).toBe(0);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('does not wait without a timeout, initially, or for the full state', async () => {
    const world = new World();
    await world.sync({ token: NOW });
    await world.sync({ timeoutMs: 30_000 });
    await world.sync({ token: NOW, fullState: true, timeoutMs: 30_000 });
    expect(world.collected.map(({ since }) => since)).toEqual([{ position: 50, resume: null }, null, null]);
    expect(world.roomRequests.map(({ since, fullState }) => [since, fullState])).toEqual([
      [null, false],
      [100, true],
    ]);
  });

  it('row 181: a wake-up that filters leave nothing of does not end the poll, and the token moves on', async () => {
    const world = new World();
    const filter = parseFilter({ presence: { senders: ['@9:test'] } });
    const poll = world.sync({ token: NOW, filter, timeoutMs: 30_000 });
    await world.clock.settle();
    world.change(7);
    expect(await isPending(world, poll)).toBe(true);
    await world.clock.advance(30_100);
    const answer = await poll;
    expect(answer.presence).toBeUndefined();
    expect(answer.next_batch).toBe('s100_51_5');
  });

  it('keeps waiting until the first deadline, however often it is woken for nothing', async () => {
    const world = new World();
    const poll = world.sync({ token: NOW, timeoutMs: 1000 });
    for (let i = 0; i < 9; i += 1) {
      await world.clock.advance(100);
      world.notifier.wake([A]);
      expect(await isPending(world, poll)).toBe(true);
    }
    await world.clock.advance(200);
    expect(await isPending(world, poll)).toBe(false);
  });

  it('row 175: a filter without presence does not even collect', async () => {
    const world = new World();
    const filter = parseFilter({ presence: { types: [] } });
    world.updates = [{ uid: 7, position: 50 }];
    expect((await world.sync({ filter })).presence).toBeUndefined();
    expect(world.collected).toEqual([]);
  });

  it('row 178: keeps what a limit left owed while presence is filtered out', async () => {
    const world = new World();
    world.updates = [1, 2, 3].map((uid) => ({ uid, position: 40 + uid }));
    const one = parseFilter({ presence: { limit: 1 } });
    const first = await world.sync({ filter: one });
    expect(senders(first)).toEqual(['@1:test']);
    const without = await world.sync({ token: first.next_batch, filter: parseFilter({ presence: { types: [] } }) });
    expect(without.next_batch).toBe(first.next_batch);
    const second = await world.sync({ token: without.next_batch, filter: one, timeoutMs: 30_000 });
    const third = await world.sync({ token: second.next_batch, filter: one, timeoutMs: 30_000 });
    expect([senders(second), senders(third)]).toEqual([['@2:test'], ['@3:test']]);
    expect(third.next_batch).toBe(NOW);
  });

  it('misses nothing that happens while it computes', async () => {
    const world = new World();
    let finish = (): void => undefined;
    world.onChanges = () =>
      new Promise((resolve) => {
        finish = () => {
          resolve(NO_ROOM_CHANGES);
        };
      });
    world.notifier.notify([A], 101);
    world.position = 101;
    const poll = world.sync({ token: NOW, timeoutMs: 30_000 });
    await world.clock.settle();
    // The rooms are being computed for 101; now 102 arrives.
    world.notifier.notify([A], 102);
    world.position = 102;
    finish();
    await world.clock.settle();
    expect(world.roomRequests.map(({ since, upTo }) => [since, upTo])).toEqual([
      [100, 101],
      [101, 102],
    ]);
    finish();
    expect(await isPending(world, poll)).toBe(true);
  });

  it('row 79: passes those who are new in a room to presence, once', async () => {
    const world = new World();
    world.onChanges = ({ since }) =>
      Promise.resolve({ ...NO_ROOM_CHANGES, newlyVisibleUsers: new Set(since === 100 ? [B] : []) });
    world.position = 101;
    world.notifier.notify([A], 101);
    const first = await world.sync({ token: NOW });
    await world.sync({ token: first.next_batch });
    expect(world.collected.map(({ extras }) => extras)).toEqual([[B], []]);
  });

  it('passes those who may be out of sight to presence, and tells of everybody in their form', async () => {
    const world = new World();
    world.onChanges = ({ since }) =>
      Promise.resolve({ ...NO_ROOM_CHANGES, lostUsers: new Set(since === 100 ? [B] : []) });
    world.position = 101;
    world.notifier.notify([A], 101);
    const first = await world.sync({ token: NOW });
    await world.sync({ token: first.next_batch });
    expect(world.collected.map(({ lost }) => lost)).toEqual([[B], []]);
    world.updates = [1, 2].map((uid) => ({ uid, position: 50 + uid }));
    world.forms = Uint8Array.of(0, 8);
    const second = await world.sync({ token: first.next_batch });
    expect(second.presence?.events).toEqual([
      { sender: '@1:test', form: 0 },
      { sender: '@2:test', form: 8 },
    ]);
    await world.sync({ token: NOW, fullState: true });
    await world.sync();
    expect(world.begun.map((options) => (options as { isWhole?: boolean }).isWhole ?? false)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  it('ends a poll for account data, with the rooms that have nothing else', async () => {
    const world = new World();
    const poll = world.sync({ token: NOW, timeoutMs: 30_000 });
    await world.clock.settle();
    world.accountData = { global: [{ type: 'im.theme', content: { dark: true } }], rooms: new Map() };
    world.position = 101;
    world.notifier.notify([A], 101);
    expect((await poll).account_data.events).toEqual([{ type: 'im.theme', content: { dark: true } }]);
  });

  it('asks about rooms when somebody types, and only then', async () => {
    const world = new World();
    const poll = world.sync({ token: NOW, timeoutMs: 30_000 });
    await world.clock.settle();
    world.typing = 6;
    world.change(7);
    await poll;
    expect(world.roomRequests).toEqual([]);
    world.notifier.notifyTyping([A], 6);
    await world.sync({ token: NOW });
    expect(world.roomRequests).toMatchObject([{ since: 100, typingSince: 5 }]);
  });

  it.each(['s999_999~998_999', 's100_51_5', 's999_50_5', 's100_50_6'])('row 183: clamps %s', async (token) => {
    const world = new World();
    const answer = await world.sync({ token });
    expect(answer.next_batch).toBe(NOW);
    expect(world.collected).toMatchObject([{ since: { position: 50, resume: null } }]);
  });

  it('ends the presence session when the client is gone, and asks nothing more', async () => {
    const world = new World();
    const poll = world.sync({ token: NOW, timeoutMs: 30_000 });
    await world.clock.settle();
    expect(world.open).toBe(1);
    for (const abort of world.aborts) abort();
    await poll;
    expect(world.open).toBe(0);
    expect(world.clock.pendingTimers).toBe(0);
    expect(world.notifier.stats.waiters).toBe(0);
  });

  it('ends the presence session when the database fails', async () => {
    const world = new World();
    world.onChanges = () => Promise.reject(new PortError('RoomStore', 'changes', true, 'locked'));
    await expect(world.sync()).rejects.toMatchObject({ code: 'PRESENCE_ERR_PORT' });
    expect(world.open).toBe(0);
    expect(world.notifier.stats.waiters).toBe(0);
  });

  it('answers every poll when the server stops', async () => {
    const world = new World();
    const poll = world.sync({ token: NOW, timeoutMs: 30_000 });
    await world.clock.settle();
    world.notifier.stop();
    expect((await poll).next_batch).toBe(NOW);
    expect(world.open).toBe(0);
  });

  it('hands on what the request says about presence', async () => {
    const world = new World();
    await world.sync({ setPresence: 'unavailable', explicit: true, rateLimited: true });
    expect(world.begun).toMatchObject([{ setPresence: 'unavailable', explicit: true, rateLimited: true }]);
  });
});
