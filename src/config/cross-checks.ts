/**
 * Checks that concern several keys, made on the raw values so that they run even when other keys are wrong.
 *
 * Source: the reference server (timers, registration, one presence writer); product decisions for the rest.
 */
import { DEFAULTS } from './defaults.ts';
import { flag } from './fields.ts';
import { isMapping } from './prepare-values.ts';
import type { ConfigPath } from './problems.ts';
import { federationKeys } from './schema/federation.ts';
import { parseDuration } from './units.ts';

/** Path of the key that is to blame, and the message. */
export type Finding = readonly [path: ConfigPath, message: string];
/** 25 minutes until it is due, 30 until other servers forget; the rest is for slow ones. */
const MAX_KEEP_ALIVE_SPREAD_MS = 180_000;
/** Served with the client API. */
const USED_ANYWAY: ReadonlySet<string> = new Set(['serve_server_wellknown']);
/** Made elsewhere, perhaps: more than the specification allows. */
const OLD_KEY_ID = /^ed25519:[A-Za-z0-9_.-]{1,100}$/;
type Values = Readonly<Record<string, unknown>>;

export function crossCheck(values: Values): { errors: Finding[]; warnings: Finding[] } {
  const presence = sectionOf(values, 'presence');
  return {
    errors: [
      ...checkTimers(presence),
      ...checkRegistration(values),
      ...checkSecrets(values),
      ...checkTls(values),
      ...checkPorts(values),
      ...checkModuleNames(values),
      ...checkPresenceWriter(values),
      ...checkKeepAliveSpread(values),
      ...checkKeyServers(values),
      ...checkOldKeys(values),
    ],
    warnings: [...warnOfRooms(values), ...warnOfGrace(values, presence), ...warnOfIdleFederation(values)],
  };
}

function* checkTimers(presence: Values): Generator<Finding> {
  const idle = parseDuration(presence['idle_timeout'] ?? DEFAULTS.presence.idle_timeout);
  const granularity = parseDuration(presence['last_active_granularity'] ?? DEFAULTS.presence.last_active_granularity);
  if (idle === null || granularity === null || granularity <= 0 || idle <= 0 || idle > granularity) return;
  const blame = presence['idle_timeout'] === undefined ? 'last_active_granularity' : 'idle_timeout';
  const message = `idle_timeout (${idle} ms) must be greater than last_active_granularity (${granularity} ms)`;
  yield [['presence', blame], message];
}

function* checkRegistration(values: Values): Generator<Finding> {
  if (!isOn(values['enable_registration']) || isOn(values['enable_registration_without_verification'])) return;
  yield [
    ['enable_registration'],
    'opens registration to everybody without any proof of who they are; if that is meant, also set enable_registration_without_verification: true',
  ];
}

function* checkSecrets(values: Values): Generator<Finding> {
  for (const [path, section] of [
    [['registration_shared_secret'], values],
    [['redis', 'password'], sectionOf(values, 'redis')],
  ] as const) {
    const key = path.at(-1) ?? '';
    if (section[key] === undefined || section[`${key}_path`] === undefined) continue;
    yield [path, `stands beside ${key}_path; keep one of them`];
  }
}

function* checkTls(values: Values): Generator<Finding> {
  for (const [index, listener] of listenersOf(values)) {
    if (!isOn(listener['tls'])) continue;
    for (const key of ['tls_certificate_path', 'tls_private_key_path']) {
      if (values[key] === undefined) yield [['listeners', index, 'tls'], `needs ${key}, which is missing`];
    }
  }
}

function* checkPorts(values: Values): Generator<Finding> {
  const seen = new Map<unknown, { index: number; addresses: ReadonlySet<unknown> }[]>();
  for (const [index, listener] of listenersOf(values)) {
    const { port } = listener;
    if (typeof port !== 'number' || port === 0) continue;
    const list = listener['bind_addresses'] ?? [listener['bind_address'] ?? DEFAULTS.bindAddresses].flat();
    const addresses = new Set<unknown>(Array.isArray(list) ? list : []);
    const others = seen.get(port) ?? [];
    const same = others.find((other) => [...addresses].some((address) => other.addresses.has(address)));
    if (same !== undefined)
      yield [['listeners', index, 'port'], `is taken by listeners[${same.index}], on the same address`];
    seen.set(port, [...others, { index, addresses }]);
  }
}

function* checkModuleNames(values: Values): Generator<Finding> {
  const modules = Array.isArray(values['modules']) ? values['modules'] : [];
  const seen = new Map<unknown, number>();
  for (const [index, entry] of modules.entries()) {
    const name: unknown = (isMapping(entry) ? entry['name'] : undefined) ?? String(index);
    const first = seen.get(name);
    if (first !== undefined)
      yield [['modules', index, 'name'], `is the name of modules[${first}], too; names tell entries apart`];
    else seen.set(name, index);
  }
}

