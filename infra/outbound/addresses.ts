/** Which IP addresses are the public Internet's, and which an operator has allowed besides. */

import { BlockList, isIP, isIPv4 } from 'node:net';

/** What an address is for. Only `public` may be reached without an operator's allowance. */
export type AddressKind =
  | 'public'
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'sharedCarrier'
  | 'linkLocal'
  | 'metadata'
  | 'multicast'
  | 'reserved'
  | 'tunnel'
  | 'notAnAddress';

/** Judged in this order; the first match counts. Sources: IANA special-purpose registries, clouds' own documentation. */
const rules: readonly (readonly [AddressKind, readonly string[]])[] = [
  [
    'metadata',
    [
      '169.254.169.254/32', // AWS, Azure, Google, OpenStack and others
      '169.254.170.2/32', // AWS, container credentials
      '169.254.170.23/32', // AWS, pod identity
      '100.100.100.200/32', // Alibaba
      '168.63.129.16/32', // Azure's wire server, in a public range
      '192.0.0.192/32', // Oracle
      'fd00:ec2::254/128',
      'fd00:ec2::23/128',
      'fd20:ce::254/128', // Google
    ],
  ],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['sharedCarrier', ['100.64.0.0/10']],
  ['linkLocal', ['169.254.0.0/16', 'fe80::/10']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  ['tunnel', ['192.88.99.0/24', '2002::/16', '2001::/32', '64:ff9b:1::/48']],
  [
    'reserved',
    [
      '192.0.0.0/24',
      '192.0.2.0/24',
      '198.18.0.0/15',
      '198.51.100.0/24',
      '203.0.113.0/24',
      '240.0.0.0/4',
      '2001::/23',
      '2001:db8::/32',
      '3fff::/20',
    ],
  ],
];

const addSubnet = (list: BlockList, cidr: string): void => {
  const [network = '', bits = ''] = cidr.split('/');
  list.addSubnet(network, Number(bits), isIPv4(network) ? 'ipv4' : 'ipv6');
};

const lists: readonly (readonly [AddressKind, BlockList])[] = rules.map(([kind, cidrs]) => {
  const list = new BlockList();
  for (const cidr of cidrs) addSubnet(list, cidr);
  return [kind, list];
});

const globalUnicast = new BlockList();
addSubnet(globalUnicast, '2000::/3');

/** The eight 16-bit groups of a valid IPv6 address, zone removed. */
const groupsOf = (address: string): readonly number[] => {
  const withoutZone = address.split('%')[0] ?? '';
  const normal = new URL(`http://[${withoutZone}]/`).hostname.slice(1, -1);
  const [head = '', tail] = normal.split('::');
  const parse = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const left = parse(head);
  if (tail === undefined) return left;
  const right = parse(tail);
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
};

/** The IPv4 address that an IPv4-mapped (`::ffff:0:0/96`) or NAT64 (`64:ff9b::/96`) address leads to, else null. */
const embeddedIPv4 = (address: string): string | null => {
  const groups = groupsOf(address);
  const prefix = groups.slice(0, 6).join(':');
  if (prefix !== '0:0:0:0:0:65535' && prefix !== [0x64, 0xff9b, 0, 0, 0, 0].join(':')) return null;
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
};

/**
 * What an address is for. IPv4-mapped and NAT64 addresses are judged by the IPv4 address in them, because that is
 * where a connection ends; other IPv6 outside `2000::/3` is never public.
 * @param address IPv4 or IPv6 as text, a zone id is ignored
 * @returns `notAnAddress` for anything else, never throws
 */
export const classifyAddress = (address: string): AddressKind => {
  const family = isIP(address);
  if (family === 0) return 'notAnAddress';
  if (family === 6) {
    const inner = embeddedIPv4(address);
    if (inner !== null) return classifyAddress(inner);
  }
  const plain = address.split('%')[0] ?? '';
  const type = family === 4 ? 'ipv4' : 'ipv6';
  for (const [kind, list] of lists) if (list.check(plain, type)) return kind;
  return family === 4 || globalUnicast.check(plain, 'ipv6') ? 'public' : 'reserved';
};

/** What an operator allows besides the public Internet. */
export interface Allowance {
  /** @param host name or address as it stands in the URL, without brackets */
  allows(host: string, address: string): boolean;
}

/**
 * Reads an operator's list. An entry is a network (`10.1.0.0/16`), an address, or a host name; a host name allows
 * whatever that name resolves to. Metadata services are reachable only where their own address is listed, so that a
 * wide network cannot open them by accident.
 * @throws RangeError naming the position of an entry that is none of these
 */
export const parseAllowance = (entries: readonly string[]): Allowance => {
  const networks = new BlockList();
  const single = new BlockList();
  const hosts = new Set<string>();
  entries.forEach((entry, position) => {
    const text = entry.trim().toLowerCase();
    const [network = '', bits, ...rest] = text.split('/');
    const family = isIP(network);
    if (bits === undefined && family === 0 && /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/.test(text)) return void hosts.add(text);
    const width = family === 4 ? 32 : 128;
    const length = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : Infinity;
    if (family === 0 || rest.length > 0 || length > width)
      throw new RangeError(`entry ${position + 1} is no network, address or host name`);
    (length === width ? single : networks).addSubnet(network, length, family === 4 ? 'ipv4' : 'ipv6');
  });
  return {
    allows(host, address) {
      const type = isIPv4(address) ? 'ipv4' : 'ipv6';
      if (isIP(address) === 0) return false;
      if (single.check(address, type)) return true;
      if (classifyAddress(address) === 'metadata') return false;
      return networks.check(address, type) || hosts.has(host.toLowerCase().replace(/\.$/, ''));
    },
  };
};
