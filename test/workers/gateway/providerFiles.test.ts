import { createHash, randomBytes } from 'node:crypto';
import { Wallet } from 'ethers';
import { createFileSource } from '../../../infra/ocean/fileSource.ts';
import { createProviderSource } from '../../../infra/ocean/providerSource.ts';
import { createGuardedFetcher } from '../../../infra/outbound/guardedFetch.ts';
import type { ProviderListing } from '../../../workflows/contract/spec.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';
import { startFileServer, type FileServer } from '../../support/fileServer.ts';
import { startLegacyProvider, type LegacyProvider } from '../../support/legacyProvider.ts';
import { aSnapshot, closeAll, startGateway } from './harness.ts';

const wallet = new Wallet(Wallet.createRandom().privateKey);
const outbound = createGuardedFetcher({
  ...{ allowedNetworks: ['127.0.0.1'], connectTimeoutMs: 2_000, headersTimeoutMs: 2_000, idleTimeoutMs: 2_000 },
});
let opened: TestLedger;
let provider: LegacyProvider;
let files: FileServer;
beforeAll(async () => {
  [opened, provider, files] = await Promise.all([openTestLedger(), startLegacyProvider(), startFileServer()]);
  provider.consumerAddress = wallet.address;
});
afterAll(async () => {
  await Promise.all([outbound.close(), opened.close(), provider.close(), files.close()]);
});
afterEach(closeAll);

interface Planned {
  readonly n: number;
  readonly path: string;
  readonly sha256?: string;
}

const noAlgorithm = { documentId: null, serviceId: null, transferTxId: null, raw: null, userdata: null, algocustomdata: null, envs: {} };
const container = { entrypoint: '', image: 'i', tag: '', checksum: '' };

const start = async (spec: object, admission: object, listing: ProviderListing | null) => {
  const source = createProviderSource(
    { guardedFetch: outbound.fetch, privateKey: wallet.privateKey, nonces: opened.ledger },
    createFileSource({
      guardedFetch: outbound.fetch,
      ipfsGateway: 'https://i.invalid',
      arweaveGateway: 'https://a.invalid',
      chains: new Map(),
    }),
  );
  const gateway = await startGateway({ spec: { surface: 'operator', ...spec }, admission, deps: { source } });
  gateway.ledger.listing = listing;
  const plan = async (): Promise<readonly Planned[]> => ((await (await gateway.call('/plan')).json()) as { files: Planned[] }).files;
  const textOf = async (path: string, from = 0): Promise<[number, string]> => {
    const n = (await plan()).find((file) => file.path === path)!.n;
    const answer = await gateway.call(`/files/${n}`, from > 0 ? { headers: { range: `bytes=${from}-` } } : {});
    return [answer.status, await answer.text()];
  };
  return { ...gateway, plan, textOf };
};

