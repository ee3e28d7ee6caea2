import { buffer } from 'node:stream/consumers';
import { Wallet } from 'ethers';
import type { FileSource, OpenOptions } from '../../../infra/ocean/fileSource.ts';
import { createProviderListings } from '../../../infra/ocean/providerListing.ts';
import { createProviderSource, type ProviderFile, type ProviderNonces } from '../../../infra/ocean/providerSource.ts';
import { createGuardedFetcher } from '../../../infra/outbound/guardedFetch.ts';
import { computeDid } from '../../../infra/ocean/ids.ts';
import { anAddress, anAdmission, aSpec, aTransaction, anAlgorithmRequest, aDatasetRequest } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';
import { startLegacyProvider, type HeldService, type LegacyProvider } from '../../support/legacyProvider.ts';
import { statusOfFailure } from '../../../workflows/contract/status.ts';
import type { RawAlgorithm } from '../../../workflows/contract/spec.ts';
import { isJobFailure } from '../../../workflows/contract/failures.ts';

let opened: TestLedger;
let provider: LegacyProvider;
const wallet = new Wallet(Wallet.createRandom().privateKey);
const outbound = createGuardedFetcher({
  ...{ allowedNetworks: ['127.0.0.1'], connectTimeoutMs: 2_000, headersTimeoutMs: 2_000, idleTimeoutMs: 2_000 },
});
const nothingElse: FileSource = { open: async () => Promise.reject(new Error('nothing else is asked for')) };

beforeAll(async () => {
  opened = await openTestLedger();
});
afterAll(async () => {
  await outbound.close();
  await opened.close();
});
beforeEach(async () => {
  provider = await startLegacyProvider();
  provider.consumerAddress = wallet.address;
});
afterEach(() => provider.close());

const sourceOf = (nonces: ProviderNonces = opened.ledger, guardedFetch = outbound.fetch) =>
  createProviderSource({ guardedFetch, privateKey: wallet.privateKey, nonces }, nothingElse);

/** NFT by DID */
const nfts = new Map<string, string>();

const aService = (files: readonly string[] = ['data']): HeldService => {
  const nft = anAddress();
  const documentId = computeDid(nft, 8996);
  nfts.set(documentId, nft);
  return { documentId, serviceId: 'compute', transferTxId: aTransaction(), files };
};

const hold = (files?: readonly string[]): HeldService => provider.hold(aService(files));

const fileOf = ({ documentId, serviceId, transferTxId }: HeldService, fileIndex = 0): ProviderFile => ({
  ...{ type: 'provider', provider: provider.url, downloadUrl: `${provider.url}/api/services/download` },
  ...{ documentId, serviceId, transferTxId, fileIndex },
});

const options = (over: Partial<OpenOptions> = {}): OpenOptions => ({
  start: 0,
  userdata: null,
  signal: AbortSignal.timeout(20_000),
  ...over,
});

const read = async (file: ProviderFile, over: Partial<OpenOptions> = {}, source = sourceOf()): Promise<string> =>
  (await buffer((await source.open(file, options(over))).stream)).toString();

