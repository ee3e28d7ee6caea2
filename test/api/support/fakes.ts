/** The outside world of the API, in memory: it keeps state, and tests look at that. */

import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { Wallet, hexlify } from 'ethers';
import { Registry } from 'prom-client';
import { createMetrics } from '../../../api/metrics.ts';
import { createLoad } from '../../../api/load.ts';
import { createRates } from '../../../api/rates.ts';
import { createTokens } from '../../../api/tokens.ts';
import { createDecrypter } from '../../../infra/ocean/ecies.ts';
import { createJwts } from '../../../infra/crypto/jwt.ts';
import type { ApiDeps, EnvironmentLoad, JobLedger, JobRow, JobStarter, Quote, QuoteRequest, StartVerdict } from '../../../api/ports.ts';
import { computeEnvironments } from '../../../infra/environments/environments.ts';
import { isSignedBy } from '../../../infra/ocean/signatures.ts';
import { createLogger } from '../../../infra/process/logger.ts';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { status } from '../../../workflows/contract/status.ts';
import type { JobSpec } from '../../../workflows/contract/spec.ts';
import { aJobId, anAddress, somePaymentTerms } from '../../support/builders.ts';
import { aKeyring } from '../../support/databases.ts';

/** A row as the ledger tells it: accepted, waiting, somebody's. */
export const aJobRow = (over: Partial<JobRow> = {}): JobRow => ({
  jobId: aJobId(),
  owner: anAddress(),
  environmentId: 'small',
  isFree: true,
  chainId: null,
  surface: 'node',
  admission: 'accepted',
  refusalType: null,
  agreementId: '',
  algorithmDid: '',
  inputDids: [],
  status: status.queued,
  reason: '',
  stopRequested: false,
  progress: null,
  phases: {},
  results: [],
  podAttempt: 1,
  store: 'default',
  termination: null,
  maxJobDuration: 60,
  queueMaxWaitTime: 0,
  resources: { cpu: 1, ram: 1, disk: 1 },
  metadata: null,
  additionalViewers: [],
  asset: null,
  delivery: null,
  algorithmStartedAtMs: null,
  algorithmFinishedAtMs: null,
  createdAtMs: 1_742_291_065_119,
  finishedAtMs: null,
  expiresAtMs: null,
  payment: null,
  ...over,
});

interface Log {
  podAttempt: number;
  bytes: Buffer;
}

/** A ledger in memory with the real one's rules for nonces, visibility and order. */
export class FakeLedger implements JobLedger {
  readonly rows = new Map<string, JobRow>();
  readonly specs = new Map<string, JobSpec>();
  readonly nonces = new Map<string, { nonce: bigint; jobId: string | null }>();
  readonly digests = new Map<string, string>();
  readonly deadTokens = new Set<string>();
  private readonly endingJobs = new Set<string>();
  readonly logs = new Map<string, Log>();
  readonly changes = new EventEmitter().setMaxListeners(0);
  loads: readonly EnvironmentLoad[] = [];

  put(row: JobRow): JobRow {
    this.rows.set(row.jobId, row);
    this.changes.emit(row.jobId);
    return row;
  }

  change(jobId: string, over: Partial<JobRow>): JobRow {
    return this.put({ ...this.rows.get(jobId)!, ...over });
  }

  writeLog(jobId: string, text: string, podAttempt = 1): void {
    const log = this.logs.get(jobId);
    const before = log?.podAttempt === podAttempt ? log.bytes : Buffer.alloc(0);
    this.logs.set(jobId, { podAttempt, bytes: Buffer.concat([before, Buffer.from(text)]) });
    this.changes.emit(jobId);
  }

  async nonceOf(address: string): Promise<string | null> {
    return this.nonces.get(address.toLowerCase())?.nonce.toString() ?? null;
  }

  private spend(address: string, nonce: string, jobId: string | null): boolean {
    const stored = this.nonces.get(address.toLowerCase());
    if (stored?.nonce === BigInt(nonce) && stored.jobId === jobId && jobId !== null) return true;
    if (stored !== undefined && BigInt(nonce) <= stored.nonce) return false;
    this.nonces.set(address.toLowerCase(), { nonce: BigInt(nonce), jobId });
    return true;
  }

  async spendNonce(address: string, nonce: string, jobId: string | null = null) {
    if (this.spend(address, nonce, jobId)) return { spent: true } as const;
    return { spent: false, stored: (await this.nonceOf(address)) ?? '0' } as const;
  }

