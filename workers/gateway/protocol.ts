/**
 * What an execution pod's agent and the gateway say to each other: HTTP, JSON, below `/agent/v1`.
 * Every request carries `Authorization: Bearer <token>`; the token names job and pod attempt.
 * The protocol only grows: fields are added, never renamed, because running pods outlive a release.
 *
 *   GET  /agent/v1/plan                           → Plan
 *   GET  /agent/v1/files/{n}          (Range)     → bytes, 200 or 206; failures are Problem
 *   POST /agent/v1/events             Events      → Order
 *   POST /agent/v1/reports            PhaseReport → Order; 503 + Retry-After: send the same report again
 *   PUT  /agent/v1/outputs/{n}                    → 204; a whole file of at most one part, both of the following in one; the same
 *                                                   headers. Gateways of earlier releases answer 404: they take parts
 *   PUT  /agent/v1/outputs/{n}/parts/{k}          → 204; headers `c2d-digest: sha256 hex`, `c2d-encryption: age` where the plan asks for it; idempotent
 *   POST /agent/v1/outputs/{n}/complete OutputCompletion → 204; after it the file is verified and durable
 *   GET  /agent/v1/phases/{phase}/attempt?after=N → PhaseAttempt (long poll, up to 25 s)
 *
 * 401: unknown or outdated token, the agent ends. 410: the job is over, the agent ends.
 */

import { z } from 'zod';
import { outputFileTypes } from '../../workflows/contract/outputPolicy.ts';

/** Where everything of the protocol lives. */
export const agentBasePath = '/agent/v1';

export const agentPhase = z.enum(['stageInputs', 'runAlgorithm', 'publishOutputs']);

/** One file to stage. Exactly one of `content` (inline, base64) and a download from `files/{n}`. */
export const plannedFile = z.object({
  n: z.number().int().nonnegative(),
  /** path below the pod's data folder, e.g. `inputs/<did>/0`, `transformations/algorithm`, `ddos/<did>` */
  path: z.string().min(1),
  /** octal permission bits, e.g. 0o644 */
  mode: z.number().int(),
  content: z.base64().optional(),
  sizeBytes: z.number().int().nonnegative().optional(),
  /** lower-case hex; when present the staged bytes must match */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** decides the failure's type: `input` → InputUnavailable, `algorithm` → AlgorithmUnavailable */
  role: z.enum(['input', 'algorithm', 'platform']),
});

/** A rule of the owner of data, or of the environment: `by`. Null limits do not exist. */
export const outputRule = z.object({
  by: z.string().max(200),
  maxBytes: z.number().nullable(),
  maxFiles: z.number().nullable(),
  fileTypes: z.array(z.enum(outputFileTypes)).nullable(),
  publishLog: z.boolean(),
  /** absent from gateways of the release before */
  redactLog: z.array(z.string()).optional(),
});

export const plan = z.object({
  jobId: z.string(),
  podAttempt: z.number().int().positive(),
  files: z.array(plannedFile),
  limits: z.object({
    /** inputs of one job, all files together */
    inputBytes: z.number().int().positive(),
    /** the log is cut, with a mark, after this many bytes */
    logBytes: z.number().int().positive(),
    outputBytes: z.number().int().positive(),
    outputFiles: z.number().int().positive(),
    partBytes: z.number().int().positive(),
    /** seconds after which staging is given up, however often it was tried */
    stageSeconds: z.number().positive(),
    /** seconds without a single new byte after which a transfer is given up */
    transferPatienceSeconds: z.number().positive(),
  }),
  /** present: outputs and log are encrypted in the age format before they are uploaded */
  encryption: z
    .object({
      /** compressed public key, hex */
      recipient: z.string(),
      /** from which the key of each file derives, 32 bytes, hex */
      secret: z.string(),
      /** the secret, encrypted to the recipient, hex */
      wrapped: z.string(),
    })
    .optional(),
  /** what may leave the pod; all of them hold, nothing is published when one does not */
  outputRules: z.array(outputRule).optional(),
  /** seconds between two signs of life */
  heartbeatSeconds: z.number().positive(),
  /**
   * How the agent proves the seal before it opens the gate. `noNetwork`: the wrapper itself refuses when the
   * algorithm's network namespace has more than loopback. `canary`: this address must be unreachable.
   */
  seal: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('noNetwork') }),
    z.object({ kind: z.literal('canary'), host: z.string(), port: z.number().int() }),
  ]),
});

export const agentProgress = z.object({
  phase: agentPhase,
  filesDone: z.number().int().nonnegative(),
  filesTotal: z.number().int().nonnegative(),
  bytesDone: z.number().int().nonnegative(),
  bytesTotal: z.number().int().nonnegative().nullable(),
  /** only while outputs are to be published: filters look at them, nothing leaves yet */
  filtering: z.boolean().optional(),
});

