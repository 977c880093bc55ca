/**
 * The system's own table of names, `/etc/hosts`: looked at before the DNS, as the system itself does.
 */
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';

const MAX_BYTES = 1024 * 1024;

export interface HostsFile {
  /** Addresses of a name, in the order of the file; empty if it has none, or if there is no such file. */
  find(name: string): Promise<readonly string[]>;
}

/** The file is read again when it has changed. */
export function openHostsFile(path = '/etc/hosts'): HostsFile {
  let version = '';
  let table: ReadonlyMap<string, readonly string[]> = new Map();
  return {
    async find(name) {
      try {
        const { mtimeMs, size } = await stat(path);
        if (`${mtimeMs} ${size}` !== version) {
          table = size > MAX_BYTES ? new Map() : parseHosts(await readFile(path, 'utf8'));
          version = `${mtimeMs} ${size}`;
        }
      } catch {
        return [];
      }
      return table.get(name.toLowerCase().replace(/\.$/, '')) ?? [];
    },
  };
}

function parseHosts(text: string): Map<string, string[]> {
  const table = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      table.set(key, [...(table.get(key) ?? []), address]);
    }
  }
  return table;
}
