/** Datasets, algorithm and resources of a request, in the words of the contract. */

import { isBasicResource, isPriced, resourcesOf } from '../../infra/environments/environments.ts';
import type { AlgorithmRequest, DatasetRequest, PaymentMeans, RawAlgorithm, Resources } from '../../workflows/contract/spec.ts';
import { isAbsent } from '../authentication.ts';
import type { ComputeEnvironment } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { rawAlgorithmInput, type AlgorithmInput, type DatasetInput } from './schemas.ts';

const textOrNull = (value: string | number | null | undefined): string | null => (isAbsent(value) ? null : String(value));

const firstPresent = (...values: readonly unknown[]): unknown => values.find((value) => value !== undefined && value !== null) ?? null;

/** @throws Refusal 400 `Missing dataset did` for an entry that names neither an asset nor a file */
export const readDataset = (input: DatasetInput): DatasetRequest => {
  const documentId = textOrNull(input.documentId);
  const fileObject = input.fileObject ?? null;
  if (documentId === null && fileObject === null) throw new Refusal(400, 'Missing dataset did');
  return {
    documentId,
    serviceId: textOrNull(input.serviceId),
    transferTxId: textOrNull(input.transferTxId),
    userdata: input.userdata ?? null,
    // an asset's own files count, never a file object sent beside it
    fileObject: documentId === null ? fileObject : null,
  };
};

const toEnvironmentVariables = (envs: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(envs).map(([name, value]) => {
      if (name === '' || name.includes('=')) throw new Refusal(400, 'algorithm.envs: a name is empty or contains =');
      return [name, typeof value === 'string' ? value : JSON.stringify(value)];
    }),
  );

const readRaw = ({ meta: given, fileObject }: AlgorithmInput): RawAlgorithm => {
  const meta = rawAlgorithmInput.parse(given ?? {});
  const { container } = meta;
  if (container === undefined || container === null) {
    throw new Refusal(400, 'The algorithm has neither a documentId nor a meta with a container');
  }
  if (!isAbsent(container['dockerfile']) || !isAbsent(container['additionalDockerFiles'])) {
    throw new Refusal(400, 'Building images is not offered here: name an image, without a dockerfile');
  }
  if (isAbsent(container.image)) throw new Refusal(400, 'The algorithm names no image: algorithm.meta.container.image is required');
  return {
    rawcode: isAbsent(meta.rawcode) ? null : (meta.rawcode ?? null),
    url: textOrNull(meta.url),
    fileObject: fileObject ?? null,
    container: {
      entrypoint: container.entrypoint ?? '',
      image: container.image ?? '',
      tag: container.tag ?? '',
      checksum: container.checksum ?? '',
    },
  };
};

/**
 * A published algorithm when `documentId` is given, whatever else was sent; a raw one otherwise.
 * All spellings of its user data mean the same (algorithm contract §6).
 * @throws Refusal 400 for an algorithm without image, with a dockerfile, or for environment variables without a name
 */
export const readAlgorithm = (input: AlgorithmInput): AlgorithmRequest => {
  const documentId = textOrNull(input.documentId);
  return {
    documentId,
    serviceId: textOrNull(input.serviceId),
    transferTxId: textOrNull(input.transferTxId),
    raw: documentId === null ? readRaw(input) : null,
    userdata: firstPresent(input.userdata, input.algouserdata, input.userData),
    algocustomdata: input.algocustomdata ?? null,
    envs: toEnvironmentVariables(input.envs ?? {}),
  };
};

interface Amount {
  readonly id: string;
  readonly amount: number;
}

/** Which resources a job may ask for. */
export interface ResourceQuestion {
  readonly environment: ComputeEnvironment;
  readonly isFree: boolean;
}

/**
 * What the job will be given: missing amounts are the minimum, smaller ones are raised to it; of a resource asked for
 * twice the larger amount counts. A device that is not asked for is not given.
 * @throws Refusal 400 `Not enough {id} resources. Requested {n}, but max is {max}`, or for a fraction of a device
 */
export const readResources = ({ environment, isFree }: ResourceQuestion, requested: readonly Amount[]): Resources => {
  const offered = resourcesOf(environment, isFree);
  const unknown = requested.find(({ id, amount }) => amount > 0 && !offered.some((known) => known.id === id));
  if (unknown !== undefined) throw notEnough(unknown, 0);
  const given = offered.map(({ id, min, max }): readonly [string, number] => {
    const amount = Math.max(min, ...requested.filter((resource) => resource.id === id).map((resource) => resource.amount));
    if (amount > max) throw notEnough({ id, amount }, max);
    if (!isBasicResource(id) && !Number.isInteger(amount))
      throw new Refusal(400, `Not enough ${id} resources. Requested ${amount}, but only whole units can be given`);
    return [id, amount];
  });
  return Object.fromEntries(given.filter(([id, amount]) => isBasicResource(id) || amount > 0));
};

const notEnough = ({ id, amount }: Amount, max: number): Refusal =>
  new Refusal(400, `Not enough ${id} resources. Requested ${amount}, but max is ${max}`);

/** What a request says of payment. */
interface AskedMeans {
  readonly chainId?: number | null | undefined;
  readonly token?: string | null | undefined;
}

/**
 * Where and in which token a job is paid; null where its resources cost nothing, whatever is sent.
 * @throws Refusal 400 for a priced job that names neither, or one in which the environment is not paid
 */
export const readPayment = (
  { id, fees }: Pick<ComputeEnvironment, 'id' | 'fees'>,
  resources: Resources,
  { chainId, token }: AskedMeans,
): PaymentMeans | null => {
  if (!isPriced(fees, resources)) return null;
  if (isAbsent(chainId) || isAbsent(token)) {
    const taken = fees.map((fee) => `${fee.feeToken} on chain ${fee.chainId}`).join(', ');
    throw new Refusal(400, `Invalid payment options: environment ${id} has prices, name chainId and token in payment (${taken})`);
  }
  const fee = fees.find((one) => one.chainId === chainId && one.feeToken.toLowerCase() === String(token).toLowerCase());
  if (fee === undefined) throw new Refusal(400, `This compute env does not accept payments on chain: ${chainId} using token ${token}`);
  return { chainId: fee.chainId, token: fee.feeToken };
};

/**
 * Features of other installations that change what a job does; ignoring them would break a promise.
 * @throws Refusal 400 naming the feature
 */
export const refuseUnoffered = (request: Readonly<Record<string, unknown>>): void => {
  if (!isAbsent(request['output']) && !isAbsent(request['outputBucketId'])) {
    throw new Refusal(400, 'output and outputBucketId are mutually exclusive');
  }
  if (!isAbsent(request['outputBucketId'])) throw new Refusal(400, 'Persistent buckets are not offered here: leave out outputBucketId');
};
