/**
 * What a member event shows of its user's profile.
 *
 * Source: Matrix specification, client-server API, "m.room.member" and "Events on Change of Profile Information".
 */
import type { UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, Membership } from '../../ports/room-store.ts';

export interface MemberProfile {
  readonly displayname: string | null;
  readonly avatarUrl: string | null;
}

export interface MemberProfiles {
  /** The user's profile; both null for a user who has none or does not exist. */
  profileOf(userId: UserId): Promise<MemberProfile>;
}

export function memberContent(membership: Membership, profile: MemberProfile | null): JsonObject {
  const content: Record<string, unknown> = { membership };
  if (profile === null) return content;
  if (profile.displayname !== null) content['displayname'] = profile.displayname;
  if (profile.avatarUrl !== null) content['avatar_url'] = profile.avatarUrl;
  return content;
}
