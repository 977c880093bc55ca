/**
 * Keys of modes that come later: federation, and several processes. Checked now, so that a file that is right stays right;
 * without effect yet, which one warning per group says.
 *
 * Names, defaults and meanings are the reference server's.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
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
  text,
  wholeNumber,
} from '../fields.ts';

const serverName = () => checkedText(isServerName, 'must be a server name, such as "example.org"');
const ipRange = () => checkedText(isIpRange, 'must be an IP address or range, such as "10.0.0.0/8"');
const pattern = () =>
  checkedText(isServerPattern, 'must be a server name, in which * stands for anything, such as "*.example.org"');

const federation = DEFAULTS.federation;

export const federationKeys = {
  signing_key_path: filePath()
    .optional()
    .meta({ description: "The file with this server's signing key.", example: 'example.org.signing.key' }),
  old_signing_keys: mapping(
    section({
      key: text().meta({ description: 'The public key, in unpadded base64.' }),
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
      verify_keys: mapping(text()).optional().meta({ description: 'Its public keys by their id, in unpadded base64.' }),
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
    max_short_retry_delay: duration()
      .prefault(federation.max_short_retry_delay)
      .meta({ description: 'Longest pause before a quick retry.', example: '2s' }),
    max_long_retry_delay: duration()
      .prefault(federation.max_long_retry_delay)
      .meta({ description: 'Longest pause before a slow retry.', example: '60s' }),
    max_short_retries: wholeNumber({ min: 0 })
      .prefault(federation.max_short_retries)
      .meta({ description: 'Most quick retries.', example: 3 }),
    max_long_retries: wholeNumber({ min: 0 })
      .prefault(federation.max_long_retries)
      .meta({ description: 'Most slow retries.', example: 10 }),
    destination_min_retry_interval: duration()
      .prefault(federation.destination_min_retry_interval)
      .meta({ description: 'First pause before a server that failed is tried again.', example: '10m' }),
    destination_retry_multiplier: positiveNumber()
      .prefault(federation.destination_retry_multiplier)
      .meta({ description: 'What the pause is multiplied with at each failure.', example: 2 }),
    destination_max_retry_interval: duration()
      .prefault(federation.destination_max_retry_interval)
      .meta({ description: 'Longest pause before a server that failed is tried again.', example: '7d' }),
  })
    .prefault({})
    .meta({ description: 'Retries and time limits of requests to other servers.' }),
  federation_rr_transactions_per_room_per_second: wholeNumber({ min: 1 })
    .prefault(DEFAULTS.federation_rr_transactions_per_room_per_second)
    .meta({ description: 'How many servers of one room are woken per second.', example: 50 }),
};

export const redisKeys = {
  redis: section({
    enabled: flag()
      .prefault(false)
      .meta({ description: 'Whether Redis (or Valkey) connects several processes.', example: true }),
    host: text().prefault(DEFAULTS.redis.host).meta({ description: 'Its host.', example: 'localhost' }),
    port: wholeNumber({ min: 1, max: 65_535 })
      .prefault(DEFAULTS.redis.port)
      .meta({ description: 'Its port.', example: 6379 }),
    path: filePath()
      .optional()
      .meta({ description: 'A Unix socket, instead of host and port.', example: '/run/redis/redis.sock' }),
    password: text().optional().meta({ description: 'Its password.', example: 'a long random text' }),
    password_path: filePath()
      .optional()
      .meta({ description: 'A file with the password, instead of `password`.', example: 'redis-password.txt' }),
    dbid: wholeNumber({ min: 0 }).optional().meta({ description: 'The number of its database.', example: 0 }),
    use_tls: flag().prefault(false).meta({ description: 'Whether the connection is TLS.', example: false }),
    certificate_file: filePath().optional().meta({ description: 'Our certificate for it.' }),
    private_key_file: filePath().optional().meta({ description: 'The key of that certificate.' }),
    ca_file: filePath().optional().meta({ description: 'A file with the certificate authority to trust.' }),
    ca_path: filePath().optional().meta({ description: 'A folder with certificate authorities to trust.' }),
  })
    .optional()
    .meta({ description: 'The bus between several processes.' }),
};

const instances = () =>
  z
    .union([text(), list(text())], { error: 'must be the name of a process, or a list of names' })
    .transform((value) => (typeof value === 'string' ? [value] : value));

export const clusterKeys = {
  worker_name: text().optional().meta({ description: 'The name of this process.', example: 'presence1' }),
  instance_map: mapping(
    section({
      host: text().optional().meta({ description: 'The host of the process.' }),
      port: wholeNumber({ min: 1, max: 65_535 }).optional().meta({ description: 'Its port.' }),
      path: filePath().optional().meta({ description: 'A Unix socket, instead of host and port.' }),
      tls: flag().optional().meta({ description: 'Whether the connection is TLS.' }),
    }),
  )
    .optional()
    .meta({ description: 'The processes, by name, and where they are.' }),
  stream_writers: section({
    presence: instances().optional().meta({
      description: 'The one process that writes presence in a deployment of the reference server.',
      example: 'main',
    }),
  })
    .optional()
    .meta({ description: 'Which process writes what.' }),
  federation_sender_instances: list(text())
    .optional()
    .meta({ description: 'The processes that send to other servers.', example: ['sender1'] }),
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
