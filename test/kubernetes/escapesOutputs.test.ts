import { setTimeout as delay } from 'node:timers/promises';
import { awaitEnd, awaitJob, runRawJob, startRawJob, type EndedJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();
const jobPatienceMs = 240_000;

/** What an agent could read where an algorithm cannot: by a link that it follows. */
const places = [
  '/proc/self/environ',
  '/proc/1/environ',
  '/.c2d/agent-state.json',
  '/.c2d',
  '/agent/main.cjs',
  '/agent',
  '/data/logs/algorithm.log',
  '/data/inputs',
  '/proc/self/root',
  '/etc/hosts',
  '/dev/zero',
  '/var/run/secrets',
];

/** Puts everything that is no file into its outputs, and two files. */
const plant = `
const fs = require('node:fs');
const { spawn, spawnSync } = require('node:child_process');
const out = '/data/outputs/';
fs.mkdirSync(out + 'folder');
fs.writeFileSync(out + 'folder/agent-state.json', 'mine');
fs.writeFileSync(out + 'honest', 'honest');
${JSON.stringify(places)}.forEach((place, n) => fs.symlinkSync(place, out + 'link' + n));
fs.symlinkSync('.', out + 'folder/loop');
spawnSync('/.c2d/busybox', ['mkfifo', out + 'pipe', out + 'folder/pipe']);
spawnSync('/.c2d/busybox', ['mknod', out + 'zero', 'c', '1', '5']);
const server = require('node:net').createServer().listen(out + 'socket');
server.unref();
`;

/** Swaps a folder for a link to the agent's folder and a file for a link to its state, as fast as it can. */
const swap = `
process.on('SIGTERM', () => undefined);
fs.mkdirSync(out + 'a');
fs.writeFileSync(out + 'a/agent-state.json', 'mine');
fs.writeFileSync(out + 'a/busybox', 'mine');
fs.symlinkSync('/.c2d', out + 'b');
fs.writeFileSync(out + 'file', 'mine');
fs.symlinkSync('/.c2d/agent-state.json', out + 'state');
const exchange = (one, other) => { fs.renameSync(out + one, out + 't'); fs.renameSync(out + other, out + one); fs.renameSync(out + 't', out + other) };
const swapOnce = () => { for (let n = 0; n < 200; n += 1) { exchange('a', 'b'); exchange('file', 'state') } };
`;

const expectOnlyOwnBytes = ({ results }: EndedJob): void => {
  for (const [name, bytes] of results) {
    if (name === 'algorithm.log') continue;
    expect([name, bytes.toString()]).toEqual([name, expect.stringMatching(/^(mine|honest)$/)]);
  }
};

describe('outputs', () => {
  test(
    'links to what only the agent can read, pipes, sockets and devices stay where they are',
    async () => {
      const ended = await runRawJob(scene(), { environment: 'tiny', code: `${plant} setTimeout(() => process.exit(0), 100)` });
      expect(ended.job.status).toBe(70);
      expect([...ended.results.keys()].sort()).toEqual(['algorithm.log', 'folder%2Fagent-state.json', 'honest']);
      expectOnlyOwnBytes(ended);
      expect(ended.log).toMatch(/left out of the outputs: \d+ that are no regular, readable files/);
    },
    jobPatienceMs,
  );

  test(
    'files and folders that are swapped for links until the end lead nowhere',
    async () => {
      // the agent looks at them every two seconds
      const code = `${plant}${swap} const until = Date.now() + 7000;
        const go = () => { swapOnce(); if (Date.now() < until) setImmediate(go); else process.exit(0) }; go()`;
      const ended = await runRawJob(scene(), { environment: 'tiny', code });
      expect(ended.job.status).toBe(70);
      expect([...ended.results.keys()]).toEqual(expect.arrayContaining(['honest', 'algorithm.log']));
      expectOnlyOwnBytes(ended);
    },
    jobPatienceMs,
  );

  test(
    'not even when the job is stopped while it swaps them and heeds no signal',
    async () => {
      const { jobId } = await startRawJob(scene(), {
        environment: 'tiny',
        code: `${plant}${swap} const go = () => { swapOnce(); setImmediate(go) }; go()`,
      });
      await awaitJob(scene(), jobId, ({ status }) => status >= 40);
      await delay(1_000);
      await scene().consumer.computeStop({ jobId });
      const ended = await awaitEnd(scene(), jobId);
      expect([...ended.results.keys()]).toEqual(expect.arrayContaining(['honest', 'algorithm.log']));
      expectOnlyOwnBytes(ended);
    },
    jobPatienceMs,
  );
});
