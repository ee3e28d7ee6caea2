/** What self-tests try to reach, as this process knows the addresses. */

import { isIP } from 'node:net';
import type { SealTarget } from '../../infra/environments/sealProbe.ts';

/** Where the parts of the installation are, by name or address. The canary is not among them: each agent looks at that itself. */
export interface SealSurroundings {
  /** what agents are told: `http://host:port` */
  readonly gatewayUrl: string;
  /** `https://host:port` of the cluster's API; null: not known */
  readonly apiUrl: string | null;
  /** text of this process's resolv.conf */
  readonly resolvConf: string;
  /** `host:port` of whatever else the operator wants to be sure of */
  readonly others: readonly string[];
}

/** All addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Of a pod the loopback is its own: what listens there says nothing about the seal. */
const isLoopback = (address: string): boolean => /^127\.|^::1$|^0\.0\.0\.0$|^::$/.test(address);

const unbracketed = (host: string): string => host.replace(/^\[|\]$/g, '');

const ofUrl = (name: string, kind: SealTarget['kind'], text: string): SealTarget => {
  const { hostname, port, protocol } = new URL(text);
  return { name, kind, host: unbracketed(hostname), port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) };
};

const nameserversOf = (resolvConf: string): readonly string[] =>
  resolvConf.split('\n').flatMap((line) => {
    const [word, address] = line.trim().split(/\s+/);
    return word === 'nameserver' && address !== undefined && isIP(address) !== 0 ? [address] : [];
  });

const namedTargets = ({ gatewayUrl, apiUrl, resolvConf, others }: SealSurroundings): readonly SealTarget[] => [
  ofUrl('the gateway', 'gateway', gatewayUrl),
  ...(apiUrl === null ? [] : [ofUrl("the cluster's API", 'tcp', apiUrl)]),
  ...nameserversOf(resolvConf).map((host) => ({ name: 'name resolution', kind: 'dns' as const, host, port: 53 })),
  ...others.map((other) => ofUrl(other, 'tcp', `http://${other}`)),
];

/** Every address of every target, without those that would be the pod itself. @throws when a name cannot be resolved */
export const findSealTargets = async (surroundings: SealSurroundings, resolve: Resolve): Promise<readonly SealTarget[]> => {
  const found = await Promise.all(
    namedTargets(surroundings).map(async (target) =>
      (isIP(target.host) === 0 ? await resolve(target.host) : [target.host]).map((host) => ({ ...target, host })),
    ),
  );
  return found.flat().filter(({ host }) => !isLoopback(host));
};
