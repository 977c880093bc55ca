import { describe, expect, it } from 'vitest';
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import { RestrictionMemory } from './restriction-memory.ts';

const { FULL, NO_STATUS, OFFLINE, DENIED } = Form;
const about = (observers: Observer[], source = '@u:test' as const) => ({ source, observers });
const only = (observers: readonly (readonly [Observer, Form])[]): RestrictionAnswer => ({
  others: null,
  observers: new Map(observers),
});

describe('RestrictionMemory', () => {
  it('knows what was said of each of those asked about, and that nothing was said of others', () => {
    const memory = new RestrictionMemory(100);
    memory.set(about(['@a:test', '@b:test']), only([['@a:test', OFFLINE]]), 1);
    memory.set(about(['@c:test']), only([['@c:test', NO_STATUS]]), 2);
    expect(memory.get(about(['@a:test', '@b:test', '@c:test', '@d:test']), DENIED)).toEqual(
      only([
        ['@a:test', OFFLINE],
        ['@c:test', NO_STATUS],
        ['@d:test', DENIED],
      ]),
    );
    expect(memory.get(about(['@d:test']), FULL)).toEqual(only([]));
    expect(memory.get({ source: '@v:test', observers: ['@a:test'] }, DENIED)).toEqual(only([['@a:test', DENIED]]));
  });

  it('replaces what was said of somebody by what is said of them later, also by nothing', () => {
    const memory = new RestrictionMemory(100);
    memory.set(
      about(['@a:test', '@b:test']),
      only([
        ['@a:test', DENIED],
        ['@b:test', DENIED],
      ]),
      1,
    );
    memory.set(about(['@a:test']), only([]), 2);
    expect(memory.get(about(['@a:test', '@b:test']), OFFLINE)).toEqual(only([['@b:test', DENIED]]));
  });

  it('knows of everybody when an answer was about everybody, until the next one that is', () => {
    const memory = new RestrictionMemory(100);
    memory.set(about(['@a:test']), { others: OFFLINE, observers: new Map([['@b:test', FULL]]) }, 1);
    expect(memory.get(about(['@z:test']), DENIED)).toEqual({
      others: OFFLINE,
      observers: new Map([['@b:test', FULL]]),
    });
    memory.set(about(['@a:test']), only([]), 2);
    const partly = memory.get(about(['@z:test']), DENIED);
    expect(partly).toEqual({
      others: OFFLINE,
      observers: new Map([
        ['@b:test', FULL],
        ['@a:test', FULL],
      ]),
    });
    memory.set(about(['@a:test']), { others: FULL, observers: new Map() }, 3);
    expect(memory.get(about(['@b:test']), DENIED)).toEqual({ others: FULL, observers: new Map() });
  });

  it('changes nothing that it was given, or has given away', () => {
    const memory = new RestrictionMemory(100);
    const given = { others: FULL, observers: new Map([['@a:test', DENIED]]) };
    memory.set(about(['@a:test']), given, 1);
    memory.set(about(['@b:test']), only([['@b:test', DENIED]]), 2);
    const away = memory.get(about(['@b:test']), DENIED);
    memory.set(about(['@c:test']), only([['@c:test', DENIED]]), 3);
    expect([given.observers.size, away.observers.size, memory.size]).toEqual([1, 2, 4]);
  });

  it('changes no map that it has given away, by what comes after', () => {
    const memory = new RestrictionMemory(100);
    memory.set(about(['@a:test']), { others: FULL, observers: new Map() }, 1);
    memory.set(about(['@b:test']), only([['@b:test', DENIED]]), 2);
    const away = memory.get(about([]), DENIED);
    memory.set(about(['@b:test']), only([]), 3);
    expect(memory.get(about([]), DENIED).observers.get('@b:test')).toBe(FULL);
    expect(away.observers.get('@b:test')).toBe(DENIED);
  });

  it('knows the last of many answers about each, and counts those asked about again and again once', () => {
    const memory = new RestrictionMemory(10_000);
    const forms = new Map<Observer, Form>();
    let call = 0;
    const say = (observers: Observer[], form: Form): void => {
      memory.set(
        about(observers),
        only(form === FULL ? [] : observers.map((observer) => [observer, form])),
        (call += 1),
      );
      for (const observer of observers) forms.set(observer, form);
    };
    const all = Array.from({ length: 100 }, (_, index): Observer => `@${index}:test`);
    for (let round = 0; round < 50; round += 1) say(all, round % 2 === 0 ? DENIED : OFFLINE);
    expect(memory.size).toBe(101);
    for (let index = 0; index < 100; index += 1) {
      say([`@${(index * 37) % 100}:test`], [FULL, DENIED, OFFLINE][index % 3] ?? FULL);
      if (index % 10 === 0) say([`@${index}:test`, `@${(index * 7) % 100}:test`], NO_STATUS);
      if (index % 25 === 0) memory.get(about([]), DENIED);
    }
    expect(memory.get(about(all), DENIED)).toEqual(only([...forms].filter(([, form]) => form !== FULL)));
    expect(memory.size).toBe(101);
  });

  it('does not take what an older call says for newer', () => {
    const memory = new RestrictionMemory(100);
    memory.set(about(['@a:test']), only([['@a:test', DENIED]]), 2);
    memory.set(about(['@a:test']), only([]), 1);
    expect(memory.get(about(['@a:test']), FULL)).toEqual(only([['@a:test', DENIED]]));
  });

  it('holds exactly as many ids as allowed, and forgets the sources answered longest ago for one more', () => {
    const memory = new RestrictionMemory(6);
    for (const [call, source] of (['@u:test', '@v:test', '@w:test', '@u:test'] as const).entries()) {
      memory.set(about(['@a:test'], source as never), only([]), call);
    }
    expect(memory.size).toBe(6);
    memory.set(about([], '@x:test' as never), { others: FULL, observers: new Map() }, 9);
    expect(memory.size).toBe(5);
    const deniedOf = (source: string) => memory.get(about(['@a:test'], source as never), DENIED).observers.size;
    expect([deniedOf('@u:test'), deniedOf('@v:test'), deniedOf('@w:test')]).toEqual([0, 1, 0]);
  });

  it('does not take in an answer that is too large for it', () => {
    const memory = new RestrictionMemory(4);
    memory.set(about(['@a:test']), only([]), 1);
    memory.set(about(['@a:test', '@b:test', '@c:test', '@d:test'], '@v:test' as never), only([]), 2);
    expect(memory.size).toBe(2);
  });
});
