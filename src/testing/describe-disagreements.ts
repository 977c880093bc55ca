/**
 * Pairs that only one of a module's two callbacks named, in words. Not always a mistake: whoever tries a module decides.
 */
import type { PresenceRouter } from '../router-host/presence-router.ts';

/** The first examples of each module, and how many more there are. */
export function describeDisagreements(router: Pick<PresenceRouter, 'modules'>): string[] {
  return router.modules().flatMap(({ module, disagreements: { count, examples } }) => {
    const lines = examples.map(({ observer, source, namedBy }) => {
      const other = namedBy === 'getUsersForStates' ? 'getInterestedUsers' : 'getUsersForStates';
      return `the callbacks of module ${module} disagree: ${namedBy} has ${observer} see ${source}, ${other} does not`;
    });
    const rest = count - examples.reduce((sum, example) => sum + example.count, 0);
    if (rest > 0) lines.push(`the callbacks of module ${module} disagree about others, too: ${rest} times`);
    return lines;
  });
}
