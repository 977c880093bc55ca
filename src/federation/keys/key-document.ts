/**
 * Checks the document in which a server publishes its keys, and takes the keys out of it.
 *
 * It must name that server, have one of its own keys under it, and be of today. How long its keys are good is said in this
 * server's time from then on: at most seven days, and a document whose author's clock is a little late lives for a minute.
 * Source: Matrix specification, server-server API, "Publishing Keys".
 */
import { isServerName, type ServerName } from '../../matrix/identifiers.ts';
import { isJsonObject, type JsonObject } from '../../matrix/json-object.ts';
import type { PeerKey } from '../../ports/federation-store.ts';
import { isPublicKey } from '../signing/ed25519.ts';
import { signaturesOf, verifyJson } from '../signing/verify-json.ts';

export interface CheckedDocument {
  readonly serverName: ServerName;
  /** Current ones, good until `validUntilTs`; and old ones, good no more. At least one is current; each id once. */
  readonly keys: readonly PeerKey[];
  /** Of the current ones, in ms. */
  readonly validUntilTs: number;
  /** As it came, with its author's signatures only, and without what is unsigned. */
  readonly document: object;
}

/** The specification allows letters, digits and _ after the colon; older keys have more. */
export const KEY_ID = /^ed25519:[A-Za-z0-9_.=+/-]{1,128}$/;

/** [S-S Publishing Keys: "7 days into the future"] */
export const MAX_VALIDITY_MS = 7 * 86_400_000;
/** Clocks that are wrong by more than this are for their owners to put right. */
const MAX_CLOCK_SKEW_MS = 15 * 60_000;
const MIN_VALIDITY_MS = 60_000;
const MAX_CURRENT_KEYS = 20;
const MAX_OLD_KEYS = 50;

/**
 * Returns the keys of `serverName`, or in words why the document is not to be believed.
 *
 * @param document - parsed JSON of any shape
 * @param now - ms; when it was fetched
 */
export function checkKeyDocument(document: unknown, serverName: ServerName, now: number): CheckedDocument | string {
  if (!isJsonObject(document)) return 'it is not a JSON object';
  const { server_name: named, valid_until_ts: statedTs } = document;
  if (named !== serverName) return isServerName(named) ? `it is the document of ${named}` : 'it names no server';
  if (typeof statedTs !== 'number' || !Number.isSafeInteger(statedTs)) return 'valid_until_ts is not a whole number';
  if (statedTs < now - MAX_CLOCK_SKEW_MS) return 'it has expired';

  const validUntilTs = Math.min(Math.max(statedTs, now + MIN_VALIDITY_MS), now + MAX_VALIDITY_MS);
  const current = readKeys(document['verify_keys']);
  if (current.size === 0) return 'it has no ed25519 key';
  if (current.size > MAX_CURRENT_KEYS) return `it has more than ${MAX_CURRENT_KEYS} keys`;
  const problem = checkSignatures(document, serverName, current);
  if (problem !== null) return problem;

  const old = [...readKeys(document['old_verify_keys'])]
    .map(([keyId, key]) => ({ ...key, keyId, expiredTs: Math.min(toTs(key.stated['expired_ts']), now) }))
    .sort((a, b) => b.expiredTs - a.expiredTs)
    .slice(0, MAX_OLD_KEYS);
  // Whoever calls a key both old and current had better not be believed with it.
  for (const { keyId } of old) current.delete(keyId);
  if (current.size === 0) return 'all of its keys are old';

  const toKey = (keyId: string, publicKey: string, untilTs: number): PeerKey => {
    return { serverName, keyId, publicKey, validUntilTs: untilTs, fetchedTs: now };
  };
  const keys = [
    ...[...current].map(([keyId, { publicKey }]) => toKey(keyId, publicKey, validUntilTs)),
    ...old.map(({ keyId, publicKey, expiredTs }) => toKey(keyId, publicKey, expiredTs)),
  ];
  const { unsigned: _, ...rest } = document;
  const signed = { ...rest, signatures: { [serverName]: signaturesOf(document, serverName) } };
  return { serverName, keys, validUntilTs, document: signed };
}

interface StatedKey {
  readonly publicKey: string;
  readonly stated: JsonObject;
}

/** By key id. Other algorithms and nonsense are left out. */
function readKeys(list: unknown): Map<string, StatedKey> {
  const keys = new Map<string, StatedKey>();
  if (!isJsonObject(list)) return keys;
  for (const [keyId, stated] of Object.entries(list)) {
    if (!KEY_ID.test(keyId) || !isJsonObject(stated) || !isPublicKey(stated['key'])) continue;
    keys.set(keyId, { publicKey: stated['key'].replace(/=+$/, ''), stated });
  }
  return keys;
}

/** At least one of the current keys must have signed, and none may have a signature that is wrong. */
function checkSignatures(document: JsonObject, serverName: ServerName, keys: Map<string, StatedKey>): string | null {
  let good = 0;
  for (const keyId of Object.keys(signaturesOf(document, serverName))) {
    const key = keys.get(keyId);
    if (key === undefined) continue;
    if (!verifyJson(document, serverName, keyId, key.publicKey)) return `the signature of ${keyId} is wrong`;
    good += 1;
  }
  return good > 0 ? null : 'none of its own keys has signed it';
}

function toTs(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
