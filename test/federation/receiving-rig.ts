/**
 * The server-server API on a real socket, with a presence service behind it, and other servers that sign what they send.
 *
 * Their keys are handed over; how keys are found is tested elsewhere. Limits are wide unless a test says otherwise.
 */
import { MemoryMetrics, MemoryTransactionStore, RecordingLogger } from '../../src/adapters/memory/index.ts';
import type { RemotePresence } from '../../src/core/engine-api.ts';
import type { OriginRateLimit } from '../../src/federation/receiving/origin-limits.ts';
import {
  TransactionReceiver,
  type TransactionReceiverLimits,
  type TransactionReceiverOptions,
} from '../../src/federation/receiving/transaction-receiver.ts';
import { authorizationHeader, type SignedRequest } from '../../src/federation/signing/authorization.ts';
import { signingKeyOf } from '../../src/federation/signing/ed25519.ts';
import { federationApiRoutes } from '../../src/http/federation-api/index.ts';
import { createHttpServer } from '../../src/http/http-server.ts';
import { MatrixError } from '../../src/matrix/errors.ts';
import type { ServerName } from '../../src/matrix/identifiers.ts';
import type { PeerKey, TransactionStore } from '../../src/ports/federation-store.ts';
import { Rig, type RigOptions } from '../presence/rig.ts';

/** The name of the presence rig's server. */
export const US = 'test';
export const WIDE: OriginRateLimit = {
  windowMs: 1,
  sleepLimit: 1_000_000,
  sleepDelayMs: 500,
  rejectLimit: 1_000_000,
  concurrent: 1_000_000,
};

export interface ReceivingOptions {
  readonly presence?: RigOptions;
  readonly rateLimit?: OriginRateLimit;
  readonly limits?: Partial<TransactionReceiverLimits>;
  readonly store?: TransactionStore;
  readonly tracks?: boolean;
  readonly isAllowed?: (server: ServerName) => boolean;
  readonly receivePresence?: TransactionReceiverOptions['receivePresence'];
  /** Asked before the keys of the peers that were made. */
  readonly findKey?: (origin: ServerName, keyId: string) => Promise<PeerKey | null>;
  /** Behind a proxy, so that a request can say where it comes from. @default true */
  readonly xForwarded?: boolean;
}

export interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever a test expects
  readonly body: any;
}

export class ReceivingRig implements AsyncDisposable {
  readonly presence: Rig;
  readonly metrics = new MemoryMetrics();
  readonly logger = new RecordingLogger();
  readonly store: TransactionStore;
  readonly receiver: TransactionReceiver;
  /** What reached the presence service, by origin. */
  readonly received: [ServerName, readonly RemotePresence[]][] = [];
  readonly alive: ServerName[] = [];
  readonly keyLookUps: ServerName[] = [];
  port = 0;
  readonly #http: ReturnType<typeof createHttpServer>;
  readonly #keys = new Map<string, PeerKey>();
  readonly #findKey: NonNullable<ReceivingOptions['findKey']>;

