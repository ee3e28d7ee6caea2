import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { Wallet, encryptKeystoreJson } from 'ethers';
import type { CheckAnswer, JobDetails } from '../../../api/v1/schemas.ts';
import { signStatement } from '../../../infra/manifest/manifests.ts';
import { archiveOf, encrypted } from '../../../infra/targets/archive.ts';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import type { Envelope, ManifestStatement } from '../../../workflows/contract/manifest.ts';
import { status } from '../../../workflows/contract/status.ts';
import { aJobId } from '../../support/builders.ts';
import { manifestKey, openSurface, type Surface } from '../v1/support/surface.ts';
import { aWallet } from '../support/consumer.ts';
import { startFaultyProxy, type Fault } from './support/faultyProxy.ts';
import { runCli, startCli, type CliEnd, type CliSurroundings } from './support/runCli.ts';

let surface: Surface;
let folder: string;
const wallet = aWallet();
let keyFile: string;
const spoken: string[] = [];

beforeAll(async () => {
  surface = await openSurface();
  folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-cli-'));
  keyFile = path.join(folder, 'key');
  await writeFile(keyFile, `${wallet.privateKey}\n`, { mode: 0o600 });
});
beforeEach(() => {
  surface.jobs.verdict = { kind: 'accepted' };
  surface.reasons.length = 0;
});
afterAll(async () => {
  await surface.close();
  await rm(folder, { recursive: true, force: true });
});

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
const withKey = (...args: string[]): string[] => ['--url', surface.url, '--key-file', keyFile, '--patience', '10', ...args];
const c2d = async (args: readonly string[], surroundings?: CliSurroundings): Promise<CliEnd> => {
  const end = await runCli(args, surroundings);
  spoken.push(end.stdout, end.stderr);
  return end;
};
const raw = ['-e', 'small', '--free', '--image', 'node:24', '--entrypoint', 'node $ALGO', '--code', '-', '--queue', '60'];
const code = { stdin: `console.log('hello')` };
const startJob = async (...more: string[]): Promise<string> => {
  const { code: exit, stdout, stderr } = await c2d(withKey('start', ...raw, ...more), code);
  expect([exit, stderr]).toEqual([0, '']);
  return stdout.trim();
};
const throughProxy = async <Result>(faults: Fault[], use: (proxy: Awaited<ReturnType<typeof startFaultyProxy>>) => Promise<Result>) => {
  const proxy = await startFaultyProxy(surface.url, faults);
  try {
    return await use(proxy);
  } finally {
    await proxy.close();
  }
};

describe('help and options', () => {
  test('--help names every command, the exit codes and where keys come from', async () => {
    const { code: exit, stdout } = await c2d(['--help']);
    expect(exit).toBe(0);
    for (const word of [
      'environments',
      'check',
      'start',
      'list',
      'status',
      'watch',
      'logs',
      'results',
      'verify',
      'keep',
      'delete',
      'stop',
      'Exit codes:',
      'C2D_KEY_FILE',
    ])
      expect(stdout).toContain(word);
    expect((await c2d(['start', '--help'])).stdout).toMatch(/Examples:\n {2}c2d check/);
  });

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(await readFile(path.join(import.meta.dirname, '../../../package.json'), 'utf8')) as { version: string };
    expect((await c2d(['--version'])).stdout).toBe(`${version}\n`);
  });

  test.each<[string, string[], RegExp]>([
    ['an unknown command', ['fly'], /unknown command 'fly'/],
    ['an unknown option', ['status', '--key', '0x00', aJobId()], /unknown option '--key'/],
    ['no job', ['status'], /missing required argument 'job'/],
    ['a job that is none', ['status', 'x'], /no job id/],
    ['a number that is none', ['start', '--queue', 'x'], /It is no number/],
    ['an address that is none', ['--url', 'ftp://x', 'environments'], /no http address/],
    ['an asset without a service', ['start', '--dataset', 'did:op:1'], /is not <did>,<service>/],
    ['code without an image', ['--key-file', '/none', 'start', '--code', '-'], /name one with --image/],
    ['both kinds of algorithm', ['start', '--image', 'a', '--algorithm', 'did:op:1'], /not both/],
    ['a file that is not there', ['start', '--file', '/nowhere/job.json'], /cannot be read: ENOENT/],
    ['a resource that is none', ['start', '--resource', 'cpu'], /cpu=2/],
    ['no key', ['list'], /no key: name one with --key-file or --keystore/],
    ['two keys', ['--key-file', 'a', '--keystore', 'b', 'list'], /not both/],
    ['a key file that is not there', ['--key-file', '/nowhere/key', 'list'], /cannot be read: ENOENT/],
  ])('%s is exit code 2', async (_what, args, text) => {
    // a service that answers, so that only the key can be what is missing
    const { code: exit, stderr } = await c2d(args.includes('--url') ? args : ['--url', surface.url, ...args]);
    expect(exit).toBe(2);
    expect(stderr).toMatch(text);
  });
});

