/**
 * Encrypts results before they leave the pod, in the age v1 format: authenticated in chunks, so that nothing can be cut
 * off, exchanged or reordered unnoticed, in constant memory.
 * @see https://github.com/C2SP/C2SP/blob/main/age.md
 */

import { createCipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Plan } from '../gateway/protocol.ts';

/** Whom results are encrypted to, as the plan says. */
export type Encryption = NonNullable<Plan['encryption']>;

const chunkBytes = 64 * 1024;
const tagBytes = 16;
const keyBytes = 16;
const columns = 64;
const stanzaType = 'durable-c2d/secp256k1';

const hkdf = (key: Uint8Array, salt: Uint8Array, info: string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, info, length));

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replaceAll('=', '');

/** Lines of 64 characters and a shorter one, which may be empty: that is how a reader knows the end. */
const bodyOf = (bytes: Uint8Array): string => {
  const text = base64(bytes);
  const lines = Array.from({ length: Math.floor(text.length / columns) + 1 }, (_, n) => text.slice(n * columns, (n + 1) * columns));
  return lines.join('\n');
};

/** A key that no other file, and no other try at this one, has. */
const newFileKey = ({ secret, recipient, wrapped }: Encryption): { readonly fileKey: Buffer; readonly stanza: string } => {
  const salt = randomBytes(keyBytes);
  const fileKey = hkdf(Buffer.from(secret, 'hex'), salt, 'durable-c2d/file-key', keyBytes);
  return { fileKey, stanza: `-> ${stanzaType} ${recipient} ${base64(salt)}\n${bodyOf(Buffer.from(wrapped, 'hex'))}\n` };
};

const headerOf = (fileKey: Buffer, stanza: string): Buffer => {
  const signed = `age-encryption.org/v1\n${stanza}---`;
  const mac = createHmac('sha256', hkdf(fileKey, Buffer.alloc(0), 'header', 32))
    .update(signed)
    .digest();
  return Buffer.from(`${signed} ${base64(mac)}\n`);
};

const sealChunk = (key: Buffer, chunk: Buffer, position: { readonly counter: number; readonly isLast: boolean }): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(position.counter, 5, 6);
  nonce[11] = position.isLast ? 1 : 0;
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: tagBytes });
  return Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
};

/** The bytes of an output as they are to be uploaded, in order. */
export interface OutputSource {
  /** Fills the buffer from its beginning. @returns what was filled: less than the buffer only at the end */
  read(buffer: Buffer): Promise<Buffer>;
  /** What was read, before it was encrypted; undefined where it is not. Asked at the end. */
  plaintext(): { readonly sizeBytes: number; readonly sha256: string } | undefined;
}

const readAt = async (handle: FileHandle, offset: number, buffer: Buffer): Promise<Buffer> => {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
};

/** A file as it is. */
export const plainSource = (handle: FileHandle): OutputSource => {
  let offset = 0;
  return {
    async read(buffer) {
      const bytes = await readAt(handle, offset, buffer);
      offset += bytes.length;
      return bytes;
    },
    plaintext: () => undefined,
  };
};

/** The most that encryption adds to so many bytes: a header, and a tag for every chunk. */
export const encryptionOverhead = (bytes: number): number => 1_024 + tagBytes * (Math.ceil(bytes / chunkBytes) + 1);

/** A file, encrypted under a key of its own. */
export const encryptedSource = (handle: FileHandle, encryption: Encryption): OutputSource => {
  const { fileKey, stanza } = newFileKey(encryption);
  const nonce = randomBytes(keyBytes);
  const payloadKey = hkdf(fileKey, nonce, 'payload', 32);
  const hash = createHash('sha256');
  let pending: Buffer = Buffer.concat([headerOf(fileKey, stanza), nonce]);
  let ahead: Buffer | undefined;
  let offset = 0;
  let counter = 0;
  let isDone = false;
  const readChunk = async (): Promise<Buffer> => {
    const chunk = await readAt(handle, offset, Buffer.allocUnsafe(chunkBytes));
    offset += chunk.length;
    hash.update(chunk);
    return chunk;
  };
  /** A chunk is the last one when nothing follows, so the next is read before it is sealed. */
  const nextSealed = async (): Promise<Buffer> => {
    const chunk = ahead ?? (await readChunk());
    ahead = chunk.length < chunkBytes ? undefined : await readChunk();
    isDone = ahead === undefined || ahead.length === 0;
    const sealed = sealChunk(payloadKey, chunk, { counter, isLast: isDone });
    counter += 1;
    return sealed;
  };
  return {
    async read(buffer) {
      let filled = 0;
      while (filled < buffer.length) {
        if (pending.length === 0 && isDone) break;
        if (pending.length === 0) pending = await nextSealed();
        const copied = pending.copy(buffer, filled);
        pending = pending.subarray(copied);
        filled += copied;
      }
      return buffer.subarray(0, filled);
    },
    plaintext: () => ({ sizeBytes: offset, sha256: hash.copy().digest('hex') }),
  };
};
