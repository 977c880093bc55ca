/**
 * A router for measuring. What local users do goes to readers on other servers, what other servers' users do to readers here; and
 * `GET /bench/change?from=0&count=50&round=1` changes users, which costs nearly nothing itself.
 */
import type { ModuleApi, PresenceForUser, UserId, UserPresenceState } from 'thalamus/module';

interface Config {
  /** Every local user is told of at `each` of the group's destinations. */
  readonly groups: readonly { readonly destinations: readonly string[]; readonly each: number }[];
  /** Local users who are told of everybody elsewhere. */
  readonly readers: readonly UserId[];
}

export default class FederationRouter {
  readonly #config: Config;
  readonly #api: ModuleApi;

  constructor(config: Config, api: ModuleApi) {
    this.#config = config;
    this.#api = api;
    api.registerPresenceRouterCallbacks(this);
    api.registerWebResource('/bench', (request) => this.#change(new URL(request.url).searchParams));
  }

  getUsersForStates(stateUpdates: readonly UserPresenceState[]): Map<UserId, UserPresenceState[]> {
    const answer = new Map<UserId, UserPresenceState[]>();
    for (const state of stateUpdates) {
      for (const target of this.#targetsOf(state.userId)) {
        const states = answer.get(target);
        if (states === undefined) answer.set(target, [state]);
        else states.push(state);
      }
    }
    return answer;
  }

  getInterestedUsers(): readonly UserId[] {
    return [];
  }

  *#targetsOf(userId: UserId): Iterable<UserId> {
    if (!this.#api.isMine(userId)) {
      yield* this.#config.readers;
      return;
    }
    const number = Number(/\d+/.exec(userId)?.[0] ?? 0);
    for (const { destinations, each } of this.#config.groups) {
      for (let i = 0; i < Math.min(each, destinations.length); i += 1) {
        yield `@reader:${destinations[(number * each + i) % destinations.length]!}`;
      }
    }
  }

  async #change(query: URLSearchParams): Promise<Response> {
    const [from, count] = [Number(query.get('from')), Number(query.get('count'))];
    const users = new Map<UserId, PresenceForUser>();
    for (let i = from; i < from + count; i += 1) {
      const userId = this.#api.getQualifiedUserId(`user-${String(i).padStart(6, '0')}`);
      users.set(userId, { state: 'online', statusMsg: `change number ${query.get('round')}` });
    }
    await this.#api.setPresenceForUsers(users);
    return Response.json({});
  }
}
