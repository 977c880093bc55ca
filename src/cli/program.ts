/**
 * The command line: which commands there are, and what they say about themselves. A command that does not work yet is not here.
 */
import { Command, CommanderError, Option } from 'commander';
import { checkConfig } from './commands/check-config.ts';
import { explain, type ExplainOptions } from './commands/explain.ts';
import { generateConfig, type GenerateConfigOptions } from './commands/generate-config.ts';
import { moduleTest, type ModuleTestOptions } from './commands/module-test.ts';
import { registerUser, type RegisterUserOptions } from './commands/register-user.ts';
import { start, type StartOptions } from './commands/start.ts';
import { ExitCode } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';
import { readVersion } from '../server/read-version.ts';

/** Runs one command and returns its exit code. Never rejects for what a user does. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.OK;
  const program = createProgram(terminal, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? ExitCode.OK : ExitCode.CONFIG;
  }
  return exitCode;
}

/** @param done - is told the exit code of the command that ran */
export function createProgram(terminal: Terminal, done: (exitCode: ExitCode) => void): Command {
  const program = new Command('thalamus')
    .description(
      'A presence server for Matrix: who is online, and who gets to know, decided by small TypeScript modules.',
    )
    .version(readVersion(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help, or that of a command')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => {
        terminal.complain(text.trimEnd());
      },
    })
    .showHelpAfterError('(thalamus --help shows what there is)')
    .addHelpText(
      'after',
      '\nBegin with:  thalamus start\nThat writes a configuration, if there is none, starts, and says what to try.',
    );

  program
    .command('start')
    .summary('start the server')
    .description(
      'Starts the server and runs until it is told to stop (Ctrl-C, or SIGTERM). Without -c it takes ./thalamus.yaml, and writes one ' +
        'to try things out if there is none. SIGHUP reads log level, rate limits, TLS files and the modules again.',
    )
    .option('-c, --config <file>', 'the configuration file')
    .option('-w, --watch', 'for authors of modules: take over each change of the configuration and of modules at once')
    .action(async (options: StartOptions) => {
      done(await start(options, terminal));
    });

  program
    .command('generate-config')
    .summary('write a configuration to begin with')
    .description('Writes the configuration of a server that is to stay, with a comment on every line.')
    .requiredOption('--server-name <name>', 'the part of user ids after the colon, such as example.org')
    .option('-o, --output <file>', 'the file to write; without it, the standard output')
    .option('--force', 'replace the file if it exists')
    .action((options: GenerateConfigOptions) => {
      done(generateConfig(options, terminal));
    });

  program
    .command('check-config')
    .summary('find everything that is wrong with a configuration')
    .description('Checks a configuration, and the modules it names, without starting. All problems are shown at once.')
    .option('-c, --config <file>', 'the configuration file', 'thalamus.yaml')
    .action(async (options: { config: string }) => {
      done(await checkConfig(options, terminal));
    });

  program
    .command('register-user')
    .summary('make an account on a running server')
    .description(
      'Registers a user by the shared secret of the configuration. What is not given is asked for on a terminal.',
    )
    .argument(
      '[url]',
      "the server's address; without it, the first listener of the configuration, or http://127.0.0.1:8008",
    )
    .option('-u, --user <name>', 'the name, without @ and server')
    .option('-p, --password <password>', 'the password; others on this machine may see it here, so better leave it out')
    .option('--password-file <file>', 'a file with the password')
    .option('-a, --admin', 'make them an administrator')
    .option('--no-admin', 'make them no administrator, and do not ask')
    .addOption(new Option('-k, --shared-secret <secret>', 'the value of registration_shared_secret'))
    .option('-c, --config <file>', 'the configuration file, to read the secret from')
    .action(async (url: string | undefined, options: RegisterUserOptions) => {
      done(await registerUser(url, options, terminal));
    });

  program
    .command('explain')
    .summary('say why somebody sees somebody, or not')
    .description(
      'Asks a running server, through its admin API, whether the observer sees the presence of the target, in what form, and why: every rule in ' +
        'order, with what each module says, how long it took, and what went wrong. Changes nothing. Exit code 0: they see it; 1: they do ' +
        'not, or only as offline; 2: nobody could say.',
    )
    .argument('<observer>', 'who sees, or not: @alice:example.org, or another server: matrix.org')
    .argument('<target>', 'whose presence: @bob:example.org')
    .option('-c, --config <file>', 'the configuration, for the address and the token (default: thalamus.yaml)')
    .option('--url <url>', "the server's address, instead of that of the listener with the admin API")
    .option(
      '--token-file <file>',
      'a file with the token, instead of that of the configuration or THALAMUS_ADMIN_TOKEN',
    )
    .option('--json', 'print what the server says as JSON')
    .option('--watch', 'print it again whenever it changes, until Ctrl-C')
    .action(async (observer: string, target: string, options: ExplainOptions) => {
      done(await explain(observer, target, options, terminal));
    });

  program
    .command('module')
    .summary('work on a module')
    .description('Tools for those who write modules.')
    .helpCommand(false)
    .command('test')
    .summary('try a module before it is switched on')
    .description(
      'Runs a module in a server in memory, on scenarios from files: who is where, what happens, and who is expected to get what. ' +
        'Without expectations it prints who would get what. With --against it prints what would change in traffic that a server has recorded.',
    )
    .argument('[module]', 'the file of the module, and #Export if it has several, or a package')
    .option('--config <text>', "the module's configuration, as YAML or JSON, or @file")
    .option('-c, --configuration <file>', "a server's configuration: its modules are tried together")
    .option('--scenario <files...>', 'scenarios; without it <module>.scenario.yaml beside the module')
    .option('--update', 'write what happened into the scenarios, as what is expected')
    .option('--watch', 'do it again whenever a file beside the module or a scenario changes')
    .option(
      '--against <record>',
      'instead of scenarios: recorded traffic, a file or the address of a server that records',
    )
    .option('--token-file <file>', 'the token of that server; without it THALAMUS_ADMIN_TOKEN or the configuration')
    .option('--top <number>', 'how many users and servers to list with --against', '10')
    .option('--json', 'print the result as JSON')
    .action(async (module: string | undefined, options: ModuleTestOptions) => {
      done(await moduleTest(module, options, terminal));
    });

  return program;
}
