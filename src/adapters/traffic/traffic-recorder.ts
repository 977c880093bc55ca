/**
 * `record_traffic`: writes who is where and who is told of whom, as lines of ids, for `thalamus module test --against`.
 *
 * Nobody waits for it. When the disk is slower than the traffic, updates are dropped and counted, and a new segment begins when it
 * has caught up, so that what is recorded is complete from each `start` on.
 */
import type { RoomId, ServerName, UserId } from '../../matrix/identifiers.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Counter, Metrics } from '../../ports/metrics.ts';
import type {
  ToldObservers,
  ToldUpdate,
  TrafficArchive,
  TrafficSnapshot,
  TrafficTap,
} from '../../ports/traffic-tap.ts';
import { readFiles } from './read-files.ts';
import { RotatingFile } from './rotating-file.ts';
import { type ToldLists, TRAFFIC_VERSION, type TrafficLine } from './traffic-lines.ts';

export interface TrafficRecorderOptions {
  /** Absolute. */
  readonly path: string;
  /** Of one file, in bytes. */
  readonly maxSize: number;
  /** Older files that are kept. */
  readonly keep: number;
  readonly serverName: ServerName;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const MAX_WAITING = 8 * 1024 * 1024;
/** Ids and members of one line. */
const CHUNK = 1000;
const RETRY_MS = 10_000;

export class TrafficRecorder implements TrafficTap, TrafficArchive {
  readonly #options: TrafficRecorderOptions;
  readonly #file: RotatingFile;
  readonly #recorded: Counter;
  readonly #dropped: Counter;
  #read: (() => TrafficSnapshot) | null = null;
  readonly #numbers = new Map<UserId, number>();
  /** Those whose number no line has said yet. */
  #unnamed: UserId[] = [];
  /** Of the present file, in bytes, with what waits. */
  #size = 0;
  /** Nothing is recorded until a new segment begins. */
  #isPaused = true;
  #isStopped = false;
  /** What a process that died left behind can end in the middle of a line. */
  #isTorn = true;
  #retry: Timer | null = null;

