import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  CancellationScope,
  TimeoutFailure,
  allHandlersFinished,
  condition,
  isCancellation,
  proxyActivities,
  setHandler,
  upsertSearchAttributes,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { faultOf, isFailureType, type FailureType } from './contract/failures.ts';
import { phaseActivityId } from './contract/ids.ts';
import type { Acceptance, AgentPhase, AlgorithmExit, JobEnd, JobRef, PodRef } from './contract/job.ts';
import { awaitAccepted } from './contract/messages.ts';
import { environmentAttribute, faultAttribute, phaseAttribute } from './contract/searchAttributes.ts';
import { endOfRun, status, statusOfFailure } from './contract/status.ts';

const order = proxyActivities<Pick<Activities, 'validateOrder'>>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '10m',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

const cluster = proxyActivities<Pick<Activities, 'createPod'>>({
  startToCloseTimeout: '15m',
  heartbeatTimeout: '30s',
  // a pod that is being made while its job is cancelled must be known before it can be deleted
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '1m' },
});

// attempts are only observations: the deadline is scheduleToClose, given with each call
const agent = proxyActivities<Pick<Activities, AgentPhase>>({
  scheduleToCloseTimeout: '1h',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' },
});

const record = proxyActivities<Pick<Activities, 'recordJob' | 'recordRefusal'>>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '1m' },
});

const cleanup = proxyActivities<Pick<Activities, 'stopPod' | 'deletePod'>>({
  startToCloseTimeout: '5m',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5m' },
});

/** How one pod attempt ended: with the job's end, or lost, so that a successor may be tried. */
type Attempt =
  | { readonly lost: false; readonly end: JobEnd; readonly failure?: FailureType; readonly finishedAtMs?: number | null }
  | { readonly lost: true; readonly reason: string };

/**
 * One compute-to-data job, from order check to teardown.
 * @returns how the algorithm ended. A job that failed for another reason fails with that FailureType; a stopped one is cancelled
 */
export async function computeJob(job: JobRef): Promise<JobEnd> {
  let acceptance: Acceptance | undefined;
  let refusal: unknown;
  setHandler(awaitAccepted, async () => {
    await condition(() => acceptance !== undefined || refusal !== undefined);
    if (acceptance === undefined) throw refusal;
    return acceptance;
  });
  upsertSearchAttributes([
    { key: phaseAttribute, value: 'queued' },
    { key: environmentAttribute, value: job.environmentId },
  ]);

  try {
    acceptance = await order.validateOrder({ jobId: job.jobId });
  } catch (err) {
    const { type, message } = describeFailure(err);
    refusal = ApplicationFailure.nonRetryable(message, type);
    await CancellationScope.nonCancellable(async () => {
      await record.recordRefusal({ jobId: job.jobId, type, reason: message });
      await condition(allHandlersFinished);
    });
    throw refusal;
  }

  const { attempt, pod } = await runPods(job, acceptance);
  return CancellationScope.nonCancellable(async () => {
    upsertSearchAttributes([
      { key: phaseAttribute, value: 'ended' },
      { key: faultAttribute, value: attempt.failure === undefined ? 'none' : faultOf(attempt.failure) },
    ]);
    const { end } = attempt;
    // both at once: a client need not wait for the teardown to learn the end
    await Promise.all([
      record.recordJob({
        ...pod,
        status: end.status,
        reason: end.reason,
        end,
        ...(attempt.finishedAtMs === undefined ? {} : { algorithm: { startedAtMs: null, finishedAtMs: attempt.finishedAtMs } }),
      }),
      cleanup.deletePod(pod),
    ]);
    await condition(allHandlersFinished);
    if (end.status === status.stopped) throw new CancelledFailure(end.reason);
    if (attempt.failure !== undefined) throw ApplicationFailure.nonRetryable(end.reason, attempt.failure);
    return end;
  });
}

interface EndedJob {
  readonly attempt: Extract<Attempt, { lost: false }>;
  /** the last pod, not yet deleted */
  readonly pod: PodRef;
}

/** Runs the job in one pod after another, until one ends it or as many as allowed were lost. */
async function runPods(job: JobRef, acceptance: Acceptance): Promise<EndedJob> {
  for (let podAttempt = 1; ; podAttempt += 1) {
    const pod = { jobId: job.jobId, podAttempt };
    const attempt = await runPod(job, pod, acceptance);
    if (!attempt.lost) return { attempt, pod };
    if (podAttempt >= job.limits.podAttempts) {
      const reason = `the platform lost ${podAttempt} pods of this job, the last one: ${attempt.reason}`;
      return { attempt: { lost: false, failure: 'PodLost', end: { status: status.lost, reason, exitCode: null, oomKilled: false } }, pod };
    }
    // the lost pod must be gone before its successor runs, or the algorithm could run twice at once
    await CancellationScope.nonCancellable(() => cleanup.deletePod(pod));
  }
}

