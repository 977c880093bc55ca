/**
 * GET /server: what runs here, since when, and how much there is of what.
 */
import { z } from 'zod';
import type { PresenceView } from '../../presence/index.ts';
import { type AdminOperation, defineOperation } from './operation.ts';

export interface GetServerInfoServices {
  readonly presence: {
    readonly mode: 'tracked' | 'untracked' | 'disabled';
    readonly view: Pick<PresenceView, 'stats'>;
  };
  readonly serverName: string;
  /** Of this software. */
  readonly version: string;
  /** When the server was started, in ms since the epoch. */
  readonly startedTs: number;
  readonly clock: { now(): number };
}

const count = (description: string) => z.int().min(0).meta({ description });

const answer = z
  .object({
    name: z.literal('Thalamus'),
    version: z.string().meta({ description: 'Of this software.' }),
    server_name: z.string().meta({ description: 'The part of user ids after the colon.' }),
    presence: z.object({
      mode: z
        .enum(['tracked', 'untracked', 'disabled'])
        .meta({ description: 'What `presence.enabled` of the configuration says.' }),
    }),
    started_ts: z.int().meta({ description: 'When it was started, in ms since 1970.' }),
    uptime_ms: count('For how long it has been running.'),
    node_version: z.string().meta({ description: 'Of Node.js.' }),
    counts: z.object({
      users: count('Users whose presence is known, local ones and those of other servers; without strangers.'),
      strangers: count('Users of other servers whom nobody here may see: of these only the newest state is kept.'),
      devices: count('Devices that claim to be there or have a sync open, and what modules set.'),
      observers: count('Local users who are connected: a sync is open, or ended a minute ago at most.'),
      rooms: count('Rooms that let users see each other.'),
      timers: count('Users for whom the time will change something.'),
      pending_updates: count('Updates that wait for the next sync of their observers.'),
      kept_answers: count('Users about whose last update a module has named further observers.'),
      full_presence_marks: count('Users whose devices get a full snapshot with their next sync.'),
      unsaved: count('Users with activity that is not on disk yet.'),
    }),
  })
  .meta({ id: 'Server' });

export function getServerInfo(services: GetServerInfoServices): AdminOperation {
  const { presence, clock, serverName, version, startedTs } = services;
  return defineOperation({
    operationId: 'getServerInfo',
    method: 'GET',
    path: '/server',
    summary: 'The server, and counts of what it holds',
    answer: { description: 'The server.', schema: answer },
    handler: () => {
      const stats = presence.view.stats();
      return {
        name: 'Thalamus' as const,
        version,
        server_name: serverName,
        presence: { mode: presence.mode },
        started_ts: startedTs,
        uptime_ms: Math.max(0, clock.now() - startedTs),
        node_version: process.version,
        counts: {
          users: stats.users,
          strangers: stats.strangers,
          devices: stats.devices,
          observers: stats.observers,
          rooms: stats.rooms,
          timers: stats.timers,
          pending_updates: stats.pending,
          kept_answers: stats.keptAnswers,
          full_presence_marks: stats.fullPresenceMarks,
          unsaved: stats.unpersisted,
        },
      };
    },
  });
}
