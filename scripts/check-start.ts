/**
 * Checks the README's first promise in the present folder: `npm start` without a configuration writes one and starts a server.
 *
 * Usage: `node scripts/run-ts.mjs scripts/check-start.ts`, in a checkout that has no thalamus.yaml. Uses port 8008 as the README says.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const HEALTH = 'http://127.0.0.1:8008/health';
const DEADLINE_MS = 60_000;

/** Returns the body of a 200 answer, or null while there is none. */
async function findHealth(): Promise<string | null> {
  try {
    const response = await fetch(HEALTH);
    return response.status === 200 ? await response.text() : null;
  } catch {
    return null;
  }
}

if (existsSync('thalamus.yaml')) throw new Error('there is a thalamus.yaml here already; use a fresh checkout');
if ((await findHealth()) !== null) throw new Error(`something else answers at ${HEALTH}`);

// A process group of its own, because npm starts the server through a shell.
const npm = spawn('npm', ['start'], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
let output = '';
for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
const ended = once(npm, 'exit');

let health: string | null = null;
const deadline = Date.now() + DEADLINE_MS;
while (health === null && npm.exitCode === null && Date.now() < deadline) {
  await sleep(200);
  health = await findHealth();
}
if (npm.exitCode === null && npm.pid !== undefined) process.kill(-npm.pid, 'SIGTERM');
await ended;

console.log(output);
if (health !== 'OK') throw new Error(`GET ${HEALTH} answered ${JSON.stringify(health)}`);
if (!existsSync('thalamus.yaml')) throw new Error('no thalamus.yaml was written');
const stopDeadline = Date.now() + DEADLINE_MS;
while ((await findHealth()) !== null) {
  if (Date.now() > stopDeadline) throw new Error('the server is still there after SIGTERM');
  await sleep(200);
}
console.log('`npm start` wrote a configuration, served GET /health and stopped when asked');
