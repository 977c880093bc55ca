/**
 * Makes a room: every event it starts with is checked against the ones before it, and all are written at once or none.
 *
 * Source: Matrix specification, client-server API, "POST /createRoom", with its order of events: create, the creator's
 * join, power levels, alias, preset, `initial_state`, name, topic, invites.
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, RoomAlias, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { Clock } from '../../ports/clock.ts';
import type { JsonObject, NewEvent, RoomStore } from '../../ports/room-store.ts';
import { authorise } from './auth-rules.ts';
import { buildEvent, type EventDraft } from './build-event.ts';
import { checkLocalUser } from './local-users.ts';
import { checkPowerLevelsShape } from './power-levels.ts';
import { type MemberProfiles, memberContent } from './profiles.ts';
import { initialPowerLevels, PRESETS, type RoomPreset } from './room-presets.ts';
import { RoomState } from './room-state.ts';
import { createContent, DEFAULT_ROOM_VERSION, parseRoomVersion } from './room-versions.ts';
import type { RoomWriter } from './room-writer.ts';

/** The request, checked for types. Absent members are undefined. */
export interface CreateRoomRequest {
  readonly visibility?: 'public' | 'private' | undefined;
  readonly preset?: RoomPreset | undefined;
  readonly room_alias_name?: string | undefined;
  readonly name?: string | undefined;
  readonly topic?: string | undefined;
  readonly invite?: readonly UserId[] | undefined;
  readonly is_direct?: boolean | undefined;
  readonly room_version?: string | undefined;
  readonly creation_content?: JsonObject | undefined;
  readonly initial_state?: readonly InitialState[] | undefined;
  readonly power_level_content_override?: JsonObject | undefined;
}

export interface InitialState {
  readonly type: string;
  readonly state_key?: string | undefined;
  readonly content: JsonObject;
}

export interface RoomCreatorOptions {
  readonly store: Pick<RoomStore, 'findAlias'>;
  readonly writer: Pick<RoomWriter, 'append'>;
  readonly clock: Clock;
  readonly serverName: string;
  readonly profiles: MemberProfiles;
  /** The part of a room id before the server name; unguessable. */
  readonly randomLocalpart: () => string;
}

/** Most invites and initial state events of one request. */
const MAX_INVITES = 1_000;
const MAX_INITIAL_STATE = 1_000;
const MAX_ALIAS_BYTES = 255;

/**
 * @throws MatrixError 400: M_UNSUPPORTED_ROOM_VERSION, M_ROOM_IN_USE (the alias is taken), M_INVALID_ROOM_STATE (the state the
 *   request asks for breaks the rules), M_INVALID_PARAM; 403 M_FORBIDDEN for an invited user of another server
 */
export async function createRoom(
  options: RoomCreatorOptions,
  creator: UserId,
  request: CreateRoomRequest,
): Promise<RoomId> {
  const version = parseRoomVersion(request.room_version ?? DEFAULT_ROOM_VERSION);
  const invited = checkInvites(request.invite ?? [], creator, options.serverName);
  const initialState = request.initial_state ?? [];
  if (initialState.length > MAX_INITIAL_STATE) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `'initial_state' has more than ${MAX_INITIAL_STATE} events`);
  }
  for (const { type, state_key: stateKey } of initialState) {
    if (type === 'm.room.member') checkLocalUser(stateKey, options.serverName);
  }
  const alias = parseAliasName(request.room_alias_name, options.serverName);
  if (alias !== null && (await options.store.findAlias(alias)) !== null) {
    throw new MatrixError(400, 'M_ROOM_IN_USE', `The alias ${alias} is taken`);
  }
  const roomId: RoomId = `!${options.randomLocalpart()}:${options.serverName}`;
  const isPublic = request.visibility === 'public';
  const drafts = [
    ...firstEvents(creator, request, createContent(version, creator, request.creation_content ?? {}), {
      joined: memberContent('join', await options.profiles.profileOf(creator)),
      alias,
      invited,
    }),
    ...(await inviteEvents(options.profiles, creator, invited, request.is_direct === true)),
  ];
  const events = chain(roomId, drafts, options.clock.now());
  await options.writer.append({
    roomId,
    create: { version, isPublic },
    events,
    aliases: alias === null ? [] : [{ alias, creator }],
  });
  return roomId;
}

