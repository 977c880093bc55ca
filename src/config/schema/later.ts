/**
 * Keys of a mode that comes later: several processes. Checked now, so that a file that is right stays right;
 * without effect yet, which one warning per group says.
 *
 * Names, defaults and meanings are the reference server's.
 */
import { z } from 'zod';
import { DEFAULTS } from '../defaults.ts';
import { filePath, flag, list, mapping, section, text, wholeNumber } from '../fields.ts';

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
