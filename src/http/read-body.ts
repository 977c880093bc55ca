/**
 * Reads a request's body up to a limit, and parses JSON that strangers wrote.
 *
 * Limits: bytes of one body, bytes of all bodies that are held at one moment (so that a thousand slow uploads cannot fill the
 * memory; see body-budget.ts), nesting (so that nobody's recursion overflows the stack), and the number of values (time and memory).
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { MatrixError } from '../matrix/errors.ts';
import type { BodyBudget } from './body-budget.ts';
import { findHeader } from './headers.ts';

/** Arrays and objects inside one another. JSON of the specification's objects is a handful deep. */
const MAX_JSON_DEPTH = 200;
/** Values in arrays and objects. A body of them costs a hundred times its size to parse; JSON of the specification has a few thousand. */
const MAX_JSON_VALUES = 200_000;
const EMPTY = Buffer.alloc(0);

/**
 * Reads the whole body and calls `done` once: with the bytes, with 413 `M_TOO_LARGE` or 429 `M_LIMIT_EXCEEDED` (the rest
 * of the body is then skipped), or with `null` when the client went away.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  budget: BodyBudget,
  done: (result: Buffer | MatrixError | null) => void,
): void {
  const contentLength = findHeader(request.rawHeaders, 'content-length');
  if (contentLength === '0' || (contentLength === undefined && !hasTransferEncoding(request))) {
    done(EMPTY);
    return;
  }
  if (contentLength !== undefined && Number(contentLength) > maxBytes) {
    done(tooLarge(maxBytes));
    return;
  }
  // Most bodies come in the packet of their headers. Once that is parsed they are complete, and reading them at once costs
  // a fraction of the stream's events.
  setImmediate(() => {
    if (!request.complete) {
      if (request.destroyed) {
        done(null);
        return;
      }
      readStream(request, maxBytes, budget, done);
      return;
    }
    const body = (request.read() as Buffer | null) ?? EMPTY;
    if (body.length > maxBytes) done(tooLarge(maxBytes));
    else if (body.length <= budget.uncountedBytes) done(body);
    else if (budget.take(body.length)) {
      budget.give(body.length);
      done(body);
    } else done(tooMuch());
  });
}

function readStream(
  request: IncomingMessage,
  maxBytes: number,
  budget: BodyBudget,
  done: (result: Buffer | MatrixError | null) => void,
): void {
  let first: Buffer | null = null;
  let chunks: Buffer[] | null = null;
  let length = 0;
  let counted = 0;
  let finished = false;
  const finish = (result: Buffer | MatrixError | null): void => {
    if (finished) return;
    finished = true;
    if (counted > 0) budget.give(counted);
    chunks = null;
    done(result);
  };
  request.on('data', (chunk: Buffer) => {
    if (finished) return;
    length += chunk.length;
    if (length > maxBytes) {
      finish(tooLarge(maxBytes));
      return;
    }
    if (length > budget.uncountedBytes) {
      if (!budget.take(length - counted)) {
        finish(tooMuch());
        return;
      }
      counted = length;
    }
    if (first === null) first = chunk;
    else if (chunks === null) chunks = [first, chunk];
    else chunks.push(chunk);
  });
  request.on('end', () => {
    finish(chunks === null ? (first ?? EMPTY) : Buffer.concat(chunks, length));
  });
  request.on('error', () => {
    finish(null);
  });
}

/** @throws MatrixError 400 `M_NOT_JSON`, or `M_BAD_JSON` when it nests too deeply or has too many values. */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) throw new MatrixError(400, 'M_NOT_JSON', 'The request has no body');
  if (!isUtf8(body)) throw new MatrixError(400, 'M_NOT_JSON', 'The body is not UTF-8');
  const text = body.toString('utf8');
  if (text.length > MAX_JSON_DEPTH) refuseBombs(text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new MatrixError(400, 'M_NOT_JSON', 'The body is not JSON');
  }
}

function tooLarge(maxBytes: number): MatrixError {
  return new MatrixError(413, 'M_TOO_LARGE', `The body is larger than ${maxBytes} bytes`);
}

function tooMuch(): MatrixError {
  return new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many large requests at once', { retry_after_ms: 1000 });
}

function hasTransferEncoding(request: IncomingMessage): boolean {
  return findHeader(request.rawHeaders, 'transfer-encoding') !== undefined;
}

/** One pass over the text; brackets and commas inside strings do not count. */
function refuseBombs(text: string): void {
  let depth = 0;
  let values = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22 /* " */:
        i = endOfString(text, i);
        break;
      case 0x5b /* [ */:
      case 0x7b /* { */:
        values++;
        if (++depth > MAX_JSON_DEPTH) throw new MatrixError(400, 'M_BAD_JSON', 'The body nests too deeply');
        break;
      case 0x5d /* ] */:
      case 0x7d /* } */:
        depth--;
        break;
      case 0x2c /* , */:
        if (++values > MAX_JSON_VALUES) throw new MatrixError(400, 'M_BAD_JSON', 'The body has too many values');
        break;
      default:
    }
  }
}

/** The index of the quote that ends the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let i = text.indexOf('"', start + 1); i !== -1; i = text.indexOf('"', i + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(i - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return i;
  }
  return text.length;
}
