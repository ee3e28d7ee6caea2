import { readFileSync } from 'node:fs';
import { ensureHelm } from '../../../infra/toolchain/cluster/helm.ts';
import { keysOfChart, keysOfOtherPlaces, serviceConfigKeys, valuesSchema } from '../../../infra/toolchain/chart/valuesSchema.ts';
import { nodeOptions } from '../../../infra/toolchain/serviceProcess.ts';
import { jobLabel } from '../../../workflows/contract/ids.ts';
import { find, renderChart, type Rendered } from './renderChart.ts';

// the first time it is built, for minutes
beforeAll(async () => {
  await ensureHelm();
}, 900_000);

const complete = ['complete-values.yaml'];
const everything = ['complete-values.yaml', 'everything-values.yaml'];
const outside = ['outside-values.yaml'];

const deployments = (objects: readonly Rendered[]) => objects.filter(({ kind }) => kind === 'Deployment');
const podsOf = (objects: readonly Rendered[]) => [
  ...deployments(objects).map(({ metadata, spec }) => ({ name: metadata!.name!, spec: spec.template.spec })),
  ...objects.filter(({ kind }) => kind === 'Pod').map(({ metadata, spec }) => ({ name: metadata!.name!, spec })),
];

describe('the seal of the jobs', () => {
  test.each([
    ['a whole installation', complete, { namespaceSelector: expect.anything(), podSelector: expect.anything() }, 8080],
    ['processes outside the cluster', outside, { ipBlock: { cidr: '10.1.2.3/32' } }, 8090],
  ])('lets pods of %s reach the gateway on one port, and nothing else', async (_name, values, peer, port) => {
    const policies = (await renderChart(...values)).filter(
      ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata?.namespace === 'c2d-jobs',
    );
    expect(policies.map(({ spec }) => spec)).toEqual([
      { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      {
        podSelector: { matchExpressions: [{ key: jobLabel, operator: 'Exists' }] },
        policyTypes: ['Egress'],
        egress: [{ to: [peer], ports: [{ protocol: 'TCP', port }] }],
      },
    ]);
  });

  test('chooses the pods of the gateway in the namespace of the release', async () => {
    const objects = await renderChart(...complete);
    const [{ namespaceSelector, podSelector }] = find(objects, 'NetworkPolicy', 'c2d-agents-to-gateway').spec.egress[0].to;
    const { template } = find(objects, 'Deployment', 'c2d-gateway').spec;
    expect(namespaceSelector).toEqual({ matchLabels: { 'kubernetes.io/metadata.name': 'durable-c2d' } });
    expect(template.metadata.labels).toMatchObject(podSelector.matchLabels);
    expect(template.spec.containers[0].ports).toContainEqual({ name: 'agents', containerPort: 8080 });
  });

  test("leaves the canary open at the gateway, so that only the jobs' own policy can close it", async () => {
    const { ingress } = find(await renderChart(...complete), 'NetworkPolicy', 'c2d-gateway').spec;
    expect(ingress).toContainEqual({ ports: [{ protocol: 'TCP', port: 8081 }] });
  });

  test('does not change with any value', async () => {
    const sealOf = (objects: readonly Rendered[]) =>
      objects
        .filter(
          ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata?.namespace?.endsWith('s') && /jobs|pods/.test(metadata.namespace),
        )
        .map(({ spec }) => ({ ...spec, egress: spec.egress?.map(({ ports }: { ports: unknown }) => ports) }));
    expect(sealOf(await renderChart(...everything))).toEqual(sealOf(await renderChart(...complete)));
  });

  test('is enforced by a namespace that takes restricted pods only', async () => {
    expect(find(await renderChart(...everything), 'Namespace', 'compute-pods').metadata?.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
      'example.com/team': 'data',
    });
  });
});

