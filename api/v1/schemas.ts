/** Shapes of the REST surface: the same schemas check requests, describe the API and judge answers in tests. */

import { z } from 'zod';
import {
  algorithmInput,
  chainNumber,
  datasetInput,
  identifier,
  resourceAmount,
  sealedOutput,
  sealedRegistryAuth,
} from '../node/schemas.ts';
import { askedAsset } from '../publishing.ts';

const mostMetadataCharacters = 1_024;

const seconds = z.number().nonnegative().max(1e9);
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');
const publicKey = z
  .string()
  .regex(/^(0x)?(0[23][0-9a-fA-F]{64}|04[0-9a-fA-F]{128})$/, 'is not a secp256k1 public key of 33 or 65 bytes as hex')
  .meta({ description: 'secp256k1 public key as hex, compressed or not: that of an Ethereum account, for one' });
const time = z.iso.datetime();
const count = z.number().int().nonnegative();

/** What a start and a check ask for. */
export const jobRequest = z
  .strictObject({
    environment: identifier.meta({ description: 'id of a compute environment' }),
    free: z.boolean().default(false).meta({ description: 'a free job needs no orders' }),
    algorithm: algorithmInput,
    datasets: z.array(datasetInput).max(1_000).default([]),
    resources: z.array(resourceAmount).max(100).default([]),
    maxJobDuration: seconds
      .optional()
      .meta({ description: 'seconds that the algorithm may run; absent: as long as the environment lets it' }),
    queueMaxWaitTime: seconds.default(0).meta({ description: 'seconds that the job may wait for a place' }),
    chainId: chainNumber.optional(),
    payment: z
      .strictObject({ chainId: chainNumber, token: address })
      .optional()
      .meta({ description: 'where and in which token compute time is paid; needed where the environment has prices' }),
    metadata: z
      .unknown()
      .optional()
      .refine((value) => value === undefined || JSON.stringify(value).length <= mostMetadataCharacters, 'is too large'),
    encryptedDockerRegistryAuth: sealedRegistryAuth.optional(),
    additionalViewers: z.array(address).max(100).default([]).meta({ description: 'may read results and log' }),
    encryption: z
      .strictObject({ recipient: publicKey })
      .optional()
      .meta({ description: 'outputs and log are encrypted to this key before they leave the pod' }),
    publishOutput: askedAsset.optional(),
    output: sealedOutput.optional(),
  })
  .meta({ id: 'JobRequest' });

export type JobRequest = z.output<typeof jobRequest>;

export const reason = z
  .strictObject({ code: z.string(), cause: z.string(), hint: z.string() })
  .meta({ id: 'Reason', description: 'what is wrong, in this case, and what to do about it' });

export type Reason = z.output<typeof reason>;

export const problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().meta({ description: 'for programs; never changes its meaning' }),
    hint: z.string().meta({ description: 'what to do about it' }),
    requestId: z.string(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

export type Problem = z.output<typeof problem>;

export const phaseWords = [
  'judging',
  'refused',
  'queued',
  'preparing',
  'staging',
  'running',
  'publishing',
  'settling',
  'succeeded',
  'failed',
  'stopped',
] as const;

export const phase = z.enum(phaseWords).meta({ id: 'Phase' });

export type Phase = z.output<typeof phase>;

export const queuePlace = z
  .strictObject({ ahead: count, orMore: z.boolean().meta({ description: 'at least so many are ahead' }) })
  .meta({ id: 'QueuePlace', description: 'jobs that will be served before' });

export const progress = z
  .strictObject({
    filesDone: count,
    filesTotal: count,
    bytesDone: count,
    bytesTotal: count.nullable(),
    percent: z.number().int().min(0).max(100).nullable().meta({ description: 'null where nobody knows the total' }),
  })
  .meta({ id: 'Progress', description: 'of inputs that are staged or results that are published' });

export type Progress = z.output<typeof progress>;

export const phaseTime = z
  .strictObject({ phase, status: z.number().int(), startedAt: time, seconds: z.number().nonnegative() })
  .meta({ id: 'PhaseTime' });

const contentId = z.string().regex(/^[a-z2-7]{59,}$/);

export const resultEntry = z
  .strictObject({
    index: count,
    name: z.string().meta({ description: 'path below the output folder, percent-encoded where it must be' }),
    sizeBytes: count,
    type: z.enum(['output', 'algorithmLog']),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    plaintext: z
      .strictObject({ sizeBytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) })
      .optional()
      .meta({ description: 'what an encrypted file (`name` ends with .age) was before; absent for all others' }),
    cid: contentId.nullable().meta({ description: 'of the file, where results are kept in IPFS' }),
  })
  .meta({ id: 'Result' });

const directoryId = contentId.nullable().meta({ description: 'of a directory with all results, where they are kept in IPFS' });

export const jobId = z.string().regex(/^[0-9a-f]{32}$/);

const amounts = z.record(z.string(), z.number()).meta({ description: 'cpu in cores, ram and disk in GiB, devices in units' });

export const jobSummary = z
  .strictObject({
    id: jobId,
    environment: z.string(),
    free: z.boolean(),
    phase,
    status: z.number().int().meta({ description: 'number of the Ocean status table' }),
    statusText: z.string(),
    reason: z.string().meta({ description: 'one line for people: what the job does, what it waits for, why it ended' }),
    ended: z.boolean().meta({ description: 'nothing changes any more' }),
    createdAt: time,
    finishedAt: time.nullable(),
    expiresAt: time
      .nullable()
      .meta({ description: 'when results and log are removed; null until the job has ended, and for files of an asset' }),
  })
  .meta({ id: 'JobSummary' });

