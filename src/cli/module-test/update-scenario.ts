/**
 * Writes what a scenario really brought into its file, as what is expected. Only what is not as it should be is replaced, so that
 * comments, order and spacing of everything else stay.
 */
import { Document, isMap, isNode, type Pair, parseDocument, type Scalar, type YAMLMap } from 'yaml';
import type { ConfigPath } from '../../config/problems.ts';
import type { Expectation, ScenarioOutcome, StepOutcome, Told, ToldPresence } from '../../testing/scenario.ts';
import type { ParsedScenario } from './parse-scenario.ts';
import { hasExpectations } from './print-scenario.ts';

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Returns the new text, or null if the file is right as it is. */
export function updateScenario(text: string, parsed: ParsedScenario, outcome: ScenarioOutcome): string | null {
  const document = parseDocument(text, { stringKeys: true });
  const isNew = !hasExpectations(parsed);
  const changes: Change[] = [];
  const update = (path: ConfigPath, step: StepOutcome, expect: Expectation | null): void => {
    if (isNew ? path.length === 1 : step.mismatches.length === 0) return;
    if (expect === null || !isMap(document.getIn(path))) changes.push({ path, value: wholeOf(document, step) });
    else changes.push(...mended(document, path, step, expect));
  };
  for (const [index, step] of outcome.steps.entries()) {
    update(['steps', index, 'expect'], step, parsed.scenario.steps[index]?.expect ?? null);
  }
  update(['expect'], outcome.end, parsed.scenario.expect);
  if (changes.length === 0) return null;

  const edits = changes.map((change) => editOf(text, document, change));
  // What cannot be replaced where it stands (keys within braces) is written anew with everything else.
  if (edits.includes(null)) {
    for (const { path, value } of changes) document.setIn(path, document.createNode(value));
    return document.toString({ lineWidth: 0 });
  }
  let result = text;
  for (const edit of edits.filter((one) => one !== null).toSorted((a, b) => b.start - a.start)) {
    result = result.slice(0, edit.start) + edit.text + result.slice(edit.end);
  }
  return result;
}

interface Change {
  /** Of what is replaced, or inserted. */
  readonly path: ConfigPath;
  readonly value: unknown;
}

/** What of an expectation is not as it should be. */
function mended(document: Document, path: ConfigPath, step: StepOutcome, expect: Expectation): Change[] {
  const changes: Change[] = [];
  if (step.mismatches.some(({ kind }) => kind !== 'sight')) {
    changes.push({ path: [...path, 'gets'], value: getsOf(document, step.told) });
  }
  for (const mismatch of step.mismatches) {
    if (mismatch.kind !== 'sight') continue;
    const { observer, target, expected, seen } = mismatch;
    const index = expect.sees.findIndex((one) => {
      return one.expected === expected && one.observer === observer && one.target === target;
    });
    const place = index < 0 ? ['answer'] : ['sees', index, 2];
    changes.push({ path: [...path, ...place], value: seenOf(document, seen) });
  }
  return changes;
}

/** Null if what is changed stands within braces. */
function editOf(text: string, document: Document, { path, value }: Change): Edit | null {
  const node = document.getIn(path, true);
  if (typeof path.at(-1) === 'number') {
    if (!isNode(node) || node.range === null || node.range === undefined) return null;
    return { start: node.range[0], end: node.range[1], text: new Document(value).toString({ lineWidth: 0 }).trimEnd() };
  }
  const section = document.getIn(path.slice(0, -1), true);
  if (!isMap(section) || section.flow === true) return null;
  const name = String(path.at(-1));
  const indent = ' '.repeat(columnOf(text, section));
  const lines = new Document({ [name]: value }).toString({ lineWidth: 0 }).trimEnd().replaceAll('\n', `\n${indent}`);
  const pair = pairOf(section, name);
  if (pair !== undefined) {
    const [start] = pair.key.range ?? [];
    const end = endOf(pair);
    if (start === undefined || end === null) return null;
    // A list or section ends with its line break.
    return { start, end, text: lines + (text.slice(start, end).endsWith('\n') ? '\n' : '') };
  }
  const end = endOf(section.items.at(-1));
  if (end === null) return null;
  // Behind a comment on the same line.
  const lineEnd = text.indexOf('\n', text.slice(0, end).endsWith('\n') ? end - 1 : end);
  const at = lineEnd < 0 ? text.length : lineEnd;
  return { start: at, end: at, text: `\n${indent}${lines}` };
}

/** How far the keys of a section are indented. */
function columnOf(text: string, section: YAMLMap): number {
  const start = (section.items[0] as Pair<Scalar> | undefined)?.key.range?.[0] ?? 0;
  return start - (text.lastIndexOf('\n', start - 1) + 1);
}

function pairOf(section: YAMLMap, name: string): Pair<Scalar> | undefined {
  return (section.items as Pair<Scalar>[]).find(({ key }) => key.value === name);
}

function endOf(pair: Pair | undefined): number | null {
  const node = pair?.value ?? pair?.key;
  return isNode(node) ? (node.range?.[1] ?? null) : null;
}

/** An expectation that says everything. */
function wholeOf(document: Document, { told, answer }: StepOutcome): unknown {
  if (answer !== undefined) return { answer: seenOf(document, answer) };
  return told.size === 0 ? 'nothing' : { gets: getsOf(document, told) };
}

function seenOf(document: Document, seen: ToldPresence | null): unknown {
  return seen === null ? 'no' : document.createNode(shownOf(seen), { flow: true });
}

/** One line for each thing that somebody gets. */
function getsOf(document: Document, told: Told): unknown {
  const lists = [...told].map(([receiver, list]) => {
    return [receiver, list.map((one) => document.createNode({ user: one.userId, ...shownOf(one) }, { flow: true }))];
  });
  return Object.fromEntries(lists);
}

/** Fields that go without saying are left out. */
function shownOf({ state, statusMsg, currentlyActive }: Omit<ToldPresence, 'userId'>): Record<string, unknown> {
  return {
    state,
    ...(statusMsg === null ? {} : { status_msg: statusMsg }),
    ...(currentlyActive === (state === 'online') ? {} : { currently_active: currentlyActive }),
  };
}
