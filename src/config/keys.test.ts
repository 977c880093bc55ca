import { describe, expect, it } from 'vitest';
import { DEFAULTS } from './defaults.ts';
import { configJsonSchema, type JsonSchema, schemaAt } from './json-schema.ts';
import { editDistance, nearestKey } from './nearest-key.ts';
import { REFERENCE_KEY_HINTS, REFERENCE_KEYS } from './reference-keys.ts';
import { formatDuration, parseDuration, parseSize } from './units.ts';

describe('keys', () => {
  it('of the reference server without a meaning here are not in the schema, and stand in sections that exist', () => {
    for (const key of REFERENCE_KEYS) {
      expect(key).toMatch(/^[a-z0-9_]+(\[\])?(\.[a-z0-9_]+(\[\])?)*$/);
      const path = key.split('.').flatMap((part) => (part.endsWith('[]') ? [part.slice(0, -2), 0] : [part]));
      expect({ key, schema: schemaAt(path) }).toEqual({ key, schema: null });
      expect({ key, section: schemaAt(path.slice(0, -1)) !== null }).toEqual({ key, section: true });
    }
    for (const key of Object.keys(REFERENCE_KEY_HINTS)) expect(REFERENCE_KEYS).toContain(key);
  });

  it('all say what they mean', () => {
    const silent: string[] = [];
    const visit = (schema: JsonSchema, name: string): void => {
      for (const [key, child] of Object.entries(schema.properties ?? {})) {
        if (child.description === undefined) silent.push(`${name}.${key}`);
        visit(child, `${name}.${key}`);
      }
      if (schema.items !== undefined) visit(schema.items, `${name}[]`);
    };
    visit(configJsonSchema(), '');
    expect(silent).toEqual([]);
  });

  it('have the defaults that the defaults say', () => {
    expect(schemaAt(['presence', 'idle_timeout'])?.default).toBe(DEFAULTS.presence.idle_timeout);
    expect(schemaAt(['presence', 'include_offline_users_on_sync'])).toMatchObject({ type: 'boolean', default: false });
  });
});

describe('nearestKey', () => {
  it.each([
    ['idle_timout', 'idle_timeout'],
    ['idleTimeout', 'idle_timeout'],
    ['IDLE-TIMEOUT', 'idle_timeout'],
    ['enabeld', 'enabled'],
    ['zebra', null],
  ])('finds for %s: %s', (key, expected) => {
    expect(nearestKey(key, ['enabled', 'idle_timeout', 'sync_online_timeout'])).toBe(expected);
  });

  it('counts a swap of neighbours as one edit', () => {
    expect([editDistance('ab', 'ba'), editDistance('', 'abc'), editDistance('kitten', 'sitting')]).toEqual([1, 3, 3]);
  });
});

describe('units', () => {
  it.each([
    [5, 5],
    ['5', 5],
    ['5s', 5000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1w', 604_800_000],
    ['1y', 31_536_000_000],
    ['-5s', -5000],
    ['5ms', null],
    ['0.5s', null],
    [0.5, null],
    ['', null],
    ['99999999999999y', null],
    [true, null],
  ])('reads the duration %j as %j', (value, ms) => {
    expect(parseDuration(value)).toBe(ms);
  });

  it.each([
    [1024, 1024],
    ['1K', 1024],
    ['50M', 52_428_800],
    ['1G', 1_073_741_824],
    ['1T', 1_099_511_627_776],
    ['1m', null],
  ])('reads the size %j as %j', (value, bytes) => {
    expect(parseSize(value)).toBe(bytes);
  });

  it('prints durations in the largest unit that fits', () => {
    expect([0, 1, 90_000, 300_000, 604_800_000].map(formatDuration)).toEqual(['0', '1', '90s', '5m', '1w']);
  });
});
