/** Shapes of the classic API: they describe it, and judge its answers in tests. */

import { z } from 'zod';

const text = z.string();
export const fieldText = z.union([z.string(), z.number()]);

export const classicError = z
  .union([
    z.strictObject({ error: z.string() }),
    z.strictObject({ error: z.record(z.string(), z.string()) }),
    z.strictObject({ error: z.string(), context: z.unknown() }),
    z.strictObject({
      errors: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
      message: z.literal('Validation error'),
      success: z.literal(false),
    }),
  ])
  .meta({ id: 'ClassicError' });

export const classicJob = z
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
  .meta({ id: 'ClassicJob' });

export const classicJobs = z.array(classicJob);

export const classicEnvironment = z
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
    feeToken: text,
  })
  .meta({ id: 'ClassicEnvironment' });

export const classicEnvironments = z.record(z.string(), z.array(classicEnvironment));

export const classicFee = z
  .strictObject({
    providerFeeAddress: text,
    providerFeeToken: text,
    providerFeeAmount: z.string().regex(/^\d+$/),
    providerData: text,
    v: z.number().int(),
    r: text,
    s: text,
    validUntil: z.number().int(),
  })
  .meta({ id: 'ClassicProviderFee' });

const quotedItem = z
  .union([z.strictObject({ validOrder: text }), z.strictObject({ datatoken: text, providerFee: classicFee, validOrder: text.optional() })])
  .meta({ id: 'ClassicQuotedItem' });

export const classicQuote = z
  .strictObject({ datasets: z.array(quotedItem), algorithm: quotedItem.optional() })
  .meta({ id: 'ClassicInitializeComputeAnswer' });

export const classicRoot = z
  .strictObject({
    chainIds: z.array(z.number().int()),
    providerAddresses: z.record(z.string(), z.string()),
    software: text,
    version: text,
    serviceEndpoints: z.record(z.string(), z.array(z.string()).length(2)),
  })
  .meta({ id: 'ClassicRoot' });

const dataset = z.looseObject({
  documentId: text,
  serviceId: fieldText,
  transferTxId: text.optional(),
  userdata: z.unknown().optional(),
});

const algorithm = z.looseObject({
  documentId: text.optional(),
  serviceId: fieldText.optional(),
  transferTxId: text.optional(),
  meta: z.unknown().optional(),
  userdata: z.unknown().optional(),
  algocustomdata: z.unknown().optional(),
});

export const classicStart = z
  .looseObject({
    consumerAddress: text,
    nonce: fieldText,
    signature: text.optional(),
    environment: text,
    dataset,
    algorithm,
    additionalDatasets: z.array(dataset).optional(),
    output: z.unknown().optional(),
  })
  .meta({ id: 'ClassicStartRequest' });

export const classicInitialize = z
  .looseObject({
    datasets: z.array(dataset),
    algorithm,
    compute: z.looseObject({ env: text, validUntil: z.number().int() }),
    consumerAddress: text,
  })
  .meta({ id: 'ClassicInitializeComputeRequest' });

export const classicSigned = z
  .looseObject({
    consumerAddress: text,
    jobId: text.optional(),
    documentId: text.optional(),
    agreementId: text.optional(),
    nonce: fieldText.optional(),
    signature: text.optional(),
  })
  .meta({ id: 'ClassicSignedRequest' });

export const classicContainer = z
  .looseObject({ entrypoint: text, image: text, checksum: text, tag: text.optional() })
  .meta({ id: 'ClassicContainer' });

export const classicDecrypt = z
  .looseObject({
    decrypterAddress: text,
    chainId: fieldText,
    dataNftAddress: text,
    nonce: fieldText,
    signature: text.optional(),
    transactionId: text.optional(),
    encryptedDocument: text.optional(),
    flags: fieldText.optional(),
    documentHash: text.optional(),
  })
  .meta({ id: 'ClassicDecryptRequest' });

export const classicFileQuestion = z
  .looseObject({
    did: text.optional(),
    serviceId: fieldText.optional(),
    type: text.optional(),
    checksum: z.unknown().optional(),
    userdata: z.unknown().optional(),
  })
  .meta({ id: 'ClassicFileInfoRequest', description: 'A service by `did` and `serviceId`, or a file object' });

export const classicFileFacts = z
  .strictObject({
    index: z.number().int(),
    valid: z.boolean(),
    type: text,
    contentLength: text.optional(),
    contentType: text.optional(),
    filename: text,
    checksum: text.optional(),
    checksumType: z.literal('sha256').optional(),
  })
  .meta({ id: 'ClassicFileInfo' });

export const classicAccessQuote = z
  .union([z.strictObject({ validOrder: text }), z.strictObject({ datatoken: text, nonce: text.nullable(), providerFee: classicFee })])
  .meta({ id: 'ClassicInitializeAnswer' });

export type ClassicJob = z.output<typeof classicJob>;
export type ClassicEnvironment = z.output<typeof classicEnvironment>;
