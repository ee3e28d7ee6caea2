/** `output` and `encryptedDockerRegistryAuth`: JSON that clients encrypt to this provider. Node-style Provider API §6. */

import { z } from 'zod';
import { isAbsent } from '../authentication.ts';
import { isJsonObject, parseExactJson } from '../losslessJson.ts';
import type { OutputTarget } from '../../workflows/contract/output.ts';
import type { RegistryCredentials } from '../../workflows/contract/spec.ts';
import type { ApiDeps, Assets } from '../ports.ts';
import { Refusal, describeZodError } from '../problems.ts';
import { readLegacyAsset, type AskedAsset } from '../publishing.ts';

type Fields = Readonly<Record<string, unknown>>;

const fewestKeyBytes = 32;
const hexText = /^(0x)?([0-9a-fA-F]{2})+$/;

const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^\P{Cc}*$/u, 'has control characters');

const origin = z
  .string()
  .transform((text) => (/^https?:\/\//i.test(text) ? text : `https://${text}`))
  .refine((text) => {
    const url = URL.parse(text);
    return url !== null && url.username === '' && url.password === '' && url.pathname === '/' && url.search === '' && url.hash === '';
  }, 'is no address of a server: name host and port, without path or credentials');

/** As ocean-node has it; `region` and `forcePathStyle` have its defaults. */
const s3Access = z.object({
  endpoint: origin,
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/i, 'is no name of a region')
    .nullish(),
  bucket: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/, 'is no name of a bucket'),
  objectKey: line(900).refine((key) => !key.startsWith('/'), 'begins with a slash'),
  accessKeyId: line(256),
  secretAccessKey: line(256),
  forcePathStyle: z.boolean().nullish(),
});

const s3Storage = z.object({ s3Access });

const outputShape = z.object({
  remoteStorage: z.looseObject({ type: z.unknown().optional() }),
  encryption: z.object({ encryptMethod: z.unknown().optional(), key: z.unknown().optional() }).nullish(),
});
const registryShape = z.union([
  z.object({ auth: z.string().min(1) }),
  z.object({ username: z.string().min(1), password: z.string().min(1) }),
]);

/** What `output` asks for: an asset, a place of the consumer's, or neither. */
export interface OpenedOutput {
  readonly asset: AskedAsset | null;
  readonly target: OutputTarget | null;
}

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

/** @returns 32 bytes as hex: what is longer counts as ocean-node counts it, by its beginning */
const aesKeyOf = ({ encryptMethod, key }: { encryptMethod?: unknown; key?: unknown }): string => {
  if (isAbsent(key)) throw new Refusal(400, 'Encryption required, but no key');
  if (typeof encryptMethod !== 'string' || encryptMethod.toUpperCase() !== 'AES')
    throw new Refusal(400, 'Only AES encryption is supported');
  if (typeof key !== 'string' || !hexText.test(key)) throw new Refusal(400, 'Invalid output: its AES key is no hex text');
  const bytes = key.replace(/^0x/, '').length / 2;
  if (bytes < fewestKeyBytes) throw new Refusal(400, `AES key must be at least 32 bytes (64 hex chars), got ${bytes} bytes`);
  return key
    .replace(/^0x/, '')
    .slice(0, 2 * fewestKeyBytes)
    .toLowerCase();
};

/** `publishOutput` and what belongs to it, as in older clients' `output`, or a place for the outputs. */
const readOutput = (assets: Pick<Assets, 'decrypt'>, sealed: unknown): OpenedOutput => {
  const output = open(assets, sealed, 'Invalid output: ');
  const asset = readAsset(output);
  if (asset === null) return { asset, target: readTarget(output) };
  const isElsewhere = isJsonObject(output) && !(isAbsent(output['remoteStorage']) && isAbsent(output['encryption']));
  if (isElsewhere) throw new Refusal(400, 'Invalid output: what becomes an asset stays in the storage of this service, and readable to it');
  return { asset, target: null };
};

const readAsset = (output: unknown): AskedAsset | null => {
  try {
    return readLegacyAsset(output);
  } catch (err) {
    if (err instanceof z.ZodError) throw new Refusal(400, `Invalid output: ${describeZodError(err)}`);
    throw err;
  }
};

const readTarget = (output: unknown): OutputTarget => {
  const parsed = outputShape.safeParse(output);
  if (!parsed.success) throw new Refusal(400, 'Invalid output: it names no remoteStorage');
  const { remoteStorage, encryption } = parsed.data;
  const aesKey = encryption ? aesKeyOf(encryption) : null;
  if (remoteStorage.type !== 's3')
    throw new Refusal(
      400,
      'Storage class has no support for upload: name storage of type s3, or leave out output and fetch the results with computeResult',
    );
  const storage = s3Storage.safeParse(remoteStorage);
  if (!storage.success) throw new Refusal(400, `Invalid output: ${describeZodError(storage.error)}`);
  const { region, forcePathStyle, ...access } = storage.data.s3Access;
  return { ...access, region: region ?? 'us-east-1', pathStyle: forcePathStyle ?? false, aesKey };
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
 * Opens `output`. What it asks for and is not offered here is refused, because ignoring it would break a promise, with the
 * mistakes in it first.
 * @throws Refusal 400 that says what is wrong, and nothing of what is in it
 */
export const readSealed = (assets: Pick<Assets, 'decrypt'>, { output }: Fields): OpenedOutput =>
  isAbsent(output) ? { asset: null, target: null } : readOutput(assets, output);