describe('keys', () => {
  test('a keystore opens with its password, and with no other', async () => {
    const keystore = path.join(folder, 'keystore.json');
    const [right, wrong] = [path.join(folder, 'right'), path.join(folder, 'wrong')];
    await writeFile(keystore, await encryptKeystoreJson(wallet, 'a password', { scrypt: { N: 1_024 } }));
    await Promise.all([writeFile(right, 'a password\n'), writeFile(wrong, 'another\n')]);
    const id = await startJob();
    const list = (password: string) =>
      c2d(['list', '--json'], { env: { C2D_URL: surface.url, C2D_KEYSTORE: keystore, C2D_PASSWORD_FILE: password } });
    const opened = await list(right);
    expect([opened.code, opened.stdout.includes(id)]).toEqual([0, true]);
    expect(await list(wrong)).toMatchObject({ code: 2, stderr: expect.stringMatching(/password does not open/) as string });
    const unasked = await c2d(['--url', surface.url, '--keystore', keystore, 'list']);
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringMatching(/--password-file, or run c2d in a terminal/)]);
  });

  test('in a terminal the password is asked for, and not shown', async () => {
    const keystore = path.join(folder, 'asked.json');
    await writeFile(keystore, await encryptKeystoreJson(wallet, 'a password', { scrypt: { N: 1_024 } }));
    const running = startCli(['--url', surface.url, '--keystore', keystore, 'token'], { terminal: true });
    await running.saw(`Password of ${keystore}: `);
    running.type('a passx\u007fword\r');
    const { code: exit, stdout } = await running.end;
    expect([exit, stdout]).toEqual([0, expect.stringMatching(/: \r\n[\w-]+\.[\w-]+\.[\w-]+\r\n$/)]);
    expect(stdout).not.toMatch(/pass[xw]/);
  });

  test('a file that others may read is pointed out; one without a key is refused without showing it', async () => {
    const [shared, nonsense] = [path.join(folder, 'shared'), path.join(folder, 'nonsense')];
    await writeFile(shared, wallet.privateKey.slice(2));
    await chmod(shared, 0o644);
    await writeFile(nonsense, 'hunter2 is my password', { mode: 0o600 });
    const list = (file: string) => c2d(['--url', surface.url, '--key-file', file, 'list']);
    expect(await list(shared)).toMatchObject({ code: 0, stderr: expect.stringMatching(/chmod 600/) as string });
    const refused = await list(nonsense);
    expect([refused.code, refused.stderr.includes('hunter2')]).toEqual([2, false]);
  });
});

describe('credentials for a registry', () => {
  const credentials = { username: 'reader', password: 'open sesame' };
  const keep = async (name: string, content: string): Promise<string> => {
    const file = path.join(folder, name);
    await writeFile(file, content, { mode: 0o600 });
    return file;
  };

  test('go from a file to the service, sealed, and a repeated start is the same job', async () => {
    const file = await keep('registry.json', JSON.stringify(credentials));
    const start = () => startJob('--registry-auth', file, '--idempotency-key', 'private-image');
    const id = await start();
    expect(await start()).toBe(id);
    expect(surface.jobs.specs.get(id)?.registryCredentials).toEqual(credentials);
    expect((await c2d(withKey('check', ...raw, '--registry-auth', file), code)).code).toBe(0);
    expect(await surface.ledger.readRegistryCredentials(id)).toEqual(credentials);
    expect(spoken.join('')).not.toContain('sesame');
  });

  test.each([
    ['no JSON', 'open sesame'],
    ['no password', '{"username":"sesame"}'],
  ])('a file that holds %s is pointed out, and not shown', async (_what, content) => {
    const file = await keep('no-registry', content);
    const { code: exit, stderr } = await c2d(withKey('start', ...raw, '--registry-auth', file), code);
    expect([exit, stderr]).toEqual([2, expect.stringMatching(/holds neither/)]);
    expect(stderr).not.toContain('sesame');
  });
});

