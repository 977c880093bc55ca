/**
 * Which listeners are opened and what each serves.
 *
 * A listener with nothing that works in this version is not opened, with a warning. As in the reference server every listener answers
 * `/health`, whether it is listed or not.
 */
import type { ListenerConfig, ResourceName } from './config.ts';
import type { Finding } from './cross-checks.ts';
import type { ParsedFile } from './schema/index.ts';

const WORKING: readonly string[] = ['admin', 'client', 'federation', 'health', 'metrics'] satisfies ResourceName[];

export function readListeners(file: ParsedFile): {
  listeners: ListenerConfig[];
  errors: Finding[];
  warnings: Finding[];
} {
  const listeners: ListenerConfig[] = [];
  const warnings: Finding[] = [];
  const warned = new Set<string>();

  for (const [index, listener] of file.listeners.entries()) {
    const path = ['listeners', index];
    if (listener.type === 'manhole' || listener.type === 'replication') {
      warnings.push([[...path, 'type'], `there is no ${listener.type} here; this listener is not opened`]);
      continue;
    }
    const named = listener.type === 'metrics' ? ['metrics'] : listener.resources.flatMap(({ names }) => names);
    const working = named.filter((name): name is ResourceName => WORKING.includes(name));
    if (working.length === 0) {
      const what =
        named.length === 0
          ? 'no resources'
          : `only ${[...new Set(named)].join(', ')}, which has no effect in this version`;
      warnings.push([path, `has ${what}; this listener is not opened`]);
      continue;
    }
    for (const name of named) {
      if (WORKING.includes(name) || warned.has(name)) continue;
      warned.add(name);
      const message = `the resource ${name} of the reference server has no meaning here and is ignored`;
      warnings.push([[...path, 'resources'], message]);
    }
    listeners.push({
      port: listener.port,
      bindAddresses: listener.bind_address === undefined ? listener.bind_addresses : [listener.bind_address],
      tls: listener.tls,
      xForwarded: listener.x_forwarded,
      resources: [...new Set<ResourceName>([...working, 'health'])].toSorted(),
    });
  }
  const errors: Finding[] =
    listeners.length > 0
      ? []
      : [
          [
            ['listeners'],
            'nothing would listen: no listener has a resource that works in this version (admin, client, federation, health or metrics)',
          ],
        ];
  return { listeners, errors, warnings };
}
