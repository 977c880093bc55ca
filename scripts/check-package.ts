/**
 * Checks the package as somebody who installs it meets it: packs it, installs the tarball into an empty folder, and uses it there.
 *
 * Usage: `npm run check:package [-- --node <another node>]…`. The command line is tried under this Node and each one named.
 * Everything happens in a temporary folder that is removed at the end.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** What configurations, messages and examples point to. */
const PRINTED_DOCS = ['config', 'module-api']
  .map((page) => `docs/reference/${page}.md`)
  .concat('docs/guide/your-first-router.md', 'docs/guide/writing-a-module.md');
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;

/**
 * The environment without what `npm run` adds about this repository: an npm below us would take our settings for its project's.
 * How to reach the registry stays.
 */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_.*|INIT_CWD|NODE_OPTIONS)$/i.test(name) ||
      /^npm_config_(registry|cache|userconfig|globalconfig|cafile|.*proxy)$/i.test(name),
  ),
);

/** Runs a program to its end and returns what it printed to standard output; any other exit code than `status` is an error. */
function run(cwd: string, command: string, args: readonly string[], status = 0): string {
  const result = spawnSync(command, args, { cwd, env: environment, encoding: 'utf8', timeout: 300_000 });
  if (result.error !== undefined) throw result.error;
  if (result.status !== status) {
    throw new Error(
      `\`${command} ${args.join(' ')}\` ended with ${result.status ?? result.signal}, not ${status}\n${result.stdout}${result.stderr}`,
    );
  }
  return result.stdout;
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Packs the repository and checks what is in the tarball. Returns its path. */
function pack(folder: string): string {
  run(root, 'npm', ['run', 'build']);
  const output = run(root, 'npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]);
  const [packed] = JSON.parse(output) as [{ filename: string; size: number; files: { path: string }[] }];
  const paths = new Set(packed.files.map((file) => file.path));

  const targets = Object.values<string | Record<string, string>>(manifest.exports).flatMap((target) => {
    return typeof target === 'string' ? [target] : Object.values(target);
  });
  for (const target of [
    ...targets,
    ...Object.values<string>(manifest.bin),
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    ...PRINTED_DOCS,
  ]) {
    const path = target.replace(/^\.\//, '');
    assert(paths.has(path), `the tarball lacks ${path}`);
  }
  const unwanted = [...paths].filter((path) =>
    /\.test\.|\.tsbuildinfo$|^(src|test|scripts|bench|node_modules)\//.test(path),
  );
  assert(unwanted.length === 0, `the tarball has what nobody needs: ${unwanted.join(', ')}`);
  console.log(`packed: ${paths.size} files, ${Math.round(packed.size / 1024)} kB`);
  return join(folder, packed.filename);
}

/** Installs the tarball as the only dependency of an empty project. Returns the project's folder. */
function install(folder: string, tarball: string): string {
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }));
  run(project, 'npm', ['install', '--no-audit', '--no-fund', tarball]);
  console.log('installed into an empty folder');
  return project;
}

