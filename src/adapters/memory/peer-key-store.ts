/**
 * Other servers' keys for as long as the process lives: for tests, and for servers that may ask again.
 */
import type { ServerName } from '../../matrix/identifiers.ts';
import type { PeerKey, PeerKeyStore } from '../../ports/federation-store.ts';

export class MemoryPeerKeyStore implements PeerKeyStore {
  #keys: readonly PeerKey[] = [];

  async load(serverName: ServerName): Promise<readonly PeerKey[]> {
    return this.#keys.filter((key) => key.serverName === serverName).map((key) => ({ ...key }));
  }

  async save(keys: readonly PeerKey[]): Promise<void> {
    const replaced = new Set(keys.map((key) => key.serverName));
    const others = this.#keys.filter((key) => !replaced.has(key.serverName));
    this.#keys = [...others, ...keys.map((key) => ({ ...key }))];
  }

  async forget({ fetchedBeforeTs, keepNewest }: { fetchedBeforeTs: number; keepNewest: number }): Promise<number> {
    const before = this.#keys.length;
    const firstBeyond = this.#keys.map((key) => key.fetchedTs).sort((a, b) => b - a)[keepNewest] ?? -1;
    this.#keys = this.#keys.filter((key) => key.fetchedTs >= fetchedBeforeTs && key.fetchedTs > firstBeyond);
    return before - this.#keys.length;
  }
}
