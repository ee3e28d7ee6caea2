import { setTimeout as delay } from 'node:timers/promises';
import type { Restartable } from '../../infra/toolchain/restartable.ts';
import { publishDataset } from '../support/jobs.ts';
import { awaitAllEnds, expectAllWhole, expectNothingLeft, startMany } from '../support/manyJobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { recordPods } from '../support/podRecord.ts';
import { readPodAttempts } from '../support/traces.ts';

const patienceMs = 900_000;
const count = 100;
const maxJobs = 10;
const everyMs = 10_000;
const fewestKills = 4;
const input = 'what the dataset holds '.repeat(1_000);
const environment = 'small';

const own = useOwnStack({
  replicas: { orchestrator: 2, gateway: 2 },
  environments: [
    {
      id: environment,
      resources: {
        cpu: { min: 0.1, max: 0.1, total: 4 },
        ram: { min: 0.0625, max: 0.125, total: 4 },
        disk: { min: 0.0625, max: 0.125, total: 10 },
      },
      free: { maxJobs, maxJobDuration: 240 },
    },
  ],
  // small parts make publishing last long enough to be hit
  env: { C2D_AGENT_HEARTBEAT_SECONDS: '1', C2D_SILENCE_SECONDS: '6', C2D_UPLOAD_PART_BYTES: String(64 * 1024) },
});

const killAndRestart = async (part: Restartable): Promise<void> => {
  part.kill('SIGKILL');
  await part.waitForEnd();
  await part.restart();
};

/**
 * Kills one orchestrator and one gateway every ten seconds, in turn, until told to end. Where a restart takes longer the
 * next kill waits for it: the rule is that one of each is there.
 * @returns how often
 */
const killInTurn = async (end: AbortSignal): Promise<number> => {
  const { orchestrator, gateway } = own().parts.replicas;
  let rounds = 0;
  for (; !end.aborted; rounds += 1) {
    const pause = delay(everyMs, undefined, { signal: end }).catch(() => undefined);
    const victims = [orchestrator, gateway].map((all) => all[rounds % all.length]);
    await Promise.all(victims.flatMap((victim) => (victim === undefined ? [] : [killAndRestart(victim)])));
    await pause;
  }
  return rounds;
};

test(
  'a hundred jobs, while one of two orchestrators and one of two gateways is killed every ten seconds: none is lost, none runs twice',
  async () => {
    const { scene, parts } = own();
    if (parts.pods.kind !== 'kubernetes') throw new Error('the stack has no cluster');
    expect(Object.values(parts.replicas).map((all) => all.length)).toEqual([1, 2, 2]);
    const dataset = await publishDataset(scene, { contents: [input] });
    const record = await recordPods(parts.pods);
    const end = new AbortController();
    const startedAt = performance.now();
    const killing = killInTurn(end.signal);
    killing.catch(() => undefined);
    try {
      // every fourth has more to publish
      const jobs = await startMany(scene, { count, atOnce: 10 }, (index) => ({
        ...{ environment, dataset, queueMaxWaitTime: 600 },
        blockBytes: index % 4 === 0 ? 1024 ** 2 : 1_000,
      }));
      await awaitAllEnds(scene, jobs, patienceMs);
      const seconds = (performance.now() - startedAt) / 1_000;
      end.abort();
      const rounds = await killing;
      await expectNothingLeft(scene, environment, jobs);
      await expectAllWhole(scene, jobs, input);

      const ids = jobs.map(({ jobId }) => jobId);
      expect(await readPodAttempts(scene, ids)).toEqual(ids.map(() => 1));
      expect(ids.filter((jobId) => record.podsOf(jobId).length !== 1)).toEqual([]);
      const most = record.mostAtOnce(new Set(ids));
      expect(most).toBeLessThanOrEqual(maxJobs);
      expect(rounds).toBeGreaterThanOrEqual(fewestKills);
      process.stdout.write(
        `chaos: ${count} jobs ended after ${seconds.toFixed(1)} s (${((count * 60) / seconds).toFixed(0)} a minute) with ${rounds} orchestrators and ${rounds} gateways killed, each in one pod, at most ${most} pods at once\n`,
      );
    } finally {
      end.abort();
      await killing.catch(() => undefined);
      await record.close();
    }
  },
  patienceMs + 150_000,
);