/** One pod: created, staged, run, published. Never throws: every failure is an end. */
async function runPod(job: JobRef, pod: PodRef, { runSeconds }: Acceptance): Promise<Attempt> {
  const { limits } = job;
  const on = (phase: AgentPhase, seconds: number): ActivityOptions => ({
    activityId: phaseActivityId(phase, pod),
    heartbeatTimeout: job.heartbeatSeconds * 1_000,
    scheduleToCloseTimeout: seconds * 1_000,
  });
  let phase: AgentPhase | 'createPod' = 'createPod';
  let run: AlgorithmEnd | undefined;
  try {
    await cluster.createPod.executeWithOptions({ scheduleToCloseTimeout: (limits.queueSeconds + limits.createSeconds) * 1_000 }, [
      { pod, queueSeconds: limits.queueSeconds },
    ]);
    phase = 'stageInputs';
    upsertSearchAttributes([{ key: phaseAttribute, value: 'staging' }]);
    await agent.stageInputs.executeWithOptions(on('stageInputs', limits.stageSeconds), [pod]);
    phase = 'runAlgorithm';
    upsertSearchAttributes([{ key: phaseAttribute, value: 'running' }]);
    const patience = runSeconds + limits.graceSeconds + silencePatienceSeconds;
    run = await runUntilStopped(runSeconds, () => agent.runAlgorithm.executeWithOptions(on('runAlgorithm', patience), [pod]));
    phase = 'publishOutputs';
    const ended = run;
    // a stop must not lose what exists: the same activity goes on, it cannot be scheduled twice under one id
    return await CancellationScope.nonCancellable(async () => {
      upsertSearchAttributes([{ key: phaseAttribute, value: 'publishing' }]);
      const stopped = ended.end === 'ended' ? undefined : await cleanup.stopPod({ pod, graceSeconds: limits.graceSeconds });
      await agent.publishOutputs.executeWithOptions(on('publishOutputs', limits.publishSeconds), [pod]);
      return { lost: false, ...endOf(ended, runSeconds, stopped ?? { exitCode: null, finishedAtMs: null }) };
    }).then((attempt): Attempt =>
      isStopped() && attempt.end.status !== status.stopped ? { ...attempt, end: { ...attempt.end, ...stoppedEnd } } : attempt,
    );
  } catch (err) {
    if (isStopped()) return { lost: false, end: { exitCode: null, oomKilled: false, ...stoppedEnd } };
    const { type, message } = describeFailure(err);
    if (type === 'PodLost') return { lost: true, reason: message };
    const exit = run?.end === 'ended' ? run.exit : undefined;
    return {
      lost: false,
      failure: type,
      end: { status: statusOfFailure(type, phase), reason: message, exitCode: exit?.exitCode ?? null, oomKilled: exit?.oomKilled ?? false },
    };
  }
}

/** What a silent agent may add to a run before the pod is given up, in seconds: several heartbeat timeouts. */
const silencePatienceSeconds = 120;

const stoppedEnd = { status: status.stopped, reason: 'stopped by the consumer' } as const;

const isStopped = (): boolean => CancellationScope.current().consideredCancelled;

type AlgorithmEnd = { readonly end: 'ended'; readonly exit: AlgorithmExit } | { readonly end: 'stopped' } | { readonly end: 'timedOut' };

/** The scope is asked first, the error second: one means stopped, the other out of time. */
async function runUntilStopped(runSeconds: number, run: () => Promise<AlgorithmExit>): Promise<AlgorithmEnd> {
  try {
    return { end: 'ended', exit: await CancellationScope.withTimeout(runSeconds * 1_000, run) };
  } catch (err) {
    if (isStopped()) return { end: 'stopped' };
    if (isCancellation(err)) return { end: 'timedOut' };
    throw err;
  }
}

const endOf = (
  run: AlgorithmEnd,
  runSeconds: number,
  stopped: { readonly exitCode: number | null; readonly finishedAtMs: number | null },
): { readonly end: JobEnd; readonly finishedAtMs: number | null } => {
  switch (run.end) {
    case 'ended':
      return { end: endOfRun(run.exit), finishedAtMs: run.exit.finishedAtMs };
    case 'stopped':
      return { end: { ...stoppedEnd, exitCode: stopped.exitCode, oomKilled: false }, finishedAtMs: stopped.finishedAtMs };
    case 'timedOut':
      return {
        end: {
          status: status.timedOut,
          reason: `the algorithm ran longer than the ${runSeconds} s it was granted`,
          exitCode: stopped.exitCode,
          oomKilled: false,
        },
        finishedAtMs: stopped.finishedAtMs,
      };
    default:
      return run satisfies never;
  }
};

/** Type and text of a failed activity, as somebody classified it or as a deadline. */
const describeFailure = (err: unknown): { readonly type: FailureType; readonly message: string } => {
  const cause = err instanceof ActivityFailure ? err.cause : err;
  if (cause instanceof ApplicationFailure && isFailureType(cause.type)) return { type: cause.type, message: cause.message };
  // a deadline that passed while a classified failure was being retried: that failure is the reason
  if (cause instanceof TimeoutFailure && cause.cause instanceof ApplicationFailure && isFailureType(cause.cause.type)) {
    return { type: cause.cause.type, message: cause.cause.message };
  }
  if (cause instanceof TimeoutFailure) {
    const activity = err instanceof ActivityFailure ? err.activityType : 'the step';
    return { type: 'PhaseTimedOut', message: `${activity} did not end before its deadline` };
  }
  if (isCancellation(err)) return { type: 'RequestInvalid', message: 'the job was stopped before it was accepted' };
  return { type: 'RuntimeUnavailable', message: "an unexpected error of the platform; operators find it in the job's workflow" };
};
