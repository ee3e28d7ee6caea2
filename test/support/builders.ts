/** Builders of jobs: say what matters, the rest is plausible. */

import { randomBytes } from 'node:crypto';
import type { AssetRequest } from '../../workflows/contract/asset.ts';
import type { JobRef } from '../../workflows/contract/job.ts';
import type { Admission, AlgorithmRequest, AssetSnapshot, DatasetRequest, JobSpec, PaymentTerms } from '../../workflows/contract/spec.ts';

export const aJobId = (): string => randomBytes(16).toString('hex');

export const anAddress = (): string => `0x${randomBytes(20).toString('hex')}`;

export const aTransaction = (): string => `0x${randomBytes(32).toString('hex')}`;

export const aDid = (): string => `did:op:${randomBytes(32).toString('hex')}`;

export const aDatasetRequest = (over: Partial<DatasetRequest> = {}): DatasetRequest => ({
  documentId: aDid(),
  serviceId: 'compute',
  transferTxId: aTransaction(),
  userdata: null,
  fileObject: null,
  ...over,
});

export const anAlgorithmRequest = (over: Partial<AlgorithmRequest> = {}): AlgorithmRequest => ({
  documentId: aDid(),
  serviceId: 'algorithm',
  transferTxId: aTransaction(),
  raw: null,
  userdata: null,
  algocustomdata: null,
  envs: {},
  ...over,
});

export const anAssetRequest = (over: Partial<AssetRequest> = {}): AssetRequest => ({
  owner: anAddress(),
  allow: [],
  services: ['access'],
  compute: { allowRawAlgorithm: false, publisherTrustedAlgorithms: [], publisherTrustedAlgorithmPublishers: [] },
  withLog: false,
  metadata: { name: 'some results', description: 'of a job', author: 'somebody', license: 'none', tags: [] },
  ...over,
});

export const aSpec = (over: Partial<JobSpec> = {}): JobSpec => ({
  jobId: aJobId(),
  consumerAddress: anAddress(),
  surface: 'node',
  isFree: false,
  environmentId: 'small',
  chainId: 8996,
  datasets: [aDatasetRequest()],
  algorithm: anAlgorithmRequest(),
  resources: { cpu: 1, ram: 1, disk: 1 },
  maxJobDuration: null,
  queueMaxWaitTime: 0,
  metadata: null,
  additionalViewers: [],
  ...over,
});

const aSnapshot = (did: string, transferTxId: string | null): AssetSnapshot => ({
  did,
  folder: did.slice('did:op:'.length),
  chainId: 8996,
  serviceId: 'compute',
  transferTxId,
  ddo: { id: did },
});

export const anAdmission = (spec: JobSpec, over: Partial<Admission> = {}): Admission => ({
  agreementId: spec.datasets[0]?.transferTxId ?? '',
  runSeconds: 60,
  datasets: spec.datasets.map((dataset) => aSnapshot(dataset.documentId!, dataset.transferTxId)),
  algorithm: spec.algorithm.documentId === null ? null : aSnapshot(spec.algorithm.documentId, spec.algorithm.transferTxId),
  container: { entrypoint: 'node $ALGO', image: 'node', tag: '24', checksum: '' },
  algorithmFileDigests: null,
  ...over,
});

/** One whole token with six decimals a minute. */
export const somePaymentTerms = (over: Partial<PaymentTerms> = {}): PaymentTerms => ({
  ...{ chainId: 8996, token: anAddress(), escrowAddress: anAddress(), payee: anAddress(), payer: anAddress(), decimals: 6 },
  ...{ perMinute: { units: '1', scale: 0 }, minSeconds: 1, amount: '2000000', lockSeconds: 7_200 },
  ...over,
});

export const aJobRef = (over: Partial<JobRef> = {}): JobRef => ({
  jobId: aJobId(),
  environmentId: 'small',
  place: { kind: 'free', consumerKey: 'somebody' },
  heartbeatSeconds: 12,
  limits: { queueSeconds: 5, createSeconds: 60, stageSeconds: 60, publishSeconds: 60, graceSeconds: 5, podAttempts: 3 },
  ...over,
});
