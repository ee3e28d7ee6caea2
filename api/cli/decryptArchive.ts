/** Opens archives of outputs that were encrypted with an AES key. docs/api.md describes the form. */

import { createDecipheriv } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { archiveIv } from '../../workflows/contract/output.ts';
import { Exit, exits, usageError } from './exits.ts';

const headerBytes = 512;
const magicAt = 257;

/** With what an archive was encrypted. */
export interface ArchiveKey {
  readonly key: Buffer;
  readonly iv: Uint8Array;
}

/**
 * @param path of a file that holds the AES key of the request, 64 hex digits
 * @param publicKey of the service that made the archive, `0x…` hex, compressed
 * @throws Exit `usage`
 */
export const readArchiveKey = async (file: string, publicKey: string): Promise<ArchiveKey> => {
  const text = await readFile(file, 'utf8').catch((err: unknown) => {
    throw usageError(`${file} cannot be read: ${(err as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  });
  const key = Buffer.from(text.trim().replace(/^0x/, ''), 'hex');
  if (key.length !== 32) throw usageError(`${file} holds no key of 64 hex digits`);
  return { key, iv: archiveIv(publicKey) };
};

/** Passes a tar through. @throws Error for anything else */
async function* requireTar(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head.length < headerBytes) head = Buffer.concat([head, chunk.subarray(0, headerBytes - head.length)]);
    yield chunk;
  }
  if (head.toString('latin1', magicAt, magicAt + 5) !== 'ustar') throw new Error('no tar');
}

const explain = (file: string, err: unknown): Exit => {
  const { code } = err as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') return usageError(`${file} cannot be read: ${code}`);
  if (code !== undefined && /^E[A-Z]+$/.test(code) && code !== 'ERR_OSSL_BAD_DECRYPT')
    return new Exit(exits.unforeseen, `${file} cannot be decrypted: ${code}`);
  return new Exit(exits.notGenuine, `${file} is no archive that was encrypted with this key by this service, or was cut off`);
};

/**
 * Writes the tar beside the archive, or into `folder`, in constant memory; whole or not at all.
 * @returns its path, which ends with `.opened.tar`
 * @throws Exit `notGenuine` for what was encrypted with another key, or by another service
 */
export const openArchive = async (file: string, { key, iv }: ArchiveKey, folder = path.dirname(file)): Promise<string> => {
  const target = path.join(folder, `${path.basename(file, '.tar')}.opened.tar`);
  const part = `${target}.part`;
  try {
    await pipeline(createReadStream(file), createDecipheriv('aes-256-cbc', key, iv), requireTar, createWriteStream(part, { mode: 0o600 }));
    await rename(part, target);
  } catch (err) {
    await rm(part, { force: true });
    throw explain(file, err);
  }
  return target;
};
