import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exits } from '../../api/cli/exits.ts';
import { phaseWords } from '../../api/v1/schemas.ts';
import { v1Routes } from '../../api/v1/routes.ts';
import { installDebianPackages } from '../../infra/toolchain/debian.ts';
import { findOnPath } from '../../infra/toolchain/run.ts';
import { aWallet } from '../api/support/consumer.ts';
import { openSurface, type Surface } from '../api/v1/support/surface.ts';

const root = path.join(import.meta.dirname, '../..');
let surface: Surface;
let folder: string;
let text: string;
const installPatienceMs = 300_000;

beforeAll(async () => {
  const missing = ['curl', 'jq'].filter((name) => findOnPath(name) === undefined);
  if (missing.length > 0) await installDebianPackages(missing, (line) => process.stderr.write(`${line}\n`));
  surface = await openSurface();
  folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-docs-'));
  text = await readFile(path.join(root, 'docs/rest.md'), 'utf8');
}, installPatienceMs);
afterAll(async () => {
  await surface.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs and ends whatever is started, so that the examples that follow a job come to their end. */
const runJobs = (): (() => void) => {
  const done = new Set<string>();
  const timer = setInterval(() => {
    for (const id of surface.jobs.started.filter((started) => !done.has(started))) {
      done.add(id);
      setTimeout(() => void surface.finish(id, { 'answer.txt': 'forty-two', 'algorithm.log': 'hello\n' }), 1_000);
    }
  }, 20);
  return () => clearInterval(timer);
};

/** Every example in one shell, in order, each after a line with its number. */
const scriptOf = (examples: readonly string[]): string =>
  [
    'set -euo pipefail',
    `c2d() { "${process.execPath}" --no-warnings "${path.join(root, 'api/cli/main.ts')}" "$@"; }`,
    ...examples.flatMap((example, number) => [`printf '\\n=== %s\\n' ${number}`, example]),
  ].join('\n');

const runScript = async (script: string): Promise<{ code: number | null; output: string; errors: string }> => {
  const keyFile = path.join(folder, 'key');
  await writeFile(keyFile, aWallet().privateKey, { mode: 0o600 });
  const env = { PATH: process.env.PATH, C2D_URL: surface.url, C2D_KEY_FILE: keyFile };
  const shell = spawn('bash', ['--norc', '--noprofile', '-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  shell.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
  shell.stderr.on('data', (piece: Buffer) => (errors += piece.toString()));
  const [code] = (await once(shell, 'close')) as [number | null];
  return { code, output, errors };
};

describe('docs/rest.md', () => {
  test('every example works as it stands there', async () => {
    const examples = [...text.matchAll(/```sh\n([^]*?)```/g)].map(([, example = '']) => example);
    expect(examples.length).toBeGreaterThan(9);
    const stop = runJobs();
    const { code, output, errors } = await runScript(scriptOf(examples)).finally(stop);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    const answers = output.split(/\n=== \d+\n/).slice(1);
    const answerTo = (part: string): string => answers[examples.findIndex((example) => example.includes(part))]!;
    expect(answerTo('/api/v1/environments')).toMatch(/^small: 0 of 4 places taken$/m);
    expect(answerTo('/api/v1/checks')).toBe('true\n');
    expect(answerTo('Idempotency-Key')).toBe('true\n');
    expect(answerTo('/events')).toMatch(/event: status[^]*event: progress[^]*event: end/);
    expect(answerTo('/logs')).toBe('hello\nllo\n');
    expect(answerTo('/results/0')).toBe('0 answer.txt 9\n1 algorithm.log 6\nfort');
    expect(answerTo('phase=succeeded')).toMatch(/^[0-9a-f]{32}\nnull\nsucceeded\n$/);
    expect(answerTo("-d '{}'")).toMatch(/^400 RequestInvalid: environment: /);
    expect(answerTo('c2d environments')).toMatch(/would be accepted[^]*succeeded: [^]*hello\nresults\/answer.txt {2}9 B/);
    expect(await readFile(path.join(folder, 'results/answer.txt'), 'utf8')).toBe('forty-two');
  }, 60_000);

  test('names every phase, every exit code and every call', () => {
    for (const word of phaseWords) expect(text).toContain(`\`${word}\``);
    for (const code of Object.values(exits)) expect(text).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'));
    for (const { path: call } of v1Routes) expect(text).toContain(call.replace(':id', '$JOB').replace(':index', '0'));
  });
});
