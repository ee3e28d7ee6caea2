import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { headBytes, isOfType, type FileType } from '../../../workers/agent/fileTypes.ts';
import { findBreach, logWithheldBy, type JudgedOutput } from '../../../workers/agent/outputRules.ts';
import { outputFileTypes } from '../../../workflows/contract/outputPolicy.ts';
import type { OutputRule } from '../../../workers/gateway/protocol.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-rules-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const aRule = (over: Partial<OutputRule> = {}): OutputRule => ({
  ...{ by: 'did:op:abc', maxBytes: null, maxFiles: null, fileTypes: null, publishLog: true, redactLog: [] },
  ...over,
});
const write = async (name: string, content: string | Buffer): Promise<JudgedOutput> => {
  const place = path.join(folder, name);
  await mkdir(path.dirname(place), { recursive: true });
  await writeFile(place, content);
  return { place: Buffer.from(place), name, sizeBytes: Buffer.byteLength(content) };
};

describe('isOfType', () => {
  test.each<[FileType, string, Buffer | string]>([
    ['text', 'readme.md', 'words'],
    ['text', 'empty.txt', ''],
    ['csv', 'Table.CSV', 'a,b\r\n1,2\r\n'],
    ['csv', 'umlauts.tsv', 'ä\tö\n'],
    ['json', 'a.json', '{"a": 1}'],
    ['xml', 'a.svg', '\ufeff<svg/>'],
    ['png', 'a.png', bytes('89504e470d0a1a0a0000')],
    ['jpeg', 'a.JPG', bytes('ffd8ffe0')],
    ['gif', 'a.gif', 'GIF89a'],
    ['webp', 'a.webp', 'RIFF1234WEBPVP8 '],
    ['tiff', 'a.tiff', bytes('49492a00')],
    ['pdf', 'a.pdf', '%PDF-1.7'],
    ['zip', 'a.npz', bytes('504b0304')],
    ['gzip', 'a.csv.gz', gzipSync('a')],
    ['parquet', 'a.parquet', 'PAR1'],
    ['arrow', 'a.feather', 'ARROW1\0\0'],
    ['npy', 'a.npy', bytes('934e554d5059')],
    ['hdf5', 'a.h5', bytes('894844460d0a1a0a')],
  ])('%s takes %s', (type, name, content) => {
    expect(isOfType(name, Buffer.from(content), [type])).toBe(true);
    const others = outputFileTypes.filter((other) => other !== type);
    expect(isOfType(name, Buffer.from(content), others)).toBe(false);
  });

  test.each<[string, string, Buffer | string]>([
    ['a table that is an archive', 'a.csv', gzipSync('a,b')],
    ['a picture that is a table', 'a.png', 'a,b'],
    ['a table with a NUL', 'a.csv', 'a\0b'],
    ['a table that is no UTF-8', 'a.csv', bytes('61ff62')],
    ['a page that calls itself JSON', 'a.json', '<html>'],
    ['a name without an ending', 'csv', 'a,b'],
    ['an ending of a folder', 'a.csv/b', 'a,b'],
    ['an ending with something behind it', 'a.csv.exe', 'a,b'],
    ['a picture without content', 'a.png', ''],
  ])('nothing takes %s', (_what, name, content) => {
    expect(isOfType(name, Buffer.from(content), outputFileTypes)).toBe(false);
  });

  test('a character that the end of the head cuts makes no text a binary', () => {
    const head = Buffer.from(`${'a'.repeat(headBytes - 1)}😀`).subarray(0, headBytes);
    expect(isOfType('a.txt', head, ['text'])).toBe(true);
    expect(isOfType('a.txt', Buffer.concat([Buffer.alloc(headBytes - 5, 97), bytes('ff61616161')]), ['text'])).toBe(false);
  });
});

describe('findBreach', () => {
  test('lets out what no rule forbids', async () => {
    const outputs = [await write('a.csv', 'a'), await write('below/b.csv', 'b')];
    expect(await findBreach(outputs, [aRule({ maxBytes: 2, maxFiles: 2, fileTypes: ['csv', 'png'] })])).toBeUndefined();
    expect(await findBreach([], [aRule({ maxBytes: 0, maxFiles: 0, fileTypes: [] })])).toBeUndefined();
    expect(await findBreach(outputs)).toBeUndefined();
  });

  test.each<[string, Partial<OutputRule>]>([
    ['maxBytes: 1', { maxBytes: 1 }],
    ['maxFiles: 1', { maxFiles: 1 }],
    ['fileTypes: png, pdf', { fileTypes: ['png', 'pdf'] }],
    ['fileTypes: none', { fileTypes: [] }],
  ])('names the rule %s and who made it, and nothing of the outputs', async (rule, over) => {
    const outputs = [await write('secret-a.csv', 'x'), await write('secret-b.csv', 'y')];
    const breach = await findBreach(outputs, [aRule({ by: 'environment small' }), aRule(over)]);
    expect(breach).toBe(`the outputs are withheld by the output policy of did:op:abc (${rule})`);
  });

  test('one file of another kind among a thousand is enough', async () => {
    const outputs = await Promise.all(Array.from({ length: 1_000 }, (_none, n) => write(`${n}.csv`, 'a')));
    expect(await findBreach(outputs, [aRule({ fileTypes: ['csv'] })])).toBeUndefined();
    await writeFile(path.join(folder, '777.csv'), gzipSync('a'));
    expect(await findBreach(outputs, [aRule({ fileTypes: ['csv'] })])).toContain('fileTypes');
  });

  test('looks at the head of a file of a terabyte, and blocks on no pipe', async () => {
    const sparse = await write('a.csv', 'a,b\n');
    await truncate(sparse.place, 1024 ** 4);
    execFileSync('mkfifo', [path.join(folder, 'pipe.csv')]);
    const pipe = { place: Buffer.from(path.join(folder, 'pipe.csv')), name: 'pipe.csv', sizeBytes: 0 };
    // the file is text at its beginning only, and zeros are no text
    expect(await findBreach([sparse], [aRule({ fileTypes: ['csv'] })])).toContain('fileTypes');
    expect(await findBreach([pipe], [aRule({ fileTypes: ['csv'] })])).toContain('fileTypes');
  });
});

test('a log may be read unless one of the rules says no', () => {
  expect(logWithheldBy()).toBeUndefined();
  expect(logWithheldBy([aRule(), aRule({ by: 'did:op:1', publishLog: false })])).toBe('did:op:1');
});
