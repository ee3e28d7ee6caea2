/** `GET plan`: what the agent stages, and within which limits. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ComputeEnvironment } from '../../infra/environments/environments.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { ResolveJob } from './jobFiles.ts';
import type { PodHandler } from './podAuthentication.ts';
import type { EnvironmentOf, OutputRules } from './ports.ts';
import type { Plan } from './protocol.ts';

/** Settings of the installation that agents are told. */
export interface AgentSettings {
  readonly seal: Plan['seal'];
  /** seconds between two signs of life */
  readonly heartbeatSeconds: number;
  /** size of all parts of an upload but the last */
  readonly partBytes: number;
}

export interface PlanDeps {
  readonly resolveJob: ResolveJob;
  readonly environmentOf: EnvironmentOf;
  readonly outputRules: OutputRules;
  readonly settings: AgentSettings;
}

/** @throws JobFailure, worth a retry: an operator may put the environment back */
export const requireEnvironment = (environmentOf: EnvironmentOf, environmentId: string): ComputeEnvironment => {
  const environment = environmentOf(environmentId);
  if (environment !== undefined) return environment;
  const message = `the compute environment ${environmentId} is not configured any more: put it back until its jobs have ended`;
  throw new JobFailure('RuntimeUnavailable', message, { retryAfterSeconds: 10 });
};

const sendable = ({ fileTypes, redactLog, ...rule }: ReturnType<OutputRules>[number]): NonNullable<Plan['outputRules']>[number] => ({
  ...rule,
  fileTypes: fileTypes && [...fileTypes],
  redactLog: [...redactLog],
});

/** The same plan for every call: an agent that was restarted starts from it again. */
export const servePlan = ({ resolveJob, environmentOf, outputRules, settings }: PlanDeps): PodHandler =>
  async function servePlan(pod, _req, res) {
    const { spec, files, datasets } = await resolveJob(pod.jobId);
    const environment = requireEnvironment(environmentOf, spec.environmentId);
    const { limits } = environment;
    const { inputBytes, logBytes, outputBytes, outputFiles, stageSeconds, transferPatienceSeconds } = limits;
    const plan: Plan = {
      ...pod,
      files: files.map(({ planned }) => planned),
      limits: { inputBytes, logBytes, outputBytes, outputFiles, stageSeconds, transferPatienceSeconds, partBytes: settings.partBytes },
      ...(spec.encryption !== undefined && { encryption: spec.encryption }),
      outputRules: outputRules(datasets, environment).map(sendable),
      heartbeatSeconds: settings.heartbeatSeconds,
      seal: await sealWithAddress(settings.seal),
    };
    res.set('Cache-Control', 'no-store').json(plan);
  };

/** Pods look no names up: the canary is given to them by address. */
const sealWithAddress = async (seal: Plan['seal']): Promise<Plan['seal']> => {
  if (seal.kind === 'noNetwork' || isIP(seal.host) !== 0) return seal;
  try {
    return { ...seal, host: (await lookup(seal.host)).address };
  } catch {
    throw new JobFailure('RuntimeUnavailable', 'the name of the canary cannot be looked up; it is tried again', { retryAfterSeconds: 2 });
  }
};
