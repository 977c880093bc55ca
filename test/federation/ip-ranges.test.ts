/**
 * Refused ranges are refused at both ends, in every disguise, and nothing beside them is.
 */
import { assert, ipV4, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIpRanges } from '../../src/adapters/federation-http/ip-ranges.ts';
import { DEFAULTS } from '../../src/config/defaults.ts';

const defaults = createIpRanges(DEFAULTS.ip_range_blacklist, []);

describe('the default list', () => {
  // The first address, the last one, and their neighbours outside.
  it.each([
    ['127.0.0.0/8', '127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
    ['10.0.0.0/8', '10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
    ['172.16.0.0/12', '172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
    ['192.168.0.0/16', '192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
    ['100.64.0.0/10', '100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
    ['192.0.0.0/24', '192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
    ['169.254.0.0/16', '169.254.0.0', '169.254.169.254', '169.253.255.255', '169.255.0.0'],
    ['192.88.99.0/24', '192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
    ['198.18.0.0/15', '198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
    ['192.0.2.0/24', '192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
    ['198.51.100.0/24', '198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
    ['203.0.113.0/24', '203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
    ['224.0.0.0/4', '224.0.0.0', '239.255.255.255', '223.255.255.255', '240.0.0.0'],
    ['0.0.0.0/8', '0.0.0.0', '0.255.255.255', '1.0.0.0', '1.0.0.1'],
    ['::1/128', '::1', '0:0:0:0:0:0:0:1', '2000::1', '2000::2'],
    ['::/128', '::', '0::0', '2000::', '2000::3'],
    ['fe80::/10', 'fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe7f::', 'fe00::'],
    ['fc00::/7', 'fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fbff::', 'fe00::'],
    ['2001:db8::/32', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7::', '2001:db9::'],
    ['ff00::/8', 'ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe00::', 'fe7f::'],
    ['fec0::/10', 'fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe00::1', '2a00::'],
  ])('%s', (_range, first, last, before, after) => {
    expect([first, last].map((address) => defaults.allows(address))).toEqual([false, false]);
    expect([before, after].map((address) => defaults.allows(address))).toEqual([true, true]);
  });

  it.each([
    ['IPv4-mapped', '::ffff:10.1.2.3', '::ffff:8.8.8.8'],
    ['IPv4-mapped, in hex', '::ffff:a01:203', '::ffff:808:808'],
    ['IPv4-compatible', '::10.1.2.3', '::8.8.8.8'],
    ['IPv4-translated', '::ffff:0:10.1.2.3', '::ffff:0:8.8.8.8'],
    ['NAT64', '64:ff9b::10.1.2.3', '64:ff9b::8.8.8.8'],
    ['local NAT64', '64:ff9b:1::10.1.2.3', '64:ff9b:1::8.8.8.8'],
    ['6to4', '2002:a01:203::1', '2002:808:808::1'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:f5fe:fdfc', '2001:0:4136:e378:8000:63bf:f7f7:f7f7'],
    ['with a zone', 'fe80::1%eth0', '2600::1%eth0'],
  ])('an address in disguise: %s', (_form, refused, allowed) => {
    expect(defaults.allows(refused)).toBe(false);
    expect(defaults.allows(allowed)).toBe(true);
  });

  it.each(['', 'example.org', '127.1', '0x7f.0.0.1', '10.1.2.3/8', '[::1]', '::ffff:10.1.2'])(
    'refuses %j, which is no address',
    (text) => {
      expect(defaults.allows(text)).toBe(false);
    },
  );

  it('judges an IPv4 address in whatever IPv6 form as the address itself', () => {
    assert(
      property(ipV4(), (address) => {
        const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
        const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
        const forms = [
          `::ffff:${address}`,
          `::ffff:${hex}`,
          `64:ff9b::${address}`,
          `64:ff9b::${hex}`,
          `2002:${hex}::`,
          `0:0:0:0:0:FFFF:${hex}`,
        ];
        expect(forms.map((form) => defaults.allows(form))).toEqual(forms.map(() => defaults.allows(address)));
      }),
    );
  });
});

describe('exceptions', () => {
  it('count more than refusals, for the forms of an address, too', () => {
    const ranges = createIpRanges(DEFAULTS.ip_range_blacklist, ['10.1.2.0/24', '::1', '0.0.0.0']);
    expect(['10.1.2.3', '::ffff:10.1.2.3', '::1', '0.0.0.0'].filter((address) => !ranges.allows(address))).toEqual([]);
    expect(['10.1.3.3', '::ffff:10.1.3.3', '127.0.0.1'].some((address) => ranges.allows(address))).toBe(false);
  });

  it('an empty list refuses nothing but the machine itself', () => {
    const ranges = createIpRanges([], []);
    expect(['127.0.0.1', '::1', 'fe80::1'].every((address) => ranges.allows(address))).toBe(true);
    expect(['0.0.0.0', '::', '::ffff:0.0.0.0'].some((address) => ranges.allows(address))).toBe(false);
  });
});
