import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogging, type LoggingOptions } from './pino-logger.ts';

function record(options: Partial<LoggingOptions> = {}) {
  let text = '';
  const destination = new Writable({
    write: (chunk, _encoding, done) => {
      text += String(chunk);
      done();
    },
  });
  const logging = createLogging({ level: 'info', format: 'json', destination, ...options });
  return {
    ...logging,
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}

describe('createLogging', () => {
  it('writes one object a line, with time, level, fields and message', () => {
    const { logger, lines } = record();
    logger.child({ part: 'sync' }).warn({ users: 3 }, 'too many');
    expect(lines()).toEqual([
      { level: 'warn', time: expect.stringMatching(/^\d{4}-.*Z$/), part: 'sync', users: 3, msg: 'too many' },
    ]);
  });

  it('changes the level of children that exist already', () => {
    const { logger, setLevel, lines } = record();
    const child = logger.child({});
    child.debug({}, 'one');
    setLevel('debug');
    child.debug({}, 'two');
    setLevel('error');
    child.warn({}, 'three');
    logger.info({}, 'four');
    expect(lines().map(({ msg }) => msg)).toEqual(['two']);
  });

  it('hides tokens, passwords and status messages, wherever they hide', () => {
    const { logger, text, lines } = record();
    const err = new Error('GET /sync?access_token=s3cr3t&since=1 failed', {
      cause: new Error('Authorization: Bearer s3cr3t'),
    });
    logger.child({ token: 's3cr3t' }).info(
      {
        access_token: 's3cr3t',
        body: { password: 's3cr3t', list: [{ statusMsg: 's3cr3t', user: '@a:b' }] },
        url: '/sync?since=1&access_token=s3cr3t',
        tokenId: 17,
        err,
      },
      'x',
    );
    expect(text()).not.toContain('s3cr3t');
    expect(lines()[0]).toMatchObject({
      body: { list: [{ user: '@a:b' }] },
      tokenId: 17,
      err: { message: 'GET /sync?access_token=[redacted]&since=1 failed: Authorization: Bearer [redacted]' },
    });
  });

  it('writes a line about whatever was thrown, and never throws itself', () => {
    const { logger, lines } = record();
    const no = (): never => {
      throw new Error('not readable');
    };
    const hostile = new Proxy({}, { get: no, has: no, ownKeys: no, getPrototypeOf: no });
    const misshapen = Object.assign(new Error('first'), { message: 5, stack: { a: 1 } });
    logger.error({ err: hostile }, 'a proxy');
    logger.error({ err: misshapen }, 'an error with a number');
    logger.warn(hostile, 'fields');
    expect(lines()).toMatchObject([
      { level: 'error', msg: 'a proxy' },
      { level: 'error', msg: 'an error with a number', err: { message: '5' } },
      { level: 'warn', msg: 'fields' },
    ]);
  });

  it('leaves out a stack that says nothing', () => {
    const { logger, lines } = record();
    logger.warn({ err: Object.assign(new Error('no'), { stack: '' }) }, 'x');
    expect(lines()[0].err).toEqual({ type: 'Error', message: 'no' });
  });

  it('does not change what it is given', () => {
    const { logger } = record();
    const fields = { body: { password: 'x' } };
    logger.info(fields, 'x');
    expect(fields).toEqual({ body: { password: 'x' } });
  });

  it('writes lines for people', () => {
    const { logger, text } = record({ format: 'pretty' });
    logger.info({ port: 8008 }, 'listening');
    expect(text()).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: listening \{"port":8008\}\n$/);
  });
});
