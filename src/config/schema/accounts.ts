/**
 * Registration and the request limits. Names, defaults and meanings are the reference server's.
 */
import { z } from 'zod';
import { DEFAULTS } from '../defaults.ts';
import { filePath, flag, positiveNumber, section, text } from '../fields.ts';

interface Rate {
  readonly per_second: number;
  readonly burst_count: number;
}

function rate(defaults: Rate) {
  return section({
    per_second: positiveNumber()
      .prefault(defaults.per_second)
      .meta({ description: 'How many a second, on average.', example: 0.5 }),
    burst_count: z
      .number({ error: 'must be a number of at least 1' })
      .min(1, { error: 'must be a number of at least 1' })
      .prefault(defaults.burst_count)
      .meta({ description: 'How many at once.', example: 10 }),
  }).prefault({});
}

const { rc } = DEFAULTS;

export const accountKeys = {
  enable_registration: flag().prefault(false).meta({
    description: 'Whether people can make accounts themselves. Needs `enable_registration_without_verification`, too.',
    example: true,
  }),
  enable_registration_without_verification: flag().prefault(false).meta({
    description:
      'Says that registration without any proof of being human or of an address is meant: there is no other kind here.',
    example: true,
  }),
  registration_shared_secret: text().optional().meta({
    description: 'Whoever knows it can register users, administrators too, even when registration is closed.',
    example: 'a long random text',
  }),
  registration_shared_secret_path: filePath().optional().meta({
    description: 'A file with that secret, instead of `registration_shared_secret`.',
    example: 'registration-secret.txt',
  }),
  rc_presence: section({
    per_user: rate(rc.presence).meta({
      description: 'Per user: by PUT, and separately by sync. Default: one per 10 s.',
    }),
  })
    .prefault({})
    .meta({ description: 'How often a user can change presence. Read again on SIGHUP.' }),
  rc_login: section({
    address: rate(rc.login_address).meta({ description: 'Per address of the client.' }),
    account: rate(rc.login_account).meta({ description: 'Per account that is logged into.' }),
    failed_attempts: rate(rc.login_failed_attempts).meta({ description: 'Failures per account.' }),
  })
    .prefault({})
    .meta({ description: 'How often one can log in. Read again on SIGHUP.' }),
  rc_registration: rate(rc.registration).meta({
    description: 'How often one address can register. Read again on SIGHUP.',
  }),
};
