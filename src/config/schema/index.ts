/**
 * The whole file: every key that means something here, now or in a later mode.
 *
 * Read by the parser, by docs/reference/config.md and by the search for the nearest known key.
 */
import type { z } from 'zod';
import { flag, section } from '../fields.ts';
import { accountKeys } from './accounts.ts';
import { adminKeys } from './admin.ts';
import { federationKeys } from './federation.ts';
import { clusterKeys, redisKeys } from './later.ts';
import { moduleKeys } from './modules.ts';
import { presenceKeys } from './presence.ts';
import { serverKeys } from './server.ts';
import { storageKeys } from './storage.ts';
import { trafficKeys } from './traffic.ts';

const experimentalKeys = {
  experimental_features: section({
    msc3026_enabled: flag()
      .prefault(false)
      .meta({ description: 'Whether clients can be busy (`org.matrix.msc3026.busy`).', example: true }),
  })
    .prefault({})
    .meta({ description: 'Features that are not in the Matrix specification yet.' }),
};

export const SCHEMA_PARTS = [
  { title: 'Server', keys: serverKeys },
  { title: 'Storage', keys: storageKeys },
  { title: 'Presence', keys: presenceKeys },
  { title: 'Modules', keys: moduleKeys },
  { title: 'Recorded traffic', keys: trafficKeys },
  { title: 'Accounts and limits', keys: accountKeys },
  { title: 'Admin API', keys: adminKeys },
  { title: 'Experiments', keys: experimentalKeys },
  { title: 'Federation', keys: federationKeys },
  { title: 'Redis (no effect yet)', keys: redisKeys },
  { title: 'Cluster (no effect yet)', keys: clusterKeys },
] as const;

export const configSchema = section({
  ...serverKeys,
  ...storageKeys,
  ...presenceKeys,
  ...moduleKeys,
  ...trafficKeys,
  ...accountKeys,
  ...adminKeys,
  ...experimentalKeys,
  ...federationKeys,
  ...redisKeys,
  ...clusterKeys,
});

/** The file after parsing: snake_case still, defaults filled in, durations in milliseconds, sizes in bytes. */
export type ParsedFile = z.output<typeof configSchema>;

/** Groups of keys without effect yet: one warning each, at the first of them. */
export const LATER_GROUPS = [
  { name: 'redis', keys: Object.keys(redisKeys) },
  { name: 'cluster', keys: Object.keys(clusterKeys) },
] as const;
