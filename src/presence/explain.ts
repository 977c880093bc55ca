/**
 * Why an observer does, or does not, see a target's presence: what is in effect, what the modules say now, and what comes of it.
 *
 * Nothing changes by it: the engine is only read, the modules are asked without a trace. The verdict is that of the functions which every
 * path uses; what modules say now counts only where those would ask them, too, because nothing is in effect yet.
 */
import type { Observer } from '../core/engine-api.ts';
import { Form, UNKNOWN } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { serverNameOf, type UserId } from '../matrix/identifiers.ts';
import { type AskedNow, type Case, type ExplainParts, MAX_ROOMS_NAMED } from './explain-case.ts';
import type { Examination, Interest, Restrictions } from '../router-host/index.ts';
import { conclude } from './explain-conclusion.ts';
import {
  interestInEffect,
  isRouted,
  keptAnswer,
  moduleReasons,
  type Pair,
  restrictionInEffect,
  restrictionReasons,
} from './explain-modules.ts';
import { destinationReasons, federationReasons, inboxReasons, routedLimit, strangerReasons } from './explain-limits.ts';
import { excludedRooms, modeReason, observerReason, sharedRooms, targetReason } from './explain-pair.ts';
import {
  type ExplainDirectory,
  type Explanation,
  hiddenFields,
  type ObserverKind,
  reason,
  type Reason,
  shownAs,
} from './explanation.ts';
import { formatStatus } from './format-presence.ts';
import { StatusReader } from './status-reader.ts';

/** The function that answers; see `PresenceHandler.explain`. */
export function createExplainer(parts: ExplainParts) {
  return (observer: Observer, target: UserId, directory: ExplainDirectory): Promise<Explanation> =>
    explain(parts, observer, target, directory);
}

async function explain(
  parts: ExplainParts,
  observer: Observer,
  target: UserId,
  directory: ExplainDirectory,
): Promise<Explanation> {
  const { clock, engine, router, settings } = parts;
  const { serverName, mode } = settings;
  const kind = kindOf(observer, serverName);
  const server = kind === 'local_user' ? null : serverOf(observer);
  const isTargetLocal = serverNameOf(target) === serverName;
  const pair: Pair = { observer, server, target };

  // Where no path would ask the modules, they are not asked here.
  const isAsked =
    mode !== 'disabled' && observer !== target && (server === null || (isTargetLocal && mode === 'tracked'));
  const examination = await router.examine({
    interestOf: isAsked && server === null ? (observer as UserId) : null,
    state: isAsked && router.hasCallbacks ? stateOf(parts, target) : null,
    restriction: isAsked ? { source: target, observer: server ?? observer } : null,
  });
  // Looked at after the modules have answered, and all at the same time.
  const facts = engine().factsOf(observer, target, MAX_ROOMS_NAMED);
  const state = stateOf(parts, target);
  const now = clock.now();
  const it: Case = { ...pair, ...parts, kind, isTargetLocal, facts, state, directory, now };

  const routes = isRouted(pair, examination.routedTo);
  const { form, askedNow } = await verdict(it, { interest: examination.interest, routes, form: examination.form });

  const reasons = await reasonsOf(it, { examination, isAsked, routes, form });
  const isSeen = (form & Form.DENIED) === 0;
  return {
    observer,
    observerKind: kind,
    target,
    ts: now,
    isVisible: isSeen && (form & Form.OFFLINE) === 0,
    shownAs: shownAs(form),
    hidden: isSeen ? hiddenFields(form) : [],
    status: isSeen ? statusOf(it, form) : null,
    conclusion: conclude(it, form, reasons, askedNow),
    reasons,
  };
}

interface Findings {
  readonly examination: Examination;
  /** Whether modules are asked about such a pair at all. */
  readonly isAsked: boolean;
  /** Whether modules give the observer the target's updates now. */
  readonly routes: boolean;
  readonly form: Form;
}