const baseUnits = z.string().regex(/^\d+$/).meta({ description: 'base units of the token' });

const payment = z
  .strictObject({
    chainId: z.number().int(),
    token: z.string(),
    locked: baseUnits,
    cost: baseUnits.nullable().meta({ description: 'null until the payment is settled' }),
    lockTx: z.string().nullable(),
    claimTx: z.string().nullable(),
    cancelTx: z.string().nullable().meta({ description: 'gave the lock back without a cost' }),
  })
  .meta({ id: 'Payment' });

const price = z
  .strictObject({
    chainId: z.number().int(),
    token: z.string(),
    escrowAddress: z.string(),
    payee: z.string().meta({ description: 'to authorize in the escrow contract' }),
    amount: baseUnits.meta({ description: 'of the longest run: to deposit in the escrow contract, in base units' }),
    decimals: z.number().int(),
    minLockSeconds: z.number().meta({ description: 'to authorize at least' }),
  })
  .meta({ id: 'Price' });
export const newAsset = z
  .strictObject({
    state: z.enum(['asked', 'notMade', 'publishing', 'published', 'failed']).meta({
      description:
        'asked: made once the job has finished; notMade: the job ended otherwise; failed: not made, and an operator may try again',
    }),
    chainId: z.number().int().nullable(),
    did: z.string().nullable(),
    nftAddress: z.string().nullable(),
    datatokenAddress: z.string().nullable(),
    transactions: z
      .strictObject({ create: z.string().nullable(), metadata: z.string().nullable(), transfer: z.string().nullable() })
      .meta({ description: 'hashes: of NFT and datatoken, of the document, and of the NFT to its owner' }),
    reason: z.string().nullable().meta({ description: 'why it is not there yet, or will not be' }),
  })
  .meta({
    id: 'NewAsset',
    description: "what becomes of the outputs as an asset of the Ocean network; the job's results do not depend on it",
  });

const delivery = z
  .strictObject({
    state: z.enum(['asked', 'delivered', 'failed']).meta({ description: 'failed: the outputs are among the results here instead' }),
    bucket: z.string(),
    key: z.string(),
    encrypted: z.boolean().meta({ description: 'with the AES key of the request' }),
    sizeBytes: count.nullable().meta({ description: 'of the archive as it was stored; null until then' }),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable(),
  })
  .meta({ id: 'Delivery', description: 'a tar archive of the outputs in storage that the request named; the log stays here' });

export const jobDetails = jobSummary
  .extend({
    owner: z.string(),
    queue: queuePlace.nullable(),
    progress: progress.nullable(),
    timing: z
      .strictObject({
        totalSeconds: z.number().nonnegative(),
        algorithmSeconds: z.number().nonnegative().nullable(),
        algorithmStartedAt: time.nullable(),
        algorithmFinishedAt: time.nullable(),
        phases: z.array(phaseTime),
      })
      .meta({ id: 'Timing' }),
    maxJobDuration: z.number().nullable(),
    queueMaxWaitTime: z.number(),
    resources: amounts,
    algorithm: z.string().nullable().meta({ description: 'DID; null for code that was sent along' }),
    datasets: z.array(z.string()).meta({ description: 'DIDs' }),
    agreementId: z.string().nullable().meta({ description: 'transaction of the order that carries the job' }),
    results: z.array(resultEntry).meta({ description: 'listed once, complete' }),
    delivery: delivery.nullable().meta({ description: 'null where the outputs stay here' }),
    asset: newAsset.nullable().meta({ description: 'null where none is made' }),
    resultsCid: directoryId,
    termination: z.strictObject({ exitCode: z.number().int().nullable(), outOfMemory: z.boolean(), reason: z.string() }).nullable(),
    refusal: reason.nullable(),
    payment: payment.nullable().meta({ description: 'null where nothing is locked' }),
    stopRequested: z.boolean(),
    metadata: z.unknown(),
    additionalViewers: z.array(z.string()),
  })
  .meta({ id: 'Job' });

export type JobSummary = z.output<typeof jobSummary>;
export type JobDetails = z.output<typeof jobDetails>;

export const jobPage = z
  .strictObject({
    jobs: z.array(jobSummary),
    next: z.string().nullable().meta({ description: 'cursor of the next page; null on the last' }),
  })
  .meta({ id: 'JobPage' });

export const resultList = z
  .strictObject({
    results: z.array(resultEntry),
    resultsCid: directoryId,
    complete: z.boolean().meta({ description: 'false: not listed yet' }),
    expiresAt: time.nullable().meta({ description: 'when they are removed; null until the job has ended, and for files of an asset' }),
  })
  .meta({ id: 'ResultList' });

export const retentionRequest = z
  .strictObject({ until: z.iso.datetime({ offset: true }).meta({ description: 'when results and log are to be removed' }) })
  .meta({ id: 'RetentionRequest' });

export const checkAnswer = z
  .strictObject({
    accepted: z.boolean(),
    reasons: z.array(reason).meta({ description: 'all of them; empty when accepted' }),
    granted: z
      .strictObject({ resources: amounts, maxJobDuration: z.number(), queueMaxWaitTime: z.number() })
      .nullable()
      .meta({ description: 'what the job would be given; null where the environment cannot give it' }),
    price: price.nullable().meta({ description: 'null where compute time costs nothing, or cannot be priced as it is asked for' }),
  })
  .meta({ id: 'CheckAnswer' });

export type CheckAnswer = z.output<typeof checkAnswer>;
