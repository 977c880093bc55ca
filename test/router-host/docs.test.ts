import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInThisContext } from 'node:vm';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageEntries } from '../../scripts/package-entries.mjs';
import { DEFAULT_CALLBACK_LIMITS, loadModules } from '../../src/router-host/index.ts';
import { BackgroundCalls } from '../../src/router-host/background-calls.ts';
import { createModuleApi } from '../../src/router-host/create-module-api.ts';
import { PresenceRouter } from '../../src/router-host/presence-router.ts';
import { WebResources } from '../../src/router-host/web-resources.ts';
import type { ModuleDefinition, Restrictions } from '../../src/module/index.ts';
import * as kit from '../../src/module/index.ts';
import { createModuleHarness } from '../../src/testing/index.ts';
import { createTestHost } from '../support/host-context.ts';
import { createPlainServices } from '../support/plain-services.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const CALLBACKS = 'docs/reference/presence-router-callbacks.md';
const API = 'docs/reference/module-api.md';
const GUIDE = 'docs/guide/writing-a-module.md';

function memberNames(): string[] {
  const { context } = createTestHost();
  const api = createModuleApi({
    name: 'm',
    host: context,
    services: createPlainServices(),
    router: new PresenceRouter(context),
    background: new BackgroundCalls('m', context),
    webResources: new WebResources(context),
    register: () => undefined,
    onNoCallbacks: () => undefined,
    onHalfPair: () => undefined,
    assertConstructing: () => undefined,
  });
  return Object.keys(api);
}

describe('presence-router-callbacks.md', () => {
  const proofs = [...read(CALLBACKS).matchAll(/^> \[(.+)\]\((.+)\)$/gm)].map(([, name = '', file = '']) => {
    return { name, file: join(dirname(CALLBACKS), file) };
  });

  it('has a test for each paragraph', () => {
    expect(proofs.length).toBeGreaterThan(40);
  });

  it.each(proofs)('names a test that exists: $name', ({ name, file }) => {
    // Quotes in a test's name may be escaped in its source.
    expect(read(file).replaceAll("\\'", "'")).toContain(name);
  });

  it('shows the example as it is', () => {
    expect(read(CALLBACKS)).toContain(
      `\`\`\`ts\n${read('examples/custom-presence-router/custom-presence-router.ts')}\`\`\``,
    );
  });

  it('says the defaults, and every callback', () => {
    for (const [name, { synapseName }] of Object.entries(kit.CALLBACK_POINTS)) {
      expect(read(CALLBACKS)).toContain(`### \`${name}\``);
      expect(read(CALLBACKS)).toContain(synapseName === null ? '| – |' : `\`${synapseName}\``);
    }
  });
});

describe('module-api.md', () => {
  it('has every member of the api, and no other', () => {
    const headings = [...read(API).matchAll(/^### `(\w+)`$/gm)].map(([, name = '']) => name);
    expect(headings.toSorted()).toEqual(memberNames().toSorted());
  });

  it('has every export of the kit', () => {
    for (const name of Object.keys(kit)) expect(read(API)).toContain(`\`${name}\``);
  });

  it('offers nothing that it says is not offered', () => {
    const [, section = ''] = read(API).split('## What is not offered, and why');
    const camel = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const names = [...section.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)]);
    expect(names.length).toBeGreaterThan(15);
    for (const [, name = ''] of names) expect(memberNames()).not.toContain(camel(name));
  });
});

