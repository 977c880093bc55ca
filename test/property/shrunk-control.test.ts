import { describe, it } from 'vitest';
import { engineOptions } from '../support/engine-driver.ts';
import type { ControlStep } from './control-history.ts';
import { ControlPlay } from './control-play.ts';

/** What random histories of full control once found, made short. */
const HISTORIES: readonly (readonly [string, readonly ControlStep[]])[] = [
  [
    'an update whose routes come after a newer one was published is routed, too',
    [
      { do: 'routes', user: '@d:test', targets: ['@a:test'] },
      { do: 'put', user: '@d:test', state: 'online', status: null },
      { do: 'publish' },
      { do: 'put', user: '@d:test', state: 'online', status: 'x' },
      { do: 'connect', user: '@a:test' },
      { do: 'release' },
      { do: 'route' },
      { do: 'advance', ms: 61000 },
      { do: 'answer', which: 0 },
    ],
  ],
  [
    'a poll ends while a change of restrictions is held up',
    [
      { do: 'policy', user: '@r:far', policy: { others: 0, observers: [['@a:test', 0]] } },
      { do: 'remote', user: '@r:far', state: 'online', status: null, active: false },
      { do: 'interest', user: '@b:test', interest: ['@r:far'] },
      { do: 'connect', user: '@b:test' },
      { do: 'take' },
      { do: 'put', user: '@a:test', state: 'online', status: null },
      { do: 'interest', user: '@a:test', interest: 'ALL' },
      { do: 'publish' },
      { do: 'answer', which: 0 },
      { do: 'connect', user: '@a:test' },
      { do: 'invalidate', user: '@a:test' },
    ],
  ],
  [
    'an answer that names somebody nobody else knows is kept, so that it can be asked for again',
    [
      { do: 'interest', user: '@b:test', interest: ['@a:test'] },
      { do: 'join', user: '@c:test', room: '!one:test' },
      { do: 'connect', user: '@b:test' },
      { do: 'join', user: '@b:test', room: '!one:test' },
      { do: 'policy', user: '@c:test', policy: { others: 16, observers: [['@a:test', 0]] } },
      { do: 'answer', which: 0 },
      { do: 'interest', user: '@b:test', interest: [] },
      { do: 'policy', user: '@c:test', policy: { others: null, observers: [] } },
      { do: 'put', user: '@c:test', state: 'online', status: null },
      { do: 'release' },
      { do: 'sync', user: '@a:test', token: 0, includeOffline: false, limit: null, asks: false },
    ],
  ],
  [
    'what was withheld is told to somebody who is away when it is answered',
    [
      { do: 'remote', user: '@v2:away', state: 'online', status: null, active: false },
      { do: 'join', user: '@v2:away', room: '!one:test' },
      { do: 'join', user: '@b:test', room: '!one:test' },
      { do: 'publish' },
      { do: 'sync', user: '@b:test', token: 0, includeOffline: false, limit: null, asks: false },
      { do: 'advance', ms: 300000 },
      { do: 'take' },
    ],
  ],
  [
    'a server that has left is not told what was withheld from it',
    [
      { do: 'put', user: '@c:test', state: 'online', status: null },
      { do: 'join', user: '@p:far', room: '!one:test' },
      { do: 'join', user: '@c:test', room: '!one:test' },
      { do: 'release' },
      { do: 'advance', ms: 61000 },
      { do: 'publish' },
      { do: 'leave', user: '@p:far', room: '!one:test' },
      { do: 'put', user: '@c:test', state: 'online', status: null },
      { do: 'connect', user: '@a:test' },
    ],
  ],
  [
    'an update that is hidden as a whole does not make a cut first sync forget its user',
    [
      { do: 'policy', user: '@b:test', policy: { others: 4, observers: [] } },
      { do: 'join', user: '@b:test', room: '!one:test' },
      { do: 'join', user: '@d:test', room: '!one:test' },
      { do: 'put', user: '@d:test', state: 'online', status: null },
      { do: 'release' },
      { do: 'put', user: '@b:test', state: 'unavailable', status: null },
      { do: 'publish' },
      { do: 'put', user: '@b:test', state: 'unavailable', status: 'x' },
      { do: 'sync', user: '@d:test', token: 0, includeOffline: false, limit: null, asks: true },
      { do: 'join', user: '@a:test', room: '!one:test' },
      { do: 'sync', user: '@d:test', token: null, includeOffline: false, limit: 1, asks: false },
      { do: 'join', user: '@a:test', room: '!one:test' },
    ],
  ],
  [
    'who came into sight while an observer was away is told to each of their devices',
    [
      { do: 'policy', user: '@v2:away', policy: { others: null, observers: [] } },
      { do: 'join', user: '@v2:away', room: '!one:test' },
      { do: 'remote', user: '@v2:away', state: 'online', status: null, active: false },
      { do: 'publish' },
      { do: 'publish' },
      { do: 'connect', user: '@b:test' },
      { do: 'join', user: '@b:test', room: '!one:test' },
      { do: 'disconnect', user: '@b:test' },
      { do: 'advance', ms: 300000 },
      { do: 'join', user: '@d:test', room: '!one:test' },
      { do: 'answer', which: 0 },
      { do: 'sync', user: '@b:test', token: 0, includeOffline: false, limit: null, asks: false },
      { do: 'sync', user: '@d:test', token: 0, includeOffline: false, limit: null, asks: false },
      { do: 'answer', which: 0 },
      { do: 'connect', user: '@b:test' },
      { do: 'leave', user: '@a:test', room: '!one:test' },
    ],
  ],
];

describe('shrunk histories of full control', () => {
  it.each(HISTORIES)('%s', (_, steps) => {
    new ControlPlay(engineOptions()).run(steps).finish();
  });
});
