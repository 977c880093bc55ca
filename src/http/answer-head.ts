/**
 * The status line and headers of answers: headers that many answers share are checked and laid out once.
 *
 * `writeHead` looks at every character of every name and value of every answer, which with the headers for browsers took
 * as long as our own code for the request. Node joins what it has checked in `_storeHeader`, behind a text that may be
 * more than the status line; `Date`, `Connection` and `Keep-Alive` stay Node's. It is no documented method, only as old
 * as Node: where it is missing, `writeHead` gets the list.
 */
import { type ServerResponse, STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';

/** Of these, Node must know whether they are there. */
const NODES_OWN = /^(connection|content-length|date|expect|keep-alive|trailer|transfer-encoding|upgrade)$/i;

interface HeaderStore {
  readonly _storeHeader?: (firstLine: string, headers: readonly string[]) => void;
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

  /** Writes the head of one answer; `own` are the headers that it does not share. The body is the caller's. */
  writeTo(outgoing: ServerResponse, httpStatus: number, own: readonly string[]): void {
    const { _storeHeader: store } = outgoing as unknown as HeaderStore;
    // Without a body Node does more than to store the headers.
    if (store === undefined || httpStatus < 200 || httpStatus === 204 || httpStatus === 304) {
      outgoing.writeHead(httpStatus, [...this.list, ...own]);
      return;
    }
    outgoing.statusCode = httpStatus;
    store.call(outgoing, this.#head(httpStatus), own);
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
