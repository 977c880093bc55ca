import { describe, expect, it } from 'vitest';
import { createTestHost, raise } from '../../test/support/host-context.ts';
import { MatrixError } from '../matrix/errors.ts';
import type { WebResourceHandler } from '../module/index.ts';
import { WebResources } from './web-resources.ts';

function make() {
  const host = createTestHost();
  const web = new WebResources(host.context);
  const get = async (path: string): Promise<[number, string] | null> => {
    const response = await web.find(path)?.(new Request(`http://test${path}`));
    return response === undefined ? null : [response.status, await response.text()];
  };
  return { web, get, ...host };
}
const says =
  (text: string): WebResourceHandler =>
  () =>
    new Response(text);

describe('web resources', () => {
  it('are served at exactly their path and below it', async () => {
    const { web, get } = make();
    web.register('m', '/_kiosk', says('kiosk'));
    for (const path of ['/_kiosk', '/_kiosk/', '/_kiosk/a/b']) expect(await get(path)).toEqual([200, 'kiosk']);
    for (const path of ['/', '/_kiosks', '/_kios', '/a/_kiosk', '']) expect(web.find(path)).toBeNull();
  });

  it('belong to the longest path, and a path to the first who asked', async () => {
    const { web, get, logger } = make();
    web.register('a', '/x', says('x'));
    web.register('b', '/x/y/', says('y'));
    web.register('c', '/x/', says('late'));
    expect(await get('/x/z')).toEqual([200, 'x']);
    expect(await get('/x/y/z')).toEqual([200, 'y']);
    expect(logger.lines[0]?.fields).toEqual({ module: 'c', path: '/x', owner: 'a' });
  });

  it.each([
    '/_matrix',
    '/_matrix/client',
    '/_thalamus/x',
    '/',
    '',
    'x',
    '/a/../_matrix',
    '/%5Fmatrix',
    '/a?b',
    '/a//b',
    '/a b',
    7,
  ])('refuse the path %j', (path) => {
    expect(() => make().web.register('m', path as never, says('x'))).toThrow(TypeError);
  });

  it('may be named almost like the server’s own', () => {
    const { web } = make();
    web.register('m', '/_matrixes', says('x'));
    expect(web.find('/_matrixes')).not.toBeNull();
  });

  it.each<[string, WebResourceHandler]>([
    ['throws', () => raise(new Error('secret'))],
    ['throws something else', () => raise('secret')],
    ['rejects', async () => raise(new Error('secret'))],
    ['returns something else', () => 'secret' as never],
  ])('answer 500 without detail when a handler %s', async (_what, handler) => {
    const { web, get, logger, memory } = make();
    web.register('m', '/x', handler);
    expect(await get('/x')).toEqual([500, '{"errcode":"M_UNKNOWN","error":"Internal server error"}']);
    expect(logger.messages('error')).toHaveLength(1);
    expect(memory.value('thalamus_module_web_requests_total', { module: 'm', outcome: 'failed' })).toBe(1);
  });

  it('answer as the error says when it has a status and a code, such as that of getUserByReq', async () => {
    const { web, get } = make();
    web.register('m', '/x', () => raise(new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token')));
    expect(await get('/x')).toEqual([401, '{"errcode":"M_MISSING_TOKEN","error":"Missing access token"}']);
  });
});
