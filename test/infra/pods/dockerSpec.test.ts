import { agentContainer } from '../../../infra/pods/dockerAgentSpec.ts';
import { filterContainer, filterVolumes } from '../../../infra/pods/dockerFilterSpec.ts';
import { algorithmContainer, algorithmUser, defaultPodSettings } from '../../../infra/pods/dockerSpec.ts';
import { podLabels } from '../../../infra/pods/podLabels.ts';
import { anywhere, type PodFilter, type PodSpec } from '../../../workflows/contract/pod.ts';

const settings = {
  ...defaultPodSettings,
  instance: 'here',
  agentImage: 'localhost/agent:1',
  gateway: { kind: 'unixSocket', directory: '/srv/gateway' },
} as const;
const image = { user: '', entrypoint: ['/entry'], cmd: ['arg'] };
const spec: PodSpec = {
  pod: { jobId: 'a'.repeat(32), podAttempt: 2 },
  environmentId: 'env',
  image: 'node:24',
  command: ['node', '/data/transformations/algorithm'],
  env: { DIDS: '[]' },
  resources: { cpu: 0.5, memoryBytes: 64 * 1024 ** 2, diskBytes: 1_000_000, devices: {} },
  token: 'the-token',
  deadlineSeconds: 60,
  graceSeconds: 5,
  createSeconds: 60,
  publishSeconds: 60,
  placement: anywhere,
  filters: [],
};
const stem = `c2d-${'a'.repeat(32)}-2`;

describe('algorithmUser', () => {
  test.each([
    ['', '1000:1000'],
    ['root', '1000:1000'],
    ['0', '1000:1000'],
    ['0:0', '1000:1000'],
    ['00:5', '1000:1000'],
    ['root:staff', '1000:1000'],
    [':0', '1000:1000'],
    ['node', 'node'],
    ['1234', '1234'],
    ['1234:77', '1234:77'],
    ['rooted', 'rooted'],
  ])('an image with user %j runs as %j', (user, expected) => {
    expect(algorithmUser(user)).toBe(expected);
  });
});

describe('both containers', () => {
  test.each([
    ['algorithm', algorithmContainer(spec, image, settings)],
    ['agent', agentContainer(spec, settings)],
  ])('the %s is without privileges, read-only, limited and without a network', (part, container) => {
    expect(container).toMatchObject({
      name: `${stem}-${part}`,
      Labels: { 'c2d.instance': 'here', 'c2d.job-id': 'a'.repeat(32), 'c2d.pod-attempt': '2', 'c2d.environment': 'env' },
      HostConfig: {
        NetworkMode: 'none',
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        ReadonlyRootfs: true,
        Privileged: false,
        PidsLimit: 512,
        IpcMode: 'private',
        LogConfig: { Type: 'none' },
      },
    });
    expect(container.HostConfig?.Memory).toBe(container.HostConfig?.MemorySwap);
    expect(container.HostConfig?.Binds).toBeUndefined();
  });

  const withProfile = { ...settings, seccompProfile: '/etc/durable-c2d/seccomp.json' };

  test.each([
    ['algorithm', algorithmContainer(spec, image, withProfile)],
    ['agent', agentContainer(spec, withProfile)],
  ])('the %s is under the seccomp profile that is configured', (_part, container) => {
    expect(container.HostConfig?.SecurityOpt).toEqual(['no-new-privileges', 'seccomp=/etc/durable-c2d/seccomp.json']);
  });
});

describe('algorithmContainer', () => {
  const mounts = (container: ReturnType<typeof agentContainer>) =>
    (container.HostConfig?.Mounts ?? []).map(({ Source, Target, ReadOnly, Type }) => [Type, Source, Target, ReadOnly]);

  test('sees inputs and control read-only, outputs writable, and nothing of the host', () => {
    expect(mounts(algorithmContainer(spec, image, settings))).toEqual([
      ['volume', `${stem}-data`, '/data', true],
      ['volume', `${stem}-outputs`, '/data/outputs', false],
      ['volume', `${stem}-control`, '/.c2d', true],
    ]);
  });

  test('never holds the token', () => {
    expect(JSON.stringify(algorithmContainer(spec, image, settings))).not.toContain('the-token');
    expect(JSON.stringify(agentContainer(spec, settings))).toContain('the-token');
  });

  test("runs the image's own command where the job names none", () => {
    expect(algorithmContainer({ ...spec, command: null }, image, settings).Cmd).toEqual(['/entry', 'arg']);
    expect(algorithmContainer(spec, image, settings).Cmd).toEqual(spec.command);
    expect(() => algorithmContainer({ ...spec, command: null }, { ...image, entrypoint: [], cmd: [] }, settings)).toThrow(
      /names a command/,
    );
  });

  test('gets the amounts of the job', () => {
    expect(algorithmContainer(spec, image, settings).HostConfig).toMatchObject({ Memory: 64 * 1024 ** 2, NanoCpus: 500_000_000 });
  });

  test('is ended before its agent when the machine runs out of memory', () => {
    expect(algorithmContainer(spec, image, settings).HostConfig?.OomScoreAdj).toBeGreaterThan(
      agentContainer(spec, settings).HostConfig?.OomScoreAdj ?? 0,
    );
  });
});