describe('files of a job that a legacy Provider asked for', () => {
  test('come from Providers and from plain addresses, under the names that algorithms know', async () => {
    const code = randomBytes(50).toString('hex');
    const dataset = provider.hold({ documentId: 'did:op:aaaa', serviceId: 's', transferTxId: '0x1', files: ['one', 'two'] });
    provider.hold({ documentId: 'did:op:bbbb', serviceId: 's', transferTxId: '0x1', files: [code] });
    const where = { provider: provider.url, downloadUrl: `${provider.url}/api/services/download` };
    const urls = ['three', 'four'].map((text) => ({ type: 'url', url: files.serve(text), method: 'GET' }));
    const request = { documentId: 'did:op:aaaa', serviceId: 's', transferTxId: '0x1', userdata: { x: 1 }, fileObject: null };
    const { plan, textOf } = await start(
      { datasets: [request, { ...request, documentId: null, userdata: null, fileObject: urls }], algorithm: noAlgorithm },
      {
        datasets: [aSnapshot(), aSnapshot({ did: null, folder: 'raw-1', ddo: null })],
        algorithmFileDigests: [createHash('sha256').update(code).digest('hex')],
      },
      { datasets: [{ ...where, files: 2 }, null], algorithm: { ...where, files: 1 } },
    );
    const planned = await plan();
    expect(planned.map(({ path }) => path)).toEqual([
      ...['inputs/algoCustomData.json', 'ddos/aaaa', 'ddos/bbbb', 'transformations/algorithm'],
      ...['inputs/aaaa/0', 'inputs/aaaa/1', 'inputs/raw-1/0', 'inputs/raw-1/1'],
    ]);
    // compared again by the agent, whoever handed it out
    expect(planned.find(({ path }) => path === 'transformations/algorithm')?.sha256).toHaveLength(64);
    expect(await textOf('transformations/algorithm')).toEqual([200, code]);
    expect(await textOf('inputs/aaaa/0')).toEqual([200, 'one']);
    expect(await textOf('inputs/aaaa/1', 1)).toEqual([206, 'wo']);
    expect(await textOf('inputs/raw-1/1')).toEqual([200, 'four']);
    expect(provider.downloads.map((query) => query.get('userdata'))).toEqual([null, '{"x":1}', '{"x":1}']);
    expect(provider.downloads.at(-1)?.get('documentId')).toBe(dataset.documentId);
  });

  test.each<[string, 'inputs/aaaa/0' | 'transformations/algorithm', { status: number; body: string }, number, string]>([
    ['a dataset that is refused', 'inputs/aaaa/0', { status: 400, body: 'Order invalid' }, 424, 'InputUnavailable'],
    ['a dataset that is away', 'inputs/aaaa/0', { status: 503, body: 'http://u/?signature=1' }, 502, 'InputUnavailable'],
    ['an algorithm that is refused', 'transformations/algorithm', { status: 404, body: '' }, 424, 'AlgorithmUnavailable'],
    ['an algorithm that is away', 'transformations/algorithm', { status: 500, body: '' }, 502, 'AlgorithmUnavailable'],
  ])('%s is told as what it is, without an address', async (_name, path, trouble, status, type) => {
    const where = { provider: provider.url, downloadUrl: `${provider.url}/api/services/download`, files: 1 };
    const request = { documentId: 'did:op:aaaa', serviceId: 's', transferTxId: '0x1', userdata: null, fileObject: null };
    const job = await start({ datasets: [request], algorithm: noAlgorithm }, {}, { datasets: [where], algorithm: where });
    provider.troubles.push(trouble);
    const [code, text] = await job.textOf(path);
    expect([code, (JSON.parse(text) as { type: string }).type]).toEqual([status, type]);
    expect(text).not.toMatch(/http|signature|127\.0/);
  });

  test('are code of the request, or a url of an algorithm, and nothing of a Provider’s', async () => {
    const raw = { rawcode: 'print(1)', url: null, fileObject: null, container };
    const inline = await start(
      { algorithm: { ...noAlgorithm, raw } },
      { datasets: [], algorithm: null },
      { datasets: [], algorithm: null },
    );
    expect((await inline.plan()).map(({ path }) => path)).toEqual(['inputs/algoCustomData.json', 'transformations/algorithm']);
    const fileObject = ['main', 'helper'].map((text) => ({ type: 'url', url: files.serve(text), method: 'GET' }));
    const algorithm = { ...noAlgorithm, raw: { ...raw, rawcode: null, fileObject } };
    const byUrl = await start({ algorithm }, { datasets: [], algorithm: null }, { datasets: [], algorithm: null });
    expect(await byUrl.textOf('transformations/algorithm')).toEqual([200, 'main']);
    expect(await byUrl.textOf('transformations/1')).toEqual([200, 'helper']);
  });

  test('are asked for again as long as nobody has listed them', async () => {
    const { call } = await start({ algorithm: noAlgorithm }, {}, null);
    expect((await call('/plan')).status).toBe(503);
  });
});
