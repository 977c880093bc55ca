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
