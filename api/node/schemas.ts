/** Shapes of the node-style API: the same schemas check requests, describe the API and judge answers in tests. */

import { z } from 'zod';

const printable = /^[\x20-\x7e]*$/;

/** A short identifier: DID, service id, transaction, environment. */
export const identifier = z.string().max(256, 'is longer than 256 characters').regex(printable, 'has unprintable characters');

const optionalIdentifier = identifier.nullish();

/** Service ids are texts; version 4 assets also number them. */
const serviceId = z.union([identifier, z.number().int()], { error: 'is no service id' }).nullish();

export const datasetInput = z
  .looseObject({
    documentId: optionalIdentifier,
    serviceId,
    transferTxId: optionalIdentifier,
    userdata: z.unknown().optional(),
    fileObject: z.unknown().optional(),
  })
  .meta({ id: 'DatasetInput', description: 'A service of a published asset, or a file object where the environment permits them' });

const containerInput = z.looseObject({
  entrypoint: z.string().max(4096).nullish(),
  image: z.string().max(512).regex(printable, 'has unprintable characters').nullish(),
  tag: z.string().max(128).regex(printable, 'has unprintable characters').nullish(),
  checksum: z.string().max(128).regex(printable, 'has unprintable characters').nullish(),
});

export const rawAlgorithmInput = z
  .looseObject({ rawcode: z.string().nullish(), url: z.string().nullish(), container: containerInput.nullish() })
  .meta({ id: 'RawAlgorithm' });

export const algorithmInput = z
  .looseObject({
    documentId: optionalIdentifier,
    serviceId,
    transferTxId: optionalIdentifier,
    // what stands beside a documentId is ignored, so it may be anything
    meta: z.union([rawAlgorithmInput, z.unknown()]).optional().meta({ description: 'A raw algorithm; ignored when documentId is given' }),
    fileObject: z.unknown().optional(),
    userdata: z.unknown().optional(),
    algouserdata: z.unknown().optional(),
    userData: z.unknown().optional(),
    algocustomdata: z.unknown().optional(),
    envs: z.record(z.string(), z.unknown()).nullish(),
  })
  .meta({ id: 'AlgorithmInput' });

export const resourceAmount = z
  .looseObject({ id: identifier, amount: z.number().nonnegative() })
  .meta({ id: 'ResourceAmount', description: 'cpu in cores, ram and disk in GiB, devices in units' });

const seconds = z.number().nonnegative();

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');

/** Chain ids come as numbers, and as their decimal texts. */
export const chainNumber = z.union(
  [
    z.number().int().positive(),
    z
      .string()
      .regex(/^[1-9]\d{0,15}$/)
      .transform(Number),
  ],
  {
    error: 'is no chain id',
  },
);

export const sealedRegistryAuth = z.string().meta({
  description: 'For the registry of the image: JSON `{username, password}` or `{auth}`, encrypted to nodePublicKey (ECIES), as hex text',
});

export const sealedOutput = z.string().meta({
  description:
    'Where the outputs go: JSON `{remoteStorage: {type: "s3", s3Access}, encryption?: {encryptMethod: "AES", key}}`, encrypted to nodePublicKey (ECIES), as hex text',
});

const startFields = {
  consumerAddress: address,
  signature: z.string(),
  nonce: z.union([z.string(), z.number()]).meta({ description: 'JSON integer or decimal text, above the last one used' }),
  environment: identifier,
  resources: z.array(resourceAmount).max(100).nullish(),
  dataset: datasetInput.nullish(),
  datasets: z.array(datasetInput).max(1_000).nullish(),
  algorithm: algorithmInput,
  metadata: z.unknown().optional(),
  additionalViewers: z.array(address).max(100).nullish(),
  queueMaxWaitTime: seconds.nullish(),
  maxJobDuration: seconds.nullish(),
  encryptedDockerRegistryAuth: sealedRegistryAuth.nullish(),
};

export const freeStartInput = z.looseObject(startFields).meta({ id: 'FreeStartRequest' });

export const startInput = z
  .looseObject({
    ...startFields,
    maxJobDuration: seconds,
    chainId: chainNumber.nullish(),
    payment: z
      .looseObject({ chainId: chainNumber.nullish(), token: z.string().nullish(), resources: z.array(resourceAmount).max(100).nullish() })
      .nullish(),
  })
  .meta({ id: 'StartRequest' });

export const initializeInput = z
  .looseObject({
    datasets: z.array(datasetInput).max(1_000),
    algorithm: algorithmInput,
    environment: identifier,
    payment: z.looseObject({ chainId: chainNumber, token: address, resources: z.array(resourceAmount).max(100).nullish() }),
    maxJobDuration: seconds,
    consumerAddress: address,
    queueMaxWaitTime: seconds.nullish(),
    encryptedDockerRegistryAuth: sealedRegistryAuth.nullish(),
  })
  .meta({ id: 'InitializeComputeRequest' });

export const errorAnswer = z.strictObject({ error: z.string() }).meta({ id: 'Error' });

export const resultElement = z
  .strictObject({ filename: z.string(), filesize: z.number().int().nonnegative(), type: z.string(), index: z.number().int().nonnegative() })
  .meta({ id: 'ResultElement' });

const epochText = z.string().regex(/^\d+(\.\d+)?$/);

