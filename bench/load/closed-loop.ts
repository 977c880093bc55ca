/**
 * The closed loop: everybody long-polls, one of them changes their presence, and the next change starts when every
 * observer has seen this one. Nothing can be merged, so deliveries = observers × changes.
 */
import type { MeasuredProcess } from './child-process.ts';
import { RawClient } from './raw-client.ts';

export interface LoadUser {
  readonly userId: string;
  readonly token: string;
}

export interface LoopResult {
  readonly changes: number;
  readonly deliveries: number;
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly deliveriesPerCpuSecond: number;
}

export interface LoopOptions {
  readonly server: MeasuredProcess;
  readonly users: readonly LoadUser[];
  readonly warmUpChanges: number;
  readonly changes: number;
  /** Told apart by what is in the body: the hub always sends the same one. */
  readonly isHub: boolean;
}

const ROUND_DEADLINE_MS = 20_000;

/** Goes on over all loops: a change to what it was in an earlier loop would be no change. */
let round = 0;

export async function closedLoop(options: LoopOptions): Promise<LoopResult> {
  const { server, users, isHub } = options;
  const observers = await Promise.all(users.map((user) => Observer.open(server.port, user)));
  // One for all changes: a connection of each user's own would be idle for 200 rounds, and closed meanwhile on a busy machine.
  const changer = await RawClient.open(server.port);
  if (!isHub) await settle(observers);

  const runRounds = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) {
      round += 1;
      const marker = `change number ${round}.`;
      const user = users[round % users.length]!;
      const seen = observers.map((observer) => observer.pollUntil(isHub ? '' : marker));
      const path = `/_matrix/client/v3/presence/${encodeURIComponent(user.userId)}/status`;
      const put = changer.request('PUT', path, user.token, { presence: 'online', status_msg: marker });
      const answers = await withDeadline(Promise.all([put, ...seen]), () =>
        describeRound(round, observers, isHub ? '' : marker),
      );
      if (answers[0].status !== 200) throw new Error(`PUT answered ${answers[0].status}: ${answers[0].body}`);
    }
  };

  await runRounds(options.warmUpChanges);
  const polls = (): number => observers.reduce((sum, observer) => sum + observer.polls, 0);
  const [cpuBefore, wallBefore, pollsBefore] = [server.cpuMs(), performance.now(), polls()];
  await runRounds(options.changes);
  const cpuMs = server.cpuMs() - cpuBefore;
  const wallMs = performance.now() - wallBefore;
  const deliveries = options.changes * users.length;
  const extra = polls() - pollsBefore - deliveries;
  if (extra > deliveries * 0.02) console.warn(`${extra} polls more than deliveries: updates came in several pieces`);
  for (const client of [...observers, changer]) client.close();
  return { changes: options.changes, deliveries, cpuMs, wallMs, deliveriesPerCpuSecond: (deliveries * 1000) / cpuMs };
}

/** Initial syncs, until nobody has anything new: everybody has seen everybody come online. */
async function settle(observers: readonly Observer[]): Promise<void> {
  for (const observer of observers) await observer.sync(0);
  for (let i = 0; i < 3; i += 1) for (const observer of observers) await observer.sync(0);
}

class Observer {
  polls = 0;
  last = '';
  readonly #client: RawClient;
  readonly #user: LoadUser;
  #since = '';

  private constructor(client: RawClient, user: LoadUser) {
    this.#client = client;
    this.#user = user;
  }

  static async open(port: number, user: LoadUser): Promise<Observer> {
    return new Observer(await RawClient.open(port), user);
  }

  get name(): string {
    return this.#user.userId;
  }

  /** Polls until a response has `marker` in it. */
  async pollUntil(marker: string): Promise<{ status: number; body: string }> {
    for (;;) {
      const response = await this.sync(30_000);
      this.polls += 1;
      if (response.body.includes(marker)) return response;
    }
  }

  async sync(timeoutMs: number): Promise<{ status: number; body: string }> {
    const since = this.#since === '' ? '' : `&since=${this.#since}`;
    const response = await this.#client.request(
      'GET',
      `/_matrix/client/v3/sync?timeout=${timeoutMs}${since}`,
      this.#user.token,
    );
    if (response.status !== 200) throw new Error(`sync answered ${response.status}: ${response.body}`);
    this.#since = nextBatch(response.body);
    this.last = response.body;
    return response;
  }

  close(): void {
    this.#client.close();
  }
}

/** Without parsing the body: the driver must not be what is slow. */
export function nextBatch(body: string): string {
  const start = body.indexOf('"next_batch":"') + 14;
  return body.slice(start, body.indexOf('"', start));
}

function describeRound(round: number, observers: readonly Observer[], marker: string): string {
  const missing = observers.filter(({ last }) => !last.includes(marker));
  const example = missing[0] === undefined ? '' : `; ${missing[0].name} last got ${missing[0].last.slice(0, 500)}`;
  return `round ${round}: ${missing.length} observers without the change${example}`;
}

async function withDeadline<T>(promise: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ROUND_DEADLINE_MS} ms: ${what()}`)), ROUND_DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