describe('environments and check', () => {
  test('environments need no key', async () => {
    const text = await c2d(['--url', surface.url, 'environments']);
    expect([text.code, text.stdout]).toEqual([0, expect.stringMatching(/^small {2}a small one\n {2}paid: cpu ≤ 2/)]);
    const json = await c2d(['--url', surface.url, '--json', 'environments']);
    expect((JSON.parse(json.stdout) as { id: string }[]).map(({ id }) => id)).toEqual(['small', 'paid-only']);
  });

  test('check is 0 for what would be accepted and 3, with all reasons, for what would not', async () => {
    expect(await c2d(withKey('check', ...raw), code)).toMatchObject({ code: 0, stdout: 'would be accepted\n' });
    surface.reasons.push(new JobFailure('AccessDenied', 'Access denied'));
    const refused = await c2d(withKey('check', ...raw, '--resource', 'cpu=99'), code);
    expect(refused.code).toBe(3);
    expect(refused.stdout).toMatch(/NotEnoughResources: Not enough cpu[^]*AccessDenied: Access denied\n {4}Ask the publisher/);
    const json = JSON.parse((await c2d(withKey('--json', 'check', ...raw), code)).stdout) as CheckAnswer;
    expect(json).toMatchObject({ accepted: false, reasons: [{ code: 'AccessDenied' }] });
    expect(surface.jobs.started).not.toContain(undefined);
  });
});