/** A sign of life, with whatever is new. `logs` are consecutive pieces of the algorithm's log. */
export const events = z.object({
  sequence: z.number().int().nonnegative(),
  progress: agentProgress.optional(),
  /** sent once, when the gate was opened: the algorithm's first instruction, milliseconds since the epoch */
  algorithmStartedAtMs: z.number().optional(),
  logs: z.array(z.object({ offset: z.number().int().nonnegative(), bytes: z.base64() })).default([]),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const stagedInputs = z.object({
  files: z.number().int(),
  bytes: z.number().int(),
  /** what lies at each place of the plan, by its number */
  digests: z.array(z.object({ n: z.number().int().nonnegative(), sizeBytes: z.number().int().nonnegative(), sha256 })).optional(),
});

export const algorithmExit = z.object({
  exitCode: z.number().int().nullable(),
  oomKilled: z.boolean(),
  end: z.enum(['ran', 'unstartable', 'diskQuotaExceeded']),
  reason: z.string().max(500),
  startedAtMs: z.number().nullable(),
  finishedAtMs: z.number().nullable(),
});

/** An output that has been uploaded. `name` is the path below `/data/outputs`, or `algorithm.log`. */
export const outputFile = z.object({
  name: z.string().min(1).max(4096),
  type: z.enum(['output', 'algorithmLog']),
  sizeBytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  parts: z.number().int().nonnegative(),
  /** what it was before it was encrypted; absent where it is not */
  plaintext: z.object({ sizeBytes: z.number().int().nonnegative(), sha256 }).optional(),
});

/** What completes an output. `partDigests`: SHA-256 of each part, hex, so that a store can compare them with what it has. */
export const outputCompletion = outputFile.extend({
  partDigests: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .max(10_000)
    .optional(),
});

/** What a filter of the outputs ended with. */
const filterEnd = z.object({
  by: z.string().max(200),
  /** as it was asked of the runtime */
  image: z.string().max(1_000),
  /** null: it did not get as far */
  exitCode: z.number().int().nullable(),
  /** the last of what it wrote, for the operator only */
  log: z.base64().max(64 * 1024),
});

export const publishedOutputs = z.object({
  /** the numbers `n` under which files were completed, and what they are; complete and final */
  files: z.array(outputFile.extend({ n: z.number().int().nonnegative() })),
  /** how an algorithm ended that was told to, where only the agent has seen it */
  exit: z.object({ exitCode: z.number().int().nullable(), finishedAtMs: z.number().nullable() }).optional(),
  /** which rule kept the outputs back; `files` has the log only */
  withheld: z.string().max(500).optional(),
  /** what kind of end that is; absent: OutputsWithheld */
  withheldAs: z.enum(['OutputsWithheld', 'FilterFailed']).optional(),
  /** the filters that were asked, in their order */
  filters: z.array(filterEnd).max(20).optional(),
});

/**
 * The end of a phase. `attempt` is what `phases/{phase}/attempt` last said (0 before it was asked).
 * `exitUnknown`: the agent was restarted and does not know how the algorithm ended; the runtime is asked instead.
 */
export const phaseReport = z.discriminatedUnion('outcome', [
  z.discriminatedUnion('phase', [
    z.object({ outcome: z.literal('done'), phase: z.literal('stageInputs'), result: stagedInputs }),
    z.object({
      outcome: z.literal('done'),
      phase: z.literal('runAlgorithm'),
      result: algorithmExit,
      /** what it has written goes through filters next */
      filtering: z.boolean().optional(),
    }),
    z.object({ outcome: z.literal('done'), phase: z.literal('publishOutputs'), result: publishedOutputs }),
  ]),
  z.object({ outcome: z.literal('exitUnknown'), phase: z.literal('runAlgorithm') }),
  z.object({
    outcome: z.literal('failed'),
    phase: agentPhase,
    type: z.string().max(60),
    message: z.string().max(500),
    /** true: the phase may go again in this pod, wait for the next attempt */
    retryable: z.boolean(),
  }),
]);

/** `stop`: the job is being cancelled in this phase. */
export const order = z.object({ order: z.enum(['continue', 'stop']) });

/** A phase's current attempt, told apart by its start time in milliseconds since the epoch. */
export const phaseAttempt = z.object({ startedAtMs: z.number() });

/** A refusal. `retryable` false: asking again is pointless. `type` is a FailureType. */
export const problem = z.object({ type: z.string(), message: z.string(), retryable: z.boolean() });

export type Plan = z.infer<typeof plan>;
export type OutputRule = z.infer<typeof outputRule>;
export type PlannedFile = z.infer<typeof plannedFile>;
export type AgentProgress = z.infer<typeof agentProgress>;
export type Events = z.infer<typeof events>;
export type StagedInputs = z.infer<typeof stagedInputs>;
export type PublishedOutputs = z.infer<typeof publishedOutputs>;
export type FilterEnd = z.infer<typeof filterEnd>;
export type OutputFile = z.infer<typeof outputFile>;
export type OutputCompletion = z.infer<typeof outputCompletion>;
export type PhaseReport = z.infer<typeof phaseReport>;
export type Order = z.infer<typeof order>;
export type PhaseAttempt = z.infer<typeof phaseAttempt>;
export type Problem = z.infer<typeof problem>;
