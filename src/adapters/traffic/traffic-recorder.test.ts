import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ToldUpdate, TrafficSnapshot } from '../../ports/traffic-tap.ts';
import { ManualClock, MemoryMetrics, RecordingLogger } from '../memory/index.ts';
import { parseTrafficLine, type TrafficLine } from './traffic-lines.ts';
import { TrafficRecorder, type TrafficRecorderOptions } from './traffic-recorder.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thalamus-traffic-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const NOBODY = { byRooms: [], byModules: [], reduced: [], withheld: [] };
const update = (change: Partial<ToldUpdate> = {}): ToldUpdate => {
  return { ts: 1000, userId: '@a:test', state: 'online', users: NOBODY, servers: NOBODY, ...change };
};
const snapshot: TrafficSnapshot = {
  rooms: [{ roomId: '!r:test', members: ['@a:test', '@b:test'] }],
  observers: ['@b:test'],
};

function create(change: Partial<TrafficRecorderOptions> = {}) {
  const clock = new ManualClock(500);
  const logger = new RecordingLogger();
  const metrics = new MemoryMetrics();
  const path = join(dir, 'traffic.ndjson');
  const recorder = new TrafficRecorder({
    path,
    maxSize: 100_000,
    keep: 1,
    serverName: 'test',
    clock,
    logger,
    metrics,
    ...change,
  });
  return { clock, logger, metrics, path, recorder };
}

const linesOf = (path: string): (TrafficLine | null)[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map(parseTrafficLine);

describe('TrafficRecorder', () => {
  it('writes a picture, then what happens, with numbers in place of user ids', async () => {
    const { path, recorder } = create();
    await recorder.open();
    recorder.begin(() => snapshot);
    recorder.joined('!r:test', '@c:test', 600);
    recorder.connected('@a:test', 700);
    recorder.told(
      update({
        users: { byRooms: ['@b:test'], byModules: ['@d:test'], reduced: [['@d:test', 4]], withheld: ['@c:test'] },
        servers: { ...NOBODY, byRooms: ['island'] },
      }),
    );
    recorder.left('!r:test', '@c:test', 1100);
    recorder.disconnected('@a:test', 1200);
    await recorder.stop();
    expect(linesOf(path)).toEqual([
      { type: 'start', version: 1, server_name: 'test', ts: 500 },
      { type: 'ids', first: 0, ids: ['@a:test', '@b:test'] },
      { type: 'room', room: '!r:test', members: [0, 1] },
      { type: 'observers', users: [1] },
      { type: 'ready' },
      { type: 'ids', first: 2, ids: ['@c:test'] },
      { type: 'join', ts: 600, room: '!r:test', user: 2 },
      { type: 'connect', ts: 700, user: 0 },
      { type: 'ids', first: 3, ids: ['@d:test'] },
      {
        type: 'update',
        ts: 1000,
        user: 0,
        state: 'online',
        users: { rooms: [1], modules: [3], reduced: [[3, 4]], withheld: [2] },
        servers: { rooms: ['island'] },
      },
      { type: 'leave', ts: 1100, room: '!r:test', user: 2 },
      { type: 'disconnect', ts: 1200, user: 0 },
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('drops and counts what waits too long for the disk, and begins with a new picture when it has caught up', async () => {
    const { metrics, path, recorder } = create({ maxSize: 100_000_000 });
    await recorder.open();
    recorder.begin(() => snapshot);
    const many = Array.from({ length: 20_000 }, (_, index) => `@user${index}:test` as const);
    // All in one round of the event loop: nothing can be written in between.
    for (let round = 0; round < 200; round++) recorder.told(update({ users: { ...NOBODY, byRooms: many } }));
    const dropped = metrics.value('thalamus_traffic_dropped');
    expect(dropped).toBeGreaterThan(50);
    expect(metrics.value('thalamus_traffic_recorded')).toBe(200 - dropped);
    for await (const _ of recorder.read());
    recorder.told(update({ state: 'offline' }));
    await recorder.stop();
    const types = linesOf(path).map((line) => line?.type);
    expect(types.filter((type) => type === 'start')).toHaveLength(2);
    expect(types.filter((type) => type === 'update')).toHaveLength(201 - dropped);
    expect(types.at(-1)).toBe('update');
  });

  it('says that the disk refuses, and tries again', async () => {
    const { clock, logger, metrics, recorder } = create({ path: '/dev/full' });
    await recorder.open();
    recorder.begin(() => snapshot);
    for await (const _ of emptyWhenBroken(recorder));
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'error',
      message: 'traffic could not be recorded; it will be tried again',
    });
    recorder.told(update());
    expect(metrics.value('thalamus_traffic_dropped')).toBe(1);
    const lines = logger.lines.length;
    await clock.advance(10_000);
    await until(() => logger.lines.length > lines);
    await recorder.stop();
  });

  it('records nothing when who is where alone is too much, and says so', async () => {
    const { logger, path, recorder } = create({ maxSize: 2_000 });
    await recorder.open();
    const members = Array.from({ length: 500 }, (_, index) => `@user${index}:test` as const);
    recorder.begin(() => ({ rooms: [{ roomId: '!r:test', members }], observers: [] }));
    recorder.told(update());
    await recorder.stop();
    expect(statSync(path).size).toBe(0);
    expect(logger.lines.at(-1)?.message).toContain('fills half of max_size');
  });

  it('begins on a line of its own behind what was cut in two', async () => {
    const { path, recorder } = create();
    writeFileSync(path, '{"type":"upd');
    await recorder.open();
    recorder.begin(() => snapshot);
    await recorder.stop();
    expect(linesOf(path).map((line) => line?.type)).toEqual([undefined, 'start', 'ids', 'room', 'observers', 'ready']);
  });
});

async function* emptyWhenBroken(recorder: TrafficRecorder): AsyncIterable<Uint8Array> {
  // Waits for what is being written; /dev/full itself has no end.
  for await (const chunk of recorder.read()) {
    yield chunk;
    return;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 1000 && !condition(); round++) await new Promise((resolve) => setImmediate(resolve));
}
