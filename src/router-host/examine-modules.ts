/**
 * What every module says now about one observer and one source, and what it would come to: without a trace, see `examine.ts`.
 *
 * The same rules as for every question: modules in configuration order, the first `PRESENCE_ALL_USERS` ends it, and while a callback fails
 * what its module said last stands.
 */
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form, UNKNOWN } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import type { UserId } from '../matrix/identifiers.ts';
import { PRESENCE_ALL_USERS } from '../module/callbacks.ts';
import type { CheckedRoutes } from './check-routes.ts';
import type { Examined } from './examine.ts';
import { mergeInterest, mergeRoutes } from './merge-answers.ts';
import { formIn, type RestrictionRequest } from './restriction-answers.ts';
import type { Interest } from './router-api.ts';
import { UpdateBatch } from './update-batch.ts';

/** One module as it can be examined. Null in place of an answer: it has no such callback. */
export interface ExaminableModule {
  readonly name: string;
  /** Its file and export, if known. */
  readonly spec: string | null;
  askInterest(userId: UserId): Promise<Examined<Interest>> | null;
  /** What it said last about a connected observer. */
  rememberedInterest(userId: UserId): Interest | undefined;
  askRoutes(batch: UpdateBatch): Promise<Examined<CheckedRoutes>> | null;
  askRestrictions(request: RestrictionRequest): Promise<ExaminedRestriction> | null;
}

export interface ExamineQuestion {
  /** Whose interest to ask for: a local user; null for nobody. */
  readonly interestOf: UserId | null;
  /** The update to route; null for none. */
  readonly state: UserPresenceState | null;
  /** Of whose presence, and for whom, to ask for restrictions; null for none. */
  readonly restriction: { readonly source: UserId; readonly observer: Observer } | null;
}

export interface ExaminedRestriction extends Examined<RestrictionAnswer> {
  /** What the module said last, which stands if it fails now; `UNKNOWN` for whom it has said nothing. */
  readonly remembered: RestrictionAnswer;
  /** What holds if it fails and has said nothing. */
  readonly onFailure: Form;
}

export interface ExaminedInterest extends Examined<Interest> {
  /** What the module said last, which stands if it fails now. */
  readonly remembered: Interest | undefined;
}

export interface ExaminedModule {
  readonly name: string;
  readonly spec: string | null;
  /** `after_all`: not asked, because a module before it wants everybody. Null: not in question. */
  readonly interest: ExaminedInterest | 'after_all' | null;
  readonly routes: Examined<readonly UserId[]> | null;
  readonly restriction: ExaminedForm | null;
}

/** What a module says of the one pair in question. */
export interface ExaminedForm extends Omit<ExaminedRestriction, 'answer' | 'remembered'> {
  readonly answer: Form | undefined;
  /** Whether the answer is about everybody, asked about or not. */
  readonly isAboutEverybody: boolean;
  readonly remembered: Form | typeof UNKNOWN;
  /** The one that counts. */
  readonly standing: Form;
}

export interface Examination {
  /** In configuration order. */
  readonly modules: readonly ExaminedModule[];
  /** What all of them together say; null if that was not in question. */
  readonly interest: Interest | null;
  /** Who would get the update in addition. */
  readonly routedTo: readonly UserId[];
  /** What they add up to for the pair. */
  readonly form: Form;
}

/** Never rejects. */
export async function examineModules(
  modules: readonly ExaminableModule[],
  { interestOf, state, restriction }: ExamineQuestion,
): Promise<Examination> {
  const [interest, routes, forms] = await Promise.all([
    interestOf === null ? null : examineInterest(modules, interestOf),
    state === null ? null : examineRoutes(modules, state),
    restriction === null ? [] : Promise.all(modules.map((module) => examineForm(module, restriction))),
  ]);
  return {
    modules: modules.map(({ name, spec }, index) => ({
      name,
      spec,
      interest: interest?.findings[index] ?? null,
      routes: routes?.findings[index] ?? null,
      restriction: forms[index] ?? null,
    })),
    interest: interest?.merged ?? null,
    routedTo: routes?.merged ?? [],
    form: forms.reduce<Form>((sum, found) => sum | (found?.standing ?? Form.FULL), Form.FULL),
  };
}

async function examineForm(
  module: ExaminableModule,
  { source, observer }: NonNullable<ExamineQuestion['restriction']>,
): Promise<ExaminedForm | null> {
  const asked = module.askRestrictions({ source, observers: Object.freeze([observer]) });
  if (asked === null) return null;
  const { answer, remembered, ...examined } = await asked;
  const said = answer && formIn(answer, observer);
  const last = formIn(remembered, observer);
  return {
    ...examined,
    answer: said,
    isAboutEverybody: (answer ?? remembered).others !== null,
    remembered: last,
    standing: said ?? (last === UNKNOWN ? examined.onFailure : last),
  };
}

async function examineInterest(modules: readonly ExaminableModule[], userId: UserId) {
  const findings: (ExaminedInterest | 'after_all' | null)[] = [];
  const parts: Interest[] = [];
  let isAll = false;
  for (const module of modules) {
    const asked = isAll ? null : module.askInterest(userId);
    if (asked === null) {
      findings.push(isAll ? 'after_all' : null);
      continue;
    }
    const remembered = module.rememberedInterest(userId);
    const examined = await asked;
    findings.push({ ...examined, remembered });
    const standing = examined.answer ?? remembered;
    if (standing === PRESENCE_ALL_USERS) isAll = true;
    else if (standing !== undefined) parts.push(standing);
  }
  const merged: Interest = isAll ? PRESENCE_ALL_USERS : mergeInterest(parts);
  return { findings, merged };
}

async function examineRoutes(modules: readonly ExaminableModule[], state: UserPresenceState) {
  const batch = new UpdateBatch([state]);
  const findings: (Examined<readonly UserId[]> | null)[] = [];
  const answers: CheckedRoutes[] = [];
  for (const module of modules) {
    const asked = module.askRoutes(batch);
    const examined = asked === null ? null : await asked;
    findings.push(examined === null ? null : { ...examined, answer: examined.answer && (examined.answer[0] ?? []) });
    if (examined?.answer !== undefined) answers.push(examined.answer);
  }
  return { findings, merged: mergeRoutes(batch, answers).get(state.userId) ?? [] };
}