export const computeJob = z
  .strictObject({
    owner: z.string(),
    jobId: z.string().regex(/^[0-9a-f]{32}$/),
    jobIdHash: z.string().regex(/^0x[0-9a-f]{64}$/),
    did: z.string().nullable(),
    inputDID: z.array(z.string()),
    algoDID: z.string(),
    agreementId: z.string(),
    environment: z.string(),
    isFree: z.boolean(),
    status: z.number().int(),
    statusText: z.string(),
    statusReason: z.string().meta({ description: 'one line for people: what the job is doing, what it waits for, why it ended' }),
    dateCreated: epochText.meta({ description: 'decimal seconds since the epoch' }),
    dateFinished: epochText.nullable(),
    algoStartTimestamp: epochText,
    algoStopTimestamp: epochText,
    algoDuration: z.number().nonnegative().meta({ description: 'seconds' }),
    buildStartTimestamp: epochText,
    buildStopTimestamp: epochText,
    maxJobDuration: z.number().nullable(),
    queueMaxWaitTime: z.number().int().meta({ description: 'seconds that the job may wait for a place' }),
    resources: z.array(z.strictObject({ id: z.string(), amount: z.number() })),
    results: z.array(resultElement),
    stopRequested: z.boolean(),
    terminationDetails: z.strictObject({ exitCode: z.number().int().nullable(), OOMKilled: z.boolean(), reason: z.string() }).nullable(),
    payment: z
      .strictObject({
        chainId: z.number().int().nullable(),
        token: z.string().nullable(),
        lockTx: z.string().nullable(),
        claimTx: z.string().nullable(),
        cancelTx: z.string().nullable(),
        cost: z.number(),
      })
      .nullable(),
    metadata: z.unknown(),
    additionalViewers: z.array(z.string()),
  })
  .meta({ id: 'ComputeJob' });

export const computeJobs = z.array(computeJob);

const access = z.strictObject({ addresses: z.array(z.string()), accessLists: z.array(z.record(z.string(), z.array(z.string()))) });

const offeredResource = z
  .strictObject({
    id: z.string(),
    type: z.string(),
    total: z.number(),
    max: z.number(),
    min: z.number(),
    inUse: z.number(),
    description: z.string().optional(),
  })
  .meta({ id: 'EnvironmentResource' });

export const computeEnvironmentAnswer = z
  .strictObject({
    id: z.string(),
    description: z.string(),
    consumerAddress: z.string(),
    runningJobs: z.number().int(),
    runningfreeJobs: z.number().int(),
    queuedJobs: z.number().int(),
    queuedFreeJobs: z.number().int(),
    queMaxWaitTime: z.number(),
    queMaxWaitTimeFree: z.number(),
    runMaxWaitTime: z.number(),
    runMaxWaitTimeFree: z.number(),
    platform: z.strictObject({ architecture: z.string(), os: z.string() }),
    access,
    fees: z.record(
      z.string(),
      z.array(z.strictObject({ feeToken: z.string(), prices: z.array(z.strictObject({ id: z.string(), price: z.number() })) })),
    ),
    storageExpiry: z.number(),
    minJobDuration: z.number(),
    maxJobDuration: z.number(),
    maxJobs: z.number(),
    resources: z.array(offeredResource),
    free: z
      .strictObject({
        access,
        maxJobDuration: z.number(),
        maxJobs: z.number(),
        resources: z.array(offeredResource),
        allowImageBuild: z.boolean(),
      })
      .optional(),
    enableNetwork: z.boolean(),
  })
  .meta({ id: 'ComputeEnvironment' });

export const providerFee = z
  .strictObject({
    providerFeeAddress: z.string(),
    providerFeeToken: z.string(),
    providerFeeAmount: z.string(),
    providerData: z.string(),
    v: z.number(),
    r: z.string(),
    s: z.string(),
    validUntil: z.number(),
  })
  .meta({ id: 'ProviderFee' });

const quotedAsset = z
  .strictObject({
    datatoken: z.string(),
    chainId: z.number(),
    did: z.string(),
    serviceId: z.string(),
    validOrder: z.union([z.string(), z.literal(false)]),
    providerFee: providerFee.optional(),
    consumerAddress: z.string(),
  })
  .meta({ id: 'QuotedAsset' });

export const initializeAnswer = z
  .strictObject({
    algorithm: quotedAsset.nullable(),
    datasets: z.array(quotedAsset),
    payment: z
      .strictObject({
        escrowAddress: z.string(),
        payee: z.string(),
        chainId: z.number(),
        minLockSeconds: z.number(),
        token: z.string(),
        amount: z.string(),
      })
      .nullable(),
  })
  .meta({ id: 'InitializeComputeAnswer' });

export const rootAnswer = z
  .strictObject({
    nodeId: z.string(),
    chainIds: z.array(z.string()),
    providerAddress: z.string(),
    nodePublicKey: z.string(),
    serviceEndpoints: z.record(z.string(), z.array(z.string()).length(2)),
    software: z.string(),
    version: z.string(),
  })
  .meta({ id: 'Root' });

export type StartInput = z.output<typeof startInput>;
export type AlgorithmInput = z.output<typeof algorithmInput>;
export type DatasetInput = z.output<typeof datasetInput>;
export type ComputeJob = z.output<typeof computeJob>;
export type ComputeEnvironmentAnswer = z.output<typeof computeEnvironmentAnswer>;
