/**
 * All rate limits of the client-server API, made and reloaded together.
 */
import { RateLimiter, type RateLimit } from './rate-limit.ts';

/** The configuration's `rc_…` sections. */
export interface RateLimitSettings {
  readonly presencePerUser: RateLimit;
  readonly loginAddress: RateLimit;
  readonly loginAccount: RateLimit;
  readonly loginFailedAttempts: RateLimit;
  readonly registration: RateLimit;
}

export interface RateLimits {
  /** `rc_presence.per_user` for PUT, and for sync: two buckets, as the reference server has them. */
  readonly presenceLimit: RateLimiter;
  readonly syncPresenceLimit: RateLimiter;
  readonly loginAddressLimit: RateLimiter;
  readonly loginAccountLimit: RateLimiter;
  readonly failedAttempts: RateLimiter;
  readonly registrationLimit: RateLimiter;
  /** Applies to what the buckets hold already. */
  setLimits(settings: RateLimitSettings): void;
}

export function createRateLimits(settings: RateLimitSettings, clock: { now(): number }): RateLimits {
  const make = (limit: RateLimit): RateLimiter => new RateLimiter({ limit, clock });
  const limits = {
    presenceLimit: make(settings.presencePerUser),
    syncPresenceLimit: make(settings.presencePerUser),
    loginAddressLimit: make(settings.loginAddress),
    loginAccountLimit: make(settings.loginAccount),
    failedAttempts: make(settings.loginFailedAttempts),
    registrationLimit: make(settings.registration),
  };
  return {
    ...limits,
    setLimits: (next) => {
      limits.presenceLimit.setLimit(next.presencePerUser);
      limits.syncPresenceLimit.setLimit(next.presencePerUser);
      limits.loginAddressLimit.setLimit(next.loginAddress);
      limits.loginAccountLimit.setLimit(next.loginAccount);
      limits.failedAttempts.setLimit(next.loginFailedAttempts);
      limits.registrationLimit.setLimit(next.registration);
    },
  };
}
