import { describe, expect, it } from 'vitest';
import type { UserId } from '../matrix/identifiers.ts';
import { InterestMemory } from './interest-memory.ts';

const none = (): void => undefined;

describe('InterestMemory', () => {
  it('finds both kinds of disagreement, and names each pair', () => {
    const memory = new InterestMemory(100);
    memory.set('@a:test', ['@u:test']);
    memory.set('@b:test', ['@u:test']);
    memory.set('@c:test', []);
    const found: unknown[] = [];
    const take = (pair: unknown): void => void found.push(pair);
    expect(memory.disagreements('@u:test', ['@a:test', '@b:test'], take)).toBe(0);
    expect(memory.disagreements('@u:test', ['@b:test'], take)).toBe(1);
    expect(memory.disagreements('@u:test', ['@a:test', '@b:test', '@c:test'], take)).toBe(1);
    expect(memory.disagreements('@u:test', ['@c:test'], take)).toBe(3);
    expect(found).toEqual([
      { observer: '@a:test', userId: '@u:test', namedBy: 'getInterestedUsers' },
      { observer: '@c:test', userId: '@u:test', namedBy: 'getUsersForStates' },
      { observer: '@c:test', userId: '@u:test', namedBy: 'getUsersForStates' },
      { observer: '@a:test', userId: '@u:test', namedBy: 'getInterestedUsers' },
      { observer: '@b:test', userId: '@u:test', namedBy: 'getInterestedUsers' },
    ]);
  });

  it('replaces an answer wholly', () => {
    const memory = new InterestMemory(100);
    memory.set('@a:test', ['@u:test', '@v:test']);
    memory.set('@a:test', ['@v:test']);
    expect(memory.size).toBe(2);
    expect(memory.disagreements('@u:test', [], none)).toBe(0);
    expect(memory.disagreements('@v:test', [], none)).toBe(1);
    memory.set('@a:test', 'ALL');
    expect(memory.size).toBe(1);
    expect(memory.disagreements('@v:test', [], none)).toBe(0);
    memory.forget('@a:test');
    expect(memory.size).toBe(0);
  });

  it('holds exactly as many ids as allowed, and forgets those asked longest ago for one more', () => {
    const memory = new InterestMemory(6);
    memory.set('@a:test', ['@u:test']);
    memory.set('@b:test', ['@u:test']);
    memory.set('@c:test', ['@u:test']);
    expect([memory.size, memory.get('@a:test')]).toEqual([6, ['@u:test']]);
    memory.set('@d:test', []);
    expect([memory.size, memory.get('@a:test'), memory.get('@b:test')]).toEqual([5, undefined, ['@u:test']]);
  });

  it('does not take in an answer that is too large for it', () => {
    const memory = new InterestMemory(6);
    memory.set('@a:test', ['@u:test']);
    memory.set(
      '@b:test',
      Array.from({ length: 6 }, (_, index): UserId => `@u${index}:test`),
    );
    expect([memory.size, memory.get('@b:test')]).toEqual([2, undefined]);
  });
});
