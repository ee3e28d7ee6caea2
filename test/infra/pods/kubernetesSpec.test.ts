import { kubernetesPod, pullSecret, type KubernetesPodSettings } from '../../../infra/pods/kubernetesSpec.ts';
import { anywhere, type PodFilter, type PodSpec } from '../../../workflows/contract/pod.ts';

const settings: KubernetesPodSettings = {
  instance: 'here',
  agentImage: 'agent@sha256:1',
  imagePullSecrets: [],
  registryCredentials: false,
  hostUsers: true,
  tmpBytes: 64,
  agentMemoryBytes: 300,
  agentCpu: 1,
};
const spec: PodSpec = {
  pod: { jobId: 'a'.repeat(32), podAttempt: 2 },
  environmentId: 'small',
  image: `r.example/a@sha256:${'b'.repeat(64)}`,
  command: ['node', 'a.js'],
  env: { DIDS: '[]' },
  resources: { cpu: 0.5, memoryBytes: 1_000, diskBytes: 5_000, devices: { 'example.com/gpu': 2 } },
  token: 'the-token',
  deadlineSeconds: 99.5,
  createSeconds: 60,
  graceSeconds: 5,
  publishSeconds: 30,
  placement: anywhere,
  filters: [],
};
const make = (changes: Partial<PodSpec> = {}, others: Partial<KubernetesPodSettings> = {}) =>
  kubernetesPod({ ...spec, ...changes }, { ...settings, ...others }, 'http://10.0.0.1:8080');
const parts = (pod: ReturnType<typeof make>) => {
  const [agent, algorithm, ...others] = pod.spec!.containers;
  expect(others).toEqual([]);
  return { agent: agent!, algorithm: algorithm! };
};
const placement = (changes: Partial<PodSpec['placement']>) => ({ placement: { ...anywhere, ...changes } });

describe('credentials for a registry', () => {
  const registryCredentials = { username: 'reader', password: 'the-password' };
  const name = `c2d-${'a'.repeat(32)}-2`;
  const takes = { registryCredentials: true };

  test.each([
    ['r.example/a', 'r.example'],
    ['r.example:5000/team/a:1', 'r.example:5000'],
    ['localhost:5000/a', 'localhost:5000'],
    ['team/a:1', 'https://index.docker.io/v1/'],
    ['a', 'https://index.docker.io/v1/'],
  ])('for the image %s are a secret of the pod attempt, for the registry %s alone', (image, registry) => {
    const secret = pullSecret({ ...spec, image, registryCredentials }, settings);
    expect(secret).toMatchObject({
      ...{ kind: 'Secret', type: 'kubernetes.io/dockerconfigjson', immutable: true },
      metadata: { name, labels: { 'c2d.instance': 'here', 'c2d.job-id': 'a'.repeat(32), 'c2d.pod-attempt': '2' } },
    });
    const auth = Buffer.from('reader:the-password').toString('base64');
    expect(JSON.parse(secret!.stringData!['.dockerconfigjson']!)).toEqual({ auths: { [registry]: { ...registryCredentials, auth } } });
  });

  test("are found by the pod beside the operator's own secrets, and are nowhere in it", () => {
    const pod = make({ registryCredentials }, { ...takes, imagePullSecrets: ['ours'] });
    expect(pod.spec?.imagePullSecrets).toEqual([{ name: 'ours' }, { name }]);
    expect(JSON.stringify(pod)).not.toMatch(/reader|the-password|cmVhZGVy/);
  });

  test('are nothing to a job that brings none', () => {
    expect(pullSecret(spec, settings)).toBeUndefined();
    expect(make({}, takes).spec).not.toHaveProperty('imagePullSecrets');
  });

  test.each([
    ['where jobs may bring some, the registry is asked for every pod', takes, 'r.example/a', 'Always'],
    ['an image that is in no registry is not asked for', takes, 'localhost/a:1', 'IfNotPresent'],
    ['elsewhere an image that is there is not asked for', {}, 'r.example/a', 'IfNotPresent'],
  ] as const)('%s', (_name, others, image, policy) => {
    const { agent, algorithm } = parts(make({ image }, others));
    expect([agent.imagePullPolicy, algorithm.imagePullPolicy]).toEqual(['IfNotPresent', policy]);
  });
});

