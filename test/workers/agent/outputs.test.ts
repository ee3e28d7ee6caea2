import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openRegularFile, scanOutputs } from '../../../workers/agent/outputs.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-outputs-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const limits = { maxBytes: 1_000, maxFiles: 100 };

describe('scanOutputs', () => {
  test('an empty folder, or none, is a valid result', async () => {
    expect(await scanOutputs(folder, limits)).toEqual({ files: [], bytes: 0, exceeded: undefined, skipped: 0 });
    expect((await scanOutputs(`${folder}/none`, limits)).files).toEqual([]);
  });

  test('lists regular files in byte order, sub-folders included, and follows nothing', async () => {
    await mkdir(`${folder}/a/b`, { recursive: true });
    for (const name of ['a/b/2', 'a.txt', 'Z', 'é', 'a/1']) await writeFile(`${folder}/${name}`, 'xy');
    await symlink('/etc/passwd', `${folder}/link`);
    await symlink('/', `${folder}/a/root`);
    execFileSync('mkfifo', [`${folder}/fifo`]);
    const { files, bytes, skipped } = await scanOutputs(folder, limits);
    expect(files.map(({ name }) => name)).toEqual(['Z', 'a.txt', 'a/1', 'a/b/2', 'é']);
    expect({ bytes, skipped }).toEqual({ bytes: 10, skipped: 3 });
  });

  test('names that are not UTF-8 stay apart and can be opened', async () => {
    for (const byte of [0xff, 0xfe]) await writeFile(Buffer.concat([Buffer.from(`${folder}/n`), Buffer.from([byte])]), 'x');
    const { files } = await scanOutputs(folder, limits);
    expect(files.map(({ name }) => name)).toEqual(['n\uDCFE', 'n\uDCFF']);
    const handle = await openRegularFile(Buffer.concat([Buffer.from(`${folder}/`), files[0]!.path]));
    expect(await handle?.readFile('utf8')).toBe('x');
    await handle?.close();
  });

  test('a sparse file counts with its full size', async () => {
    await writeFile(`${folder}/sparse`, '');
    await truncate(`${folder}/sparse`, 100 * 1024 ** 3);
    expect((await scanOutputs(folder, limits)).exceeded).toBe('bytes');
  });

  test.each([
    ['files', async (n: number) => writeFile(`${folder}/${n}`, '')],
    ['folders', async (n: number) => mkdir(`${folder}/${n}`)],
    ['links', async (n: number) => symlink('x', `${folder}/${n}`)],
  ])('a bomb made of %s is given up early', async (_what, make) => {
    for (let n = 0; n < 50; n += 1) await make(n);
    const scan = await scanOutputs(folder, { maxBytes: 1_000, maxFiles: 5 });
    expect(scan.exceeded).toBe('files');
    expect(scan.files.length).toBeLessThanOrEqual(6);
  });
});

describe('openRegularFile', () => {
  test('refuses links and FIFOs without blocking', async () => {
    await symlink('/etc/passwd', `${folder}/link`);
    execFileSync('mkfifo', [`${folder}/fifo`]);
    expect(await openRegularFile(`${folder}/link`)).toBeUndefined();
    expect(await openRegularFile(`${folder}/fifo`)).toBeUndefined();
    expect(await openRegularFile(folder)).toBeUndefined();
  });
});
