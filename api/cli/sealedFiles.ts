/** Secrets of a job: read from files, sent so that only the service can open them. */

import { readFile } from 'node:fs/promises';
import { encrypt } from 'eciesjs';
import { Exit, exits, usageError } from './exits.ts';
import type { RequestBody } from './jobFile.ts';
import type { Session } from './session.ts';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** The object in a file; an empty one for a file that holds none, so that nothing of its content is told. */
const readObject = async (path: string): Promise<RequestBody> => {
  const content = await readFile(path, 'utf8').catch((err: unknown) => {
    throw usageError(`${path} cannot be read: ${(err as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  });
  try {
    return Object(JSON.parse(content)) as RequestBody;
  } catch {
    return {};
  }
};

const readCredentials = async (path: string): Promise<string> => {
  const { username, password, auth } = await readObject(path);
  if (isText(auth)) return JSON.stringify({ auth });
  if (isText(username) && isText(password)) return JSON.stringify({ username, password });
  throw usageError(`${path} holds neither {"username": …, "password": …} nor {"auth": …}`);
};

const readOutput = async (path: string): Promise<string> => {
  const { encryptionKey, ...s3Access } = await readObject(path);
  const missing = ['endpoint', 'bucket', 'objectKey', 'accessKeyId', 'secretAccessKey'].find((name) => !isText(s3Access[name]));
  if (missing !== undefined)
    throw usageError(`${path} names no ${missing}: it is to hold {"endpoint", "bucket", "objectKey", "accessKeyId", "secretAccessKey"}`);
  const encryption = encryptionKey === undefined ? {} : { encryption: { encryptMethod: 'AES', key: encryptionKey } };
  return JSON.stringify({ remoteStorage: { type: 's3', s3Access }, ...encryption });
};

/** @returns the service's public key. @throws Exit `refused` where it tells none */
export const readServiceKey = async ({ http }: Pick<Session, 'http'>): Promise<string> => {
  const { nodePublicKey } = (await (await http.send({ path: '/' })).json()) as { readonly nodePublicKey?: unknown };
  if (!isText(nodePublicKey)) throw new Exit(exits.refused, 'the service tells no key to encrypt credentials to');
  return nodePublicKey;
};

const seal = async (session: Pick<Session, 'http'>, secret: string): Promise<string> => {
  const publicKey = (await readServiceKey(session)).replace(/^0x/, '');
  return Buffer.from(encrypt(Buffer.from(publicKey, 'hex'), Buffer.from(secret))).toString('hex');
};

/**
 * @param file describes an S3 target, in the words of ocean-node; absent: the outputs stay with the service
 * @returns what is added to a request
 * @throws Exit `usage` for a file that describes none
 */
export const sealOutput = async (session: Pick<Session, 'http'>, file: string | undefined): Promise<RequestBody> =>
  file === undefined ? {} : { output: await seal(session, await readOutput(file)) };

/**
 * @param file absent: an image that everybody may pull
 * @returns what is added to a request
 * @throws Exit `usage` for a file that holds no credentials
 */
export const sealRegistryAuth = async (session: Pick<Session, 'http'>, file: string | undefined): Promise<RequestBody> =>
  file === undefined ? {} : { encryptedDockerRegistryAuth: await seal(session, await readCredentials(file)) };
