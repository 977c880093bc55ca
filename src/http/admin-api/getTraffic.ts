/**
 * GET /traffic: the record of `record_traffic`, line by line, for `thalamus module test --against` this server.
 *
 * As fast as the client reads, and never more of it in memory than a piece; so many readers at once, and no more.
 */
import { once } from 'node:events';
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import type { TrafficArchive } from '../../ports/traffic-tap.ts';
import type { Exchange } from '../exchange.ts';
import { StreamReply } from '../stream-reply.ts';
import { type AdminOperation, defineOperation } from './operation.ts';

export interface GetTrafficServices {
  /** Null when nothing is recorded. */
  readonly traffic: TrafficArchive | null;
}

const MAX_AT_ONCE = 2;
const HEADERS = ['Content-Type', 'application/x-ndjson', 'Cache-Control', 'no-store'];

const answer = z
  .looseObject({
    type: z.enum(['start', 'ids', 'room', 'observers', 'ready', 'join', 'leave', 'connect', 'disconnect', 'update']),
  })
  .meta({
    id: 'TrafficLine',
    description: 'A line of the record; docs/reference/traffic-record.md has their members.',
  });

export function getTraffic({ traffic }: GetTrafficServices): AdminOperation {
  let open = 0;
  return defineOperation({
    operationId: 'getTraffic',
    method: 'GET',
    path: '/traffic',
    summary: 'The recorded traffic',
    description:
      'Who was where, and whom each update was for: ids, times, and the words online, unavailable, offline or busy. With `record_traffic` in the configuration.',
    answer: {
      description: 'The record.',
      schema: answer,
      stream: { when: 'As lines of JSON, oldest first.', isAlways: true },
    },
    errors: [
      { status: 404, errcode: 'M_NOT_FOUND', description: 'nothing is recorded: `record_traffic` is not configured.' },
      { status: 429, errcode: 'M_LIMIT_EXCEEDED', description: 'others are reading it.' },
    ],
    handler: () => {
      if (traffic === null) {
        throw new MatrixError(
          404,
          'M_NOT_FOUND',
          'Traffic is not recorded: record_traffic is not in the configuration',
        );
      }
      if (open >= MAX_AT_ONCE) {
        throw new MatrixError(429, 'M_LIMIT_EXCEEDED', `${open} others are reading it`, { retry_after_ms: 10_000 });
      }
      open++;
      return new StreamReply((exchange) => {
        send(traffic, exchange)
          // Cut off: without its end, the client knows that something is missing.
          .catch((error: unknown) => exchange.fail(error))
          .finally(() => open--);
      });
    },
  });
}

async function send(traffic: TrafficArchive, exchange: Exchange): Promise<void> {
  if (!exchange.beginStream(HEADERS)) return;
  const { outgoing } = exchange;
  const gone = new AbortController();
  exchange.onAborted(() => gone.abort());
  const decoder = new TextDecoder();
  try {
    for await (const chunk of traffic.read()) {
      if (gone.signal.aborted) break;
      exchange.writeStream(decoder.decode(chunk, { stream: true }));
      if (outgoing.writableNeedDrain) await once(outgoing, 'drain', { signal: gone.signal });
    }
  } catch (error) {
    // Nobody reads any more: that is no failure.
    if (!gone.signal.aborted) throw error;
  }
  exchange.endStream();
}
