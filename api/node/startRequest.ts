/** From the body of a start call to a job's specification. */

import type { z } from 'zod';
import type { OutputTarget } from '../../workflows/contract/output.ts';
import type { JobSpec, RegistryCredentials } from '../../workflows/contract/spec.ts';
import { isAbsent } from '../authentication.ts';
import { assetPart, refuseDeliveredAsset, requireAssetOffer, type AskedAsset } from '../publishing.ts';
import type { ComputeEnvironment } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { readAlgorithm, readDataset, readPayment, readResources, refuseUnoffered } from './requestParts.ts';
import { freeStartInput, startInput, type StartInput } from './schemas.ts';

const maxMetadataCharacters = 1_024;

const commands = {
  paid: { command: 'startCompute', fields: ['environment', 'algorithm', 'datasets', 'maxJobDuration'] },
  free: { command: 'freeStartCompute', fields: ['algorithm', 'datasets', 'environment'] },
} as const;

/** What is signed for a start call. */
export const startCommand = (isFree: boolean): 'startCompute' | 'freeStartCompute' => (isFree ? commands.free : commands.paid).command;

const assertFields = (body: Readonly<Record<string, unknown>>, isFree: boolean): void => {
  const { command, fields } = isFree ? commands.free : commands.paid;
  const missing = fields.find((field) => isAbsent(body[field]) && !(field === 'datasets' && !isAbsent(body['dataset'])));
  if (missing !== undefined) {
    throw new Refusal(
      400,
      `Missing one ( "${missing}" ) or more required field(s) for command: "${command}". Required fields: ${fields.join(',')}`,
    );
  }
};

const credentials = { signature: true, nonce: true, consumerAddress: true } as const;
const paidShape = startInput.omit(credentials);
const freeShape = freeStartInput.omit(credentials);

/** A start request whose shape is good; signature and nonce are judged by authentication, before everything else. */
export type StartRequest = z.output<typeof freeShape> & { chainId?: StartInput['chainId']; payment?: StartInput['payment'] };

/**
 * Checks the shape of a start request; nothing is looked up.
 * @param body with plain numbers
 * @throws Refusal or ZodError, 400 either way
 */
export const readStartRequest = (body: Readonly<Record<string, unknown>>, isFree: boolean): StartRequest => {
  assertFields(body, isFree);
  const request: StartRequest = isFree ? freeShape.parse(body) : paidShape.parse(body);
  refuseUnoffered(body);
  if (request.metadata !== undefined && JSON.stringify(request.metadata).length > maxMetadataCharacters) {
    throw new Refusal(400, 'Metadata size is too large');
  }
  return request;
};

/** What a specification is made of. */
export interface JobSpecInput {
  readonly request: StartRequest;
  readonly jobId: string;
  readonly consumerAddress: string;
  readonly environment: ComputeEnvironment;
  readonly isFree: boolean;
  readonly registryCredentials?: RegistryCredentials | undefined;
  /** what the outputs are to become; null where that is not asked for */
  readonly asset: AskedAsset | null;
  /** where the outputs go; null where they stay in the environment's store */
  readonly output: OutputTarget | null;
}

const limitDuration = (requested: number | null | undefined, environment: ComputeEnvironment, longest: number): number | null =>
  requested === undefined || requested === null || requested === 0
    ? null
    : Math.min(longest, Math.max(environment.minJobDuration, Math.ceil(requested)));

/**
 * The job that a request asks for in an environment: durations within the environment's limits, resources raised to
 * the minimum, `datasets` before `dataset`.
 * @throws Refusal 400 when the environment cannot give what is asked, makes no assets, or is not paid as the request says
 */
export const toJobSpec = (input: JobSpecInput): JobSpec => {
  const spec = toUnpaidSpec(input);
  const { payment, chainId } = input.request;
  const means = { chainId: payment?.chainId ?? chainId, token: payment?.token };
  return { ...spec, payment: input.isFree ? null : readPayment(input.environment, spec.resources, means) };
};

/** The same, without a word about payment. */
export const toUnpaidSpec = (input: JobSpecInput): JobSpec => {
  const { request, jobId, consumerAddress, environment, isFree, asset, output, registryCredentials } = input;
  const longest = isFree ? environment.free?.maxJobDuration : environment.maxJobDuration;
  if (longest === undefined) throw new Refusal(400, 'This env does not support free jobs');
  const datasets = request.datasets ?? (request.dataset ? [request.dataset] : []);
  const resources = readResources({ environment, isFree }, request.resources ?? request.payment?.resources ?? []);
  requireAssetOffer(asset, input);
  if (output !== null) refuseDeliveredAsset(asset, input);
  return {
    jobId,
    consumerAddress,
    surface: 'node',
    isFree,
    environmentId: environment.id,
    chainId: isFree ? null : (request.chainId ?? request.payment?.chainId ?? null),
    datasets: datasets.map(readDataset),
    algorithm: readAlgorithm(request.algorithm),
    resources,
    maxJobDuration: limitDuration(request.maxJobDuration, environment, longest),
    queueMaxWaitTime: Math.min(environment.maxQueueTime, Math.ceil(request.queueMaxWaitTime ?? 0)),
    metadata: request.metadata ?? null,
    additionalViewers: (request.additionalViewers ?? []).map((viewer) => viewer.toLowerCase()),
    ...(registryCredentials !== undefined && { registryCredentials }),
    ...(output !== null && { output, deliversOutputs: true as const }),
    ...assetPart(asset, input),
  };
};
