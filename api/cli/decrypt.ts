/** Opens results that were encrypted to a key of ours. docs/encryption.md describes the form. */

import { hkdfSync } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Decrypter, type Identity, type Stanza } from 'age-encryption';
import { decrypt } from 'eciesjs';
import { SigningKey } from 'ethers';
import { Exit, exits, usageError } from './exits.ts';

const stanzaType = 'durable-c2d/secp256k1';
const fileKeyBytes = 16;
const suffix = '.age';

/** Finds the key of a file in its header. The secret of a job is opened once, however many files it has. */
const identityOf = (privateKey: string): Identity => {
  const own = SigningKey.computePublicKey(privateKey, true).slice(2);
  const secrets = new Map<string, Uint8Array>();
  const secretIn = (wrapped: Uint8Array): Uint8Array => {
    const name = Buffer.from(wrapped).toString('base64');
    const secret = secrets.get(name) ?? new Uint8Array(decrypt(privateKey.replace(/^0x/, ''), wrapped));
    secrets.set(name, secret);
    return secret;
  };
  return {
    unwrapFileKey(stanzas: Stanza[]) {
      const stanza = stanzas.find(({ args: [type, recipient] }) => type === stanzaType && recipient === own);
      if (stanza === undefined) return null;
      const salt = Buffer.from(stanza.args[2] ?? '', 'base64');
      return new Uint8Array(hkdfSync('sha256', secretIn(stanza.body), salt, 'durable-c2d/file-key', fileKeyBytes));
    },
  };
};

const explain = (file: string, err: unknown): Exit => {
  const { code, message } = err as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') return usageError(`${file} cannot be read: ${code}`);
  if (code !== undefined && /^E[A-Z]+$/.test(code)) return new Exit(exits.unforeseen, `${file} cannot be decrypted: ${code}`);
  if (/no identity matched/.test(message)) return new Exit(exits.notGenuine, `${file} is encrypted to another key`);
  return new Exit(exits.notGenuine, `${file} is no encrypted result, or was cut off or changed`);
};

/** Decrypts files with one key. */
export interface FileDecrypter {
  /**
   * Writes the content beside the file, or into `folder`, in constant memory; whole or not at all.
   * @returns its path
   * @throws Exit `notGenuine` for another key's file and for one that is not as it was written
   */
  open(file: string, folder?: string): Promise<string>;
}

/** @param privateKey 0x hex */
export const createFileDecrypter = (privateKey: string): FileDecrypter => {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identityOf(privateKey));
  return {
    async open(file, folder = path.dirname(file)) {
      if (!file.endsWith(suffix)) throw usageError(`${file} is no encrypted result: their names end with ${suffix}`);
      const target = path.join(folder, path.basename(file, suffix));
      const part = `${target}.part`;
      try {
        const content = await decrypter.decrypt(Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>);
        await pipeline(Readable.fromWeb(content as Parameters<typeof Readable.fromWeb>[0]), createWriteStream(part, { mode: 0o600 }));
        await rename(part, target);
      } catch (err) {
        await rm(part, { force: true });
        throw explain(file, err);
      }
      return target;
    },
  };
};