describe('start', () => {
  test('sends what the options say, and a file where they say nothing', async () => {
    const file = path.join(folder, 'job.json');
    await writeFile(file, JSON.stringify({ environment: 'paid-only', maxJobDuration: 12, metadata: { from: 'file' } }));
    const id = await startJob('--file', file, '--resource', 'ram=2', '--variable', 'A=b=c', '--viewer', aWallet().address);
    expect(surface.jobs.specs.get(id)).toMatchObject({
      environmentId: 'small',
      isFree: true,
      maxJobDuration: 12,
      metadata: { from: 'file' },
      resources: { ram: 2 },
      queueMaxWaitTime: 60,
      algorithm: { envs: { A: 'b=c' }, raw: { rawcode: code.stdin, container: { image: 'node', tag: '24', entrypoint: 'node $ALGO' } } },
    });
  });

  test('names published assets with their services and orders', async () => {
    const args = [
      'start',
      '-e',
      'small',
      '--algorithm',
      'did:op:a,algo,0x1',
      '--dataset',
      'did:op:b,compute,0x2',
      '--dataset',
      'did:op:c,access',
    ];
    const { stdout } = await c2d(withKey(...args));
    expect(surface.jobs.specs.get(stdout.trim())).toMatchObject({
      isFree: false,
      algorithm: { documentId: 'did:op:a', serviceId: 'algo', transferTxId: '0x1', raw: null },
      datasets: [
        { documentId: 'did:op:b', serviceId: 'compute', transferTxId: '0x2' },
        { documentId: 'did:op:c', serviceId: 'access', transferTxId: null },
      ],
    });
  });

  test('under one key is one job', async () => {
    const key = ['--idempotency-key', 'nightly-2026-11-22'];
    expect(await startJob(...key)).toBe(await startJob(...key));
    expect((await c2d(withKey('start', ...raw, ...key, '--duration', '5'), code)).code).toBe(3);
  });

  test('a refusal is exit code 3 and says what, why, what to do, and under which id', async () => {
    surface.jobs.verdict = { kind: 'refused', type: 'AlgorithmNotTrusted', message: 'Algorithm x not allowed' };
    const { code: exit, stderr, stdout } = await c2d(withKey('start', ...raw), code);
    expect([exit, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(
      /^c2d: The dataset does not trust the algorithm: Algorithm x not allowed\n {5}Use an algorithm[^]*AlgorithmNotTrusted, request [\w-]{36}/,
    );
    const json = JSON.parse((await c2d(withKey('--json', 'start', ...raw), code)).stderr) as { error: object };
    expect(json.error).toMatchObject({ exitCode: 3, code: 'AlgorithmNotTrusted', status: 400 });
  });

  test('waits for a service that is away, as long as Retry-After says, and starts one job', async () => {
    surface.jobs.outages = 2;
    const before = performance.now();
    const id = await startJob();
    expect(performance.now() - before).toBeGreaterThan(2_000);
    expect(surface.jobs.started.filter((one) => one === id)).toHaveLength(1);
    surface.jobs.outages = 100;
    expect(await c2d(['--url', surface.url, '--key-file', keyFile, '--patience', '0', 'start', ...raw], code)).toMatchObject({ code: 4 });
    surface.jobs.outages = 0;
  });

  test('a service that is not there is exit code 4', async () => {
    const gone = await startFaultyProxy(surface.url, []);
    await gone.close();
    const { code: exit, stderr } = await c2d(['--url', gone.url, '--key-file', keyFile, '--patience', '1', 'list']);
    expect([exit, stderr]).toEqual([4, `c2d: ${gone.url} cannot be reached: ECONNREFUSED\n`]);
  });
});

describe('watch', () => {
  const watch = (id: string, ...options: string[]) => startCli(withKey(...options, 'watch', id));

  test('tells progress while it happens and ends with 0 for success', async () => {
    const id = await startJob();
    const watching = watch(id);
    await watching.saw('queued');
    const progress = { phase: 'stageInputs', filesDone: 1, filesTotal: 2, bytesDone: 1_536, bytesTotal: 3_072 };
    await surface.progress(id, status.provisioningData, { reason: 'staging inputs', progress });
    await watching.saw('staging inputs (50 %, 1/2 files, 1.5 kB of 3.0 kB)');
    await surface.finish(id, {});
    const { code: exit, stdout } = await watching.end;
    expect(exit).toBe(0);
    expect(stdout).toMatch(/succeeded: the algorithm ended with exit code 0\n$/);
  });

  test.each([
    ['failed', status.algorithmFailed],
    ['stopped', status.stopped],
  ])('a job that %s ends with 1', async (word, number) => {
    const id = await startJob();
    await surface.finish(id, {}, number);
    expect(await c2d(withKey('watch', id))).toMatchObject({ code: 1, stdout: expect.stringMatching(new RegExp(`${word}: `)) as string });
  });

  test('start --watch --json is one JSON text a line: the job, events, the end', async () => {
    const starting = startCli(withKey('--json', 'start', '--watch', ...raw), code);
    await starting.saw('"event":"progress"');
    const { id } = JSON.parse(starting.stdout().split('\n')[0] ?? '') as JobDetails;
    await surface.finish(id, {});
    const { code: exit, stdout } = await starting.end;
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event?: string; data?: { phase: string } });
    expect(exit).toBe(0);
    expect(lines.at(-1)).toMatchObject({ event: 'end', data: { id, phase: 'succeeded' } });
  });

  test('goes on where it was when the connection is cut, and tells nothing twice', async () => {
    const id = await startJob();
    await surface.progress(id, status.running);
    const told = Promise.withResolvers<void>();
    await throughProxy([{ path: /\/events/, cutAfterBytes: 500, beforeCut: () => told.promise }], async (proxy) => {
      const watching = startCli(['--url', proxy.url, '--key-file', keyFile, 'watch', id]);
      await watching.saw('Job queued');
      told.resolve();
      await watching.saw('Running algorithm');
      await surface.finish(id, {});
      const { code: exit, stdout } = await watching.end;
      expect(exit).toBe(0);
      for (const text of ['Job queued', 'Running algorithm', 'Job finished']) expect(stdout.split(text)).toHaveLength(2);
      expect(proxy.seen.filter(({ url }) => url.includes('/events')).length).toBeGreaterThan(1);
      expect(proxy.seen.findLast(({ url }) => url.includes('/events'))?.headers['last-event-id']).toMatch(/^\d+-\d+-/);
    });
  });

  test('a token that dies on the way is replaced', async () => {
    const id = await startJob();
    await throughProxy([{ path: /\/api\/v1\/jobs/, token: 'dead' }], async (proxy) => {
      expect(await c2d(['--url', proxy.url, '--key-file', keyFile, 'status', id])).toMatchObject({ code: 0 });
      expect(proxy.seen.filter(({ url }) => url.endsWith('/auth/token'))).toHaveLength(2);
    });
  });
});

