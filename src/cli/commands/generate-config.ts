/**
 * `thalamus generate-config`: writes the configuration of a server that is to stay, with a comment on every line.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { writeConfig } from '../../config/write-config.ts';
import { isServerName } from '../../matrix/identifiers.ts';
import { ExitCode } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';

export interface GenerateConfigOptions {
  readonly serverName: string;
  /** Undefined: the standard output. */
  readonly output?: string;
  /** Whether an existing file may be replaced. */
  readonly force?: boolean;
}

export function generateConfig({ serverName, output, force }: GenerateConfigOptions, terminal: Terminal): ExitCode {
  if (!isServerName(serverName)) {
    terminal.complain(`--server-name: must be a server name, such as "example.org", not ${JSON.stringify(serverName)}`);
    return ExitCode.CONFIG;
  }
  const registrationSharedSecret = randomBytes(32).toString('base64url');
  const text = writeConfig({ serverName, module: null, purpose: 'server', registrationSharedSecret });
  if (output === undefined) {
    terminal.stdout.write(text);
    return ExitCode.OK;
  }
  try {
    // There is a secret in it: readable by this user only.
    writeFileSync(output, text, { flag: force === true ? 'w' : 'wx', mode: 0o600 });
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    const reason = error instanceof Error ? error.message : String(error);
    terminal.complain(exists ? `${output} exists; --force replaces it` : `${output} cannot be written: ${reason}`);
    return ExitCode.FAILURE;
  }
  terminal.print(`${output} is written. Read it, then run: thalamus start -c ${output}`);
  return ExitCode.OK;
}
