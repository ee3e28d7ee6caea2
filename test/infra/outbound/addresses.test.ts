import fc from 'fast-check';
import { classifyAddress, parseAllowance, type AddressKind } from '../../../infra/outbound/addresses.ts';

describe('classifyAddress', () => {
  test.each<[string, AddressKind]>([
    ['8.8.8.8', 'public'],
    ['1.1.1.1', 'public'],
    ['172.15.255.255', 'public'],
    ['172.32.0.0', 'public'],
    ['100.63.255.255', 'public'],
    ['100.128.0.0', 'public'],
    ['223.255.255.255', 'public'],
    ['2606:4700:4700::1111', 'public'],
    ['2a00:1450:4001:82b::200e', 'public'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['10.0.0.1', 'private'],
    ['10.255.255.255', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.0.1', 'private'],
    ['fc00::1', 'private'],
    ['fdff:ffff::1', 'private'],
    ['fec0::1', 'private'],
    ['100.64.0.1', 'sharedCarrier'],
    ['100.127.255.255', 'sharedCarrier'],
    ['169.254.0.1', 'linkLocal'],
    ['fe80::1', 'linkLocal'],
    ['fe80::1%eth0', 'linkLocal'],
    ['febf::1', 'linkLocal'],
    ['169.254.169.254', 'metadata'],
    ['169.254.170.2', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['192.0.0.192', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['fd00:0ec2:0::0:254', 'metadata'],
    ['fd20:ce::254', 'metadata'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['192.88.99.1', 'tunnel'],
    ['2002:7f00:0001::1', 'tunnel'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'tunnel'],
    ['64:ff9b:1::7f00:1', 'tunnel'],
    ['192.0.0.1', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['198.19.255.255', 'reserved'],
    ['198.51.100.1', 'reserved'],
    ['203.0.113.1', 'reserved'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['2001:db8::1', 'reserved'],
    ['2001:20::1', 'reserved'],
    ['3fff::1', 'reserved'],
    ['100::1', 'reserved'],
    ['::7f00:1', 'reserved'],
    ['::127.0.0.1', 'reserved'],
    ['4000::1', 'reserved'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'metadata'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:8.8.8.8', 'public'],
    ['64:ff9b::8.8.8.8', 'public'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['64:ff9b::192.168.1.1', 'private'],
    ['', 'notAnAddress'],
    ['localhost', 'notAnAddress'],
    ['127.1', 'notAnAddress'],
    ['0177.0.0.1', 'notAnAddress'],
    ['1.2.3.4/8', 'notAnAddress'],
  ])('%s is %s', (address, kind) => {
    expect(classifyAddress(address)).toBe(kind);
  });

  test('an IPv4-mapped address is what the IPv4 address in it is', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(classifyAddress(`::ffff:${address}`)).toBe(classifyAddress(address));
        expect(classifyAddress(`64:ff9b::${address}`)).toBe(classifyAddress(address));
      }),
    );
  });

  test('any IPv6 outside 2000::/3 that embeds no IPv4 address is not public', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = parseInt(address.split(':')[0] || '0', 16);
        fc.pre(first >> 13 !== 1 && !/^(0*:)|^64:ff9b/i.test(address) && !address.startsWith('::'));
        expect(classifyAddress(address)).not.toBe('public');
      }),
    );
  });

  test('hostile text never makes it throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void classifyAddress(text)));
  });
});

describe('parseAllowance', () => {
  test.each<[string[], string, string, boolean]>([
    [['127.0.0.1'], 'localhost', '127.0.0.1', true],
    [['127.0.0.1'], 'localhost', '127.0.0.2', false],
    [['127.0.0.1'], 'x', '::ffff:127.0.0.1', true],
    [['10.1.0.0/16'], 'store', '10.1.2.3', true],
    [['10.1.0.0/16'], 'store', '10.2.2.3', false],
    [['fd00::/8'], 'store', 'fd12::1', true],
    [['minio.internal'], 'minio.internal', '10.9.9.9', true],
    [['minio.internal'], 'MINIO.internal.', '10.9.9.9', true],
    [['minio.internal'], 'other.internal', '10.9.9.9', false],
    [['minio.internal'], 'minio.internal', '169.254.169.254', false],
    [['169.254.0.0/16'], 'x', '169.254.169.254', false],
    [['0.0.0.0/0'], 'x', '169.254.169.254', false],
    [['::/0'], 'x', 'fd00:ec2::254', false],
    [['169.254.169.254'], 'x', '169.254.169.254', true],
    [['169.254.169.254/32'], 'x', '169.254.169.254', true],
    [[], 'x', '127.0.0.1', false],
    [['127.0.0.0/8'], 'x', 'not an address', false],
  ])('%j lets %s at %s pass: %s', (entries, host, address, expected) => {
    expect(parseAllowance(entries).allows(host, address)).toBe(expected);
  });

  test.each([['10.0.0.0/33'], ['10.0.0.0/x'], ['10.0.0.0/8/8'], ['http://minio'], [''], ['*']])('refuses %j', (entry) => {
    expect(() => parseAllowance(['127.0.0.1', entry])).toThrow('entry 2');
  });
});
