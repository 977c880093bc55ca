/**
 * Lets other servers in: says who sent a request, once that is proved, at the rate that server may ask.
 *
 * In the order of what it costs: the header's names, what has failed from that address, whether there is a key, and only then the body and its
 * signature. Limits per server are counted for those who have proved who they are, so that a liar cannot use up another's.
 */
import type { BodyTurns } from '../../federation/receiving/body-turns.ts';
import type { ByteAllowance } from '../../federation/receiving/byte-allowance.ts';
import type { FailureGuard } from '../../federation/receiving/failure-guard.ts';
import type { OriginLimits } from '../../federation/receiving/origin-limits.ts';
import {
  type Claim,
  type PeerKeys,
  proveClaim,
  readClaim,
  requireKey,
} from '../../federation/signing/authenticate-origin.ts';
import { MatrixError } from '../../matrix/errors.ts';
import type { ServerName } from '../../matrix/identifiers.ts';
import type { Counter, Metrics } from '../../ports/metrics.ts';
import { addressGroup } from '../address-group.ts';
import type { ClientRequest } from '../route.ts';

export interface FederationGateOptions {
  /** Ourselves. */
  readonly serverName: ServerName;
  readonly keys: PeerKeys;
  /** `federation_domain_whitelist`. */
  readonly isAllowed: (server: ServerName) => boolean;
  readonly guard: FailureGuard;
  readonly limits: OriginLimits;
  readonly largeBodies: ByteAllowance;
  readonly turns: BodyTurns;
  /** A server has proved that it is there. */
  readonly onAlive: (origin: ServerName) => void;
  readonly metrics: Metrics;
}

/** `header`: names that are wrong. `not_allowed`: a server we do not talk to. `limited`: too much from there has failed, or is waiting. `body`: not JSON, too large, or gone. */
type RefusedReason = 'header' | 'not_allowed' | 'limited' | 'signature' | 'body';

export class FederationGate {
  readonly #options: FederationGateOptions;
  readonly #refused: Counter;

  constructor(options: FederationGateOptions) {
    this.#options = options;
    this.#refused = options.metrics.counter({
      name: 'thalamus_federation_refused_requests',
      help: 'Requests of other servers that were not let in, by what was wrong with them',
      labelNames: ['reason'],
    });
  }

  /**
   * Runs `work` with the server that signed the request and the parsed body (`undefined` for GET), when it is that server's turn. What `prepare` makes
   * of the body is what waits; the body does not.
   *
   * @throws MatrixError 401 `M_UNAUTHORIZED`, 403 `M_FORBIDDEN`, 429 `M_LIMIT_EXCEEDED`, or what is wrong with the body
   */
  async run<T, R>(
    request: ClientRequest,
    prepare: (origin: ServerName, body: unknown) => T,
    work: (origin: ServerName, prepared: T) => Promise<R>,
  ): Promise<R> {
    const { origin, prepared } = await this.#letIn(request, prepare);
    return await this.#options.limits.run(origin, () => work(origin, prepared));
  }

  /** A function of its own, so that nothing holds the body while `work` waits for its turn. */
  async #letIn<T>(
    request: ClientRequest,
    prepare: (origin: ServerName, body: unknown) => T,
  ): Promise<{ readonly origin: ServerName; readonly prepared: T }> {
    const claim = this.#readClaim(request);
    const { origin } = claim;
    this.#limited(() => {
      this.#options.limits.refuseIfFull(origin);
    });
    const body = await this.#prove(request, claim);
    this.#options.onAlive(origin);
    const prepared = prepare(origin, body);
    request.dropBody();
    return { origin, prepared };
  }

  #readClaim(request: ClientRequest): Claim {
    const { serverName, isAllowed } = this.#options;
    try {
      return readClaim(request.headers('authorization'), serverName, isAllowed);
    } catch (error) {
      this.#count(error instanceof MatrixError && error.httpStatus === 403 ? 'not_allowed' : 'header');
      throw error;
    }
  }

  /** Returns the body. */
  async #prove(request: ClientRequest, claim: Claim): Promise<unknown> {
    const { guard, keys, serverName } = this.#options;
    const address = addressGroup(request.ip);
    const attempt = this.#limited(() => guard.begin(address, claim.origin));
    let readBytes = 0;
    let reason: RefusedReason = 'signature';
    try {
      await requireKey(claim, keys);
      const { method, url: uri } = request;
      if (method === 'GET') {
        await proveClaim(claim, { method, uri }, keys, serverName);
        attempt.verified();
        return undefined;
      }
      reason = 'body';
      await request.readBody();
      this.#options.largeBodies.take(address, request.bodyBytes);
      readBytes = request.bodyBytes;
      await this.#options.turns.take(address, request.bodyBytes);
      reason = 'signature';
      const parse = once(() => request.body());
      await proveClaim(claim, { method, uri, contentText: request.bodyText(), parse }, keys, serverName);
      attempt.verified();
      reason = 'body';
      return parse();
    } catch (error) {
      attempt.failed(readBytes);
      this.#count(reason);
      throw error;
    }
  }

  /** Counts it if `check` refuses. */
  #limited<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      this.#count('limited');
      throw error;
    }
  }

  #count(reason: RefusedReason): void {
    this.#refused.inc({ reason });
  }
}

/** Parsed when first asked for, and only once. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
