/**
 * Runs a scenario on a harness: step by step, each with who was told what, what the host complained about, and what was not as expected.
 */
import { serverNameOf, type UserId } from '../matrix/identifiers.ts';
import { toPlainError } from '../router-host/describe-value.ts';
import type { LoadedModule } from '../router-host/index.ts';
import type { PresenceOperations } from '../router-host/module-services.ts';
import { compareTold, isAsExpected } from './compare-told.ts';
import { createHarness, type HarnessParts } from './create-module-harness.ts';
import type { ModuleHarness, ModuleHarnessOptions } from './module-harness.ts';
import { createAccountLookups } from './scenario-accounts.ts';
import type {
  Expectation,
  Mismatch,
  Receiver,
  Scenario,
  ScenarioAction,
  ScenarioOutcome,
  StepOutcome,
  Told,
  ToldPresence,
} from './scenario.ts';

type Lists = Map<Receiver, ToldPresence[]>;
type Result = Pick<StepOutcome, 'answer' | 'remark'> & { readonly asked: { observer: UserId; target: UserId } | null };

const NO_RESULT: Result = { answer: undefined, remark: null, asked: null };

/** Deadlines that a step waits for, one after the other: the callbacks of several modules are asked in turn. */
const MOST_DEADLINES = 5;
/** For what has no deadline, such as a method of the module itself, in ms. */
const PATIENCE_MS = 2_000;

/** @throws what a harness throws for modules that cannot be constructed */
export async function runScenario(
  scenario: Scenario,
  load: () => Promise<readonly LoadedModule[]>,
): Promise<ScenarioOutcome> {
  const { serverName, mode, startTs } = scenario;
  const options = {
    serverName,
    mode,
    accounts: createAccountLookups(scenario),
    ...(startTs === undefined ? {} : { startTs }),
  };
  const parts = await createHarness(load, options satisfies ModuleHarnessOptions);
  await using running = new Run(parts);
  await running.begin(scenario);
  const start = await running.finish(NO_RESULT, null);
  const steps: StepOutcome[] = [];
  for (const { action, expect } of scenario.steps) {
    steps.push(await running.finish(await running.act(action), expect));
  }
  const end = await running.end(scenario.expect);
  return { start, steps, end, disagreements: parts.disagreements() };
}

class Run implements AsyncDisposable {
  readonly #harness: ModuleHarness;
  readonly #operations: PresenceOperations;
  readonly #isAsking: () => boolean;
  readonly #deadlineMs: number;
  readonly #connected = new Set<UserId>();
  readonly #all: Lists = new Map();
  /** Of clients that have gone in this step. */
  #told: Lists = new Map();
  readonly #problems: () => readonly string[];
  #problemCount = 0;
  /** Of what the scenario itself calls, in this step. */
  #failures: string[] = [];

  constructor({ harness, operations, problems, isAsking, deadlineMs }: HarnessParts<unknown>) {
    this.#harness = harness;
    this.#operations = operations;
    this.#problems = problems;
    this.#isAsking = isAsking;
    this.#deadlineMs = Math.max(deadlineMs, PATIENCE_MS);
  }

  async begin({ rooms, connected }: Scenario): Promise<void> {
    for (const [roomId, users] of rooms) this.#join(roomId, users);
    if (connected !== null) {
      for (const userId of [...this.#connected].filter((member) => !connected.includes(member))) {
        this.#connected.delete(userId);
        await this.#harness.disconnect(userId);
      }
      for (const userId of connected) await this.#connect(userId);
    }
    await this.#patiently(this.#harness.settle(), undefined);
  }

  /** One step, and all that modules answer to it. */
  async act(action: ScenarioAction): Promise<Result> {
    const work = this.#perform(action);
    // Time is not to be moved by two at once.
    if (action.kind === 'advance') await work;
    return this.#patiently(work, NO_RESULT);
  }

  async #perform(action: ScenarioAction): Promise<Result> {
    const harness = this.#harness;
    switch (action.kind) {
      case 'set_presence':
        await harness.setPresence(action.user, action.presence);
        return NO_RESULT;
      case 'join':
        this.#join(action.room, action.users);
        break;
      case 'leave':
        harness.rooms.leave(action.room, action.users);
        break;
      case 'connect':
        for (const userId of action.users) await this.#connect(userId);
        break;
      case 'disconnect':
        for (const userId of action.users) await this.#disconnect(userId);
        break;
      case 'receive':
        await harness.receiveFromServer(action.from, action.users);
        break;
      case 'advance':
        await harness.advance({ ms: action.ms });
        break;
      case 'get':
        return { ...NO_RESULT, answer: await harness.get(action.observer, action.target), asked: action };
      case 'call':
      case 'request':
      case 'invalidate_interested_users':
      case 'invalidate_restrictions':
      case 'send_local_online_presence_to':
      case 'set_presence_for_users': {
        const remark = await this.#attempt(action);
        await harness.settle();
        return { ...NO_RESULT, remark };
      }
    }
    await harness.settle();
    return NO_RESULT;
  }

