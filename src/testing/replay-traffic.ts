/**
 * Replays recorded traffic with other modules, in a server in memory, and compares who would be told with who was.
 *
 * What happens is told to the real presence service and engine in the order of the record; each recorded update is made again by
 * `setPresenceForUsers`, which is always told. Memory is that of who is where; the record itself is read line by line.
 */
import {
  parseTrafficLine,
  type ToldLists,
  type TrafficLine,
  type UpdateLine,
} from '../adapters/traffic/traffic-lines.ts';
import { ConfigError } from '../errors.ts';
import type { RoomId, ServerName, UserId } from '../matrix/identifiers.ts';
import type { ToldObservers, ToldUpdate } from '../ports/traffic-tap.ts';
import type { LoadedModule } from '../router-host/index.ts';
import { ReplayServer } from './replay-server.ts';
import { type Delivered, TrafficChanges } from './traffic-changes.ts';

export interface ReplayReport {
  /** Null for a record without anything in it. */
  readonly serverName: ServerName | null;
  readonly firstTs: number;
  readonly lastTs: number;
  readonly segments: number;
  /** Lines that are none: what was torn by a crash. */
  readonly unreadable: number;
  readonly changes: TrafficChanges;
  /** What the host complained about, each once, with how often. */
  readonly problems: ReadonlyMap<string, number>;
  /** False when it was interrupted. */
  readonly isComplete: boolean;
}

export interface ReplayOptions {
  readonly load: () => Promise<readonly LoadedModule[]>;
  /** Called now and then. */
  readonly onProgress?: (updates: number) => void;
  readonly signal?: AbortSignal;
}

/** Updates that are made at once: modules are asked about many together on a busy server, too. */
const MOST_AT_ONCE = 200;

/**
 * @param lines - of the record, as texts
 * @throws what a harness throws for modules that cannot be constructed; ConfigError for the record of two servers
 */
export async function replayTraffic(lines: AsyncIterable<string>, options: ReplayOptions): Promise<ReplayReport> {
  const replay = new Replay(options);
  try {
    for await (const text of lines) {
      if (options.signal?.aborted === true) break;
      if (text.trim() === '') continue;
      const line = parseTrafficLine(text);
      if (line === null) replay.unreadable++;
      else await replay.take(line);
    }
    await replay.flush();
    return replay.report(options.signal?.aborted !== true);
  } finally {
    await replay.stop();
  }
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #changes = new TrafficChanges();
  #server: ReplayServer | null = null;
  #serverName: ServerName | null = null;
  /** By number, of the present segment. */
  #ids: UserId[] = [];
  /** While a segment begins: who is where from then on. */
  #rooms: Map<RoomId, Set<UserId>> | null = null;
  #observers = new Set<UserId>();
  /** Whether there was a beginning since the last tear. */
  #isReady = false;
  readonly #waiting = new Map<UserId, UpdateLine>();
  #firstTs = 0;
  #lastTs = 0;
  #segments = 0;
  unreadable = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  async take(line: TrafficLine): Promise<void> {
    if (line.type === 'start') return this.#begin(line.server_name, line.ts);
    if (line.type === 'ids') {
      for (const [index, userId] of line.ids.entries()) this.#ids[line.first + index] = userId;
      return;
    }
    const server = this.#server;
    if (server === null) return;
    if (this.#rooms !== null) {
      if (line.type === 'room') {
        const members = this.#rooms.get(line.room) ?? new Set();
        this.#rooms.set(line.room, members);
        for (const userId of this.#users(line.members)) members.add(userId);
      } else if (line.type === 'observers') for (const userId of this.#users(line.users)) this.#observers.add(userId);
      else if (line.type === 'ready') {
        await server.become(this.#rooms, this.#observers);
        this.#rooms = null;
        this.#isReady = true;
      }
      return;
    }
    if (this.#isReady) await this.#happen(line, server);
  }

  /** Makes the updates that wait. */
  async flush(): Promise<void> {
    if (this.#waiting.size === 0 || this.#server === null) return;
    const lines = new Map(this.#waiting);
    this.#waiting.clear();
    const states = new Map([...lines].map(([userId, { state }]) => [userId, state]));
    for (const told of await this.#server.update(states)) {
      const line = lines.get(told.userId);
      if (line !== undefined) this.#compare(line, told);
      lines.delete(told.userId);
    }
    this.#options.onProgress?.(this.#changes.updates);
  }

  report(isComplete: boolean): ReplayReport {
    return {
      serverName: this.#serverName,
      firstTs: this.#firstTs,
      lastTs: this.#lastTs,
      segments: this.#segments,
      unreadable: this.unreadable,
      changes: this.#changes,
      problems: this.#server?.problems ?? new Map(),
      isComplete,
    };
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  async #begin(serverName: ServerName, ts: number): Promise<void> {
    await this.flush();
    if (this.#serverName !== null && this.#serverName !== serverName) {
      throw new ConfigError(`the record is of two servers: ${this.#serverName} and ${serverName}`);
    }
    if (this.#server === null) {
      this.#firstTs = ts;
      this.#server = await ReplayServer.start(serverName, ts, this.#options.load);
    }
    this.#serverName = serverName;
    this.#segments++;
    this.#isReady = false;
    this.#ids = [];
    this.#rooms = new Map();
    this.#observers = new Set();
    this.#lastTs = Math.max(this.#lastTs, ts);
  }

  async #happen(line: TrafficLine, server: ReplayServer): Promise<void> {
    if (!('ts' in line) || !('user' in line)) return;
    const userId = this.#ids[line.user];
    if (userId === undefined) {
      this.unreadable++;
      return;
    }
    this.#lastTs = Math.max(this.#lastTs, line.ts);
    if (line.type === 'update') {
      if (this.#waiting.has(userId) || this.#waiting.size >= MOST_AT_ONCE) await this.flush();
      if (this.#waiting.size === 0) await server.advanceTo(line.ts);
      this.#waiting.set(userId, line);
      return;
    }
    await this.flush();
    await server.advanceTo(line.ts);
    if (line.type === 'join') server.join(line.room, userId);
    else if (line.type === 'leave') server.leave(line.room, userId);
    else if (line.type === 'connect') server.connect(userId);
    else server.disconnect(userId);
  }

  #compare(line: UpdateLine, told: ToldUpdate): void {
    const user = (number: number): UserId | undefined => this.#ids[number];
    this.#changes.updates++;
    this.#changes.compareUsers(told.userId, recorded(line.users, user), replayed(told.users));
    this.#changes.compareServers(
      told.userId,
      recorded(line.servers, (name) => name),
      replayed(told.servers),
    );
  }

  #users(numbers: readonly number[]): UserId[] {
    return numbers.map((number) => this.#ids[number]).filter((userId) => userId !== undefined);
  }
}

function recorded<Written, Observer>(
  { rooms = [], modules = [], reduced = [] }: ToldLists<Written> = {},
  read: (written: Written) => Observer | undefined,
): Delivered<Observer> {
  const observers = new Set<Observer>();
  for (const list of [rooms, modules]) {
    for (const written of list) {
      const observer = read(written);
      if (observer !== undefined) observers.add(observer);
    }
  }
  const forms = new Map<Observer, number>();
  for (const [written, form] of reduced) {
    const observer = read(written);
    if (observer !== undefined) forms.set(observer, form);
  }
  return { observers, forms };
}

function replayed<Observer>({ byRooms, byModules, reduced }: ToldObservers<Observer>): Delivered<Observer> {
  return { observers: new Set([...byRooms, ...byModules]), forms: new Map(reduced) };
}
