/** A gateway on a real socket, with a real store, a real way out and real data sources; Temporal and ledger in memory. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyring } from '../../../infra/crypto/keyring.ts';
import { createPodTokens } from '../../../infra/crypto/podToken.ts';
import { computeEnvironment, type ComputeEnvironment } from '../../../infra/environments/environments.ts';
import type { ProgressRecord, ResultEntry } from '../../../infra/ledger/ledger.ts';
import { parseFileObject } from '../../../infra/ocean/fileObject.ts';
import { createFileSource } from '../../../infra/ocean/fileSource.ts';
import { createGuardedFetcher } from '../../../infra/outbound/guardedFetch.ts';
import { createLogger } from '../../../infra/process/logger.ts';
import { createTurns } from '../../../infra/storage/inTurn.ts';
import { localStore } from '../../../infra/storage/local.ts';
import { openStores } from '../../../infra/storage/stores.ts';
import { createGateway, type GatewayDeps } from '../../../workers/gateway/app.ts';
import { createGatewayMetrics } from '../../../workers/gateway/metrics.ts';
import type { GatewayLedger } from '../../../workers/gateway/ports.ts';
import type { AskedFilter, StagedFile } from '../../../workflows/contract/manifest.ts';
import type { Admission, AssetSnapshot, JobSpec, ProviderListing } from '../../../workflows/contract/spec.ts';
import type { PodRef } from '../../../workflows/contract/job.ts';
import { rememberedUploads } from '../../support/s3.ts';
import { FakeTemporal } from './fakeTemporal.ts';

export const anEnvironment = (limits: Partial<ComputeEnvironment['limits']> = {}): ComputeEnvironment =>
  computeEnvironment.parse({ id: 'test', limits });

export const aSnapshot = (rest: Partial<AssetSnapshot> = {}): AssetSnapshot => ({
  did: 'did:op:aaaa',
  folder: 'aaaa',
  chainId: 1,
  serviceId: 's',
  transferTxId: '0x1',
  ddo: { id: 'did:op:aaaa' },
  ...rest,
});

export const aSpec = (rest: Partial<JobSpec> = {}): JobSpec => ({
  jobId: randomBytes(16).toString('hex'),
  consumerAddress: '0x1',
  surface: 'node',
  isFree: false,
  environmentId: 'test',
  chainId: 1,
  datasets: [],
  algorithm: { documentId: null, serviceId: null, transferTxId: null, raw: null, userdata: null, algocustomdata: null, envs: {} },
  resources: {},
  maxJobDuration: null,
  queueMaxWaitTime: 0,
  metadata: null,
  additionalViewers: [],
  ...rest,
});

export const anAdmission = (rest: Partial<Admission> = {}): Admission => ({
  agreementId: '0x1',
  runSeconds: 60,
  datasets: [aSnapshot()],
  algorithm: aSnapshot({ did: 'did:op:bbbb', folder: 'bbbb', ddo: { id: 'did:op:bbbb' } }),
  container: { entrypoint: 'node $ALGO', image: 'node', tag: 'latest', checksum: '' },
  algorithmFileDigests: null,
  ...rest,
});

/** The ledger as the gateway sees it, in memory. */
export class FakeLedger implements GatewayLedger {
  current: number | null = 1;
  broken = false;
  readonly progress: ProgressRecord[] = [];
  readonly log = new Map<number, string>();
  results: readonly ResultEntry[] | null = null;
  staged: readonly StagedFile[] | null = null;
  filters: readonly AskedFilter[] | null = null;
  listing: ProviderListing | null = null;
  readonly #job: { readonly spec: JobSpec; readonly admission: Admission };

