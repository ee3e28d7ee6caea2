import {
  clusterDevicesOf,
  computeEnvironment,
  computeEnvironments,
  findEnvironment,
  resourcesOf,
} from '../../../infra/environments/environments.ts';
import { isPriced } from '../../../infra/environments/fees.ts';
import { placementOf } from '../../../infra/environments/placement.ts';
import { anywhere } from '../../../workflows/contract/pod.ts';

const token = '0xCfDdA22C9837aE76E0faA845354f33C62E03653a';
const gpu = { id: 'gpu', resource: 'nvidia.com/gpu', max: 2, total: 8 };

/** The first complaint as `path: message`, or null for a good configuration. */
const complaintOf = (settings: Record<string, unknown>): string | null => {
  const parsed = computeEnvironments.safeParse([{ id: 'small', ...settings }]);
  const issue = parsed.error?.issues[0];
  return issue === undefined ? null : `${issue.path.join('.')}: ${issue.message}`;
};

const price = (id: string) => ({ id, price: 1 });
const sizes = (over: Record<string, unknown>) => ({
  ...{ cpu: { min: 1, max: 1, total: 1 }, ram: { min: 1, max: 1, total: 1 }, disk: { min: 1, max: 1, total: 1 } },
  ...over,
});

describe('the configuration of an environment', () => {
  test.each<[string, Record<string, unknown>]>([
    ['an id alone', {}],
    ['devices', { devices: [gpu, { id: 'fpga', resource: 'xilinx.com/fpga-1', type: 'fpga', min: 0, max: 1, total: 1 }] }],
    ['prices, also of devices', { devices: [gpu], fees: [{ chainId: 1, feeToken: token, prices: [{ id: 'gpu', price: 0.5 }] }] }],
    ['a filter of outputs', { filter: { image: 'f@sha256:1', command: ['/f'], env: { MODE: 'x' }, seconds: 60, cpu: 0.5, ram: 1 } }],
    ['free jobs that get less', { devices: [gpu], free: { resources: { cpu: 0.5, gpu: 1 } } }],
    [
      'a place in a cluster',
      {
        kubernetes: {
          nodeSelector: { 'node.kubernetes.io/instance-type': 'g5.xlarge' },
          tolerations: [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }, { operator: 'Exists' }],
          runtimeClassName: 'gvisor',
          priorityClassName: 'jobs',
          labels: { 'example.com/team': 'c2d', tier: '' },
          volumeFrom: 20,
          storageClassName: 'fast-ssd',
        },
      },
    ],
  ])('may be %s', (_what, settings) => {
    expect(complaintOf(settings)).toBeNull();
  });

  test.each<[string, Record<string, unknown>]>([
    ['0: Unrecognized key: "gpus"', { gpus: 1 }],
    ['0.platform: Unrecognized key: "cpu"', { platform: { architecture: 'arm64', os: 'linux', cpu: 'x' } }],
    ['0.filter: Unrecognized key: "memory"', { filter: { image: 'f', command: ['/f'], memory: 1 } }],
    ['0.filter.command: Too small: expected array to have >=1 items', { filter: { image: 'f', command: [] } }],
    ['0.access: Unrecognized key: "adresses"', { access: { adresses: [] } }],
    ['0.id: is not a name of 1 to 63 letters, digits, dots and dashes that begins and ends with a letter or digit', { id: 'small-' }],
    ['0.resources.cpu.min: is above max', { resources: sizes({ cpu: { min: 2, max: 1, total: 4 } }) }],
    ['0.resources.ram.max: is above total', { resources: sizes({ ram: { min: 1, max: 5, total: 4 } }) }],
    ['0.minJobDuration: is above maxJobDuration', { minJobDuration: 20, maxJobDuration: 10 }],
    ['0.devices.0.id: is the name of a resource that every environment has', { devices: [{ ...gpu, id: 'ram' }] }],
    ['0.devices.0.resource: is not the name of an extended resource, e.g. nvidia.com/gpu', { devices: [{ ...gpu, resource: 'gpu' }] }],
    ['0.devices.1.id: is used twice', { devices: [gpu, { ...gpu, resource: 'amd.com/gpu' }] }],
    ['0.devices.1.resource: is used twice', { devices: [gpu, { ...gpu, id: 'second' }] }],
    ['0.devices.0.min: is above max', { devices: [{ ...gpu, min: 3 }] }],
    ['0.devices.0.max: is above total', { devices: [{ ...gpu, max: 9 }] }],
    ['0.devices.0.max: Invalid input: expected int, received number', { devices: [{ ...gpu, max: 0.5 }] }],
    ['0.devices.0: Unrecognized key: "count"', { devices: [{ ...gpu, count: 1 }] }],
    [
      '0.fees.0.prices.0.id: is no resource of this environment: it has cpu, ram, disk',
      { fees: [{ chainId: 1, feeToken: token, prices: [{ id: 'gpu', price: 1 }] }] },
    ],
    ['0.fees.0.prices.1.id: is priced twice', { fees: [{ chainId: 1, feeToken: token, prices: [price('cpu'), price('cpu')] }] }],
    ['0.fees.0.chainId: is not among chainIds', { chainIds: [2], fees: [{ chainId: 1, feeToken: token, prices: [price('cpu')] }] }],
    ['0.fees.0.feeToken: is not an address', { fees: [{ chainId: 1, feeToken: 'OCEAN', prices: [price('cpu')] }] }],
    [
      '0.fees.1: has the chain and token of an earlier one',
      { fees: [token, token.toLowerCase()].map((feeToken) => ({ chainId: 1, feeToken, prices: [price('cpu')] })) },
    ],
    ['0.free.maxJobDuration: is above maxJobDuration: 600, 60', { maxJobDuration: 60, free: {} }],
    ['0.free.resources.gpu: is no resource of this environment: it has cpu, ram, disk', { free: { resources: { gpu: 1 } } }],
    ['0.free.resources.cpu: is above the max of paid jobs: 1', { free: { resources: { cpu: 2 } } }],
    ['0.free.resources.cpu: is below min: 0.1', { free: { resources: { cpu: 0.05 } } }],
    ['0.free.resources.gpu: is not a whole number', { devices: [gpu], free: { resources: { gpu: 1.5 } } }],
    ['0.kubernetes: Unrecognized key: "nodeName"', { kubernetes: { nodeName: 'a' } }],
    ['0.kubernetes.runtimeClassName: is not the name of a RuntimeClass', { kubernetes: { runtimeClassName: 'gVisor!' } }],
    ['0.kubernetes.labels.c2d.job-id: is reserved for the platform', { kubernetes: { labels: { 'c2d.job-id': 'x' } } }],
    [
      '0.kubernetes.labels.app.kubernetes.io/name: is reserved for the platform',
      { kubernetes: { labels: { 'app.kubernetes.io/name': 'x' } } },
    ],
    ['0.kubernetes.labels.a: is not the value of a label', { kubernetes: { labels: { a: 'b c' } } }],
    ['0.kubernetes.tolerations.0.key: is needed unless operator is Exists', { kubernetes: { tolerations: [{ value: 'x' }] } }],
    [
      '0.kubernetes.tolerations.0.tolerationSeconds: has a meaning with effect NoExecute only',
      { kubernetes: { tolerations: [{ key: 'a', tolerationSeconds: 5 }] } },
    ],
    [
      '0.kubernetes.storageClassName: needs volumeFrom: the disk in GiB from which on jobs get a volume',
      { kubernetes: { storageClassName: 'fast' } },
    ],
  ])('is refused with "%s"', (complaint, settings) => {
    expect(complaintOf(settings)).toBe(complaint);
  });

  test('names each environment once', () => {
    expect(computeEnvironments.safeParse([{ id: 'a' }, { id: 'a' }]).error?.issues[0]).toMatchObject({ path: [1, 'id'] });
  });

  test('keeps the name of an environment, whatever it costs and offers (complaint: ids of environments change)', () => {
    const fees = [{ chainId: 8996, feeToken: `0x${'1'.repeat(40)}`, prices: [{ id: 'cpu', price: 2 }] }];
    const [plain, priced] = [{ id: 'small' }, { id: 'small', fees, free: {}, maxJobs: 3 }].map((given) => computeEnvironment.parse(given));
    expect(priced?.fees).not.toEqual(plain?.fees);
    expect(priced?.id).toBe(plain?.id);
  });
});