describe('agentContainer', () => {
  test('shares the folder of the socket, read-only, and not the socket', () => {
    expect(agentContainer(spec, settings).HostConfig?.Mounts).toContainEqual({
      Type: 'bind',
      Source: '/srv/gateway',
      Target: '/run/c2d',
      ReadOnly: true,
    });
  });

  test('joins the network of a gateway on TCP, and mounts nothing of the host', () => {
    const container = agentContainer(spec, { ...settings, gateway: { kind: 'tcp', url: 'http://gateway:8080', network: 'c2d' } });
    expect(container.HostConfig?.NetworkMode).toBe('c2d');
    expect(container.Env).toContain('C2D_GATEWAY=http://gateway:8080');
    expect((container.HostConfig?.Mounts ?? []).every(({ Type }) => Type === 'volume')).toBe(true);
  });

  test('comes back after a failure and stays away after an end', () => {
    expect(agentContainer(spec, settings).HostConfig?.RestartPolicy).toEqual({ Name: 'on-failure', MaximumRetryCount: 10 });
    expect(algorithmContainer(spec, image, settings).HostConfig?.RestartPolicy).toEqual({ Name: 'no' });
  });
});

describe('filterContainer', () => {
  const filter: PodFilter = {
    ...{ by: 'environment env', image: 'filter:1', command: ['/filter', 'strictly'], env: { MODE: 'x', OUTPUTS: '/elsewhere' } },
    ...{ cpu: 0.25, memoryBytes: 32 * 1024 ** 2, seconds: 60, seesInputs: true },
  };
  const filtered = { ...spec, filters: [filter, { ...filter, by: 'did:op:1', seesInputs: false }] };
  const make = (n: number) => filterContainer(filtered, n, { user: '1234:77', settings });
  const mountsOf = (container: ReturnType<typeof agentContainer>) =>
    (container.HostConfig?.Mounts ?? []).map(({ Source, Target, ReadOnly }) => [Source, Target, ReadOnly]);
  const shell = [`${stem}-filter-shell`, '/.c2d-shell', true];

  test("has the algorithm's walls and user, limits of its own, and no token", () => {
    expect(make(0)).toMatchObject({
      ...{ name: `${stem}-filter-0`, Image: 'filter:1', Cmd: ['/filter', 'strictly'], User: '1234:77' },
      Labels: { 'c2d.job-id': 'a'.repeat(32) },
      HostConfig: { NetworkMode: 'none', ReadonlyRootfs: true, CapDrop: ['ALL'], Memory: 32 * 1024 ** 2, NanoCpus: 250_000_000 },
    });
    expect(make(0).Env).toEqual(['MODE=x', 'OUTPUTS=/data/outputs', 'VOLUME=/data', 'INPUTS=/data/inputs', 'LOGS=/data/logs']);
    expect(JSON.stringify(make(0))).not.toContain('the-token');
  });

  test('sees outputs and a control folder of its own, and inputs only where it may', () => {
    expect(mountsOf(make(0))).toEqual([
      [`${stem}-data`, '/data', true],
      [`${stem}-outputs`, '/data/outputs', false],
      [`${stem}-filter-0-control`, '/.c2d', true],
      shell,
    ]);
    expect(mountsOf(make(1))).toEqual([[`${stem}-outputs`, '/data/outputs', false], [`${stem}-filter-1-control`, '/.c2d', true], shell]);
    expect(make(1).Env).toEqual(['MODE=x', 'OUTPUTS=/data/outputs']);
  });

  test('is known to the agent, which has the control folders; nothing of it is in a pod without filters', () => {
    const agent = agentContainer(filtered, settings);
    expect(agent.Env).toContain(
      'C2D_FILTERS=[{"by":"environment env","image":"filter:1","seconds":60},{"by":"did:op:1","image":"filter:1","seconds":60}]',
    );
    expect(mountsOf(agent)).toEqual(expect.arrayContaining([[`${stem}-filter-1-control`, '/.c2d-filters/1', false]]));
    expect(filterVolumes(filtered)).toEqual([`${stem}-filter-shell`, `${stem}-filter-0-control`, `${stem}-filter-1-control`]);
    expect(algorithmContainer(filtered, image, settings)).toEqual(algorithmContainer(spec, image, settings));
    expect([filterVolumes(spec), JSON.stringify(agentContainer(spec, settings)).includes('ilter')]).toEqual([[], false]);
  });
});

describe('podLabels', () => {
  test('tell installations apart', () => {
    expect(podLabels(spec, 'one')['c2d.instance']).not.toBe(podLabels(spec, 'two')['c2d.instance']);
  });
});
