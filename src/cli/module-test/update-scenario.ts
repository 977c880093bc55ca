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
  const edits: (Edit | null)[] = [];
  const update = (path: ConfigPath, step: StepOutcome, expect: Expectation | null): void => {
    if (isNew ? path.length === 1 : step.mismatches.length === 0) return;
    // Places are those of the text, so they are read before anything is changed.
    const place = placeOf(document, path);
    if (expect === null) document.setIn(path, document.createNode(wholeOf(document, step)));
    else mend(document, path, step, expect);
    edits.push(place === null ? null : editOf(text, document, path, place));
  };
  for (const [index, step] of outcome.steps.entries()) {
    update(['steps', index, 'expect'], step, parsed.scenario.steps[index]?.expect ?? null);
  }
  update(['expect'], outcome.end, parsed.scenario.expect);
  if (edits.length === 0) return null;
  // What stands on one line with other things is written anew as a whole.
  if (edits.includes(null)) return document.toString({ lineWidth: 0 });
  let result = text;
  for (const edit of edits.filter((one) => one !== null).toSorted((a, b) => b.start - a.start)) {
    result = result.slice(0, edit.start) + edit.text + result.slice(edit.end);
  }
  return result;
}

/** Where `expect` stands, or is to be inserted, in a section of lines; null if the section is in braces. */
function placeOf(document: Document, path: ConfigPath): { start: number; end: number; isNew: boolean } | null {
  const section = document.getIn(path.slice(0, -1), true);
  if (!isMap(section) || section.flow === true) return null;
  const pair = pairOf(section, 'expect');
  if (pair === undefined) {
    const last = section.items.at(-1);
    const end = endOf(last);
    return end === null ? null : { start: end, end, isNew: true };
  }
  const [start] = pair.key.range ?? [];
  const end = endOf(pair);
  return start === undefined || end === null ? null : { start, end, isNew: false };
}

function pairOf(section: YAMLMap, name: string): Pair<Scalar> | undefined {
  return (section.items as Pair<Scalar>[]).find(({ key }) => key.value === name);
}

function endOf(pair: Pair | undefined): number | null {
  const node = pair?.value ?? pair?.key;
  return isNode(node) ? (node.range?.[1] ?? null) : null;
}

function editOf(
  text: string,
  document: Document,
  path: ConfigPath,
  { start, end, isNew }: { start: number; end: number; isNew: boolean },
): Edit {
  const piece = new Document({ expect: document.getIn(path, true) });
  const indent = ' '.repeat(path.length === 1 ? 0 : columnOf(text, document, path));
  const lines = piece.toString({ lineWidth: 0 }).trimEnd().replaceAll('\n', `\n${indent}`);
  if (!isNew) {
    // A list or section ends with its line break.
    const tail = text.slice(start, end).endsWith('\n') ? '\n' : '';
    return { start, end, text: lines + tail };
  }
  // Behind a comment on the same line.
  const at = text.slice(0, start).endsWith('\n') ? start - 1 : start;
  const lineEnd = text.indexOf('\n', at);
  const insertAt = lineEnd < 0 ? text.length : lineEnd;
  return { start: insertAt, end: insertAt, text: `\n${indent}${lines}` };
}

/** How far the keys of the section are indented. */
function columnOf(text: string, document: Document, path: ConfigPath): number {
  const section = document.getIn(path.slice(0, -1), true) as YAMLMap;
  const start = (section.items[0] as Pair<Scalar> | undefined)?.key.range?.[0] ?? 0;
  return start - (text.lastIndexOf('\n', start - 1) + 1);
}

/** An expectation that says everything. */
function wholeOf(document: Document, { told, answer }: StepOutcome): unknown {
  if (answer !== undefined) return { answer: seenOf(document, answer) };
  return told.size === 0 ? 'nothing' : { gets: getsOf(document, told) };
}

function mend(document: Document, path: ConfigPath, step: StepOutcome, expect: Expectation): void {
  // `expect: nothing`.
  if (!isMap(document.getIn(path))) document.setIn(path, document.createNode({}));
  if (step.mismatches.some(({ kind }) => kind !== 'sight')) {
    document.setIn([...path, 'gets'], document.createNode(getsOf(document, step.told)));
  }
  for (const mismatch of step.mismatches) {
    if (mismatch.kind !== 'sight') continue;
    const { observer, target, expected, seen } = mismatch;
    const index = expect.sees.findIndex((one) => {
      return one.expected === expected && one.observer === observer && one.target === target;
    });
    const place = index < 0 ? ['answer'] : ['sees', index, 2];
    document.setIn([...path, ...place], seenOf(document, seen));
  }
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
