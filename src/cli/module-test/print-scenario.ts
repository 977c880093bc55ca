/**
 * What came of a scenario: as lines for people, or as JSON.
 */
import type { Expectation, Mismatch, StepOutcome, Told, ToldPresence } from '../../testing/scenario.ts';
import type { ScenarioOutcome } from '../../testing/scenario.ts';
import type { ParsedScenario } from './parse-scenario.ts';
import { describeAction, describeMismatch, describeTold } from './words.ts';

/** Whether there is anything to hold the outcome against. */
export function hasExpectations({ scenario }: ParsedScenario): boolean {
  return scenario.expect !== null || scenario.steps.some(({ expect }) => expect !== null);
}

/** Without expectations: nothing that the host complains about, unless the scenario allows it. */
export function isPassed({ scenario }: ParsedScenario, { start, steps, end }: ScenarioOutcome): boolean {
  const all = [start, ...steps, end];
  const isQuiet = scenario.allowsProblems || all.every(({ problems }) => problems.length === 0);
  return isQuiet && all.every(({ mismatches }) => mismatches.length === 0);
}

export function printScenario(parsed: ParsedScenario, outcome: ScenarioOutcome): string[] {
  const { scenario, fileName } = parsed;
  const isTest = hasExpectations(parsed);
  const lines: string[] = [];
  const count = scenario.steps.length === 1 ? '1 step' : `${scenario.steps.length} steps`;
  if (isTest && isPassed(parsed, outcome)) lines.push(`${fileName}: ${count}, all as expected`);
  else lines.push(isTest ? `${fileName}: not as expected` : `${fileName}: ${count}`);
  const add = (title: string, step: StepOutcome, isShown: boolean): void => {
    const details = isShown ? describeTold(step) : step.mismatches.map(describeMismatch);
    details.push(...step.problems.map((problem) => `problem     ${problem}`));
    if (details.length > 0) lines.push(`  ${title}`, ...details.map((line) => `      ${line}`));
  };
  const hasStart = outcome.start.told.size > 0 && !isTest;
  add('at the beginning', outcome.start, hasStart);
  for (const [index, step] of outcome.steps.entries()) {
    const { action } = scenario.steps[index] as (typeof scenario.steps)[number];
    const line = parsed.lineOf(['steps', index]);
    const where = isTest ? `line ${line}, step ${index + 1}` : `${index + 1}`;
    add(`${where}: ${describeAction(action)}`, step, !isTest);
  }
  if (outcome.end.mismatches.length + outcome.end.problems.length > 0) {
    add(`line ${parsed.lineOf(['expect'])}, all together`, outcome.end, false);
  }
  lines.push(...outcome.disagreements.map((text) => `  note: ${text}`));
  return lines;
}

export function toJson(parsed: ParsedScenario, outcome: ScenarioOutcome): unknown {
  const step = (one: StepOutcome, expect: Expectation | null) => ({
    gets: getsOf(one.told),
    ...(one.answer === undefined ? {} : { answer: one.answer === null ? null : shownOf(one.answer) }),
    ...(one.remark === null ? {} : { remark: one.remark }),
    problems: one.problems,
    ...(expect === null ? {} : { mismatches: one.mismatches.map(mismatchOf) }),
  });
  const { scenario, fileName } = parsed;
  return {
    scenario: fileName,
    has_expectations: hasExpectations(parsed),
    passed: isPassed(parsed, outcome),
    start: step(outcome.start, null),
    steps: outcome.steps.map((one, index) => {
      const { action, expect } = scenario.steps[index] as (typeof scenario.steps)[number];
      return { line: parsed.lineOf(['steps', index]), step: describeAction(action), ...step(one, expect) };
    }),
    all: step(outcome.end, scenario.expect),
    disagreements: outcome.disagreements,
  };
}

function getsOf(told: Told): unknown {
  return Object.fromEntries([...told].map(([receiver, list]) => [receiver, list.map(entryOf)]));
}

function entryOf({ userId, ...shown }: ToldPresence): unknown {
  return { user: userId, ...shownOf(shown) };
}

function shownOf({ state, statusMsg, currentlyActive }: Omit<ToldPresence, 'userId'>) {
  return { state, status_msg: statusMsg, currently_active: currentlyActive };
}

function mismatchOf(mismatch: Mismatch): unknown {
  const text = describeMismatch(mismatch).replace(/^\w+ +/, '');
  const { kind } = mismatch;
  if (kind === 'sight') return { kind, observer: mismatch.observer, target: mismatch.target, text };
  const user = kind === 'missing' ? mismatch.expected.userId : mismatch.told.userId;
  return { kind, receiver: mismatch.receiver, user, text };
}
