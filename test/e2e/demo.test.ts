import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const main = path.resolve(import.meta.dirname, '../../infra/toolchain/main.ts');
const demoPatienceMs = 300_000;

interface DemoRun {
  readonly lines: readonly string[];
  readonly exitCode: number | null;
  /** working folder of the stack; the demo's temporary folder holds nothing else */
  readonly leftInTemporaryFolder: readonly string[];
  /** the demo's children that outlived it */
  readonly survivors: readonly string[];
}

let temporary: string;

beforeEach(() => {
  temporary = mkdtempSync(path.join(tmpdir(), 'demo-'));
  chmodSync(temporary, 0o711); // the database server runs as another user
});

afterEach(() => {
  rmSync(temporary, { recursive: true, force: true });
});

/** Id and command line of the processes whose command line or environment names the demo's temporary folder. */
const processesIn = (folder: string): readonly string[] =>
  readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      const [command = '', environment = ''] = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${name}/${file}`, 'latin1'));
      return command.includes(folder) || environment.includes(folder) ? [`${name} ${command.replaceAll('\0', ' ')}`] : [];
    } catch {
      return [];
    }
  });

/** Runs `npm run demo` as it runs after the bootstrap; interrupts it at every line that matches: people press Ctrl-C twice. */
const runDemo = (args: readonly string[], interruptAt?: RegExp): Promise<DemoRun> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--no-warnings', main, 'demo', ...args], {
      env: { ...process.env, NODE_OPTIONS: '', TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (interruptAt?.test(line)) child.kill('SIGINT');
    });
    child.once('error', reject);
    child.once('close', (exitCode) => {
      resolve({ lines, exitCode, leftInTemporaryFolder: readdirSync(temporary), survivors: processesIn(temporary) });
    });
  });

describe('npm run demo', () => {
  test(
    'tells one job from end to end, leaves its results and nothing else',
    async () => {
      const output = path.join(temporary, 'results');
      const { lines, exitCode, leftInTemporaryFolder, survivors } = await runDemo(['--output', output]);
      expect(exitCode).toBe(0);
      const text = lines.join('\n');
      expect(text).toMatch(/ 70 Job finished/);
      expect(text).toMatch(/\| \[2\] Body Mass \(g\) = -5780\.8 \+ 49\.686 \* Flipper Length \(mm\), R2 = 0\.759/);
      expect(text).toContain('containers of the job: none');
      expect(text).toContain('volumes of the job: none');
      expect(text).toMatch(/rows of the datasets in [1-9]\d* files .*: none/);
      expect(readdirSync(output).toSorted()).toEqual([
        'algorithm.log',
        'regression-1.png',
        'regression-2.png',
        'report.txt',
        'results.json',
      ]);
      expect(leftInTemporaryFolder).toEqual(['results']);
      expect(survivors).toEqual([]);
    },
    demoPatienceMs,
  );

  test.each([
    ['while the service starts', /podman|starting/],
    ['while the job runs', /The job runs in a sealed pod/],
  ])(
    'an interrupt %s takes everything down',
    async (_when, line) => {
      const output = path.join(temporary, 'results');
      const { exitCode, leftInTemporaryFolder, survivors, lines } = await runDemo(['--output', output], line);
      expect(lines.some((each) => line.test(each))).toBe(true);
      expect(exitCode).toBe(1);
      expect(leftInTemporaryFolder).toEqual(['results']);
      expect(existsSync(path.join(output, 'report.txt'))).toBe(false);
      expect(survivors).toEqual([]);
    },
    demoPatienceMs,
  );
});
