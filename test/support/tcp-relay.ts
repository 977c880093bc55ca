/**
 * A bad line: passes TCP connections on, late, slowly, not at all, or cuts them, as the test says at the moment.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface Weather {
  /** Each piece that passes waits so long, in both directions. @default 0 */
  readonly delayMs?: number;
  /** In each direction of each connection. @default Infinity */
  readonly bytesPerSecond?: number;
  /** Connections are taken, and nothing passes until the weather changes. */
  readonly isSilent?: boolean;
}

export interface TcpRelay extends AsyncDisposable {
  readonly port: number;
  /** Connections since the beginning. */
  readonly connections: number;
  /** Applies to open connections, too. */
  setWeather(weather: Weather): void;
  /** Ends every open connection, wherever it stands. */
  cut(): void;
}

/** Pieces are small, so that a slow line is slow all the time. */
const PIECE_BYTES = 512;

/** Listens on loopback, and connects to `port` there. */
export async function startTcpRelay(port: number): Promise<TcpRelay> {
  let weather: Weather = {};
  let waiting: (() => void)[] = [];
  let connections = 0;
  const open = new Set<Socket>();

  const pass = async (from: Socket, to: Socket): Promise<void> => {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        for (let at = 0; at < chunk.length; ) {
          while (weather.isSilent === true) await new Promise<void>((resolve) => waiting.push(resolve));
          const { delayMs = 0, bytesPerSecond = Infinity } = weather;
          const piece = chunk.subarray(at, bytesPerSecond === Infinity ? chunk.length : at + PIECE_BYTES);
          const waitMs = delayMs + (piece.length / bytesPerSecond) * 1000;
          if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
          if (to.destroyed) return;
          to.write(piece);
          at += piece.length;
        }
      }
      to.end();
    } catch {
      to.destroy();
    }
  };

  const server = createServer((near) => {
    connections++;
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
      pass(socket, other).catch(() => undefined);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');

  const setWeather = (next: Weather): void => {
    weather = next;
    const wake = waiting;
    waiting = [];
    for (const resolve of wake) resolve();
  };
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: bound.port,
    get connections() {
      return connections;
    },
    setWeather,
    cut,
    [Symbol.asyncDispose]: async () => {
      setWeather({});
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
