/**
 * Starts the real program (`node bin/thalamus.js start`) on a fresh database with users in it, for measuring.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MeasuredProcess, startMeasured } from './child-process.ts';
import type { LoadUser } from './closed-loop.ts';
import { RawClient } from './raw-client.ts';
import { seedUsers } from './seed-users.ts';

export interface ThalamusOptions {
  readonly users: number;
  readonly withPresence?: boolean;
  /** Entries of `modules`. */
  readonly modules?: readonly unknown[];
  /** For `node`, before the program: `--cpu-prof` and the like. */
  readonly nodeArgs?: readonly string[];
  /** Listeners after the one for clients. */
  readonly listeners?: readonly unknown[];
  /** More keys of the configuration file, spelled as in the file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** What else is to be in the database before the start. */
  readonly seed?: (databasePath: string) => Promise<void>;
}

export interface Thalamus {
  readonly process: MeasuredProcess;
  readonly users: readonly LoadUser[];
  /** Milliseconds from starting the process to its first answer. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('../../bin/thalamus.js', import.meta.url));
/** `BENCH_NODE_ARGS="--cpu-prof --cpu-prof-dir=/tmp/profiles" npm run bench -- …` profiles the server that is measured. */
const PROFILE_ARGS = process.env['BENCH_NODE_ARGS']?.split(' ') ?? [];
const UNLIMITED = { per_second: 1_000_000, burst_count: 1_000_000 };
const LISTENING = /"port":(\d+).*"msg":"listening"/;

export async function startThalamus(options: ThalamusOptions): Promise<Thalamus> {
  const dir = mkdtempSync(join(tmpdir(), 'thalamus-bench-'));
  const databasePath = join(dir, 'thalamus.db');
  const users = await seedUsers({ databasePath, users: options.users, withPresence: options.withPresence ?? false });
  await options.seed?.(databasePath);
  const configFile = join(dir, 'thalamus.yaml');
  const config = {
    server_name: 'bench.test',
    listeners: [
      { port: 0, bind_addresses: ['127.0.0.1'], resources: [{ names: ['client', 'health', 'metrics'] }] },
      ...(options.listeners ?? []),
    ],
    database: { name: 'sqlite3', args: { database: databasePath } },
    rc_presence: { per_user: UNLIMITED },
    modules: options.modules ?? [],
    log: { level: 'info', format: 'json' },
    ...options.config,
  };
  writeFileSync(configFile, JSON.stringify(config));
  const startedAt = performance.now();
  const server = await startMeasured(
    [...(options.nodeArgs ?? []), ...PROFILE_ARGS, PROGRAM, 'start', '-c', configFile],
    (line) => {
      const match = LISTENING.exec(line);
      return match === null ? null : Number(match[1]);
    },
    { cwd: dir },
  );
  const client = await RawClient.open(server.port);
  await client.request('GET', '/_matrix/client/versions', null);
  const startMs = performance.now() - startedAt;
  client.close();
  return {
    process: server,
    users,
    startMs,
    stop: async () => {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The first user makes a room that everybody may join, and the others join it. Returns its id. */
export async function makeRoom(server: MeasuredProcess, members: readonly LoadUser[]): Promise<string> {
  const client = await RawClient.open(server.port);
  const created = await client.request('POST', '/_matrix/client/v3/createRoom', members[0]!.token, {
    preset: 'public_chat',
  });
  if (created.status !== 200) throw new Error(`createRoom answered ${created.status}: ${created.body}`);
  const { room_id: roomId } = JSON.parse(created.body) as { room_id: string };
  for (const { token } of members.slice(1)) {
    const joined = await client.request('POST', `/_matrix/client/v3/join/${encodeURIComponent(roomId)}`, token, {});
    if (joined.status !== 200) throw new Error(`join answered ${joined.status}: ${joined.body}`);
  }
  client.close();
  return roomId;
}