describe('files of another Provider', () => {
  test('are fetched with a signature over document and nonce, by the index', async () => {
    const held = hold(['first', 'second']);
    expect([await read(fileOf(held, 1)), await read(fileOf(held, 0))]).toEqual(['second', 'first']);
    expect(provider.downloads.map((query) => query.get('consumerAddress'))).toEqual([wallet.address, wallet.address]);
    expect(provider.downloads[0]!.has('userdata')).toBe(false);
  });

  test('are resumed from any byte on', async () => {
    const held = hold(['0123456789']);
    const file = await sourceOf().open(fileOf(held), options({ start: 4 }));
    expect([file.start, file.sizeBytes, (await buffer(file.stream)).toString()]).toEqual([4, 10, '456789']);
  });

  test.each<[string, unknown, string]>([
    ['an object', { a: '1&nonce=2', 'b c': ['ü'] }, '{"a":"1&nonce=2","b c":["ü"]}'],
    ['a text', 'x=1&documentId=other', 'x=1&documentId=other'],
  ])("carry %s of the consumer's as one whole value", async (_name, userdata, expected) => {
    const held = hold();
    await read(fileOf(held), { userdata });
    const [query] = provider.downloads;
    expect([query!.getAll('userdata'), query!.getAll('documentId'), query!.getAll('nonce').length]).toEqual([
      [expected],
      [held.documentId],
      1,
    ]);
  });

  test('are asked for one at a time with growing nonces, also by several processes', async () => {
    const held = hold(Array.from({ length: 20 }, (_, index) => `file ${index}`));
    const processes = [sourceOf(), sourceOf(), sourceOf()];
    const texts = await Promise.all(held.files.map((_file, index) => read(fileOf(held, index), {}, processes[index % 3])));
    expect(texts).toEqual(held.files);
    const nonces = provider.downloads.map((query) => BigInt(query.get('nonce')!));
    expect(nonces).toEqual([...nonces].sort((a, b) => (a < b ? -1 : 1)));
    expect([new Set(nonces).size, provider.mostAtOnce()]).toEqual([20, 1]);
  });

  test('are asked for again above the nonce that the Provider has seen, wherever it came from', async () => {
    const held = hold();
    provider.nonces.set(wallet.address, 9_999_999_999_999n);
    expect(await read(fileOf(held))).toBe('data');
    expect(provider.nonces.get(wallet.address)).toBe(10_000_000_000_000n);
  });

  test('are asked for again with another nonce when somebody else has used this one', async () => {
    const held = hold();
    const given: string[] = [];
    const nonces: ProviderNonces = {
      async takeProviderNonce(key, terms) {
        const nonce = await opened.ledger.takeProviderNonce(key, terms);
        if (nonce !== null && given.push(nonce) === 1) provider.nonces.set(wallet.address, BigInt(nonce));
        return nonce;
      },
      releaseProviderNonce: (...args) => opened.ledger.releaseProviderNonce(...args),
    };
    // an equal nonce is a 503 there: worth a repetition, by whoever fetches
    await expect(read(fileOf(held), {}, sourceOf(nonces))).rejects.toMatchObject({ kind: 'transient' });
    expect(await read(fileOf(held), {}, sourceOf(nonces))).toBe('data');
    expect(BigInt(given[1]!)).toBeGreaterThan(BigInt(given[0]!));
  });

  test.each<[string, { status: number; body: string }, string]>([
    ['an order of somebody else', { status: 400, body: '{"error":"Order with tx_id 0x1 could not be validated"}' }, 'permanent'],
    [
      'a source that is away',
      { status: 400, body: '{"error":"Asset URL not found, not available or invalid. Payload was: http://x/?sig=1"}' },
      'transient',
    ],
    ['an outage', { status: 503, body: 'http://secret/?signature=0x1' }, 'transient'],
    ['a file that is gone', { status: 404, body: 'no' }, 'permanent'],
  ])('that fail for %s say whether asking again may help, and no address', async (_name, trouble, kind) => {
    const held = hold();
    provider.troubles.push(trouble);
    const failure = await sourceOf()
      .open(fileOf(held), options())
      .catch((err: unknown) => err as Error);
    expect(failure).toMatchObject({ name: 'SourceFailure', kind });
    expect(JSON.stringify([failure, (failure as Error).message])).not.toMatch(/http|sig|0x|127\.0/);
    // the turn is free again
    expect(await read(fileOf(held))).toBe('data');
  });

  test('are never fetched from an address that must not be reached', async () => {
    const held = hold();
    const guarded = createGuardedFetcher({ allowedNetworks: [], connectTimeoutMs: 500, headersTimeoutMs: 500, idleTimeoutMs: 500 });
    await expect(read(fileOf(held), {}, sourceOf(opened.ledger, guarded.fetch))).rejects.toMatchObject({ kind: 'permanent' });
    expect(provider.downloads).toEqual([]);
    await guarded.close();
  });

  test('wait for a process that asks, and not for one that was killed while it asked', async () => {
    const held = hold();
    const key = { provider: provider.url, address: wallet.address };
    const taken = await opened.ledger.takeProviderNonce(key, { above: '0', holdSeconds: 0.4 });
    expect(await opened.ledger.takeProviderNonce(key, { above: '0', holdSeconds: 1 })).toBeNull();
    expect(await read(fileOf(held))).toBe('data');
    expect(BigInt(provider.downloads[0]!.get('nonce')!)).toBeGreaterThan(BigInt(taken!));
  });

  test('are given up with whoever wanted them', async () => {
    const held = hold();
    await opened.ledger.takeProviderNonce({ provider: provider.url, address: wallet.address }, { above: '0', holdSeconds: 30 });
    await expect(read(fileOf(held), { signal: AbortSignal.timeout(200) })).rejects.toMatchObject({ name: 'SourceFailure' });
  });
});

