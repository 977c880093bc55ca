/**
 * What the host, or a module, logs: in words for whoever tries a module.
 */
import type { LogLine } from '../adapters/memory/logger.ts';
import { whereThrown } from '../router-host/where-thrown.ts';

/** A line of the log as one text, with everything in it that helps to find the mistake. */
export function describeLine({ fields: { err, module: _module, spec: _spec, ...others }, message }: LogLine): string {
  if (err instanceof Error) return `${message}: ${err.message}`;
  const details = Object.entries(others).map(([name, value]) => `${name} ${String(value)}`);
  return details.length === 0 ? message : `${message} (${details.join(', ')})`;
}

/** The same, and the line of the module that it comes from. */
export function describeLineAndPlace(line: LogLine): string {
  const { err } = line.fields;
  const place = err instanceof Error ? whereThrown(err) : null;
  return `${describeLine(line)}${place === null ? '' : ` at ${place}`}`;
}
