/**
 * Sending: messages, state, redactions.
 *
 * Membership through the state endpoint follows the same rules as its own endpoints, and so does an alias. Source: Matrix
 * specification, client-server API, "Sending events to a room", "Redactions".
 */
import { MatrixError } from '../../matrix/errors.ts';
import type { EventId, RoomId, UserId } from '../../matrix/identifiers.ts';
import type { JsonObject, RoomStore, Transaction } from '../../ports/room-store.ts';
import { authoriseRedaction } from './auth-rules.ts';
import type { EventDraft } from './build-event.ts';
import { checkLocalUser } from './local-users.ts';
import { checkJoined } from './room-access.ts';
import { parseRoomVersion, redactContent, redactionContent } from './room-versions.ts';
import type { RoomWriter } from './room-writer.ts';

export interface RoomEventsOptions {
  readonly store: Pick<RoomStore, 'findMembership' | 'findEvent' | 'findAlias' | 'readState'>;
  readonly writer: Pick<RoomWriter, 'write'>;
  readonly serverName: string;
}

/** Types that only the server makes, or that have an endpoint of their own. */
const NOT_AS_STATE: ReadonlySet<string> = new Set(['m.room.create', 'm.room.redaction']);

export class RoomEvents {
  readonly #store: RoomEventsOptions['store'];
  readonly #writer: RoomEventsOptions['writer'];
  readonly #serverName: string;

  constructor(options: RoomEventsOptions) {
    this.#store = options.store;
    this.#writer = options.writer;
    this.#serverName = options.serverName;
  }

  /** Sends a message event. The same transaction of the same device gives the same id, also after a restart. */
  async send(
    sender: UserId,
    roomId: RoomId,
    event: { readonly type: string; readonly content: JsonObject; readonly transaction: Transaction },
  ): Promise<EventId> {
    const { type, content, transaction } = event;
    if (type === 'm.room.redaction') {
      const { redacts, reason } = content;
      if (typeof redacts !== 'string') {
        throw new MatrixError(400, 'M_MISSING_PARAM', "'redacts' is missing: it names the event to redact");
      }
      const words = typeof reason === 'string' ? reason : undefined;
      return this.redact(sender, roomId, redacts as EventId, { reason: words, transaction });
    }
    return this.#write(sender, roomId, { type, stateKey: null, sender, content, transaction });
  }

  /** Sets a state event. The same content as now, by the same sender, changes nothing and gives the same id. */
  async sendState(
    sender: UserId,
    roomId: RoomId,
    event: { readonly type: string; readonly stateKey: string; readonly content: JsonObject },
  ): Promise<EventId> {
    const { type, stateKey, content } = event;
    if (NOT_AS_STATE.has(type)) throw new MatrixError(403, 'M_FORBIDDEN', `${type} cannot be sent as state`);
    if (type === 'm.room.member') checkLocalUser(stateKey, this.#serverName);
    if (type === 'm.room.canonical_alias') await this.#checkAliases(roomId, content);
    return this.#write(sender, roomId, { type, stateKey, sender, content });
  }

  /** Strips an event of the room: one's own, or any with enough power. */
  async redact(
    sender: UserId,
    roomId: RoomId,
    eventId: EventId,
    options: { readonly reason: string | undefined; readonly transaction: Transaction },
  ): Promise<EventId> {
    await checkJoined(this.#store, roomId, sender);
    const id = await this.#writer.write(roomId, { users: [sender] }, async ({ room, state }) => {
      const target = await this.#store.findEvent(roomId, eventId);
      if (target === null) throw new MatrixError(404, 'M_NOT_FOUND', `There is no event ${eventId} in this room`);
      if (target.type === 'm.room.create')
        throw new MatrixError(403, 'M_FORBIDDEN', 'm.room.create cannot be redacted');
      authoriseRedaction(sender, target.sender, state.powerLevels);
      const version = parseRoomVersion(room.version);
      return {
        type: 'm.room.redaction',
        stateKey: null,
        sender,
        content: redactionContent(version, eventId, options.reason),
        transaction: options.transaction,
        redaction: { eventId, content: redactContent(version, target.type, target.content) },
      };
    });
    return notNull(id);
  }

  async #write(sender: UserId, roomId: RoomId, draft: EventDraft): Promise<EventId> {
    // An unknown room and one that is not one's own look the same; joining has an endpoint that tells them apart.
    const isOwnJoin = draft.type === 'm.room.member' && draft.stateKey === sender;
    if (isOwnJoin) {
      const row = await this.#store.findMembership(roomId, sender);
      if (row === null && draft.content['membership'] !== 'join' && draft.content['membership'] !== 'knock') {
        await checkJoined(this.#store, roomId, sender);
      }
    } else {
      // Repeating a request that was granted is answered even by somebody who has left since.
      await this.#checkMayAsk(roomId, sender);
    }
    const target = draft.type === 'm.room.member' && draft.stateKey !== sender ? [draft.stateKey as UserId] : [];
    return notNull(await this.#writer.write(roomId, { users: [sender, ...target] }, () => draft));
  }

  async #checkMayAsk(roomId: RoomId, sender: UserId): Promise<void> {
    const row = await this.#store.findMembership(roomId, sender);
    if (row === null) await checkJoined(this.#store, roomId, sender);
  }

  /** Aliases that a room shows must lead to it; those it shows already are not looked at again. */
  async #checkAliases(roomId: RoomId, content: JsonObject): Promise<void> {
    const [current] = await this.#store.readState(
      roomId,
      { kind: 'keys', keys: [['m.room.canonical_alias', '']] },
      null,
    );
    const known = new Set(aliasesOf(current?.content ?? {}));
    for (const alias of aliasesOf(content)) {
      if (known.has(alias)) continue;
      if (typeof alias !== 'string' || !/^#[^:]*:./.test(alias)) {
        throw new MatrixError(400, 'M_INVALID_PARAM', `'${String(alias)}' is not an alias`);
      }
      const found = await this.#store.findAlias(alias as `#${string}:${string}`);
      if (found?.roomId !== roomId) throw new MatrixError(400, 'M_BAD_ALIAS', `${alias} does not lead to this room`);
    }
  }
}

function aliasesOf(content: JsonObject): readonly unknown[] {
  const { alias, alt_aliases: alternatives } = content;
  const main = alias === undefined || alias === null || alias === '' ? [] : [alias];
  return Array.isArray(alternatives) ? [...main, ...(alternatives as unknown[])] : main;
}

/** `write` gives null only when a decision says so. */
function notNull(id: EventId | null): EventId {
  if (id === null) throw new Error('a write without an event');
  return id;
}