describe('the files of a job', () => {
  const documentOf = ({ documentId, serviceId }: HeldService, serviceEndpoint: string, type = 'compute') => ({
    '@context': ['https://w3id.org/did/v1'],
    id: documentId,
    version: '4.1.0',
    chainId: 8996,
    nftAddress: nfts.get(documentId)!,
    metadata: { type: 'dataset', name: 'd', author: 'a', license: 'l', description: 'd' },
    services: [{ id: serviceId, type, files: '0x00', datatokenAddress: `0x${'2'.repeat(40)}`, serviceEndpoint, timeout: 0 }],
  });

  const aJob = (held: HeldService | null, over: { url?: string; algorithm?: HeldService | null; pins?: readonly string[] } = {}) => {
    const { url = provider.url, algorithm = null, pins = null } = over;
    const snapshotOf = (service: HeldService) => ({
      did: service.documentId,
      folder: service.documentId.slice(7),
      chainId: 8996,
      serviceId: service.serviceId,
      transferTxId: service.transferTxId,
      ddo: documentOf(service, url),
    });
    const none = { did: null, folder: 'raw-0', chainId: null, serviceId: null, transferTxId: null, ddo: null };
    const spec = aSpec({
      surface: 'operator',
      datasets: [aDatasetRequest({ documentId: held?.documentId ?? null, transferTxId: held?.transferTxId ?? null })],
      algorithm: anAlgorithmRequest({ documentId: algorithm?.documentId ?? null, transferTxId: null }),
    });
    return {
      spec: { ...spec, algorithm: { ...spec.algorithm, raw: algorithm === null ? { ...code } : null } },
      admission: {
        ...anAdmission({ ...spec, datasets: [], algorithm: anAlgorithmRequest({ documentId: null }) }),
        datasets: [held === null ? none : snapshotOf(held)],
        algorithm: algorithm === null ? null : snapshotOf(algorithm),
        algorithmFileDigests: pins,
      },
    };
  };
  const code: RawAlgorithm = {
    rawcode: 'x',
    url: null,
    fileObject: null,
    container: { entrypoint: '', image: 'i', tag: '', checksum: '' },
  };

  const prepare = (job: ReturnType<typeof aJob>, patienceSeconds = 10, signal = new AbortController().signal) =>
    createProviderListings({ guardedFetch: outbound.fetch, listings: opened.ledger })(job, { patienceSeconds, signal });

  /** A listing belongs to a job of the ledger. */
  const reserve = async (job: ReturnType<typeof aJob>) => {
    await opened.ledger.reserveProviderJob({ spec: job.spec, providerAddress: wallet.address, agreementId: '0x1', algorithmDid: '' });
    return job;
  };

  test('are listed once, below a base path too, and stay as they were', async () => {
    await provider.close();
    provider = await startLegacyProvider('/provider');
    const held = hold(['a', 'b', 'c']);
    const job = await reserve(aJob(held, { url: `${provider.url}/`, algorithm: hold(['x']) }));
    await prepare(job);
    const where = { provider: provider.url, downloadUrl: `${provider.url}/api/services/download` };
    const listing = { datasets: [{ ...where, files: 3 }], algorithm: { ...where, files: 1 } };
    expect(await opened.ledger.readProviderListing(job.spec.jobId)).toEqual(listing);
    await opened.ledger.storeProviderListing(job.spec.jobId, { datasets: [], algorithm: null });
    await prepare(job);
    expect(await opened.ledger.readProviderListing(job.spec.jobId)).toEqual(listing);
  });

  test('are asked for again while a Provider is away', async () => {
    provider.listTroubles.push(503, 502);
    const job = await reserve(aJob(hold()));
    await prepare(job);
    expect((await opened.ledger.readProviderListing(job.spec.jobId))?.datasets).toHaveLength(1);
  });

  test('are waited for no longer once the job is stopped', async () => {
    provider.listTroubles.push(...Array<number>(100).fill(503));
    const begun = Date.now();
    await expect(prepare(aJob(hold()), 600, AbortSignal.timeout(300))).rejects.toThrow();
    expect(Date.now() - begun).toBeLessThan(30_000);
  });

  test('have one Provider in whatever spelling', async () => {
    const job = await reserve(aJob(hold(), { url: `${provider.url.replace('http', 'HTTP')}//?a=1#b` }));
    await prepare(job);
    expect((await opened.ledger.readProviderListing(job.spec.jobId))?.datasets[0]?.provider).toBe(provider.url);
  });

  const held = (): HeldService => hold();
  test.each<[string, () => ReturnType<typeof aJob>, string, number]>([
    ['a dataset that no Provider has', () => aJob(aService()), 'InputUnavailable', 31],
    ['a dataset of a Provider that is not there', () => aJob(held(), { url: 'http://127.0.0.1:9' }), 'InputUnavailable', 31],
    ['a dataset at an address that is none', () => aJob(held(), { url: 'nowhere' }), 'InputUnavailable', 31],
    ['a dataset with neither url nor order', () => aJob(null), 'InputUnavailable', 31],
    ['an algorithm that no Provider has', () => aJob(held(), { algorithm: aService() }), 'AlgorithmUnavailable', 32],
    [
      'an algorithm with more files than were pinned',
      () => aJob(held(), { algorithm: hold(['x', 'y']), pins: ['a'.repeat(64)] }),
      'AlgorithmChecksumMismatch',
      32,
    ],
  ])('%s ends the job, for good', async (_name, build, type, number) => {
    const failure: unknown = await prepare(build(), 0).catch((err: unknown) => err);
    if (!isJobFailure(failure)) throw failure;
    expect([failure.type, failure.retryAfterSeconds, statusOfFailure(failure.type, 'createPod')]).toEqual([type, undefined, number]);
    expect(failure.message).not.toMatch(/http|127\.0/);
  });

  test('with neither code nor url nor order of an algorithm end the job with 32', async () => {
    const job = aJob(hold());
    const without = { ...job, spec: { ...job.spec, algorithm: { ...job.spec.algorithm, raw: { ...code, rawcode: null } } } };
    await expect(prepare(without, 0)).rejects.toMatchObject({ type: 'AlgorithmUnavailable' });
  });

  test('of other surfaces are nobody’s to list', async () => {
    const job = aJob(aService());
    await prepare({ ...job, spec: { ...job.spec, surface: 'node' } }, 0);
    expect(provider.downloads).toEqual([]);
  });
});
