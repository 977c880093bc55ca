/**
 * Modules while the server starts: what they are given, in which order, and that nobody is let in before they are ready.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startTestServer } from '../support/start-test-server.ts';

// Modules run in this process, so this is how they tell what they saw.
const seen: unknown[] = [];
Object.assign(globalThis, { seenByModules: seen });
afterEach(() => {
  seen.length = 0;
});

const noteConfig = (form: string): string =>
  `export default class { ${form} constructor(config: any) { (globalThis as any).seenByModules.push(config); } }`;

describe('modules at the start', () => {
  it('row 121: parseConfig gets an empty section when config is absent or null', async () => {
    const source = noteConfig('static parseConfig(raw: any) { return { raw, parsed: true }; }');
    await using server = await startTestServer({
      modules: [{ source }, { source, config: null }, { source, config: {} }],
    });
    expect(server.server.addresses).toHaveLength(1);
    expect(seen).toEqual([1, 2, 3].map(() => ({ raw: {}, parsed: true })));
  });

  it('row 122: the constructor of a class without parseConfig gets the section as it is written, frozen', async () => {
    await using server = await startTestServer({
      modules: [{ source: noteConfig(''), config: { a: { b: [1, null, 'x'] } } }],
    });
    expect(server.server.addresses).toHaveLength(1);
    expect(seen).toEqual([{ a: { b: [1, null, 'x'] } }]);
    expect(Object.isFrozen((seen[0] as { a: { b: unknown } }).a.b)).toBe(true);
  });

  it('row 123: constructors run in the order of the list, each when the one before is ready, before any listener accepts', async () => {
    await using server = await startTestServer();
    const source = `export default async (config: any) => {
      const seen = (globalThis as any).seenByModules;
      seen.push(config.name + ' begins');
      const answer = await fetch(config.url).then(() => 'accepted', () => 'refused');
      seen.push(config.name + ' ready, connection ' + answer);
    };`;
    const url = `${server.baseUrl}/health`;
    await server.restart({
      modules: ['one', 'two'].map((name) => ({ module: writeModule(server.dir, source), name, config: { name, url } })),
    });
    expect(seen).toEqual([
      'one begins',
      'one ready, connection refused',
      'two begins',
      'two ready, connection refused',
    ]);
    expect((await server.request('GET', '/health')).status).toBe(200);
  });

  it('two entries that name the same file are two instances', async () => {
    const source =
      'let count = 0; export default class { constructor() { (globalThis as any).seenByModules.push(this); } }';
    await using server = await startTestServer();
    const module = writeModule(server.dir, source);
    await server.restart({ modules: [{ module }, { module }] });
    expect(seen).toHaveLength(2);
    expect(seen[0]).not.toBe(seen[1]);
  });

  it('are disposed of when the server stops, last first', async () => {
    const source = `export default class {
      constructor(config: any) { this.name = config.name; }
      name: string;
      [Symbol.dispose]() { (globalThis as any).seenByModules.push(this.name); }
    }`;
    const server = await startTestServer({
      modules: [
        { source, config: { name: 'one' } },
        { source, config: { name: 'two' } },
      ],
    });
    await server.stop();
    expect(seen).toEqual(['two', 'one']);
  });

  it('serve web resources, with the accounts of the server to ask', async () => {
    const source = `export default class {
      constructor(_config: unknown, api: any) {
        api.registerWebResource('/_kiosk', async (request: Request) => Response.json(await api.getUserByReq(request)));
      }
    }`;
    await using server = await startTestServer({ modules: [{ source }] });
    const alice = await server.register('alice');
    expect((await alice.request('GET', '/_kiosk/whoami')).body).toEqual({
      userId: alice.userId,
      deviceId: alice.deviceId,
      isAdmin: false,
    });
    expect((await server.request('GET', '/_kiosk')).status).toBe(401);
  });
});

function writeModule(dir: string, source: string): string {
  writeFileSync(join(dir, 'module.ts'), source);
  return './module.ts';
}
