/**
 * Says which server a request comes from, or refuses it. Nothing of a request is believed before this.
 *
 * The cheap checks come first: a key is looked for only when the header names us, and a server we talk to. The body's own text is
 * tried before its canonical form, because most servers send what they signed, byte for byte, numbers included that JavaScript
 * would write differently. Source: Matrix specification, server-server API, "Request Authentication".
 */
import { canonicalJson, CanonicalJsonError } from '../../matrix/canonical-json.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { isServerName, type ServerName } from '../../matrix/identifiers.ts';
import type { PeerKey } from '../../ports/federation-store.ts';
import { type Authorization, parseAuthorization, requestText } from './authorization.ts';
import { verifySignature } from './ed25519.ts';

export interface IncomingRequest {
  readonly method: string;
  /** The request target as it came: path and query, still encoded. */
  readonly uri: string;
  /** Every `Authorization` header there is. */
  readonly authorization: string | readonly string[] | null;
  /** The parsed body; `undefined` without one. */
  readonly content?: unknown;
  /** The body as it came, which must be the text that `content` was parsed from. */
  readonly contentText?: string;
  /** Parses `contentText`, in place of `content`: asked only when the text as it came is not what was signed. */
  readonly parse?: () => unknown;
}

/** Where keys come from: the `KeyRing`. */
export interface PeerKeys {
  find(origin: ServerName, keyId: string): Promise<PeerKey | null>;
}

/** Larger bodies must come as they were signed: to parse and write them costs far more than to check a signature, and a liar can ask for it. */
const MAX_REWRITTEN_LENGTH = 262_144;
/** One is usual; a server that is changing its key may send two. */
const MAX_HEADERS = 4;

/**
 * Returns the server that signed the request. Of several headers one good one is enough, but they must name one origin.
 *
 * @param serverName - ourselves: the destination that must have been signed
 * @param allowed - whether we talk to that server at all
 * @throws MatrixError 401 `M_UNAUTHORIZED`, or 403 `M_FORBIDDEN` for servers we do not talk to
 */
export async function authenticateOrigin(
  request: IncomingRequest,
  keys: PeerKeys,
  serverName: ServerName,
  allowed: (server: ServerName) => boolean,
): Promise<ServerName> {
  return proveClaim(readClaim(request.authorization, serverName, allowed), request, keys, serverName);
}

/** What a request says of its sender, before anything of it is believed. */
export interface Claim {
  readonly origin: ServerName;
  readonly authorizations: readonly Authorization[];
}

/**
 * The first half of `authenticateOrigin`, for which the headers are enough, so that a body need not be read for nothing.
 *
 * @throws MatrixError 401 `M_UNAUTHORIZED`, or 403 `M_FORBIDDEN` for servers we do not talk to
 */
export function readClaim(
  authorization: IncomingRequest['authorization'],
  serverName: ServerName,
  allowed: (server: ServerName) => boolean,
): Claim {
  const authorizations = authorizationsOf(authorization);
  const origin = checkNames(authorizations, serverName);
  if (!allowed(origin)) throw new MatrixError(403, 'M_FORBIDDEN', `This server does not federate with ${origin}`);
  return { origin, authorizations };
}

/** Looks for a key, which may take seconds, and throws 401 `M_UNAUTHORIZED` if there is none. Whoever asks again soon is answered at once. */
export async function requireKey({ origin, authorizations }: Claim, keys: PeerKeys): Promise<void> {
  for (const { keyId } of authorizations) if ((await keys.find(origin, keyId)) !== null) return;
  throw noKey(origin);
}

/** The second half: returns the origin when one of the signatures is good. @throws MatrixError 401 `M_UNAUTHORIZED` */
export async function proveClaim(
  { origin, authorizations }: Claim,
  request: Omit<IncomingRequest, 'authorization'>,
  keys: PeerKeys,
  serverName: ServerName,
): Promise<ServerName> {
  let hasKey = false;
  for (const { keyId, signature } of authorizations) {
    const key = await keys.find(origin, keyId);
    if (key === null) continue;
    hasKey = true;
    if (isSigned(request, { origin, destination: serverName }, signature, key.publicKey)) return origin;
  }
  throw hasKey ? unauthorized(`The signature of ${origin} does not match the request`) : noKey(origin);
}

function authorizationsOf(headers: IncomingRequest['authorization']): readonly Authorization[] {
  const list = headers === null ? [] : typeof headers === 'string' ? [headers] : headers;
  if (list.length === 0) throw unauthorized('The Authorization header is missing');
  if (list.length > MAX_HEADERS) throw unauthorized('There are too many Authorization headers');
  return list.map(parseAuthorization);
}

function checkNames(authorizations: readonly Authorization[], serverName: ServerName): ServerName {
  const origin = authorizations[0]?.origin;
  if (!isServerName(origin)) throw unauthorized('The origin is not a server name');
  for (const each of authorizations) {
    if (each.origin !== origin) throw unauthorized('The Authorization headers name different origins');
    if (each.destination !== null && each.destination !== serverName) {
      throw unauthorized('The request is signed for another server');
    }
  }
  if (origin === serverName) throw unauthorized('The origin is this server itself');
  return origin;
}

function isSigned(
  request: Omit<IncomingRequest, 'authorization'>,
  names: { readonly origin: ServerName; readonly destination: ServerName },
  signature: string,
  publicKey: string,
): boolean {
  const { method, uri, content, contentText, parse } = request;
  const matches = (text: string | undefined): boolean => {
    const signed = requestText({ method, uri, ...names, ...(text === undefined ? {} : { contentText: text }) });
    return verifySignature(signed, signature, publicKey);
  };
  if (content === undefined && parse === undefined) return matches(undefined);
  if (contentText !== undefined) {
    if (matches(contentText)) return true;
    if (contentText.length > MAX_REWRITTEN_LENGTH) return false;
  }
  const canonical = canonicalOf(parse === undefined ? content : parse());
  return canonical !== null && canonical !== contentText && matches(canonical);
}

function canonicalOf(content: unknown): string | null {
  try {
    return canonicalJson(content);
  } catch (error) {
    if (error instanceof CanonicalJsonError) return null;
    throw error;
  }
}

function noKey(origin: ServerName): MatrixError {
  return unauthorized(`No valid key of ${origin} with that id was found`);
}

function unauthorized(message: string): MatrixError {
  return new MatrixError(401, 'M_UNAUTHORIZED', message);
}