/** In the order of the rules. */
async function reasonsOf(it: Case, { examination, isAsked, routes, form }: Findings): Promise<Reason[]> {
  const { facts, observer, router, server, settings, target } = it;
  const reasons: (Reason | null)[] = [modeReason(it), await observerReason(it), await targetReason(it)];
  if (observer === target) reasons.push(reason('self', true, `${observer} always sees themself`));
  else if (settings.mode !== 'disabled') {
    reasons.push(...federationReasons(it), await sharedRooms(it), await excludedRooms(it));
    if (isAsked && router.hasCallbacks) {
      reasons.push(...moduleReasons(it, examination));
      if (server === null) {
        reasons.push(interestInEffect(it, facts, examination.interest), keptAnswer(it, facts, examination));
      }
    }
    if (isAsked && router.restricts) {
      reasons.push(...restrictionReasons(it, examination), restrictionInEffect(it, facts, examination.form));
    }
    reasons.push(...strangerReasons(it), routedLimit(it, routes), ...inboxReasons(it));
    reasons.push(...destinationReasons(it, shownAs(form)));
  }
  return reasons.filter((one) => one !== null);
}

interface SaidNow {
  readonly interest: Interest | null;
  readonly routes: boolean;
  readonly form: Form;
}

interface Verdict {
  readonly form: Form;
  readonly askedNow: AskedNow;
}

async function verdict(it: Case, said: SaidNow): Promise<Verdict> {
  const { clock, directory, engine, kind, observer, router, settings, state, target } = it;
  if (settings.mode === 'disabled') return { form: Form.OFFLINE, askedNow: null };
  if (kind !== 'local_user') return verdictOnServer(it, said);
  // Whatever rooms and modules say of such an id, nobody can log in with it.
  if (observer !== target && !(await directory.hasAccount(observer as UserId)))
    return { form: Form.DENIED, askedNow: null };
  let askedNow: AskedNow = null;
  const restriction: Restrictions = { observers: new Map([[observer, said.form]]), others: null, isFinal: true };
  // What GET …/status does, with what the modules have just said in place of asking them.
  const reader = new StatusReader({
    clock,
    router: { hasCallbacks: router.hasCallbacks, getRestrictions: () => restriction },
    engine: () => ({
      formFor: () => (askedNow === 'restrictions' ? said.form : engine().formFor(observer, target)),
      interestOf: () => it.facts.connection?.interest ?? null,
    }),
    interest: {
      lookUp: () => {
        askedNow = 'interest';
        return Promise.resolve(said.interest);
      },
    },
    restrictions: {
      isRestricting: router.restricts,
      answered: () => {
        askedNow = 'restrictions';
      },
    },
    isKnown: () => state !== null,
    stateOf: () => state ?? engine().stateOf(target),
  });
  return { form: await reader.formFor(observer as UserId, target), askedNow };
}

function verdictOnServer(it: Case, said: SaidNow): Verdict {
  const { facts, federation, isTargetLocal, server, settings } = it;
  const standing = federation.standingOf?.(server ?? '');
  const isSent =
    isTargetLocal && settings.mode === 'tracked' && standing?.isOn !== false && standing?.isAllowed !== false;
  const shares = facts.sharedWithServer.count > 0;
  // Which servers routers have named is not kept: they are asked about every update, and again when a server was away.
  if (!isSent || !(shares || said.routes)) return { form: Form.DENIED, askedNow: null };
  if (facts.form === UNKNOWN) return { form: said.form, askedNow: 'restrictions' };
  return { form: facts.form, askedNow: shares ? null : 'routes' };
}

function statusOf({ now, state, target, engine }: Case, form: Form): Readonly<Record<string, unknown>> {
  return JSON.parse(formatStatus(state ?? engine().stateOf(target), now, form)) as Record<string, unknown>;
}

/** As observers may see it; null of somebody of whom nothing is known. */
function stateOf({ engine, remote }: ExplainParts, target: UserId): UserPresenceState | null {
  const uid = engine().uidOf(target);
  return uid < 0 ? remote.standingOf(target).state : engine().shownState(uid);
}

function kindOf(observer: Observer, serverName: string): ObserverKind {
  if (!observer.startsWith('@')) return 'server';
  return serverOf(observer) === serverName ? 'local_user' : 'remote_user';
}

function serverOf(observer: Observer): string {
  return observer.startsWith('@') ? serverNameOf(observer as UserId) : observer;
}