  /** What the step has brought, and what of it is not as expected. */
  async finish(result: Result, expect: Expectation | null): Promise<StepOutcome> {
    const told = this.#take();
    for (const [receiver, list] of told) for (const one of list) addTo(this.#all, receiver, one);
    const mismatches = await this.#compare(told, result, expect);
    const { answer, remark } = result;
    return { told, answer, remark, problems: this.#newProblems(), mismatches };
  }

  async end(expect: Expectation | null): Promise<StepOutcome> {
    const mismatches = await this.#compare(this.#all, NO_RESULT, expect);
    return { told: this.#all, answer: undefined, remark: null, problems: this.#newProblems(), mismatches };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#harness[Symbol.asyncDispose]();
  }

  async #compare(told: Told, { answer, asked }: Result, expect: Expectation | null): Promise<Mismatch[]> {
    if (expect === null) return [];
    const mismatches = expect.gets === null ? [] : compareTold(told, expect.gets);
    for (const { observer, target, expected } of expect.sees) {
      const seen = await this.#patiently(this.#harness.get(observer, target), null);
      if (!isAsExpected(expected, seen)) mismatches.push({ kind: 'sight', observer, target, expected, seen });
    }
    if (expect.answer !== undefined && asked !== null && !isAsExpected(expect.answer, answer ?? null)) {
      const { observer, target } = asked;
      mismatches.push({ kind: 'sight', observer, target, expected: expect.answer, seen: answer ?? null });
    }
    return mismatches;
  }

  /**
   * Waits for `work`, and for callbacks that ask the outside world. They get real time up to their deadline; when that is over, the server's time
   * passes as well, so that they are too late for the server, too. What has not ended even then is a problem, and is `otherwise`.
   */
  async #patiently<T>(work: Promise<T>, otherwise: T): Promise<T> {
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    work.then(end, end);
    for (let deadlines = 0; deadlines < MOST_DEADLINES; deadlines += 1) {
      const startedTs = performance.now();
      do {
        await this.#harness.settle();
        // What the answers have set off.
        await this.#harness.settle();
        if (isOver && !this.#isAsking()) return work;
      } while (performance.now() - startedTs < this.#deadlineMs);
      await this.#harness.advance({ ms: this.#deadlineMs });
    }
    if (isOver) return work;
    this.#failures.push(`it has not ended after ${(MOST_DEADLINES * this.#deadlineMs) / 1000} s`);
    return otherwise;
  }

  async #attempt(action: ScenarioAction): Promise<string | null> {
    try {
      return await this.#operate(action);
    } catch (error) {
      this.#failures.push(`it threw: ${toPlainError(error).message}`);
      return null;
    }
  }

  async #operate(action: ScenarioAction): Promise<string | null> {
    const operations = this.#operations;
    switch (action.kind) {
      case 'call':
        return this.#call(action.method, action.arguments);
      case 'request': {
        const { method, path, body } = action;
        const response = await this.#harness.fetch(path, body === null ? { method } : { method, body });
        return response === null ? 'the module serves nothing there' : `it answered ${response.status}`;
      }
      case 'invalidate_interested_users':
        operations.invalidateInterestedUsers(action.users ?? undefined);
        return null;
      case 'invalidate_restrictions':
        operations.invalidateRestrictions(action.users ?? undefined);
        return null;
      case 'send_local_online_presence_to':
        await operations.sendLocalOnlinePresenceTo(action.users);
        return null;
      case 'set_presence_for_users':
        await operations.setPresenceForUsers(action.users);
        return null;
      default:
        return null;
    }
  }

  async #call(method: string, args: readonly unknown[]): Promise<string | null> {
    const { instance } = this.#harness;
    const member = (instance as Readonly<Record<string, unknown>> | null | undefined)?.[method];
    if (typeof member !== 'function') {
      this.#failures.push(`the module has no method ${method}`);
      return null;
    }
    await Reflect.apply(member, instance, args);
    return null;
  }

  #join(roomId: Parameters<ModuleHarness['rooms']['join']>[0], users: readonly UserId[]): void {
    this.#harness.rooms.join(roomId, users);
    for (const userId of users) {
      if (serverNameOf(userId) === this.#harness.serverName) this.#connected.add(userId);
    }
  }

  async #connect(userId: UserId): Promise<void> {
    this.#connected.add(userId);
    await this.#harness.connect(userId);
  }

  async #disconnect(userId: UserId): Promise<void> {
    this.#collect(userId);
    this.#connected.delete(userId);
    await this.#harness.disconnect(userId);
  }

  #collect(userId: UserId): void {
    if (!this.#connected.has(userId)) return;
    // Everybody's own clients know what they say of themselves.
    for (const one of this.#harness.received(userId)) if (one.userId !== userId) addTo(this.#told, userId, one);
  }

  #take(): Lists {
    for (const userId of this.#connected) this.#collect(userId);
    for (const { destination, ...one } of this.#harness.sentToServers()) addTo(this.#told, destination, one);
    this.#harness.clear();
    const told = this.#told;
    this.#told = new Map();
    return told;
  }

  #newProblems(): readonly string[] {
    const problems = this.#problems().slice(this.#problemCount);
    this.#problemCount += problems.length;
    const failures = this.#failures;
    this.#failures = [];
    return [...failures, ...problems];
  }
}

function addTo(lists: Lists, receiver: Receiver, one: ToldPresence): void {
  const list = lists.get(receiver);
  if (list === undefined) lists.set(receiver, [one]);
  else list.push(one);
}
