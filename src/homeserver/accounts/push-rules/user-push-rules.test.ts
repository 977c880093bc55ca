import { describe, expect, it } from 'vitest';
import type { AccountDataContent } from '../../../ports/account-store.ts';
import { changeRule, putRule } from './push-rules.ts';
import { UserPushRules } from './user-push-rules.ts';

describe("a user's push rules", () => {
  it('lose no change when the store takes its time, and a change that fails stops none after it', async () => {
    let stored: AccountDataContent | null = null;
    const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
    const rules = new UserPushRules({
      find: async () => {
        await tick();
        return stored;
      },
      set: async (_userId, _roomId, _type, content) => {
        await tick();
        stored = content;
      },
    });
    const place = { before: null, after: null };
    const add = (ruleId: string) =>
      rules.change('@alice:test', (before) => putRule(before, 'room', ruleId, { actions: [] }, place));
    const outcomes = await Promise.allSettled([
      add('one'),
      rules.change('@alice:test', (before) => changeRule(before, 'room', 'none', { enabled: false })),
      add('two'),
      add('three'),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect((await rules.get('@alice:test')).room.map((rule) => rule.rule_id)).toEqual(['three', 'two', 'one']);
  });
});
