/**
 * The `Logger` port on pino: one JSON object a line, or lines for people on a terminal.
 *
 * Lines are written synchronously, so none is lost when the process dies. The level can change while the server runs.
 */
import { type DestinationStream, type Logger as PinoLogger, pino, stdSerializers } from 'pino';
import pretty from 'pino-pretty';
import type { LogFields, Logger } from '../../ports/logger.ts';
import { redact, redactText } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LoggingOptions {
  readonly level: LogLevel;
  /** `auto`: pretty if the standard output is a terminal. */
  readonly format: 'auto' | 'pretty' | 'json';
  /** @default the standard output */
  readonly destination?: DestinationStream;
}

export interface Logging {
  readonly logger: Logger;
  /** Changes the level of this logger and of all its children, present and future. */
  readonly setLevel: (level: LogLevel) => void;
}

export function createLogging(options: LoggingOptions): Logging {
  const isPretty = isPrettyFormat(options.format);
  const stdout = options.destination ?? pino.destination({ dest: 1, sync: true });
  const stream = isPretty ? prettyStream(options.destination) : stdout;
  // The threshold is ours, because a pino child keeps the level that its parent had when it was made.
  const threshold = { value: SEVERITY[options.level] };
  const root = pino(
    {
      level: 'debug',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    stream,
  );
  return {
    logger: wrap(root, threshold),
    setLevel: (level) => {
      threshold.value = SEVERITY[level];
    },
  };
}

/** Whether lines are for people. */
export function isPrettyFormat(format: LoggingOptions['format']): boolean {
  return format === 'pretty' || (format === 'auto' && process.stdout.isTTY);
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 };

function wrap(target: PinoLogger, threshold: { readonly value: number }): Logger {
  const write = (level: 'debug' | 'info' | 'warn' | 'error', fields: LogFields, message: string): void => {
    if (threshold.value > SEVERITY[level]) return;
    try {
      target[level](redact(fields), message);
    } catch {
      // What modules throw can be an object that throws when it is read. A line about it must not end the process.
      target[level]({ fields: 'could not be read' }, message);
    }
  };
  return {
    debug: (fields, message) => {
      write('debug', fields, message);
    },
    info: (fields, message) => {
      write('info', fields, message);
    },
    warn: (fields, message) => {
      write('warn', fields, message);
    },
    error: (fields, message) => {
      write('error', fields, message);
    },
    child: (fields: LogFields) => wrap(target.child(redact(fields)), threshold),
  };
}

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return redact(error);
  // Modules throw errors whose members are anything.
  const { type, message, stack, ...rest }: Record<string, unknown> = stdSerializers.err(error);
  // What a module threw may have no frames that would help anybody.
  const text = stack === '' ? {} : { stack: redactText(String(stack)) };
  return { type, message: redactText(String(message)), ...text, ...redact(rest) };
}

function prettyStream(destination: DestinationStream | undefined): DestinationStream {
  return pretty({
    colorize: destination === undefined && process.stdout.isTTY && process.stdout.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    singleLine: true,
    sync: true,
    ...(destination === undefined ? { destination: 1 } : { destination: destination as NodeJS.WritableStream }),
  });
}
