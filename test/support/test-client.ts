/**
 * A small Matrix client for tests: requests as they are on the wire, and users with the few operations that presence needs.
 */
import { Agent, fetch, type Headers } from 'undici';

export interface RequestOptions {
  readonly token?: string;
  /** JSON unless it is a string, which is sent as it is. */
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface TestResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed if it is JSON, else the text. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of any shape
  readonly body: any;
}

export interface ClientHelpers {
  /** Closes the connections kept for a next request: the server is about to go. */
  disconnect(): Promise<void>;
  /** `path` from the root, such as `/_matrix/client/v3/sync`, or below `/_matrix/client/v3` when it does not start with `/_`. */
  request(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** Registers `@<localpart>:<server>` and logs in. The password is the localpart. */
  register(localpart: string, options?: { readonly password?: string; readonly deviceId?: string }): Promise<TestUser>;
  /** Logs in on another device. */
  login(localpart: string, options?: { readonly password?: string; readonly deviceId?: string }): Promise<TestUser>;
}

export interface PresenceContent {
  readonly presence: string;
  readonly status_msg?: string;
  readonly last_active_ago?: number;
  readonly currently_active?: boolean;
}

export interface TestUser {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  request(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** The body of a successful sync. `timeout` is 0 unless given. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of any shape
  sync(query?: RequestOptions['query'], signal?: AbortSignal): Promise<any>;
  setPresence(presence: string, statusMsg?: string): Promise<TestResponse>;
  getPresence(userId: string): Promise<TestResponse>;
  createRoom(body?: Readonly<Record<string, unknown>>): Promise<string>;
  join(roomId: string): Promise<void>;
  /** Long-polls from `since` until `userId`'s presence is as wanted; fails after `withinMs`. Returns the content and the next token. */
  waitForPresence(
    userId: string,
    wanted: (content: PresenceContent) => boolean,
    options?: { readonly since?: string; readonly withinMs?: number; readonly set_presence?: string },
  ): Promise<{ readonly content: PresenceContent; readonly since: string }>;
}

export function createClientHelpers(baseUrl: string, serverName: string): ClientHelpers {
  let agent = new Agent();
  const request: ClientHelpers['request'] = async (method, path, options = {}) => {
    const { token, body, query = {}, headers = {}, signal } = options;
    const url = new URL(
      path.startsWith('/_') || path === '/health' || path === '/metrics' ? path : `/_matrix/client/v3${path}`,
      baseUrl,
    );
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const response = await fetch(url, {
      dispatcher: agent,
      method,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json';
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };

  const toUser = ({ body }: TestResponse): TestUser => {
    return makeUser({ userId: body.user_id, deviceId: body.device_id, accessToken: body.access_token }, request);
  };
  return {
    request,
    disconnect: async () => {
      const old = agent;
      agent = new Agent();
      await old.close();
    },
    register: async (localpart, { password = localpart, deviceId } = {}) => {
      const body = { username: localpart, password, device_id: deviceId, auth: { type: 'm.login.dummy' } };
      return toUser(expectStatus(200, await request('POST', '/register', { body })));
    },
    login: async (localpart, { password = localpart, deviceId } = {}) => {
      const identifier = { type: 'm.id.user', user: `@${localpart}:${serverName}` };
      const body = { type: 'm.login.password', identifier, password, device_id: deviceId };
      return toUser(expectStatus(200, await request('POST', '/login', { body })));
    },
  };
}

function makeUser(
  identity: Pick<TestUser, 'userId' | 'deviceId' | 'accessToken'>,
  send: ClientHelpers['request'],
): TestUser {
  const request: TestUser['request'] = (method, path, options = {}) =>
    send(method, path, { token: identity.accessToken, ...options });
  const presencePath = (userId: string): string => `/presence/${encodeURIComponent(userId)}/status`;

  const sync: TestUser['sync'] = async (query = {}, signal) => {
    const options = { query, ...(signal === undefined ? {} : { signal }) };
    return expectStatus(200, await request('GET', '/sync', options)).body;
  };
  return {
    ...identity,
    request,
    sync,
    setPresence: (presence, statusMsg) =>
      request('PUT', presencePath(identity.userId), { body: { presence, status_msg: statusMsg } }),
    getPresence: (userId) => request('GET', presencePath(userId)),
    createRoom: async (body = { preset: 'public_chat' }) =>
      expectStatus(200, await request('POST', '/createRoom', { body })).body.room_id,
    join: async (roomId) => {
      expectStatus(200, await request('POST', `/join/${encodeURIComponent(roomId)}`, { body: {} }));
    },
    waitForPresence: async (userId, wanted, { since, withinMs = 10_000, set_presence } = {}) => {
      const deadline = Date.now() + withinMs;
      let token = since;
      const seen: PresenceContent[] = [];
      for (;;) {
        const timeout = Math.max(0, deadline - Date.now());
        const body = await sync({ since: token, timeout: token === undefined ? 0 : timeout, set_presence });
        token = body.next_batch as string;
        for (const { sender, content } of body.presence?.events ?? []) {
          if (sender !== userId) continue;
          if (wanted(content)) return { content, since: token };
          seen.push(content);
        }
        if (Date.now() >= deadline) {
          throw new Error(
            `${identity.userId} did not see ${userId} as wanted in ${withinMs} ms; saw ${JSON.stringify(seen)}`,
          );
        }
      }
    },
  };
}

function expectStatus(status: number, response: TestResponse): TestResponse {
  if (response.status === status) return response;
  throw new Error(`answered ${response.status} instead of ${status}: ${JSON.stringify(response.body)}`);
}
