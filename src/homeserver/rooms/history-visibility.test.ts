import { describe, expect, it } from 'vitest';
import { type HistoryEntry, isInRanges, visibleRanges } from './history-visibility.ts';

const visibility = (position: number, value: string): HistoryEntry => ({
  position,
  content: { history_visibility: value },
});
const own = (position: number, membership: string): HistoryEntry => ({ position, content: { membership } });

/** The room begins at 1, its visibility is set at 2, and there is an event at every position up to 20. */
function seen(value: string, ...history: HistoryEntry[]): string {
  const changes = history.filter((entry) => 'history_visibility' in entry.content);
  const members = history.filter((entry) => 'membership' in entry.content);
  const ranges = visibleRanges([visibility(2, value), ...changes], members, 20);
  return Array.from({ length: 20 }, (_, index) => (isInRanges(ranges, index + 1) ? 'x' : '.')).join('');
}

describe('visibleRanges', () => {
  it.each<[string, string, string, HistoryEntry[]]>([
    ['shared: a member sees everything', 'xxxxxxxxxxxxxxxxxxxx', 'shared', [own(10, 'join')]],
    [
      'shared: somebody who left sees it up to then',
      'xxxxxxxxxxxxxxx.....',
      'shared',
      [own(10, 'join'), own(15, 'leave')],
    ],
    [
      'shared: coming back opens what was missed',
      'xxxxxxxxxxxxxxxxxxxx',
      'shared',
      [own(5, 'join'), own(8, 'leave'), own(15, 'join')],
    ],
    ['shared: an invite alone shows itself', '.........x..........', 'shared', [own(10, 'invite')]],
    [
      'shared: somebody who turned it down sees both of their events',
      '.........x....x.....',
      'shared',
      [own(10, 'invite'), own(15, 'leave')],
    ],
    [
      'joined: from the join on, and the start before the visibility was set',
      'xx.......xxxxxxxxxxx',
      'joined',
      [own(10, 'join')],
    ],
    [
      'joined: not what was missed',
      'xx..xxxx......xxxxxx',
      'joined',
      [own(5, 'join'), own(8, 'leave'), own(15, 'join')],
    ],
    [
      'joined: the invite itself, not what follows it',
      'xx.......x....xxxxxx',
      'joined',
      [own(10, 'invite'), own(15, 'join')],
    ],
    ['invited: from the invite on', 'xx.......xxxxxxxxxxx', 'invited', [own(10, 'invite'), own(15, 'join')]],
    ['invited: without an invite from the join on', 'xx.......xxxxxxxxxxx', 'invited', [own(10, 'join')]],
    ['world_readable: for anybody', '.xxxxxxxxxxxxxxxxxxx', 'world_readable', []],
    ['shared: nothing for a stranger', '....................', 'shared', []],
    ['nonsense counts as shared', 'xxxxxxxxxxxxxxxxxxxx', 'nonsense', [own(10, 'join')]],
    [
      'closing the room keeps closed only what follows',
      '.xxxxxxxxx..........',
      'world_readable',
      [visibility(10, 'joined')],
    ],
    [
      'opening it does not open what came before',
      'xx.......xxxxxxxxxxx',
      'joined',
      [visibility(10, 'shared'), own(15, 'join')],
    ],
    ['a new name changes nothing', 'xx..xxxxxxxxxxxxxxxx', 'joined', [own(5, 'join'), own(9, 'join')]],
  ])('%s', (_title, expected, value, history) => {
    expect(seen(value, ...history)).toBe(expected);
  });

  it('ends where it is told to, and knows of joins after that', () => {
    expect(visibleRanges([visibility(2, 'shared')], [own(10, 'join')], 5)).toEqual([{ after: 0, upTo: 5 }]);
    expect(visibleRanges([visibility(2, 'joined')], [own(10, 'join')], 5)).toEqual([{ after: 0, upTo: 2 }]);
  });

  it('without any history a later join opens everything', () => {
    expect(visibleRanges([], [own(3, 'join')], 9)).toEqual([{ after: 0, upTo: 9 }]);
    expect(visibleRanges([], [], 9)).toEqual([]);
  });
});
