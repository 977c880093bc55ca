/**
 * The TLS handshake on a connection, and what is wrong when it fails.
 */
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../../ports/clock.ts';
import { hostAndPort } from './server-name-parts.ts';
import { codeOf, reasonOf, StepFailure } from './step-failure.ts';
import type { TlsPolicy } from './tls-policy.ts';

/** The connection went away, which says nothing about certificates. */
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'EHOSTUNREACH', 'ENETUNREACH']);

/** OpenSSL's words for an answer in plain HTTP, by version. */
const NOT_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']);

export interface SecureSocketOptions {
  readonly policy: TlsPolicy;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Told of the TLS socket, so that somebody can destroy it. */
  readonly onSocket: (socket: TLSSocket) => void;
}

/** @throws StepFailure `certificate`, `unreachable` or `timeout`; the connection is closed then */
export function secureSocket(
  socket: Socket,
  tlsName: string,
  { policy, clock, timeoutMs, onSocket }: SecureSocketOptions,
): Promise<TLSSocket> {
  const where = hostAndPort(socket.remoteAddress ?? 'a closed connection', socket.remotePort ?? 0);
  return new Promise((resolve, reject) => {
    const secured = connect({ ...policy.optionsFor(tlsName), socket });
    const end = (failure: StepFailure | null): void => {
      deadline.cancel();
      secured.removeListener('error', onError);
      secured.removeListener('close', onClose);
      secured.removeListener('secureConnect', onSecure);
      if (failure === null) return resolve(secured);
      secured.on('error', () => undefined);
      secured.destroy();
      reject(failure);
    };
    const onSecure = (): void => end(null);
    const onClose = (): void => end(new StepFailure('unreachable', `${where} hung up during the TLS handshake`));
    const onError = (error: Error): void => {
      if (BROKEN.has(codeOf(error))) onClose();
      else {
        const reason = NOT_TLS.has(codeOf(error)) ? `no TLS is spoken there (${codeOf(error)})` : reasonOf(error);
        const message = `the certificate or TLS at ${where} is not good for ${tlsName}: ${reason}`;
        end(new StepFailure('certificate', message, { cause: error }));
      }
    };
    const deadline = clock.setTimeout(() => {
      end(new StepFailure('timeout', `${where} did not finish the TLS handshake within ${timeoutMs} ms`));
    }, timeoutMs);
    onSocket(secured);
    secured.once('error', onError).once('close', onClose).once('secureConnect', onSecure);
  });
}
