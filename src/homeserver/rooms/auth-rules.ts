/**
 * Whether an event is allowed, given the state it is sent into.
 *
 * Pure: the caller reads the state (see `room-state.ts`). The rules are those of room versions 10 and 11 with the checks of
 * federation left out, since rooms are local. Source: Matrix specification, room version 11, "Authorization rules".
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, Membership } from '../../ports/room-store.ts';
import { checkPowerLevelsChange, checkPowerLevelsShape, type PowerLevels } from './power-levels.ts';

export interface AuthEvent {
  readonly type: string;
  readonly stateKey: string | null;
  readonly sender: UserId;
  readonly content: JsonObject;
}

/** The state an event is checked against: as it is just before the event. */
export interface AuthState {
  readonly creator: UserId;
  /** Whether the create event is still the only one. */
  readonly isNew: boolean;
  readonly powerLevels: PowerLevels;
  readonly joinRule: string;
  /** Of the sender and, for a member event, the target; null: never a member. */
  membershipOf(userId: UserId): Membership | null;
  /** For restricted rooms: whether the membership in some other room lets the sender in. */
  readonly restrictedJoinAllowed: boolean;
}

const MEMBERSHIPS: ReadonlySet<unknown> = new Set<Membership>(['invite', 'join', 'knock', 'leave', 'ban']);

/** Throws 403 `M_FORBIDDEN` saying which rule the event breaks, or 400 `M_BAD_JSON` when its content has the wrong shape. */
export function authorise(event: AuthEvent, state: AuthState): void {
  if (event.type === 'm.room.create') throw forbidden('A room is created once');
  if (event.type === 'm.room.member') {
    authoriseMember(event, state);
    return;
  }
  const { sender, type, stateKey } = event;
  if (state.membershipOf(sender) !== 'join') throw notJoined(sender);
  const own = state.powerLevels.ofUser(sender);
  if (type === 'm.room.third_party_invite') {
    needPower(own, state.powerLevels.forAction('invite'), 'invite others');
    return;
  }
  const needed = state.powerLevels.forEvent(type, stateKey !== null);
  needPower(own, needed, stateKey === null ? `send ${type}` : `change ${type}`);
  if (stateKey?.startsWith('@') === true && stateKey !== sender) {
    throw forbidden('A state key that is a user id may only be your own');
  }
  if (type === 'm.room.power_levels') {
    checkPowerLevelsShape(event.content);
    checkPowerLevelsChange(state.powerLevels, event.content, sender);
  }
}

/** Whether `sender` may redact an event of `author`. */
export function authoriseRedaction(sender: UserId, author: UserId, powerLevels: PowerLevels): void {
  if (sender === author) return;
  needPower(powerLevels.ofUser(sender), powerLevels.forAction('redact'), "redact other people's events");
}

function authoriseMember(event: AuthEvent, state: AuthState): void {
  const { sender, stateKey } = event;
  const membership = event.content['membership'];
  if (stateKey === null) throw new MatrixError(400, 'M_BAD_JSON', 'm.room.member needs a user id as its state key');
  if (!MEMBERSHIPS.has(membership)) {
    throw new MatrixError(400, 'M_BAD_JSON', "m.room.member: 'membership' must be invite, join, knock, leave or ban");
  }
  const target = stateKey as UserId;
  switch (membership as Membership) {
    case 'join':
      return authoriseJoin(sender, target, state);
    case 'invite':
      return authoriseInvite(sender, target, state);
    case 'leave':
      return sender === target ? authoriseLeave(sender, state) : authoriseKick(sender, target, state);
    case 'ban':
      return authoriseBan(sender, target, state);
    case 'knock':
      return authoriseKnock(sender, target, state);
  }
}

function authoriseJoin(sender: UserId, target: UserId, state: AuthState): void {
  if (state.isNew && target === state.creator && sender === target) return;
  if (sender !== target) throw forbidden('Nobody can join for somebody else');
  const current = state.membershipOf(target);
  if (current === 'ban') throw forbidden('You are banned from this room');
  if (current === 'join' || current === 'invite' || state.joinRule === 'public') return;
  const isRestricted = state.joinRule === 'restricted' || state.joinRule === 'knock_restricted';
  if (isRestricted && state.restrictedJoinAllowed) return;
  throw forbidden('You are not invited to this room');
}

function authoriseInvite(sender: UserId, target: UserId, state: AuthState): void {
  if (state.membershipOf(sender) !== 'join') throw notJoined(sender);
  const current = state.membershipOf(target);
  if (current === 'ban') throw forbidden(`${target} is banned from this room`);
  if (current === 'join') throw forbidden(`${target} is already in this room`);
  needPower(state.powerLevels.ofUser(sender), state.powerLevels.forAction('invite'), 'invite others');
}

function authoriseLeave(sender: UserId, state: AuthState): void {
  const current = state.membershipOf(sender);
  if (current === 'join' || current === 'invite' || current === 'knock') return;
  throw forbidden(current === 'ban' ? 'You are banned from this room' : 'You are not in this room');
}

function authoriseKick(sender: UserId, target: UserId, state: AuthState): void {
  if (state.membershipOf(sender) !== 'join') throw notJoined(sender);
  const { powerLevels } = state;
  const own = powerLevels.ofUser(sender);
  const isUnban = state.membershipOf(target) === 'ban';
  if (isUnban) needPower(own, powerLevels.forAction('ban'), 'unban others');
  needPower(own, powerLevels.forAction('kick'), isUnban ? 'unban others' : 'kick others');
  needMoreThan(own, powerLevels.ofUser(target), target);
}

function authoriseBan(sender: UserId, target: UserId, state: AuthState): void {
  if (state.membershipOf(sender) !== 'join') throw notJoined(sender);
  const own = state.powerLevels.ofUser(sender);
  needPower(own, state.powerLevels.forAction('ban'), 'ban others');
  needMoreThan(own, state.powerLevels.ofUser(target), target);
}

function authoriseKnock(sender: UserId, target: UserId, state: AuthState): void {
  if (state.joinRule !== 'knock' && state.joinRule !== 'knock_restricted') {
    throw forbidden('Nobody can knock at this room');
  }
  if (sender !== target) throw forbidden('Nobody can knock for somebody else');
  const current = state.membershipOf(target);
  if (current === 'ban') throw forbidden('You are banned from this room');
  if (current === 'invite') throw forbidden('You are invited to this room already');
  if (current === 'join') throw forbidden('You are in this room already');
}

function needPower(own: number, needed: number, what: string): void {
  if (own < needed) throw forbidden(`You have not enough power to ${what}: you have ${own}, it needs ${needed}`);
}

function needMoreThan(own: number, other: number, target: UserId): void {
  if (own <= other) throw forbidden(`You need more power than ${target}: you have ${own}, they have ${other}`);
}

function notJoined(sender: UserId): MatrixError {
  return forbidden(`${sender} is not in this room`);
}

function forbidden(message: string): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', message);
}