describe('logs', () => {
  const write = (jobId: string, offset: number, text: string) =>
    surface.ledger.appendLog({ jobId, podAttempt: 1, offset, bytes: Buffer.from(text) });

  test('are what is there, or with -f what comes until the end', async () => {
    const id = await startJob();
    await surface.progress(id, status.running);
    await write(id, 0, 'one\n');
    expect(await c2d(withKey('logs', id))).toMatchObject({ code: 0, stdout: 'one\n' });
    const following = startCli(withKey('logs', '-f', id, '--offset', '2'));
    await following.saw('e\n');
    await write(id, 4, 'two\n');
    await following.saw('two\n');
    await surface.finish(id, { 'algorithm.log': 'one\ntwo\n' });
    expect(await following.end).toMatchObject({ code: 0, stdout: 'e\ntwo\n' });
  });

  test('every byte arrives once, however often the connection is cut', async () => {
    const text = Array.from({ length: 2_000 }, (_none, n) => `line ${n}\n`).join('');
    const id = await startJob();
    await surface.finish(id, { 'algorithm.log': text });
    const cuts = [100, 5_000, 1].map((cutAfterBytes): Fault => ({ path: /\/logs/, cutAfterBytes }));
    await throughProxy(cuts, async (proxy) => {
      const { code: exit, stdout } = await c2d(['--url', proxy.url, '--key-file', keyFile, 'logs', id]);
      expect([exit, stdout === text]).toEqual([0, true]);
    });
  });
});

describe('results', () => {
  const big = 'x'.repeat(300_000);

  test('are listed, or fetched into a folder', async () => {
    const id = await startJob();
    await surface.finish(id, { 'a.csv': '1,2', 'nested%2Fb': 'deep', '../evil': 'stays' });
    const list = await c2d(withKey('results', id));
    expect(list.stdout.split('\n')[0]).toBe(`0  a.csv  3 B  ${createHash('sha256').update('1,2').digest('hex')}`);
    const output = path.join(folder, 'fetched');
    expect((await c2d(withKey('results', id, '-o', output))).code).toBe(0);
    expect((await readdir(output)).toSorted()).toEqual(['.._evil', `${id}.manifest.json`, 'a.csv', 'nested%2Fb'].toSorted());
    expect(await readFile(path.join(output, 'nested%2Fb'), 'utf8')).toBe('deep');
    expect((await c2d(withKey('results', id, '--index', '9'))).code).toBe(2);
  });

  test('of a job that still runs have no manifest yet, and that is no failure', async () => {
    const id = await startJob();
    const output = path.join(folder, 'early');
    expect(await c2d(withKey('results', id, '-o', output))).toMatchObject({ code: 0, stderr: '' });
  });

  test('are taken up where they broke off (complaint: downloads time out and begin anew)', async () => {
    const id = await startJob();
    await surface.finish(id, { big });
    const output = path.join(folder, 'resumed');
    const beforeCut = async (): Promise<void> => {
      const [part] = (await readdir(output)).filter((name) => name.endsWith('.part'));
      if (part !== undefined && (await stat(path.join(output, part))).size > 0) return;
      await delay(5);
      await beforeCut();
    };
    await throughProxy([{ path: /\/results\/0/, cutAfterBytes: 100_000, beforeCut }], async (proxy) => {
      expect((await c2d(['--url', proxy.url, '--key-file', keyFile, 'results', id, '-o', output])).code).toBe(0);
      const ranges = proxy.seen.filter(({ url }) => url.endsWith('/results/0')).map(({ headers }) => headers.range);
      expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d{1,6}-$/)]);
    });
    expect((await readFile(path.join(output, 'big'), 'utf8')) === big).toBe(true);
  });

  test('that are not what the job has published are thrown away', async () => {
    const id = await startJob();
    await surface.finish(id, { big });
    const output = path.join(folder, 'spoiled');
    surface.files.set(`${id}/1/0`, Buffer.from('y'.repeat(300_000)));
    const { code: exit, stderr } = await c2d(withKey('results', id, '-o', output));
    expect([exit, stderr]).toEqual([5, expect.stringMatching(/another digest/)]);
    expect(await readdir(output)).toEqual([]);
  });
});

