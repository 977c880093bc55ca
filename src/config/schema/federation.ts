/**
 * Other servers: who we are to them, whom we talk to and how, and what is kept of them.
 *
 * Names, defaults and meanings are the reference server's, except `federation_dns_servers` and `federation_presence`, which are ours.
 */
import { isIP } from 'node:net';
import { isServerName } from '../../matrix/identifiers.ts';
import { DEFAULTS } from '../defaults.ts';
import {
  checkedText,
  duration,
  filePath,
  flag,
  list,
  mapping,
  positiveNumber,
  section,
  wholeNumber,
} from '../fields.ts';

const serverName = () => checkedText(isServerName, 'must be a server name, such as "example.org"');
const ipRange = () => checkedText(isIpRange, 'must be an IP address or range, such as "10.0.0.0/8"');
const pattern = () =>
  checkedText(isServerPattern, 'must be a server name, in which * stands for anything, such as "*.example.org"');

const publicKey = () =>
  checkedText((value) => PUBLIC_KEY.test(value), 'must be a public key: 32 bytes in base64, which are 43 characters');
const PUBLIC_KEY = /^[A-Za-z0-9+/_-]{43}=?$/;

const dnsServer = () =>
  checkedText(isDnsServer, 'must be the address of a DNS server, such as "10.0.0.53" or "127.0.0.1:5353"');

const { federation, rc_federation: rc, federation_presence: ours } = DEFAULTS;