  constructor(job: { readonly spec: JobSpec; readonly admission: Admission }) {
    this.#job = job;
  }
  async currentPodAttempt(jobId: string) {
    return jobId === this.#job.spec.jobId ? this.current : null;
  }
  async readAdmission() {
    return this.#job;
  }
  async recordProgress(record: ProgressRecord) {
    if (this.broken) throw new Error('connection terminated: postgres://user:secret@db');
    this.progress.push(record);
  }
  async recordStagedFiles({ files }: { files: readonly StagedFile[] }) {
    this.staged ??= files;
  }
  async recordFilters({ filters }: { filters: readonly AskedFilter[] }) {
    this.filters ??= filters;
  }
  async readProviderListing() {
    return this.listing;
  }
  async appendLog({ offset, bytes }: { offset: number; bytes: Buffer }) {
    if (this.broken) throw new Error('connection terminated');
    if (!this.log.has(offset)) this.log.set(offset, bytes.toString());
  }
  async recordResults({ results }: { results: readonly ResultEntry[] }) {
    this.results ??= results;
  }
}

export interface HarnessOptions {
  readonly spec?: Partial<JobSpec>;
  readonly admission?: Partial<Admission>;
  readonly limits?: Partial<ComputeEnvironment['limits']>;
  /** file objects by DID */
  readonly files?: Readonly<Record<string, readonly unknown[]>>;
  readonly deps?: Partial<GatewayDeps>;
}

const closers: (() => Promise<void>)[] = [];

/** Ends everything that the tests of a file have started. For `afterEach`. */
export const closeAll = async (): Promise<void> => {
  for (const close of closers.splice(0).toReversed()) await close();
};

export const serve = async (listener: RequestListener): Promise<{ readonly url: string; readonly server: Server }> => {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
};

export const startGateway = async (options: HarnessOptions = {}) => {
  const spec = aSpec(options.spec);
  const ledger = new FakeLedger({ spec, admission: anAdmission(options.admission) });
  const temporal = new FakeTemporal(spec.jobId);
  const folder = await mkdtemp(join(tmpdir(), 'c2d-gateway-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const fetcher = createGuardedFetcher({
    allowedNetworks: ['127.0.0.1'],
    connectTimeoutMs: 2_000,
    headersTimeoutMs: 2_000,
    idleTimeoutMs: 2_000,
  });
  closers.push(() => fetcher.close());
  const tokens = createPodTokens(createKeyring([{ id: 'test', secret: Buffer.alloc(32, 1) }]));
  const environment = anEnvironment(options.limits);
  const store = localStore({ folder });
  const metrics = createGatewayMetrics();
  const app = createGateway({
    tokens,
    ledger,
    activity: temporal,
    workflows: temporal,
    assets: { filesOf: ({ did }) => (options.files?.[did ?? ''] ?? []).map(parseFileObject), parseFileObject },
    source: createFileSource({
      guardedFetch: fetcher.fetch,
      ipfsGateway: 'https://ipfs.invalid',
      arweaveGateway: 'https://arweave.invalid',
      chains: new Map(),
    }),
    store: await openStores({ C2D_STORAGE_FOLDER: folder, C2D_STORES: [] }, { uploads: rememberedUploads(), exclusively: createTurns() }),
    outputRules: () => [],
    environmentOf: (id) => (id === environment.id ? environment : undefined),
    settings: { seal: { kind: 'noNetwork' }, heartbeatSeconds: 4, partBytes: 10 },
    metrics,
    logger: createLogger('test', 'silent'),
    reportPatience: [1, 1, 1],
    ...options.deps,
  });
  const { url } = await serve(app);
  const pod: PodRef = { jobId: spec.jobId, podAttempt: 1 };
  const call = (path: string, init: RequestInit & { readonly token?: string } = {}): Promise<Response> =>
    fetch(`${url}/agent/v1${path}`, {
      ...init,
      headers: { authorization: `Bearer ${init.token ?? tokens.tokenOf(pod)}`, ...(init.headers as Record<string, string> | undefined) },
    });
  const post = (path: string, body: unknown): Promise<Response> =>
    call(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  return { url, spec, pod, ledger, temporal, tokens, store, metrics, folder, call, post };
};
