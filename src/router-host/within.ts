/**
 * Deadlines at start and stop, where real time counts: a module that never finishes must not hold the process.
 */

/**
 * Resolves or rejects as `value` does, or rejects after `timeoutMs` with an error that names `what`.
 *
 * @param value - a promise, or not; a later outcome of it is ignored
 */
export async function within<T>(value: T | PromiseLike<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not finish within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    return await Promise.race([value, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
