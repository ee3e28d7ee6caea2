/** Starts and stops jobs: the api's door to Temporal. */

import { setTimeout as delay } from 'node:timers/promises';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  isGrpcServiceError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { isFailureType, type FailureType } from '../../workflows/contract/failures.ts';
import { acceptUpdateId, jobWorkflowId, orchestratorQueue } from '../../workflows/contract/ids.ts';
import type { Acceptance, JobRef } from '../../workflows/contract/job.ts';
import { awaitAccepted } from '../../workflows/contract/messages.ts';
import type { JobSpec } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { publishSecondsOf } from '../environments/outputFilter.ts';
import { consumerKeyOf } from '../crypto/consumerKey.ts';
import { temporalFailure } from './temporalFailure.ts';

/** What became of a start. `pending`: the verdict takes longer than a client should wait; ask for the job's status. */
export type StartOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly type: FailureType; readonly message: string }
  | { readonly kind: 'pending' };

/** What the starter needs. */
export interface JobStarterDeps {
  readonly client: Client;
  readonly heartbeatSeconds: number;
  /** how long a POST waits for the verdict */
  readonly verdictPatienceMs?: number;
}

/** A job, and where it is to run. */
interface StartableJob {
  readonly spec: JobSpec;
  readonly environment: ComputeEnvironment;
}

/** Starts and stops jobs. Every call may be repeated. @throws JobFailure ServiceUnavailable while Temporal is away */
export interface JobStarter {
  start(job: StartableJob): Promise<StartOutcome>;
  /** Asks a job to stop; a job that has ended stays as it is. */
  stop(jobId: string): Promise<void>;
}

/**
 * A job that does not want to wait was accepted because a place was free. It may lose that place to another, and the
 * place of a job that has just ended is free only when its pod is gone: so it waits this long.
 */
const racingSeconds = 30;

/** The workflow's argument: references and limits only. The service's own tests of an environment take no place in it. */
export const jobRefOf = (spec: JobSpec, environment: ComputeEnvironment, heartbeatSeconds: number): JobRef => {
  const { limits, maxQueueTime } = environment;
  return {
    jobId: spec.jobId,
    environmentId: environment.id,
    place: spec.surface === 'selfTest' ? null : { kind: spec.isFree ? 'free' : 'paid', consumerKey: consumerKeyOf(spec.consumerAddress) },
    heartbeatSeconds,
    ...(spec.asset === undefined ? {} : { makesAsset: true }),
    ...(spec.deliversOutputs === true ? { deliversOutputs: true } : {}),
    limits: {
      queueSeconds: spec.queueMaxWaitTime === 0 ? racingSeconds : Math.min(spec.queueMaxWaitTime, maxQueueTime),
      createSeconds: limits.createSeconds,
      stageSeconds: limits.stageSeconds,
      publishSeconds: publishSecondsOf(environment),
      graceSeconds: limits.graceSeconds,
      podAttempts: limits.podAttempts,
    },
  };
};

const startWorkflow = (
  { client, heartbeatSeconds, verdictPatienceMs = 15_000 }: JobStarterDeps,
  { spec, environment }: StartableJob,
): Promise<Acceptance> => {
  const startWorkflowOperation = new WithStartWorkflowOperation('computeJob', {
    workflowId: jobWorkflowId(spec.jobId),
    taskQueue: orchestratorQueue,
    // a task that a killed orchestrator had is given to another one after this long; a job's history is short, so is its task
    workflowTaskTimeout: '5s',
    args: [jobRefOf(spec, environment, heartbeatSeconds)],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
  });
  return client.withDeadline(Date.now() + verdictPatienceMs, () =>
    client.workflow.executeUpdateWithStart(awaitAccepted, { updateId: acceptUpdateId(spec.jobId), startWorkflowOperation }),
  );
};

/**
 * The caller has looked first whether the ledger remembers a verdict: it does so longer than Temporal.
 * @param deps `heartbeatSeconds`: the silence after which a pod is looked at
 */
export const createJobStarter = (deps: JobStarterDeps): JobStarter => ({
  async start(job) {
    try {
      await whileServerAnswers(deps, () => startWorkflow(deps, job));
      return { kind: 'accepted' };
    } catch (err) {
      if (err instanceof WorkflowUpdateFailedError && err.cause instanceof ApplicationFailure)
        return refusal(err.cause.type, err.cause.message);
      // somebody ended it by hand before it was judged
      if (err instanceof WorkflowExecutionAlreadyStartedError) return refusal('PodLost', 'the job lost its workflow; start it again');
      const isLate = err instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isDeadline(err);
      if (isLate && (await isStarted(deps, job.spec.jobId))) return { kind: 'pending' };
      throw temporalFailure(err);
    }
  },
  async stop(jobId) {
    try {
      const handle = deps.client.workflow.getHandle(jobWorkflowId(jobId));
      await deps.client.withDeadline(Date.now() + stopPatienceMs, () => handle.cancel());
    } catch (err) {
      if (!(err instanceof WorkflowNotFoundError)) throw temporalFailure(err);
    }
  },
});

const stopPatienceMs = 4_000;
const lookPatienceMs = 1_500;

/** A verdict may take long, a server that is away must be told soon: after this long it is asked whether it is there. */
const doubtAfterMs = 2_500;

/** Gives `work` up, with the server's error, when the server does not answer while it lasts. */
const whileServerAnswers = async <Result>({ client }: JobStarterDeps, work: () => Promise<Result>): Promise<Result> => {
  const over = new AbortController();
  const doubt = async (): Promise<never> => {
    await delay(doubtAfterMs, undefined, { signal: over.signal });
    const look = client.withDeadline(Date.now() + lookPatienceMs, () => client.connection.workflowService.getSystemInfo({}));
    await look.catch((err: unknown) => {
      throw temporalFailure(err);
    });
    // it is there: the verdict is what takes so long
    return new Promise(() => undefined);
  };
  const doubting = doubt();
  doubting.catch(() => undefined);
  const working = client.withAbortSignal(over.signal, work);
  working.catch(() => undefined);
  try {
    return await Promise.race([working, doubting]);
  } finally {
    over.abort();
  }
};

/** True when the job is known to have begun: only then does asking for its status make sense. */
const isStarted = async ({ client }: JobStarterDeps, jobId: string): Promise<boolean> => {
  const look = client.withDeadline(Date.now() + lookPatienceMs, () => client.workflow.getHandle(jobWorkflowId(jobId)).describe());
  return look.then(
    () => true,
    () => false,
  );
};

const refusal = (type: string | null | undefined, message: string): StartOutcome => ({
  kind: 'refused',
  type: isFailureType(type) ? type : 'RequestInvalid',
  message,
});

/** gRPC's DEADLINE_EXCEEDED. */
const deadlineExceeded = 4;

const isDeadline = (err: unknown): boolean => {
  const cause = err instanceof Error && isGrpcServiceError(err.cause) ? err.cause : err;
  return isGrpcServiceError(cause) && Number(cause.code) === deadlineExceeded;
};
