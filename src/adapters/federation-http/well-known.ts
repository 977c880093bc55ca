/**
 * Delegation by `https://<host>/.well-known/matrix/server`: asked for, followed over redirects, checked, and kept for a while.
 *
 * What is no valid answer counts as none. Nobody's failure is asked about again at once: a minute at first, an hour at most. A server
 * that has answered before keeps its delegation while its `.well-known` is out of order for a short time.
 *
 * Source: Matrix specification, server-server API, "Server discovery", step 3; RFC 8615.
 */
import { isJsonObject } from '../../matrix/json-object.ts';
import type { Clock } from '../../ports/clock.ts';
import { LruMap } from '../../ports/lru-map.ts';
import { cacheLifetime } from './cache-lifetime.ts';
import type { Answer } from './exchange.ts';
import { type ServerNameParts, serverNameParts } from './server-name-parts.ts';
import { reasonOf, StepFailure } from './step-failure.ts';

/** `m.server`, valid. */
export interface Delegation {
  readonly name: string;
  readonly parts: ServerNameParts;
}

export interface WellKnownResult {
  /** Null: none, or none that is valid. */
  readonly delegation: Delegation | null;
  readonly untilTs: number;
  /** Why there is none; null if there is. */
  readonly reason: string | null;
}

export interface WellKnownOptions {
  readonly clock: Clock;
  /** One GET, no redirects followed, `MAX_WELL_KNOWN_BYTES` at most. @throws StepFailure */
  readonly get: (url: URL) => Promise<Answer>;
  readonly maxEntries: number;
}

export interface WellKnown {
  find(host: string): Promise<WellKnownResult>;
}

export const MAX_WELL_KNOWN_BYTES = 50 * 1024;
const MAX_REDIRECTS = 5;
const FIRST_ERROR_MS = 60_000;
const MAX_ERROR_MS = 3_600_000;
/** How long a delegation outlives its time when it cannot be asked about. */
const GRACE_MS = 3_600_000;

interface Entry extends WellKnownResult {
  /** In a row. */
  readonly failures: number;
  /** Until when `delegation` may be used at all. */
  readonly staleTs: number;
}

export function createWellKnown({ clock, get, maxEntries }: WellKnownOptions): WellKnown {
  const entries = new LruMap<string, Entry>(maxEntries);

  return {
    async find(host) {
      const known = entries.get(host);
      if (known !== undefined && clock.now() < known.untilTs) return known;
      const entry = await ask(host, known);
      entries.set(host, entry);
      return entry;
    },
  };

  async function ask(host: string, known: Entry | undefined): Promise<Entry> {
    const failures = (known?.failures ?? 0) + 1;
    const errorMs = Math.min(MAX_ERROR_MS, FIRST_ERROR_MS * 2 ** Math.min(failures - 1, 20));
    try {
      const answer = await follow(new URL(`https://${host}/.well-known/matrix/server`), get);
      const now = clock.now();
      const untilTs = now + cacheLifetime(answer.headers, now);
      return { delegation: delegationIn(answer), untilTs, staleTs: untilTs + GRACE_MS, reason: null, failures: 0 };
    } catch (error) {
      const now = clock.now();
      const isGone = error instanceof InvalidAnswer;
      const delegation = !isGone && known !== undefined && now < known.staleTs ? known.delegation : null;
      const staleTs = delegation === null ? 0 : (known?.staleTs ?? 0);
      const untilTs = delegation === null ? now + errorMs : Math.min(now + errorMs, staleTs);
      return { delegation, untilTs, staleTs, reason: reasonOf(error), failures };
    }
  }
}

/** The web server is in order and says something that is no delegation, as opposed to not being in order. */
class InvalidAnswer extends Error {
  override name = 'InvalidAnswer';
}

async function follow(start: URL, get: WellKnownOptions['get']): Promise<Answer> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await get(url);
    if (answer.httpStatus === 200) return answer;
    if (answer.httpStatus >= 500 || answer.httpStatus === 429) {
      throw new StepFailure('unreachable', `HTTP status ${answer.httpStatus}`);
    }
    const location = answer.headers['location'];
    if (![301, 302, 303, 307, 308].includes(answer.httpStatus) || location === undefined) {
      throw new InvalidAnswer(`HTTP status ${answer.httpStatus}`);
    }
    if (!URL.canParse(location, url.href)) throw new InvalidAnswer('a redirect to nowhere');
    url = new URL(location, url);
    if (url.protocol !== 'https:') throw new InvalidAnswer(`a redirect to ${url.protocol} instead of https:`);
  }
  throw new InvalidAnswer(`more than ${MAX_REDIRECTS} redirects`);
}

function delegationIn({ body }: Answer): Delegation {
  let content: unknown;
  try {
    content = JSON.parse(body);
  } catch {
    throw new InvalidAnswer('no JSON');
  }
  const name = isJsonObject(content) ? content['m.server'] : undefined;
  const parts = typeof name === 'string' ? serverNameParts(name) : null;
  if (typeof name !== 'string' || parts === null) throw new InvalidAnswer('m.server is no server name');
  return { name, parts };
}
