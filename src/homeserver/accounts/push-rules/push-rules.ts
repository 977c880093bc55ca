/**
 * Changes to a user's push rules, as pure functions from one set of rules to the next.
 *
 * Errors are the specification's: 404 `M_NOT_FOUND` for a rule that does not exist, 400 for what cannot be. The server's
 * own rules (`.m.rule.…`) can be switched off and given other actions, but not removed or replaced.
 */
import { MatrixError } from '../../../matrix/errors.ts';

export const PUSH_RULE_KINDS = ['override', 'content', 'room', 'sender', 'underride'] as const;
export type PushRuleKind = (typeof PUSH_RULE_KINDS)[number];

/** Wire shape. */
export interface PushRule {
  readonly rule_id: string;
  readonly default: boolean;
  readonly enabled: boolean;
  readonly actions: readonly unknown[];
  readonly conditions?: readonly unknown[];
  readonly pattern?: string;
}

export type PushRuleSet = Readonly<Record<PushRuleKind, readonly PushRule[]>>;

/** What a client sends for a rule of its own. */
export interface NewPushRule {
  readonly actions: readonly unknown[];
  readonly conditions?: readonly unknown[] | undefined;
  readonly pattern?: string | undefined;
}

const MAX_RULES_PER_KIND = 1000;
const MAX_RULE_ID_LENGTH = 255;

/** @throws MatrixError 400 `M_INVALID_PARAM` */
export function parseKind(kind: string | undefined): PushRuleKind {
  const known = PUSH_RULE_KINDS.find((each) => each === kind);
  if (known !== undefined) return known;
  throw new MatrixError(400, 'M_INVALID_PARAM', `There is no such kind of push rule as '${kind ?? ''}'`);
}

/** @throws MatrixError 404 `M_NOT_FOUND` */
export function findRule(rules: PushRuleSet, kind: PushRuleKind, ruleId: string): PushRule {
  const rule = rules[kind].find((each) => each.rule_id === ruleId);
  if (rule === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such push rule');
  return rule;
}

/** Adds or replaces a rule of the user. `before` and `after` name rules of the user; otherwise a new rule comes first. */
export function putRule(
  rules: PushRuleSet,
  kind: PushRuleKind,
  ruleId: string,
  given: NewPushRule,
  place: { readonly before: string | null; readonly after: string | null },
): PushRuleSet {
  checkOwnRuleId(ruleId);
  const present = rules[kind].find((each) => each.rule_id === ruleId);
  const rule: PushRule = {
    rule_id: ruleId,
    default: false,
    enabled: present?.enabled ?? true,
    ...contentOf(kind, given),
    actions: given.actions,
  };
  if (present !== undefined && place.before === null && place.after === null) {
    return { ...rules, [kind]: rules[kind].map((each) => (each === present ? rule : each)) };
  }
  const others = rules[kind].filter((each) => each !== present);
  if (others.length >= MAX_RULES_PER_KIND) throw new MatrixError(413, 'M_TOO_LARGE', 'There are too many push rules');
  const at = placeOf(others, place);
  return { ...rules, [kind]: [...others.slice(0, at), rule, ...others.slice(at)] };
}

/** @throws MatrixError 404 `M_NOT_FOUND`, 400 `M_INVALID_PARAM` for a rule of the server */
export function deleteRule(rules: PushRuleSet, kind: PushRuleKind, ruleId: string): PushRuleSet {
  const rule = findRule(rules, kind, ruleId);
  checkOwnRuleId(ruleId);
  return { ...rules, [kind]: rules[kind].filter((each) => each !== rule) };
}

/** Switches a rule on or off, or changes what it does. @throws MatrixError 404 `M_NOT_FOUND` */
export function changeRule(
  rules: PushRuleSet,
  kind: PushRuleKind,
  ruleId: string,
  change: Partial<Pick<PushRule, 'enabled' | 'actions'>>,
): PushRuleSet {
  const rule = findRule(rules, kind, ruleId);
  return { ...rules, [kind]: rules[kind].map((each) => (each === rule ? { ...rule, ...change } : each)) };
}

function contentOf(kind: PushRuleKind, given: NewPushRule): Pick<PushRule, 'conditions' | 'pattern'> {
  if (kind === 'override' || kind === 'underride') return { conditions: given.conditions ?? [] };
  if (kind !== 'content') return {};
  if (given.pattern === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', "'pattern' is missing");
  return { pattern: given.pattern };
}

/** The server's rules come after the user's, but for the master switch, which is before everything. */
function placeOf(rules: readonly PushRule[], place: { before: string | null; after: string | null }): number {
  const neighbour = place.before ?? place.after;
  if (neighbour === null) return rules[0]?.rule_id === '.m.rule.master' ? 1 : 0;
  const at = rules.findIndex((each) => each.rule_id === neighbour);
  if (at === -1) throw new MatrixError(404, 'M_NOT_FOUND', 'The rule to put this one next to does not exist');
  if (rules[at]?.default === true) {
    throw new MatrixError(400, 'M_INVALID_PARAM', 'A rule cannot be placed among those of the server');
  }
  return place.before === null ? at + 1 : at;
}

function checkOwnRuleId(ruleId: string): void {
  if (ruleId === '' || ruleId.length > MAX_RULE_ID_LENGTH || ruleId.startsWith('.') || /[/\\]/.test(ruleId)) {
    throw new MatrixError(400, 'M_INVALID_PARAM', 'This cannot be the id of a rule of your own');
  }
}
