/**
 * Request headers without the cost of an object of all of them, and the constant headers of responses.
 *
 * Source: C-S API "Web Browser Clients" (CORS).
 */

/** The first value of a header in Node's flat list of names and values; `name` in lower case. */
export function findHeader(rawHeaders: readonly string[], name: string): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const candidate = rawHeaders[i] ?? '';
    if (candidate.length === name.length && candidate.toLowerCase() === name) return rawHeaders[i + 1];
  }
  return undefined;
}

/** Every value of a header, in order; `name` in lower case. */
export function findHeaders(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === name.length && rawHeaders[i]?.toLowerCase() === name) {
      values.push(rawHeaders[i + 1] ?? '');
    }
  }
  return values;
}

/** On every answer of a listener that serves clients, errors included. */
export const CORS_HEADERS: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Allow-Methods',
  'GET, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers',
  'X-Requested-With, Content-Type, Authorization',
];

/** The access token of the header, else of the query; `null` when neither has one. */
export function accessTokenOf(rawHeaders: readonly string[], url: string): string | null {
  const authorization = findHeader(rawHeaders, 'authorization');
  if (authorization !== undefined) {
    const token = BEARER.test(authorization) ? authorization.slice(7).trim() : '';
    if (token !== '') return token;
  }
  const query = url.indexOf('?');
  if (query === -1 || !url.includes('access_token=', query)) return null;
  return new URLSearchParams(url.slice(query + 1)).get('access_token') || null;
}

const BEARER = /^bearer /i;
