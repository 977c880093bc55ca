/**
 * The token of /sync (`since`, `next_batch`): where one client is in every stream at once. Opaque to clients.
 *
 * `s<homeserver position>_<presence position>[~<resume>]_<typing serial>`. The homeserver position covers events,
 * memberships, receipts and account data; `resume` says that presence up to its position is still owed from there on.
 * A token from the future is clamped: it comes from a database that was put back, and refusing it would lock clients out.
 */
import { MatrixError } from '../../matrix/errors.ts';

export interface StreamToken {
  readonly position: number;
  readonly presence: PresencePosition;
  readonly typing: number;
}

/** The engine's cursor, as the token carries it. */
export interface PresencePosition {
  readonly position: number;
  /** Owed from here on (exclusive) up to `position`; null when nothing is. */
  readonly resume: number | null;
}

const TOKEN = /^s([0-9]{1,15})_([0-9]{1,15})(?:~([0-9]{1,15}))?_([0-9]{1,15})$/;

/** Reads a token. Throws 400 `M_INVALID_PARAM` when it is not one of ours. */
export function parseStreamToken(text: string, parameter = 'since'): StreamToken {
  const match = TOKEN.exec(text);
  if (match === null) {
    throw new MatrixError(
      400,
      'M_INVALID_PARAM',
      `Query parameter '${parameter}' is not a token of this server: pass the next_batch of an earlier sync unchanged, or leave it out`,
    );
  }
  const resume = match[3];
  return {
    position: Number(match[1]),
    presence: { position: Number(match[2]), resume: resume === undefined ? null : Number(resume) },
    typing: Number(match[4]),
  };
}

/** Reads tokens, and the one that it read last without looking into it again: whoever was told of the same change has the same token. */
export class StreamTokenReader {
  #text: string | null = null;
  #token: StreamToken | null = null;

  /** As `parseStreamToken`. */
  read(text: string): StreamToken {
    if (this.#token === null || text !== this.#text) {
      this.#token = parseStreamToken(text);
      this.#text = text;
    }
    return this.#token;
  }
}

export function printStreamToken(token: StreamToken): string {
  const { position, presence, typing } = token;
  return presence.resume === null
    ? `s${position}_${presence.position}_${typing}`
    : `s${position}_${presence.position}~${presence.resume}_${typing}`;
}

/** The same token where no part is ahead of `newest`. */
export function clampStreamToken(token: StreamToken, newest: StreamToken): StreamToken {
  const { position, presence, typing } = token;
  if (
    position <= newest.position &&
    presence.position <= newest.presence.position &&
    typing <= newest.typing &&
    (presence.resume === null || presence.resume < presence.position)
  ) {
    return token;
  }
  const presencePosition = Math.min(presence.position, newest.presence.position);
  return {
    position: Math.min(position, newest.position),
    presence: {
      position: presencePosition,
      resume: presence.resume !== null && presence.resume < presencePosition ? presence.resume : null,
    },
    typing: Math.min(typing, newest.typing),
  };
}
