/**
 * How users and their devices look in answers of the admin API, and how records become that.
 */
import { z } from 'zod';
import { PRESENCE_STATES } from '../../matrix/presence-state.ts';
import type { KnownUser } from '../../presence/index.ts';

export const presenceState = z.enum(PRESENCE_STATES).meta({
  description: 'A state of the Matrix specification, or busy of MSC3026.',
});
const timestamp = (description: string) =>
  z
    .int()
    .nullable()
    .meta({ description: `${description}, in ms since 1970; null for never.` });

const shared = {
  user_id: z.string(),
  presence: presenceState.meta({ description: 'As those who may see it do.' }),
  status_msg: z.string().nullable(),
  currently_active: z.boolean(),
  last_active_ts: timestamp('The last activity'),
  last_sync_ts: timestamp('Start or end of the last sync that affected presence; of local users'),
  last_federation_update_ts: timestamp(
    'When other servers were told last; of a user of another server, when it told us',
  ),
  is_local: z.boolean().meta({ description: 'Whether it is a user of this server.' }),
  is_connected: z.boolean().meta({ description: 'Whether a sync is open, or ended a minute ago at most.' }),
};

export const userSummary = z.object(shared).meta({ id: 'UserSummary' });

const device = z
  .object({
    device_id: z.string().nullable().meta({ description: 'Null for what stands in the place of devices.' }),
    kind: z.enum(['device', 'managed', 'restored']).meta({
      description:
        '`managed`: what a module set with `setPresenceForUsers`. `restored`: what a restart found, until a device says something or its time is over.',
    }),
    presence: presenceState,
    why: z.enum(['claimed', 'idle', 'module', 'restart']).meta({
      description:
        'Where the state comes from: `claimed` by the device itself, or `idle`: it was online and nothing was done for long.',
    }),
    decides: z.boolean().meta({ description: "Whether the user's state is this one's." }),
    open_syncs: z.int().min(0).meta({ description: 'Syncs that are open and count for presence.' }),
    last_sync_ts: timestamp('Start or end of its last sync that affected presence'),
    last_active_ts: timestamp('Its last activity'),
    expires_ts: z
      .int()
      .nullable()
      .meta({ description: 'When it ends whatever happens, in ms since 1970; null for devices.' }),
  })
  .meta({ id: 'Device' });

export const user = z
  .object({
    ...shared,
    is_stranger: z.boolean().meta({
      description: 'A user of another server whom nobody here may see: only the newest state is kept, for a while.',
    }),
    made_of: z.enum(['nothing', 'devices', 'module', 'server']).meta({
      description:
        "What the state is made of: the strongest of the `devices`; what a `module` set, until the next input; what the user's own `server` said, or a module about them; or `nothing`: nobody has said anything.",
    }),
    devices: z.array(device).meta({ description: 'Of a local user: what is there, the one that decides first.' }),
  })
  .meta({ id: 'User' });

export function toSummary({ state, isLocal, isConnected }: Pick<KnownUser, 'state' | 'isLocal' | 'isConnected'>) {
  return {
    user_id: state.userId,
    presence: state.state,
    status_msg: state.statusMsg,
    currently_active: state.currentlyActive,
    last_active_ts: orNever(state.lastActiveTs),
    last_sync_ts: orNever(state.lastUserSyncTs),
    last_federation_update_ts: orNever(state.lastFederationUpdateTs),
    is_local: isLocal,
    is_connected: isConnected,
  };
}

export function toUser(known: KnownUser): z.input<typeof user> {
  const devices = known.devices
    .map((one) => toDevice(one, known.state.state))
    .toSorted((a, b) => strength(b) - strength(a) || (b.last_sync_ts ?? 0) - (a.last_sync_ts ?? 0));
  return { ...toSummary(known), is_stranger: known.isStranger, made_of: madeOf(known), devices };
}

function madeOf({ isLocal, state, devices }: KnownUser): z.input<typeof user>['made_of'] {
  if (!isLocal) return 'server';
  const isOffline = state.state === 'offline';
  // Without a device offline is what is left; any other difference was set past the devices.
  if (devices.some((one) => one.state !== 'offline')) return isDecided(devices, state.state) ? 'devices' : 'module';
  return isOffline ? 'nothing' : 'module';
}

function isDecided(devices: KnownUser['devices'], state: string): boolean {
  return devices.some((one) => one.state === state);
}

const WHY = { device: 'claimed', managed: 'module', restored: 'restart' } as const;

function toDevice(one: KnownUser['devices'][number], stateOfUser: string): z.input<typeof device> {
  return {
    device_id: one.deviceId,
    kind: one.kind,
    presence: one.state,
    why: one.isIdle ? 'idle' : WHY[one.kind],
    decides: one.state === stateOfUser && one.state !== 'offline',
    open_syncs: one.openSyncs,
    last_sync_ts: orNever(one.lastSyncTs),
    last_active_ts: orNever(one.lastActiveTs),
    expires_ts: Number.isFinite(one.expiresTs) ? one.expiresTs : null,
  };
}

/** Those that decide are first, and then the stronger ones. */
function strength({ decides, presence }: z.input<typeof device>): number {
  return PRESENCE_STATES.indexOf(presence) + (decides ? PRESENCE_STATES.length : 0);
}

function orNever(ts: number): number | null {
  return ts === 0 ? null : Math.round(ts);
}
