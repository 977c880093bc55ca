import { describe, expect, it } from 'vitest';
import { PasswordHasher } from './password-hasher.ts';

const cheap = { N: 16, r: 1, p: 1 };

describe('passwords', () => {
  it('verify against their hash and no other, and never look the same twice', async () => {
    const hasher = new PasswordHasher({ cost: cheap });
    const [one, two] = [await hasher.hash('correct horse'), await hasher.hash('correct horse')];
    expect(one).not.toBe(two);
    expect(one).toMatch(/^scrypt\$16\$1\$1\$[\w-]{22}\$[\w-]{43}$/);
    expect(await hasher.verify('correct horse', one)).toBe(true);
    expect(await hasher.verify('correct horse', two)).toBe(true);
    expect(await hasher.verify('wrong horse', one)).toBe(false);
    expect(await hasher.verify('', one)).toBe(false);
  });

  it('are the same however the letters were composed', async () => {
    const hasher = new PasswordHasher({ cost: cheap });
    expect(await hasher.verify('cafe\u0301', await hasher.hash('caf\u00e9'))).toBe(true);
  });

  it('stay valid when the cost is raised', async () => {
    const old = await new PasswordHasher({ cost: cheap }).hash('secret');
    const hasher = new PasswordHasher({ cost: { N: 64, r: 2, p: 1 } });
    expect(await hasher.verify('secret', old)).toBe(true);
    expect(await hasher.hash('secret')).toMatch(/^scrypt\$64\$2\$1\$/);
  });

  it('of nobody are never right', async () => {
    const hasher = new PasswordHasher({ cost: cheap });
    expect(await hasher.verify('', null)).toBe(false);
    await expect(hasher.verify('x', 'plain text')).rejects.toThrow('unknown form');
  });

  it('use memory by default: 32 MiB each', async () => {
    expect(await new PasswordHasher().hash('x')).toMatch(/^scrypt\$32768\$8\$1\$/);
  });

  it('wait their turn, and are refused when too many wait', async () => {
    const hasher = new PasswordHasher({ cost: { N: 1024, r: 8, p: 1 }, maxConcurrent: 1, maxWaiting: 2 });
    const results = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => hasher.hash(`password ${i}`)));
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    expect((results[3] as PromiseRejectedResult).reason).toMatchObject({
      httpStatus: 429,
      errcode: 'M_LIMIT_EXCEEDED',
    });
    expect(await hasher.hash('later')).toContain('scrypt$');
  });
});
