import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { verifyManifest } from '../../api/cli/manifest.ts';
import type { CheckAnswer, JobDetails } from '../../api/v1/schemas.ts';
import { runCli, startCli, type RunningCli } from '../api/cli/support/runCli.ts';
import { aWallet } from '../api/support/consumer.ts';
import type { ComputeAlgorithm, ComputeAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import { orderAssets } from '../../infra/toolchain/demo/ordering.ts';
import { findEnvironment, publishDataset, publishTrustingPair } from '../support/jobs.ts';
import { startPerson } from '../support/people.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();
const jobPatienceMs = 90_000;

const wallet = aWallet();
let env: Readonly<Record<string, string>>;
beforeAll(async () => {
  const keyFile = path.join(scene().folder, 'key');
  await writeFile(keyFile, wallet.privateKey, { mode: 0o600 });
  env = { C2D_URL: scene().stack.apiUrl, C2D_KEY_FILE: keyFile };
});

const raw = (): string[] => ['--free', '--image', scene().stack.nodeImage, '--entrypoint', 'node $ALGO', '--code', '-', '--queue', '60'];
const firstEnvironment = async (): Promise<string> => {
  const { stdout } = await runCli(['--json', 'environments'], { env });
  return (JSON.parse(stdout) as { id: string; free: unknown }[]).find(({ free }) => free !== null)!.id;
};
const start = async (code: string, ...options: string[]): Promise<string> => {
  const args = ['start', '-e', await firstEnvironment(), ...raw(), ...options];
  const { code: exit, stdout, stderr } = await runCli(args, { env, stdin: code });
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  const id = stdout.trim();
  scene().jobs.add(id);
  return id;
};
const watch = (id: string): RunningCli => startCli(['watch', id], { env });

describe('c2d', () => {
  test(
    'starts a job, follows it, and brings its log and results home',
    async () => {
      const code = `
        require('node:fs').mkdirSync('/data/outputs/nested');
        require('node:fs').writeFileSync('/data/outputs/nested/answer.txt', 'forty-two');
        console.log('computed');`;
      const id = await start(code);
      const watched = await watch(id).end;
      expect(watched).toMatchObject({ code: 0, stderr: '' });
      for (const phase of ['queued', 'preparing', 'running', 'succeeded']) expect(watched.stdout).toContain(phase);
      expect(await runCli(['logs', id], { env })).toMatchObject({ code: 0, stdout: 'computed\n' });
      const output = path.join(scene().folder, 'results');
      expect((await runCli(['results', id, '--output', output], { env })).code).toBe(0);
      expect(await readFile(path.join(output, 'nested%2Fanswer.txt'), 'utf8')).toBe('forty-two');
      const manifest = path.join(output, `${id}.manifest.json`);
      const { providerAddress } = (await (await fetch(scene().stack.apiUrl)).json()) as { providerAddress: string };
      expect(await runCli(['verify', manifest, '-r', output, '-p', providerAddress], { env })).toMatchObject({ code: 0, stderr: '' });
      const { statement } = verifyManifest(await readFile(manifest, 'utf8'));
      expect(statement.predicate).toMatchObject({
        job: { id, status: 70, exitCode: 0 },
        algorithm: {
          did: null,
          image: { reference: scene().stack.nodeImage, ran: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string },
        },
        staged: expect.arrayContaining([
          {
            path: 'transformations/algorithm',
            role: 'algorithm',
            sizeBytes: code.length,
            sha256: createHash('sha256').update(code).digest('hex'),
          },
        ]) as unknown,
      });
      // they are removed by the schedule, in its time; nobody is shown them from now on
      expect(await runCli(['delete', id], { env })).toMatchObject({ code: 0, stdout: 'results and log are gone\n' });
      expect(await runCli(['results', id], { env })).toMatchObject({ code: 3, stderr: expect.stringMatching(/ResultsExpired/) as string });
      const job = JSON.parse((await runCli(['--json', 'status', id], { env })).stdout) as JobDetails;
      expect(job).toMatchObject({ status: 70, termination: { exitCode: 0 } });
      const accounted = job.timing.phases.reduce((sum, { seconds }) => sum + seconds, 0);
      expect(Math.abs(accounted - job.timing.totalSeconds)).toBeLessThan(1);
    },
    jobPatienceMs,
  );

  test(
    'has results encrypted to its own key, keeps nothing else, and opens them',
    async () => {
      const id = await start(
        `require('node:fs').writeFileSync('/data/outputs/answer.txt', 'forty-two'); console.log('computed');`,
        '--encrypt-to',
        'self',
      );
      expect(await watch(id).end).toMatchObject({ code: 0 });
      const output = path.join(scene().folder, 'encrypted');
      expect((await runCli(['results', id, '--output', output], { env })).code).toBe(0);
      const [answer, log] = ['answer.txt', 'algorithm.log'].map((name) => path.join(output, name));
      expect(await readFile(`${answer}.age`, 'utf8')).toMatch(/^age-encryption.org\/v1\n/);
      expect(await readFile(`${answer}.age`, 'utf8')).not.toContain('forty-two');
      expect(await runCli(['verify', path.join(output, `${id}.manifest.json`), '-r', output], { env })).toMatchObject({ code: 0 });
      expect(await runCli(['decrypt', `${answer}.age`, `${log}.age`], { env })).toMatchObject({ code: 0, stdout: `${answer}\n${log}\n` });
      expect(await readFile(answer!, 'utf8')).toBe('forty-two');
      expect(await readFile(log!, 'utf8')).toBe('computed\n');
      expect((await runCli(['logs', id], { env })).code).toBe(3);
    },
    jobPatienceMs,
  );

  test(
    'streams the log of a running job, stops it, and says so in its exit code',
    async () => {
      const id = await start(`process.on('SIGTERM', () => process.exit(0)); console.log('waiting'); setInterval(() => {}, 1000);`);
      const following = startCli(['logs', '-f', id], { env });
      const watching = watch(id);
      await following.saw('waiting');
      expect(await runCli(['stop', id], { env })).toMatchObject({ code: 0, stdout: 'stopping\n' });
      expect(await watching.end).toMatchObject({ code: 1, stdout: expect.stringMatching(/stopped: /) as string });
      expect(await following.end).toMatchObject({ code: 0, stdout: 'waiting\n' });
    },
    jobPatienceMs,
  );

  test(
    'a failing algorithm is exit code 1, with its own exit code told',
    async () => {
      const id = await start(`console.log('giving up'); process.exit(3)`);
      const { code, stdout } = await watch(id).end;
      expect([code, stdout]).toEqual([1, expect.stringMatching(/failed: the algorithm ended with exit code 3\n$/)]);
    },
    jobPatienceMs,
  );

  test(
    'starts what was ordered on chain, once under one key, and refuses the order to others',
    async () => {
      const code = `console.log(require('node:fs').readFileSync('/data/inputs/' + JSON.parse(process.env.DIDS)[0] + '/0', 'utf8'))`;
      const assets = await publishTrustingPair(scene(), { contents: [code], datasets: [['bought']] });
      const person = await startPerson(scene().stack, wallet);
      const environment = await findEnvironment(person, await firstEnvironment());
      const terms = { maxJobDuration: 60, token: scene().stack.token };
      const ordered = await orderAssets(person, { ...assets, ...terms, environment }).finally(() => person.close());
      const name = ({ documentId, serviceId, transferTxId }: ComputeAlgorithm | ComputeAsset): string =>
        [documentId, serviceId, transferTxId].join(',');
      const args = ['-e', environment.id, '--queue', '60', '--algorithm', name(ordered.algorithm), '--dataset', name(ordered.datasets[0]!)];
      expect(await runCli(['check', ...args], { env })).toMatchObject({ code: 0, stdout: 'would be accepted\n' });

      const begin = () => runCli(['start', ...args, '--idempotency-key', 'bought'], { env });
      const [first, again] = [await begin(), await begin()];
      expect([first.code, again.stdout]).toEqual([0, first.stdout]);
      const id = first.stdout.trim();
      scene().jobs.add(id);
      expect(await watch(id).end).toMatchObject({ code: 0 });
      expect((await runCli(['logs', id], { env })).stdout).toBe('bought\n');

      const thief = path.join(scene().folder, 'thief');
      await writeFile(thief, aWallet().privateKey, { mode: 0o600 });
      const stolen = await runCli(['--json', 'check', ...args], { env: { ...env, C2D_KEY_FILE: thief } });
      expect((JSON.parse(stolen.stdout) as CheckAnswer).reasons.map(({ code: reason }) => reason)).toEqual([
        'OrderInvalid',
        'OrderInvalid',
      ]);
      expect((await runCli(['status', id], { env: { ...env, C2D_KEY_FILE: thief } })).code).toBe(3);
    },
    jobPatienceMs,
  );

  test(
    'check and start agree about a dataset that takes no code of others, and one that is not there',
    async () => {
      const dataset = await publishDataset(scene(), { compute: { allowRawAlgorithm: false } });
      const unknown = `did:op:${'0'.repeat(64)}`;
      const args = [
        '-e',
        await firstEnvironment(),
        ...raw(),
        '--dataset',
        `${dataset.did},${dataset.serviceId}`,
        '--dataset',
        `${unknown},compute`,
      ];
      const checked = await runCli(['--json', 'check', ...args], { env, stdin: '1' });
      expect(checked.code).toBe(3);
      expect((JSON.parse(checked.stdout) as CheckAnswer).reasons.map(({ code }) => code)).toEqual([
        'AssetNotFound',
        'RawAlgorithmNotAllowed',
      ]);
      const started = await runCli(['--json', 'start', ...args], { env, stdin: '1' });
      expect(started.code).toBe(3);
      expect(JSON.parse(started.stderr)).toMatchObject({ error: { code: 'AssetNotFound' } });
    },
    jobPatienceMs,
  );
});