describe('what jobs may ask for', () => {
  const environment = computeEnvironment.parse({ id: 'a', devices: [gpu], free: { resources: { ram: 0.5 } } });

  test('a paid job may ask for devices', () => {
    expect(resourcesOf(environment, false).map(({ id, max }) => [id, max])).toEqual([
      ['cpu', 1],
      ['ram', 1],
      ['disk', 1],
      ['gpu', 2],
    ]);
  });

  test('a free job gets no device that the free offer does not name, and no more than it names', () => {
    expect(resourcesOf(environment, true).map(({ id, max }) => [id, max])).toEqual([
      ['cpu', 1],
      ['ram', 0.5],
      ['disk', 1],
    ]);
  });

  test('devices become what the cluster calls them', () => {
    expect(clusterDevicesOf(environment, { cpu: 1, gpu: 2 })).toEqual({ 'nvidia.com/gpu': 2 });
    expect(clusterDevicesOf(environment, { cpu: 1, gpu: 0 })).toEqual({});
  });

  test('a device that was taken away while a job waited is told, not left out', () => {
    expect(() => clusterDevicesOf(environment, { fpga: 1 })).toThrow('environment a no longer offers fpga');
  });
});

describe('prices', () => {
  const fees = [{ chainId: 1, feeToken: token, prices: [{ id: 'gpu', price: 2 }] }];

  test.each([
    ['nothing is priced', [], { cpu: 1 }, false],
    ['only what is not asked for is priced', fees, { cpu: 1 }, false],
    ['what is asked for is priced', fees, { cpu: 1, gpu: 1 }, true],
  ])('when %s', (_what, given, resources, expected) => {
    expect(isPriced(given, resources)).toBe(expected);
  });
});

describe('placement', () => {
  test('asks for nothing unless told to', () => {
    expect(placementOf(computeEnvironment.parse({ id: 'a' }).kubernetes)).toEqual(anywhere);
  });

  test('passes on what the operator decided, in bytes', () => {
    const kubernetes = {
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'gpu', value: 'yes', effect: 'NoExecute' as const, tolerationSeconds: 5 }],
      runtimeClassName: 'kata',
      labels: { team: 'c2d' },
      volumeFrom: 0.5,
      storageClassName: 'fast',
    };
    expect(placementOf(computeEnvironment.parse({ id: 'a', kubernetes }).kubernetes)).toEqual({
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'gpu', value: 'yes', effect: 'NoExecute', tolerationSeconds: 5 }],
      runtimeClassName: 'kata',
      priorityClassName: null,
      labels: { team: 'c2d' },
      volumeFromBytes: 512 * 1024 ** 2,
      storageClassName: 'fast',
    });
  });
});

describe('the name of an environment', () => {
  const list = computeEnvironments.parse([{ id: 'small' }]);

  test.each([
    ['small', true],
    [`0x${'a'.repeat(64)}-small`, true],
    ['x-small', false],
  ])('%s', (id, known) => {
    expect(findEnvironment(list, id) !== undefined).toBe(known);
  });
});
