/**
 * `presence`, its legacy switch, the rooms left out of it, and what one user may change how often.
 *
 * Names, defaults and checks are the reference server's; `max_status_msg_bytes` is ours.
 */
import { z } from 'zod';
import { DEFAULTS } from '../defaults.ts';
import { duration, flag, list, section, text, wholeNumber } from '../fields.ts';
import { moduleEntry } from './modules.ts';

const defaults = DEFAULTS.presence;

const enabled = z.preprocess(
  (value) => (value === 'untracked' ? value : (flag().safeParse(value).data ?? value)),
  z.union([z.boolean(), z.literal('untracked')], { error: 'must be true, false or "untracked"' }),
);

export const presence = section({
  enabled: enabled.optional().meta({
    description:
      'Whether presence is tracked. With `untracked`, what clients and other servers say is ignored and only modules set presence. Default: true.',
    example: true,
  }),
  include_offline_users_on_sync: flag().prefault(defaults.include_offline_users_on_sync).meta({
    description: 'Whether an initial or full-state sync also lists users who are offline.',
    example: false,
  }),
  tell_offline_on_loss: flag().prefault(defaults.tell_offline_on_loss).meta({
    description:
      'Whether somebody who goes out of sight of a user or a server, by leaving the last common room or because of a module, is told to them as offline, once. Without it, clients go on to show what they were told last.',
    example: true,
  }),
  last_active_granularity: duration().prefault(defaults.last_active_granularity).meta({
    description: 'For how long after an activity a user counts as currently active.',
    example: '1m',
  }),
  sync_online_timeout: duration().prefault(defaults.sync_online_timeout).meta({
    description:
      'How long after the end of its last sync a device goes offline. Keep it above the interval that `rc_presence` allows.',
    example: '30s',
  }),
  idle_timeout: duration().prefault(defaults.idle_timeout).meta({
    description:
      'An online device without activity becomes unavailable after this time. Greater than `last_active_granularity`.',
    example: '5m',
  }),
  max_status_msg_bytes: wholeNumber({ min: 0 }).prefault(defaults.max_status_msg_bytes).meta({
    description: 'Longest status message, in bytes of UTF-8; a longer one is refused with M_TOO_LARGE.',
    example: 65_536,
  }),
  presence_router: moduleEntry.optional().meta({
    description: 'Older spelling of one entry of `modules`; it comes after all others.',
    example: { module: './my-router.ts' },
  }),
}).prefault({});

export const presenceKeys = {
  presence: presence.meta({ description: 'Who is online, and for how long.' }),
  use_presence: flag().optional().meta({
    description: 'Older spelling of `presence.enabled`, read only when that is absent.',
    example: true,
  }),
  exclude_rooms_from_presence: list(text('must be a room id, such as "!abc:example.org"'))
    .prefault([])
    .meta({
      description: 'Ids of rooms that let nobody see anybody: sharing only these rooms is like sharing none.',
      example: ['!abc:example.org'],
    }),
};
