import { createSelfTests } from '../../../workers/orchestrator/selfTests.ts';
import { computeEnvironment } from '../../../infra/environments/environments.ts';
import { algorithmCommand, imageReference } from '../../../infra/pods/algorithmCommand.ts';
import { anAddress } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';

let opened: TestLedger;
beforeAll(async () => {
  opened = await openTestLedger();
});
afterAll(() => opened.close());

const agentImage = 'registry.example.com:5000/c2d-agent:1';
const environment = computeEnvironment.parse({
  id: 'gpu',
  resources: { cpu: { min: 4, max: 8, total: 8 }, ram: { min: 8, max: 8, total: 8 }, disk: { min: 8, max: 8, total: 8 } },
  devices: [{ id: 'gpu', resource: 'nvidia.com/gpu', min: 1, max: 1, total: 1 }],
});
const selfTests = () =>
  createSelfTests({
    ledger: opened.ledger,
    environmentOf: () => environment,
    findTargets: async () => [{ name: "the cluster's API", kind: 'tcp', host: '10.96.0.1', port: 443 }],
    ...{ agentImage, owner: anAddress(), heartbeatSeconds: 12 },
  });

describe('the job of a self-test', () => {
  test('is the same job for the same run, and another for the next', async () => {
    const tests = selfTests();
    const [first, again, next] = [
      await tests.begin({ environmentId: 'gpu', key: 'a/1' }),
      await tests.begin({ environmentId: 'gpu', key: 'a/1' }),
      await tests.begin({ environmentId: 'gpu', key: 'a/2' }),
    ];
    expect(again).toEqual(first);
    expect(next.jobId).not.toBe(first.jobId);
    expect(first.jobId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('needs little, takes no device and no place, and has one pod only', async () => {
    const job = await selfTests().begin({ environmentId: 'gpu', key: 'b/1' });
    expect(job).toMatchObject({ place: null, limits: { podAttempts: 1 } });
    const { spec } = await opened.ledger.readAdmission(job.jobId);
    expect(spec.resources).toEqual({ cpu: 0.1, ram: 0.125, disk: 0.0625 });
  });

  test('runs its program with the Node of the agent’s image, without a shell', async () => {
    const { jobId } = await selfTests().begin({ environmentId: 'gpu', key: 'c/1' });
    const { spec, admission } = await opened.ledger.readAdmission(jobId);
    expect(imageReference(admission.container)).toBe(agentImage);
    expect(algorithmCommand(admission.container.entrypoint)).toEqual(['/usr/local/bin/node', '/data/transformations/algorithm']);
    expect(spec.algorithm.raw?.rawcode).toContain('10.96.0.1');
  });
});
