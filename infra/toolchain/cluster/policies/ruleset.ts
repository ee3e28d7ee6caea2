/** The whole firewall of a node as one text for nftables, which takes it as one step. Pure. */

import { permissionsOf, type Direction, type Permissions, type PolicyPod, type PolicyScene } from './rules.ts';

const table = 'inet c2d_policies';
const remove = `table ${table} {\n}\ndelete table ${table}\n`;

/** The ruleset with which nothing is enforced. */
export const openRuleset = remove;

/**
 * The ruleset that enforces the scene for the pods in it. A pod that is not in it has no network at all: its rules
 * are not in place yet, or its address is nobody's any more.
 * @param podCidr addresses of this node's pods
 */
export const enforcingRuleset = (scene: PolicyScene, podCidr: string): string => {
  const chains = new Map<string, string>();
  const [egress, ingress] = (['egress', 'ingress'] as const).map((direction) =>
    scene.pods.flatMap((pod) => {
      const chain = chainFor(permissionsOf(pod, direction, scene), direction, chains);
      return chain === undefined ? [] : [`${pod.address} : jump ${chain}`];
    }),
  ) as [string[], string[]];
  return `${remove}table ${table} {
${renderSet(
  'set known',
  'ipv4_addr',
  scene.pods.map(({ address }: PolicyPod) => address),
)}
${[...chains.entries()].map(([rules, name]) => renderChain(name, rules.split('\n'))).join('')}${renderSet('map leaving', 'ipv4_addr : verdict', egress)}
${renderSet('map arriving', 'ipv4_addr : verdict', ingress)}
  chain judge {
    iifname "veth*" ip saddr != ${podCidr} drop
    ip saddr ${podCidr} ip saddr != @known drop
    ip saddr vmap @leaving
    ip daddr ${podCidr} ip daddr != @known drop
    ip daddr vmap @arriving
  }
  chain forward {
    type filter hook forward priority 0
    ct state established,related accept
    meta nfproto ipv6 drop
    jump judge
  }
  chain input {
    type filter hook input priority 0
    ct state established,related accept
    iifname "veth*" meta nfproto ipv6 drop
    iifname "veth*" jump judge
  }
}
`;
};

/** Pods with the same permissions share a chain. @param chains name by rules, filled here */
const chainFor = (permissions: Permissions, direction: Direction, chains: Map<string, string>): string | undefined => {
  if (permissions === undefined) return undefined;
  // what may leave may still not be allowed to arrive: so it goes on
  const rules = [`# ${direction}`, ...permissions.map((match) => `${match} return`), 'drop'].join('\n');
  const name = chains.get(rules) ?? `permissions${chains.size}`;
  chains.set(rules, name);
  return name;
};

const renderSet = (name: string, type: string, elements: readonly string[]): string => {
  // an empty list of elements is no list
  const list = elements.length === 0 ? '' : `\n    elements = { ${[...new Set(elements)].join(', ')} }`;
  return `  ${name} {\n    type ${type}${list}\n  }`;
};

const renderChain = (name: string, rules: readonly string[]): string =>
  `  chain ${name} {\n${rules.map((rule) => `    ${rule}\n`).join('')}  }\n`;