describe('status, list and stop', () => {
  test('status tells where the time went', async () => {
    const id = await startJob();
    await surface.progress(id, status.running);
    await surface.finish(id, {}, status.algorithmFailed);
    const { code: exit, stdout } = await c2d(withKey('status', id));
    expect(exit).toBe(0);
    expect(stdout).toMatch(/state {8}failed \(82 Algorithm exited with an error\)[^]*exit code {4}3[^]*running {4}\d+\.\d s/);
    expect((JSON.parse((await c2d(withKey('--json', 'status', id))).stdout) as JobDetails).id).toBe(id);
  });

  test('list pages through as many as wanted', async () => {
    const ids = [await startJob(), await startJob(), await startJob()];
    const listed = JSON.parse((await c2d(withKey('--json', 'list', '-n', '2'))).stdout) as JobDetails[];
    expect(listed.map(({ id }) => id)).toEqual(ids.slice(1).toReversed());
    expect((await c2d(withKey('list', '--phase', 'running', '-e', 'paid-only'))).stdout).toBe('');
  });

  test('stop stops', async () => {
    const id = await startJob();
    expect(await c2d(withKey('stop', id))).toMatchObject({ code: 0, stdout: 'stopping\n' });
    expect(surface.jobs.stopped).toContain(id);
  });

  test("a job of somebody else's is exit code 3", async () => {
    const id = await startJob();
    const other = path.join(folder, 'other');
    await writeFile(other, Wallet.createRandom().privateKey, { mode: 0o600 });
    const { code: exit, stderr } = await c2d(['--url', surface.url, '--key-file', other, 'status', id]);
    expect([exit, stderr]).toEqual([3, expect.stringMatching(/There is no such job, or it is not yours/)]);
  });
});

test('the key is in nothing that was written', () => {
  expect(spoken.length).toBeGreaterThan(40);
  expect(spoken.join('').toLowerCase()).not.toContain(wallet.privateKey.slice(2, 34).toLowerCase());
});

