/** Names that derive from a job, so that every process and every repetition meets its own work. */

import type { AgentPhase, JobEvent, PodRef } from './job.ts';
import type { QueueRef } from './queue.ts';

/** Prefix of every job's workflow id. */
const jobWorkflowPrefix = 'c2d-job/';

/** Task queue of the orchestrator: workflows and activities. */
export const orchestratorQueue = 'c2d-orchestrator';

/** Workflow id of a job; one job is one workflow. */
export const jobWorkflowId = (jobId: string): string => `${jobWorkflowPrefix}${jobId}`;

/** Workflow id of the publication of a job's outputs as an asset. */
export const assetWorkflowId = (jobId: string): string => `c2d-asset/${jobId}`;

/** Workflow id of what tells the operator of a job's start or end. */
export const webhookWorkflowId = (jobId: string, event: JobEvent): string => `c2d-webhook/${jobId}/${event}`;

/** Workflow id of an environment's queue for one kind of job. */
export const queueWorkflowId = ({ environmentId, kind }: QueueRef): string => `c2d-queue/${environmentId}/${kind}`;

/** Update id under which a job's verdict is asked for; a repeated request gets the first answer. */
export const acceptUpdateId = (jobId: string): string => `accept/${jobId}`;

/**
 * Activity id of an agent-driven phase: phase and pod attempt. Temporal takes a report by id for
 * whatever attempt is current, so the id itself tells one pod from its successor.
 */
export const phaseActivityId = (phase: AgentPhase, pod: PodRef): string => `${phase}/${pod.podAttempt}`;

/** Name of a job's pod: the stem of its container, volume and (on Kubernetes) pod names. */
export const podName = (pod: PodRef): string => `c2d-${pod.jobId}-${pod.podAttempt}`;

/** Label that every object of a job's pod carries; its value is the job id. */
export const jobLabel = 'c2d.job-id';

/** Label with the pod attempt, a positive integer as text. */
export const podAttemptLabel = 'c2d.pod-attempt';

/** Label with the compute environment's id. */
export const environmentLabel = 'c2d.environment';

/** True for the 32 lower-case hex characters that every job id is made of. */
export const isJobId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);
