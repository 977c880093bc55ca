/**
 * The `Authorization: X-Matrix …` header of requests between servers: what is signed, printing, and parsing.
 *
 * Printed as old servers need it: one space, small letters, quoted values without escapes, no space around commas. Read as RFC 9110
 * writes it, with colons in unquoted values, too. Source: Matrix specification, server-server API, "Request Authentication".
 */
import { canonicalJson } from '../../matrix/canonical-json.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { SigningKey } from './ed25519.ts';

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they are sent: `/_matrix/federation/v1/send/1`. */
  readonly uri: string;
  readonly origin: ServerName;
  readonly destination: ServerName;
  /** The parsed body; absent without one. */
  readonly content?: unknown;
  /** The body in canonical form already, instead of `content`: saves writing it twice. */
  readonly contentText?: string;
}

export interface Authorization {
  readonly origin: ServerName;
  /** Null from servers before version 1.3 of the specification. */
  readonly destination: ServerName | null;
  readonly keyId: string;
  /** Base64, not looked at. */
  readonly signature: string;
}

/** Any header that is honest is far shorter: two names, a key id and 86 characters of signature. */
const MAX_HEADER_LENGTH = 4_096;
const MAX_PARAMETERS = 16;

/** The header for one request. @throws CanonicalJsonError when `content` has no canonical form */
export function authorizationHeader(request: SignedRequest & { readonly key: SigningKey }): string {
  const { origin, destination, key } = request;
  const signature = key.sign(requestText(request));
  return `X-Matrix origin="${origin}",destination="${destination}",key="${key.keyId}",sig="${signature}"`;
}

/** What a request's signature is made over. */
export function requestText({ method, uri, origin, destination, content, contentText }: SignedRequest): string {
  const text = contentText ?? (content === undefined ? null : canonicalJson(content));
  const members = canonicalJson({ destination, method, origin, uri });
  // `content` sorts before all others.
  return text === null ? members : `{"content":${text},${members.slice(1)}`;
}

// In the order of the grammar: token (with colons), or quoted text; spaces and tabs around commas and the equals sign.
const PARAMETER =
  /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]+=*))[ \t]*(?:,|$)/y;
const EMPTY_ELEMENT = /[ \t]*(?:,|$)/y;

/**
 * Parses one header. The names are checked for presence only: whether the origin is a server name is the caller's question.
 *
 * @throws MatrixError 401 `M_UNAUTHORIZED` when it is not a complete X-Matrix header
 */
export function parseAuthorization(header: string): Authorization {
  if (header.length > MAX_HEADER_LENGTH) throw malformed('is too long');
  const scheme = /^[ \t]*x-matrix[ \t]+/i.exec(header);
  if (scheme === null) throw malformed('does not begin with X-Matrix');
  const parameters = new Map<string, string>();
  let count = 0;
  for (let at = scheme[0].length; at < header.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at;
    EMPTY_ELEMENT.lastIndex = at;
    if (EMPTY_ELEMENT.test(header)) {
      PARAMETER.lastIndex = Math.max(at + 1, EMPTY_ELEMENT.lastIndex);
      continue;
    }
    const found = PARAMETER.exec(header);
    if (found === null) throw malformed('is not a list of name="value"');
    const [, name = '', quoted, token] = found;
    if ((count += 1) > MAX_PARAMETERS) throw malformed('has too many parameters');
    const lower = name.toLowerCase();
    if (parameters.has(lower)) throw malformed(`has '${lower}' twice`);
    parameters.set(lower, quoted === undefined ? (token ?? '') : quoted.replace(/\\(.)/gs, '$1'));
  }
  const required = (name: string): string => {
    const value = parameters.get(name);
    if (value === undefined || value === '') throw malformed(`has no '${name}'`);
    return value;
  };
  return {
    origin: required('origin'),
    destination: parameters.get('destination') ?? null,
    keyId: required('key'),
    signature: required('sig'),
  };
}

function malformed(what: string): MatrixError {
  return new MatrixError(401, 'M_UNAUTHORIZED', `The Authorization header ${what}`);
}
