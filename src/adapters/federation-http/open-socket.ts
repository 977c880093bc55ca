/**
 * A TCP connection to whichever of several addresses answers first.
 *
 * They are tried in their order, the next one as soon as the one before has failed or kept us waiting for a moment; the first that
 * connects wins, and the others are dropped ("happy eyeballs", RFC 8305).
 */
import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../../ports/clock.ts';
import { hostAndPort } from './server-name-parts.ts';
import { codeOf, reasonOf, StepFailure } from './step-failure.ts';

export interface OpenSocketOptions {
  readonly clock: Clock;
  /** For all addresses together. */
  readonly timeoutMs: number;
  /** How long an address is waited for before the next one is tried, too. */
  readonly staggerMs: number;
  /** Told of every socket, so that somebody can destroy it. */
  readonly onSocket: (socket: Socket) => void;
}

/** @param addresses - at least one; each has passed the guard. @throws StepFailure */
export function openSocket(
  addresses: readonly string[],
  port: number,
  { clock, timeoutMs, staggerMs, onSocket }: OpenSocketOptions,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>();
    const failures: string[] = [];
    let next = 0;
    let stagger: Timer | null = null;

    const end = (): void => {
      deadline.cancel();
      stagger?.cancel();
      for (const socket of open) socket.destroy();
      open.clear();
    };
    const tryNext = (): void => {
      stagger?.cancel();
      const address = addresses[next++];
      if (address === undefined) return;
      const socket = connect({ host: address, port, autoSelectFamily: false, noDelay: true, keepAlive: true });
      open.add(socket);
      onSocket(socket);
      const onFailure = (error: Error | null): void => {
        if (!open.delete(socket)) return;
        failures.push(`${hostAndPort(address, port)} ${wordsFor(error)}`);
        if (next < addresses.length) tryNext();
        else if (open.size === 0) {
          end();
          reject(new StepFailure('unreachable', failures.join(', '), { cause: error }));
        }
      };
      socket.once('error', onFailure);
      socket.once('close', () => onFailure(null));
      socket.once('connect', () => {
        if (!open.delete(socket)) return;
        end();
        socket.removeAllListeners('error');
        socket.removeAllListeners('close');
        resolve(socket);
      });
      if (next < addresses.length) stagger = clock.setTimeout(tryNext, staggerMs);
    };
    const deadline = clock.setTimeout(() => {
      const tried = addresses.slice(0, next).map((address) => hostAndPort(address, port));
      end();
      const words = [...failures, `no connection to ${tried.join(', ')} within ${timeoutMs} ms`];
      reject(new StepFailure('timeout', words.join(', ')));
    }, timeoutMs);
    tryNext();
  });
}

function wordsFor(error: Error | null): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return 'refused the connection';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'cannot be reached from here';
    default:
      return error === null ? 'was given up' : `failed (${reasonOf(error)})`;
  }
}
