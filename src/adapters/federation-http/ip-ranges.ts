/**
 * Which addresses may be connected to. A refused range is refused in every disguise: as an IPv4 address inside an IPv6 one, too.
 *
 * An exception in the whitelist counts more than any refusal. The unspecified addresses, which reach the machine itself, are
 * refused whatever the list says.
 */
import { BlockList, isIP, SocketAddress } from 'node:net';

const ALWAYS_REFUSED = ['0.0.0.0/8', '::/128'];

export interface IpRanges {
  /** Whether `address`, without brackets or zone, may be connected to. */
  allows(address: string): boolean;
}

/** Ranges are `10.0.0.0/8` or single addresses. @throws TypeError if one is neither */
export function createIpRanges(refused: readonly string[], exceptions: readonly string[]): IpRanges {
  const refusedList = blockList([...ALWAYS_REFUSED, ...refused]);
  const exceptionList = blockList(exceptions);
  return {
    allows(address) {
      const forms = formsOf(address);
      if (forms.length === 0) return false;
      return forms.some((form) => exceptionList.contains(form)) || !forms.some((form) => refusedList.contains(form));
    },
  };
}

function blockList(ranges: readonly string[]): { contains: (address: string) => boolean } {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/');
    const family = isIP(network);
    if (family === 0) throw new TypeError(`${range} is no range of addresses`);
    const type = family === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(network, type);
    else list.addSubnet(network, Number(prefix), type);
  }
  return { contains: (address) => list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6') };
}

/** The address, and the IPv4 addresses that packets to it may end at. Empty for what is no address. */
function formsOf(address: string): string[] {
  const family = isIP(address);
  if (family === 4) return [address];
  if (family !== 6) return [];
  const plain = address.replace(/%.*$/, '');
  return [plain, ...embeddedIPv4(wordsOf(plain))];
}

function embeddedIPv4(words: readonly number[]): string[] {
  const at = (index: number, mask = 0) => {
    const high = (words[index] ?? 0) ^ mask;
    const low = (words[index + 1] ?? 0) ^ mask;
    return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
  };
  const startsWith = (...start: number[]) => start.every((word, index) => words[index] === word);
  if (startsWith(0, 0, 0, 0, 0)) {
    // ::a.b.c.d and ::ffff:a.b.c.d (RFC 4291), but `::` and `::1` are addresses of their own.
    const isShort = words[5] === 0 && words[6] === 0 && (words[7] ?? 0) <= 1;
    return (words[5] === 0xffff || words[5] === 0) && !isShort ? [at(6)] : [];
  }
  if (startsWith(0, 0, 0, 0, 0xffff, 0)) return [at(6)]; // ::ffff:0:a.b.c.d (RFC 2765)
  if (startsWith(0x64, 0xff9b)) return [at(6)]; // NAT64 (RFC 6052, RFC 8215)
  if (startsWith(0x2002)) return [at(1)]; // 6to4 (RFC 3056)
  if (startsWith(0x2001, 0)) return [at(6, 0xffff)]; // Teredo (RFC 4380), which hides the address by inverting it
  return [];
}

/** The eight words of an IPv6 address. */
function wordsOf(address: string): number[] {
  // Node writes the last two words as an IPv4 address in some forms, and it takes them so, too: both are put into words here.
  const inHex = new SocketAddress({ address, family: 'ipv6' }).address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_match, a, b, c, d) =>
      `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`,
  );
  const [head = '', tail] = inHex.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}