function* checkPresenceWriter(values: Values): Generator<Finding> {
  const writer = sectionOf(values, 'stream_writers')['presence'];
  if (writer === undefined) return;
  const names = Array.isArray(writer) ? writer : [writer];
  const path = ['stream_writers', 'presence'];
  if (names.length !== 1) yield [path, `must be exactly one process, not ${names.length}`];
  const known = sectionOf(values, 'instance_map');
  for (const name of names) {
    if (typeof name === 'string' && name !== 'main' && !Object.hasOwn(known, name)) {
      yield [path, `names "${name}", which is not in instance_map`];
    }
  }
}

function* checkKeepAliveSpread(values: Values): Generator<Finding> {
  const spread = parseDuration(sectionOf(values, 'federation_presence')['keep_alive_spread'] ?? 0);
  if (spread === null || spread <= MAX_KEEP_ALIVE_SPREAD_MS) return;
  yield [
    ['federation_presence', 'keep_alive_spread'],
    'must be at most 3m: other servers forget presence after 30 minutes',
  ];
}

/** Without its key and without certificates, whoever answers in its place would be believed about everybody's keys. */
function* checkKeyServers(values: Values): Generator<Finding> {
  const verifies = values['federation_verify_certificates'];
  if (verifies === undefined || isOn(verifies)) return;
  const servers = Array.isArray(values['trusted_key_servers']) ? values['trusted_key_servers'] : [];
  for (const [index, server] of servers.entries()) {
    if (!isMapping(server) || server['verify_keys'] !== undefined || isOn(server['accept_keys_insecurely'])) continue;
    const message =
      'needs verify_keys where federation_verify_certificates is off; if that is meant, set accept_keys_insecurely: true';
    yield [['trusted_key_servers', index], message];
  }
}

function* checkOldKeys(values: Values): Generator<Finding> {
  for (const keyId of Object.keys(sectionOf(values, 'old_signing_keys'))) {
    if (OLD_KEY_ID.test(keyId)) continue;
    yield [['old_signing_keys', keyId], 'a key id must be "ed25519:", letters, digits and _'];
  }
}

function* warnOfRooms(values: Values): Generator<Finding> {
  const rooms = values['exclude_rooms_from_presence'];
  for (const [index, room] of (Array.isArray(rooms) ? rooms : []).entries()) {
    if (typeof room !== 'string' || room.startsWith('!')) continue;
    yield [['exclude_rooms_from_presence', index], 'is not a room id (those start with "!"), so it excludes nothing'];
  }
}

function* warnOfGrace(values: Values, presence: Values): Generator<Finding> {
  const perUser = sectionOf(sectionOf(values, 'rc_presence'), 'per_user');
  const perSecond = perUser['per_second'] ?? DEFAULTS.rc.presence.per_second;
  const grace = parseDuration(presence['sync_online_timeout'] ?? DEFAULTS.presence.sync_online_timeout);
  if (typeof perSecond !== 'number' || perSecond <= 0 || grace === null || grace <= 0 || grace > 1000 / perSecond)
    return;
  yield [
    ['presence', 'sync_online_timeout'],
    'is not longer than the interval that rc_presence.per_user allows, so users may seem to come and go',
  ];
}

/** Settings for federation in a file whose listeners have none of it. */
function* warnOfIdleFederation(values: Values): Generator<Finding> {
  const used = Object.keys(federationKeys).filter((key) => Object.hasOwn(values, key) && !USED_ANYWAY.has(key));
  const [first] = used;
  if (first === undefined) return;
  for (const [, { resources }] of listenersOf(values)) {
    for (const resource of Array.isArray(resources) ? resources : []) {
      const names: unknown = isMapping(resource) ? resource['names'] : null;
      if (Array.isArray(names) && names.includes('federation')) return;
    }
  }
  const message = `has no effect: no listener has the resource federation, so presence stays on this server (${used.join(', ')})`;
  yield [[first], message];
}

function* listenersOf(values: Values): Generator<[number, Values]> {
  const listeners = values['listeners'];
  for (const [index, listener] of (Array.isArray(listeners) ? listeners : []).entries()) {
    if (isMapping(listener)) yield [index, listener];
  }
}

function sectionOf(values: Values, key: string): Values {
  const value = values[key];
  return isMapping(value) ? value : {};
}

function isOn(value: unknown): boolean {
  return flag().safeParse(value).data === true;
}
