import { bombJob, innocentJob, takers, tamperers, type Bomb } from '../support/bombs.ts';
import { tinyLimits } from '../support/environments.ts';
import { awaitEnd, startRawJob, type EndedJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();
const jobsPatienceMs = 420_000;
/** grace, the wrapper's look at its deadline, and a slow machine */
const slackSeconds = 30;

/** More at once would fight each other for a small node's processors. */
const atOnce = 3;

const runAll = async (bombs: Readonly<Record<string, Bomb>>): Promise<ReadonlyMap<string, EndedJob>> => {
  const ended = new Map<string, EndedJob>();
  const waiting = Object.entries(bombs);
  const runInTurn = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [name, bomb] = next;
      ended.set(name, await awaitEnd(scene(), (await startRawJob(scene(), bombJob(bomb))).jobId));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, runInTurn));
  return ended;
};

describe.each<[string, Readonly<Record<string, Bomb>>]>([
  ['an algorithm that takes without end', takers],
  ['an algorithm that takes on whoever watches it', tamperers],
])('%s', (_what, bombs) => {
  let ended: ReadonlyMap<string, EndedJob>;
  let unharmed: EndedJob;

  beforeAll(async () => {
    const beside = await startRawJob(scene(), innocentJob);
    ended = await runAll(bombs);
    unharmed = await awaitEnd(scene(), beside.jobId);
  }, jobsPatienceMs);

  test.each(Object.entries(bombs))('that %s ends as it should', (name, { ends, log: expected }) => {
    const { job, log } = ended.get(name)!;
    expect({ ends, status: job.status, ...job.terminationDetails }).toMatchObject({
      status: ends.find((end) => end === job.status) ?? ends[0],
    });
    expect(log).toMatch(expected ?? /^began\n/);
  });

  test.each(Object.entries(bombs))('that %s ends in time, its traces bounded', (name, { environment }) => {
    const { job, results, log } = ended.get(name)!;
    const seconds = Number(job.algoStopTimestamp) - Number(job.algoStartTimestamp);
    expect(seconds).toBeLessThan((environment === 'brief' ? 6 : 60) + slackSeconds);
    expect(log.length).toBeLessThanOrEqual(tinyLimits.logBytes);
    const bytes = [...results.values()].reduce((sum, { length }) => sum + length, 0);
    expect(bytes).toBeLessThanOrEqual(tinyLimits.outputBytes + tinyLimits.logBytes);
  });

  test('harms nobody beside it', () => {
    const { job, results } = unharmed;
    expect([job.status, job.terminationDetails]).toMatchObject([70, { exitCode: 0 }]);
    expect(results.get('steps')?.toString().split('\n')).toHaveLength(41);
  });
});
