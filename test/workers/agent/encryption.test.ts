import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Wallet } from 'ethers';
import { encryptionTo } from '../../../api/encryption.ts';
import { createFileDecrypter } from '../../../api/cli/decrypt.ts';
import { encryptedSource, plainSource, type OutputSource } from '../../../workers/agent/encryption.ts';

const key = `0x${randomBytes(32).toString('hex')}`;
const encryption = encryptionTo(new Wallet(key).signingKey.publicKey);
const chunk = 64 * 1024;
const overhead = 4_096;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-encryption-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const readAll = async (source: OutputSource, partBytes: number): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for (;;) {
    const bytes = await source.read(Buffer.alloc(partBytes));
    parts.push(bytes);
    if (bytes.length < partBytes) return Buffer.concat(parts);
  }
};

const encrypt = async (bytes: Buffer, partBytes = 100_000) => {
  const file = path.join(folder, randomBytes(8).toString('hex'));
  await writeFile(file, bytes);
  await using handle = await open(file);
  const source = encryptedSource(handle, encryption);
  const sealed = await readAll(source, partBytes);
  return { sealed, plaintext: source.plaintext() };
};

/** By the other implementation. @returns the content */
const decrypt = async (sealed: Buffer, privateKey = key): Promise<Buffer> => {
  const file = path.join(folder, `${randomBytes(8).toString('hex')}.age`);
  await writeFile(file, sealed);
  return readFile(await createFileDecrypter(privateKey).open(file));
};

describe('an encrypted output', () => {
  test.each([0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 7])('of %d bytes is opened by its recipient', async (size) => {
    const bytes = randomBytes(size);
    const { sealed, plaintext } = await encrypt(bytes);
    expect((await decrypt(sealed)).equals(bytes)).toBe(true);
    expect(plaintext).toEqual({ sizeBytes: size, sha256: digest(bytes) });
    expect(sealed.length - size).toBeLessThan(16 * (Math.floor(size / chunk) + 1) + overhead);
  });

  test.each([7, 4_096, chunk, 1_000_000])('is the same form in parts of %d bytes', async (partBytes) => {
    const bytes = randomBytes(2 * chunk + 5);
    expect((await decrypt((await encrypt(bytes, partBytes)).sealed)).equals(bytes)).toBe(true);
  });

  test('shares neither key nor bytes with another try at the same file', async () => {
    const bytes = Buffer.alloc(chunk);
    const [first, second] = [await encrypt(bytes), await encrypt(bytes)];
    expect(first.sealed.subarray(-chunk).equals(second.sealed.subarray(-chunk))).toBe(false);
  });

  test('says nothing of what is in it', async () => {
    const { sealed } = await encrypt(Buffer.from('forty-two'.repeat(100)));
    expect(sealed.includes('forty-two')).toBe(false);
    expect(sealed.includes(encryption.secret)).toBe(false);
  });

  test('is opened by no other key', async () => {
    const { sealed } = await encrypt(Buffer.from('secret'));
    await expect(decrypt(sealed, `0x${'11'.repeat(32)}`)).rejects.toMatchObject({
      code: 6,
      message: expect.stringMatching(/another key/) as string,
    });
  });

  const sealedChunk = chunk + 16;
  test.each<[string, (sealed: Buffer) => Buffer]>([
    ['cut off between chunks', (sealed) => sealed.subarray(0, sealed.length - sealedChunk)],
    ['cut off in a chunk', (sealed) => sealed.subarray(0, sealed.length - 5)],
    ['longer', (sealed) => Buffer.concat([sealed, Buffer.alloc(16)])],
    ['changed in its last byte', (sealed) => Buffer.concat([sealed.subarray(0, -1), Buffer.from([(sealed.at(-1) ?? 0) ^ 1])])],
    [
      'reordered',
      (sealed) => {
        const start = sealed.length - 3 * sealedChunk;
        const [one, two, rest] = [0, 1, 2].map((n) => sealed.subarray(start + n * sealedChunk, start + (n + 1) * sealedChunk));
        return Buffer.concat([sealed.subarray(0, start), two!, one!, rest!]);
      },
    ],
    [
      'changed in its header',
      (sealed) =>
        Buffer.from(
          sealed
            .toString('latin1')
            .replace(/ ([0-9A-Za-z+/]{22})\n/, (_all, salt: string) => ` ${salt.startsWith('A') ? 'B' : 'A'}${salt.slice(1)}\n`),
          'latin1',
        ),
    ],
  ])('that was %s is refused, and nothing of it is left', async (_what, spoil) => {
    const { sealed } = await encrypt(randomBytes(3 * chunk));
    const file = path.join(folder, `${randomBytes(8).toString('hex')}.age`);
    await writeFile(file, spoil(sealed));
    await expect(createFileDecrypter(key).open(file)).rejects.toMatchObject({
      code: 6,
      message: expect.stringMatching(/cut off or changed/) as string,
    });
    await expect(readFile(file.replace(/\.age$/, ''))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readFile(file.replace(/\.age$/, '.part'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('a plain output is the file', async () => {
  const file = path.join(folder, 'plain');
  await writeFile(file, 'as it is');
  await using handle = await open(file);
  const source = plainSource(handle);
  expect((await readAll(source, 3)).toString()).toBe('as it is');
  expect(source.plaintext()).toBeUndefined();
});
