/**
 * What is different between two deliveries of the same update, added up over a whole record: by whom, of whom, and by which servers.
 */
import type { ServerName, UserId } from '../matrix/identifiers.ts';

export interface Counts {
  /** Deliveries as they were recorded, and as they would be. */
  before: number;
  after: number;
  more: number;
  less: number;
  /** Delivered before and after, but with more or less in it. */
  otherForm: number;
}

/** One update's observers of one kind. */
export interface Delivered<Observer> {
  readonly observers: ReadonlySet<Observer>;
  /** Of those who get less than everything. */
  readonly forms: ReadonlyMap<Observer, number>;
}

type Change = 'more' | 'less' | 'otherForm';

export class TrafficChanges {
  updates = 0;
  readonly users = newCounts();
  readonly servers = newCounts();
  /** Only those for whom something changes. */
  readonly byObserver = new Map<UserId, Counts>();
  readonly byServer = new Map<ServerName, Counts>();
  /** Whose presence: users and servers together. */
  readonly bySource = new Map<UserId, Counts>();

  compareUsers(source: UserId, before: Delivered<UserId>, after: Delivered<UserId>): void {
    compare(before, after, this.users, (observer, change) => {
      countsOf(this.byObserver, observer)[change]++;
      countsOf(this.bySource, source)[change]++;
    });
  }

  compareServers(source: UserId, before: Delivered<ServerName>, after: Delivered<ServerName>): void {
    compare(before, after, this.servers, (server, change) => {
      countsOf(this.byServer, server)[change]++;
      countsOf(this.bySource, source)[change]++;
    });
  }

  get isNothing(): boolean {
    return this.bySource.size === 0;
  }
}

/** Those with the most changes, first. */
export function mostChanged<Key>(counts: ReadonlyMap<Key, Counts>, limit: number): [Key, Counts][] {
  const size = ({ more, less, otherForm }: Counts): number => more + less + otherForm;
  return [...counts].toSorted(([, a], [, b]) => size(b) - size(a)).slice(0, limit);
}

function newCounts(): Counts {
  return { before: 0, after: 0, more: 0, less: 0, otherForm: 0 };
}

function countsOf<Key>(counts: Map<Key, Counts>, key: Key): Counts {
  let found = counts.get(key);
  if (found === undefined) counts.set(key, (found = newCounts()));
  return found;
}

function compare<Observer>(
  before: Delivered<Observer>,
  after: Delivered<Observer>,
  counts: Counts,
  changed: (observer: Observer, change: Change) => void,
): void {
  counts.before += before.observers.size;
  counts.after += after.observers.size;
  const note = (observer: Observer, change: Change): void => {
    counts[change]++;
    changed(observer, change);
  };
  for (const observer of before.observers) {
    if (!after.observers.has(observer)) note(observer, 'less');
    else if ((before.forms.get(observer) ?? 0) !== (after.forms.get(observer) ?? 0)) note(observer, 'otherForm');
  }
  for (const observer of after.observers) if (!before.observers.has(observer)) note(observer, 'more');
}