describe('the classic API', () => {
  test('is reached through the Service and past the policy where it is enabled, and nowhere else', async () => {
    const portsOf = (objects: readonly Rendered[], name: string) => ({
      service: find(objects, 'Service', name).spec.ports.map(({ port, targetPort }: { port: number; targetPort: string }) => [
        port,
        targetPort,
      ]),
      container: find(objects, 'Deployment', name).spec.template.spec.containers[0].ports.map(({ name: port }: { name: string }) => port),
      policy: find(objects, 'NetworkPolicy', name).spec.ingress.flatMap(({ ports }: { ports: { port: number }[] }) =>
        ports.map(({ port }) => port),
      ),
    });
    const enabled = portsOf(await renderChart(...everything), 'compute-api');
    expect(enabled.service).toContainEqual([8030, 'classic']);
    expect(enabled.container).toContain('classic');
    expect(enabled.policy).toContain(8030);
    expect(JSON.stringify(portsOf(await renderChart(...complete), 'c2d-api'))).not.toMatch(/classic|8030/);
  });
});

describe('the operator-service API', () => {
  test('has a Service of its own inside the cluster, and a policy for Providers, where it is enabled', async () => {
    const enabled = await renderChart(...everything);
    const { type, ports } = find(enabled, 'Service', 'compute-operator').spec;
    // whatever the Service of consumers is
    expect([type, ports]).toEqual(['ClusterIP', [{ name: 'operator', port: 8050, targetPort: 'operator' }]]);
    expect(find(enabled, 'Service', 'compute-api').spec.type).toBe('NodePort');
    expect(JSON.stringify(find(enabled, 'Service', 'compute-api').spec.ports)).not.toMatch(/operator|8050/);
    expect(find(enabled, 'NetworkPolicy', 'compute-api').spec.ingress).toContainEqual({
      ports: [{ protocol: 'TCP', port: 8050 }],
      _from: [{ podSelector: { matchLabels: { app: 'provider' } } }],
    });
    expect(find(enabled, 'Deployment', 'compute-api').spec.template.spec.containers[0].ports).toContainEqual({
      name: 'operator',
      containerPort: 8050,
    });
    expect(JSON.stringify((await renderChart(...complete)).map(({ kind, metadata, spec }) => [kind, metadata?.name, spec]))).not.toMatch(
      /-operator"|8050/,
    );
  });
});

describe('rights', () => {
  test.each([
    ['a whole installation', complete, []],
    ['processes outside the cluster', outside, []],
    ['one that takes credentials for registries', everything, [{ apiGroups: [''], resources: ['secrets'], verbs: ['create', 'delete'] }]],
  ])('of %s are the pods of one namespace, and its events (complaint: rights on the whole cluster)', async (_name, values, more) => {
    const objects = await renderChart(...values);
    const roles = objects.filter(({ kind }) => kind?.endsWith('Role'));
    expect(roles.map(({ kind, rules }) => ({ kind, rules }))).toEqual([
      {
        kind: 'Role',
        rules: [
          { apiGroups: [''], resources: ['pods'], verbs: ['create', 'get', 'list', 'watch', 'delete'] },
          ...more,
          { apiGroups: [''], resources: ['events'], verbs: ['list', 'watch'] },
        ],
      },
    ]);
    expect(objects.filter(({ kind }) => kind === 'ClusterRoleBinding')).toEqual([]);
    const bindings = objects.filter(({ kind }) => kind === 'RoleBinding');
    expect(bindings.map(({ subjects }) => subjects.map(({ name }: { name: string }) => name))).toEqual([
      [expect.stringMatching(/-orchestrator$/)],
    ]);
  });

  test('are with the orchestrator alone: no other pod has a token', async () => {
    const withToken = podsOf(await renderChart(...complete)).filter(({ spec }) => spec.automountServiceAccountToken !== false);
    expect(withToken.map(({ name }) => name)).toEqual(['c2d-orchestrator']);
  });
});

