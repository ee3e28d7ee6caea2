import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CompleteAsyncError } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { completePhase, failPhase, heartbeatPhase, type ReportDeps, type ReportOutcome } from '../../../workers/gateway/phaseReports.ts';
import { createWorkflowLook, type WorkflowView } from '../../../workers/gateway/workflowLook.ts';
import { jobWorkflowId } from '../../../workflows/contract/ids.ts';
import type { PodRef } from '../../../workflows/contract/job.ts';

const address = process.env.C2D_TEST_TEMPORAL_ADDRESS!;
const taskQueue = `gateway-reports-${randomBytes(8).toString('hex')}`;
const progress = { phase: 'runAlgorithm', filesDone: 0, filesTotal: 0, bytesDone: 0, bytesTotal: null } as const;

let connection: Connection;
let native: NativeConnection;
let worker: Worker;
let running: Promise<void>;
let client: Client;
let reports: ReportDeps;
const open: WorkflowHandle[] = [];

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  [connection, native] = await Promise.all([Connection.connect({ address }), NativeConnection.connect({ address })]);
  client = new Client({ connection });
  reports = { activity: client.activity, workflows: createWorkflowLook(client), pause: (ms) => delay(ms), patience: [25, 50, 100, 200] };
  const leaveToAgent = async (): Promise<never> => {
    throw new CompleteAsyncError();
  };
  worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./waitingWorkflow.ts', import.meta.url)),
    activities: { stageInputs: leaveToAgent, runAlgorithm: leaveToAgent, publishOutputs: leaveToAgent },
  });
  running = worker.run();
}, 60_000);

afterAll(async () => {
  for (const handle of open) await handle.terminate().catch(() => undefined);
  worker.shutdown();
  await running;
  await Promise.all([connection.close(), native.close()]);
}, 60_000);

const startJob = async () => {
  const pod: PodRef = { jobId: randomBytes(16).toString('hex'), podAttempt: 1 };
  const handle = await client.workflow.start('waitForAgent', { workflowId: jobWorkflowId(pod.jobId), taskQueue, args: [] });
  open.push(handle);
  return { pod, handle };
};

/** As an agent does: the same report again until it is taken. */
const untilTaken = async (send: () => Promise<ReportOutcome>): Promise<ReportOutcome> => {
  for (;;) {
    const outcome = await send();
    if (outcome !== 'notYet') return outcome;
  }
};

const lookUntil = async (pod: PodRef, isReached: (view: WorkflowView) => boolean): Promise<WorkflowView> => {
  for (;;) {
    const view = await reports.workflows.look(pod.jobId);
    if (isReached(view)) return view;
    await delay(20);
  }
};

const isStarted = (activityId: string) => (view: WorkflowView) =>
  view.pending.some((activity) => activity.activityId === activityId && activity.state === 'started');

describe('reports by id, on a real server', () => {
  test('reports that come before their activity, and again after it, are each taken once', async () => {
    const { pod, handle } = await startJob();
    const send = completePhase(reports);
    // all at once, as an agent that does not wait for bookkeeping sends them, the first one twice
    const outcomes = await Promise.all([
      untilTaken(() => send('stageInputs', pod, { files: 1, bytes: 2 })),
      untilTaken(() => send('runAlgorithm', pod, { exitCode: 3 })),
    ]);
    expect(outcomes).toEqual(['taken', 'taken']);
    await lookUntil(pod, isStarted('publishOutputs/1'));
    expect(await send('stageInputs', pod, { files: 9, bytes: 9 })).toBe('taken');
    expect(await send('runAlgorithm', pod, { exitCode: 9 })).toBe('taken');
    expect(await untilTaken(() => send('publishOutputs', pod, {}))).toBe('taken');
    expect(await handle.result()).toEqual({ exitCode: 3 });
    expect(await send('publishOutputs', pod, {})).toBe('over');
  });

  test('a job that Temporal does not know is over', async () => {
    const pod = { jobId: randomBytes(16).toString('hex'), podAttempt: 1 };
    expect(await completePhase(reports)('stageInputs', pod, {})).toBe('over');
    expect(await heartbeatPhase(reports)(pod, progress)).toBe('continue');
  });

  test("another pod attempt's report finds nothing", async () => {
    const { pod } = await startJob();
    await lookUntil(pod, isStarted('stageInputs/1'));
    expect(await completePhase(reports)('stageInputs', { ...pod, podAttempt: 2 }, {})).toBe('notYet');
    expect((await reports.workflows.look(pod.jobId)).pending.map(({ activityId }) => activityId)).toEqual(['stageInputs/1']);
  });

  test('a failed attempt waits, a repeated report of it is taken, and the next attempt is told apart by its start', async () => {
    const { pod } = await startJob();
    const first = await lookUntil(pod, isStarted('stageInputs/1'));
    const failure = ApplicationFailure.create({ type: 'InputUnavailable', message: 'away', nextRetryDelay: '2s' });
    const fail = (): Promise<ReportOutcome> => failPhase(reports)('stageInputs', pod, failure);
    expect([await fail(), await fail()]).toEqual(['taken', 'taken']);
    expect((await reports.workflows.look(pod.jobId)).pending).toMatchObject([{ state: 'waiting', hasFailed: true }]);
    const second = await lookUntil(pod, isStarted('stageInputs/1'));
    expect(first.pending[0]!.startedAtMs).toBeGreaterThan(Date.now() - 60_000);
    expect(second.pending[0]!.startedAtMs).toBeGreaterThan(first.pending[0]!.startedAtMs!);
    expect(await completePhase(reports)('stageInputs', pod, {})).toBe('taken');
  });

  test('the agent of a job that is being stopped is told so by its next sign of life', async () => {
    const { pod, handle } = await startJob();
    await untilTaken(() => completePhase(reports)('stageInputs', pod, {}));
    await lookUntil(pod, isStarted('runAlgorithm/1'));
    expect(await heartbeatPhase(reports)(pod, progress)).toBe('continue');
    await handle.cancel();
    await lookUntil(pod, isStarted('publishOutputs/1'));
    expect(await heartbeatPhase(reports)(pod, progress)).toBe('stop');
    expect(await completePhase(reports)('publishOutputs', pod, {})).toBe('taken');
    expect(await handle.result()).toBe('stopped');
  });
});