  async reserveJob({ spec, nonce }: { readonly spec: JobSpec; readonly nonce: string | null }) {
    if (this.rows.has(spec.jobId)) return { kind: 'same' } as const;
    if (nonce !== null && !this.spend(spec.consumerAddress, nonce, spec.jobId)) {
      return { kind: 'stale', stored: (await this.nonceOf(spec.consumerAddress)) ?? '0' } as const;
    }
    this.specs.set(spec.jobId, spec);
    this.put(
      aJobRow({
        jobId: spec.jobId,
        owner: spec.consumerAddress,
        environmentId: spec.environmentId,
        isFree: spec.isFree,
        chainId: spec.chainId,
        admission: 'pending',
        algorithmDid: spec.algorithm.documentId ?? '',
        inputDids: spec.datasets.flatMap(({ documentId }) => documentId ?? []),
        maxJobDuration: null,
        queueMaxWaitTime: spec.queueMaxWaitTime,
        resources: spec.resources,
        metadata: spec.metadata,
        additionalViewers: spec.additionalViewers,
      }),
    );
    return { kind: 'new' } as const;
  }

  async reserveKeyedJob({ spec, requestDigest }: Parameters<JobLedger['reserveKeyedJob']>[0]) {
    const known = this.digests.get(spec.jobId);
    if (known !== undefined) return { kind: known === requestDigest ? 'same' : 'other' } as const;
    this.digests.set(spec.jobId, requestDigest);
    this.specs.set(spec.jobId, spec);
    this.put(aJobRow({ jobId: spec.jobId, owner: spec.consumerAddress, environmentId: spec.environmentId, admission: 'pending' }));
    return { kind: 'new' } as const;
  }

  async setExpiry(jobId: string, until: Date | null): Promise<boolean> {
    const row = this.rows.get(jobId);
    if (row === undefined || row.finishedAtMs === null) return false;
    this.put({ ...row, expiresAtMs: until?.getTime() ?? Date.now() });
    return true;
  }

  async readRequestDigest(jobId: string): Promise<string | null> {
    return this.digests.get(jobId) ?? null;
  }

  async listJobs({ owner }: Parameters<JobLedger['listJobs']>[0], limit: number) {
    return (await this.findJobs({ owner }, { limit, offset: 0 })).slice(0, limit);
  }

  async readJob(jobId: string): Promise<JobRow | null> {
    return this.rows.get(jobId) ?? null;
  }

  async findJobs(filter: Parameters<JobLedger['findJobs']>[0], page: Parameters<JobLedger['findJobs']>[1]) {
    return [...this.rows.values()]
      .filter((row) => row.admission === 'accepted')
      .filter((row) => filter.jobId === undefined || row.jobId === filter.jobId)
      .filter((row) => filter.owner === undefined || row.owner.toLowerCase() === filter.owner.toLowerCase())
      .filter((row) => filter.agreementId === undefined || row.agreementId.toLowerCase() === filter.agreementId.toLowerCase())
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs)
      .slice(page.offset, page.offset + page.limit);
  }

  async invalidateToken(tokenId: string): Promise<void> {
    this.deadTokens.add(tokenId);
  }

  async isTokenInvalidated(tokenId: string): Promise<boolean> {
    return this.deadTokens.has(tokenId);
  }

  async requestStop(jobId: string): Promise<void> {
    this.change(jobId, { stopRequested: true });
  }

  async readLog(jobId: string, offset: number, maxBytes: number) {
    const log = this.logs.get(jobId) ?? { podAttempt: 1, bytes: Buffer.alloc(0) };
    return {
      bytes: log.bytes.subarray(offset, offset + maxBytes),
      podAttempt: log.podAttempt,
      ended: (this.rows.get(jobId)?.finishedAtMs ?? null) !== null,
    };
  }

  /** Ends the job as soon as somebody follows its log. */
  endWhenFollowed(jobId: string): void {
    this.endingJobs.add(jobId);
  }

  watchJob(jobId: string, onChange: () => void): () => void {
    if (this.endingJobs.delete(jobId)) setTimeout(() => this.change(jobId, { finishedAtMs: Date.now() }), 5);
    this.changes.on(jobId, onChange);
    return () => this.changes.off(jobId, onChange);
  }

  async environmentLoads() {
    return this.loads;
  }
}

/** Judges jobs as told; a verdict is written to the ledger, as the workflow would. */
export class FakeJobs implements JobStarter {
  verdict: StartVerdict = { kind: 'accepted' };
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  private readonly ledger: FakeLedger;

  constructor(ledger: FakeLedger) {
    this.ledger = ledger;
  }

  async start({ spec }: { readonly spec: JobSpec }): Promise<StartVerdict> {
    this.started.push(spec.jobId);
    const { verdict } = this;
    if (verdict.kind === 'accepted')
      this.ledger.change(spec.jobId, { admission: 'accepted', agreementId: spec.datasets[0]?.transferTxId ?? '' });
    if (verdict.kind === 'refused') {
      this.ledger.change(spec.jobId, { admission: 'refused', refusalType: verdict.type, reason: verdict.message });
    }
    return verdict;
  }

  async stop(jobId: string): Promise<void> {
    this.stopped.push(jobId);
  }
}

