import { describe, it } from 'vitest';
import { engineOptions } from '../support/engine-driver.ts';
import type { Step } from './history.ts';
import { Play } from './play.ts';

const ENDS: readonly Step[] = [{ do: 'take' }, { do: 'publish' }];

function collect(token: number | null, limit: number | null = null): Step {
  return { do: 'collect', user: '@e:test', token, includeOffline: false, extras: [], limit, filter: null };
}

/** What random histories once found, made short. */
const HISTORIES: [string, readonly Step[]][] = [
  [
    'a cut between two gains of interest tells of the first, and its token only of the second, also after an older one',
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
];

describe('shrunk histories', () => {
  it.each(HISTORIES)('%s', (_, steps) => {
    new Play(engineOptions()).run(steps).finish();
  });
});