export const federationKeys = {
  signing_key_path: filePath()
    .optional()
    .meta({ description: "The file with this server's signing key.", example: 'example.org.signing.key' }),
  old_signing_keys: mapping(
    section({
      key: publicKey().meta({ description: 'The public key, in unpadded base64.' }),
      expired_ts: wholeNumber({ min: 0 }).meta({ description: 'When it expired, in milliseconds since 1970.' }),
    }),
  )
    .optional()
    .meta({ description: 'Keys that this server signed with before, by their id.' }),
  key_refresh_interval: duration().prefault(DEFAULTS.key_refresh_interval).meta({
    description: 'How long other servers may keep our keys before they ask again.',
    example: '1d',
  }),
  trusted_key_servers: list(
    section({
      server_name: serverName().meta({ description: 'The name of the server.', example: 'example.org' }),
      verify_keys: mapping(publicKey())
        .optional()
        .meta({ description: 'Its public keys by their id, in unpadded base64.' }),
      accept_keys_insecurely: flag()
        .optional()
        .meta({ description: 'Whether its unsigned answers are trusted.', example: false }),
    }),
  )
    .optional()
    .meta({ description: "Servers that are asked for other servers' keys." }),
  federation_domain_whitelist: list(serverName())
    .optional()
    .meta({
      description: 'The only servers to exchange presence with. Without it: all.',
      example: ['example.org'],
    }),
  federation_verify_certificates: flag()
    .prefault(true)
    .meta({ description: "Whether other servers' certificates are checked.", example: true }),
  federation_certificate_verification_whitelist: list(pattern())
    .optional()
    .meta({
      description: 'Servers whose certificates are not checked; * stands for anything.',
      example: ['*.onion'],
    }),
  federation_custom_ca_list: list(filePath())
    .optional()
    .meta({
      description: 'Files of certificate authorities, in PEM form, that are trusted instead of those of the system.',
      example: ['ca/my-ca.pem'],
    }),
  ip_range_blacklist: list(ipRange())
    .optional()
    .meta({
      description: 'Addresses that are never connected to. Default: private and special ranges.',
      example: ['10.0.0.0/8'],
    }),
  ip_range_whitelist: list(ipRange())
    .optional()
    .meta({ description: 'Exceptions to `ip_range_blacklist`.', example: ['10.1.2.3'] }),
  federation: section({
    client_timeout: duration()
      .prefault(federation.client_timeout)
      .meta({ description: 'How long a request to another server may take.', example: '60s' }),
    max_long_retry_delay: duration()
      .prefault(federation.max_long_retry_delay)
      .meta({ description: 'Longest of the pauses before quick retries.', example: '60s' }),
    max_long_retries: wholeNumber({ min: 0 })
      .prefault(federation.max_long_retries)
      .meta({ description: 'Quick retries before a server that failed rests for longer.', example: 10 }),
    destination_min_retry_interval: duration()
      .prefault(federation.destination_min_retry_interval)
      .meta({ description: 'First rest after the quick retries.', example: '10m' }),
    destination_retry_multiplier: positiveNumber()
      .prefault(federation.destination_retry_multiplier)
      .meta({ description: 'What the rest is multiplied with at each further failure.', example: 2 }),
    destination_max_retry_interval: duration()
      .prefault(federation.destination_max_retry_interval)
      .meta({ description: 'Longest rest.', example: '7d' }),
  })
    .prefault({})
    .meta({ description: 'Retries and time limits of requests to other servers.' }),
  federation_rr_transactions_per_room_per_second: wholeNumber({ min: 1 })
    .prefault(DEFAULTS.federation_rr_transactions_per_room_per_second)
    .meta({ description: 'How many servers of one room are woken per second.', example: 50 }),
  serve_server_wellknown: flag().prefault(false).meta({
    description:
      'Whether `/.well-known/matrix/server`, on listeners with `client`, sends other servers to port 443 of `public_baseurl`.',
    example: true,
  }),
  federation_dns_servers: list(dnsServer())
    .min(1, { error: 'must name a server at least; without the key the servers of the system are asked' })
    .optional()
    .meta({
      description: "DNS servers to ask for other servers' addresses. Default: those of the system, and its hosts file.",
      example: ['10.0.0.53'],
    }),
  rc_federation: section({
    window_size: duration().prefault(rc.window_size).meta({ description: 'The window that requests are counted in.' }),
    sleep_limit: wholeNumber({ min: 1 })
      .prefault(rc.sleep_limit)
      .meta({ description: 'Requests in a window before further ones wait.', example: 10 }),
    sleep_delay: duration().prefault(rc.sleep_delay).meta({ description: 'How long those wait.' }),
    reject_limit: wholeNumber({ min: 1 })
      .prefault(rc.reject_limit)
      .meta({ description: 'Requests that may wait before further ones are refused.', example: 50 }),
    concurrent: wholeNumber({ min: 1 })
      .prefault(rc.concurrent)
      .meta({ description: 'Requests that are worked on at once.', example: 3 }),
  })
    .prefault({})
    .meta({ description: 'How often one other server can ask.' }),
  federation_presence: section({
    coalescing_window: duration({ zero: true }).prefault(ours.coalescing_window).meta({
      description:
        'How long an update waits for others to the same server, so that coming and going makes one request.',
      example: 100,
    }),
    keep_alive_spread: duration({ zero: true }).prefault(ours.keep_alive_spread).meta({
      description: 'Over how long the repetition of unchanged presence, due every 25 minutes, is spread. At most 3m.',
      example: '3m',
    }),
    max_destinations: wholeNumber({ min: 1 }).prefault(ours.max_destinations).meta({
      description: 'Servers that updates can wait for at once.',
      example: 100_000,
    }),
    max_states_per_destination: wholeNumber({ min: 1 }).prefault(ours.max_states_per_destination).meta({
      description:
        'Users whose updates wait for one server; beyond it the server gets the present states when it answers.',
      example: 10_000,
    }),
    max_concurrent_transactions: wholeNumber({ min: 1 }).prefault(ours.max_concurrent_transactions).meta({
      description: 'Requests with updates that are open to other servers at once.',
      example: 100,
    }),
    max_users_per_server: wholeNumber({ min: 1 }).prefault(ours.max_users_per_server).meta({
      description:
        'Users of one other server who share no room with anybody here and whose presence is kept because a module shows it to somebody.',
      example: 10_000,
    }),
    max_users: wholeNumber({ min: 1 }).prefault(ours.max_users).meta({
      description: 'The same, of all other servers together.',
      example: 100_000,
    }),
    max_strangers_per_server: wholeNumber({ min: 0 }).prefault(ours.max_strangers_per_server).meta({
      description: 'Users of one other server whose presence is kept for a while though nobody here can see it yet.',
      example: 1000,
    }),
    max_strangers: wholeNumber({ min: 0 }).prefault(ours.max_strangers).meta({
      description: 'The same, of all other servers together.',
      example: 20_000,
    }),
    strangers_asked_per_second_and_server: wholeNumber({ min: 0 })
      .prefault(ours.strangers_asked_per_second_and_server)
      .meta({
        description: 'Of such users of one other server, how many a second modules are asked about; the others wait.',
        example: 20,
      }),
    strangers_asked_per_second: wholeNumber({ min: 0 }).prefault(ours.strangers_asked_per_second).meta({
      description: 'The same, of all other servers together.',
      example: 200,
    }),
  })
    .prefault({})
    .meta({ description: 'What waits for other servers, and what is kept of them: upper bounds on memory.' }),
};

function isIpRange(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

function isServerPattern(value: string): boolean {
  return isServerName(value.replaceAll('*', 'a'));
}

function isDnsServer(value: string): boolean {
  if (isIP(value) !== 0) return true;
  const bracketed = /^\[(.+)\](?::(\d{1,5}))?$/.exec(value);
  if (bracketed !== null) return isIP(bracketed[1] ?? '') === 6 && isPort(bracketed[2] ?? '53');
  const [address = '', port = '', ...rest] = value.split(':');
  return rest.length === 0 && isIP(address) === 4 && isPort(port);
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}