describe('verify', () => {
  const provider = new Wallet(manifestKey).address;
  const fetched = async (name: string) => {
    const id = await startJob();
    await surface.finish(id, { 'a.csv': '1,2', 'nested%2Fb': 'deep' });
    const output = path.join(folder, name);
    await c2d(withKey('results', id, '-o', output));
    return { id, output, manifest: path.join(output, `${id}.manifest.json`) };
  };
  /** without a service, and without a key */
  const verify = (...args: string[]) => c2d(['--url', 'http://127.0.0.1:1', 'verify', ...args]);

  test('tells who signed, and that every file is what was published', async () => {
    const { id, output, manifest } = await fetched('genuine');
    const plain = await verify(manifest, '--results', output, '--provider', provider.toLowerCase());
    expect([plain.code, plain.stderr]).toEqual([0, '']);
    for (const text of [`signed by    ${provider}`, id, `good         ${path.join(output, 'a.csv')}`]) expect(plain.stdout).toContain(text);
    const told = JSON.parse((await verify('--json', manifest)).stdout) as unknown;
    expect(told).toMatchObject({ job: id, signer: provider, consumer: wallet.address, files: [] });
  });

  test.each<[string, (output: string) => Promise<void>, string]>([
    ['changed', (output) => writeFile(path.join(output, 'a.csv'), '1,3'), 'different    '],
    ['longer', (output) => writeFile(path.join(output, 'a.csv'), '1,2,3'), 'different    '],
    ['missing', (output) => rm(path.join(output, 'a.csv')), 'missing      '],
  ])('a file that is %s is exit code 6', async (what, spoil, verdict) => {
    const { output, manifest } = await fetched(what);
    await spoil(output);
    const { code: exit, stdout } = await verify(manifest, '-r', output);
    expect([exit, stdout]).toEqual([6, expect.stringContaining(`${verdict}${path.join(output, 'a.csv')}`)]);
  });

  test.each<[string, (envelope: Envelope, statement: ManifestStatement) => unknown, RegExp]>([
    [
      'whose statement was changed',
      (envelope, { predicate, ...rest }) => ({ ...envelope, payload: encode({ ...rest, predicate: { ...predicate, consumer: '0x0' } }) }),
      /not signed by the provider that it names/,
    ],
    ['that somebody else signed', (_envelope, statement) => signStatement(statement, `0x${'77'.repeat(32)}`), /not signed by the provider/],
    [
      'that somebody else signed in their own name',
      (_envelope, { predicate, ...rest }) =>
        signStatement(
          {
            ...rest,
            predicate: { ...predicate, provider: { ...predicate.provider, address: new Wallet(`0x${'77'.repeat(32)}`).address } },
          },
          `0x${'77'.repeat(32)}`,
        ),
      /not by 0x/,
    ],
    ['without a signature', (envelope) => ({ ...envelope, signatures: [] }), /not signed by the provider/],
    [
      'with a signature that is none',
      ({ signatures, ...rest }) => ({ ...rest, signatures: [{ ...signatures[0], sig: 'AAAA' }] }),
      /the signature is not one/,
    ],
    [
      'of another kind',
      (_envelope, statement) => signStatement({ ...statement, predicateType: 'urn:other' as never }, manifestKey),
      /no manifest: predicateType/,
    ],
    [
      'whose subjects and outputs differ',
      (_envelope, statement) => signStatement({ ...statement, subject: [] }, manifestKey),
      /subjects and its outputs differ/,
    ],
    ['that is no envelope', () => [], /no manifest/],
  ])('a manifest %s is exit code 6', async (_what, forge, message) => {
    const { manifest } = await fetched('forged');
    const envelope = JSON.parse(await readFile(manifest, 'utf8')) as Envelope;
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as ManifestStatement;
    await writeFile(manifest, JSON.stringify(forge(envelope, statement)));
    const { code: exit, stderr } = await verify(manifest, '-p', provider);
    expect([exit, stderr]).toEqual([6, expect.stringMatching(message)]);
  });

  describe('of outputs that were delivered as one archive', () => {
    const archived = async (name: string) => {
      const { output, manifest } = await fetched(name);
      const { payload } = JSON.parse(await readFile(manifest, 'utf8')) as Envelope;
      const statement = JSON.parse(Buffer.from(payload, 'base64').toString()) as ManifestStatement;
      const archive = path.join(folder, `${name}.tar`);
      await writeFile(archive, 'an archive');
      const sha256 = createHash('sha256').update('an archive').digest('hex');
      const predicate = { ...statement.predicate, archive: { name: 'mine.tar', encrypted: false, sizeBytes: 10, sha256 } };
      await writeFile(manifest, JSON.stringify(signStatement({ ...statement, predicate }, manifestKey)));
      return { output, manifest, archive };
    };

    test('tells that the archive is what arrived, and misses no file that is in it', async () => {
      const { output, manifest, archive } = await archived('delivered');
      await rm(path.join(output, 'a.csv'));
      const { code: exit, stdout } = await verify(manifest, '-r', output, '--archive', archive);
      expect(exit).toBe(0);
      for (const text of [`archived     ${path.join(output, 'a.csv')}`, `good         ${archive}`]) expect(stdout).toContain(text);
      await writeFile(path.join(output, 'nested%2Fb'), 'changed');
      expect((await verify(manifest, '-r', output)).code).toBe(6);
    });

    test.each<[string, (archive: string) => Promise<void>, string]>([
      ['changed', (archive) => writeFile(archive, 'an archivE'), 'different    '],
      ['longer', (archive) => writeFile(archive, 'an archive '), 'different    '],
      ['missing', (archive) => rm(archive), 'missing      '],
    ])('an archive that is %s is exit code 6', async (what, spoil, verdict) => {
      const { manifest, archive } = await archived(`archive-${what}`);
      await spoil(archive);
      const { code: exit, stdout } = await verify(manifest, '-a', archive);
      expect([exit, stdout]).toEqual([6, expect.stringContaining(`${verdict}${archive}`)]);
    });

    test('an archive of which the manifest does not tell is exit code 6', async () => {
      const { output, manifest } = await fetched('here');
      const { code: exit, stderr } = await verify(manifest, '-a', path.join(output, 'a.csv'));
      expect([exit, stderr]).toEqual([6, expect.stringMatching(/tells of no archive/)]);
    });
  });

  test('a manifest that is not there is a mistake of the caller', async () => {
    expect((await verify(path.join(folder, 'nowhere'))).code).toBe(2);
    expect((await verify(path.join(folder, 'nowhere'), '-p', 'me')).code).toBe(2);
  });
});

