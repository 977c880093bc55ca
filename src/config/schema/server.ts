/**
 * The server's name and address, what it listens on, TLS, logs and limits of its own.
 *
 * Names and meanings are the reference server's, except `log`, `limits` and `max_request_size`, which are ours.
 */
import { isServerName } from '../../matrix/identifiers.ts';
import { DEFAULTS } from '../defaults.ts';
import { checkedText, filePath, flag, list, oneOf, section, size, text, wholeNumber } from '../fields.ts';

/** Resources that do something here. */
export const RESOURCES = ['client', 'federation', 'metrics', 'health', 'admin'] as const;
/** Resources of the reference server that are accepted, with a warning, and serve nothing here. */
export const REFERENCE_RESOURCES = [
  'consent',
  'keys',
  'media',
  'openid',
  'replication',
  'static',
  'webclient',
] as const;

const resource = section({
  names: list(oneOf([...RESOURCES, ...REFERENCE_RESOURCES]))
    .min(1, { error: `must name at least one of: ${RESOURCES.join(', ')}` })
    .meta({ description: `Any of: ${RESOURCES.join(', ')}.`, example: ['client', 'health'] }),
});

const listener = section({
  port: wholeNumber({ min: 0, max: 65_535 }).meta({
    description: 'The TCP port; 0 takes any free one, and the log says which.',
    example: 8008,
  }),
  bind_addresses: list(text('must be an address of this machine, such as "127.0.0.1" or "::"'))
    .min(1, { error: 'must have at least one address' })
    .prefault([...DEFAULTS.bindAddresses])
    .meta({ description: 'The addresses to listen on. Without it: all of this machine.', example: ['127.0.0.1'] }),
  bind_address: text().optional().meta({ description: 'Older spelling of `bind_addresses` with one address.' }),
  type: oneOf(['http', 'metrics', 'manhole', 'replication'])
    .prefault('http')
    .meta({ description: '`http`, or `metrics` for a listener with metrics only.', example: 'http' }),
  tls: flag().prefault(false).meta({
    description: 'Whether clients speak TLS here, with `tls_certificate_path` and `tls_private_key_path`.',
    example: false,
  }),
  x_forwarded: flag().prefault(false).meta({
    description:
      "Whether the client's address is taken from X-Forwarded-For. Only behind a reverse proxy that sets it.",
    example: false,
  }),
  resources: list(resource)
    .prefault([])
    .meta({ description: 'What is served here. Every listener also answers GET /health.' }),
});

export const serverKeys = {
  server_name: checkedText(
    isServerName,
    'must be a server name, such as "example.org": the part of user ids after the colon',
  ).meta({
    description: 'The part of user ids after the colon. It cannot be changed later.',
    example: 'example.org',
  }),
  public_baseurl: checkedText(isHttpUrl, 'must be an address that starts with http:// or https://').optional().meta({
    description: 'The address under which clients reach this server. Default: `https://<server_name>/`.',
    example: 'https://matrix.example.org/',
  }),
  listeners: list(listener)
    .min(1, { error: 'must have at least one listener' })
    .prefault(structuredClone(DEFAULTS.listeners) as never)
    .meta({ description: 'Where the server listens, and what is served there.' }),
  tls_certificate_path: filePath().optional().meta({
    description: 'The certificate chain, in PEM form, for listeners with `tls: true`. Read again on SIGHUP.',
    example: 'tls/fullchain.pem',
  }),
  tls_private_key_path: filePath().optional().meta({
    description: 'The private key of the certificate, in PEM form. Read again on SIGHUP.',
    example: 'tls/privkey.pem',
  }),
  max_request_size: size().prefault(DEFAULTS.max_request_size).meta({
    description: 'Largest body of a request; a larger one is refused with M_TOO_LARGE.',
    example: '1M',
  }),
  log: section({
    level: oneOf(['debug', 'info', 'warn', 'error']).prefault(DEFAULTS.log.level).meta({
      description: 'The least important lines that are written. Read again on SIGHUP.',
      example: 'info',
    }),
    format: oneOf(['auto', 'pretty', 'json']).prefault(DEFAULTS.log.format).meta({
      description: '`json` is one object a line, `pretty` is for people; `auto` is pretty on a terminal.',
      example: 'auto',
    }),
  })
    .prefault({})
    .meta({ description: 'What is logged, on the standard output.' }),
  limits: section({
    max_pending_updates_per_observer: wholeNumber({ min: 1 })
      .prefault(DEFAULTS.limits.max_pending_updates_per_observer)
      .meta({
        description:
          'Updates remembered for a connected client that has not fetched them; beyond that its next sync looks at everybody it may see.',
        example: 1000,
      }),
    max_routed_users_per_update: wholeNumber({ min: 1 }).prefault(DEFAULTS.limits.max_routed_users_per_update).meta({
      description: 'Users that modules can add to one update; further ones are dropped and counted.',
      example: 100_000,
    }),
    max_connections: wholeNumber({ min: 1 }).optional().meta({
      description:
        'Open connections, over all listeners; a further one takes the place of an idle one. Default: as many as the process may open files, less a reserve.',
      example: 50_000,
    }),
  })
    .prefault({})
    .meta({ description: 'Upper bounds on what the server keeps in memory.' }),
};

function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
