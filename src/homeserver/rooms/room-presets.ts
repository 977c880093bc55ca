/**
 * What a new room starts with: the presets and the default power levels.
 *
 * Pure. Source: Matrix specification, client-server API, "POST /createRoom".
 */
import type { UserId } from '../../matrix/identifiers.ts';
import type { JsonObject } from '../../ports/room-store.ts';

export type RoomPreset = 'private_chat' | 'public_chat' | 'trusted_private_chat';

interface PresetState {
  readonly joinRule: 'invite' | 'public';
  readonly historyVisibility: 'shared';
  readonly guestAccess: 'can_join' | 'forbidden';
  /** Whether those who are invited at the start have the creator's power. */
  readonly invitedAreTrusted: boolean;
  /** Power that inviting needs. */
  readonly invite: number;
}

export const PRESETS: Readonly<Record<RoomPreset, PresetState>> = {
  private_chat: {
    joinRule: 'invite',
    historyVisibility: 'shared',
    guestAccess: 'can_join',
    invitedAreTrusted: false,
    invite: 0,
  },
  trusted_private_chat: {
    joinRule: 'invite',
    historyVisibility: 'shared',
    guestAccess: 'can_join',
    invitedAreTrusted: true,
    invite: 0,
  },
  public_chat: {
    joinRule: 'public',
    historyVisibility: 'shared',
    guestAccess: 'forbidden',
    invitedAreTrusted: false,
    invite: 50,
  },
};

/** Content of the first `m.room.power_levels`; top-level members of `override` take the place of these. */
export function initialPowerLevels(
  creator: UserId,
  invited: readonly UserId[],
  preset: PresetState,
  override: JsonObject,
): JsonObject {
  const users: Record<string, number> = { [creator]: 100 };
  if (preset.invitedAreTrusted) for (const userId of invited) users[userId] = 100;
  return {
    users,
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.canonical_alias': 50,
      'm.room.avatar': 50,
      'm.room.tombstone': 100,
      'm.room.server_acl': 100,
      'm.room.encryption': 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: preset.invite,
    ...override,
  };
}
