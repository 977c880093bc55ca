/**
 * The scenario file's shape, with the sentences that say how each value should look: `docs/guide/trying-a-module.md` explains it.
 */
import { z } from 'zod';
import { checkedText, duration, flag, list, mapping, oneOf, section, text } from '../../config/fields.ts';
import { isRoomId, isServerName, isUserId, type RoomId, type UserId } from '../../matrix/identifiers.ts';
import { PRESENCE_STATES } from '../../matrix/presence-state.ts';

const USER = 'must be a user id, such as "@alice:example.org"';

const userId = () => checkedText(isUserId, USER).transform((value) => value as UserId);
const roomId = () =>
  checkedText(isRoomId, 'must be a room id, such as "!room:example.org"').transform((value) => value as RoomId);
const serverName = () => checkedText(isServerName, 'must be a server name, such as "example.org"');
const state = () => oneOf(PRESENCE_STATES);

/** A mapping whose keys are checked where they stand. */
const keyed = <Value extends z.ZodType>(value: Value, isKey: (key: string) => boolean, expected: string) =>
  mapping(value).superRefine((record, context) => {
    for (const key of Object.keys(record)) {
      if (!isKey(key))
        context.addIssue({ code: 'custom', path: [key], message: `stands under a name that ${expected}` });
    }
  });

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?$/;
/** In ms since the epoch; without a zone it is this machine's time. */
const pointInTime = () =>
  checkedText(
    (value) => TIME.test(value) && !Number.isNaN(Date.parse(value)),
    'must be a date and time, such as 2026-01-01T17:55 or, elsewhere than in the time zone of this machine, 2026-01-01T17:55Z',
  ).transform((value) => Date.parse(value));

const users = () =>
  z
    .union([userId(), list(userId())], { error: `${USER}, or a list of them` })
    .transform((value) => (Array.isArray(value) ? value : [value]));

const usersOrAll = () =>
  z
    .union([z.literal('all'), userId(), list(userId())], { error: 'must be "all", a user id, or a list of them' })
    .transform((value) => (value === 'all' ? null : Array.isArray(value) ? value : [value]));

const statusMsg = () => z.string({ error: 'must be a text, or null' }).nullable();

const told = {
  state: state().optional(),
  status_msg: statusMsg().optional(),
  currently_active: flag().optional(),
};

const toldList = list(section({ user: userId(), ...told }));

const sight = z.preprocess(
  (value) => flag().safeParse(value).data ?? (typeof value === 'string' ? { state: value } : value),
  z.union([z.boolean(), section({ ...told })], {
    error: 'must be yes, no, a state such as "online", or a section with state, status_msg or currently_active',
  }),
);

const SEES = 'must be a list of three: observer, target, and yes, no or what the observer sees';
const expectation = section({
  gets: keyed(
    toldList,
    (key) => isUserId(key) || isServerName(key),
    'must be a user id or a server name: who gets something',
  ).optional(),
  sees: list(z.tuple([userId(), userId(), sight], { error: SEES })).prefault([]),
  answer: sight.optional(),
});

const joinLeave = section({ room: roomId(), users: users() });

/** What can happen in a step; each step has exactly one. */
export const ACTIONS = {
  set_presence: section({ user: userId(), state: state(), status_msg: statusMsg().optional() }),
  join: joinLeave,
  leave: joinLeave,
  connect: users(),
  disconnect: users(),
  receive: section({
    from: serverName(),
    users: list(section({ user: userId(), state: state(), status_msg: statusMsg().optional() })),
  }),
  advance: duration(),
  get: section({ observer: userId(), target: userId() }),
  call: section({ method: text(), arguments: list(z.unknown()).prefault([]) }),
  request: section({
    path: checkedText((path) => path.startsWith('/'), 'must be a path that begins with "/"'),
    method: text().prefault('GET'),
    body: z.string({ error: 'must be a text' }).optional(),
  }),
  invalidate_interested_users: usersOrAll(),
  invalidate_restrictions: usersOrAll(),
  send_local_online_presence_to: users(),
  set_presence_for_users: keyed(section({ state: state(), status_msg: statusMsg().optional() }), isUserId, USER),
} as const;

const step = section({
  ...(Object.fromEntries(Object.entries(ACTIONS).map(([name, schema]) => [name, schema.optional()])) as {
    readonly [Name in keyof typeof ACTIONS]: z.ZodOptional<(typeof ACTIONS)[Name]>;
  }),
  expect: expectation.optional(),
});

export const scenarioSchema = section({
  server_name: serverName().optional(),
  mode: oneOf(['tracked', 'untracked']).prefault('tracked'),
  start: pointInTime().optional(),
  config: mapping(z.unknown()).optional(),
  users: keyed(section({ admin: flag().prefault(false), displayname: text().optional() }), isUserId, USER).prefault({}),
  rooms: keyed(users(), isRoomId, 'must be a room id, such as "!room:example.org"').prefault({}),
  connected: users().optional(),
  problems: oneOf(['forbidden', 'allowed']).prefault('forbidden'),
  steps: z.array(step, { error: 'must be a list of steps: one "- set_presence: …" a line' }),
  expect: expectation.optional(),
});

export type ScenarioFile = z.output<typeof scenarioSchema>;
export type StepFile = z.output<typeof step>;
export type ExpectationFile = z.output<typeof expectation>;
export type SightFile = z.output<typeof sight>;
