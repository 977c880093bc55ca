/**
 * Writes users, sessions, rooms and presence straight into a database, before the server starts: registering thousands
 * of users over HTTP would hash thousands of passwords.
 */
import { SqliteAccountStore } from '../../src/adapters/sqlite/account-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { SqlitePresenceStore } from '../../src/adapters/sqlite/presence-store.ts';
import { RecordingLogger } from '../../src/adapters/memory/logger.ts';
import { hashAccessToken } from '../../src/homeserver/accounts/access-tokens.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { PresenceState } from '../../src/matrix/presence-state.ts';
import type { LoadUser } from './closed-loop.ts';

export interface SeedOptions {
  readonly databasePath: string;
  readonly users: number;
  /** Also stores presence of every user, one in ten of them online. */
  readonly withPresence: boolean;
}

const SERVER_NAME = 'bench.test';

export async function seedUsers({ databasePath, users, withPresence }: SeedOptions): Promise<LoadUser[]> {
  const db = openDatabase({ path: databasePath, logger: new RecordingLogger() });
  const accounts = new SqliteAccountStore(db);
  const presence = new SqlitePresenceStore(db);
  const now = Date.now();
  const seeded: LoadUser[] = [];
  // Nobody waits for durability here, and a transaction a user would take minutes.
  db.exec('PRAGMA synchronous = OFF');
  for (let i = 0; i < users; i += 1) {
    const userId: UserId = `@user-${String(i).padStart(6, '0')}:${SERVER_NAME}`;
    const token = `tha_${String(i).padStart(43, '0')}`;
    seeded.push({ userId, token });
    await accounts.createUser(
      { userId, passwordHash: null, isAdmin: false, userType: null, creationTs: now, displayname: `User ${i}` },
      { userId, deviceId: 'BENCH', tokenHash: hashAccessToken(token), displayName: null, now },
    );
  }
  if (withPresence) {
    await presence.reservePositions(users + 1);
    await presence.write(
      seeded.map(({ userId }, i) => ({
        state: {
          userId: userId as UserId,
          state: i % 10 === 0 ? PresenceState.ONLINE : PresenceState.OFFLINE,
          lastActiveTs: now,
          lastFederationUpdateTs: now,
          lastUserSyncTs: now,
          statusMsg: i % 3 === 0 ? 'working from the garden' : null,
          currentlyActive: i % 10 === 0,
        },
        position: i + 1,
        routedTo: [],
        routedPosition: 0,
      })),
    );
  }
  db.close();
  return seeded;
}
