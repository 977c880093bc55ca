/**
 * What a shared suite needs of a test runner: the suites run the same on every adapter, here and in other people's projects.
 *
 * Pass `describe` and `it` of your runner, and `node:assert/strict` or something that has the same four functions.
 */
export interface SuiteTools {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
  readonly assert: {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): void;
  };
}

/** A store for one test. */
export interface StoreUnderTest<Store> {
  readonly store: Store;
  /** Leaves the store as a process that was killed would, and opens it again. Null if it lives in memory only. */
  readonly reopenAfterKill: (() => Promise<Store>) | null;
  close(): Promise<void>;
}

/** `body` runs on the store; `later` gives what is left of it after a kill, or the store itself if it lives in memory only. */
export function storeTest<Store>(tools: SuiteTools, open: () => Promise<StoreUnderTest<Store>>) {
  return (title: string, body: (store: Store, later: () => Promise<Store>) => Promise<void>): void => {
    tools.it(title, async () => {
      const subject = await open();
      const later = async () => (subject.reopenAfterKill === null ? subject.store : await subject.reopenAfterKill());
      try {
        await body(subject.store, later);
      } finally {
        await subject.close();
      }
    });
  };
}
