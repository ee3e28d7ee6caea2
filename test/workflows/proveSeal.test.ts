import { JobFailure } from '../../workflows/contract/failures.ts';
import { breachExitCode, type SealVerdict } from '../../workflows/contract/seal.ts';
import { ensureSelfTests } from '../../workers/orchestrator/schedule.ts';
import { sealScheduleId, sealSchedulePrefix } from '../../workflows/contract/seal.ts';
import { aJobId } from '../support/builders.ts';
import type { AgentScript } from '../support/fakeWorld.ts';
import { recordHistory } from '../support/historyRecorder.ts';
import { useWorkflowServer } from '../support/workflowServer.ts';

const server = useWorkflowServer();

/** An agent whose algorithm ends with this code. */
const endsWith =
  (exitCode: number): AgentScript =>
  async (agent) => {
    await agent.done('stageInputs', { files: 1, bytes: 1 });
    await agent.done('runAlgorithm', agent.exit({ exitCode }));
    await agent.done('publishOutputs', { files: 1, bytes: 1 });
  };

const prove = async () => {
  const { client, taskQueue } = server();
  const environmentId = `env-${aJobId()}`;
  const workflowId = sealScheduleId(environmentId);
  const handle = await client.workflow.start('proveSeal', { workflowId, taskQueue, args: [{ environmentId }] });
  return { environmentId, handle, verdict: (await handle.result()) as SealVerdict };
};

describe('a self-test', () => {
  test('that reached nothing proves the seal', async () => {
    server().world.script = endsWith(0);
    const { environmentId, handle, verdict } = await prove();
    expect(verdict).toEqual({ verdict: 'sealed', reason: 'a job reached nothing but the gateway' });
    expect(server().world.verdicts).toEqual([{ environmentId, ...verdict }]);
    expect(server().world.starts).toHaveLength(1);
    await recordHistory('sealProved', handle);
  });

  test('takes no place from consumers', async () => {
    server().world.script = endsWith(0);
    server().world.places = 0;
    expect((await prove()).verdict.verdict).toBe('sealed');
  });

  test('that reached something is told in the words of its log, and nothing else of it', async () => {
    server().world.script = endsWith(breachExitCode);
    server().world.log = "hello\nreached the cluster's API at 10.96.0.1 port 443: it takes \u0007connections\nreached b\n";
    const { environmentId, handle } = await prove();
    expect(server().world.verdicts).toEqual([
      { environmentId, verdict: 'unsealed', reason: "reached the cluster's API at 10.96.0.1 port 443: it takes ?connections; reached b" },
    ]);
    await recordHistory('sealBroken', handle);
  });

  test('whose agent refuses to open the gate has found a breach', async () => {
    server().world.script = (agent) => agent.failed('stageInputs', { type: 'PodUnsealed', retryable: false });
    await prove();
    expect(server().world.verdicts).toMatchObject([{ verdict: 'unsealed', reason: 'the agent says PodUnsealed' }]);
  });

  test.each<[string, () => void, string]>([
    [
      'whose pod finds no node',
      () => server().world.creationFailures.push(new JobFailure('NoCapacity', 'no node has room')),
      'NoCapacity: no node has room',
    ],
    [
      'whose image cannot be pulled',
      () => server().world.creationFailures.push(new JobFailure('ImageUnavailable', 'no such image')),
      'ImageUnavailable: no such image',
    ],
    [
      'whose program fails for another reason',
      () => {
        server().world.script = endsWith(1);
      },
      'the algorithm ended with exit code 1',
    ],
  ])('%s decides nothing', async (_what, arrange, reason) => {
    arrange();
    const { verdict } = await prove();
    expect(verdict).toEqual({ verdict: 'unproved', reason });
    expect(server().world.verdicts).toMatchObject([{ verdict: 'unproved', reason }]);
  });

  test('that cannot be prepared decides nothing', async () => {
    server().world.selfTestFailure = new JobFailure('RequestInvalid', 'environment x is no longer offered');
    const { handle, verdict } = await prove();
    expect(verdict).toEqual({ verdict: 'unproved', reason: 'RequestInvalid: environment x is no longer offered' });
    expect(server().world.starts).toEqual([]);
    await recordHistory('sealTestNotPrepared', handle);
  });

  test('that is cancelled takes its pod along, and decides nothing', async () => {
    const { client, taskQueue, world } = server();
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.stopped;
      await agent.done('publishOutputs', { files: 0, bytes: 0 });
    };
    const environmentId = `env-${aJobId()}`;
    const workflowId = sealScheduleId(environmentId);
    const handle = await client.workflow.start('proveSeal', { workflowId, taskQueue, args: [{ environmentId }] });
    while (world.starts.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    while (world.pods.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(world.verdicts).toEqual([]);
  });
});

describe('the schedules of self-tests', () => {
  const scheduled = async (): Promise<readonly string[]> => {
    const ids: string[] = [];
    for await (const { scheduleId } of server().client.schedule.list()) if (scheduleId.startsWith(sealSchedulePrefix)) ids.push(scheduleId);
    return ids;
  };

  afterEach(async () => {
    for (const id of await scheduled()) await server().client.schedule.getHandle(id).delete();
  });

  test('begin at once, for each environment, also when another process makes them at the same time', async () => {
    const { client, taskQueue, world } = server();
    world.script = endsWith(0);
    const environmentIds = [`a-${aJobId()}`, `b-${aJobId()}`];
    const times = { environmentIds, everySeconds: 3_600, isProved: () => false, taskQueue };
    await Promise.all([ensureSelfTests(client, times), ensureSelfTests(client, times)]);
    while (new Set(world.verdicts.map(({ environmentId }) => environmentId)).size < 2)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(world.verdicts.every(({ verdict }) => verdict === 'sealed')).toBe(true);
    while (world.pods.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });

  test('go with their environments', async () => {
    const { client, taskQueue, world } = server();
    world.script = endsWith(0);
    const [gone, kept] = [`a-${aJobId()}`, `b-${aJobId()}`];
    await ensureSelfTests(client, { environmentIds: [gone, kept], everySeconds: 3_600, isProved: () => false, taskQueue });
    while (!(await scheduled()).includes(sealScheduleId(gone))) await new Promise((resolve) => setTimeout(resolve, 20));
    await ensureSelfTests(client, { environmentIds: [kept], everySeconds: 1_800, isProved: () => true, taskQueue });
    await expect(client.schedule.getHandle(sealScheduleId(gone)).describe()).rejects.toThrow();
    const { spec } = await client.schedule.getHandle(sealScheduleId(kept)).describe();
    expect(spec.intervals?.map(({ every }) => every)).toEqual([1_800_000]);
    while (world.pods.size > 0 || world.verdicts.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});
