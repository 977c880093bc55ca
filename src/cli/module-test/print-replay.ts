/**
 * What modules would change in recorded traffic: as lines for people, or as JSON.
 */
import type { ReplayReport } from '../../testing/replay-traffic.ts';
import { type Counts, mostChanged } from '../../testing/traffic-changes.ts';

export function printReplay(report: ReplayReport, source: string, top: number): string[] {
  const { changes, firstTs, lastTs, segments, unreadable, isComplete, problems } = report;
  if (report.serverName === null) return [`${source}: nothing is recorded there`];
  const lines = [
    `${source}: ${count(changes.updates, 'update')} of ${report.serverName}, ${time(firstTs)} to ${time(lastTs)}`,
  ];
  if (segments > 1) lines.push(`recorded in ${segments} pieces; what happened between them is not known`);
  if (unreadable > 0) lines.push(`${count(unreadable, 'line')} could not be read`);
  if (!isComplete) lines.push('interrupted: what follows is about the part until then');
  lines.push(`deliveries to users:   ${totals(changes.users)}`, `deliveries to servers: ${totals(changes.servers)}`);
  if (changes.isNothing) lines.push('nothing changes');
  else {
    lines.push(
      ...table('users who get more or less', changes.byObserver, top),
      ...table('users of whom more or less is told', changes.bySource, top),
      ...table('servers that get more or less', changes.byServer, top),
    );
  }
  for (const [problem, times] of problems) lines.push(`problem: ${problem}${times === 1 ? '' : ` (${times} times)`}`);
  return lines;
}

export function replayToJson(report: ReplayReport, source: string, top: number): unknown {
  const { changes, problems } = report;
  const list = (counts: ReadonlyMap<string, Counts>, key: string) =>
    mostChanged(counts, top).map(([name, { more, less, otherForm }]) => {
      return { [key]: name, more, less, other_form: otherForm };
    });
  const totalsOf = ({ before, after, more, less, otherForm }: Counts) => {
    return { before, after, more, less, other_form: otherForm };
  };
  return {
    source,
    server_name: report.serverName,
    first_ts: report.firstTs,
    last_ts: report.lastTs,
    segments: report.segments,
    unreadable_lines: report.unreadable,
    complete: report.isComplete,
    updates: changes.updates,
    nothing_changes: changes.isNothing,
    users: totalsOf(changes.users),
    servers: totalsOf(changes.servers),
    changed_observers: changes.byObserver.size,
    changed_sources: changes.bySource.size,
    changed_servers: changes.byServer.size,
    observers: list(changes.byObserver, 'user'),
    sources: list(changes.bySource, 'user'),
    destinations: list(changes.byServer, 'server'),
    problems: [...problems].map(([text, times]) => ({ text, times })),
  };
}

function totals({ before, after, more, less, otherForm }: Counts): string {
  const form = otherForm === 0 ? '' : `, ${number(otherForm)} in another form`;
  return `${number(before)} before, ${number(after)} after: ${number(more)} more, ${number(less)} less${form}`;
}

function table(title: string, counts: ReadonlyMap<string, Counts>, top: number): string[] {
  if (counts.size === 0) return [];
  const rows = mostChanged(counts, top);
  const lines = [`${title}:`];
  for (const [name, { more, less, otherForm }] of rows) {
    const parts = [
      more === 0 ? '' : `+${number(more)}`,
      less === 0 ? '' : `-${number(less)}`,
      otherForm === 0 ? '' : `${number(otherForm)} in another form`,
    ];
    lines.push(`  ${name}  ${parts.filter((part) => part !== '').join(', ')}`);
  }
  if (counts.size > rows.length) lines.push(`  … and ${number(counts.size - rows.length)} more`);
  return lines;
}

function count(value: number, what: string): string {
  return `${number(value)} ${what}${value === 1 ? '' : 's'}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function time(ts: number): string {
  return new Date(ts).toISOString().slice(0, 19);
}