export const environments = computeEnvironments.parse([
  {
    id: 'small',
    description: 'a small one',
    resources: {
      cpu: { min: 0.5, max: 2, total: 4 },
      ram: { min: 1, max: 4, total: 8 },
      disk: { min: 1, max: 10, total: 20 },
    },
    free: { maxJobDuration: 60 },
    minJobDuration: 10,
    maxJobDuration: 600,
    maxQueueTime: 300,
  },
  { id: 'paid-only', chainIds: [1] },
]);

const provider = new Wallet('0xfd5c1ccea015b6d663618850824154a3b3fb2882c46cefb05b9a93fea8c3d215');

export const feeToken = '0xCfDdA22C9837aE76E0faA845354f33C62E03653a';
export const escrowAddress = '0x12d1d7BaF6fE43805391097A63301ACfcF5f5720';

/** One environment with devices and a price for them. */
export const priced = computeEnvironments.parse([
  {
    id: 'large',
    devices: [{ id: 'gpu', description: 'A100', resource: 'nvidia.com/gpu', max: 2, total: 4 }],
    fees: [{ chainId: 1, feeToken: escrowAddress, prices: [{ id: 'gpu', price: 0.5 }] }],
    free: {},
  },
]);

/** quotes of the node surface always name a payment */
const toQuote = ({ datasets, algorithm, payment, maxJobDuration, queueMaxWaitTime }: QuoteRequest): Quote => {
  const quoteAsset = (did: string, serviceId: string | null) => ({
    datatoken: escrowAddress,
    chainId: payment!.chainId,
    did,
    serviceId: serviceId ?? '0',
    validOrder: false as const,
    consumerAddress: provider.address,
  });
  return {
    algorithm: algorithm.documentId === null ? null : quoteAsset(algorithm.documentId, algorithm.serviceId),
    datasets: datasets.map(({ documentId, serviceId }) => quoteAsset(documentId!, serviceId)),
    payment: payment && {
      escrowAddress,
      payee: provider.address,
      minLockSeconds: maxJobDuration! + queueMaxWaitTime,
      amount: '0',
      chainId: payment.chainId,
      token: payment.token,
    },
  };
};

/** tests of what needs assets have a chain */
const noAsset = async () => Promise.reject(new JobFailure('AssetNotFound', 'there are no assets here'));

/** Deps of an application whose ledger, jobs and files can be looked at. */
export const aWorld = (over: Partial<ApiDeps> = {}) => {
  const ledger = new FakeLedger();
  const jobs = new FakeJobs(ledger);
  const files = new Map<string, Buffer>();
  const ddos = new Map<string, unknown>();
  const quotes: QuoteRequest[] = [];
  const ending = new AbortController();
  const registry = new Registry();
  const deps: ApiDeps = {
    ledger,
    jobs,
    results: {
      async read({ jobId, podAttempt, n }, range) {
        const bytes = files.get(`${jobId}/${podAttempt}/${n}`);
        if (bytes === undefined) throw new Error(`no file ${n}`);
        return Readable.from([range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)]);
      },
    },
    manifests: { manifestOf: async () => null },
    assets: {
      async resolve(did) {
        const ddo = ddos.get(did);
        if (ddo === undefined) throw new JobFailure('AssetNotFound', `DDO ${did} not found`);
        return { ddo: { document: ddo } };
      },
      async quote(request) {
        quotes.push(request);
        return toQuote(request);
      },
      examine: async () => [],
      price: async ({ means, payer }) => somePaymentTerms({ ...means, payer }),
      ...{ describeFiles: noAsset, quoteAccess: noAsset, authorizeDownload: noAsset, decryptDocument: noAsset },
      encrypt: (bytes) => hexlify(bytes.toReversed()),
      decrypt: (hex) => createDecrypter([provider.privateKey]).decrypt(hex) ?? Buffer.from(hex, 'hex').toReversed(),
      verifyMessage: async (signed) => isSignedBy(signed),
      providerAddress: provider.address,
      nodePublicKey: provider.signingKey.compressedPublicKey,
    },
    tokens: createTokens({ jwts: createJwts(aKeyring()), ledger, longestSeconds: 3_600 }),
    environments,
    withdrawals: async () => new Map(),
    authorizedDecrypters: [],
    chains: [
      { chainId: 8996, feeToken },
      { chainId: 1, feeToken: null },
    ],
    load: createLoad({ requests: 512, answers: 4_096, streamsPerConsumer: 32 }),
    rates: createRates({ perIpPerMinute: 0, perAddressPerMinute: 0, trustedProxies: [] }),
    acceptsOlderMessages: false,
    outputTargets: { probe: async () => undefined },
    deliveryRefusal: () => null,
    takesRegistryCredentials: true,
    limits: { jsonBytes: 1024 ** 2, encryptBytes: 1024 ** 2 },
    health: { ledger: async () => undefined },
    metrics: createMetrics(registry, ledger),
    logger: createLogger('api-test', 'silent'),
    version: '0.1.0',
    ending: ending.signal,
    ...over,
  };
  return { deps, ledger, jobs, files, ddos, quotes, ending, registry };
};

export type World = ReturnType<typeof aWorld>;
