import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { computeEnvironment } from '../../../infra/environments/environments.ts';
import { computeDid } from '../../../infra/ocean/ids.ts';
import { createProviderAdmission } from '../../../infra/ocean/providerAdmission.ts';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import type { JobSpec } from '../../../workflows/contract/spec.ts';
import { aDatasetRequest, anAddress, anAlgorithmRequest, aSpec } from '../../support/builders.ts';

const nftAddress = anAddress();
const did = computeDid(nftAddress, 137);
const rules: { compute: unknown } = { compute: null };
const documentOf = () => ({
  ...{ '@context': ['https://w3id.org/did/v1'], id: did, version: '4.1.0', chainId: 137, nftAddress },
  metadata: { type: 'dataset' },
  services: [{ id: 's', type: 'compute', files: '0x00', datatokenAddress: anAddress(), serviceEndpoint: 'http://p', timeout: 0, ...rules }],
});

let server: Server;
let url: string;
const asked: string[] = [];
beforeAll(async () => {
  server = createServer((req, res) => {
    asked.push(req.url ?? '');
    const found = req.url === `/cache/api/aquarius/assets/ddo/${did}`;
    res.writeHead(found ? 200 : 404, { 'content-type': 'application/json' }).end(found ? JSON.stringify(documentOf()) : '{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cache`;
});
afterAll(() => void server.close());
beforeEach(() => void (asked.length = 0));

const container = { entrypoint: 'node $ALGO', image: 'node', tag: '24', checksum: '' };
const aProvidedJob = (over: Partial<JobSpec> = {}): JobSpec =>
  aSpec({
    surface: 'operator',
    datasets: [aDatasetRequest({ documentId: did, serviceId: 's' })],
    algorithm: anAlgorithmRequest({ documentId: null, transferTxId: null, raw: { rawcode: 'x', url: null, fileObject: null, container } }),
    provider: { providerAddress: anAddress(), agreementId: '0x1', metadataUri: `${url}/` },
    ...over,
  });

/** Knows nothing, as a chain whose documents were encrypted for somebody else. */
const resolver = (failure = new JobFailure('AssetNotFound', `DDO ${did} not found`)) => ({
  resolve: async () => Promise.reject(failure),
});
const accessLists = { isMember: async () => false };
const environment = computeEnvironment.parse({ id: 'small', maxJobDuration: 100 });
const admit = (spec: JobSpec, metadataUrls: readonly string[], failure?: JobFailure) =>
  createProviderAdmission({ resolver: resolver(failure), accessLists, metadataUrls })(spec, environment);

describe('the document of an asset of a legacy Provider', () => {
  test('is read where the Provider reads it, if the operator lists that place', async () => {
    const admission = await admit(aProvidedJob(), [url]);
    expect(admission).toMatchObject({
      agreementId: '0x1',
      runSeconds: 100,
      datasets: [{ did, chainId: 137, serviceId: 's', ddo: { id: did } }],
    });
  });

  test('is read nowhere else', async () => {
    await expect(admit(aProvidedJob(), ['http://127.0.0.1:9'])).rejects.toMatchObject({ type: 'AssetNotFound' });
    await expect(admit(aProvidedJob(), [])).rejects.toMatchObject({ type: 'AssetNotFound' });
    expect(asked).toEqual([]);
  });

  test('is not looked for there while our own sources are away', async () => {
    const away = new JobFailure('ChainUnavailable', 'away', { retryAfterSeconds: 1 });
    await expect(admit(aProvidedJob(), [url], away)).rejects.toMatchObject({ type: 'ChainUnavailable' });
    expect(asked).toEqual([]);
  });

  test('of another asset is none', async () => {
    const other = computeDid(anAddress(), 137);
    const datasets = [aDatasetRequest({ documentId: other, serviceId: 's' })];
    await expect(admit(aProvidedJob({ datasets }), [url])).rejects.toMatchObject({ type: 'AssetNotFound' });
    const wrong = [aDatasetRequest({ documentId: `${did}/../..`, serviceId: 's' })];
    await expect(admit(aProvidedJob({ datasets: wrong }), [url])).rejects.toMatchObject({ type: 'AssetNotFound' });
  });

  test('must have the service that was ordered', async () => {
    const datasets = [aDatasetRequest({ documentId: did, serviceId: 'other' })];
    await expect(admit(aProvidedJob({ datasets }), [url])).rejects.toMatchObject({ type: 'ServiceNotFound' });
  });
});

describe('the files of an algorithm', () => {
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
  const entry = (over: object) => ({ did, filesChecksum: a, containerSectionChecksum: 'c', serviceId: 's', ...over });
  // the dataset stands for its own algorithm, which is all that the rules look at
  const judge = async (...entries: readonly unknown[]) => {
    rules.compute = { publisherTrustedAlgorithms: entries };
    const algorithm = anAlgorithmRequest({
      ...{ documentId: did, serviceId: 's' },
      raw: { rawcode: null, url: null, fileObject: null, container },
    });
    return (await admit(aProvidedJob({ algorithm }), [url])).algorithmFileDigests;
  };

  test.each<[string, readonly unknown[], readonly string[] | null]>([
    ['are pinned by the entry that names it', [entry({})], [a]],
    ['are pinned one by one', [entry({ filesChecksum: a + b })], [a, b]],
    ['are free where no entry names it', [entry({ did: computeDid(anAddress(), 137) })], null],
    ['are free where another service of it is named', [entry({ serviceId: 'other' })], null],
    ['are free where an entry pins none', [entry({}), entry({ filesChecksum: null })], null],
    ['are free where everything is trusted', ['*'], null],
  ])('%s', async (_name, entries, expected) => {
    expect(await judge(...entries)).toEqual(expected);
  });

  test.each<[string, readonly unknown[]]>([
    ['several entries pin different ones', [entry({}), entry({ filesChecksum: b })]],
    ['what is pinned is no checksum', [entry({ filesChecksum: 'abc' })]],
  ])('are not taken where %s', async (_name, entries) => {
    await expect(judge(...entries)).rejects.toMatchObject({ type: 'AlgorithmChecksumMismatch' });
  });
});