describe('encryption', () => {
  const publicKey = wallet.signingKey.compressedPublicKey;

  test('is asked for with a key, or with one of our own', async () => {
    for (const given of ['self', publicKey, wallet.signingKey.publicKey]) {
      const id = await startJob('--encrypt-to', given);
      expect(surface.jobs.specs.get(id)?.encryption).toMatchObject({ recipient: publicKey.slice(2) });
    }
    for (const wrong of ['0x1234', `0x02${'ff'.repeat(32)}`, wallet.address]) {
      const refused = await c2d(withKey('start', ...raw, '--encrypt-to', wrong), code);
      expect([refused.code, refused.stderr]).toEqual([3, expect.stringMatching(/encryption\.recipient/)]);
    }
  });

  test('an archive from a bucket of our own opens with its AES key, and with no other', async () => {
    const secret = randomBytes(32);
    const iv = Buffer.from(((await (await fetch(surface.url)).json()) as { nodePublicKey: string }).nodePublicKey.slice(2), 'hex').subarray(
      0,
      16,
    );
    const bytes = Buffer.from('forty-two');
    const file = {
      filename: 'a',
      sizeBytes: 9,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      read: async () => Readable.from([bytes]),
    };
    const plain = await buffer(archiveOf({ files: [file], modifiedAtMs: 0 }));
    const archive = path.join(folder, 'outputs-1.tar');
    await writeFile(archive, encrypted(Readable.from([plain]), secret.toString('hex'), iv));
    const keyFile = path.join(folder, 'aes');
    await writeFile(keyFile, `${secret.toString('hex')}\n`);
    expect((await c2d(withKey('decrypt', archive, '--aes-key-file', keyFile))).code).toBe(0);
    expect((await readFile(path.join(folder, 'outputs-1.opened.tar'))).equals(plain)).toBe(true);
    await writeFile(keyFile, randomBytes(32).toString('hex'));
    expect((await c2d(withKey('decrypt', archive, '--aes-key-file', keyFile))).code).toBe(6);
    await writeFile(keyFile, 'short');
    expect((await c2d(withKey('decrypt', archive, '--aes-key-file', keyFile))).code).toBe(2);
  });

  test('a bucket for the outputs is described by a file, and leaves the machine sealed', async () => {
    const file = path.join(folder, 'bucket.json');
    const target = { endpoint: 'https://s3.example', bucket: 'mine', objectKey: 'a/', accessKeyId: 'me', secretAccessKey: 'hunter2' };
    await writeFile(file, JSON.stringify({ ...target, encryptionKey: 'ab'.repeat(32) }));
    const id = await startJob('--output-s3', file);
    expect(surface.jobs.specs.get(id)?.output).toMatchObject({ ...target, aesKey: 'ab'.repeat(32) });
    await writeFile(file, JSON.stringify({ ...target, bucket: undefined }));
    const refused = await c2d(withKey('start', ...raw, '--output-s3', file), code);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/names no bucket/)]);
    expect(refused.stderr).not.toContain('hunter2');
  });

  test('decrypt opens what is ours, and refuses names that say otherwise', async () => {
    expect((await c2d(withKey('decrypt', path.join(folder, 'key')))).code).toBe(2);
    expect((await c2d(withKey('decrypt', path.join(folder, 'nowhere.age')))).code).toBe(2);
    const broken = path.join(folder, 'broken.age');
    await writeFile(broken, 'age-encryption.org/v1\n');
    expect((await c2d(withKey('decrypt', broken))).code).toBe(6);
  });
});
