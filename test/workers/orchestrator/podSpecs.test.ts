import { createPodSpecs, type PodSpecsDeps } from '../../../workers/orchestrator/podSpecs.ts';
import { computeEnvironment } from '../../../infra/environments/environments.ts';
import type { JobSpec } from '../../../workflows/contract/spec.ts';
import { aSpec, anAdmission } from '../../support/builders.ts';

const environment = computeEnvironment.parse({
  id: 'small',
  devices: [{ id: 'gpu', resource: 'nvidia.com/gpu', max: 2, total: 4 }],
  kubernetes: { nodeSelector: { disk: 'ssd' }, runtimeClassName: 'kata', volumeFrom: 20 },
});

const podSpecOf = (over: Partial<JobSpec> = {}, deps: Partial<PodSpecsDeps> = {}) => {
  const spec = aSpec(over);
  const specs = createPodSpecs({
    admissions: { readAdmission: async () => ({ spec, admission: anAdmission(spec) }) },
    credentials: { readRegistryCredentials: async () => spec.registryCredentials ?? null },
    isUnsealed: async () => false,
    environmentOf: () => environment,
    tokenOf: () => 'token',
    wantedFiltersOf: () => [],
    commandOf: () => ['node'],
    imageOf: () => 'node:24',
    environmentVariablesOf: () => ({}),
    ...deps,
  });
  return specs.podSpecOf({ jobId: spec.jobId, podAttempt: 1 });
};

describe('the pod of a job', () => {
  test('gets what the job was given, in the runtime’s units and by the cluster’s names', async () => {
    expect((await podSpecOf({ resources: { cpu: 0.5, ram: 2, disk: 0.5, gpu: 2 } })).resources).toEqual({
      cpu: 0.5,
      memoryBytes: 2 * 1024 ** 3,
      diskBytes: 512 * 1024 ** 2,
      devices: { 'nvidia.com/gpu': 2 },
    });
  });

  test('goes where its environment says', async () => {
    expect((await podSpecOf()).placement).toMatchObject({
      nodeSelector: { disk: 'ssd' },
      runtimeClassName: 'kata',
      volumeFromBytes: 20 * 1024 ** 3,
    });
  });

  test('has the filter of its environment, with the time for it; a self-test has none', async () => {
    const filter = { image: 'f:1', command: ['/f'], seconds: 100, ram: 0.5 };
    const environmentOf = () => computeEnvironment.parse({ id: 'small', filter });
    const [plain, pod, test] = await Promise.all([
      podSpecOf(),
      podSpecOf({}, { environmentOf }),
      podSpecOf({ surface: 'selfTest' }, { environmentOf }),
    ]);
    expect(pod.filters).toEqual([
      {
        ...{ by: 'environment small', image: 'f:1', command: ['/f'], env: {} },
        ...{ cpu: 1, memoryBytes: 512 * 1024 ** 2, seconds: 100, seesInputs: true },
      },
    ]);
    expect([pod.publishSeconds - plain.publishSeconds, pod.deadlineSeconds - plain.deadlineSeconds]).toEqual([100, 100]);
    expect([plain.filters, test.filters]).toEqual([[], []]);
  });

  test('has the filters of publishers before that of its environment, without the inputs, if they run there', async () => {
    const wanted = { by: 'did:op:1', filter: { image: `f@sha256:${'1'.repeat(64)}`, command: ['/f'], seconds: 20 } };
    const wantedFiltersOf = () => [wanted];
    const own = { image: 'f:1', command: ['/f'] };
    const environmentOf = () => computeEnvironment.parse({ id: 'small', filter: own, ownerFilters: { seconds: 30, cpu: 2 } });
    const pod = await podSpecOf({}, { environmentOf, wantedFiltersOf });
    expect(pod.filters.map(({ by, seesInputs, cpu, seconds }) => [by, seesInputs, cpu, seconds])).toEqual([
      ['did:op:1', false, 2, 20],
      ['environment small', true, 1, 600],
    ]);
    await expect(podSpecOf({}, { wantedFiltersOf })).rejects.toMatchObject({ type: 'AssetNotConsumable' });
  });

  test('is not made when the environment turned out not to be sealed while the job waited', async () => {
    const made = podSpecOf({}, { isUnsealed: async () => true });
    await expect(made).rejects.toMatchObject({ type: 'PodUnsealed', retryAfterSeconds: undefined });
    await expect(made).rejects.toThrow(/choose another environment$/);
  });
});
