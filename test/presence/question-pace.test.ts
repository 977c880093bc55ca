import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/adapters/memory/index.ts';
import { type Paced, QuestionPace } from '../../src/presence/question-pace.ts';
import type { Interest } from '../../src/router-host/index.ts';
import { Rig, StubRouter } from './rig.ts';

class Observer implements Paced {
  paidUntilTs = 0;
  isPutOff = false;
  readonly askedTs: number[] = [];
}

function start() {
  const clock = new ManualClock();
  const startTs = clock.now();
  const pace = new QuestionPace<Observer>(clock, (about) => void about.askedTs.push(clock.now() - startTs));
  return { clock, pace };
}

describe('QuestionPace', () => {
  it('asks ten times at once, and then ten times a second', async () => {
    const { clock, pace } = start();
    const observer = new Observer();
    for (let ms = 0; ms < 2_000; ms += 10) {
      pace.request(observer);
      await clock.advance(10);
    }
    expect(observer.askedTs.slice(0, 11)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(observer.askedTs.length).toBeGreaterThanOrEqual(29);
    expect(observer.askedTs.length).toBeLessThanOrEqual(31);
  });

  it('asks after the last request, at most 100 ms later, and then no more', async () => {
    const { clock, pace } = start();
    const observer = new Observer();
    for (let i = 0; i < 50; i += 1) pace.request(observer);
    expect(observer.askedTs.length).toBe(10);
    await clock.advance(60);
    pace.request(observer);
    await clock.advance(40);
    expect(observer.askedTs.slice(10)).toEqual([100]);
    await clock.advance(10_000);
    expect(observer.askedTs.length).toBe(11);
    expect(clock.pendingTimers).toBe(0);
  });

  it('puts each observer off by itself', async () => {
    const { clock, pace } = start();
    const [one, two, calm] = [new Observer(), new Observer(), new Observer()];
    for (let i = 0; i < 11; i += 1) pace.request(one);
    await clock.advance(30);
    for (let i = 0; i < 11; i += 1) pace.request(two);
    pace.request(calm);
    await clock.advance(200);
    expect([one.askedTs.at(-1), two.askedTs.at(-1), calm.askedTs]).toEqual([100, 130, [30]]);
  });

  it('asks nothing after stop', async () => {
    const { clock, pace } = start();
    const observer = new Observer();
    for (let i = 0; i < 20; i += 1) pace.request(observer);
    pace.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('an observer who syncs all the time', () => {
  it('is asked about after the last sync, too, and sees what that brings', async () => {
    const router = new StubRouter();
    let interest: Interest = [];
    router.interest = () => interest;
    const rig = await Rig.start({ router });
    await rig.put('@alice:test', 'online');
    const x = await rig.client('@x:test').watch();
    for (let i = 0; i < 20; i += 1) {
      x.unwatch();
      await x.watch();
    }
    interest = ['@alice:test'];
    x.unwatch();
    await x.watch();
    await rig.settle();
    expect(x.seen).toEqual([]);
    await rig.advance(100);
    expect(x.statesOf('@alice:test')).toEqual(['online']);
  });
});
