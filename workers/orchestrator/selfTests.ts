/** The job of a self-test: like a consumer's, but accepted from the beginning and shown to nobody. */

import { createHash } from 'node:crypto';
import { sealProbe, type SealTarget } from '../../infra/environments/sealProbe.ts';
import type { ComputeEnvironment } from '../../infra/environments/environments.ts';
import type { JobRef } from '../../workflows/contract/job.ts';
import { breachExitCode } from '../../workflows/contract/seal.ts';
import type { Admission, AlgorithmContainer, JobSpec } from '../../workflows/contract/spec.ts';

/** What self-tests are made of. */
export interface SelfTestsDeps {
  readonly ledger: { insertSelfTest(spec: JobSpec, admission: Admission): Promise<void> };
  readonly environmentOf: (environmentId: string) => ComputeEnvironment;
  readonly findTargets: () => Promise<readonly SealTarget[]>;
  /** has Node, and is on the nodes anyway */
  readonly agentImage: string;
  /** the service's own address: nobody else owns the job */
  readonly owner: string;
  readonly heartbeatSeconds: number;
}

/** Enough for a small program; no device, so that no consumer waits for one. */
const resources = { cpu: 0.1, ram: 0.125, disk: 0.0625 };

/** Long beside the few seconds that the program takes; short beside the time between two self-tests. */
const runSeconds = 30;
const longest = { queueSeconds: 5, createSeconds: 240, stageSeconds: 60, publishSeconds: 60, graceSeconds: 2, podAttempts: 1 };

interface SelfTest {
  readonly jobId: string;
  readonly owner: string;
  readonly environmentId: string;
  readonly container: AlgorithmContainer;
  readonly rawcode: string;
}

const specOf = ({ jobId, owner, environmentId, container, rawcode }: SelfTest): JobSpec => ({
  ...{ jobId, consumerAddress: owner, surface: 'selfTest', isFree: true, environmentId, chainId: null, datasets: [] },
  algorithm: {
    ...{ documentId: null, serviceId: null, transferTxId: null, userdata: null, algocustomdata: null, envs: {} },
    raw: { rawcode, url: null, fileObject: null, container },
  },
  ...{ resources, maxJobDuration: runSeconds, queueMaxWaitTime: 0, metadata: null, additionalViewers: [] },
});

const admissionOf = (container: AlgorithmContainer): Admission => ({
  ...{ agreementId: '', runSeconds, datasets: [], algorithm: null, container, algorithmFileDigests: null },
});

/** Makes the jobs of self-tests. */
export const createSelfTests = ({ ledger, environmentOf, findTargets, agentImage, owner, heartbeatSeconds }: SelfTestsDeps) => ({
  /** @throws JobFailure when the environment is no longer configured; other errors when a target has no address now */
  async begin({ environmentId, key }: { readonly environmentId: string; readonly key: string }): Promise<JobRef> {
    const { limits } = environmentOf(environmentId);
    const jobId = createHash('sha256').update(`self-test/${key}`).digest('hex').slice(0, 32);
    const container = { entrypoint: '/usr/local/bin/node $ALGO', image: agentImage, tag: '', checksum: '' };
    const rawcode = sealProbe(await findTargets(), breachExitCode);
    await ledger.insertSelfTest(specOf({ jobId, owner, environmentId, container, rawcode }), admissionOf(container));
    const createSeconds = Math.min(limits.createSeconds, longest.createSeconds);
    return { jobId, environmentId, place: null, heartbeatSeconds, limits: { ...longest, createSeconds } };
  },
});
