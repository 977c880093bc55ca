/**
 * A scenario: who is where, what happens in which order, and who is expected to get what. Written as a file, run on a harness.
 */
import type { EngineOptions } from '../core/engine-api.ts';
import type { RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { PresenceState } from '../matrix/presence-state.ts';

/** A local user, or another server. */
export type Receiver = UserId | ServerName;

export interface Scenario {
  readonly serverName: ServerName;
  readonly mode: EngineOptions['mode'];
  /** Where the clock stands at the beginning, in ms since the epoch; undefined: where a harness has it. */
  readonly startTs: number | undefined;
  readonly accounts: ReadonlyMap<UserId, ScenarioAccount>;
  readonly rooms: ReadonlyMap<RoomId, readonly UserId[]>;
  /** Whose clients are connected from the beginning; null: every local member of a room. */
  readonly connected: readonly UserId[] | null;
  readonly steps: readonly ScenarioStep[];
  /** Of all steps together. */
  readonly expect: Expectation | null;
  /** Whether what the host complains about is part of the scenario. */
  readonly allowsProblems: boolean;
}

export interface ScenarioAccount {
  readonly isAdmin: boolean;
  readonly displayName: string | null;
}

export interface ScenarioStep {
  readonly action: ScenarioAction;
  readonly expect: Expectation | null;
}

export interface Shown {
  readonly state: PresenceState;
  readonly statusMsg?: string | null;
}

export type ScenarioAction =
  | { readonly kind: 'set_presence'; readonly user: UserId; readonly presence: Shown }
  | { readonly kind: 'join' | 'leave'; readonly room: RoomId; readonly users: readonly UserId[] }
  | { readonly kind: 'connect' | 'disconnect'; readonly users: readonly UserId[] }
  | {
      readonly kind: 'receive';
      readonly from: ServerName;
      readonly users: readonly (Shown & { readonly userId: UserId })[];
    }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'call'; readonly method: string; readonly arguments: readonly unknown[] }
  | { readonly kind: 'request'; readonly method: string; readonly path: string; readonly body: string | null }
  /** Null: everybody. */
  | {
      readonly kind: 'invalidate_interested_users' | 'invalidate_restrictions';
      readonly users: readonly UserId[] | null;
    }
  | { readonly kind: 'send_local_online_presence_to'; readonly users: readonly UserId[] }
  | { readonly kind: 'set_presence_for_users'; readonly users: ReadonlyMap<UserId, Shown> }
  | { readonly kind: 'get'; readonly observer: UserId; readonly target: UserId };

/** What a receiver is told about one user. A field that is undefined is not compared. */
export interface ExpectedPresence {
  readonly userId: UserId;
  readonly state?: PresenceState | undefined;
  readonly statusMsg?: string | null | undefined;
  readonly currentlyActive?: boolean | undefined;
}

/** No, yes, or yes and in this form. */
export type ExpectedSight = boolean | Omit<ExpectedPresence, 'userId'>;

export interface Expectation {
  /** In order. Who is not named is expected to get nothing. Null: not looked at. */
  readonly gets: ReadonlyMap<Receiver, readonly ExpectedPresence[]> | null;
  readonly sees: readonly { readonly observer: UserId; readonly target: UserId; readonly expected: ExpectedSight }[];
  /** Of a step `get`. Undefined: not looked at. */
  readonly answer: ExpectedSight | undefined;
}

/** What somebody was told. */
export interface ToldPresence {
  readonly userId: UserId;
  readonly state: PresenceState;
  readonly statusMsg: string | null;
  readonly currentlyActive: boolean;
}

export type Told = ReadonlyMap<Receiver, readonly ToldPresence[]>;

export type Mismatch =
  | { readonly kind: 'missing'; readonly receiver: Receiver; readonly expected: ExpectedPresence }
  | { readonly kind: 'unexpected'; readonly receiver: Receiver; readonly told: ToldPresence }
  | {
      readonly kind: 'different';
      readonly receiver: Receiver;
      readonly expected: ExpectedPresence;
      readonly told: ToldPresence;
    }
  | {
      readonly kind: 'sight';
      readonly observer: UserId;
      readonly target: UserId;
      readonly expected: ExpectedSight;
      readonly seen: ToldPresence | null;
    };

export interface StepOutcome {
  /** Without what users' own clients are told about them. */
  readonly told: Told;
  /** Of a step `get`; undefined of others. Null: not visible. */
  readonly answer: ToldPresence | null | undefined;
  /** Of a step `call` or `request`, in words; null if there is nothing to say. */
  readonly remark: string | null;
  /** What the host complained about. */
  readonly problems: readonly string[];
  readonly mismatches: readonly Mismatch[];
}

export interface ScenarioOutcome {
  /** Before the first step. */
  readonly start: StepOutcome;
  readonly steps: readonly StepOutcome[];
  /** All together, and what is not as the scenario's own expectation says. */
  readonly end: StepOutcome;
  /** Where the two callbacks of a module disagree. */
  readonly disagreements: readonly string[];
}
