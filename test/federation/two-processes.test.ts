/**
 * Two processes over real TLS sockets, one of which is stopped, killed or restarted while users change: no final state is lost.
 *
 * To search for longer: `SEED=12 ROUNDS=50 npx vitest run test/federation/two-processes.test.ts -t whatever`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { createRandom, type Pair, type Side, startPair } from '../support/server-pair.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ROUNDS = Number(process.env['ROUNDS'] ?? 1);

let pair: Pair;
const random = createRandom(Number(process.env['SEED'] ?? 7));

beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair[Symbol.asyncDispose]());
beforeEach(async () => {
  // What a test before left behind is none of this one's.
  expect(await pair.settled()).toEqual([]);
});

const both = (): [Side, Side][] => [
  [pair.one, pair.two],
  [pair.two, pair.one],
];

/** A moment that nobody chose. */
const someTime = (): Promise<void> => sleep(random() * 300);

it('every state of every user arrives, both ways', async () => {
  await Promise.all([pair.one.changeAll('hello'), pair.two.changeAll('there')]);
  expect(await pair.settled()).toEqual([]);
  await pair.one.change(0, 'online', 'first');
  await pair.two.change(0, 'unavailable', 'last');
  expect(await pair.settled()).toEqual([]);
  expect(pair.two.seen('@user0:one')).toMatchObject({ presence: 'online', status_msg: 'first' });
  expect(pair.one.seen('@user0:two')).toMatchObject({ presence: 'unavailable', status_msg: 'last' });
});

it('a server that is stopped in the middle of everything (SIGSTOP) gets what it should have, and so does the other', async () => {
  for (const [frozen, other] of both()) {
    const stops = [pair.one.keepChanging('frozen'), pair.two.keepChanging('frozen')];
    await someTime();
    frozen.server.program.child.kill('SIGSTOP');
    try {
      await other.changeAll(`while ${frozen.name} stands still`);
      // Longer than a request may take, so that transactions fail.
      await until(async () => (await other.metric('thalamus_federation_failing_destinations')) === 1, 15_000);
      await other.changeAll(`later, while ${frozen.name} stands still`);
    } finally {
      frozen.server.program.child.kill('SIGCONT');
    }
    await Promise.all(stops.map((stop) => stop()));
    expect(await pair.settled()).toEqual([]);
  }
});

it('a server that is killed at some moment while users change (SIGKILL) loses nothing that it acknowledged', async () => {
  for (const [killed] of both()) {
    const stops = [pair.one.keepChanging('killed'), pair.two.keepChanging('killed')];
    await someTime();
    await killed.server.kill();
    await someTime();
    await killed.server.restart();
    await Promise.all(stops.map((stop) => stop()));
    expect(await pair.settled()).toEqual([]);
  }
});

it('a server that is killed right after it acknowledged a change, with the other away, tells it when both are back', async () => {
  for (const [killed, other] of both()) {
    await other.server.kill();
    await killed.changeAll('nobody hears it');
    await killed.server.kill();
    await Promise.all([killed.server.restart(), other.server.restart()]);
    expect(await pair.settled()).toEqual([]);
  }
});

it('a server that is away for so long that only since when is remembered gets everything, also from one that was killed meanwhile', async () => {
  const { one: away, two: home } = pair;
  await away.server.kill();
  await home.changeAll('unheard');
  await until(async () => (await home.metric('thalamus_federation_owed_destinations')) === 1);
  await home.changeAll('unheard, too');
  await home.change(0, 'offline');
  await away.server.restart();
  expect(await pair.settled()).toEqual([]);

  await away.server.kill();
  await home.changeAll('unheard again');
  await until(async () => (await home.metric('thalamus_federation_owed_destinations')) === 1);
  await home.server.kill();
  await home.server.restart();
  await home.change(1, 'online', 'by the next process');
  await away.server.restart();
  expect(await pair.settled()).toEqual([]);
});

it('a server that is restarted in good order (SIGTERM) while users change, with the other away for part of it', async () => {
  const { one: other, two: restarted } = pair;
  const stops = [other, restarted].map((side) => side.keepChanging('restarted'));
  await someTime();
  await other.server.kill();
  await restarted.server.terminate('SIGTERM');
  await restarted.server.restart();
  await someTime();
  await other.server.restart();
  await Promise.all(stops.map((stop) => stop()));
  expect(await pair.settled()).toEqual([]);
});

it(
  'whatever befalls both of them, in whatever order',
  async () => {
    const sides = [pair.one, pair.two];
    for (let round = 0; round < ROUNDS; round++) {
      const stops = sides.map((side) => side.keepChanging(`round ${round}`));
      const fates = sides.map(() => 'well');
      const history: string[] = [];
      for (let step = 0; step < 4; step++) {
        await someTime();
        const index = random() < 0.5 ? 0 : 1;
        const side = sides[index] as Side;
        fates[index] = fates[index] === 'well' ? await befall(side) : await recover(side, fates[index] ?? '');
        history.push(`${side.name} ${fates[index]}`);
      }
      // Half of the time nobody changes any more when they recover.
      const quiet = random() < 0.5 && !fates.includes('frozen') ? Promise.all(stops.map((stop) => stop())) : null;
      await quiet;
      for (const [index, side] of sides.entries()) await recover(side, fates[index] ?? '');
      await Promise.all(stops.map((stop) => stop()));
      expect(await pair.settled(), history.join(', ')).toEqual([]);
    }
  },
  60_000 * ROUNDS,
);

async function befall({ relay, server }: Side): Promise<string> {
  const kind = Math.floor(random() * 6);
  if (kind === 0) await server.kill();
  else if (kind === 1) await server.terminate();
  else if (kind === 2) server.program.child.kill('SIGSTOP');
  else if (kind === 3) relay.setWeather({ isSilent: true });
  else if (kind === 4) relay.setWeather({ delayMs: 20, bytesPerSecond: 20_000 });
  else relay.cut();
  return ['dead', 'dead', 'frozen', 'silent', 'slow', 'well'][kind] ?? '';
}

async function recover({ relay, server }: Side, fate: string): Promise<string> {
  if (fate === 'dead') await server.restart();
  if (fate === 'frozen') server.program.child.kill('SIGCONT');
  relay.setWeather({});
  return 'well';
}
