import { expect, it } from 'vitest';
import type { ClientRequest, RawJson } from '../route.ts';
import { wellKnownServer } from './wellKnownServer.ts';

it.each([
  ['https://matrix.example.org/', 'example.org', 'matrix.example.org:443'],
  ['https://matrix.example.org:8443/path', 'example.org', 'matrix.example.org:8443'],
  ['https://[2001:db8::1]/', 'example.org', '[2001:db8::1]:443'],
  ['http://localhost:8008/', 'example.org', 'example.org:443'],
  ['http://localhost:8008/', 'example.org:8448', 'example.org:443'],
  ['nonsense', '[::1]:8448', '[::1]:443'],
])('of %s and %s sends other servers to %s', (publicBaseurl, serverName, server) => {
  const route = wellKnownServer({ publicBaseurl, serverName });
  expect([route.method, `${route.prefix}${route.path}`, route.resource ?? 'client']).toEqual([
    'GET',
    '/.well-known/matrix/server',
    'client',
  ]);
  const { text } = route.handler({} as ClientRequest) as RawJson;
  expect(JSON.parse(text)).toEqual({ 'm.server': server });
});
