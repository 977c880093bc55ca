/**
 * Checks a transaction of another server, whose signature was good, and takes out of it what this server acts on.
 *
 * Lists that are absent or null count as empty. What is too large or has the wrong shape as a whole is refused; a bad part costs only
 * itself. Nothing of the body is kept. Source: S-S API "Transactions" (50 PDUs, 100 EDUs).
 */
import type { RemotePresence } from '../../core/engine-api.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, ServerName } from '../../matrix/identifiers.ts';
import { isJsonObject, type JsonObject } from '../../matrix/json-object.ts';
import { pduId } from './pdu-id.ts';
import { collectPresence, type DroppedReason, type PresenceEduOptions } from './presence-edu.ts';

export interface Transaction {
  readonly pdus: number;
  /** Of the PDUs that can be named. */
  readonly pduIds: readonly EventId[];
  readonly edus: number;
  /** EDUs of other kinds, or of no kind. */
  readonly ignoredEdus: number;
  readonly presence: readonly RemotePresence[];
  readonly dropped: ReadonlyMap<DroppedReason, number>;
}

const MAX_PDUS = 50;
const MAX_EDUS = 100;

/**
 * @param options - null if presence is not tracked: none is taken out
 * @throws MatrixError 400 `M_BAD_JSON` for the wrong shape and too many PDUs or EDUs, 403 `M_FORBIDDEN` when it names another origin
 */
export function parseTransaction(
  origin: ServerName,
  body: unknown,
  now: number,
  options: PresenceEduOptions | null,
): Transaction {
  if (!isJsonObject(body)) throw new MatrixError(400, 'M_BAD_JSON', 'The body must be a JSON object');
  const { origin: named } = body;
  if (named !== undefined && named !== null && named !== origin) {
    throw new MatrixError(403, 'M_FORBIDDEN', "'origin' is not the server that signed the request");
  }
  const pdus = listOf(body, 'pdus', MAX_PDUS);
  const edus = listOf(body, 'edus', MAX_EDUS);
  const contents = edus.filter(isPresence).map(({ content }) => content);
  const { entries, dropped } = options === null ? NO_PRESENCE : collectPresence(origin, contents, now, options);
  return {
    pdus: pdus.length,
    pduIds: pdus.map(pduId).filter((id) => id !== null),
    edus: edus.length,
    ignoredEdus: edus.length - contents.length,
    presence: entries,
    dropped,
  };
}

const NO_PRESENCE = { entries: [], dropped: new Map<DroppedReason, number>() };

function listOf(transaction: JsonObject, name: string, max: number): readonly unknown[] {
  const list = transaction[name];
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new MatrixError(400, 'M_BAD_JSON', `'${name}' must be a list`);
  if (list.length > max) throw new MatrixError(400, 'M_BAD_JSON', `'${name}' has more than ${max} entries`);
  return list as readonly unknown[];
}

function isPresence(edu: unknown): edu is { readonly content?: unknown } {
  return isJsonObject(edu) && edu['edu_type'] === 'm.presence';
}
