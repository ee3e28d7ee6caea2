/** Shapes of the operator-service API: they describe it, and judge its answers in tests. */

import { z } from 'zod';

const text = z.string();
const integer = z.union([z.string(), z.number()]);

export const operatorError = z.strictObject({ error: z.string() }).meta({ id: 'OperatorError' });

export const operatorRoot = z.strictObject({
  software: z.literal('Operator service'),
  version: text,
  address: text,
  algoTimeLimit: text.nullable(),
  storageExpiry: text.nullable(),
});

export const operatorJob = z
  .strictObject({
    agreementId: text,
    jobId: z.string().regex(/^[0-9a-f]{32}$/),
    owner: text,
    status: z.number().int(),
    statusText: text,
    dateCreated: text.meta({ description: 'decimal seconds since the epoch' }),
    dateFinished: text.nullable(),
    results: z.union([z.literal(''), z.array(z.strictObject({ filename: text, filesize: z.number().int(), type: text }))]),
    stopreq: z.union([z.literal(0), z.literal(1), z.literal(2)]),
    removed: z.literal(0),
    algoDID: text,
    inputDID: z.array(text),
    terminationDetails: z.strictObject({ exitCode: z.number().int().nullable(), OOMKilled: z.boolean(), reason: text }).nullable(),
  })
  .meta({ id: 'OperatorJob' });

export const operatorJobs = z.array(operatorJob);

const runningJob = operatorJob
  .pick({
    agreementId: true,
    jobId: true,
    owner: true,
    status: true,
    statusText: true,
    dateCreated: true,
    algoDID: true,
    inputDID: true,
  })
  .extend({ namespace: text.meta({ description: 'id of the environment' }) });

export type OperatorRunningJob = z.output<typeof runningJob>;

export const operatorRunningJobs = z.array(runningJob);

const environment = z
  .strictObject({
    id: text,
    cpuNumber: z.number(),
    cpuType: text,
    gpuNumber: z.number(),
    gpuType: text,
    ramGB: z.number(),
    diskGB: z.number(),
    priceMin: z.number(),
    desc: text,
    currentJobs: z.number().int(),
    maxJobs: z.number().int(),
    consumerAddress: text,
    storageExpiry: z.number().int(),
    maxJobDuration: z.number().int(),
    lastSeen: text,
  })
  .meta({ id: 'OperatorEnvironment' });

export type OperatorEnvironment = z.output<typeof environment>;

export const operatorEnvironments = z.array(environment);

const urls = z.union([text, z.array(text)]).nullish();
const remote = z.looseObject({ txId: text, serviceId: text }).nullish();

const stage = z.looseObject({
  input: z.array(z.looseObject({ id: text.nullish(), url: urls, remote })),
  compute: z.unknown(),
  algorithm: z.looseObject({
    id: text.nullish(),
    url: urls,
    remote,
    rawcode: text.nullish(),
    container: z.looseObject({ entrypoint: text, image: text, tag: text, checksum: text.optional() }),
  }),
  output: z.looseObject({ metadataUri: text.optional() }),
});

/** A start as Providers send it. */
export const operatorStart = z.looseObject({
  workflow: z.looseObject({ stages: z.array(stage).length(1) }),
  agreementId: text,
  owner: text,
  providerSignature: text,
  environment: text,
  nonce: integer,
  chainId: integer.optional(),
  validUntil: integer.optional(),
});

export const operatorStop = z.looseObject({
  owner: text,
  providerSignature: text,
  nonce: integer,
  jobId: text.optional(),
  agreementId: text.optional(),
});