  constructor(options: TrafficRecorderOptions) {
    const { metrics, path, keep } = options;
    this.#options = options;
    this.#recorded = metrics.counter({
      name: 'thalamus_traffic_recorded',
      help: 'Presence updates written to the record of traffic',
    });
    this.#dropped = metrics.counter({
      name: 'thalamus_traffic_dropped',
      help: 'Presence updates left out of the record of traffic, because the disk was too slow or refused to write',
    });
    this.#file = new RotatingFile({
      path,
      keep,
      maxWaiting: MAX_WAITING,
      onDrained: () => this.#resume(),
      onError: (error) => this.#failed(error),
    });
  }

  /** @throws what `node:fs` throws when the file cannot be opened */
  async open(): Promise<void> {
    this.#size = await this.#file.open();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    await this.#file.close();
  }

  async *read(): AsyncIterable<Uint8Array> {
    await this.#file.flush();
    yield* readFiles(this.#file.paths);
  }

  begin(read: () => TrafficSnapshot): void {
    this.#read = read;
    this.#resume();
  }

  joined(room: RoomId, userId: UserId, ts: number): void {
    this.#tell({ type: 'join', ts, room }, userId);
  }

  left(room: RoomId, userId: UserId, ts: number): void {
    this.#tell({ type: 'leave', ts, room }, userId);
  }

  connected(userId: UserId, ts: number): void {
    this.#tell({ type: 'connect', ts }, userId);
  }

  disconnected(userId: UserId, ts: number): void {
    this.#tell({ type: 'disconnect', ts }, userId);
  }

  told({ ts, userId, state, users, servers }: ToldUpdate): void {
    this.#makeRoom();
    if (this.#isPaused) return this.#dropped.inc();
    const user = this.#number(userId);
    const local = listsOf(users, (observer) => this.#number(observer));
    const remote = listsOf(servers, (observer) => observer);
    const line: TrafficLine = {
      type: 'update',
      ts,
      user,
      state,
      ...(local === null ? {} : { users: local }),
      ...(remote === null ? {} : { servers: remote }),
    };
    if (this.#append(this.#newIds() + print(line))) this.#recorded.inc();
    else {
      this.#dropped.inc();
      this.#isPaused = true;
    }
  }

  #tell(event: { type: 'join' | 'leave' | 'connect' | 'disconnect'; ts: number; room?: RoomId }, userId: UserId): void {
    this.#makeRoom();
    if (this.#isPaused) return;
    const line = { ...event, user: this.#number(userId) } as TrafficLine;
    if (!this.#append(this.#newIds() + print(line))) this.#isPaused = true;
  }

  /** The present file is full: before anything else is written, and so that the line which is on its way is not in the new snapshot. */
  #makeRoom(): void {
    if (this.#isPaused && this.#file.isIdle) this.#resume();
    // A line can take more than what is left: the reserve is for that.
    if (this.#isPaused || this.#size < this.#options.maxSize * 0.9) return;
    this.#file.rotate();
    this.#size = 0;
    this.#beginSegment();
  }

  #resume(): void {
    if (this.#isPaused && this.#read !== null && !this.#isStopped && this.#retry === null) this.#beginSegment();
  }

  /** Everything that a reader needs to know before what comes. */
  #beginSegment(): void {
    const snapshot = this.#read?.();
    if (snapshot === undefined) return;
    const { clock, logger, maxSize, path, serverName } = this.#options;
    this.#numbers.clear();
    this.#unnamed = [];
    const pieces = [this.#isTorn && this.#size > 0 ? '\n' : ''];
    this.#isTorn = false;
    pieces.push(print({ type: 'start', version: TRAFFIC_VERSION, server_name: serverName, ts: clock.now() }));
    let length = 0;
    const add = (users: readonly UserId[], line: (numbers: readonly number[]) => TrafficLine): void => {
      for (let at = 0; at < users.length; at += CHUNK) {
        const numbers = users.slice(at, at + CHUNK).map((userId) => this.#number(userId));
        const text = this.#newIds() + print(line(numbers));
        length += text.length;
        pieces.push(text);
      }
    };
    for (const { roomId: room, members } of snapshot.rooms) {
      add(members, (numbers) => ({ type: 'room', room, members: numbers }));
      if (length > maxSize / 2) break;
    }
    add(snapshot.observers, (users) => ({ type: 'observers', users }));
    if (length > maxSize / 2) {
      this.#isPaused = true;
      this.#isStopped = true;
      logger.error(
        { path, maxSize },
        'traffic is not recorded: who is in which room alone fills half of max_size, which has to be larger',
      );
      return;
    }
    pieces.push(print({ type: 'ready' }));
    const text = pieces.join('');
    const bytes = Buffer.byteLength(text);
    if (this.#size > 0 && this.#size + bytes > maxSize * 0.9) {
      this.#file.rotate();
      this.#size = 0;
    }
    this.#isPaused = false;
    this.#size += bytes;
    this.#file.append(text, bytes, true);
  }

  #append(text: string): boolean {
    const bytes = Buffer.byteLength(text);
    if (this.#size + bytes > this.#options.maxSize || !this.#file.append(text, bytes, false)) return false;
    this.#size += bytes;
    return true;
  }

  #number(userId: UserId): number {
    let number = this.#numbers.get(userId);
    if (number !== undefined) return number;
    number = this.#numbers.size;
    this.#numbers.set(userId, number);
    this.#unnamed.push(userId);
    return number;
  }

  /** The line that names everybody who has got a number since the one before. */
  #newIds(): string {
    if (this.#unnamed.length === 0) return '';
    const ids = this.#unnamed;
    this.#unnamed = [];
    return print({ type: 'ids', first: this.#numbers.size - ids.length, ids });
  }

  #failed(err: unknown): void {
    const { clock, logger, path } = this.#options;
    logger.error({ err, path }, 'traffic could not be recorded; it will be tried again');
    this.#isPaused = true;
    this.#isTorn = true;
    this.#retry = clock.setTimeout(() => {
      this.#retry = null;
      this.#resume();
    }, RETRY_MS);
  }
}

function print(line: TrafficLine): string {
  return `${JSON.stringify(line)}\n`;
}

function listsOf<Observer, Written>(
  { byRooms, byModules, reduced, withheld }: ToldObservers<Observer>,
  write: (observer: Observer) => Written,
): ToldLists<Written> | null {
  if (byRooms.length + byModules.length + withheld.length === 0) return null;
  return {
    ...(byRooms.length === 0 ? {} : { rooms: byRooms.map(write) }),
    ...(byModules.length === 0 ? {} : { modules: byModules.map(write) }),
    ...(reduced.length === 0 ? {} : { reduced: reduced.map(([observer, form]) => [write(observer), form] as const) }),
    ...(withheld.length === 0 ? {} : { withheld: withheld.map(write) }),
  };
}
