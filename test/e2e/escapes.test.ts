import { attackProgram, attacksOn, controls, type AttackOutcome } from '../support/attacks.ts';
import { aContainer, awaitEnd, publishDataset, runRawJob, startRawJob, type EndedJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { nameServerOfThisRun, podsOfThisRun } from '../support/testCluster.ts';

const scene = useScene();
const jobPatienceMs = 90_000;
// a pod of a cluster has a network, but a sealed one
const attacks = attacksOn(podsOfThisRun);

/** Ports on which parts of this very stack listen on the host. */
const hostPorts = (): string => {
  const { apiUrl, rpcUrl, databaseUrl, temporalAddress } = scene().stack;
  const ports = [apiUrl, rpcUrl, databaseUrl].map((url) => Number(new URL(url).port));
  return JSON.stringify([...ports, Number(temporalAddress.split(':').at(-1))]);
};

/** Name servers that answer everybody who reaches them. */
const nameServers = async (): Promise<readonly string[]> => {
  const ownOfCluster = podsOfThisRun === 'kubernetes' ? [await nameServerOfThisRun()] : [];
  return [...ownOfCluster, '8.8.8.8'];
};

const attack = async (image: string): Promise<EndedJob> => {
  const dataset = await publishDataset(scene(), { contents: ['the data'] });
  return runRawJob(scene(), {
    code: attackProgram({ ...controls, ...attacks }),
    datasets: [dataset],
    container: aContainer(image),
    envs: { HOST_PORTS: hostPorts(), NAME_SERVERS: JSON.stringify(await nameServers()) },
  });
};

describe.each([
  ['an image without a user', 'nodeImage'],
  ['an image that wants to be root', 'rootImage'],
] as const)('an algorithm in %s', (_title, imageName) => {
  let outcomes: Readonly<Record<string, AttackOutcome>> = {};

  beforeAll(async () => {
    const { job, results, log } = await attack(scene().stack[imageName]);
    if (job.status !== 70) throw new Error(`the job ended with ${job.status} ${job.statusText}: ${job.terminationDetails?.reason}\n${log}`);
    outcomes = JSON.parse(results.get('outcomes.json')!.toString()) as typeof outcomes;
  }, jobPatienceMs);

  test.each(Object.keys(controls))('%s', (name) => {
    expect(outcomes[name]).toMatchObject({ succeeded: true });
  });

  test.each(Object.keys(attacks))('never %s', (name) => {
    expect(outcomes[name]).toMatchObject({ succeeded: false, untried: false });
  });
});

describe('outputs', () => {
  test(
    'links, pipes and devices are never followed or published: only regular files leave',
    async () => {
      const code = `
        const fs = require('node:fs');
        const { execFileSync } = require('node:child_process');
        const link = (target, name) => fs.symlinkSync(target, '/data/outputs/' + name);
        fs.writeFileSync('/data/outputs/honest.txt', 'honest');
        link('/proc/self/environ', 'environ');
        link('/proc/1/environ', 'environ-of-one');
        link('/.c2d/agent-state.json', 'state');
        link('/run/c2d/gateway.sock', 'socket');
        link('/etc/passwd', 'passwd');
        link('/proc/self', 'folder');
        link('/data/inputs', 'inputs');
        link('honest.txt', 'copy');
        link('nowhere', 'dangling');
        link('.', 'loop');
        execFileSync('/.c2d/busybox', ['mkfifo', '/data/outputs/pipe']);
        fs.mkdirSync('/data/outputs/empty');
        const server = require('node:net').createServer().listen('/data/outputs/listening', () => process.exit(0));`;
      const { job, results } = await runRawJob(scene(), { code });
      expect(job.status).toBe(70);
      expect([...results.keys()]).toEqual(['honest.txt', 'algorithm.log']);
      expect(results.get('honest.txt')!.toString()).toBe('honest');
    },
    jobPatienceMs,
  );

  test(
    'names that could lead out of a folder stay inside it',
    async () => {
      const code = `
        const fs = require('node:fs');
        for (const name of ['..%2f..%2fetc', '...', 'a\\\\b', 'new\\nline', '%2e%2e', 'ünïcode', ' blank ', '-rf'])
          fs.writeFileSync('/data/outputs/' + name, name);`;
      const { job, results } = await runRawJob(scene(), { code });
      expect(job.status).toBe(70);
      const names = [...results.keys()].filter((name) => name !== 'algorithm.log');
      expect(names).toHaveLength(8);
      for (const name of names) expect(name).not.toMatch(/[/\\\p{Cc}]|^\.\.?$/u);
      expect([...results.values()].map(String)).toEqual(expect.arrayContaining(['..%2f..%2fetc', 'new\nline', 'ünïcode', 'a\\b']));
    },
    jobPatienceMs,
  );

  test(
    'another consumer sees neither results nor log of a job',
    async () => {
      const { jobId } = await startRawJob(scene(), { code: `require('node:fs').writeFileSync('/data/outputs/secret', 'mine')` });
      const { job } = await awaitEnd(scene(), jobId);
      const file = `${scene().folder}/stolen`;
      for (const { index } of job.results) await expect(scene().publisher.computeResult({ jobId, index, file })).rejects.toThrow(/403/);
      await expect(scene().publisher.computeStop({ jobId })).rejects.toThrow();
    },
    jobPatienceMs,
  );
});
