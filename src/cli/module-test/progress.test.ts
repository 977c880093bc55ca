import { describe, expect, it } from 'vitest';
import { createProgress } from './progress.ts';

describe('createProgress', () => {
  it('draws a bar on a terminal, and removes it at the end', () => {
    let now = 0;
    let written = '';
    const stream = { isTTY: true, write: (text: string) => (written += text) };
    {
      using progress = createProgress(stream, () => now);
      progress.show(0.25, 'too early');
      now = 200;
      progress.show(0.5, '10 updates');
    }
    expect(written).toBe(`\r\u001B[K[${'#'.repeat(15)}${' '.repeat(15)}] 50 %, 10 updates\r\u001B[K`);
  });

  it('writes a line now and then elsewhere', () => {
    let now = 0;
    let written = '';
    const stream = { write: (text: string) => (written += text) };
    using progress = createProgress(stream, () => now);
    for (now = 0; now <= 25_000; now += 1000) progress.show(null, `${now / 1000} updates`);
    expect(written).toBe('10 updates\n20 updates\n');
  });
});