describe('kubernetesPod', () => {
  test('is one pod of two containers, named and labelled after its job (complaint: slow starts by init containers)', () => {
    const pod = make();
    expect(pod.spec?.initContainers).toBeUndefined();
    expect(pod.spec?.containers.map(({ name }) => name)).toEqual(['agent', 'algorithm']);
    expect(pod.metadata).toEqual({
      name: `c2d-${'a'.repeat(32)}-2`,
      labels: { 'c2d.instance': 'here', 'c2d.job-id': 'a'.repeat(32), 'c2d.pod-attempt': '2', 'c2d.environment': 'small' },
      annotations: { 'c2d.create-seconds': '60' },
    });
  });

  test('both containers are as little as Pod Security "restricted" allows, and different users', () => {
    for (const [{ securityContext }, uid] of [
      [parts(make()).agent, 64_242],
      [parts(make()).algorithm, 1_000],
    ] as const)
      expect(securityContext).toEqual({
        runAsUser: uid,
        runAsGroup: uid,
        runAsNonRoot: true,
        privileged: false,
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      });
  });

  test('knows nothing of the cluster, looks nothing up and never begins again', () => {
    expect(make().spec).toMatchObject({
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['127.0.0.1'] },
      activeDeadlineSeconds: 100,
      terminationGracePeriodSeconds: 35,
    });
  });

  test('only the environment of the agent has the token', () => {
    const pod = make();
    const { agent, ...others } = { ...parts(pod), metadata: pod.metadata };
    expect(agent.env).toContainEqual({ name: 'C2D_TOKEN', value: 'the-token' });
    expect(JSON.stringify(others)).not.toContain('the-token');
    expect(JSON.stringify({ ...agent, env: [] })).not.toContain('the-token');
  });

  test('the algorithm reads inputs and control, and writes outputs and its /tmp', () => {
    expect(parts(make()).algorithm.volumeMounts).toEqual([
      { name: 'data', mountPath: '/data', readOnly: true },
      { name: 'outputs', mountPath: '/data/outputs' },
      { name: 'control', mountPath: '/.c2d', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ]);
    expect(make().spec?.volumes?.find(({ name }) => name === 'tmp')?.emptyDir).toEqual({ medium: 'Memory', sizeLimit: '64' });
  });

  test('the algorithm gets what it asked for, no more and no less', () => {
    const amounts = { cpu: '500m', memory: '1000', 'ephemeral-storage': '5000', 'example.com/gpu': '2' };
    expect(parts(make()).algorithm.resources).toEqual({ requests: amounts, limits: amounts });
  });

  test('dollar signs are literal in commands, variables and the wrapper', () => {
    const { algorithm } = parts(make({ command: ['sh', '-c', 'echo $(A) $$ $x'], env: { A: '$(HOME) $$' } }));
    expect(algorithm.command?.at(-1)).toBe('echo $$(A) $$$$ $$x');
    expect(algorithm.env).toEqual([{ name: 'A', value: '$$(HOME) $$$$' }]);
    expect(algorithm.command?.join('').replaceAll('$$', '')).not.toContain('$');
  });

  test("hides the cluster's variables, but none that the consumer named so", () => {
    const scriptOf = (env: Record<string, string>): string => parts(make({ env })).algorithm.command?.[3] ?? '';
    expect(scriptOf({})).toMatch(/unset .*KUBERNETES_SERVICE_HOST.*KUBERNETES_PORT_443_TCP_ADDR/);
    expect(scriptOf({ KUBERNETES_SERVICE_HOST: 'mine' })).not.toMatch(/KUBERNETES_SERVICE_HOST\b/);
  });

  test.each([null, []])('a request without an entrypoint is refused with the remedy (%j)', (command) => {
    expect(() => make({ command })).toThrow(
      expect.objectContaining({ type: 'ImageUnavailable', message: expect.stringMatching(/set one/) }),
    );
  });

  test("an environment's place in the cluster", () => {
    const own = { key: 'gpu', operator: 'Exists', effect: 'NoSchedule' } as const;
    const { metadata, spec: made } = make(
      placement({
        nodeSelector: { pool: 'gpu' },
        tolerations: [own],
        runtimeClassName: 'gvisor',
        priorityClassName: 'low',
        labels: { team: 'a', 'c2d.job-id': 'forged', 'c2d.instance': 'forged' },
      }),
    );
    expect(made).toMatchObject({ nodeSelector: { pool: 'gpu' }, runtimeClassName: 'gvisor', priorityClassName: 'low' });
    expect(made?.tolerations).toContainEqual(own);
    // ours win: network policies go by them
    expect(metadata?.labels).toMatchObject({ team: 'a', 'c2d.job-id': 'a'.repeat(32), 'c2d.instance': 'here' });
  });

  test.each(['not-ready', 'unreachable'])('a node that is %s keeps the pod for half a minute only', (taint) => {
    expect(make().spec?.tolerations).toContainEqual({
      key: `node.kubernetes.io/${taint}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 30,
    });
  });

  test.each<[string, number | null, 'emptyDir' | 'ephemeral']>([
    ['never', null, 'emptyDir'],
    ['for larger jobs only', 5_001, 'emptyDir'],
    ['from this size on', 5_000, 'ephemeral'],
  ])('volumes of a storage class: %s', (_what, volumeFromBytes, kind) => {
    const { spec: made } = make(placement({ volumeFromBytes, storageClassName: 'fast' }));
    for (const name of ['data', 'outputs']) {
      const volume = made?.volumes?.find((each) => each.name === name);
      expect(Object.keys(volume ?? {}).sort()).toEqual(['name', kind].sort());
      if (kind === 'emptyDir') expect(volume?.emptyDir).toEqual({ sizeLimit: '5000' });
      else
        expect(volume?.ephemeral?.volumeClaimTemplate?.spec).toMatchObject({
          storageClassName: 'fast',
          resources: { requests: { storage: '5000' } },
        });
    }
    // a fresh volume is root's: the group lets both containers in
    expect(made?.securityContext).toEqual(kind === 'emptyDir' ? {} : { fsGroup: 64_242, fsGroupChangePolicy: 'OnRootMismatch' });
  });

  test.each([
    [undefined, { type: 'RuntimeDefault' }],
    ['c2d/hardened.json', { type: 'Localhost', localhostProfile: 'c2d/hardened.json' }],
  ])('both containers have the system call filter of the nodes that is configured: %s', (seccompProfile, expected) => {
    const { spec: made } = make({}, seccompProfile === undefined ? {} : { seccompProfile });
    expect(made?.containers.map(({ securityContext }) => securityContext?.seccompProfile)).toEqual([expected, expected]);
  });

  test('user namespaces and pull secrets only where they are configured', () => {
    expect(make().spec).not.toHaveProperty('hostUsers');
    expect(make().spec).not.toHaveProperty('imagePullSecrets');
    expect(make({}, { hostUsers: false, imagePullSecrets: ['one', 'two'] }).spec).toMatchObject({
      hostUsers: false,
      imagePullSecrets: [{ name: 'one' }, { name: 'two' }],
    });
  });
});

describe('filters of a pod', () => {
  const filter: PodFilter = {
    ...{ by: 'environment small', image: 'filter:1', command: ['/filter', '$(DIDS)'], env: { MODE: 'x' } },
    ...{ cpu: 1, memoryBytes: 2_000, seconds: 60, seesInputs: true },
  };
  const filters = [filter, { ...filter, by: 'did:op:1', seesInputs: false }];
  const containersOf = (changes: Partial<PodSpec>) => make(changes).spec?.containers ?? [];

  test('are containers after the algorithm, as sealed as that, and named where looks find them', () => {
    const [agent, algorithm, one, two] = containersOf({ filters });
    expect([one?.name, two?.name]).toEqual(['filter-0', 'filter-1']);
    expect(one?.securityContext).toEqual(algorithm?.securityContext);
    expect(one?.command?.slice(-2)).toEqual(['/filter', '$$(DIDS)']);
    expect(one?.resources).toMatchObject({ requests: { cpu: '50m', memory: '2000' }, limits: { cpu: '1000m', memory: '2000' } });
    expect(make({ filters }).metadata?.annotations).toEqual({
      'c2d.create-seconds': '60',
      'c2d.filters': '["environment small","did:op:1"]',
    });
    expect(agent?.env).toContainEqual({
      name: 'C2D_FILTERS',
      value: '[{"by":"environment small","image":"filter:1","seconds":60},{"by":"did:op:1","image":"filter:1","seconds":60}]',
    });
    expect(JSON.stringify([one, two])).not.toContain('the-token');
  });

  test('see outputs, a part of the control volume and a /tmp of their own, and inputs only where they may', () => {
    const [, , one, two] = containersOf({ filters });
    const mounts = (n: number) => [
      { name: 'outputs', mountPath: '/data/outputs' },
      { name: 'filters', mountPath: '/.c2d', subPath: String(n), readOnly: true },
      { name: `tmp-filter-${n}`, mountPath: '/tmp' },
    ];
    expect(one?.volumeMounts).toEqual([{ name: 'data', mountPath: '/data', readOnly: true }, ...mounts(0)]);
    expect(two?.volumeMounts).toEqual(mounts(1));
  });

  test('change nothing of the algorithm, and are nowhere in a pod without any', () => {
    expect(containersOf({ filters })[1]).toEqual(containersOf({})[1]);
    expect(JSON.stringify(make())).not.toContain('ilter');
  });
});