function firstEvents(
  creator: UserId,
  request: CreateRoomRequest,
  created: JsonObject,
  { joined, alias, invited }: { joined: JsonObject; alias: RoomAlias | null; invited: readonly UserId[] },
): EventDraft[] {
  const preset = PRESETS[request.preset ?? (request.visibility === 'public' ? 'public_chat' : 'private_chat')];
  const given = [...(request.initial_state ?? [])];
  const draft = (type: string, content: JsonObject, stateKey = ''): EventDraft => ({
    type,
    stateKey,
    sender: creator,
    content,
  });
  // Power levels given as state take the place of the default ones: what follows must be allowed by them.
  const givenLevels = given.findIndex((each) => each.type === 'm.room.power_levels' && (each.state_key ?? '') === '');
  const levels =
    givenLevels >= 0
      ? (given.splice(givenLevels, 1)[0]?.content ?? {})
      : initialPowerLevels(creator, invited, preset, request.power_level_content_override ?? {});
  checkPowerLevelsShape(levels);
  const drafts = [
    draft('m.room.create', created),
    draft('m.room.member', joined, creator),
    draft('m.room.power_levels', levels),
  ];
  if (alias !== null) drafts.push(draft('m.room.canonical_alias', { alias }));
  const ofPreset: readonly (readonly [string, JsonObject])[] = [
    ['m.room.join_rules', { join_rule: preset.joinRule }],
    ['m.room.history_visibility', { history_visibility: preset.historyVisibility }],
    ['m.room.guest_access', { guest_access: preset.guestAccess }],
  ];
  for (const [type, content] of ofPreset) {
    if (!given.some((each) => each.type === type && (each.state_key ?? '') === '')) drafts.push(draft(type, content));
  }
  for (const each of given) drafts.push(draft(each.type, each.content, each.state_key ?? ''));
  if (request.name !== undefined && request.name !== '') drafts.push(draft('m.room.name', { name: request.name }));
  if (request.topic !== undefined && request.topic !== '') drafts.push(draft('m.room.topic', { topic: request.topic }));
  return drafts;
}

async function inviteEvents(
  profiles: MemberProfiles,
  creator: UserId,
  invited: readonly UserId[],
  isDirect: boolean,
): Promise<EventDraft[]> {
  const drafts: EventDraft[] = [];
  for (const userId of invited) {
    const content = memberContent('invite', await profiles.profileOf(userId));
    drafts.push({
      type: 'm.room.member',
      stateKey: userId,
      sender: creator,
      content: isDirect ? { ...content, is_direct: true } : content,
    });
  }
  return drafts;
}

/** Checks each event against the state the ones before it make, and links it to the one before it. */
function chain(roomId: RoomId, drafts: readonly EventDraft[], now: number): NewEvent[] {
  const state = new RoomState();
  const events: NewEvent[] = [];
  let previous: EventId | null = null;
  for (const draft of drafts) {
    if (previous !== null) {
      try {
        authorise(draft, state.toAuthState());
      } catch (error) {
        if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error;
        throw new MatrixError(
          400,
          'M_INVALID_ROOM_STATE',
          `The room cannot start like this: ${error.message}`,
          {},
          { cause: error },
        );
      }
    }
    const event = buildEvent(roomId, draft, previous, now);
    state.set(draft.type, draft.stateKey ?? '', draft);
    events.push(event);
    previous = event.eventId;
  }
  return events;
}

function checkInvites(invite: readonly UserId[], creator: UserId, serverName: string): readonly UserId[] {
  if (invite.length > MAX_INVITES) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `'invite' has more than ${MAX_INVITES} users`);
  }
  for (const userId of invite) checkLocalUser(userId, serverName);
  return [...new Set(invite)].filter((userId) => userId !== creator);
}

function parseAliasName(name: string | undefined, serverName: string): RoomAlias | null {
  if (name === undefined || name === '') return null;
  if (/[:\s\0#]/.test(name)) {
    throw new MatrixError(400, 'M_INVALID_PARAM', "'room_alias_name' is the part between '#' and ':' only");
  }
  const alias: RoomAlias = `#${name}:${serverName}`;
  if (Buffer.byteLength(alias) > MAX_ALIAS_BYTES) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `The alias is longer than ${MAX_ALIAS_BYTES} bytes`);
  }
  return alias;
}
