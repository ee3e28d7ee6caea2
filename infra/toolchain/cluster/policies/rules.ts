/** What the network policies of a cluster say about each pod, as rules of nftables. Pure. */

import type { V1NetworkPolicy, V1NetworkPolicyIngressRule, V1NetworkPolicyPeer, V1NetworkPolicyPort } from '@kubernetes/client-node';
import { isSelected, type Labels } from './selector.ts';

/** A pod with an address. */
export interface PolicyPod {
  readonly namespace: string;
  readonly labels: Labels;
  readonly address: string;
  /** ports of its containers that have names */
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly number: number }[];
}

/** Everything that is decided upon. */
export interface PolicyScene {
  /** labels of each namespace */
  readonly namespaces: ReadonlyMap<string, Labels>;
  readonly pods: readonly PolicyPod[];
  readonly policies: readonly V1NetworkPolicy[];
}

/** Directions as seen from the pod. */
export type Direction = 'ingress' | 'egress';

/** Traffic that may pass in one direction; undefined: all of it, no policy of this direction is about the pod. */
export type Permissions = readonly string[] | undefined;

/**
 * What may pass from or to a pod besides answers.
 * @returns matches in the language of nftables, one for each permission; none: nothing may pass
 */
export const permissionsOf = (pod: PolicyPod, direction: Direction, scene: PolicyScene): Permissions => {
  const policies = scene.policies.filter((policy) => isAbout(policy, pod, direction));
  if (policies.length === 0) return undefined;
  const matches = policies.flatMap((policy) => listMatches(policy, pod, direction, scene));
  return [...new Set(matches)].sort();
};

const isAbout = ({ metadata, spec }: V1NetworkPolicy, pod: PolicyPod, direction: Direction): boolean =>
  spec !== undefined &&
  metadata?.namespace === pod.namespace &&
  directionsOf(spec).includes(direction) &&
  isSelected(spec.podSelector ?? {}, pod.labels);

/** Without `policyTypes` a policy is about ingress, and about egress if it has a rule for that. */
const directionsOf = ({ policyTypes, egress }: NonNullable<V1NetworkPolicy['spec']>): readonly Direction[] => {
  const types = policyTypes ?? ['Ingress', ...((egress ?? []).length > 0 ? ['Egress'] : [])];
  return types.map((type) => (type === 'Ingress' ? 'ingress' : 'egress'));
};

/** What comes by a watch is as the API sends it; the client library renames this one key in what it lists. */
type WireIngressRule = V1NetworkPolicyIngressRule & { readonly from?: V1NetworkPolicyPeer[] };

const listMatches = (policy: V1NetworkPolicy, pod: PolicyPod, direction: Direction, scene: PolicyScene): readonly string[] => {
  const rules =
    direction === 'ingress'
      ? (policy.spec?.ingress ?? []).map((rule: WireIngressRule) => ({ peers: rule._from ?? rule.from, ports: rule.ports }))
      : (policy.spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
  const side = direction === 'ingress' ? 'saddr' : 'daddr';
  return rules
    .flatMap((rule) => {
      const peers = listPeers(rule.peers, policy.metadata?.namespace ?? '', scene);
      return peers.flatMap((peer) =>
        listPorts(rule.ports, direction === 'ingress' ? [pod] : peer.pods).map(({ match, only }) => joinMatch(peer, side, match, only)),
      );
    })
    .filter((match) => match !== undefined);
};

/** Somebody that a rule names: everybody, a network, or pods. */
interface Peer {
  readonly network?: { readonly cidr: string; readonly except: readonly string[] };
  /** pods that it stands for; those of a network are not looked up */
  readonly pods: readonly PolicyPod[];
  readonly isEverybody: boolean;
}

const listPeers = (peers: readonly V1NetworkPolicyPeer[] | undefined, namespace: string, scene: PolicyScene): readonly Peer[] => {
  if (peers === undefined || peers.length === 0) return [{ pods: scene.pods, isEverybody: true }];
  // pods have addresses of version 4 only
  return peers
    .filter(({ ipBlock }) => ipBlock?.cidr.includes(':') !== true)
    .map(({ ipBlock, podSelector, namespaceSelector }) => {
      if (ipBlock !== undefined) return { network: { cidr: ipBlock.cidr, except: ipBlock.except ?? [] }, pods: [], isEverybody: false };
      const isInNamespace = (pod: PolicyPod): boolean =>
        namespaceSelector === undefined
          ? pod.namespace === namespace
          : isSelected(namespaceSelector, scene.namespaces.get(pod.namespace) ?? {});
      const pods = scene.pods.filter((pod) => isInNamespace(pod) && isSelected(podSelector ?? {}, pod.labels));
      return { pods, isEverybody: false };
    });
};

/** A match for ports, for `only` these pods if the port's name means something else on each. */
interface PortMatch {
  readonly match: string;
  readonly only?: PolicyPod;
}

const listPorts = (ports: readonly V1NetworkPolicyPort[] | undefined, receivers: readonly PolicyPod[]): readonly PortMatch[] => {
  if (ports === undefined || ports.length === 0) return [{ match: '' }];
  return ports.flatMap(({ port, endPort, protocol = 'TCP' }): readonly PortMatch[] => {
    const name = protocol.toLowerCase();
    if (port === undefined) return [{ match: `meta l4proto ${name}` }];
    if (typeof port === 'number') return [{ match: `${name} dport ${endPort === undefined ? port : `${port}-${endPort}`}` }];
    return receivers.flatMap((receiver) =>
      receiver.ports
        .filter((named) => named.name === port && named.protocol === protocol)
        .map((named) => ({ match: `${name} dport ${named.number}`, only: receiver })),
    );
  });
};

const joinMatch = (peer: Peer, side: 'saddr' | 'daddr', ports: string, only: PolicyPod | undefined): string | undefined => {
  const addresses = matchAddresses(peer, side, side === 'daddr' ? only : undefined);
  return addresses === undefined ? undefined : [addresses, ports].filter((part) => part !== '').join(' ');
};

/** @returns an empty text for everybody, undefined for nobody */
const matchAddresses = ({ network, pods, isEverybody }: Peer, side: 'saddr' | 'daddr', only: PolicyPod | undefined): string | undefined => {
  if (only !== undefined) return `ip ${side} ${only.address}`;
  if (isEverybody) return '';
  if (network === undefined)
    return pods.length === 0
      ? undefined
      : `ip ${side} { ${pods
          .map(({ address }) => address)
          .sort()
          .join(', ')} }`;
  const except = network.except.length === 0 ? '' : ` ip ${side} != { ${network.except.join(', ')} }`;
  return `ip ${side} ${network.cidr}${except}`;
};
