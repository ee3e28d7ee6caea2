/**
 * A world for workflow tests: pods, ledger and orders with state, and agents that report as real ones do.
 * Tests assert on the state; the leak guard is `expect(world.pods.size).toBe(0)`.
 */

import { ActivityNotFoundError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityDeps } from '../../activities/index.ts';
import type { FailureType, JobFailure } from '../../workflows/contract/failures.ts';
import { jobWorkflowId, phaseActivityId, podName } from '../../workflows/contract/ids.ts';
import type { AgentPhase, AlgorithmExit, JobRecord, PodRef } from '../../workflows/contract/job.ts';
import { anywhere, type PodOutcome, type PodSpec } from '../../workflows/contract/pod.ts';
import { aSpec, anAdmission } from './builders.ts';

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

/** State of the world, by job. */
export class FakeWorld {
  readonly pods = new Map<string, FakePod>();
  readonly records: JobRecord[] = [];
  readonly refusals: { jobId: string; type: string; reason: string }[] = [];
  readonly starts: PodRef[] = [];
  refuse: JobFailure | undefined;
  /** thrown by the next pod creations, in order */
  readonly creationFailures: (JobFailure | Error)[] = [];
  runSeconds = 60;
  places = 10;
  script: AgentScript = wellBehaved;
  readonly problems: unknown[] = [];
  private readonly client: Client;

  constructor(client: Client) {
    this.client = client;
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
          return anAdmission(spec, { runSeconds: this.runSeconds });
        },
      },
      vacancies: { vacancy: async () => ({ taken: 0, maxJobs: 10 }) },
      admissions: { readSpec: async (jobId) => aSpec({ jobId }), acceptJob: async () => undefined },
      places: { maxJobs: async () => 10, takePlace: async () => ({ taken: this.places > 0, others: 10 - this.places }) },
      podSpecs: { podSpecOf: async (pod) => aPodSpec(pod) },
      pods: {
        create: async (spec) => this.create(spec),
        observe: async (pod) => this.pods.get(podName(pod))?.outcome ?? { kind: 'lost', reason: 'no such pod' },
        stop: async (pod) => this.pods.get(podName(pod))?.stop(),
        remove: async (pod) => void this.pods.delete(podName(pod)),
        list: async () => [...this.pods.values()].map(({ spec }) => ({ pod: spec.pod, environmentId: 'small', createdAtMs: 0 })),
      },
      records: { recordJob: async (record) => void this.records.push(record) },
      refusals: { refuseJob: async (jobId, refusal) => void this.refusals.push({ jobId, ...refusal }) },
      workflows: { isOpen: async () => false },
      openJobs: { openJobs: async () => [], dropEndedLogs: async () => undefined },
    };
  }

  private create(spec: PodSpec): void {
    const failure = this.creationFailures.shift();
    if (failure !== undefined) throw failure;
    if (this.pods.has(podName(spec.pod))) return;
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    this.pods.set(podName(spec.pod), { spec, outcome: { kind: 'alive' }, stop });
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
  for (let attempt = 0; attempt < 200; attempt += 1) {
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
});

/** Stages, runs, publishes. */
export const wellBehaved: AgentScript = async (agent) => {
  await agent.done('stageInputs', { files: 2, bytes: 10 });
  await agent.done('runAlgorithm', agent.exit());
  await agent.done('publishOutputs', { files: 1, bytes: 5 });
};
