/** Starts and stops jobs: the api's door to Temporal. */

import {
  WithStartWorkflowOperation,
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

/** Starts and stops jobs. Every call may be repeated. @throws JobFailure ServiceUnavailable while Temporal is away */
export interface JobStarter {
  start(job: { readonly spec: JobSpec; readonly environment: ComputeEnvironment }): Promise<StartOutcome>;
  /** Asks a job to stop; a job that has ended stays as it is. */
  stop(jobId: string): Promise<void>;
}

/** A job that was accepted because a place was free may lose that place to another: it waits at least this long. */
const racingSeconds = 5;

/** The workflow's argument: references and limits only. */
export const jobRefOf = (spec: JobSpec, environment: ComputeEnvironment, heartbeatSeconds: number): JobRef => {
  const { limits, maxQueueTime } = environment;
  return {
    jobId: spec.jobId,
    environmentId: environment.id,
    heartbeatSeconds,
    limits: {
      queueSeconds: Math.max(Math.min(spec.queueMaxWaitTime, maxQueueTime), racingSeconds),
      createSeconds: limits.createSeconds,
      stageSeconds: limits.stageSeconds,
      publishSeconds: limits.publishSeconds,
      graceSeconds: limits.graceSeconds,
      podAttempts: limits.podAttempts,
    },
  };
};

const startWorkflow = (
  { client, heartbeatSeconds, verdictPatienceMs = 15_000 }: JobStarterDeps,
  spec: JobSpec,
  environment: ComputeEnvironment,
): Promise<Acceptance> => {
  const startWorkflowOperation = new WithStartWorkflowOperation('computeJob', {
    workflowId: jobWorkflowId(spec.jobId),
    taskQueue: orchestratorQueue,
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
  async start({ spec, environment }) {
    try {
      await startWorkflow(deps, spec, environment);
      return { kind: 'accepted' };
    } catch (err) {
      if (err instanceof WorkflowUpdateFailedError && err.cause instanceof ApplicationFailure)
        return refusal(err.cause.type, err.cause.message);
      const isLate = err instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isDeadline(err);
      if (isLate && (await isStarted(deps, spec.jobId))) return { kind: 'pending' };
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

const stopPatienceMs = 10_000;
const lookPatienceMs = 2_000;

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
