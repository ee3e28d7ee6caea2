/** Checks manifests of results: whose they are, and whether files are what they say. Asks nobody. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { recoverAddress, sha256 } from 'ethers';
import { z } from 'zod';
import {
  manifestPayloadType,
  manifestPredicateType,
  preAuthEncoding,
  statementType,
  type ManifestStatement,
} from '../../workflows/contract/manifest.ts';
import { envelope } from '../v1/envelope.ts';
import { fileNameOf } from './download.ts';
import { Exit, exits, usageError } from './exits.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** What is looked at; whatever else a statement has, is its maker's word. */
const statementShape = z.looseObject({
  _type: z.literal(statementType),
  predicateType: z.literal(manifestPredicateType),
  subject: z.array(z.looseObject({ name: z.string(), digest: z.looseObject({ sha256: digest }) })),
  predicate: z.looseObject({
    job: z.looseObject({ id: z.string() }),
    provider: z.looseObject({ address: z.string() }),
    outputs: z.array(z.looseObject({ index: z.number().int(), name: z.string(), sizeBytes: z.number(), sha256: digest })),
    archive: z.looseObject({ name: z.string(), sizeBytes: z.number(), sha256: digest }).optional(),
  }),
});

/** A manifest whose signature is good. */
export interface VerifiedManifest {
  /** checksummed address of who signed */
  readonly signer: string;
  readonly statement: ManifestStatement;
}

const notGenuine = (message: string): Exit => new Exit(exits.notGenuine, message);

const parse = <Shape extends z.ZodType>(shape: Shape, text: string, what: string): z.output<Shape> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notGenuine(`${what} is no JSON`);
  }
  const { success, data, error } = shape.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw notGenuine(`${what} is no manifest: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
};

const signerOf = (payload: Buffer, sig: string): string => {
  try {
    return recoverAddress(sha256(preAuthEncoding(manifestPayloadType, payload)), `0x${Buffer.from(sig, 'base64').toString('hex')}`);
  } catch {
    throw notGenuine('the signature is not one');
  }
};

const sameSubjects = ({ subject, predicate }: ManifestStatement): boolean =>
  subject.length === predicate.outputs.length &&
  subject.every(({ name, digest: { sha256: expected } }, n) => {
    const output = predicate.outputs[n];
    return output?.name === name && output.sha256 === expected;
  });

/**
 * Reads a manifest and checks its signature.
 * @param provider who must have signed it; absent: whom the manifest names
 * @throws Exit `notGenuine`
 */
export const verifyManifest = (text: string, provider?: string): VerifiedManifest => {
  const { payload: encoded, signatures } = parse(envelope, text, 'the manifest');
  const payload = Buffer.from(encoded, 'base64');
  const statement = parse(statementShape, payload.toString('utf8'), 'its statement') as unknown as ManifestStatement;
  const claimed = statement.predicate.provider.address;
  const signers = signatures.map(({ sig }) => signerOf(payload, sig));
  const signer = signers.find((address) => address.toLowerCase() === claimed.toLowerCase());
  if (signer === undefined) throw notGenuine('it was not signed by the provider that it names, or was changed since');
  if (provider !== undefined && signer.toLowerCase() !== provider.toLowerCase())
    throw notGenuine(`it was signed by ${signer}, not by ${provider}`);
  if (!sameSubjects(statement)) throw notGenuine('its subjects and its outputs differ');
  return { signer, statement };
};

/** How one file is; `archived`: not there, and it need not be, because the outputs went elsewhere as one archive. */
export interface CheckedFile {
  /** null: the archive */
  readonly index: number | null;
  readonly name: string;
  readonly file: string;
  readonly verdict: 'good' | 'missing' | 'different' | 'archived';
}

const verdictOf = async (
  file: string,
  expected: { readonly sizeBytes: number; readonly sha256: string },
): Promise<CheckedFile['verdict']> => {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) return 'missing';
  if (found.size !== expected.sizeBytes) return 'different';
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex') === expected.sha256 ? 'good' : 'different';
};

/** Compares the files of `folder`, named as `c2d results` names them, with the manifest. */
export const checkFiles = async ({ predicate }: ManifestStatement, folder: string): Promise<readonly CheckedFile[]> => {
  const checked: CheckedFile[] = [];
  for (const output of predicate.outputs) {
    const file = path.join(folder, fileNameOf(output));
    const verdict = await verdictOf(file, output);
    const isElsewhere = verdict === 'missing' && output.type === 'output' && predicate.archive !== undefined;
    checked.push({ index: output.index, name: output.name, file, verdict: isElsewhere ? 'archived' : verdict });
  }
  return checked;
};

/** Compares a file with the archive in which the outputs went elsewhere. @throws Exit `notGenuine` where they did not */
export const checkArchive = async ({ predicate: { archive } }: ManifestStatement, file: string): Promise<CheckedFile> => {
  if (archive === undefined) throw notGenuine('it tells of no archive: the outputs of this job were delivered nowhere');
  return { index: null, name: archive.name, file, verdict: await verdictOf(file, archive) };
};

/** @throws Exit `usage` */
export const readManifestFile = async (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((err: unknown) => {
    throw usageError(`${file} cannot be read: ${(err as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  });
