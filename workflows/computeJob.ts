import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  CancellationScope,
  TimeoutFailure,
  allHandlersFinished,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  proxyActivities,
  setHandler,
  upsertSearchAttributes,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { StoppedAlgorithm } from '../activities/stopPod.ts';
import { beginAsset, beginWebhook } from './beside.ts';
import { faultOf, isFailureType, type FailureType } from './contract/failures.ts';
import { phaseActivityId, queueWorkflowId } from './contract/ids.ts';
import type { Acceptance, AgentPhase, AlgorithmExit, JobEnd, JobEvent, JobRef, PodRef } from './contract/job.ts';
import { awaitAccepted, placeGranted, releasePlace } from './contract/messages.ts';
import { environmentAttribute, faultAttribute, phaseAttribute } from './contract/searchAttributes.ts';
import { endOfRun, isBilledEnd, status, statusOfFailure } from './contract/status.ts';

/** Steps beat every moment: one whose worker was killed is taken over after this long, not after its whole time limit. */
const takeover = '5s';

const order = proxyActivities<Pick<Activities, 'validateOrder'>>({
  startToCloseTimeout: '30s',
  heartbeatTimeout: takeover,
  scheduleToCloseTimeout: '10m',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** A chain that is away and a key without funds hold a start up, for a while; then it is refused, and nothing stays locked. */
const locking = proxyActivities<Pick<Activities, 'lockPayment'>>({
  startToCloseTimeout: '2m',
  heartbeatTimeout: takeover,
  scheduleToCloseTimeout: '15m',
  // a lock that is being made while its job is cancelled must be known before it can be released
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** What has expired pays no more: after a day nothing is left to claim, and a release has been made by the contract itself. */
const settling = proxyActivities<Pick<Activities, 'claimPayment' | 'releasePayment'>>({
  startToCloseTimeout: '2m',
  heartbeatTimeout: takeover,
  scheduleToCloseTimeout: '24h',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5m' },
});

const cluster = proxyActivities<Pick<Activities, 'createPod'>>({
  startToCloseTimeout: '15m',
  heartbeatTimeout: takeover,
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

/** Storage that does not answer is asked again for a while; the deadline is given with the call. */
const target = proxyActivities<Pick<Activities, 'deliverOutputs'>>({
  scheduleToCloseTimeout: '1h',
  heartbeatTimeout: takeover,
  // where the outputs are must be known before it is told
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
});

const record = proxyActivities<Pick<Activities, 'recordJob' | 'recordRefusal'>>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '1m' },
});

const cleanup = proxyActivities<Pick<Activities, 'stopPod' | 'deletePod'>>({
  startToCloseTimeout: '5m',
  heartbeatTimeout: takeover,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5m' },
});

/** A pod attempt that decided the job. `failure` is absent when the algorithm's own end, or a stop, decided it. */
interface EndedAttempt {
  readonly lost: false;
  readonly end: JobEnd;
  readonly failure?: FailureType;
  readonly finishedAtMs?: number | null;
  /** by which status the job is paid, where that is not its own */
  readonly paidAs?: number;
}

/** How one pod attempt ended; a lost one may have a successor. */
type Attempt = EndedAttempt | { readonly lost: true; readonly reason: string };

/**
 * One compute-to-data job, from order check to teardown.
 * @returns how the algorithm ended. A job that failed for another reason fails with that FailureType; a stopped one is cancelled
 */
export async function computeJob(job: JobRef): Promise<JobEnd> {
  let acceptance: Acceptance | undefined;
  let refusal: unknown;
  const turn: Turn = { isGranted: false };
  setHandler(placeGranted, () => void (turn.isGranted = true));
  setHandler(awaitAccepted, async () => {
    await condition(() => acceptance !== undefined || refusal !== undefined);
    if (acceptance === undefined) throw refusal;
    return acceptance;
  });
  upsertSearchAttributes([
    { key: phaseAttribute, value: 'queued' },
    { key: environmentAttribute, value: job.environmentId },
  ]);

  let mayBeLocked = false;
  try {
    const verdict = await order.validateOrder({ jobId: job.jobId });
    mayBeLocked = verdict.needsLock === true;
    if (mayBeLocked) await locking.lockPayment({ jobId: job.jobId });
    acceptance = verdict;
  } catch (err) {
    const { type, message } = describeFailure(err);
    refusal = ApplicationFailure.nonRetryable(message, type);
    await CancellationScope.nonCancellable(async () => {
      await record.recordRefusal({ jobId: job.jobId, type, reason: message });
      if (mayBeLocked) await releasePayment(job);
      await condition(allHandlersFinished);
    });
    throw refusal;
  }

  const tellsOf = (event: JobEvent): boolean => acceptance?.webhooks?.includes(event) === true;
  // nobody waits for it
  if (tellsOf('start')) void beginWebhook(job.jobId, 'start');
  const { attempt, pod } = await runPods(job, acceptance, turn);
  const stopOfDelivery = isStopped() ? undefined : CancellationScope.current().cancelRequested;
  return CancellationScope.nonCancellable(async () => {
    upsertSearchAttributes([
      { key: phaseAttribute, value: 'ended' },
      { key: faultAttribute, value: attempt.failure === undefined ? 'none' : faultOf(attempt.failure) },
    ]);
    const conclude = (ended: EndedAttempt): Promise<EndedAttempt> =>
      (mayBeLocked ? settleAndRecord(job, { attempt: ended, pod }) : recordEnd({ attempt: ended, pod })).then(async () => {
        const isAsset = job.makesAsset === true && ended.end.status === status.finished;
        await Promise.all([isAsset && beginAsset(job.jobId), tellsOf('stop') && beginWebhook(job.jobId, 'stop')]);
        return ended;
      });
    // both at once: a client need not wait for the teardown to learn the end
    const [{ end, failure }] = await Promise.all([
      job.deliversOutputs === true ? deliver(job, { attempt, pod }, stopOfDelivery).then(conclude) : conclude(attempt),
      cleanup.deletePod(pod).then(() => leaveQueue(job)),
    ]);
    await condition(allHandlersFinished);
    if (end.status === status.stopped) throw new CancelledFailure(end.reason);
    if (failure !== undefined) throw ApplicationFailure.nonRetryable(end.reason, failure);
    return end;
  });
}

/**
 * Takes the outputs to the storage that the consumer has named. What cannot be delivered stays in the environment's
 * store, and is listed there: then a job that would have finished ends as failed, and costs what the run has cost.
 * @param stop rejects when the consumer stops the job; absent for one that was stopped before: its outputs are delivered
 */
async function deliver({ limits }: JobRef, { attempt, pod }: EndedJob, stop: Promise<never> | undefined): Promise<EndedAttempt> {
  if (attempt.failure !== undefined) return attempt;
  let stopped = false;
  const delivery = new CancellationScope();
  stop?.catch(() => {
    stopped = true;
    delivery.cancel();
  });
  try {
    const within = { scheduleToCloseTimeout: limits.publishSeconds * 1_000 };
    await delivery.run(() => target.deliverOutputs.executeWithOptions(within, [pod]));
    return attempt;
  } catch (err) {
    return stopped ? withoutDelivery(attempt) : notDelivered(attempt, describeFailure(err));
  }
}

/** A consumer who waits no more for a bucket has the outputs here, and pays for the run as if they had arrived. */
const withoutDelivery = (attempt: EndedAttempt): EndedAttempt => {
  const reason = `${stoppedEnd.reason} before its outputs were delivered; they are among the results here`;
  return { ...attempt, paidAs: attempt.end.status, end: { ...attempt.end, ...stoppedEnd, reason } };
};

const notDelivered = (attempt: EndedAttempt, { type, message }: ReturnType<typeof describeFailure>): EndedAttempt => {
  const reason = `${attempt.end.reason}; its outputs could not be delivered and are among the results here: ${message}`;
  if (attempt.end.status !== status.finished) return { ...attempt, end: { ...attempt.end, reason } };
  upsertSearchAttributes([{ key: faultAttribute, value: faultOf(type) }]);
  return { ...attempt, failure: type, paidAs: attempt.end.status, end: { ...attempt.end, reason, status: status.publishingFailed } };
};

/** How and when the algorithm ended, as far as it is known. */
const finishOf = ({ finishedAtMs }: EndedAttempt) => (finishedAtMs === undefined ? {} : { algorithm: { startedAtMs: null, finishedAtMs } });

const recordEnd = ({ attempt, pod }: EndedJob): Promise<void> => {
  const { end } = attempt;
  return record.recordJob({ ...pod, status: end.status, reason: end.reason, end, ...finishOf(attempt) });
};

/** The consumer pays for an end of the algorithm's own, and learns that end once the payment is settled; else nothing is kept. */
async function settleAndRecord(job: JobRef, ended: EndedJob): Promise<void> {
  const { attempt, pod } = ended;
  if (!isBilledEnd(attempt.paidAs ?? attempt.end.status)) {
    await Promise.all([recordEnd(ended), releasePayment(job)]);
    return;
  }
  const reason = 'the results are complete; the payment is being claimed';
  await record.recordJob({ ...pod, status: status.settling, reason, ...finishOf(attempt) });
  await orWithout(() => settling.claimPayment({ jobId: job.jobId }));
  await recordEnd(ended);
}

const releasePayment = (job: JobRef): Promise<void> => orWithout(() => settling.releasePayment({ jobId: job.jobId }));

/** A payment that cannot be settled for good changes nothing about the job's end: the lock expires, and the payer has it back. */
async function orWithout(settle: () => Promise<void>): Promise<void> {
  try {
    await settle();
  } catch (err) {
    if (!(err instanceof ActivityFailure)) throw err;
    log.error('the payment of a job could not be settled', { cause: err.cause?.message });
  }
}

/** What the queue of the environment has told the job. */
interface Turn {
  isGranted: boolean;
}

interface EndedJob {
  readonly attempt: EndedAttempt;
  /** the last pod, not yet deleted */
  readonly pod: PodRef;
}

/** Runs the job in one pod after another, until one ends it or as many as allowed were lost. */
async function runPods(job: JobRef, acceptance: Acceptance, turn: Turn): Promise<EndedJob> {
  for (let podAttempt = 1; ; podAttempt += 1) {
    const pod = { jobId: job.jobId, podAttempt };
    const attempt = await runPod(job, pod, { acceptance, turn });
    if (!attempt.lost) return { attempt, pod };
    if (podAttempt >= job.limits.podAttempts) {
      const reason = `the platform lost ${podAttempt} pods of this job, the last one: ${attempt.reason}`;
      return { attempt: { lost: false, failure: 'PodLost', end: { status: status.lost, reason, exitCode: null, oomKilled: false } }, pod };
    }
    // the lost pod must be gone before its successor runs, or the algorithm could run twice at once; its place stays
    await CancellationScope.nonCancellable(() => cleanup.deletePod({ ...pod, lost: attempt.reason }));
  }
}

/** One pod: created, staged, run, published. Never throws: every failure is an end. */
async function runPod(job: JobRef, pod: PodRef, { acceptance, turn }: { acceptance: Acceptance; turn: Turn }): Promise<Attempt> {
  const { limits } = job;
  const { runSeconds } = acceptance;
  const within = (phase: AgentPhase, seconds: number): ActivityOptions => ({
    activityId: phaseActivityId(phase, pod),
    heartbeatTimeout: job.heartbeatSeconds * 1_000,
    scheduleToCloseTimeout: seconds * 1_000,
  });
  let phase: AgentPhase | 'createPod' = 'createPod';
  let run: AlgorithmEnd | undefined;
  try {
    await createInTurn(job, pod, turn);

    phase = 'stageInputs';
    upsertSearchAttributes([{ key: phaseAttribute, value: 'staging' }]);
    await agent.stageInputs.executeWithOptions(within('stageInputs', stagingSeconds(limits)), [pod]);

    phase = 'runAlgorithm';
    upsertSearchAttributes([{ key: phaseAttribute, value: 'running' }]);
    const patience = runSeconds + limits.graceSeconds + silencePatienceSeconds;
    run = await runUntilStopped(runSeconds, () => agent.runAlgorithm.executeWithOptions(within('runAlgorithm', patience), [pod]));

    phase = 'publishOutputs';
    const { end } = run;
    // a stop must not lose what exists: publishing goes on, its activity cannot be scheduled twice under one id
    const stopped = await CancellationScope.nonCancellable(async () => {
      upsertSearchAttributes([{ key: phaseAttribute, value: 'publishing' }]);
      const exit = end === 'ended' ? null : await cleanup.stopPod({ pod, graceSeconds: limits.graceSeconds });
      const published = await agent.publishOutputs.executeWithOptions(within('publishOutputs', limits.publishSeconds), [pod]);
      // where a stop takes the whole pod down, only the agent can tell how the algorithm ended
      return exit?.exitCode === null ? (published.exit ?? exit) : exit;
    });
    const attempt = endOf(run, runSeconds, stopped);
    return isStopped() ? { ...attempt, end: { ...attempt.end, ...stoppedEnd } } : attempt;
  } catch (err) {
    if (isStopped()) return { lost: false, end: { exitCode: null, oomKilled: false, ...stoppedEnd } };
    const { type, message } = describeFailure(err);
    if (type === 'PodLost') return { lost: true, reason: message };
    const { exitCode, oomKilled } = run?.end === 'ended' ? run.exit : { exitCode: null, oomKilled: false };
    return { lost: false, failure: type, end: { status: statusOfFailure(type, phase), reason: message, exitCode, oomKilled } };
  }
}

/** Creates the pod as soon as the environment has a place for it. */
async function createInTurn(job: JobRef, pod: PodRef, turn: Turn): Promise<void> {
  const { environmentId, limits } = job;
  const place = job.place && { queue: { environmentId, kind: job.place.kind }, consumerKey: job.place.consumerKey };
  const deadlineMs = Date.now() + limits.queueSeconds * 1_000;
  for (;;) {
    turn.isGranted = false;
    const { kind } = await cluster.createPod.executeWithOptions({ scheduleToCloseTimeout: limits.createSeconds * 1_000 }, [{ pod, place }]);
    if (kind === 'created') return;
    if (await condition(() => turn.isGranted, Math.max(1, deadlineMs - Date.now()))) continue;
    throw ApplicationFailure.nonRetryable(
      `no place of environment ${environmentId} became free within ${limits.queueSeconds} s; try again later or allow a longer queueMaxWaitTime`,
      'QueueTimedOut' satisfies FailureType,
    );
  }
}

/** Gives the job's place, or its turn, to others. */
async function leaveQueue({ jobId, environmentId, place }: JobRef): Promise<void> {
  if (place === null) return;
  try {
    await getExternalWorkflowHandle(queueWorkflowId({ environmentId, kind: place.kind })).signal(releasePlace, jobId);
  } catch {
    // there is no such queue now: the next one asks the ledger who has a place, and this job has ended there
  }
}

/**
 * A scheduler may still be making the pod while its agent is awaited. A pod that takes too long fails by what is seen of
 * it; a little later the deadline comes.
 */
const stagingSeconds = ({ createSeconds, stageSeconds }: JobRef['limits']): number => createSeconds + stageSeconds + 15;

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

/** @param stopped how the algorithm ended when it was told to, or null when it ended by itself */
const endOf = (run: AlgorithmEnd, runSeconds: number, stopped: StoppedAlgorithm | null): EndedAttempt => {
  const exitCode = stopped?.exitCode ?? null;
  const finishedAtMs = stopped?.finishedAtMs ?? null;
  switch (run.end) {
    case 'ended':
      return { lost: false, end: endOfRun(run.exit), finishedAtMs: run.exit.finishedAtMs };
    case 'stopped':
      return { lost: false, end: { ...stoppedEnd, exitCode, oomKilled: false }, finishedAtMs };
    case 'timedOut': {
      const reason = `the algorithm ran longer than the ${runSeconds} s it was granted`;
      return { lost: false, end: { status: status.timedOut, reason, exitCode, oomKilled: false }, finishedAtMs };
    }
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
