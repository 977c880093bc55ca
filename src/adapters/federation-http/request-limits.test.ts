/**
 * What enters leaves again, and what does not fit does not enter.
 */
import { expect, it } from 'vitest';
import { RequestLimits } from './request-limits.ts';

it('counts requests and bytes until they leave', () => {
  const limits = new RequestLimits({ maxRequests: 3, maxRequestsPerServer: 2, maxBytes: 100 });
  limits.enter('one.test', 60);
  limits.enter('one.test', 40);
  expect(() => limits.enter('one.test', 0)).toThrow('2 requests to it are open already');
  expect(() => limits.enter('two.test', 1)).toThrow('100 bytes wait to be sent');
  limits.enter('two.test', 0);
  expect(() => limits.enter('three.test', 0)).toThrow('3 requests to other servers are open already');
  limits.leave('one.test', 60);
  limits.enter('three.test', 60);
  expect(limits.requests).toBe(3);
});

it('lets a body through alone that is larger than all may be', () => {
  const limits = new RequestLimits({ maxRequests: 3, maxRequestsPerServer: 2, maxBytes: 100 });
  limits.enter('one.test', 500);
  expect(() => limits.enter('two.test', 1)).toThrow('500 bytes wait');
  limits.leave('one.test', 500);
  limits.enter('two.test', 1);
  expect(() => limits.enter('one.test', 500)).toThrow('1 bytes wait');
});
