import { setAssetState } from '../../../infra/toolchain/chain/publishAsset.ts';
import { publicKeyOf } from '../../../infra/ocean/ecies.ts';
import type { JobSpec } from '../../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../../../infra/environments/environments.ts';
import { aDatasetRequest, aDid, anAlgorithmRequest } from '../../support/builders.ts';
import { aJob, anEnvironment, container, payFor, quoteOf, startWorld, trustAll, type World } from './support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const environment = anEnvironment();
const nobody = `0x${'0'.repeat(40)}`;

const typesOf = async (spec: JobSpec, over: ComputeEnvironment = environment): Promise<readonly string[]> =>
  (await world.ocean.examine(spec, over)).map(({ type }) => type);

/** What `admit` says of the same request: its first refusal must be among the reasons, and its consent must mean none. */
const admissionOf = async (spec: JobSpec, over: ComputeEnvironment = environment): Promise<string | null> =>
  world.ocean.admit(spec, over).then(
    () => null,
    (err: { type: string }) => err.type,
  );

describe('examine', () => {
  test('finds nothing against what is paid and trusted', async () => {
    const [dataset, algorithm] = [await world.publishDataset(), await world.publishAlgorithm()];
    const quote = await world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), environment);
    const datasetTx = await payFor(world, quote.datasets[0]);
    const algorithmTx = await payFor(world, quote.algorithm);
    const spec = aJob(world, { dataset, algorithm, datasetTx, algorithmTx });
    expect([await typesOf(spec), await admissionOf(spec)]).toEqual([[], null]);
  });

  test('tells everything that is wrong at once, where an admission stops at the first', async () => {
    const untrusting = await world.publishDataset({ compute: { allowRawAlgorithm: false, publisherTrustedAlgorithms: [] } });
    const revoked = await world.publishDataset();
    await setAssetState(world.chain.accounts.publisher, revoked.nftAddress, 3);
    const algorithm = await world.publishAlgorithm();
    const spec: JobSpec = {
      ...aJob(world, { dataset: untrusting, algorithm, algorithmTx: `0x${'1'.repeat(64)}` }),
      datasets: [
        aDatasetRequest({ documentId: untrusting.did, serviceId: untrusting.serviceIds[0]!, transferTxId: null }),
        aDatasetRequest({ documentId: revoked.did, serviceId: revoked.serviceIds[0]!, transferTxId: '0x12' }),
        aDatasetRequest({ documentId: aDid(), transferTxId: null }),
        aDatasetRequest({ documentId: null, fileObject: { type: 'url', url: 'http://127.0.0.1/x', method: 'GET' } }),
      ],
    };
    const closed = anEnvironment({ access: { addresses: [nobody] } });
    expect(await typesOf(spec, closed)).toEqual([
      'AccessDenied',
      'AssetNotConsumable',
      'AssetNotFound',
      'RequestInvalid',
      'AlgorithmNotTrusted',
      'OrderInvalid',
      'OrderMissing',
      'OrderInvalid',
    ]);
    expect(await admissionOf(spec, closed)).toBe('AccessDenied');
  });

  test('tells of a filter of outputs that the environment does not run', async () => {
    const filter = { image: `r.example/f@sha256:${'0'.repeat(64)}`, command: ['/f'] };
    const dataset = await world.publishDataset({ additionalInformation: { outputPolicy: { filter } } });
    const spec = { ...aJob(world, { dataset, algorithm: await world.publishAlgorithm() }), isFree: true };
    const [free, filtering] = [anEnvironment({ free: {} }), anEnvironment({ free: {}, ownerFilters: {} })];
    expect([await typesOf(spec, free), await admissionOf(spec, free)]).toEqual([['AssetNotConsumable'], 'AssetNotConsumable']);
    expect([await typesOf(spec, filtering), await admissionOf(spec, filtering)]).toEqual([[], null]);
  });

  test.each<[string, (spec: JobSpec) => Promise<JobSpec> | JobSpec, readonly string[]]>([
    ['an unknown service', (spec) => ({ ...spec, datasets: [{ ...spec.datasets[0]!, serviceId: 'none' }] }), ['ServiceNotFound']],
    [
      'raw code that is not allowed',
      (spec) => ({
        ...spec,
        algorithm: anAlgorithmRequest({ documentId: null, raw: { rawcode: '1', url: null, fileObject: null, container } }),
      }),
      ['RawAlgorithmNotAllowed'],
    ],
    [
      'raw code without an image',
      (spec) => ({
        ...spec,
        datasets: [],
        algorithm: anAlgorithmRequest({
          documentId: null,
          raw: { rawcode: '1', url: null, fileObject: null, container: { ...container, image: '' } },
        }),
      }),
      ['RequestInvalid'],
    ],
    [
      'an unknown algorithm says nothing of trust',
      (spec) => ({ ...spec, algorithm: anAlgorithmRequest({ documentId: aDid() }) }),
      ['AssetNotFound'],
    ],
  ])('%s', async (_what, change, expected) => {
    const [dataset, algorithm] = [await world.publishDataset(), await world.publishAlgorithm()];
    const spec = await change({ ...aJob(world, { dataset, algorithm }), isFree: true });
    expect(await typesOf(spec)).toEqual(expected);
    expect(expected).toContain(await admissionOf(spec));
  });

  test('files of another provider, and trust all the same', async () => {
    const dataset = await world.publish(
      {
        type: 'dataset',
        services: [
          {
            type: 'compute',
            timeout: 3_600,
            compute: { ...trustAll, publisherTrustedAlgorithms: [] },
            files: [{ type: 'url', url: 'http://x/', method: 'GET' }],
          },
        ],
      },
      { publicKey: publicKeyOf(world.chain.accounts.consumer.privateKey) },
    );
    const spec = { ...aJob(world, { dataset, algorithm: await world.publishAlgorithm() }), isFree: true };
    expect(await typesOf(spec)).toEqual(['FilesNotOurs', 'AlgorithmNotTrusted']);
  });

  test('an environment without free jobs', async () => {
    const spec = { ...aJob(world, { dataset: await world.publishDataset(), algorithm: await world.publishAlgorithm() }), isFree: true };
    expect(await typesOf(spec, anEnvironment({ free: undefined }))).toEqual(['RequestInvalid']);
  });
});