/** Imports every entry by name, at run time and as types. */
function useEntries(project: string): void {
  const names = Object.entries(manifest.exports)
    .filter(([, target]) => typeof target !== 'string')
    .map(([subpath]) => manifest.name + subpath.slice(1));

  const script = names
    .map((name) => `if (Object.keys(await import('${name}')).length === 0) throw new Error('${name} exports nothing');`)
    .join('\n');
  run(project, process.execPath, ['--input-type=module', '--eval', script]);

  // Types come from the tarball; those of Node are what an author has, too.
  const typesVersion = manifest.devDependencies['@types/node'];
  run(project, 'npm', ['install', '--no-audit', '--no-fund', '--save-dev', `@types/node@${typesVersion}`]);
  const source = `
    ${names.map((name, index) => `import * as entry${index} from '${name}';`).join('\n')}
    type Anything<T> = 0 extends 1 & T ? true : false;
    ${names.map((name, index) => `const typed${index}: Anything<typeof entry${index}> = false; // ${name}`).join('\n')}
    export { ${names.map((name, index) => `typed${index}`).join(', ')} };
  `;
  writeFileSync(join(project, 'entries.ts'), source);
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        module: 'nodenext',
        types: ['node'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
      },
      files: ['entries.ts'],
    }),
  );
  run(project, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]);
  console.log(`imported by name, with types: ${names.join(', ')}`);
}

/** What an administrator's own module looks like: one file beside the configuration, nothing installed near it. */
const MODULE_SOURCE = `
import { PRESENCE_ALL_USERS, type ModuleApi } from 'thalamus/module';

interface Config {
  readonly greeting: string;
}

export default class Everyone {
  static parseConfig(config: unknown): Config {
    return { greeting: String((config as { greeting?: unknown }).greeting) };
  }

  constructor(config: Config, api: ModuleApi) {
    api.registerPresenceRouterCallbacks({
      getUsersForStates: () => new Map(),
      getInterestedUsers: () => PRESENCE_ALL_USERS,
    });
    api.registerWebResource('/greeting', () => Promise.resolve(new Response(config.greeting + PRESENCE_ALL_USERS)));
  }
}
`;

const configuration = (port: number): string => `
server_name: example.org
listeners:
  - port: ${port}
    bind_addresses: ["127.0.0.1"]
    type: http
    resources:
      - names: [client, health, metrics]
database:
  name: sqlite3
  args:
    database: ./homeserver.db
modules:
  - module: ./everyone.ts
    config:
      greeting: "hello "
`;

/** Starts the installed command line in a folder where nothing is installed, asks it something, and stops it. */
async function useCommandLine(folder: string, project: string, node: string): Promise<void> {
  const version = run(folder, node, ['--version']).trim();
  const cli = join(project, 'node_modules', manifest.name, manifest.bin.thalamus);
  const site = mkdtempSync(join(folder, 'site-'));
  const port = await findFreePort();
  writeFileSync(join(site, 'everyone.ts'), MODULE_SOURCE);
  writeFileSync(join(site, 'thalamus.yaml'), configuration(port));
  writeFileSync(join(site, 'broken.yaml'), 'server_nam: example.org\n');

  if (node === process.execPath) {
    const linked = join(project, 'node_modules', '.bin', 'thalamus');
    assert(existsSync(linked), 'npm did not link the command `thalamus`');
    run(site, linked, ['--help']);
  }
  assert(run(site, node, [cli, '--help']).includes('start'), '--help does not mention start');
  assert(run(site, node, [cli, '--version']).includes(manifest.version), '--version does not tell the version');
  run(site, node, [cli, 'check-config', '-c', 'thalamus.yaml']);
  run(site, node, [cli, 'check-config', '-c', 'broken.yaml'], 2);

  const server = spawn(node, [cli, 'start', '-c', 'thalamus.yaml'], { cwd: site, env: environment });
  let output = '';
  for (const stream of [server.stdout, server.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(server, 'exit');
  try {
    const health = await ask(`http://127.0.0.1:${port}/health`, () => server.exitCode === null);
    assert(health === 'OK', `GET /health answers ${JSON.stringify(health)}`);
    const greeting = await ask(`http://127.0.0.1:${port}/greeting`, () => server.exitCode === null);
    assert(greeting.startsWith('hello '), `the module's web resource answers ${JSON.stringify(greeting)}`);
    server.kill('SIGTERM');
    const code = await Promise.race([ended.then(([status]) => status as number | null), sleep(STOP_DEADLINE_MS, 'no')]);
    assert(code === 0, `after SIGTERM the server ended with ${code}, not 0`);
  } catch (error) {
    throw new Error(`${(error as Error).message}\nthe server printed:\n${output}`, { cause: error });
  } finally {
    server.kill('SIGKILL');
  }
  console.log(`the command line works on Node ${version}: help, check-config, start with a .ts module, stop`);
}

/** Asks until there is an answer; gives up when the deadline passes or the server has ended. */
async function ask(url: string, alive: () => boolean): Promise<string> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      const response = await fetch(url);
      assert(response.status === 200, `GET ${url} answers ${response.status}`);
      return await response.text();
    } catch (error) {
      if (!(error instanceof TypeError) || !alive() || Date.now() > deadline) throw error;
    }
    await sleep(100);
  }
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  assert(typeof address === 'object' && address !== null, 'no free port');
  probe.close();
  await once(probe, 'close');
  return address.port;
}

const { values } = parseArgs({ options: { node: { type: 'string', multiple: true, default: [] } } });
const folder = mkdtempSync(join(tmpdir(), 'thalamus-package-'));
try {
  const project = install(folder, pack(folder));
  useEntries(project);
  for (const node of [process.execPath, ...values.node]) await useCommandLine(folder, project, node);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
