/**
 * The description of the admin API and what is served are the same: every operation, every kind of answer, and the reference page.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020, type AnySchema } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminPage, renderAdminPage } from '../../scripts/gen-admin-docs.ts';
import { type AdminApiServices, adminApiRoutes, type AdminGate } from '../../src/http/admin-api/index.ts';
import {
  type AdminServer,
  createChecker,
  type OperationDescription,
  startAdminServer,
} from '../support/admin-server.ts';

/** Making routes asks nothing of the services. */
const anything: unknown = new Proxy(() => undefined, { get: () => anything, apply: () => anything });

let server: AdminServer;
beforeAll(async () => {
  server = await startAdminServer({ modules: [{ source: 'export default class {}' }] });
  await (await server.register('alice')).setPresence('online');
});
afterAll(() => server.stop());

function operations(): [method: string, path: string, operation: OperationDescription][] {
  return Object.entries(server.description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, OperationDescription] => {
      return [method.toUpperCase(), path, operation];
    }),
  );
}

/** Requests to send, by operationId, with the status that is expected: one that succeeds at least. */
const REQUESTS: Readonly<Record<string, readonly (readonly [status: number, path: string])[]>> = {
  getServerInfo: [[200, '/server']],
  listUsers: [
    [200, '/users'],
    [200, '/users?state=online&limit=1'],
    [400, '/users?limit=0'],
  ],
  getUser: [
    [200, '/users/@alice:test.example'],
    [404, '/users/@nobody:test.example'],
    [400, '/users/nobody'],
  ],
  explain: [
    [200, '/explain?observer=@alice:test.example&target=@bob:test.example'],
    [400, '/explain?observer=@alice&target=@bob:test.example'],
    [400, '/explain?observer=@alice:test.example'],
  ],
  listModules: [[200, '/modules']],
  getModule: [
    [200, '/modules/0'],
    [404, '/modules/none'],
  ],
  // Its lines are looked at in test/server/record-traffic.test.ts.
  getTraffic: [[404, '/traffic']],
  reloadModules: [[200, '/modules/reload']],
  getOpenapi: [[200, '/openapi.json']],
};

describe('the description', () => {
  it('row 335: has every route, and no other', () => {
    const routes = adminApiRoutes(anything as AdminApiServices, anything as AdminGate);
    const served = routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    const described = operations().map(([method, path]) => `${method} ${path}`);
    expect(described.toSorted()).toEqual(served.toSorted());
    for (const { resource, prefix, auth } of routes) {
      expect({ resource, prefix, auth }).toEqual({ resource: 'admin', prefix: '/_thalamus/admin/v1', auth: 'none' });
    }
  });

  it('has each operation once, and every parameter of its path', () => {
    const ids = operations().map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, path, { parameters = [] }] of operations()) {
      const inPath = parameters.filter((parameter) => parameter.in === 'path');
      expect(inPath.every(({ required }) => required)).toBe(true);
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
    }
  });

  it('has schemas that are right, references included', () => {
    const ajv = new Ajv2020({ strict: true, strictTypes: false });
    ajv.addVocabulary(['components']);
    const { components } = server.description;
    const text = JSON.stringify(server.description);
    const references = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference = '']) => reference));
    expect(references.size).toBeGreaterThan(5);
    for (const reference of references)
      expect(() => ajv.compile({ $ref: reference, components } as AnySchema)).not.toThrow();
    const named = Object.keys(components.schemas).map((name) => `#/components/schemas/${name}`);
    expect(named.toSorted()).toEqual([...references].toSorted());
    expect(text).not.toContain('$defs');
  });

  it('row 335: is kept by the answers to every operation', async () => {
    const tried = new Set<string>();
    for (const [method, , { operationId }] of operations()) {
      for (const [status, path] of REQUESTS[operationId] ?? []) {
        // `admin` compares the answer with the description.
        expect([path, (await server.admin(method, path)).status]).toEqual([path, status]);
        if (status === 200 || operationId === 'getTraffic') tried.add(operationId);
      }
    }
    expect([...tried].toSorted()).toEqual(
      operations()
        .map(([, , { operationId }]) => operationId)
        .toSorted(),
    );
  });

  it('row 335: would not be kept by answers with anything missing, added, or of another type', async () => {
    const { body } = await server.admin('GET', '/users/@alice:test.example');
    const check = createChecker(server.description);
    const tell =
      (changed: unknown, status = 200) =>
      () => {
        check('GET', '/users/@alice:test.example', { status, body: changed });
      };
    const { presence: _, ...without } = body;
    expect(tell(body)).not.toThrow();
    expect(tell(without)).toThrow("must have required property 'presence'");
    expect(tell({ ...body, more: 1 })).toThrow('must NOT have additional properties');
    expect(tell({ ...body, last_active_ts: '1' })).toThrow('must be integer,null');
    expect(tell({ ...body, devices: [{ ...body.devices[0], kind: 'phone' }] })).toThrow('must be equal to one of');
    expect(tell(body, 204)).toThrow('which is not described');
  });

  it('is on the reference page; npm run docs:reference writes it', () => {
    expect(readFileSync(adminPage, 'utf8')).toBe(renderAdminPage());
  });
});
