/** A job request from options, and from a file. */

import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { SigningKey } from 'ethers';
import { usageError } from './exits.ts';
import type { Terminal } from './terminal.ts';
import type { Signer } from './wallet.ts';

/** Options that describe a job; lists are in the order given. */
export interface JobOptions {
  readonly file?: string;
  readonly environment?: string;
  readonly free?: boolean;
  readonly image?: string;
  readonly entrypoint?: string;
  readonly code?: string;
  readonly algorithm?: string;
  readonly dataset?: readonly string[];
  readonly resource?: readonly string[];
  readonly variable?: readonly string[];
  readonly viewer?: readonly string[];
  readonly duration?: number;
  readonly queue?: number;
  /** files, sealed by `sealedFiles.ts` */
  readonly registryAuth?: string;
  readonly outputS3?: string;
  /** a public key, or `self` */
  readonly encryptTo?: string;
  readonly pay?: string;
}

/** A request as it will be sent; the service judges it. */
export type RequestBody = Readonly<Record<string, unknown>>;

const readInput = async (path: string, { stdin }: Terminal): Promise<string> => {
  if (path === '-') return text(stdin);
  return readFile(path, 'utf8').catch((err: unknown) => {
    throw usageError(`${path} cannot be read: ${(err as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  });
};

const readBase = async (file: string | undefined, terminal: Terminal): Promise<RequestBody> => {
  if (file === undefined) return {};
  const content = await readInput(file, terminal);
  try {
    const parsed: unknown = JSON.parse(content);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as RequestBody;
  } catch {
    // told below
  }
  throw usageError(`${file} holds no JSON object`);
};

/** `did,service[,transaction]` */
export const parseAsset = (given: string): RequestBody => {
  const [documentId = '', serviceId = '', transferTxId = '', ...rest] = given.split(',');
  if (documentId === '' || serviceId === '' || rest.length > 0) throw usageError(`${given} is not <did>,<service>[,<transaction>]`);
  return { documentId, serviceId, ...(transferTxId !== '' && { transferTxId }) };
};

const splitAt = (given: string, example: string): readonly [string, string] => {
  const at = given.indexOf('=');
  if (at <= 0) throw usageError(`${given} is not of the form ${example}`);
  return [given.slice(0, at), given.slice(at + 1)];
};

const parseResource = (given: string): RequestBody => {
  const [id, amount] = splitAt(given, 'cpu=2');
  if (amount === '' || !Number.isFinite(Number(amount))) throw usageError(`${given}: ${amount} is no number`);
  return { id, amount: Number(amount) };
};

/** `chain,token` */
const parsePayment = (given: string): RequestBody => {
  const [chainId = '', token = '', ...rest] = given.split(',');
  if (!/^[1-9]\d*$/.test(chainId) || token === '' || rest.length > 0) throw usageError(`${given} is not <chain>,<token>`);
  return { chainId: Number(chainId), token };
};

/** The tag begins behind the last colon of the last part: a registry may have a port. */
export const parseImage = (given: string): { readonly image: string; readonly tag: string; readonly checksum: string } => {
  const [name = '', checksum = ''] = given.split('@');
  const at = name.lastIndexOf(':');
  return at > name.lastIndexOf('/')
    ? { image: name.slice(0, at), tag: name.slice(at + 1), checksum }
    : { image: name, tag: checksum === '' ? 'latest' : '', checksum };
};

const algorithmOf = async (options: JobOptions, terminal: Terminal): Promise<RequestBody | undefined> => {
  const { algorithm, image, entrypoint, code, variable = [] } = options;
  const envs = Object.fromEntries(variable.map((given) => splitAt(given, 'NAME=value')));
  const withVariables = variable.length > 0 ? { envs } : {};
  if (algorithm !== undefined) {
    if (image !== undefined || code !== undefined || entrypoint !== undefined)
      throw usageError('a published algorithm brings its image and code along: give --algorithm or --image and --code, not both');
    return { ...parseAsset(algorithm), ...withVariables };
  }
  if (image === undefined && code === undefined && entrypoint === undefined) return variable.length > 0 ? withVariables : undefined;
  if (image === undefined) throw usageError('code needs an image to run in: name one with --image');
  const container = { ...parseImage(image), entrypoint: entrypoint ?? '' };
  return { meta: { container, ...(code !== undefined && { rawcode: await readInput(code, terminal) }) }, ...withVariables };
};

/** What a description may need beside its options. */
export interface JobSurroundings {
  readonly terminal: Terminal;
  readonly signer: () => Promise<Pick<Signer, 'privateKey'>>;
}

const recipientOf = async (encryptTo: string, { signer }: JobSurroundings): Promise<string> =>
  encryptTo === 'self' ? SigningKey.computePublicKey((await signer()).privateKey, true) : encryptTo;

/** Options win over the file. @throws Exit `usage` */
export const readJob = async (options: JobOptions, surroundings: JobSurroundings): Promise<RequestBody> => {
  const { terminal } = surroundings;
  const { file, environment, free, dataset, resource, viewer, duration, queue, encryptTo, pay } = options;
  const algorithm = await algorithmOf(options, terminal);
  return {
    ...(await readBase(file, terminal)),
    ...(environment !== undefined && { environment }),
    ...(free !== undefined && { free }),
    ...(algorithm !== undefined && { algorithm }),
    ...(dataset !== undefined && { datasets: dataset.map(parseAsset) }),
    ...(resource !== undefined && { resources: resource.map(parseResource) }),
    ...(viewer !== undefined && { additionalViewers: viewer }),
    ...(duration !== undefined && { maxJobDuration: duration }),
    ...(queue !== undefined && { queueMaxWaitTime: queue }),
    ...(encryptTo !== undefined && { encryption: { recipient: await recipientOf(encryptTo, surroundings) } }),
    ...(pay !== undefined && { payment: parsePayment(pay) }),
  };
};
