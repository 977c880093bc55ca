/**
 * One HTTP request and its whole answer on a connection (or a pool of them), with a limit to the answer's size.
 *
 * Written against undici's dispatch interface: no streams and no abort signals, which cost more than the request itself.
 */
import type { Dispatcher } from 'undici';
import { codeOf, reasonOf, StepFailure } from './step-failure.ts';

export interface ExchangeRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly maxResponseBytes: number;
}

export interface Answer {
  readonly httpStatus: number;
  /** Names in lower case; the first value of those that come several times. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Exchange {
  /** @throws StepFailure */
  readonly answer: Promise<Answer>;
  /** How far it has come. */
  readonly stage: 'waiting' | 'sent' | 'answering';
  /** Ends it with `failure`; the connection is lost when the request was under way. */
  abort(failure: StepFailure): void;
}

/** The peer closed a connection, perhaps in the very moment in which we used it again. */
const BROKEN = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export function isBroken(failure: unknown): boolean {
  return failure instanceof StepFailure && BROKEN.has(codeOf(failure.cause));
}

export function startExchange(dispatcher: Dispatcher, request: ExchangeRequest): Exchange {
  let stage: Exchange['stage'] = 'waiting';
  let aborted: StepFailure | null = null;
  let controller: Dispatcher.DispatchController | null = null;
  let fail: (failure: StepFailure) => void = () => undefined;

  const abort = (failure: StepFailure): void => {
    aborted ??= failure;
    controller?.abort(aborted);
    fail(aborted);
  };

  const answer = new Promise<Answer>((resolve, reject) => {
    fail = reject;
    const chunks: Buffer[] = [];
    let size = 0;
    let httpStatus = 0;
    let headers: Readonly<Record<string, string>> = {};

    const tooLarge = (): void => {
      abort(new StepFailure('too_large', `its answer is longer than ${request.maxResponseBytes} bytes`));
    };
    dispatcher.dispatch(
      {
        path: request.uri,
        method: request.method,
        headers: request.headers,
        body: request.body ?? null,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (aborted !== null) started.abort(aborted);
          else stage = 'sent';
        },
        onResponseStart(_controller, status, received) {
          if (status < 200) return;
          stage = 'answering';
          httpStatus = status;
          headers = firstValues(received);
          if (Number(headers['content-length'] ?? 0) > request.maxResponseBytes) tooLarge();
        },
        onResponseData(_controller, chunk) {
          size += chunk.length;
          if (size > request.maxResponseBytes) tooLarge();
          else chunks.push(chunk);
        },
        onResponseEnd() {
          resolve({ httpStatus, headers, body: Buffer.concat(chunks).toString('utf8') });
        },
        onResponseError(_controller, error) {
          reject(aborted ?? failureOf(error, stage));
        },
      },
    );
  });
  return {
    answer,
    get stage() {
      return stage;
    },
    abort,
  };
}

function firstValues(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const first: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) first[name.toLowerCase()] = typeof value === 'string' ? value : (value[0] ?? '');
  }
  return first;
}

function failureOf(error: Error, stage: Exchange['stage']): Error {
  if (error instanceof StepFailure) return error;
  const code = codeOf(error);
  if (code === 'UND_ERR_INVALID_ARG') return error;
  const options = { cause: error };
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new StepFailure('too_large', 'the head of its answer is too long', options);
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return new StepFailure('closed', 'the connection was closed on our side', options);
  }
  const when = stage === 'answering' ? 'in the middle of its answer' : 'before it answered';
  if (BROKEN.has(code))
    return new StepFailure('unreachable', `the connection broke ${when}: ${reasonOf(error)}`, options);
  return new StepFailure('unreachable', `its answer is no proper HTTP: ${reasonOf(error)}`, options);
}
