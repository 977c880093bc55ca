/**
 * One keep-alive HTTP/1.1 connection, one request at a time, over a bare socket: cheap enough that the driver's
 * process never limits what is measured. Understands only what the servers here send: a length, or chunks.
 */
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

export interface RawResponse {
  readonly status: number;
  readonly body: string;
}

export class RawClient {
  readonly #socket: Socket;
  readonly #host: string;
  #buffer = '';
  #pending: { resolve: (response: RawResponse) => void; reject: (error: Error) => void } | null = null;
  #failure: Error | null = null;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.setNoDelay(true);
    // One character a byte: lengths are bytes, and bodies here are ASCII.
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  /** @param tls - null for none */
  static async open(port: number, host = '127.0.0.1', tls: ConnectionOptions | null = null): Promise<RawClient> {
    const socket = tls === null ? connect({ port, host }) : connectTls({ ...tls, port, host });
    await new Promise<void>((resolve, reject) => {
      socket.once(tls === null ? 'connect' : 'secureConnect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket, `${host}:${port}`);
  }

  /** The text of a request, to be prepared once and sent often. */
  format(method: string, path: string, token: string | null, body: string | null = null): string {
    const authorization = token === null ? '' : `Authorization: Bearer ${token}\r\n`;
    const entity =
      body === null ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    return `${method} ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n${authorization}${entity}\r\n${body ?? ''}`;
  }

  send(request: string): Promise<RawResponse> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#pending !== null) return Promise.reject(new Error('one request at a time'));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#socket.write(request, 'latin1');
    });
  }

  request(method: string, path: string, token: string | null, body: unknown = null): Promise<RawResponse> {
    return this.send(this.format(method, path, token, body === null ? null : JSON.stringify(body)));
  }

  close(): void {
    this.#failure ??= new Error('closed');
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const pending = this.#pending;
    this.#pending = null;
    pending?.reject(error);
  }

  #read(chunk: string): void {
    this.#buffer = this.#buffer === '' ? chunk : this.#buffer + chunk;
    const headEnd = this.#buffer.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#buffer.slice(0, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    const body =
      length === null
        ? readChunks(this.#buffer, headEnd + 4)
        : readLength(this.#buffer, headEnd + 4, Number(length[1]));
    if (body === null) return;
    this.#buffer = '';
    const pending = this.#pending;
    this.#pending = null;
    pending?.resolve({ status: Number(head.slice(9, 12)), body });
  }
}

function readLength(buffer: string, from: number, length: number): string | null {
  return buffer.length < from + length ? null : buffer.slice(from, from + length);
}

function readChunks(buffer: string, from: number): string | null {
  let body = '';
  for (let at = from; ; ) {
    const lineEnd = buffer.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(buffer.slice(at, lineEnd), 16);
    const start = lineEnd + 2;
    if (buffer.length < start + size + 2) return null;
    if (size === 0) return body;
    body += buffer.slice(start, start + size);
    at = start + size + 2;
  }
}
