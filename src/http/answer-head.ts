/**
 * Writes answers: headers that many of them share are checked and laid out once, and head and body leave as one text.
 *
 * `writeHead` looks at every character of every name and value of every answer, which with the headers for browsers took
 * as long as our own code for the request. Node joins what it has checked in `_storeHeader`, behind a text that may be
 * more than the status line; `Date`, `Connection` and `Keep-Alive` stay Node's. `end` with a body writes an empty text
 * behind it, and two pieces cost more than one; `_send` writes the one. Neither is a documented method, only as old as
 * Node: where they are missing, `writeHead` gets the list and `end` the body.
 */
import { type ServerResponse, STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';

/** Of these, Node must know whether they are there. */
const NODES_OWN = /^(connection|content-length|date|expect|keep-alive|trailer|transfer-encoding|upgrade)$/i;

interface NodesMethods {
  readonly _storeHeader?: (firstLine: string, headers: readonly string[]) => void;
  readonly _send?: (text: string, encoding: 'latin1') => unknown;
}

/** Headers for many answers: names and values in turn. */
export class SharedHeaders {
  readonly list: readonly string[];
  /** Status line and headers, for each status that was answered. */
  readonly #heads = new Map<number, string>();

  /** @throws Node's error for what cannot be a name or a value, Error for headers that each answer has its own of */
  constructor(list: readonly string[]) {
    this.list = list;
    for (let i = 0; i < list.length; i += 2) {
      const [name = '', value = ''] = list.slice(i, i + 2);
      validateHeaderName(name);
      validateHeaderValue(name, value);
      if (NODES_OWN.test(name)) throw new Error(`the header ${name} cannot be shared by answers`);
    }
  }

  /** Writes one answer; `own` are the headers that it does not share, names and values in turn. */
  write(outgoing: ServerResponse, httpStatus: number, own: readonly string[], body: string | Buffer): void {
    const { _storeHeader: store, _send: send } = outgoing as unknown as NodesMethods;
    const length = Buffer.byteLength(body);
    const headers = httpStatus === 204 ? own : ['Content-Length', String(length), ...own];
    // Without a body Node does more than to store the headers.
    if (store === undefined || httpStatus < 200 || httpStatus === 204 || httpStatus === 304) {
      outgoing.writeHead(httpStatus, [...this.list, ...headers]);
      outgoing.end(body);
      return;
    }
    outgoing.statusCode = httpStatus;
    store.call(outgoing, this.#head(httpStatus), headers);
    // Plain ASCII, which most answers are, need not be encoded.
    if (typeof body !== 'string' || length !== body.length) outgoing.end(body);
    else if (send === undefined || outgoing.req.method === 'HEAD' || isEncrypted(outgoing))
      outgoing.end(body, 'latin1');
    else {
      send.call(outgoing, body, 'latin1');
      outgoing.end();
    }
  }

  #head(httpStatus: number): string {
    let head = this.#heads.get(httpStatus);
    if (head === undefined) {
      head = `HTTP/1.1 ${httpStatus} ${STATUS_CODES[httpStatus] ?? 'unknown'}\r\n`;
      for (let i = 0; i < this.list.length; i += 2) head += `${this.list[i]}: ${this.list[i + 1]}\r\n`;
      this.#heads.set(httpStatus, head);
    }
    return head;
  }
}

/** TLS takes a text in at once but is done with it later, and until then there would be two pieces again. */
function isEncrypted({ socket }: ServerResponse): boolean {
  return socket !== null && 'encrypted' in socket;
}
