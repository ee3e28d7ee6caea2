/** What travels between the processes about a job. Plain JSON: no Date, Map, bigint or undefined in arrays. */

import type { PlaceKind } from './queue.ts';

/** Phases that the pod's agent drives and the gateway completes. */
export type AgentPhase = 'stageInputs' | 'runAlgorithm' | 'publishOutputs';

/** What the gateway adds to an agent's progress: details of a heartbeat last until the next one, from attempt to attempt. */
export interface Heard {
  /** when the agent spoke last, milliseconds since the epoch */
  readonly heardAtMs: number;
}

/** One incarnation of a job's pod. Attempts count from 1; a lost pod's successor has the next number. */
export interface PodRef {
  readonly jobId: string;
  readonly podAttempt: number;
}

/** Durations of one job in seconds; none is optional, so no state is without a deadline. */
export interface JobLimits {
  /** waiting for a place in the environment */
  readonly queueSeconds: number;
  /** creating the pod, image pull included, wherever it happens */
  readonly createSeconds: number;
  readonly stageSeconds: number;
  readonly publishSeconds: number;
  /** between TERM and KILL when an algorithm is stopped */
  readonly graceSeconds: number;
  /** how many pods one job may use up when the platform loses them */
  readonly podAttempts: number;
}

/** What a job's place is counted as. */
export interface PlaceNeed {
  readonly kind: PlaceKind;
  /** the same for all jobs of one consumer; a hash, never an address */
  readonly consumerKey: string;
}

/** Argument of the `computeJob` workflow: references and limits, nothing secret, nothing large. */
export interface JobRef {
  readonly jobId: string;
  readonly environmentId: string;
  /** which places the job may have, and for whom; null: it takes none, as the service's own tests */
  readonly place: PlaceNeed | null;
  readonly limits: JobLimits;
  /** seconds between two signs of life after which a silent pod is looked at */
  readonly heartbeatSeconds: number;
  /** the outputs become an asset once the job has finished */
  readonly makesAsset?: true;
  /** the outputs go to storage that the consumer has named */
  readonly deliversOutputs?: true;
}

/** The verdict on an accepted job. */
export interface Acceptance {
  readonly jobId: string;
  /** algorithm run time granted, in seconds: the request's, lowered to what environment and order allow */
  readonly runSeconds: number;
  /** true: the job costs something, and runs once its payment is locked; absent: nothing is locked */
  readonly needsLock?: true;
  /** of which the operator is told; absent: of none */
  readonly webhooks?: readonly JobEvent[];
}

/** What an operator can be told of a job. */
export type JobEvent = 'start' | 'stop';

/** One thing that an operator is told. */
export interface WebhookRef {
  readonly jobId: string;
  readonly event: JobEvent;
}

/** Result of `stageInputs`. */
export interface StagedInputs {
  readonly files: number;
  readonly bytes: number;
}

/** Result of `runAlgorithm`: how the algorithm ended. Not a failure, whatever the exit code. */
export interface AlgorithmExit {
  /** null when the algorithm never ran */
  readonly exitCode: number | null;
  readonly oomKilled: boolean;
  /** `ran` is the rule; the others say why the exit code is not the whole truth */
  readonly end: 'ran' | 'unstartable' | 'diskQuotaExceeded';
  /** one line for people, e.g. `python3: not found in the image`; no paths of the platform, no secrets */
  readonly reason: string;
  /** milliseconds since the epoch, by the agent's clock; null when the algorithm never ran */
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
}

/** Result of `publishOutputs`. */
export interface PublishedOutputs {
  readonly files: number;
  readonly bytes: number;
  /** how a stopped algorithm ended, where the runtime could not tell at the time of the stop */
  readonly exit?: { readonly exitCode: number | null; readonly finishedAtMs: number | null };
}

/** How a job ended. `status` is a number of the Ocean status table (70 is success only). */
export interface JobEnd {
  readonly status: number;
  readonly reason: string;
  readonly exitCode: number | null;
  readonly oomKilled: boolean;
}

/** One `recordJob`: a job's row moves forward to `status`, never backward. */
export interface JobRecord {
  readonly jobId: string;
  readonly podAttempt: number;
  readonly status: number;
  readonly reason: string;
  /** present at the job's end only */
  readonly end?: JobEnd;
  readonly algorithm?: Pick<AlgorithmExit, 'startedAtMs' | 'finishedAtMs'>;
}
