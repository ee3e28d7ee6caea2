/** The addresses of a cluster: each has a private network of its own, so that several can be at once. Pure. */

/** One cluster's addresses. All are reachable from this machine and none from outside. */
export interface ClusterAddresses {
  /** name of this machine's end of the cable to the node */
  readonly device: string;
  /** this machine, as node and pods see it */
  readonly host: string;
  readonly node: string;
  /** what both ends of the cable have */
  readonly prefixLength: number;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** the cluster's name server */
  readonly dns: string;
}

/** How many clusters this machine can have at once. */
export const slotCount = 32;
const firstNetwork = 180;

/** The addresses of a slot, a number from 0 to `slotCount` - 1: a network of /16 out of 10.0.0.0/8. */
export const addressesOf = (slot: number): ClusterAddresses => {
  const network = `10.${firstNetwork + slot}`;
  return {
    device: `c2d-kube${slot}`,
    host: `${network}.0.1`,
    node: `${network}.0.2`,
    prefixLength: 24,
    podCidr: `${network}.16.0/20`,
    serviceCidr: `${network}.32.0/20`,
    dns: `${network}.32.10`,
  };
};

/** True if the slot's network would overlap one of the routes, in the form of `ip -json route`: that network is in use. */
export const isTaken = (slot: number, destinations: readonly string[]): boolean => {
  const start = toNumber(`10.${firstNetwork + slot}.0.0`);
  const end = start + 0xffff;
  return destinations.some((destination) => {
    const [address = '', length = '32'] = destination.split('/');
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(address) || Number(length) === 0) return false;
    const size = 2 ** (32 - Number(length));
    const first = Math.floor(toNumber(address) / size) * size;
    return first <= end && first + size - 1 >= start;
  });
};

const toNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
