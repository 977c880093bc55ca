import { describe, expect, it } from 'vitest';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { toPlainError } from './describe-value.ts';

const server = fileURLToPath(new URL('..', import.meta.url));

/** The frames that are left of a stack with these. */
function framesOf(...frames: string[]): string[] {
  const error = new TypeError('no');
  error.stack = ['TypeError: no', ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return (toPlainError(error).stack ?? '').split('\n').map((line) => line.replace('    at ', ''));
}

describe('the stack of what a module throws', () => {
  it('has the module’s own frames, up to where the server called', () => {
    const ours = `CallbackRunner.run (${server}router-host/callback-runner.ts:91:30)`;
    const asUrl = `async run (${pathToFileURL(server).href}router-host/callback-runner.ts:91:30)`;
    for (const own of [ours, asUrl]) {
      expect(
        framesOf('Array.map (<anonymous>)', 'find (/etc/db.ts:1:2)', 'get (/etc/r.ts:3:4)', own, 'x (/other.js:1:1)'),
      ).toEqual(['TypeError: no', 'find (/etc/db.ts:1:2)', 'get (/etc/r.ts:3:4)']);
    }
  });

  it('has them, too, when the server or Node threw for a call of the module’s', () => {
    const own = `checkUsers (${server}router-host/check-arguments.ts:1:1)`;
    expect(framesOf(own, 'JSON.parse (node:x:1:1)', 'node:y:2:2', 'get (/etc/r.ts:3:4)', own)).toEqual([
      'TypeError: no',
      'get (/etc/r.ts:3:4)',
    ]);
  });

  it('has a few of them at most', () => {
    expect(framesOf(...Array.from({ length: 40 }, () => 'again (/etc/r.ts:3:4)'))).toHaveLength(6);
  });

  it('is empty when there is none', () => {
    expect(toPlainError('boom').stack).toBe('');
    expect(framesOf(`x (${server}x.ts:1:1)`, 'node:internal/x:1:1')).toEqual(['']);
  });
});
