/** Many jobs at once: started, followed without a crowd of pollers, and looked at afterwards. */

import { setTimeout as delay } from 'node:timers/promises';
import { jobWorkflowId } from '../../workflows/contract/ids.ts';
import { send } from './callers.ts';
import { expectWhole, eventually, readJob, startHeldJob, type HeldJob, type StartedJob } from './heldJobs.ts';
import type { Scene } from './scene.ts';
import { withTemporal } from './traces.ts';

const pollMs = 250;
const leftoversPatienceMs = 60_000;

/** How jobs are started. */
export interface Start {
  readonly count: number;
  /** how many starts are under way at any time */
  readonly atOnce: number;
}

/** Starts jobs, each for a consumer of its own. @param jobOf what the job of each number is to do */
export const startMany = async (
  scene: Scene,
  { count, atOnce }: Start,
  jobOf: (index: number) => HeldJob,
): Promise<readonly StartedJob[]> => {
  const jobs: StartedJob[] = [];
  let next = 0;
  const startInTurn = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) jobs[index] = await startHeldJob(scene, jobOf(index));
  };
  await Promise.all(Array.from({ length: atOnce }, startInTurn));
  return jobs;
};

/** Waits for the end of each; one is asked for at a time, because looks cost the machine what the jobs need. */
export const awaitAllEnds = async (scene: Scene, jobs: readonly StartedJob[], patienceMs: number): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  for (const job of jobs) {
    for (;;) {
      const now = await readJob(scene, job);
      if (now.dateFinished !== null) break;
      if (performance.now() > deadline) throw new Error(`job ${job.jobId} is still ${now.status} ${now.statusText}: ${now.statusReason}`);
      await delay(pollMs);
    }
  }
};

/** Fails unless each ended well, was started once and has all its results. */
export const expectAllWhole = async (scene: Scene, jobs: readonly StartedJob[], input: string): Promise<void> => {
  for (const job of jobs) await expectWhole(scene, job, input);
};

/** Fails unless pods, places and workflows of the jobs are gone within a minute. */
export const expectNothingLeft = async (scene: Scene, environment: string, jobs: readonly StartedJob[]): Promise<void> => {
  const deadline = performance.now() + leftoversPatienceMs;
  const within = (): number => Math.max(1_000, deadline - performance.now());
  for (const { jobId } of jobs) {
    const objects = () => scene.pods.findObjects(jobId);
    await eventually(`nothing is left of ${jobId}`, async () => ((await objects()).length === 0 ? true : undefined), within());
  }
  await eventually('all places are free', () => hasFreePlacesOnly(scene, environment), within());
  await withTemporal(scene.stack.temporalAddress, async (client) => {
    for (const { jobId } of jobs) {
      const handle = client.workflow.getHandle(jobWorkflowId(jobId));
      const endOf = async () => {
        const { name } = (await handle.describe()).status;
        return name === 'RUNNING' ? undefined : name;
      };
      // the step that a killed orchestrator had begun is taken over a little later
      expect([jobId, await eventually(`the workflow of ${jobId} ends`, endOf, within())]).toEqual([jobId, 'COMPLETED']);
    }
  });
};

const hasFreePlacesOnly = async ({ stack }: Pick<Scene, 'stack'>, id: string): Promise<true> => {
  const { json } = await send(stack.apiUrl, 'GET', '/api/services/computeEnvironments');
  const found = (json as { id: string; runningfreeJobs: number; queuedFreeJobs: number }[]).find((offered) => offered.id === id);
  if (found?.runningfreeJobs === 0 && found.queuedFreeJobs === 0) return true;
  throw new Error(`${found?.runningfreeJobs} run, ${found?.queuedFreeJobs} are queued`);
};
