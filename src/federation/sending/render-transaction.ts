/**
 * Writes presence as other servers read it: an entry of `push`, and the transaction around the EDUs.
 *
 * Everything comes out as canonical JSON, so that it is signed as it is. What takes time about a state is written once and shared by all
 * destinations; `last_active_ago` is filled in when the transaction is made, which makes it exact.
 * Source: Matrix specification, server-server API, "m.presence"; behaviour §1.4 and §7.1.
 */
import type { UserPresenceState } from '../../core/user-presence-state.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import { PresenceState } from '../../matrix/presence-state.ts';

export const PRESENCE_EDU_TYPE = 'm.presence';

/** The text of an entry before and behind the number of `last_active_ago`; all of it in front if the user was never active. */
interface Written {
  readonly head: string;
  readonly tail: string | null;
}

export class StateWriter {
  readonly #maxKept: number;
  /** Two generations: when the young one is full it becomes the old one, and what was in that is forgotten. */
  #young = new Map<UserPresenceState, Written>();
  #old = new Map<UserPresenceState, Written>();
  #written = 0;

  /** @param maxKept - states remembered, twice; those that go to many destinations do so within seconds */
  constructor(maxKept = 2_000) {
    this.#maxKept = maxKept;
  }

  /** How many states have been written so far; others were put together from what was kept. */
  get written(): number {
    return this.#written;
  }

  /** One element of `push`. */
  entry(state: UserPresenceState, now: number): string {
    let written = this.#young.get(state);
    if (written === undefined) {
      written = this.#old.get(state) ?? this.#write(state);
      if (this.#young.size >= this.#maxKept) {
        this.#old = this.#young;
        this.#young = new Map();
      }
      this.#young.set(state, written);
    }
    if (written.tail === null) return written.head;
    return `${written.head}${Math.max(0, Math.floor(now - state.lastActiveTs))}${written.tail}`;
  }

  #write({ userId, state, statusMsg, lastActiveTs, currentlyActive }: UserPresenceState): Written {
    this.#written++;
    const active = state === PresenceState.ONLINE ? `"currently_active":${currentlyActive},` : '';
    const status = statusMsg === null || statusMsg === '' ? '' : `,"status_msg":${text(statusMsg)}`;
    const rest = `"presence":"${state}"${status},"user_id":${text(userId)}}`;
    if (lastActiveTs === 0) return { head: `{${active}${rest}`, tail: null };
    return { head: `{${active}"last_active_ago":`, tail: `,${rest}` };
  }
}

/** @param entries - elements of `push`, comma between them */
export function presenceEdu(entries: string): string {
  return `{"content":{"push":[${entries}]},"edu_type":"${PRESENCE_EDU_TYPE}"}`;
}

/** The body of `PUT /send/{txnId}`. @param edus - comma between them */
export function transactionBody(origin: ServerName, now: number, edus: string): string {
  return `{"edus":[${edus}],"origin":${JSON.stringify(origin)},"origin_server_ts":${Math.floor(now)},"pdus":[]}`;
}

/** JSON.stringify escapes what canonical JSON escapes, and half a surrogate pair, which no server could read. */
function text(value: string): string {
  return JSON.stringify(value.replace(/[\ud800-\udfff]/gu, '\ufffd'));
}
