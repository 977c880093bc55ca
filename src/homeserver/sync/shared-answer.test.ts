import { describe, expect, it } from 'vitest';
import { SharedAnswer } from './shared-answer.ts';
import { printStreamToken, type StreamToken } from './stream-token.ts';
import { renderSyncResponse } from './sync-response.ts';

const TOKEN: StreamToken = { position: 3, presence: { position: 8, resume: null }, typing: 1 };
const OTHERS: StreamToken[] = [
  { ...TOKEN, position: 4 },
  { ...TOKEN, typing: 2 },
  { ...TOKEN, presence: { position: 10, resume: null } },
  { ...TOKEN, presence: { position: 8, resume: 2 } },
];

describe('SharedAnswer', () => {
  it.each(OTHERS)('gives everybody the words for where they are: %o', (other) => {
    const shared = new SharedAnswer();
    for (const token of [TOKEN, other, other, TOKEN]) {
      for (const events of ['{"a":1}', '{"a":2}', '']) {
        expect(shared.render(token, events)).toBe(renderSyncResponse(printStreamToken(token), events, null));
      }
    }
  });

  it('is right from the first answer on, when all positions are 0 and nothing is to be told', () => {
    const zero: StreamToken = { position: 0, presence: { position: 0, resume: null }, typing: 0 };
    expect(new SharedAnswer().render(zero, '')).toBe(renderSyncResponse('s0_0_0', '', null));
  });
});
