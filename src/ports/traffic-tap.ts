/**
 * Hears of everything that decides who is told of whom, and of who was told: ids and states, never what somebody says about themself.
 *
 * For the record that `thalamus module test --against` replays. A tap must not throw, and must not wait.
 */
import type { RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';

export interface TrafficTap {
  /** Once, before anything else. `read` tells what is true at the time of each call. */
  begin(read: () => TrafficSnapshot): void;
  /** `ts`: when, in ms since the epoch. */
  joined(roomId: RoomId, userId: UserId, ts: number): void;
  left(roomId: RoomId, userId: UserId, ts: number): void;
  /** A local user is an observer from now on. */
  connected(userId: UserId, ts: number): void;
  disconnected(userId: UserId, ts: number): void;
  told(update: ToldUpdate): void;
}

export interface TrafficSnapshot {
  /** To be read at once. */
  readonly rooms: Iterable<{ readonly roomId: RoomId; readonly members: readonly UserId[] }>;
  /** Connected ones. */
  readonly observers: readonly UserId[];
}

/** Whom an update is for, each observer in one list; the user's own clients are in none. */
export interface ToldObservers<Observer> {
  /** By default routing. */
  readonly byRooms: readonly Observer[];
  /** By modules alone. */
  readonly byModules: readonly Observer[];
  /** Of both, those who get less than everything: what is kept from them, as bits (`src/core/forms.ts`). */
  readonly reduced: readonly (readonly [Observer, number])[];
  /** Modules keep it from them. */
  readonly withheld: readonly Observer[];
}

/** One update of one user, when all modules have answered. */
export interface ToldUpdate {
  readonly ts: number;
  readonly userId: UserId;
  readonly state: PresenceState;
  readonly users: ToldObservers<UserId>;
  readonly servers: ToldObservers<ServerName>;
}

/** What has been recorded and is still there. */
export interface TrafficArchive {
  /** The lines as bytes, oldest first: up to what was recorded before the call. */
  read(): AsyncIterable<Uint8Array>;
}
