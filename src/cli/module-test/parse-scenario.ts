/**
 * Text of a scenario file → a scenario, or everything that is wrong with it at once, each with its line.
 */
import { z } from 'zod';
import { describeIssue } from '../../config/describe-issue.ts';
import { type JsonSchema, schemaWithin } from '../../config/json-schema.ts';
import { byPosition, type ConfigPath, ConfigFileError, type Position, type Problem } from '../../config/problems.ts';
import { isMapping } from '../../config/prepare-values.ts';
import { readYaml, type YamlFile } from '../../config/read-yaml.ts';
import { type ServerName, serverNameOf, type UserId } from '../../matrix/identifiers.ts';
import type { Expectation, ExpectedSight, Scenario, ScenarioAction, ScenarioStep } from '../../testing/scenario.ts';
import {
  ACTIONS,
  type ExpectationFile,
  type ScenarioFile,
  scenarioSchema,
  type SightFile,
  type StepFile,
} from './scenario-schema.ts';

export interface ParsedScenario {
  readonly scenario: Scenario;
  /** The module's configuration; undefined if the file has none. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly fileName: string;
  /** Where a value stands. */
  locate(path: ConfigPath): Position;
  /** The line of a key, or of a step. */
  lineOf(path: ConfigPath): number;
}

const ACTION_NAMES = Object.keys(ACTIONS) as (keyof typeof ACTIONS)[];
let schema: JsonSchema | null = null;

/**
 * @param fileName - for messages
 * @param defaultServerName - of a scenario that says none
 * @throws ConfigFileError with every problem, in the order of the file
 */
