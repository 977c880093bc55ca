/**
 * The page about the client API names every route. It is written for people, in a short hand that is read back here: methods before a
 * path count for the paths after it, `…/x` goes on from an earlier path of the row, and bare words after `/rooms/{roomId}/` complete it.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { clientApiRoutes, type ClientApiServices } from '../../src/http/client-api/index.ts';

const page = readFileSync(new URL('../../docs/reference/client-api.md', import.meta.url), 'utf8');

/** Making routes asks nothing of the services. */
const anything: unknown = new Proxy(() => undefined, { get: () => anything, apply: () => anything });

const withoutEnd = (path: string): string => path.replace(/\/$/, '');

/** `GET /profile/{}/displayname` for each method and path of the tables, before the list of what is not there. */
function documented(): Set<string> {
  const found = new Set<string>();
  for (const row of page
    .split('## Deliberately not')[0]!
    .split('\n')
    .filter((line) => line.startsWith('|'))) {
    const prefixes: string[] = [];
    let methods: string[] = [];
    let open = false;
    for (const [, code = ''] of row.matchAll(/`([^`]+)`/g)) {
      const [, method, path = ''] = /^(GET|PUT|POST|DELETE)?\s*(.*)$/.exec(code) ?? [];
      if (method !== undefined) {
        methods = open ? [...methods, method] : [method];
        open = true;
      }
      if (path === '') continue;
      open = false;
      const clean = path.replaceAll(/\{\w+\}/g, '{}');
      if (clean.startsWith('/')) {
        const parts = clean.split('/');
        prefixes.push(...parts.map((_, index) => parts.slice(0, index + 1).join('/')));
      }
      const starts = clean.startsWith('/') ? [''] : prefixes;
      for (const start of starts) {
        const full = start + clean.replace('…', '').replace(/^(?!\/)/, '/');
        for (const each of methods) found.add(`${each} ${withoutEnd(full)}`);
      }
    }
  }
  return found;
}

it('the page about the client API has every route', () => {
  const known = documented();
  const routes = clientApiRoutes(anything as ClientApiServices).map(({ method, path, prefix, versions }) => {
    // Without a version the page has the whole path; under v3 it leaves out what they have in common.
    const start = prefix ?? (versions.some((version) => version === '') ? '/_matrix/client' : '');
    return `${method} ${withoutEnd(start + path.replaceAll(/:\w+/g, '{}'))}`;
  });
  expect(routes.length).toBeGreaterThan(50);
  expect(routes.filter((route) => !known.has(route))).toEqual([]);
});
