/**
 * Registration by whoever knows `registration_shared_secret`, also when registration is closed.
 *
 * The request carries an HMAC-SHA1, keyed with the secret, over a nonce of ours and the account, separated by NUL, as the
 * reference server's `register_new_matrix_user` and other tools compute it. A nonce works once and for a minute.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { MatrixError } from '../../matrix/errors.ts';
import type { Clock } from '../../ports/clock.ts';

export interface SharedSecretRequest {
  readonly nonce: string;
  readonly username: string;
  readonly password: string;
  readonly isAdmin: boolean;
  readonly userType: string | null;
  readonly mac: string;
}

const NONCE_LIFETIME_MS = 60_000;
const MAX_NONCES = 10_000;

export class SharedSecretRegistration {
  readonly #secret: string | null;
  readonly #clock: Clock;
  /** Nonce → when it ends; the oldest first. */
  readonly #nonces = new Map<string, number>();

  constructor(secret: string | null, clock: Clock) {
    this.#secret = secret;
    this.#clock = clock;
  }

  /** @throws MatrixError 400 `M_UNKNOWN` when there is no secret */
  makeNonce(): string {
    this.#checkEnabled();
    const now = this.#clock.now();
    for (const [nonce, endsTs] of this.#nonces) {
      if (endsTs > now && this.#nonces.size < MAX_NONCES) break;
      this.#nonces.delete(nonce);
    }
    const nonce = randomBytes(32).toString('hex');
    this.#nonces.set(nonce, now + NONCE_LIFETIME_MS);
    return nonce;
  }

  /** Uses up the nonce. @throws MatrixError 400 `M_UNKNOWN` without a secret or a live nonce, 403 `M_UNKNOWN` for a wrong MAC */
  check(request: SharedSecretRequest): void {
    const secret = this.#checkEnabled();
    const endsTs = this.#nonces.get(request.nonce) ?? 0;
    this.#nonces.delete(request.nonce);
    if (endsTs <= this.#clock.now()) throw new MatrixError(400, 'M_UNKNOWN', 'The nonce is unknown, used or too old');
    const parts = [request.nonce, request.username, request.password, request.isAdmin ? 'admin' : 'notadmin'];
    if (request.userType !== null) parts.push(request.userType);
    const expected = createHmac('sha1', secret).update(parts.join('\0')).digest();
    const given = Buffer.from(request.mac, 'hex');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new MatrixError(403, 'M_UNKNOWN', 'The MAC is wrong');
    }
  }

  #checkEnabled(): string {
    if (this.#secret !== null) return this.#secret;
    throw new MatrixError(400, 'M_UNKNOWN', 'Registration by shared secret is not enabled');
  }
}
