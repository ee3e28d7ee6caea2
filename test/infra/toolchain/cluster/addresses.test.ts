import { addressesOf, isTaken, slotCount } from '../../../../infra/toolchain/cluster/addresses.ts';

describe('addressesOf', () => {
  test('no two clusters share a device or a network', () => {
    const all = Array.from({ length: slotCount }, (_unused, slot) => addressesOf(slot));
    for (const key of ['device', 'host', 'node', 'podCidr', 'serviceCidr'] as const)
      expect(new Set(all.map((addresses) => addresses[key])).size).toBe(slotCount);
  });

  test('a device has a name that the kernel takes', () => {
    expect(addressesOf(slotCount - 1).device.length).toBeLessThanOrEqual(15);
  });
});

describe('isTaken', () => {
  test.each<[string, readonly string[], boolean]>([
    ['no routes', [], false],
    ['the default route is no network in use', ['default', '0.0.0.0/0'], false],
    ['another network', ['10.181.0.0/16', '192.168.0.0/16'], false],
    ['the very network', ['10.180.0.0/16'], true],
    ['a part of it', ['10.180.16.0/20'], true],
    ['one address in it', ['10.180.0.1'], true],
    ['a network around it', ['10.0.0.0/8'], true],
    ['addresses of version 6 do not matter', ['fd00::/64', '::1'], false],
  ])('%s', (_case, destinations, expected) => {
    expect(isTaken(0, destinations)).toBe(expected);
  });
});
