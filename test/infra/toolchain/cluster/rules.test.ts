import type { V1NetworkPolicy, V1NetworkPolicySpec } from '@kubernetes/client-node';
import {
  permissionsOf,
  type Direction,
  type Permissions,
  type PolicyPod,
  type PolicyScene,
} from '../../../../infra/toolchain/cluster/policies/rules.ts';

const aPod = (address: string, labels: Record<string, string> = {}, namespace = 'jobs'): PolicyPod => ({
  namespace,
  labels,
  address,
  ports: [{ name: 'web', protocol: 'TCP', number: 8000 + Number(address.split('.')[3]) }],
});

const job = aPod('10.0.0.1', { role: 'job' });
const friend = aPod('10.0.0.2', { role: 'friend' });
const stranger = aPod('10.0.0.3', { role: 'friend' }, 'elsewhere');

const aPolicy = (spec: V1NetworkPolicySpec, namespace = 'jobs'): V1NetworkPolicy => ({ metadata: { name: 'policy', namespace }, spec });

const aScene = (...policies: V1NetworkPolicy[]): PolicyScene => ({
  pods: [job, friend, stranger],
  namespaces: new Map([
    ['jobs', { team: 'a' }],
    ['elsewhere', { team: 'b' }],
  ]),
  policies,
});

const everyone = { podSelector: {} };

describe('permissionsOf', () => {
  test.each<[string, V1NetworkPolicySpec, Direction, Permissions]>([
    ['a policy without types is about ingress', everyone, 'ingress', []],
    ['a policy without types and without egress rules says nothing about egress', everyone, 'egress', undefined],
    ['a policy without types and with egress rules is about egress', { ...everyone, egress: [{}] }, 'egress', ['']],
    ['a policy about egress says nothing about ingress', { ...everyone, policyTypes: ['Egress'] }, 'ingress', undefined],
    ['a policy that selects other pods says nothing', { podSelector: { matchLabels: { role: 'friend' } } }, 'ingress', undefined],
    ['a rule without peers is for everybody', { ...everyone, ingress: [{ ports: [{ port: 80 }] }] }, 'ingress', ['tcp dport 80']],
    ['an empty list of peers is for everybody', { ...everyone, ingress: [{ _from: [] }] }, 'ingress', ['']],
    [
      'a network, but for parts of it',
      {
        ...everyone,
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '10.1.0.0/16', except: ['10.1.2.0/24'] } }], ports: [{ port: 53, protocol: 'UDP' }] }],
      },
      'egress',
      ['ip daddr 10.1.0.0/16 ip daddr != { 10.1.2.0/24 } udp dport 53'],
    ],
    [
      'a network of version 6 opens nothing',
      { ...everyone, policyTypes: ['Egress'], egress: [{ to: [{ ipBlock: { cidr: '::/0' } }] }] },
      'egress',
      [],
    ],
    ['a range of ports', { ...everyone, ingress: [{ ports: [{ port: 100, endPort: 200 }] }] }, 'ingress', ['tcp dport 100-200']],
    ['a protocol without a port', { ...everyone, ingress: [{ ports: [{ protocol: 'UDP' }] }] }, 'ingress', ['meta l4proto udp']],
    [
      'a selector of pods is for those of the namespace of the policy',
      { ...everyone, ingress: [{ _from: [{ podSelector: { matchLabels: { role: 'friend' } } }] }] },
      'ingress',
      ['ip saddr { 10.0.0.2 }'],
    ],
    [
      'a selector of namespaces is for all their pods',
      { ...everyone, ingress: [{ _from: [{ namespaceSelector: { matchLabels: { team: 'b' } } }] }] },
      'ingress',
      ['ip saddr { 10.0.0.3 }'],
    ],
    [
      'both selectors must hold',
      { ...everyone, ingress: [{ _from: [{ namespaceSelector: {}, podSelector: { matchLabels: { role: 'friend' } } }] }] },
      'ingress',
      ['ip saddr { 10.0.0.2, 10.0.0.3 }'],
    ],
    [
      'peers that are nobody open nothing',
      { ...everyone, ingress: [{ _from: [{ podSelector: { matchLabels: { role: 'ghost' } } }], ports: [{ port: 80 }] }] },
      'ingress',
      [],
    ],
    ["a named port of ingress is the pod's own", { ...everyone, ingress: [{ ports: [{ port: 'web' }] }] }, 'ingress', ['tcp dport 8001']],
    [
      'a named port of egress is what each peer calls so',
      {
        ...everyone,
        policyTypes: ['Egress'],
        egress: [{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { role: 'friend' } } }], ports: [{ port: 'web' }] }],
      },
      'egress',
      ['ip daddr 10.0.0.2 tcp dport 8002', 'ip daddr 10.0.0.3 tcp dport 8003'],
    ],
    ['a name that no port has opens nothing', { ...everyone, ingress: [{ ports: [{ port: 'none' }] }] }, 'ingress', []],
  ])('%s', (_rule, spec, direction, expected) => {
    expect(permissionsOf(job, direction, aScene(aPolicy(spec)))).toEqual(expected);
  });

  test('a policy of another namespace says nothing', () => {
    expect(permissionsOf(job, 'ingress', aScene(aPolicy(everyone, 'elsewhere')))).toBeUndefined();
  });

  test('policies add up', () => {
    const open = aPolicy({ ...everyone, ingress: [{ ports: [{ port: 80 }] }] });
    expect(permissionsOf(job, 'ingress', aScene(aPolicy(everyone), open))).toEqual(['tcp dport 80']);
  });

  test('a peer counts the same however the policy came: a watch names the key as the API does', () => {
    const from = [{ podSelector: { matchLabels: { role: 'friend' } } }];
    const spec = { podSelector: {}, ingress: [{ from }] } as unknown as V1NetworkPolicySpec;
    expect(permissionsOf(job, 'ingress', aScene(aPolicy(spec)))).toEqual(['ip saddr { 10.0.0.2 }']);
  });

  test.each([
    ['In', ['job', 'x'], true],
    ['In', ['x'], false],
    ['NotIn', ['job'], false],
    ['NotIn', ['x'], true],
    ['Exists', undefined, true],
    ['DoesNotExist', undefined, false],
  ])('expression %s %p', (operator, values, isAbout) => {
    const podSelector = { matchExpressions: [{ key: 'role', operator, ...(values !== undefined && { values }) }] };
    expect(permissionsOf(job, 'ingress', aScene(aPolicy({ podSelector })))).toEqual(isAbout ? [] : undefined);
  });
});
