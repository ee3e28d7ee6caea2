/** `output` and `encryptedDockerRegistryAuth`: JSON that clients encrypt to this provider. Node-style Provider API §6. */

import { z } from 'zod';
import { isAbsent } from '../authentication.ts';
import { isJsonObject, parseExactJson } from '../losslessJson.ts';
import type { RegistryCredentials } from '../../workflows/contract/spec.ts';
import type { ApiDeps, Assets } from '../ports.ts';
import { Refusal, describeZodError } from '../problems.ts';
import { readLegacyAsset, type AskedAsset } from '../publishing.ts';

type Fields = Readonly<Record<string, unknown>>;

const fewestKeyBytes = 32;
const hexText = /^(0x)?([0-9a-fA-F]{2})+$/;

const outputShape = z.object({
  remoteStorage: z.looseObject({}),
  encryption: z.object({ encryptMethod: z.unknown().optional(), key: z.unknown().optional() }).nullish(),
});
const registryShape = z.union([
  z.object({ auth: z.string().min(1) }),
  z.object({ username: z.string().min(1), password: z.string().min(1) }),
]);

/** @throws Refusal 400 that says what is wrong, and nothing of what is in it */
const open = (assets: Pick<Assets, 'decrypt'>, sealed: unknown, problem: string): unknown => {
  if (typeof sealed !== 'string' || !hexText.test(sealed)) throw new Refusal(400, `${problem}it is no hex text`);
  const bytes = assets.decrypt(sealed);
  if (bytes === null) throw new Refusal(400, `${problem}it is not encrypted to the key of this provider`);
  try {
    return parseExactJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal(400, `${problem}it holds no JSON`);
  }
};

const checkEncryption = ({ encryptMethod, key }: { encryptMethod?: unknown; key?: unknown }): void => {
  if (isAbsent(key)) throw new Refusal(400, 'Encryption required, but no key');
  if (typeof encryptMethod !== 'string' || encryptMethod.toUpperCase() !== 'AES')
    throw new Refusal(400, 'Only AES encryption is supported');
  if (typeof key !== 'string' || !hexText.test(key)) throw new Refusal(400, 'Invalid output: its AES key is no hex text');
  const bytes = key.replace(/^0x/, '').length / 2;
  if (bytes < fewestKeyBytes) throw new Refusal(400, `AES key must be at least 32 bytes (64 hex chars), got ${bytes} bytes`);
};

/** `publishOutput` and what belongs to it, as in older clients' `output`. */
const readOutput = (assets: Pick<Assets, 'decrypt'>, sealed: unknown): AskedAsset => {
  const output = open(assets, sealed, 'Invalid output: ');
  const asset = readAsset(output);
  if (asset === null) return refuseOutput(output);
  const isElsewhere = isJsonObject(output) && !(isAbsent(output['remoteStorage']) && isAbsent(output['encryption']));
  if (isElsewhere) throw new Refusal(400, 'Invalid output: what becomes an asset stays in the storage of this service, and readable to it');
  return asset;
};

const readAsset = (output: unknown): AskedAsset | null => {
  try {
    return readLegacyAsset(output);
  } catch (err) {
    if (err instanceof z.ZodError) throw new Refusal(400, `Invalid output: ${describeZodError(err)}`);
    throw err;
  }
};

const refuseOutput = (output: unknown): never => {
  const parsed = outputShape.safeParse(output);
  if (!parsed.success) throw new Refusal(400, 'Invalid output: it names no remoteStorage');
  if (parsed.data.encryption) checkEncryption(parsed.data.encryption);
  throw new Refusal(400, 'Storage class has no support for upload: leave out output and fetch the results with computeResult');
};

/** `auth` is what Docker's own configuration file has: `username:password` in base 64. */
const ofAuth = (auth: string): RegistryCredentials | undefined => {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const at = text.indexOf(':');
  return at > 0 && at < text.length - 1 ? { username: text.slice(0, at), password: text.slice(at + 1) } : undefined;
};

/** What opening registry credentials needs. */
export type RegistryDeps = Pick<ApiDeps, 'takesRegistryCredentials'> & { readonly assets: Pick<Assets, 'decrypt'> };

/**
 * The credentials with which a job's image is to be pulled.
 * @param sealed `encryptedDockerRegistryAuth` as it came; absent or null for a public image
 * @throws Refusal 400 that says what is wrong, and nothing of what is in it
 */
export const openRegistryAuth = ({ assets, takesRegistryCredentials }: RegistryDeps, sealed: unknown): RegistryCredentials | undefined => {
  if (isAbsent(sealed)) return undefined;
  const problem = 'Invalid encryptedDockerRegistryAuth :';
  const parsed = registryShape.safeParse(open(assets, sealed, problem));
  if (!parsed.success) throw new Refusal(400, `${problem}it has neither auth nor username and password`);
  const credentials = 'auth' in parsed.data ? ofAuth(parsed.data.auth) : parsed.data;
  if (credentials === undefined) throw new Refusal(400, `${problem}auth is not the base 64 form of username:password`);
  if (takesRegistryCredentials) return credentials;
  throw new Refusal(400, 'Private image registries are not offered here: leave out encryptedDockerRegistryAuth and use a public image');
};

/**
 * Opens what is sealed. Features that are not offered here are refused, because ignoring them would break a promise,
 * with the mistakes in what asks for them first.
 * @returns the asset that the outputs are to become, or null
 * @throws Refusal 400
 */
export const readSealed = (assets: Pick<Assets, 'decrypt'>, { output }: Fields): AskedAsset | null =>
  isAbsent(output) ? null : readOutput(assets, output);
