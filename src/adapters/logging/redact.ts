/**
 * Takes secrets out of what is about to be logged: a net under the rule that nobody logs them.
 *
 * By name (tokens, passwords, status messages) down to a few levels, and in texts the `access_token=` of a URL and bearer headers.
 */

const HIDDEN = '[redacted]';
const DEEPEST = 4;

const SECRET_KEYS = new Set([
  'accesstoken',
  'admintoken',
  'authorization',
  'cookie',
  'mac',
  'newpassword',
  'nonce',
  'passphrase',
  'password',
  'refreshtoken',
  'registrationsharedsecret',
  'secret',
  'sharedsecret',
  'statusmsg',
  'token',
]);

const SECRET_TEXT = /(access_token=|Bearer\s+)[^\s&"'#]+/gi;

/** A copy of `fields` without secrets; `fields` itself if there are none to take out. */
export function redact<T>(fields: T): T {
  return redactValue(fields, 0) as T;
}

export function redactText(text: string): string {
  return text.includes('access_token=') || /bearer/i.test(text) ? text.replace(SECRET_TEXT, `$1${HIDDEN}`) : text;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null || depth >= DEEPEST) return value;
  if (Array.isArray(value)) return redactMembers(value, [...value.entries()], depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return value;
  return redactMembers(value as Record<string, unknown>, Object.entries(value), depth);
}

function redactMembers(
  original: unknown[] | Record<string, unknown>,
  entries: readonly (readonly [string | number, unknown])[],
  depth: number,
): unknown {
  let copy: Record<string | number, unknown> | undefined;
  for (const [key, member] of entries) {
    const clean = isSecret(key) && member !== null && member !== undefined ? HIDDEN : redactValue(member, depth + 1);
    if (clean === member) continue;
    copy ??= Array.isArray(original) ? ([...original] as never) : { ...original };
    copy[key] = clean;
  }
  return copy ?? original;
}

function isSecret(key: string | number): boolean {
  return typeof key === 'string' && SECRET_KEYS.has(key.replaceAll(/[_-]/g, '').toLowerCase());
}
