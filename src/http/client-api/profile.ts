/**
 * /profile: anybody may read, everybody writes their own.
 *
 * Source: C-S API "Profiles". What is not set is left out of the answer.
 */
import { z } from 'zod';
import type { Profiles } from '../../homeserver/accounts/profiles.ts';
import type { StoredProfile } from '../../ports/account-store.ts';
import { parseBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { ownUserId, pathUserId } from './own-user.ts';

const displaynameSchema = z.object({ displayname: z.string().nullable() });
const avatarUrlSchema = z.object({ avatar_url: z.string().nullable() });

export function profile({ profiles }: { readonly profiles: Profiles }): Route[] {
  const read = { method: 'GET', versions: STABLE_VERSIONS, auth: 'none' } as const;
  const write = { method: 'PUT', versions: STABLE_VERSIONS, auth: 'required' } as const;
  return [
    {
      ...read,
      path: '/profile/:userId',
      operationId: 'getUserProfile',
      handler: async (request) => {
        const found = await profiles.get(pathUserId(request));
        return { ...displaynameOf(found), ...avatarUrlOf(found) };
      },
    },
    {
      ...read,
      path: '/profile/:userId/displayname',
      operationId: 'getDisplayName',
      handler: async (request) => displaynameOf(await profiles.get(pathUserId(request))),
    },
    {
      ...read,
      path: '/profile/:userId/avatar_url',
      operationId: 'getAvatarUrl',
      handler: async (request) => avatarUrlOf(await profiles.get(pathUserId(request))),
    },
    {
      ...write,
      path: '/profile/:userId/displayname',
      operationId: 'setDisplayName',
      handler: (request) =>
        profiles.setDisplayname(ownUserId(request), parseBody(displaynameSchema, request).displayname),
    },
    {
      ...write,
      path: '/profile/:userId/avatar_url',
      operationId: 'setAvatarUrl',
      handler: (request) => profiles.setAvatarUrl(ownUserId(request), parseBody(avatarUrlSchema, request).avatar_url),
    },
  ];
}

function displaynameOf({ displayname }: StoredProfile): { displayname?: string } {
  return displayname === null ? {} : { displayname };
}

function avatarUrlOf({ avatarUrl }: StoredProfile): { avatar_url?: string } {
  return avatarUrl === null ? {} : { avatar_url: avatarUrl };
}
