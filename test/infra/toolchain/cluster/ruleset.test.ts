import type { V1NetworkPolicy } from '@kubernetes/client-node';
import { enforcingRuleset, openRuleset } from '../../../../infra/toolchain/cluster/policies/ruleset.ts';
import type { PolicyPod } from '../../../../infra/toolchain/cluster/policies/rules.ts';

const aPod = (address: string): PolicyPod => ({ namespace: 'jobs', labels: {}, address, ports: [] });
const sealed: V1NetworkPolicy = { metadata: { namespace: 'jobs' }, spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } };

const rulesetOf = (pods: readonly PolicyPod[], policies: readonly V1NetworkPolicy[]): string =>
  enforcingRuleset({ pods, policies, namespaces: new Map([['jobs', {}]]) }, '10.0.0.0/20');

describe('enforcingRuleset', () => {
  test("drops what comes from or goes to an address of pods that is nobody's", () => {
    const text = rulesetOf([], []);
    expect(text).toContain('ip saddr 10.0.0.0/20 ip saddr != @known drop');
    expect(text).toContain('ip daddr 10.0.0.0/20 ip daddr != @known drop');
    expect(text).not.toContain('elements');
  });

  test('lets pods pass that no policy is about', () => {
    const text = rulesetOf([aPod('10.0.0.1')], []);
    expect(text).toContain('elements = { 10.0.0.1 }');
    expect(text).not.toContain('jump permissions');
  });

  test('has one chain for all pods with the same permissions, and it ends with a drop', () => {
    const text = rulesetOf([aPod('10.0.0.1'), aPod('10.0.0.2')], [sealed]);
    expect(text).toContain('10.0.0.1 : jump permissions0, 10.0.0.2 : jump permissions0');
    expect(text).toContain('10.0.0.1 : jump permissions1, 10.0.0.2 : jump permissions1');
    expect(text.match(/chain permissions/g)).toHaveLength(2);
    expect(text).toMatch(/chain permissions0 \{\n {4}# egress\n {4}drop\n/);
  });

  test('judges traffic to the node itself like all other', () => {
    expect(rulesetOf([], [])).toMatch(/hook input [^}]*iifname "veth\*" jump judge/);
  });

  test('replaces the one before it in one step, as does the open one', () => {
    expect(rulesetOf([], []).startsWith(openRuleset)).toBe(true);
    expect(openRuleset).toContain('delete table');
  });
});
