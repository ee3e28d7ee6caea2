import { createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract } from 'tar-stream';
import { archiveOf, encrypted, partBytesFor, partsOf, type ArchivedFile } from '../../../infra/targets/archive.ts';

const fileOf = (filename: string, bytes: Buffer, over: Partial<ArchivedFile> = {}): ArchivedFile => ({
  filename,
  sizeBytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  read: async () => Readable.from(bytes.length === 0 ? [] : [bytes.subarray(0, 3), bytes.subarray(3)]),
  ...over,
});

const unpack = async (bytes: Buffer): Promise<Record<string, string>> => {
  const found: Record<string, string> = {};
  const reader = extract();
  Readable.from([bytes]).pipe(reader);
  for await (const entry of reader) found[`${entry.header.type} ${entry.header.name}`] = (await buffer(entry)).toString('latin1');
  return found;
};

const some = { modifiedAtMs: 1_750_000_000_000 };

describe('an archive', () => {
  test('has every file under its own path, whatever that is, and is the same each time', async () => {
    const long = `${'deep/'.repeat(60)}name`;
    const files = [
      fileOf('a.txt', Buffer.from('first')),
      fileOf('empty', Buffer.alloc(0)),
      fileOf('folder%2Fb%0A.txt', Buffer.from('second')),
      fileOf('100%25 ünïcode', Buffer.from('third')),
      fileOf(long.replaceAll('/', '%2F'), Buffer.from('fourth')),
      fileOf('no text %FF', Buffer.from('fifth')),
    ];
    const bytes = await buffer(archiveOf({ ...some, files }));
    expect(await buffer(archiveOf({ ...some, files }))).toEqual(bytes);
    expect(await unpack(bytes)).toEqual({
      'directory outputs/': '',
      'file outputs/a.txt': 'first',
      'file outputs/empty': '',
      'file outputs/folder/b\n.txt': 'second',
      'file outputs/100% ünïcode': 'third',
      [`file outputs/${long}`]: 'fourth',
      'file outputs/no text %FF': 'fifth',
    });
  });

  test('of no outputs has their folder', async () => {
    expect(await unpack(await buffer(archiveOf({ ...some, files: [] })))).toEqual({ 'directory outputs/': '' });
  });

  test.each<[string, Partial<ArchivedFile>]>([
    ['is shorter', { read: async () => Readable.from([Buffer.from('fir')]) }],
    ['is longer', { read: async () => Readable.from([Buffer.from('first!')]) }],
    ['is another', { read: async () => Readable.from([Buffer.from('FIRST')]) }],
    ['breaks off', { read: async () => Readable.from(brokenOff()) }],
    ['is gone', { read: async () => Promise.reject(new Error('no such file')) }],
  ])('fails for now when a stored file %s', async (_what, over) => {
    const files = [fileOf('a.txt', Buffer.from('first'), over), fileOf('b.txt', Buffer.from('second'))];
    await expect(buffer(archiveOf({ ...some, files }))).rejects.toMatchObject({ type: 'StorageUnavailable', retryAfterSeconds: 5 });
  });

  test('lets go of the file that is read when nobody wants the rest', async () => {
    const endless = new Readable({ read: () => void endless.push(Buffer.alloc(65_536)) });
    const files = [fileOf('a', Buffer.alloc(0), { sizeBytes: 2 ** 40, read: async () => endless })];
    for await (const chunk of archiveOf({ ...some, files })) if (chunk.length > 512) break;
    expect(endless.destroyed).toBe(true);
  });
});

async function* brokenOff(): AsyncGenerator<Buffer> {
  yield Buffer.from('fir');
  throw new Error('the connection is gone');
}

test('an encrypted archive opens with AES-256-CBC, as ocean-node has it', async () => {
  const [key, iv] = [randomBytes(32), randomBytes(16)];
  const files = [fileOf('a.txt', randomBytes(100_000))];
  const plain = await buffer(archiveOf({ ...some, files }));
  const sealed = await buffer(encrypted(archiveOf({ ...some, files }), key.toString('hex'), iv));
  const decipher = createDecipheriv('aes-256-cbc', key, iv);
  expect(Buffer.concat([decipher.update(sealed), decipher.final()]).equals(plain)).toBe(true);
});

describe('parts', () => {
  test.each([
    [0, []],
    [9, [9]],
    [10, [10]],
    [25, [10, 10, 5]],
  ])('%i bytes are parts of %j', async (size, expected) => {
    const bytes = randomBytes(size);
    const chunks = async function* (): AsyncGenerator<Buffer> {
      for (let at = 0; at < size; at += 7) yield bytes.subarray(at, at + 7);
    };
    const parts: Buffer[] = [];
    for await (const part of partsOf(chunks(), 10)) parts.push(part);
    expect(parts.map(({ length }) => length)).toEqual(expected);
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });

  test('are as large as the largest object of S3 needs them', () => {
    const small = { ...some, files: [fileOf('a', Buffer.alloc(1))] };
    const huge = { ...some, files: [fileOf('a', Buffer.alloc(1), { sizeBytes: 5 * 1024 ** 4 })] };
    expect(partBytesFor(small)).toBe(8 * 1024 ** 2);
    expect((5 * 1024 ** 4) / partBytesFor(huge)).toBeLessThan(10_000);
  });
});
