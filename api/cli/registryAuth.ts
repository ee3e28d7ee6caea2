/** Credentials for the registry of a job's image: read from a file, sent so that only the service can open them. */

import { readFile } from 'node:fs/promises';
import { encrypt } from 'eciesjs';
import { Exit, exits, usageError } from './exits.ts';
import type { RequestBody } from './jobFile.ts';
import type { Session } from './session.ts';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const readCredentials = async (path: string): Promise<string> => {
  const content = await readFile(path, 'utf8').catch((err: unknown) => {
    throw usageError(`${path} cannot be read: ${(err as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  });
  let given: RequestBody = {};
  try {
    given = Object(JSON.parse(content)) as RequestBody;
  } catch {
    // told below, without a word of what is in it
  }
  const { username, password, auth } = given;
  if (isText(auth)) return JSON.stringify({ auth });
  if (isText(username) && isText(password)) return JSON.stringify({ username, password });
  throw usageError(`${path} holds neither {"username": …, "password": …} nor {"auth": …}`);
};

/**
 * @param file absent: an image that everybody may pull
 * @returns what is added to a request
 * @throws Exit `usage` for a file that holds no credentials
 */
export const sealRegistryAuth = async ({ http }: Pick<Session, 'http'>, file: string | undefined): Promise<RequestBody> => {
  if (file === undefined) return {};
  const credentials = await readCredentials(file);
  const { nodePublicKey } = (await (await http.send({ path: '/' })).json()) as { readonly nodePublicKey?: unknown };
  if (!isText(nodePublicKey)) throw new Exit(exits.refused, 'the service tells no key to encrypt credentials to');
  const sealed = encrypt(Buffer.from(nodePublicKey.replace(/^0x/, ''), 'hex'), Buffer.from(credentials));
  return { encryptedDockerRegistryAuth: Buffer.from(sealed).toString('hex') };
};
