/**
 * Requests per CPU-second of the server: some keep-alive connections, each sending its next request when it has its
 * answer. The same requests go to the bare server that answers a fixed body.
 */
import type { MeasuredProcess } from './child-process.ts';
import type { LoadUser } from './closed-loop.ts';
import { RawClient } from './raw-client.ts';

export interface RateResult {
  readonly requests: number;
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly requestsPerCpuSecond: number;
}

export interface RateOptions {
  readonly server: MeasuredProcess;
  readonly users: readonly LoadUser[];
  readonly method: 'GET' | 'PUT';
  readonly connections: number;
  readonly warmUpRequests: number;
  readonly requests: number;
}

/** Counts the loops: a change to what it was in an earlier loop would be no change. */
let loops = 0;

/** Each connection belongs to one user, who reads or changes their own presence; every PUT is a change worth telling. */
export async function requestRate(options: RateOptions): Promise<RateResult> {
  const { server, users, method, connections } = options;
  const clients = await Promise.all(Array.from({ length: connections }, () => RawClient.open(server.port)));
  let sent = 0;
  const loop = (loops += 1);

  const run = async (until: number): Promise<void> => {
    await Promise.all(
      clients.map(async (client, i) => {
        const user = users[i % users.length]!;
        const path = `/_matrix/client/v3/presence/${encodeURIComponent(user.userId)}/status`;
        const get = client.format('GET', path, user.token);
        while (sent < until) {
          sent += 1;
          const request =
            method === 'GET'
              ? get
              : client.format(
                  'PUT',
                  path,
                  user.token,
                  `{"presence":"online","status_msg":"change number ${loop}.${String(sent).padStart(7)}"}`,
                );
          const response = await client.send(request);
          if (response.status !== 200) throw new Error(`${method} answered ${response.status}: ${response.body}`);
        }
      }),
    );
  };

  await run(options.warmUpRequests);
  const [cpuBefore, wallBefore] = [server.cpuMs(), performance.now()];
  await run(options.warmUpRequests + options.requests);
  const cpuMs = server.cpuMs() - cpuBefore;
  const wallMs = performance.now() - wallBefore;
  for (const client of clients) client.close();
  return { requests: options.requests, cpuMs, wallMs, requestsPerCpuSecond: (options.requests * 1000) / cpuMs };
}
