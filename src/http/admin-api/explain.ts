/**
 * GET /explain: why an observer does, or does not, see a target's presence. With `watch=true` once more whenever the explanation changes.
 *
 * Each explanation asks the modules, without a trace; so many at once, and no more.
 */
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import { isServerName, isUserId, type UserId } from '../../matrix/identifiers.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { ExplainDirectory, Explanation, PresenceHandler } from '../../presence/index.ts';
import { type StreamSource, Streams } from '../stream-reply.ts';
import { type AdminOperation, defineOperation } from './operation.ts';
import { flagParam, userIdParam } from './parse-input.ts';

export interface ExplainServices {
  readonly presence: Pick<PresenceHandler, 'explain'>;
  readonly rooms: Pick<ExplainDirectory, 'describeRoom' | 'isJoined'>;
  readonly hasAccount: ExplainDirectory['hasAccount'];
  readonly clock: Pick<Clock, 'setTimeout'>;
}

const MAX_AT_ONCE = 8;
/** From the end of one look to the next, while somebody watches. */
const WATCH_INTERVAL_MS = 1_000;

const query = z.object({
  observer: z
    .custom<string>((value) => isUserId(value) || isServerName(value), {
      error: 'must be a user id, such as @alice:example.org, or the name of a server',
    })
    .meta({
      type: 'string',
      description: 'Who sees, or not: a user of this server or another, or another server by name.',
    }),
  target: userIdParam().meta({ type: 'string', description: 'Whose presence.' }),
  watch: flagParam().default(false).meta({ description: 'Go on with an explanation whenever it is another one.' }),
});

const answer = z
  .object({
    observer: z.string(),
    observer_kind: z.enum(['local_user', 'remote_user', 'server']),
    target: z.string(),
    ts: z.int().meta({ description: 'In ms since 1970.' }),
    is_visible: z.boolean().meta({
      description:
        'Whether the observer gets the real presence, in full or in part; not, if it is only ever shown as offline.',
    }),
    shown_as: z.enum(['full', 'reduced', 'offline', 'nothing']),
    hidden: z.array(z.string()).meta({ description: 'Fields that are kept back.' }),
    status: z.looseObject({}).nullable().meta({
      description:
        'What `GET …/presence/…/status` answers the observer now, or their server is sent; null if they may not see it.',
    }),
    conclusion: z.string().meta({ description: 'All of it in a sentence.' }),
    reasons: z
      .array(
        z.object({
          rule: z.string().meta({ description: 'Which rule; callbacks of modules by their names.' }),
          holds: z.boolean().nullable().meta({
            description:
              'True: it lets them see, or nothing is in the way. False: it does not, or keeps everything back. Null: neither.',
          }),
          says: z.string().meta({ description: 'In a sentence. Has nothing that changes by itself.' }),
          details: z
            .looseObject({})
            .meta({ description: 'For programs: ids, numbers, `ms`, `error`; what there is depends on the rule.' }),
        }),
      )
      .meta({ description: 'In the order of the rules.' }),
  })
  .meta({ id: 'Explanation' });

export function explain({ presence, rooms, hasAccount, clock }: ExplainServices): AdminOperation {
  const streams = new Streams();
  const directory: ExplainDirectory = {
    describeRoom: (roomId) => rooms.describeRoom(roomId),
    isJoined: (roomId, observer) => rooms.isJoined(roomId, observer),
    hasAccount,
  };
  let running = 0;
  const explainOnce = async (observer: string, target: UserId) => {
    if (running >= MAX_AT_ONCE) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', `${running} explanations are being made: no more at once`, {
        retry_after_ms: WATCH_INTERVAL_MS,
      });
    }
    running++;
    try {
      return toWire(await presence.explain(observer, target, directory));
    } finally {
      running--;
    }
  };

  return defineOperation({
    operationId: 'explain',
    method: 'GET',
    path: '/explain',
    summary: 'Why somebody sees somebody, or not',
    description:
      'Every rule in order: presence mode, rooms, what each module says now, how long it took and what went wrong, what of it is in effect, what is kept back, limits, and the way to the observer. Asks the modules, and changes nothing.',
    query,
    answer: {
      description: 'The explanation.',
      schema: answer,
      stream: { when: 'With `watch=true` one after the other, each when it is different.' },
    },
    errors: [
      { status: 429, errcode: 'M_LIMIT_EXCEEDED', description: 'too many explanations are being made, or watched.' },
    ],
    handler: ({ query: { observer, target, watch }, request }) => {
      const look = () => explainOnce(observer, target);
      return watch ? streams.reply(request, whenever(look, clock)) : look();
    },
  });
}

type WireExplanation = z.input<typeof answer>;

/** Looks again and again, and sends what says something else than before. */
function whenever(look: () => Promise<WireExplanation>, clock: ExplainServices['clock']): StreamSource {
  return (stream) => {
    let isOver = false;
    let timer: Timer | null = null;
    let sent = '';
    const again = (): void => {
      look()
        .then((explanation) => {
          if (isOver) return;
          const said = fingerprint(explanation);
          if (said !== sent) stream.send(explanation);
          sent = said;
        })
        .catch((error: unknown) => {
          // Too many at once: it is tried again.
          const isLimit = error instanceof MatrixError && error.errcode === 'M_LIMIT_EXCEEDED';
          if (!isLimit && !isOver) stream.fail(error);
        })
        .finally(() => {
          if (!isOver) timer = clock.setTimeout(again, WATCH_INTERVAL_MS);
        });
    };
    again();
    return () => {
      isOver = true;
      timer?.cancel();
    };
  };
}

/** Everything but numbers that change by themselves. */
function fingerprint({ conclusion, reasons, status }: WireExplanation): string {
  const { last_active_ago: _, ...content } = status ?? {};
  return JSON.stringify([conclusion, content, reasons.map(({ rule, holds, says }) => [rule, holds, says])]);
}

function toWire({ observerKind, isVisible, shownAs, hidden, reasons, ...rest }: Explanation): WireExplanation {
  return {
    ...rest,
    observer_kind: observerKind,
    is_visible: isVisible,
    shown_as: shownAs,
    hidden: [...hidden],
    reasons: reasons.map((reason) => ({ ...reason, details: snakeCase(reason.details) as Record<string, unknown> })),
  };
}

/** Keys as the wire spells them. Ids are never keys. */
function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [
      key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(child),
    ]),
  );
}
