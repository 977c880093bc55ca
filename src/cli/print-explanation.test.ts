import { describe, expect, it } from 'vitest';
import { formatExplanation, isExplanation, type SentExplanation } from './print-explanation.ts';

const sent: SentExplanation = {
  observer: '@a:test',
  target: '@b:test',
  is_visible: true,
  conclusion: '@a:test sees @b:test.',
  status: { presence: 'online' },
  reasons: [
    { rule: 'presence_mode', holds: true, says: 'Presence is tracked', details: {} },
    { rule: 'shared_rooms', holds: false, says: 'no room', details: {} },
    { rule: 'getInterestedUsers', holds: true, says: 'module 0 does', details: { ms: 12.345, outcome: 'ok' } },
    { rule: 'getInterestedUsers', holds: null, says: 'not asked', details: { outcome: 'not_asked' } },
    {
      rule: 'getUsersForStates',
      holds: null,
      says: 'it threw "x"',
      details: { ms: 0.01, outcome: 'threw', dropped: '2 × user_id' },
    },
    { rule: 'delivery', holds: null, says: 'away', details: { is_connected: false } },
  ],
};

describe('formatExplanation', () => {
  it('has a mark for each reason, and which callback said it in which time', () => {
    expect(formatExplanation(sent, false).split('\n')).toEqual([
      '@a:test sees @b:test.',
      '',
      '  ✓ Presence is tracked',
      '  ✗ no room',
      '  ✓ module 0 does  (getInterestedUsers, 12 ms)',
      '  · not asked  (getInterestedUsers)',
      '  ! it threw "x"  (getUsersForStates, < 0.1 ms; dropped: 2 × user_id)',
      '  · away',
      '',
      '  shown as: {"presence":"online"}',
    ]);
  });

  it('colours marks for a terminal, and says the same', () => {
    const coloured = formatExplanation(sent, true);
    expect(coloured).toContain('\u001B[32m✓\u001B[0m');
    // oxlint-disable-next-line no-control-regex -- the colours
    expect(coloured.replaceAll(/\u001B\[\d+m/g, '')).toBe(formatExplanation(sent, false));
  });

  it('prints nothing that steers a terminal: names of rooms are anybody’s', () => {
    const says = '"\u001B[2J\u202Eevil\r\n" is a room';
    const text = formatExplanation(
      { ...sent, reasons: [{ rule: 'shared_rooms', holds: true, says, details: {} }] },
      false,
    );
    expect(text).toContain('  ✓ "\uFFFD[2J\uFFFDevil\uFFFD\uFFFD" is a room');
  });

  it('knows an explanation', () => {
    expect(isExplanation(sent)).toBe(true);
    expect(isExplanation({ errcode: 'M_UNKNOWN' })).toBe(false);
  });
});