describe('processes', () => {
  test.each(['api', 'orchestrator', 'gateway'] as const)('Node runs the %s with the same options as without a chart', async (name) => {
    const { template } = find(await renderChart(...complete), 'Deployment', `c2d-${name}`).spec;
    expect(template.spec.containers[0].args.slice(0, -1)).toEqual(nodeOptions[name]);
  });

  test.each(['c2d-api', 'c2d-gateway', 'c2d-orchestrator', 'c2d-test'])('%s is a restricted pod with a read-only root', async (name) => {
    const { spec } = podsOf(await renderChart(...complete)).find((pod) => pod.name === name)!;
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 64_240, seccompProfile: { type: 'RuntimeDefault' } });
    expect(spec).not.toMatchObject({ hostNetwork: true });
    for (const { securityContext } of spec.containers) {
      expect(securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
    }
  });

  test('have time to end what they have begun', async () => {
    for (const { spec } of deployments(await renderChart(...complete))) {
      const { terminationGracePeriodSeconds, containers } = spec.template.spec;
      // a process takes a minute at most, see infra/process/lifecycle.ts
      expect(terminationGracePeriodSeconds).toBeGreaterThan(60 + containers[0].lifecycle.preStop.sleep.seconds);
    }
  });

  test('get every key of the configuration: from the chart, or from `settings`', async () => {
    const env = deployments(await renderChart(...everything)).flatMap(({ spec }) => spec.template.spec.containers[0].env);
    const set = new Set<string>(env.map(({ name }: { name: string }) => name));
    const { settings } = valuesSchema()['properties'] as { settings: { properties: object } };
    expect([...set].filter((key) => !(key in settings.properties)).toSorted()).toEqual([...keysOfChart].toSorted());
    expect([...new Set([...keysOfChart, ...Object.keys(settings.properties), ...keysOfOtherPlaces])].toSorted()).toEqual(
      serviceConfigKeys().toSorted(),
    );
  });

  test('get each key once', async () => {
    for (const { spec } of deployments(await renderChart(...everything))) {
      const names = spec.template.spec.containers[0].env.map(({ name }: { name: string }) => name);
      expect(names).toEqual([...new Set(names)]);
    }
  });

  test('read secrets from files that exist', async () => {
    for (const { spec } of deployments(await renderChart(...everything))) {
      const { containers, volumes } = spec.template.spec;
      const sources = volumes.find(({ name }: { name: string }) => name === 'secrets').projected.sources;
      const files = sources.flatMap(({ secret }: { secret: { items: { path: string }[] } }) => secret.items.map((item) => item.path));
      const folder = 'file:///etc/durable-c2d/secrets/';
      const read = containers[0].env.flatMap(({ value = '' }: { value?: string }) =>
        value.startsWith(folder) ? [value.slice(folder.length)] : [],
      );
      expect(read.toSorted()).toEqual(files.toSorted());
    }
  });

  test('are not rendered for processes outside the cluster', async () => {
    const kinds = (await renderChart(...outside)).map(({ kind, metadata }) => `${kind} ${metadata?.name}`);
    expect(kinds.toSorted()).toEqual([
      'Namespace c2d-jobs',
      'NetworkPolicy c2d-agents-to-gateway',
      'NetworkPolicy c2d-deny-all',
      'Role c2d-orchestrator',
      'RoleBinding c2d-orchestrator',
      'ServiceAccount c2d-orchestrator',
    ]);
  });
});

/** Objects in the schema that take keys of any name. */
const openObjects = (schema: unknown, path: string): readonly string[] => {
  if (typeof schema !== 'object' || schema === null) return [];
  const { type, additionalProperties } = schema as { type?: unknown; additionalProperties?: unknown };
  const isOpen = type === 'object' && (additionalProperties === undefined || additionalProperties === true);
  return [...(isOpen ? [path] : []), ...Object.entries(schema).flatMap(([key, inner]) => openObjects(inner, `${path}/${key}`))];
};

describe('values.schema.json', () => {
  const text = readFileSync(new URL('../../../infra/helm/durable-c2d/values.schema.json', import.meta.url), 'utf8');

  test('is the one of the configuration', () => {
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(valuesSchema())));
  });

  test('has no object that takes keys which nobody knows', () => {
    // Helm itself sets `global`
    expect(openObjects(JSON.parse(text), '')).toEqual(['/properties/global']);
  });
});
