import { describe, it } from 'vitest';
import type { EngineOptions } from '../../src/core/engine-api.ts';
import type { UserId } from '../../src/matrix/identifiers.ts';
import { engineOptions } from '../support/engine-driver.ts';
import type { Step } from './history.ts';
import { Play } from './play.ts';

const ENDS: readonly Step[] = [{ do: 'take' }, { do: 'publish' }];

const TINY: Partial<EngineOptions> = { limits: { maxPendingPerObserver: 1, maxRoutedPerUser: 1_000 } };

const SILENT: readonly UserId[] = ['@a:test', '@b:test', '@c:test', '@p:far', '@q:away', '@r:far', '@v1:far'];

function collect(token: number | null, limit: number | null = null, extras: readonly UserId[] = []): Step {
  return { do: 'collect', user: '@e:test', token, includeOffline: false, extras, limit, filter: null };
}

function join(...users: readonly UserId[]): Step[] {
  return users.map((user) => ({ do: 'join', user, room: '!one:test' }));
}

/** What random histories once found, made short. */
const HISTORIES: [string, Partial<EngineOptions>, readonly Step[]][] = [
  [
    'a cut between two gains of interest tells of the first, and its token only of the second, also after an older one',
    {},
    [
      { do: 'put', user: '@c:test', device: 'A', state: 'online', status: null },
      { do: 'remote', user: '@q:away', state: 'online', active: false, agoMs: null },
      ...ENDS,
      { do: 'begin', user: '@e:test', device: 'A', claim: 'offline' },
      collect(null),
      { do: 'interest', user: '@e:test', interest: ['@c:test', '@q:away'] },
      collect(0, 1),
      collect(5),
      collect(1),
    ],
  ],
  [
    'somebody who went offline, is new in a room, and is cut from a snapshot does not depend on room in the inbox',
    TINY,
    [
      ...join('@d:test', '@e:test', ...SILENT),
      { do: 'put', user: '@d:test', device: 'A', state: 'online', status: null },
      { do: 'begin', user: '@e:test', device: 'A', claim: 'offline' },
      ...ENDS,
      collect(null),
      { do: 'put', user: '@d:test', device: 'A', state: 'offline', status: null },
      ...ENDS,
      { do: 'mark', users: ['@e:test'] },
      collect(0, 1, ['@a:test', '@d:test', ...SILENT]),
    ],
  ],
  [
    'somebody who went offline after a snapshot was due, while out of sight, is told after it is cut',
    {},
    [
      { do: 'begin', user: '@e:test', device: 'A', claim: 'default' },
      collect(null),
      { do: 'remote', user: '@p:far', state: 'online', active: false, agoMs: null },
      { do: 'interest', user: '@e:test', interest: ['@p:far'] },
      ...ENDS,
      { do: 'interest', user: '@e:test', interest: [] },
      { do: 'mark', users: ['@e:test'] },
      { do: 'remote', user: '@p:far', state: 'offline', active: false, agoMs: null },
      { do: 'put', user: '@d:test', device: 'A', state: 'online', status: null },
      ...ENDS,
      ...join('@e:test', '@p:far', '@d:test'),
      collect(0, 1),
    ],
  ],
];

describe('shrunk histories', () => {
  it.each(HISTORIES)('%s', (_, overrides, steps) => {
    new Play(engineOptions({ tellsLoss: false, ...overrides })).run(steps).finish();
  });
});
