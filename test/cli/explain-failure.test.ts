/**
 * What an administrator reads when the system refuses something: a file is no port.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { explainFailure } from '../../src/cli/explain-failure.ts';

function refusal(code: string, details: object): Error {
  return Object.assign(new Error(`${code}: refused`), { code, ...details });
}

it('names the file that may not be written', () => {
  const error = refusal('EACCES', { syscall: 'open', path: '/srv/thalamus.yaml' });
  expect(explainFailure(error, null)).toEqual({
    exitCode: 1,
    lines: ['/srv/thalamus.yaml may not be opened or written by this user (EACCES: refused)'],
  });
});

it('names a file that cannot be written for another reason, as the system says it', () => {
  let thrown: unknown = null;
  try {
    writeFileSync('/nowhere/at/all/thalamus.yaml', '', { flag: 'wx' });
  } catch (error) {
    thrown = error;
  }
  expect(explainFailure(thrown, null).lines).toEqual([
    expect.stringMatching(/^\/nowhere\/at\/all\/thalamus\.yaml cannot be opened or written: ENOENT/),
  ]);
});

it('still takes a port for a port', async () => {
  const listen = refusal('EACCES', { syscall: 'listen', address: '127.0.0.1', port: 80 });
  expect(explainFailure(listen, null).lines).toEqual([expect.stringMatching(/^127\.0\.0\.1:80 may not be opened/)]);
  const error = await new Promise((resolve) => {
    createServer().on('error', resolve).listen(1, '203.0.113.1');
  });
  expect(explainFailure(error, null).lines).toEqual([
    expect.stringContaining('203.0.113.1:1 is not an address of this machine'),
  ]);
});
