/** From the body of a start or a check to a job's specification. */

import type { OutputTarget } from '../../workflows/contract/output.ts';
import type { JobSpec, RegistryCredentials } from '../../workflows/contract/spec.ts';
import { encryptionTo } from '../encryption.ts';
import { toJobSpec, toUnpaidSpec, type JobSpecInput } from '../node/startRequest.ts';
import { readSealed } from '../node/sealedFields.ts';
import type { Assets, ComputeEnvironment } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { refuseEncryptedAsset } from '../publishing.ts';
import { jobRequest, type JobRequest } from './schemas.ts';

/** Checks the shape; nothing is looked up. @param body with plain numbers @throws ZodError */
export const readJobRequest = (body: Readonly<Record<string, unknown>>): JobRequest => jobRequest.parse(body);

/** What a specification is made of. */
export interface SpecParts {
  readonly request: JobRequest;
  readonly jobId: string;
  readonly address: string;
  readonly environment: ComputeEnvironment;
  readonly registryCredentials?: RegistryCredentials | undefined;
  /** `output` of the request, opened; absent in a check that looks at it by itself */
  readonly target?: OutputTarget | null;
}

const make = (toSpec: (input: JobSpecInput) => JobSpec, { request, address, target = null, ...parts }: SpecParts): JobSpec => {
  const { free, encryption, publishOutput, ...asked } = request;
  const asset = publishOutput ?? null;
  const spec = toSpec({ ...parts, request: asked, consumerAddress: address, isFree: free, asset, output: target });
  if (encryption === undefined) return spec;
  refuseEncryptedAsset(asset, { environment: parts.environment, consumerAddress: address, isFree: free });
  return { ...spec, encryption: encryptionTo(encryption.recipient) };
};

/**
 * Where the outputs go; null where they stay here. On this surface what becomes an asset is said in `publishOutput`.
 * @throws Refusal 400
 */
export const readOutputTarget = (assets: Pick<Assets, 'decrypt'>, request: Pick<JobRequest, 'output'>): OutputTarget | null => {
  const { asset, target } = readSealed(assets, request);
  if (asset !== null) throw new Refusal(400, 'Invalid output: ask for an asset by publishOutput, beside it');
  return target;
};

/** The same rules as for every other start: durations within limits, resources raised to the minimum. @throws Refusal 400 */
export const specOf = (parts: SpecParts): JobSpec => make(toJobSpec, parts);

/** The same, without a word about payment. @throws Refusal 400 */
export const unpaidSpecOf = (parts: SpecParts): JobSpec => make(toUnpaidSpec, parts);