  constructor(presence: Rig, options: ReceivingOptions) {
    const { clock, handler } = presence;
    this.presence = presence;
    this.store = options.store ?? new MemoryTransactionStore();
    this.#findKey = options.findKey ?? (async () => null);
    this.receiver = new TransactionReceiver({
      receivePresence: async (origin, entries) => {
        this.received.push([origin, entries]);
        await (options.receivePresence ?? ((...entry) => handler.receiveRemote(...entry)))(origin, entries);
      },
      store: this.store,
      clock,
      logger: this.logger,
      metrics: this.metrics,
      limits: { busyEnabled: false, maxStatusMsgBytes: 1_000, maxEntries: 5_000, ...options.limits },
      tracks: options.tracks ?? true,
    });
    this.#http = createHttpServer({
      listeners: [
        {
          port: 0,
          bindAddresses: ['127.0.0.1'],
          tls: false,
          xForwarded: options.xForwarded ?? true,
          resources: ['federation'],
        },
      ],
      routes: federationApiRoutes({
        serverName: US,
        version: '1.2.3',
        ownKeys: { text: () => '{}' },
        notary: { query: async () => [] },
        keys: { find: (origin, keyId) => this.#find(origin, keyId) },
        isAllowed: options.isAllowed ?? (() => true),
        receiver: this.receiver,
        rateLimit: options.rateLimit ?? WIDE,
        profiles: {
          get: async (userId) => {
            if (userId === `@alice:${US}`) return { displayname: 'Alice', avatarUrl: 'mxc://a/b' };
            if (userId === `@bare:${US}`) return { displayname: null, avatarUrl: null };
            throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user');
          },
        },
        onAlive: (origin) => this.alive.push(origin),
        clock,
        metrics: this.metrics,
      }),
      authenticate: () => {
        throw new Error('no tokens here');
      },
      limits: { maxRequestBytes: 1_000_000 },
      metrics: this.metrics,
      logger: this.logger,
    });
  }

  static async start(options: ReceivingOptions = {}): Promise<ReceivingRig> {
    const rig = new ReceivingRig(await Rig.start(options.presence), options);
    rig.port = (await rig.#http.listen())[0]?.port ?? 0;
    return rig;
  }

  peer(name: ServerName): Peer {
    return new Peer(this, name);
  }

  addKey(serverName: ServerName, keyId: string, publicKey: string): void {
    this.#keys.set(`${serverName} ${keyId}`, { serverName, keyId, publicKey, validUntilTs: 2 ** 52, fetchedTs: 0 });
  }

  /** A request as it is given, signed by nobody. */
  async request(
    method: string,
    uri: string,
    body?: string | Buffer,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}${uri}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body as unknown as string }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  dropped(reason: string): number {
    return this.metrics.value('thalamus_federation_dropped_entries', { reason });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.close(0);
    await this.presence.handler.stop();
  }

  async #find(origin: ServerName, keyId: string): Promise<PeerKey | null> {
    this.keyLookUps.push(origin);
    return this.#keys.get(`${origin} ${keyId}`) ?? (await this.#findKey(origin, keyId));
  }
}

let seeds = 0;

/** Another server. */
export class Peer {
  readonly name: ServerName;
  readonly key = signingKeyOf('a', new Uint8Array(32).fill((seeds += 1)));
  readonly #rig: ReceivingRig;
  #txnId = 0;

  constructor(rig: ReceivingRig, name: ServerName) {
    this.#rig = rig;
    this.name = name;
    rig.addKey(name, this.key.keyId, this.key.publicKey);
  }

  user(name: string): `@${string}:${string}` {
    return `@${name}:${this.name}`;
  }

  authorization(request: Partial<SignedRequest> & Pick<SignedRequest, 'uri'>): string {
    return authorizationHeader({ method: 'PUT', origin: this.name, destination: US, key: this.key, ...request });
  }

  /** Signs and sends a body as it is. */
  sendText(text: string, txnId = `t${(this.#txnId += 1)}`, headers: Record<string, string> = {}): Promise<Answer> {
    const uri = `/_matrix/federation/v1/send/${encodeURIComponent(txnId)}`;
    const authorization = this.authorization({ uri, contentText: text });
    return this.#rig.request('PUT', uri, text, { authorization, ...headers });
  }

  send(body: object, txnId?: string, headers?: Record<string, string>): Promise<Answer> {
    const whole = { origin: this.name, origin_server_ts: 1, pdus: [], ...body };
    return this.sendText(JSON.stringify(whole), txnId, headers);
  }

  /** One EDU. */
  push(push: unknown, txnId?: string, headers?: Record<string, string>): Promise<Answer> {
    return this.send({ edus: [{ edu_type: 'm.presence', content: { push } }] }, txnId, headers);
  }

  get(uri: string): Promise<Answer> {
    const authorization = this.authorization({ uri, method: 'GET' });
    return this.#rig.request('GET', uri, undefined, { authorization });
  }
}
