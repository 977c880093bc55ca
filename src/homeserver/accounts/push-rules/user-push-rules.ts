/**
 * A user's push rules as they are stored, and changes to them one after the other.
 *
 * A change reads, computes and writes; those of one user wait for each other, so that none is lost.
 */
import type { UserId } from '../../../matrix/identifiers.ts';
import { type AccountData, PUSH_RULES_TYPE } from '../account-data.ts';
import { defaultPushRules } from './default-rules.ts';
import type { PushRuleSet } from './push-rules.ts';

export class UserPushRules {
  readonly #accountData: Pick<AccountData, 'find' | 'set'>;
  readonly #changing = new Map<UserId, Promise<void>>();

  constructor(accountData: Pick<AccountData, 'find' | 'set'>) {
    this.#accountData = accountData;
  }

  async get(userId: UserId): Promise<PushRuleSet> {
    const stored = await this.#accountData.find(userId, null, PUSH_RULES_TYPE);
    return (stored as { global?: PushRuleSet } | null)?.global ?? defaultPushRules(userId).global;
  }

  async change(userId: UserId, change: (rules: PushRuleSet) => PushRuleSet): Promise<void> {
    const before = this.#changing.get(userId) ?? Promise.resolve();
    const turn = before
      .catch(() => undefined)
      .then(async () => {
        const global = change(await this.get(userId));
        await this.#accountData.set(userId, null, PUSH_RULES_TYPE, { global });
      });
    this.#changing.set(userId, turn);
    try {
      await turn;
    } finally {
      if (this.#changing.get(userId) === turn) this.#changing.delete(userId);
    }
  }
}
