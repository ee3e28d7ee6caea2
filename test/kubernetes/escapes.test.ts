import type { V1Container, V1Pod } from '@kubernetes/client-node';
import type { AttackOutcome } from '../support/attacks.ts';
import { attemptsOf } from '../support/clusterAttacks.ts';
import { stageEscapes, type Escapes } from './escapesScene.ts';
import { useScene } from '../support/scene.ts';
import { clusterOfThisRun } from '../support/testCluster.ts';

const scene = useScene();
const attackPatienceMs = 420_000;

let escapes: Escapes;

beforeAll(async () => {
  escapes = await stageEscapes(scene());
}, attackPatienceMs);

/** A refusal that was really tried. */
const refused: Partial<AttackOutcome> = { succeeded: false, untried: false };

describe.each(['neighbour', 'node'] as const)('what the %s can do', (vantage) => {
  test.each(attemptsOf(vantage))('an algorithm never %s', (name) => {
    expect([escapes.sealed[name], escapes.open[vantage][name]]).toEqual([
      expect.objectContaining(refused),
      expect.objectContaining({ succeeded: true }),
    ]);
  });
});

test('there are well over forty attempts', () => {
  expect(attemptsOf('neighbour').length + attemptsOf('node').length).toBeGreaterThan(80);
});

describe('the gateway, which its network reaches', () => {
  test('an algorithm never gets anything from it', () => {
    expect(Object.keys(escapes.gateway).length).toBeGreaterThan(15);
    for (const [name, outcome] of Object.entries(escapes.gateway))
      expect([name, outcome]).toEqual([
        name,
        { ...refused, detail: expect.stringMatching(/refused with 4\d\d|HPE_|ECONNRESET|hang up/) as string },
      ]);
  });

  test('answers the same request with the right token', () => {
    expect(escapes.withRightToken).toMatchObject({ succeeded: true, detail: '200' });
  });

  test('is the only thing that answers in the network of an agent', () => {
    expect(escapes.scannedFromAgent).toEqual([escapes.gatewayAddress]);
    expect(escapes.scannedFromNeighbour).toEqual(expect.arrayContaining([escapes.gatewayAddress, escapes.canaryAddress]));
    expect(escapes.scannedFromNeighbour.length).toBeGreaterThan(10);
  });
});

describe('those beside it', () => {
  test('an innocent job runs to its end, whole', () => {
    expect(escapes.innocent.job.status).toBe(70);
    expect(escapes.innocent.results.get(escapes.marker)?.toString()).toBe('innocent');
  });

  test('nobody reaches the algorithm of a job from outside', () => {
    expect(escapes.neighbourReachesInnocent).toMatchObject(refused);
    expect(escapes.open.node['reaches the algorithm of another job']).toMatchObject({ succeeded: true });
  });

  test('wrong tokens by the algorithm do not lock its agent out', () => {
    expect(escapes.hostile.job.status).toBe(70);
  });
});

describe('the pod, as the cluster shows it while it runs', () => {
  const containerOf = (pod: V1Pod, name: string): V1Container => pod.spec!.containers.find((container) => container.name === name)!;

  test('it has two containers and nothing besides', () => {
    const { spec } = escapes.pod;
    expect(spec!.containers.map(({ name }) => name)).toEqual(['agent', 'algorithm']);
    expect([spec!.initContainers, spec!.ephemeralContainers]).toEqual([undefined, undefined]);
  });

  test('it shares no namespace with its node, and none between its containers but the network', () => {
    const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = escapes.pod.spec!;
    expect([hostNetwork, hostPID, hostIPC, shareProcessNamespace].filter(Boolean)).toEqual([]);
  });

  test('it has no token of the cluster, no addresses of services, no names', () => {
    expect(escapes.pod.spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false, dnsPolicy: 'None' });
    const mounts = escapes.pod.spec!.containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ mountPath }) => mountPath));
    expect(mounts.filter((path) => path.startsWith('/var/run'))).toEqual([]);
  });

  test('its volumes are its own, and the algorithm writes into its outputs and /tmp only', () => {
    for (const { name: _name, ...source } of escapes.pod.spec!.volumes!) expect(Object.keys(source)).toEqual(['emptyDir']);
    const writable = containerOf(escapes.pod, 'algorithm').volumeMounts!.filter(({ readOnly }) => readOnly !== true);
    expect(writable.map(({ mountPath }) => mountPath).sort()).toEqual(['/data/outputs', '/tmp']);
  });

  test.each([
    ['agent', 64_242],
    ['algorithm', 1_000],
  ])('the %s runs as %i without any privilege', async (name, uid) => {
    const { seccompProfile } = await clusterOfThisRun();
    expect(containerOf(escapes.pod, name).securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: uid,
      runAsNonRoot: true,
      runAsUser: uid,
      seccompProfile: { type: 'Localhost', localhostProfile: seccompProfile },
    });
    expect(escapes.processes[name as 'agent']).toMatchObject({
      Uid: String(uid),
      CapEff: '0'.repeat(16),
      CapBnd: '0'.repeat(16),
      NoNewPrivs: '1',
      Seccomp: '2',
    });
  });

  test('the algorithm is limited in cpu, memory and disk, and knows no secret', () => {
    const { resources, env = [] } = containerOf(escapes.pod, 'algorithm');
    expect(Object.keys(resources!.limits!).sort()).toEqual(['cpu', 'ephemeral-storage', 'memory']);
    expect(resources!.requests).toEqual(resources!.limits);
    const secrets = containerOf(escapes.pod, 'agent')
      .env!.filter(({ name }) => name === 'C2D_TOKEN')
      .map(({ value }) => value!);
    expect(secrets).toHaveLength(1);
    expect(env.filter(({ name, value }) => /^C2D_/.test(name) || secrets.includes(value ?? ''))).toEqual([]);
    expect(env.filter(({ valueFrom }) => valueFrom !== undefined)).toEqual([]);
  });

  test("with the service's rights nobody makes a pod in its namespace that is less sealed", () => {
    const { 'nothing special': plain, ...forbidden } = escapes.forbiddenPods;
    expect(plain).toBe('accepted');
    expect(Object.keys(forbidden).length).toBeGreaterThan(6);
    for (const [what, answer] of Object.entries(forbidden))
      expect([what, answer]).toEqual([what, expect.stringContaining('violates PodSecurity')]);
  });
});
