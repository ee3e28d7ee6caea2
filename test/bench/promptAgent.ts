/** The agent of a pod that does nothing, with the gateway's own way of reporting: what a job costs when its work costs nothing. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Ledger } from '../../infra/ledger/ledger.ts';
import type { AgentPhase } from '../../workflows/contract/job.ts';
import { status } from '../../workflows/contract/status.ts';
import { completePhase } from '../../workers/gateway/phaseReports.ts';
import { createWorkflowLook } from '../../workers/gateway/workflowLook.ts';
import type { AgentScript } from '../support/fakeWorld.ts';

const againMs = 250;

/** Stages, runs and publishes at once; the ledger is told as by the gateway, and nobody waits for it. */
export const promptAgent = ({ client, ledger }: { readonly client: Client; readonly ledger: Ledger }): AgentScript => {
  const complete = completePhase({
    activity: client.activity,
    workflows: createWorkflowLook(client),
    pause: async (milliseconds) => void (await delay(milliseconds)),
  });
  return async ({ pod, exit }) => {
    const done = async (phase: AgentPhase, result: unknown): Promise<void> => {
      for (;;) {
        const outcome = await complete(phase, pod, result);
        if (outcome === 'taken') return;
        if (outcome === 'over') throw new Error(`job ${pod.jobId} was over before ${phase}`);
        await delay(againMs);
      }
    };
    const tell = (number: number, reason: string) => ledger.recordProgress({ ...pod, status: number, reason });
    await Promise.all([tell(status.provisioningData, 'staging'), done('stageInputs', { files: 0, bytes: 0 })]);
    await Promise.all([tell(status.running, 'the algorithm runs'), done('runAlgorithm', exit())]);
    await Promise.all([tell(status.publishing, 'publishing'), ledger.recordResults({ ...pod, results: [] })]);
    await done('publishOutputs', { files: 0, bytes: 0 });
  };
};