describe('writing-a-module.md', () => {
  it('names every member of the harness, and no other', async () => {
    await using harness = await createModuleHarness({});
    const rows = [...read(GUIDE).matchAll(/^\| (`.+?) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)/g)]);
    const named = new Set(rows.map(([, name = '']) => name));
    expect([...named].toSorted()).toEqual(
      Object.keys(harness)
        .filter((name) => name !== 'serverName')
        .toSorted(),
    );
  });
});

/** The first module on the page, in a file of its own. */
function extractModule(page: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'docs-'));
  const [, code = ''] = /```ts\n([^`]*export class[^`]*)```/.exec(read(page)) ?? [];
  writeFileSync(join(dir, 'module.ts'), code);
  return dir;
}

/** What an author’s editor would complain about. */
function problemsOf(file: string): string[] {
  const program = ts.createProgram([file], {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    paths: Object.fromEntries([...packageEntries()].map(([name, path]) => [name, [path]])),
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  });
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

async function loadModule(dir: string, config: Readonly<Record<string, unknown>>): Promise<ModuleDefinition> {
  const entry = { module: './module.ts', name: null, config, callbacks: DEFAULT_CALLBACK_LIMITS, path: ['modules', 0] };
  const { modules, problems } = await loadModules([entry], { configDir: dir, cacheDir: null });
  expect(problems).toEqual([]);
  return modules[0]!.definition;
}

describe('what getRestrictions may return, in presence-router-callbacks.md', () => {
  const [, table = ''] = /^\| returned \|.*\n\|[-|]*\n((?:\|.*\n)+)/m.exec(read(CALLBACKS)) ?? [];
  const rows = [...table.matchAll(/^\| `(.+)` \| (.+) \| (.+) \|$/gm)].map(
    ([, code = '', ofAsked = '', ofOthers = '']) => ({
      code,
      ofAsked,
      ofOthers,
    }),
  );

  it('has examples', () => {
    expect(rows).toHaveLength(6);
  });

  it.each(rows)('$code restricts as it says', ({ code, ofAsked, ofOthers }) => {
    const { context, memory } = createTestHost();
    const router = new PresenceRouter({ ...context, serverName: 'example.org' });
    const value: unknown = runInThisContext(`(${code})`);
    router.register('m', { getRestrictions: () => value as Restrictions }, DEFAULT_CALLBACK_LIMITS);
    router.seal();
    const observers = ['@ex:example.org', '@boss:example.org', '@friend:example.org', '@x:example.org', 'matrix.org'];
    const {
      others,
      observers: forms,
      isFinal,
    } = router.getRestrictions('@u:example.org', observers) as Awaited<ReturnType<PresenceRouter['getRestrictions']>>;
    expect([isFinal, memory.value('thalamus_module_dropped_entries_total')]).toEqual([true, 0]);
    expect(others === null).toBe(ofOthers === 'says nothing');
    expect(forms.size > 0).toBe(ofAsked.startsWith('whom it names'));
    expect((others ?? 0) > 0).toBe(ofAsked.startsWith('all') || ofAsked.endsWith('says'));
  });
});

describe('the module in presence-router-callbacks.md', () => {
  let dir: string;
  beforeAll(() => (dir = extractModule(CALLBACKS)));
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  it('type-checks as an author’s editor would check it', () => {
    expect(problemsOf(join(dir, 'module.ts'))).toEqual([]);
  });

  it('runs as it is, and does what the page says', async () => {
    const config = { seenBy: { '@bob:localhost': ['@alice:localhost'] } };
    await using harness = await createModuleHarness(await loadModule(dir, config), { config, serverName: 'localhost' });
    const [alice, bob, carol] = ['@alice:localhost', '@bob:localhost', '@carol:localhost'] as const;
    harness.rooms.join('!room:localhost', [alice, bob, carol]);
    await harness.connect(alice);
    await harness.connect(carol);
    await harness.setPresence(bob, { state: 'online' });
    expect(harness.received(alice)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.received(carol)).toEqual([]);
    expect(await harness.get(carol, bob)).toMatchObject({ state: 'offline' });

    (harness.instance as { choose(userId: string, observers: string[]): void }).choose(bob, [carol]);
    await harness.settle();
    expect(harness.received(alice).at(-1)).toMatchObject({ userId: bob, state: 'offline' });
    expect(harness.received(carol)).toMatchObject([{ userId: bob, state: 'online' }]);
    expect(harness.problems()).toEqual([]);
  });
});

describe.each(['README.md', GUIDE])('the first module in %s', (page) => {
  let dir: string;
  beforeAll(() => {
    dir = extractModule(page);
  });
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  it('type-checks as an author’s editor would check it', () => {
    expect(problemsOf(join(dir, 'module.ts'))).toEqual([]);
  });

  it('runs as it is, and does what the page says', async () => {
    const config = { members: ['@alice:localhost', '@bob:localhost'] };
    const options = { config, serverName: 'localhost' };
    await using harness = await createModuleHarness(await loadModule(dir, config), options);
    await harness.connect('@alice:localhost');
    await harness.setPresence('@bob:localhost', { state: 'online', statusMsg: 'hello' });
    await harness.advance({ minutes: 6 });
    expect(harness.received('@alice:localhost')).toMatchObject([
      { userId: '@bob:localhost', state: 'online', statusMsg: 'hello', currentlyActive: true },
      { userId: '@bob:localhost', state: 'online', currentlyActive: false },
      { userId: '@bob:localhost', state: 'unavailable' },
    ]);
    expect(harness.problems()).toEqual([]);
  });
});

describe.each([CALLBACKS, API, GUIDE])('%s', (page) => {
  it('has no dead links', () => {
    const headings = (path: string): string[] =>
      [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
        text
          .toLowerCase()
          .replaceAll(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      );
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)]+)\)/g)) {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      expect(existsSync(join(root, file)), target).toBe(true);
      if (anchor !== undefined) expect(headings(file)).toContain(anchor);
    }
  });
});