export function parseScenario(text: string, fileName: string, defaultServerName: ServerName): ParsedScenario {
  const yaml = readYaml(text, 'the file is empty; it must at least have steps');
  if (!yaml.readable) throw new ConfigFileError(fileName, yaml.problems);
  const values = prepare(yaml.value);
  schema ??= z.toJSONSchema(scenarioSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const root = schema;
  const parsed = scenarioSchema.safeParse(values);
  const problems: Problem[] = [...yaml.problems];
  if (!parsed.success) {
    const found = parsed.error.issues.flatMap((issue) =>
      describeIssue(issue, values, yaml, (path) => schemaWithin(root, path)),
    );
    problems.push(...found);
  }
  problems.push(...checkSteps(values['steps'], yaml));
  if (!parsed.success || problems.length > 0) {
    throw new ConfigFileError(fileName, problems.toSorted(byPosition));
  }
  const scenario = build(parsed.data, defaultServerName);
  const wrong = crossCheck(scenario, parsed.data).map(([path, message]) => {
    return { path, position: yaml.locateValue(path), message };
  });
  if (wrong.length > 0) throw new ConfigFileError(fileName, wrong.toSorted(byPosition));
  return {
    scenario,
    config: parsed.data.config,
    fileName,
    locate: (path) => yaml.locateValue(path),
    lineOf: (path) => yaml.locateKey(path).line,
  };
}

/** `expect: nothing` is short for: nobody gets anything. Keys without a value are no keys. */
function prepare(file: Record<string, unknown>): Record<string, unknown> {
  const short = (value: unknown): unknown => {
    if (!isMapping(value)) return value;
    return value['expect'] === 'nothing' ? { ...value, expect: { gets: {} } } : withoutEmpty(value);
  };
  const values = short(withoutEmpty(file)) as Record<string, unknown>;
  if (Array.isArray(values['steps'])) values['steps'] = values['steps'].map(short);
  return values;
}

function withoutEmpty(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}

/** Exactly one thing happens in a step. */
function checkSteps(steps: unknown, yaml: YamlFile): Problem[] {
  if (!Array.isArray(steps)) return [];
  return steps.flatMap((step: unknown, index) => {
    const path = ['steps', index];
    if (!isMapping(step)) return [];
    const [first, second] = Object.keys(step).filter((name) => Object.hasOwn(ACTIONS, name));
    if (first === undefined) {
      // A misspelled one has been named already.
      if (Object.keys(step).some((key) => key !== 'expect')) return [];
      const message = `must have one of: ${ACTION_NAMES.join(', ')}`;
      return [{ path, position: yaml.locateKey(path), message }];
    }
    if (second === undefined) return [];
    const message = `one step does one thing: "${first}" and "${second}" are two steps`;
    const place = [...path, second];
    return [{ path: place, position: yaml.locateKey(place), message }];
  });
}

type Finding = readonly [ConfigPath, string];

/** What the schema cannot know: who has clients here, and who speaks for whom. */
function crossCheck({ serverName, connected, steps, expect }: Scenario, file: ScenarioFile): Finding[] {
  const findings: Finding[] = [];
  const local = (userId: UserId, path: ConfigPath, what: string): void => {
    if (serverNameOf(userId) === serverName) return;
    findings.push([path, `${userId} is not a user of ${serverName}, and only those ${what}`]);
  };
  for (const userId of connected ?? []) local(userId, ['connected'], 'have clients here');
  const checkExpectation = (expectation: Expectation | null, path: ConfigPath): void => {
    for (const [index, { observer }] of (expectation?.sees ?? []).entries()) {
      local(observer, [...path, 'sees', index], 'can ask; of servers say what they get, under gets');
    }
    for (const receiver of expectation?.gets?.keys() ?? []) {
      const at = [...path, 'gets', receiver];
      if (receiver.startsWith('@')) local(receiver as UserId, at, 'get something; of others name the server');
      else if (receiver === serverName) findings.push([at, `${serverName} is this server: name its users`]);
    }
  };
  for (const [index, { action, expect: expected }] of steps.entries()) {
    const path = ['steps', index, action.kind];
    checkExpectation(expected, ['steps', index, 'expect']);
    if (action.kind === 'connect' || action.kind === 'disconnect') {
      for (const userId of action.users) local(userId, path, 'have clients here');
    }
    if (action.kind === 'get') local(action.observer, [...path, 'observer'], 'can ask');
    if (action.kind === 'receive') {
      for (const [at, { userId }] of action.users.entries()) {
        if (serverNameOf(userId) === action.from) continue;
        findings.push([
          [...path, 'users', at],
          `${userId} is not a user of ${action.from}, which speaks for its own only`,
        ]);
      }
      if (action.from === serverName)
        findings.push([[...path, 'from'], `${serverName} is this server: use set_presence`]);
    }
    if (expected?.answer !== undefined && action.kind !== 'get') {
      findings.push([['steps', index, 'expect', 'answer'], 'only a step "get" has an answer']);
    }
  }
  checkExpectation(expect, ['expect']);
  if (file.expect?.answer !== undefined) findings.push([['expect', 'answer'], 'only a step "get" has an answer']);
  return findings;
}

function build(file: ScenarioFile, defaultServerName: ServerName): Scenario {
  return {
    serverName: file.server_name ?? defaultServerName,
    mode: file.mode,
    startTs: file.start,
    accounts: new Map(
      Object.entries(file.users).map(([userId, { admin, displayname }]) => {
        return [userId as UserId, { isAdmin: admin, displayName: displayname ?? null }];
      }),
    ),
    rooms: new Map(Object.entries(file.rooms)) as Scenario['rooms'],
    connected: file.connected ?? null,
    steps: file.steps.map(buildStep),
    expect: buildExpectation(file.expect),
    allowsProblems: file.problems === 'allowed',
  };
}

function buildStep(step: StepFile): ScenarioStep {
  return { action: buildAction(step), expect: buildExpectation(step.expect) };
}

function shownOf({ state, status_msg: statusMsg }: NonNullable<StepFile['set_presence']>) {
  return { state, statusMsg: statusMsg ?? null };
}

function buildAction(step: StepFile): ScenarioAction {
  if (step.set_presence !== undefined) {
    return { kind: 'set_presence', user: step.set_presence.user, presence: shownOf(step.set_presence) };
  }
  if (step.join !== undefined) return { kind: 'join', ...step.join };
  if (step.leave !== undefined) return { kind: 'leave', ...step.leave };
  if (step.connect !== undefined) return { kind: 'connect', users: step.connect };
  if (step.disconnect !== undefined) return { kind: 'disconnect', users: step.disconnect };
  if (step.receive !== undefined) {
    const users = step.receive.users.map((entry) => ({ userId: entry.user, ...shownOf(entry) }));
    return { kind: 'receive', from: step.receive.from, users };
  }
  if (step.advance !== undefined) return { kind: 'advance', ms: step.advance };
  if (step.get !== undefined) return { kind: 'get', ...step.get };
  if (step.call !== undefined) return { kind: 'call', ...step.call };
  if (step.request !== undefined) return { kind: 'request', ...step.request, body: step.request.body ?? null };
  if (step.set_presence_for_users !== undefined) {
    const users = Object.entries(step.set_presence_for_users).map(([user, { state, status_msg: statusMsg }]) => {
      return [user as UserId, { state, statusMsg: statusMsg ?? null }] as const;
    });
    return { kind: 'set_presence_for_users', users: new Map(users) };
  }
  if (step.send_local_online_presence_to !== undefined) {
    return { kind: 'send_local_online_presence_to', users: step.send_local_online_presence_to };
  }
  if (step.invalidate_interested_users !== undefined) {
    return { kind: 'invalidate_interested_users', users: step.invalidate_interested_users };
  }
  return { kind: 'invalidate_restrictions', users: step.invalidate_restrictions ?? null };
}

function buildExpectation(file: ExpectationFile | undefined): Expectation | null {
  if (file === undefined) return null;
  const gets = Object.entries(file.gets ?? {}).map(([receiver, entries]) => {
    const list = entries.map(({ user, ...shown }) => ({ userId: user, ...fieldsOf(shown) }));
    return [receiver, list] as const;
  });
  return {
    gets: file.gets === undefined ? null : new Map(gets),
    sees: file.sees.map(([observer, target, expected]) => ({ observer, target, expected: sightOf(expected) })),
    answer: file.answer === undefined ? undefined : sightOf(file.answer),
  };
}

function sightOf(sight: SightFile): ExpectedSight {
  return typeof sight === 'boolean' ? sight : fieldsOf(sight);
}

function fieldsOf(shown: Exclude<SightFile, boolean>): Exclude<ExpectedSight, boolean> {
  return { state: shown.state, statusMsg: shown.status_msg, currentlyActive: shown.currently_active };
}
