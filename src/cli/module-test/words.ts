/**
 * Scenarios in words: what happens in a step, who gets what, and what is not as expected.
 */
import { formatDuration } from '../../config/units.ts';
import type {
  ExpectedPresence,
  ExpectedSight,
  Mismatch,
  ScenarioAction,
  StepOutcome,
  ToldPresence,
} from '../../testing/scenario.ts';

export function describeAction(action: ScenarioAction): string {
  const list = (users: readonly string[]): string => (users.length === 0 ? 'nobody' : users.join(', '));
  switch (action.kind) {
    case 'set_presence':
      return `${action.user} becomes ${describeShown(action.presence)}`;
    case 'join':
    case 'leave':
      return `${list(action.users)} ${action.kind === 'join' ? 'joins' : 'leaves'} ${action.room}`;
    case 'connect':
    case 'disconnect':
      return `${list(action.users)} ${action.kind}s`;
    case 'receive':
      return `${action.from} says: ${action.users.map((one) => `${one.userId} is ${describeShown(one)}`).join(', ')}`;
    case 'advance':
      return `${formatDuration(action.ms)} pass`;
    case 'get':
      return `${action.observer} asks for ${action.target}`;
    case 'call':
      return `${action.method}(${action.arguments.map((one) => JSON.stringify(one)).join(', ')}) of the module is called`;
    case 'request':
      return `${action.method} ${action.path}`;
    case 'invalidate_interested_users':
    case 'invalidate_restrictions':
      return `${action.kind} ${action.users === null ? 'of everybody' : `of ${list(action.users)}`}`;
    case 'send_local_online_presence_to':
      return `${action.kind} ${list(action.users)}`;
    case 'set_presence_for_users': {
      const entries = [...action.users].map(([userId, shown]) => `${userId} ${describeShown(shown)}`);
      return `${action.kind}: ${list(entries)}`;
    }
  }
}

/** `@bob:example.org online "hello"` */
export function describePresence({ userId, ...shown }: ExpectedPresence): string {
  return `${userId} ${describeShown(shown)}`.trimEnd();
}

function describeShown({ state, statusMsg, currentlyActive }: Omit<ExpectedPresence, 'userId'>): string {
  const parts: string[] = state === undefined ? [] : [state];
  if (typeof statusMsg === 'string') parts.push(JSON.stringify(statusMsg));
  // What goes without saying is not said.
  if (currentlyActive !== undefined && currentlyActive !== (state === 'online')) {
    parts.push(currentlyActive ? '(currently active)' : '(not currently active)');
  }
  return parts.join(' ');
}

/** Who was told what in a step: a line for each. */
export function describeTold({ told, answer, remark }: StepOutcome): string[] {
  const lines: string[] = [];
  if (remark !== null) lines.push(remark);
  if (answer !== undefined) lines.push(`the answer is ${describeSeen(answer)}`);
  for (const [receiver, list] of told) for (const one of list) lines.push(`${receiver} gets ${describePresence(one)}`);
  return lines.length === 0 ? ['nobody gets anything'] : lines;
}

export function describeMismatch(mismatch: Mismatch): string {
  switch (mismatch.kind) {
    case 'missing':
      return `missing     ${mismatch.receiver} gets ${describePresence(mismatch.expected)}`;
    case 'unexpected':
      return `unexpected  ${mismatch.receiver} gets ${describePresence(mismatch.told)}`;
    case 'different':
      return (
        `different   ${mismatch.receiver} gets ${describePresence(mismatch.told)}; ` +
        `expected: ${describeDifference(mismatch.expected, mismatch.told)}`
      );
    case 'sight':
      return (
        `different   ${mismatch.observer} sees of ${mismatch.target}: ${describeSeen(mismatch.seen)}; ` +
        `expected: ${describeSight(mismatch.expected)}`
      );
  }
}

/** The fields that differ. */
function describeDifference(expected: ExpectedPresence, told: ToldPresence): string {
  const parts: string[] = [];
  if (expected.state !== undefined && expected.state !== told.state) parts.push(expected.state);
  if (expected.statusMsg !== undefined && expected.statusMsg !== told.statusMsg) {
    parts.push(expected.statusMsg === null ? 'no status message' : JSON.stringify(expected.statusMsg));
  }
  if (expected.currentlyActive !== undefined && expected.currentlyActive !== told.currentlyActive) {
    parts.push(expected.currentlyActive ? 'currently active' : 'not currently active');
  }
  // The same entry, but not in its place.
  return parts.length === 0 ? 'in another order' : parts.join(', ');
}

function describeSeen(seen: ToldPresence | null): string {
  return seen === null ? 'nothing' : describeShown(seen);
}

function describeSight(expected: ExpectedSight): string {
  if (typeof expected !== 'boolean') return describeShown(expected);
  return expected ? 'something' : 'nothing';
}
