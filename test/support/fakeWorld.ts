/**
 * A world for workflow tests: pods, ledger and orders with state, and agents that report as real ones do.
 * Tests assert on the state; the leak guard is `expect(world.pods.size).toBe(0)`.
 */

import { Readable } from 'node:stream';
import { ActivityNotFoundError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { DeliverOutputsDeps } from '../../activities/deliverOutputs.ts';
import type { OverdueJob } from '../../activities/expireJobs.ts';
import type { ActivityDeps } from '../../activities/index.ts';
import { askedAsset, type JobAsset } from '../../workflows/contract/asset.ts';
import type { PostWebhookDeps } from '../../activities/postWebhook.ts';
import type { PublishAssetDeps } from '../../activities/publishAsset.ts';
import type { FailureType, JobFailure } from '../../workflows/contract/failures.ts';
import { jobWorkflowId, phaseActivityId, podName } from '../../workflows/contract/ids.ts';
import type { AgentPhase, AlgorithmExit, JobEvent, JobRecord, PodRef } from '../../workflows/contract/job.ts';
import { createPlaceQueues, type PlaceQueues, type PlaceQueuesDeps } from '../../infra/temporal/placeQueues.ts';
import { anywhere, type PodOutcome, type PodSpec } from '../../workflows/contract/pod.ts';
import type { KnownClaims, Position } from '../../workflows/contract/queue.ts';
import type { Admission, JobSpec, PaymentTerms } from '../../workflows/contract/spec.ts';
import type { SealVerdict } from '../../workflows/contract/seal.ts';
import { openWorkflows } from '../../workers/orchestrator/openWorkflows.ts';
import { aJobRef, aSpec, anAdmission, anAssetRequest } from './builders.ts';

/** What a fake agent may say. */
export interface FakeAgent {
  readonly pod: PodRef;
  /** Resolves when the algorithm was told to stop. */
  readonly stopped: Promise<void>;
  done(phase: AgentPhase, result: unknown): Promise<void>;
  failed(phase: AgentPhase, failure: { readonly type: FailureType; readonly retryable: boolean }): Promise<void>;
  /** Waits until the phase has been started again after a failure. */
  nextAttempt(phase: AgentPhase): Promise<void>;
  exit(over?: Partial<AlgorithmExit>): AlgorithmExit;
}

/** The part that a test scripts: what the agent of a pod does. */
export type AgentScript = (agent: FakeAgent) => Promise<void>;

interface FakePod {
  readonly spec: PodSpec;
  outcome: PodOutcome;
  stop: () => void;
}

/** How soon queues go on as a new run, and look at their holders. */
export type QueueOptions = NonNullable<PlaceQueuesDeps['queueOptions']>;

/** State of the world, by job. */
export class FakeWorld {
  readonly pods = new Map<string, FakePod>();
  readonly records: JobRecord[] = [];
  /** jobs whose results have a manifest, if they published any */
  readonly manifests: string[] = [];
  readonly refusals: { jobId: string; type: string; reason: string }[] = [];
  readonly starts: PodRef[] = [];
  /** why pods came to nothing, as clients were told */
  readonly losses: (PodRef & { reason: string })[] = [];
  refuse: JobFailure | undefined;
  /** thrown by the next pod creations, in order */
  readonly creationFailures: (JobFailure | Error)[] = [];
  runSeconds = 60;
  /** what jobs cost; null: nothing is locked */
  terms: PaymentTerms | null = null;
  /** what the ledger knows of the algorithm's run; null: it never began */
  ranSeconds: number | null = 1;
  /** what became of the payments of jobs */
  readonly locks = new Map<string, 'locked' | 'claimed' | 'released'>();
  /** jobs that were accepted, in order */
  readonly accepted: string[] = [];
  /** a lock is made when this resolves */
  locking: Promise<void> = Promise.resolve();
  lockFailure: JobFailure | undefined;
  claimFailure: JobFailure | undefined;
  /** what self-tests found out, in order */
  readonly verdicts: (SealVerdict & { readonly environmentId: string })[] = [];
  selfTestFailure: JobFailure | undefined;
  /** thrown by the next makings of an asset, in order */
  readonly assetFailures: JobFailure[] = [];
  /** what was told of assets, in order */
  readonly assets: JobAsset[] = [];
  /** of what the operator wants to be told; set before the worker starts, or kept in place */
  readonly webhookEvents: JobEvent[] = [];
  /** thrown by the next posts, in order */
  readonly webhookFailures: Error[] = [];
  /** the receiver answers when this resolves */
  receiving: Promise<void> = Promise.resolve();
  /** what the operator was told, in order */
  readonly webhooks: { delivery: string; body: object }[] = [];
  /** what is to be delivered of every job; null: nothing */
  order: Awaited<ReturnType<DeliverOutputsDeps['deliveries']['readDeliveryOrder']>> = null;
  /** thrown by the next deliveries, in order */
  readonly deliveryFailures: JobFailure[] = [];
  /** what has arrived in consumers' storage, in order */
  readonly deliveries: { readonly sizeBytes: number }[] = [];
  /** why a job waits, as clients were told */
  readonly reasons: string[] = [];
  /** what every algorithm writes */
  log = '';
  /** how many places every environment has; the queues that give them out are real */
  places = 10;
  /** what the ledger remembers of places, for a queue without memory */
  known: KnownClaims = { holding: [], waiting: [] };
  /** the most pods that there were at once */
  mostPods = 0;
  /** every position that was told, in order */
  readonly positions: Position[] = [];
  script: AgentScript = wellBehaved;
  /** jobs whose time is over, by id */
  expired: readonly OverdueJob[] = [];
  readonly filesRemoved: string[] = [];
  readonly problems: unknown[] = [];
  readonly queues: PlaceQueues;
  private readonly client: Client;

  constructor(client: Client, taskQueue: string, queueOptions: QueueOptions = {}) {
    this.client = client;
    this.queues = createPlaceQueues({ client, taskQueue, queueOptions, maxJobsOf: () => this.places });
  }

  /** Agents wait before they publish: `begun` resolves once the first one does, `release` lets all go on. */
  holdPublishing(): { readonly begun: Promise<void>; readonly release: () => void } {
    const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    this.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit());
      begun.resolve();
      await released.promise;
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
    };
    return { begun: begun.promise, release: () => released.resolve() };
  }

  /** Makes a pod disappear as a node failure does. */
  lose(pod: PodRef, reason = 'the node is gone'): void {
    const found = this.pods.get(podName(pod));
    if (found !== undefined) found.outcome = { kind: 'lost', reason };
  }

  deps(): ActivityDeps {
    return {
      orders: {
        admit: async (spec) => {
          if (this.refuse !== undefined) throw this.refuse;
          return this.admissionOf(spec);
        },
      },
      vacancies: { vacancy: async () => ({ taken: 0, maxJobs: 10 }) },
      admissions: {
        readOrder: async (jobId) => ({ spec: aSpec({ jobId }), accepted: null }),
        acceptJob: async (jobId) => void this.accepted.push(jobId),
        prepareJob: async () => undefined,
        readAdmission: async (jobId) => ({ admission: this.admissionOf(aSpec({ jobId })) }),
      },
      escrow: {
        lock: async (jobId) => {
          await this.locking;
          if (this.lockFailure !== undefined) throw this.lockFailure;
          this.locks.set(jobId, 'locked');
          return { lockTx: '0xlock' };
        },
        claim: async (jobId) => {
          if (this.claimFailure !== undefined) throw this.claimFailure;
          this.locks.set(jobId, 'claimed');
          return { claimTx: '0xclaim', cancelTx: null, cost: '7' };
        },
        release: async (jobId) => {
          if (this.locks.get(jobId) === 'locked') this.locks.set(jobId, 'released');
          return { claimTx: null, cancelTx: '0xcancel', cost: '0' };
        },
      },
      payments: { recordPayment: async () => undefined, recordSettlement: async () => undefined },
      runs: { readRunSeconds: async () => this.ranSeconds },
      locks: { releaseLock: async () => undefined },
      places: this.queues,
      attempts: { beginPodAttempt: async ({ jobId, podAttempt }) => void this.attempts.set(jobId, podAttempt) },
      fences: { currentPodAttempt: async (jobId) => this.attempts.get(jobId) ?? null },
      positions: { recordPositions: async (positions) => void this.positions.push(...positions) },
      claims: { knownClaims: async () => this.known },
      offers: { maxJobs: () => this.places },
      queues: this.queues,
      starts: { startJob: async () => ({ kind: 'started' }) },
      podSpecs: { podSpecOf: async (pod) => aPodSpec(pod) },
      pods: {
        create: async (spec) => this.create(spec),
        observe: async (pod) => this.pods.get(podName(pod))?.outcome ?? { kind: 'lost', reason: 'no such pod' },
        stop: async (pod) => this.pods.get(podName(pod))?.stop(),
        remove: async (pod) => void this.pods.delete(podName(pod)),
        list: async () => [...this.pods.values()].map(({ spec }) => ({ pod: spec.pod, environmentId: 'small', createdAtMs: 0 })),
      },
      losses: { recordLoss: async (loss) => void this.losses.push(loss) },
      records: {
        recordJob: async (record) => void this.records.push(record),
        recordProgress: async ({ reason }) => void this.reasons.push(reason),
      },
      images: { recordImage: async () => undefined },
      deliveries: {
        readDeliveryOrder: async () => this.order,
        recordDelivery: async (_jobId, delivered) => void this.deliveries.push(delivered),
      },
      published: { read: async () => Readable.from([]) },
      outputTargets: {
        deliver: async () => {
          const failure = this.deliveryFailures.shift();
          if (failure !== undefined) throw failure;
          return { sizeBytes: 1, sha256: 'a'.repeat(64) };
        },
        abandon: async () => undefined,
      },
      manifests: { manifestOf: async (jobId) => void this.manifests.push(jobId) },
      selfTests: {
        begin: async ({ environmentId }) => {
          if (this.selfTestFailure !== undefined) throw this.selfTestFailure;
          return aJobRef({ environmentId, place: null });
        },
      },
      verdicts: { recordVerdict: async (verdict) => void this.verdicts.push(verdict) },
      selfTestLogs: { readLog: async () => ({ bytes: Buffer.from(this.log) }) },
      verdictCounts: { inc: () => undefined },
      refusals: { refuseJob: async (jobId, refusal) => void this.refusals.push({ jobId, ...refusal }) },
      ...this.assetDeps(),
      toldJobs: { readJob: async (jobId) => this.toldJob(jobId) },
      webhooks: {
        events: this.webhookEvents,
        post: async ({ delivery, body }) => {
          await this.receiving;
          const failure = this.webhookFailures.shift();
          if (failure !== undefined) throw failure;
          this.webhooks.push({ delivery, body: JSON.parse(body) as object });
        },
      },
      webhookCounts: { inc: () => undefined },
      workflows: openWorkflows(this.client),
      retention: {
        expiredJobs: async (limit, after) => {
          const rest = this.expired.filter(({ jobId }) => after === null || jobId > after.jobId);
          return rest.slice(0, limit);
        },
        reduceJob: async () => undefined,
        recordFilesRemoved: async (jobId) => void this.filesRemoved.push(jobId),
      },
      storedFiles: { remove: async () => undefined },
      expiryCounts: { inc: () => undefined },
      openJobs: { openJobs: async () => [], dropEndedLogs: async () => undefined },
    };
  }

  private admissionOf(spec: JobSpec): Admission {
    return anAdmission(spec, { runSeconds: this.runSeconds, payment: this.terms });
  }

  private toldJob(jobId: string): Awaited<ReturnType<PostWebhookDeps['toldJobs']['readJob']>> {
    const end = this.records.findLast((record) => record.jobId === jobId)?.end;
    return {
      ...{ environmentId: 'small', agreementId: '0xorder', algorithmDid: '', inputDids: ['did:op:a'], createdAtMs: 1_000 },
      ...{
        finishedAtMs: end === undefined ? null : 2_500,
        status: end?.status ?? 1,
        reason: end?.reason ?? '',
        termination: end === undefined ? null : { exitCode: end.exitCode, OOMKilled: end.oomKilled },
      },
    };
  }

  private assetDeps(): PublishAssetDeps {
    return {
      publications: {
        readPublication: async (jobId) => {
          const spec = aSpec({ jobId, asset: anAssetRequest() });
          const results = [{ index: 0, filename: 'out', filesize: 1, type: 'output' as const, n: 0, sha256: 'a'.repeat(64) }];
          const asset = this.assets.at(-1) ?? askedAsset;
          return { spec, admission: anAdmission(spec), results, startedAtMs: 1, finishedAtMs: 2, asset };
        },
        recordAsset: async (_jobId, asset) => void this.assets.push(asset),
      },
      assetTermsOf: () => ({
        ...{ chainId: 8996, serviceEndpoint: 'http://127.0.0.1', orderSeconds: 0, nftTemplate: 1, datatokenTemplate: 1 },
      }),
      assetMaker: {
        sender: `0x${'5'.repeat(40)}`,
        createTokens: async () => {
          const failure = this.assetFailures.shift();
          if (failure !== undefined) throw failure;
          return { nftAddress: `0x${'1'.repeat(40)}`, datatokenAddress: `0x${'2'.repeat(40)}`, hash: '0xcreate' };
        },
        writeDocument: async () => ({ did: 'did:op:new', hash: '0xmetadata' }),
        handOver: async () => '0xtransfer',
      },
      assetCounts: { inc: () => undefined },
    };
  }

  private readonly attempts = new Map<string, number>();

  private create(spec: PodSpec): void {
    const failure = this.creationFailures.shift();
    if (failure !== undefined) throw failure;
    if (this.pods.has(podName(spec.pod))) return;
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    this.pods.set(podName(spec.pod), { spec, outcome: { kind: 'alive' }, stop });
    this.mostPods = Math.max(this.mostPods, this.pods.size);
    this.starts.push(spec.pod);
    void this.script(this.agentOf(spec.pod, stopped)).catch((err: unknown) => this.problems.push(err));
  }

  private agentOf(pod: PodRef, stopped: Promise<void>): FakeAgent {
    const waiting = (phase: AgentPhase) => ({ workflowId: jobWorkflowId(pod.jobId), activityId: phaseActivityId(phase, pod) });
    const { activity } = this.client;
    return {
      pod,
      stopped,
      done: (phase, result) => untilTaken(() => activity.complete(waiting(phase), result)),
      failed: (phase, { type, retryable }) =>
        untilTaken(() =>
          activity.fail(waiting(phase), ApplicationFailure.create({ type, message: `the agent says ${type}`, nonRetryable: !retryable })),
        ),
      nextAttempt: (phase) => untilTaken(() => activity.heartbeat(waiting(phase), {})),
      exit: (over = {}) => ({
        exitCode: 0,
        oomKilled: false,
        end: 'ran',
        reason: 'ended',
        startedAtMs: 1_000,
        finishedAtMs: 2_000,
        ...over,
      }),
    };
  }
}

/** Early reports find nothing waiting: a bounded number of tries, as the gateway makes them. */
const untilTaken = async (report: () => Promise<void>): Promise<void> => {
  for (let attempt = 0; attempt < 1_200; attempt += 1) {
    try {
      return await report();
    } catch (err) {
      if (!(err instanceof ActivityNotFoundError)) throw err;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error('a report was never taken');
};

const aPodSpec = (pod: PodRef): PodSpec => ({
  pod,
  environmentId: 'small',
  image: 'node:24',
  command: ['node'],
  env: {},
  resources: { cpu: 1, memoryBytes: 1, diskBytes: 1, devices: {} },
  token: 'token',
  deadlineSeconds: 60,
  graceSeconds: 5,
  createSeconds: 60,
  publishSeconds: 60,
  placement: anywhere,
  filters: [],
});

/** Stages, runs, publishes. */
export const wellBehaved: AgentScript = async (agent) => {
  await agent.done('stageInputs', { files: 2, bytes: 10 });
  await agent.done('runAlgorithm', agent.exit());
  await agent.done('publishOutputs', { files: 1, bytes: 5 });
};
