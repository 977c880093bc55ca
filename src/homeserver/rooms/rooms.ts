/**
 * The rooms of this server, put together: what the HTTP operations, the sync and presence each get.
 *
 * Nothing here is state: everything durable is in the store, typing ends by itself, and what is cached is bounded.
 */
import { randomBytes } from 'node:crypto';
import type { RoomId, ServerName, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RoomDirectory } from '../../ports/room-directory.ts';
import type { RoomStore } from '../../ports/room-store.ts';
import type { Notifier } from '../notifier.ts';
import { createRoom, type CreateRoomRequest } from './create-room.ts';
import { Directory } from './directory.ts';
import { JoinedMembers } from './joined-members.ts';
import { Memberships } from './memberships.ts';
import type { MemberProfiles } from './profiles.ts';
import { Receipts, type RoomAccountData } from './receipts.ts';
import { checkJoined } from './room-access.ts';
import { RoomEvents } from './room-events.ts';
import { RoomNames } from './room-names.ts';
import { RoomReader } from './room-reader.ts';
import type { RoomSync } from './room-sync.ts';
import { RoomWriter } from './room-writer.ts';
import { RoomSyncReader } from './sync-reader.ts';
import { Timeline } from './timeline.ts';
import { Typing } from './typing.ts';

export interface RoomsOptions {
  readonly store: RoomStore;
  readonly clock: Clock;
  readonly serverName: ServerName;
  readonly notifier: Pick<Notifier, 'notify' | 'notifyTyping'>;
  readonly profiles: MemberProfiles;
  readonly accountData: RoomAccountData;
  /** See `RoomSyncReaderOptions`. */
  readonly countsForPresence?: (roomId: RoomId) => boolean;
  /** Told of a failure to wake members about typing, which loses nothing. */
  readonly onError: (error: unknown) => void;
  /** @default 18 random letters and digits */
  readonly randomLocalpart?: () => string;
}

export interface Rooms {
  readonly createRoom: (creator: UserId, request: CreateRoomRequest) => Promise<RoomId>;
  readonly memberships: Memberships;
  readonly events: RoomEvents;
  readonly reader: RoomReader;
  readonly timeline: Timeline;
  readonly receipts: Receipts;
  readonly directory: Directory;
  /** For explanations. */
  readonly names: RoomNames;
  /** Starts or stops typing. 403 M_FORBIDDEN unless joined. `timeoutMs` null: stop. */
  readonly setTyping: (userId: UserId, roomId: RoomId, timeoutMs: number | null) => Promise<void>;
  /** For `/sync`. */
  readonly sync: RoomSync;
  /** For presence. */
  readonly roomDirectory: RoomDirectory;
  /** Ends the timers of typing. */
  close(): void;
}

export function createRooms(options: RoomsOptions): Rooms {
  const { store, clock, serverName, notifier, profiles, accountData } = options;
  const notify = (users: Iterable<UserId>, position: number): void => notifier.notify(users, position);
  const joinedMembers = new JoinedMembers(store);
  const writer = new RoomWriter({ store, clock, joinedMembers, notify });
  const typing = new Typing({
    clock,
    onChange: (roomId, serial) => {
      joinedMembers.of(roomId).then((members) => notifier.notifyTyping(members, serial), options.onError);
    },
  });
  // Somebody who has left is not typing any more.
  writer.onMembershipChange(({ roomId, userId, membership }) => {
    if (membership === 'leave') typing.stop(roomId, userId);
  });
  const creator = {
    store,
    writer,
    clock,
    serverName,
    profiles,
    randomLocalpart: options.randomLocalpart ?? randomLocalpart,
  };
  return {
    createRoom: (userId, request) => createRoom(creator, userId, request),
    memberships: new Memberships({ store, writer, serverName, profiles }),
    events: new RoomEvents({ store, writer, serverName }),
    reader: new RoomReader(store, clock),
    timeline: new Timeline(store, clock),
    receipts: new Receipts({ store, clock, joinedMembers, accountData, notify }),
    directory: new Directory(store, serverName),
    names: new RoomNames(store),
    setTyping: async (userId, roomId, timeoutMs) => {
      await checkJoined(store, roomId, userId);
      if (timeoutMs === null) typing.stop(roomId, userId);
      else typing.start(roomId, userId, timeoutMs);
    },
    sync: new RoomSyncReader({
      store,
      clock,
      joinedMembers,
      typing,
      ...(options.countsForPresence === undefined ? {} : { countsForPresence: options.countsForPresence }),
    }),
    roomDirectory: {
      loadJoined: () => store.loadJoined(),
      onMembershipChange: (listener) => writer.onMembershipChange(listener),
    },
    close: () => typing.close(),
  };
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function randomLocalpart(): string {
  let text = '';
  while (text.length < 18) {
    for (const byte of randomBytes(32)) {
      // The rest of a byte's range would make some letters likelier.
      if (byte < 248 && text.length < 18) text += LETTERS[byte % 62];
    }
  }
  return text;
}
