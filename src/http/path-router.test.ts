import { describe, expect, it } from 'vitest';
import { PathRouter, pathsOf } from './path-router.ts';

function make(...paths: string[]): PathRouter<string> {
  const router = new PathRouter<string>();
  for (const path of paths) router.add('GET', path, path);
  return router;
}

describe('path router', () => {
  it('prefers what is spelled out, and goes back when that leads nowhere', () => {
    const router = make('/a/fixed', '/a/:x', '/a/:x/end', '/:any/fixed/end');
    expect(router.find('GET', '/a/fixed')).toEqual({ target: '/a/fixed', params: {} });
    expect(router.find('GET', '/a/other')).toEqual({ target: '/a/:x', params: { x: 'other' } });
    expect(router.find('GET', '/a/fixed/end')).toEqual({ target: '/a/:x/end', params: { x: 'fixed' } });
    expect(router.find('GET', '/b/fixed/end')).toEqual({ target: '/:any/fixed/end', params: { any: 'b' } });
  });

  it('names each value by its own route where routes share a place', () => {
    const router = make('/rooms/:roomId/state', '/rooms/:id/:other');
    expect(router.find('GET', '/rooms/1/state')).toMatchObject({ params: { roomId: '1' } });
    expect(router.find('GET', '/rooms/1/2')).toMatchObject({ params: { id: '1', other: '2' } });
  });

  it('takes an empty last part, but none in between', () => {
    const router = make('/s/:type/:key', '/t/:x', '/u');
    expect(router.find('GET', '/s/a/')).toMatchObject({ params: { type: 'a', key: '' } });
    for (const path of ['/s//b', '/s/a', '/u/', '', '/', '//']) expect(router.find('GET', path), path).toEqual([]);
  });

  it('gives the rest to a route that wants it', () => {
    const router = make('/files/*path', '/files/one');
    expect(router.find('GET', '/files/a/b%2Fc')).toMatchObject({ params: { path: 'a/b/c' } });
    expect(router.find('GET', '/files/')).toMatchObject({ params: { path: '' } });
    expect(router.find('GET', '/files/one')).toMatchObject({ target: '/files/one' });
    expect(router.find('GET', '/files/one/more')).toMatchObject({ params: { path: 'one/more' } });
  });

  it('forgets what it took for a name on a way that led nowhere', () => {
    const router = make('/:x/end', '/*rest');
    expect(router.find('GET', '/a/other')).toEqual({ target: '/*rest', params: { rest: 'a/other' } });
  });

  it('tells the methods of a path, and knows a path twice for a mistake', () => {
    const router = make('/a/:x');
    router.add('PUT', '/a/:y', 'put');
    expect(router.find('POST', '/a/1')).toEqual(['GET', 'PUT']);
    expect(router.find('PUT', '/a/1')).toMatchObject({ target: 'put', params: { y: '1' } });
    expect(() => {
      router.add('GET', '/a/:z', 'again');
    }).toThrow('two routes for GET /a/:z');
  });

  it('is not slowed down by a path made of many parts', () => {
    const router = make('/a/:b/:c/:d/end', '/a/x/:c/:d/other', '/:q/x/x/x/x');
    const started = performance.now();
    for (let i = 0; i < 1000; i++) router.find('GET', `/a${'/x'.repeat(2000)}`);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('knows where a route is served', () => {
    expect(pathsOf({ path: '/p', versions: ['v3', 'api/v1', ''] })).toEqual([
      '/_matrix/client/v3/p',
      '/_matrix/client/api/v1/p',
      '/_matrix/client/p',
    ]);
    expect(pathsOf({ path: '/p', prefix: '/_synapse/admin/v1', versions: [] })).toEqual(['/_synapse/admin/v1/p']);
  });
});
