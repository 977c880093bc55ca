/**
 * What the sender knows of one destination.
 *
 * Most have no record: they are well, and nothing waits for them. One with work has `live`. One that has failed for a while has given its
 * queue up for `owedSinceTs`, and is this record and two places in arrays: no map, timer, socket, promise or closure.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { DestinationRow } from '../../ports/federation-store.ts';
import type { DestinationStanding } from '../../ports/federation-transport.ts';
import type { HeapEntry } from './deadline-heap.ts';
import type { DestinationQueue } from './destination-queue.ts';
import type { OwedStream } from './owed-stream.ts';
import type { Lane } from './start-line.ts';

/** `waiting`: for its time, or for nothing. `ready`: in the line. `fast` and `slow`: a transaction is being made or sent. */
export type Phase = 'waiting' | 'ready' | 'fast' | 'slow';

export interface Transaction {
  readonly id: string;
  /** Sent as it is at every attempt. */
  readonly body: string;
  readonly eduCount: number;
  readonly stateCount: number;
  /** Everything in it was told at or after. */
  readonly toldTs: number;
}

export interface LiveQueue {
  readonly queue: DestinationQueue;
  /** Made and not answered; it keeps its id and body over all attempts. */
  transaction: Transaction | null;
  /** Open while owed states are read. */
  stream: OwedStream | null;
  /** The peer asked for patience: not even a request of its own wakes it. */
  isLimited: boolean;
}

/** How a destination without a record does. */
export const WELL: Omit<DestinationStanding, 'isOn' | 'isAllowed'> = {
  failures: 0,
  retryAtTs: null,
  queued: 0,
  owedSinceTs: null,
  isSending: false,
};

export class Destination implements HeapEntry {
  readonly name: ServerName;
  /** When something is to be done about it; while it rests, when it is tried again. */
  dueTs = 0;
  heapIndex = -1;
  phase: Phase = 'waiting';
  /** Where it stands while `ready`. */
  lane: Lane = 'fresh';
  /** Whether it is open as one that is not known to take anything. */
  isOpenStranger = false;
  /** In a row. */
  failures = 0;
  /** The last rest; 0 while retries are quick. */
  retryIntervalMs = 0;
  /** Told since then, and not reached; saved. Null: everything that is not reached is in `live`. */
  owedSinceTs: number | null = null;
  /** When an inbound request woke it last. */
  wokenTs = 0;
  /** Whether the store has a row. */
  isSaved = false;
  live: LiveQueue | null = null;

  constructor(name: ServerName) {
    this.name = name;
  }

  get isOpen(): boolean {
    return this.phase === 'fast' || this.phase === 'slow';
  }

  /** Nothing to send, to remember or to wait for. */
  get isIdle(): boolean {
    return this.live === null && this.owedSinceTs === null && this.failures === 0 && this.phase === 'waiting';
  }

  /** What is not reached was told at or after; Infinity if there is nothing. What is owed is the row's concern. */
  get undeliveredTs(): number {
    if (this.live === null) return Infinity;
    return Math.min(this.live.queue.toldTs, this.live.transaction?.toldTs ?? Infinity);
  }

  get standing(): typeof WELL {
    return {
      failures: this.failures,
      retryAtTs: this.failures > 0 && !this.isOpen ? this.dueTs : null,
      queued: (this.live?.queue.size ?? 0) + (this.live?.transaction?.stateCount ?? 0),
      owedSinceTs: this.owedSinceTs,
      isSending: this.isOpen,
    };
  }

  toRow(): DestinationRow {
    const { name, failures, dueTs, retryIntervalMs, owedSinceTs } = this;
    return { destination: name, failures, retryAtTs: failures === 0 ? 0 : dueTs, retryIntervalMs, owedSinceTs };
  }
}
