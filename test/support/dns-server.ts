/**
 * A small real DNS server (UDP and TCP) on loopback, answering from a table that the test changes at will.
 *
 * A name that is in the table without records of the type asked gives an empty answer, a name that is not gives NXDOMAIN.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import * as packet from 'dns-packet';

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority?: number;
  readonly weight?: number;
}

export interface DnsRecords {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly CNAME?: string;
  readonly SRV?: readonly SrvRecord[];
  /** What befalls questions about this name instead: no answer at all, or a failure of the server. */
  readonly fault?: 'silent' | 'SERVFAIL' | 'REFUSED';
  /** How long every answer about this name takes. */
  readonly delayMs?: number;
}

export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:<port>`, for UDP and TCP alike. */
  readonly address: string;
  readonly port: number;
  /** Every question so far, as `SRV _matrix._tcp.one.test`. */
  readonly questions: readonly string[];
  /** Replaces what is known about a name. Names compare without case. */
  set(name: string, records: DnsRecords): void;
  delete(name: string): void;
  /** Makes every answer about records of this type late. */
  delay(type: 'A' | 'AAAA' | 'SRV', ms: number): void;
  close(): Promise<void>;
}

export async function startDnsServer(table: Readonly<Record<string, DnsRecords>> = {}): Promise<DnsServer> {
  const records = new Map(Object.entries(table).map(([name, value]) => [name.toLowerCase(), value]));
  const questions: string[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const delays = new Map<string, number>();

  const answer = (query: Buffer, send: (reply: Buffer) => void): void => {
    const parsed = decode(query);
    const question = parsed?.questions?.[0];
    if (parsed === null || question === undefined) return;
    questions.push(`${question.type} ${question.name.toLowerCase()}`);
    const found = records.get(question.name.toLowerCase());
    if (found?.fault === 'silent') return;
    const reply = packet.encode({
      type: 'response',
      id: parsed.id ?? 0,
      flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | responseCode(found),
      questions: [question],
      answers: found === undefined || found.fault !== undefined ? [] : answersTo(question, records),
    });
    const delayMs = found?.delayMs ?? delays.get(question.type);
    if (delayMs === undefined) return send(reply);
    const timer = setTimeout(() => {
      timers.delete(timer);
      send(reply);
    }, delayMs);
    timers.add(timer);
  };

  const { udp, tcp, port } = await bind();
  udp.on('message', (query, from) =>
    answer(query, (reply) => udp.send(reply, from.port, from.address, () => undefined)),
  );
  tcp.on('connection', (socket) => {
    let pending = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        answer(pending.subarray(2, end), (reply) => socket.write(Buffer.concat([prefixOf(reply), reply])));
        pending = pending.subarray(end);
      }
    });
    socket.unref();
  });

  const close = async () => {
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    await Promise.all([
      new Promise<void>((resolve) => udp.close(() => resolve())),
      new Promise<void>((resolve) => tcp.close(() => resolve())),
    ]);
  };
  let closed: Promise<void> | null = null;
  const closeOnce = () => {
    closed ??= close();
    return closed;
  };
  return {
    address: `127.0.0.1:${port}`,
    port,
    questions,
    set: (name, value) => void records.set(name.toLowerCase(), value),
    delay: (type, ms) => void delays.set(type, ms),
    delete: (name) => void records.delete(name.toLowerCase()),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** A CNAME is followed as far as the table goes, in one answer, as resolvers do. */
function answersTo(question: packet.Question, records: ReadonlyMap<string, DnsRecords>): packet.Answer[] {
  const answers: packet.Answer[] = [];
  const ttl = 60;
  let name = question.name;
  for (let hops = 0; hops < 8; hops++) {
    const found = records.get(name.toLowerCase());
    if (found?.CNAME !== undefined) {
      answers.push({ type: 'CNAME', name, ttl, data: found.CNAME });
      name = found.CNAME;
      continue;
    }
    if (question.type === 'A') for (const data of found?.A ?? []) answers.push({ type: 'A', name, ttl, data });
    if (question.type === 'AAAA') for (const data of found?.AAAA ?? []) answers.push({ type: 'AAAA', name, ttl, data });
    if (question.type === 'SRV') {
      for (const { name: target, port, priority = 0, weight = 0 } of found?.SRV ?? []) {
        answers.push({ type: 'SRV', name, ttl, data: { target, port, priority, weight } });
      }
    }
    break;
  }
  return answers;
}

function responseCode(found: DnsRecords | undefined): number {
  if (found?.fault === 'SERVFAIL') return 2;
  if (found?.fault === 'REFUSED') return 5;
  return found === undefined ? 3 : 0;
}

function decode(query: Buffer): packet.DecodedPacket | null {
  try {
    return packet.decode(query);
  } catch {
    return null;
  }
}

function prefixOf(reply: Buffer): Buffer {
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(reply.length);
  return prefix;
}

/** One port number that is free for both. */
async function bind(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let attempt = 0; ; attempt++) {
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const address = tcp.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const udp = createSocket('udp4');
    try {
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject);
        udp.bind(address.port, '127.0.0.1', resolve);
      });
      return { udp, tcp, port: address.port };
    } catch (error) {
      udp.close();
      tcp.close();
      if (attempt >= 10) throw error;
    }
  }
}
