/**
 * docs/guide/explain.md: its module runs, its commands are typed into a shell, and what they print is what the page shows. Numbers, ids of rooms
 * and times may differ. With `UPDATE_DOCS=1` the page gets what they print.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { startAdminServer } from '../support/admin-server.ts';
import { Shell } from './shell.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const file = fileURLToPath(new URL('../../docs/guide/explain.md', import.meta.url));
const page = readFileSync(file, 'utf8');
const [, source = ''] = /^```ts file=policy\.ts\n([\s\S]*?)^```$/m.exec(page) ?? [];

/** Each command with the output below it. */
const EXAMPLE = /^```sh\n([\s\S]*?)^```\n```text\n([\s\S]*?)^```$/gm;

// curl and bash are what the page is written for.
const hasTools = spawnSync('bash', ['-c', 'command -v curl timeout']).status === 0;

it.skipIf(!hasTools)(
  'explain.md: every command prints what the page shows',
  async () => {
    await using server = await startAdminServer({
      serverName: 'example.org',
      modules: [{ module: './policy.ts', name: 'policy' }],
      files: { 'policy.ts': source },
    });
    const [alice, bob, carol] = [
      await server.register('alice'),
      await server.register('bob'),
      await server.register('carol'),
    ];
    for (const name of ['dave', 'reception']) await server.register(name);
    const roomId = await alice.createRoom({ name: 'Lounge', room_alias_name: 'lounge', preset: 'public_chat' });
    for (const user of [bob, carol]) await user.join(roomId);
    // The file has the port from now on.
    await server.restart();
    await bob.setPresence('online', 'at the desk');
    await alice.sync({ set_presence: 'offline' });

    const port = new URL(server.baseUrl).port;
    const shell = new Shell(server.dir, server.dir);
    const shown = (text: string): string =>
      text
        .replaceAll(/(?:< )?\d+(?:\.\d+)? ms/g, '0.1 ms')
        .replaceAll(/"last_active_ago":\d+/g, '"last_active_ago":1000')
        .replaceAll(roomId, '!eDqTvCxVhvTPtqcXaL:example.org')
        .replaceAll(port, '8008')
        .trimEnd();
    try {
      shell.type(
        `alias thalamus='node ${root}/bin/thalamus.js'\ntimeout() { command timeout "$1" "$2" node ${root}/bin/thalamus.js "\${@:4}"; }\n`,
      );
      let updated = page;
      for (const [block, commands = '', output = ''] of page.matchAll(EXAMPLE)) {
        const printed = shown(await shell.run(commands.replaceAll('8008', port), `explain.md: ${commands}`));
        updated = updated.replace(block, () => `\`\`\`sh\n${commands}\`\`\`\n\`\`\`text\n${printed}\n\`\`\``);
        if (process.env['UPDATE_DOCS'] !== '1') expect(printed, commands).toBe(shown(output));
      }
      if (updated !== page && process.env['UPDATE_DOCS'] === '1') writeFileSync(file, updated);
    } finally {
      await shell.end();
    }
  },
  120_000,
);
