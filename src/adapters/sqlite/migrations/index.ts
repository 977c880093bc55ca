/**
 * Every schema migration, in order. The version of the last one is the schema this release writes.
 */
import { presenceMigration } from './0001-presence.ts';
import { accountsMigration } from './0002-accounts.ts';
import { roomsMigration } from './0003-rooms.ts';
import { transactionAgeMigration } from './0004-transaction-age.ts';
import { federationMigration } from './0005-federation.ts';
import type { Migration } from './migration.ts';

export const MIGRATIONS: readonly Migration[] = [
  presenceMigration,
  accountsMigration,
  roomsMigration,
  transactionAgeMigration,
  federationMigration,
];
