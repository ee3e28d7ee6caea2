import type { HDNodeWallet, Interface } from 'ethers';
import { loadArtifact } from '../../../infra/toolchain/chain/artifacts.ts';
import { mintDatatokens, reuseOrder, startOrders } from '../../../infra/toolchain/chain/orders.ts';
import { setAssetState, type PublishedAsset } from '../../../infra/toolchain/chain/publishAsset.ts';
import { publicKeyOf } from '../../../infra/ocean/ecies.ts';
import { signProviderFee } from '../../../infra/ocean/providerFees.ts';
import { containerSectionChecksum, sha256Hex } from '../../../infra/ocean/ids.ts';
import type { JobSpec } from '../../../workflows/contract/spec.ts';
import { aDatasetRequest } from '../../support/builders.ts';
import { forgeLogs } from './support/forgeLogs.ts';
import { aJob, anEnvironment, container, feeOf, payFor, quoteOf, startWorld, trustAll, type World } from './support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const environment = anEnvironment();
const nobody = `0x${'0'.repeat(40)}`;

interface Paid {
  readonly dataset: PublishedAsset;
  readonly algorithm: PublishedAsset;
  readonly spec: JobSpec;
}

/** Publishes a dataset and an algorithm, and orders both as a client does. */
const payAll = async (dataset: PublishedAsset, payer: HDNodeWallet = world.chain.accounts.consumer): Promise<Paid> => {
  const algorithm = await world.publishAlgorithm();
  const asked = aJob(world, { dataset, algorithm, consumerAddress: payer.address });
  const quote = await world.ocean.quote(quoteOf(asked), environment);
  const datasetTx = await payFor(world, quote.datasets[0], { payer });
  const algorithmTx = await payFor(world, quote.algorithm, { payer });
  return { dataset, algorithm, spec: aJob(world, { dataset, algorithm, datasetTx, algorithmTx, consumerAddress: payer.address }) };
};

const refusal = (type: string, message?: string | RegExp) =>
  expect.objectContaining({
    type,
    ...(message === undefined ? {} : { message: typeof message === 'string' ? message : (expect.stringMatching(message) as string) }),
  });

describe('admit', () => {
  test('a job whose orders are paid is admitted with the documents it was checked against', async () => {
    const { dataset, algorithm, spec } = await payAll(await world.publishDataset());
    await expect(world.ocean.admit(spec, environment)).resolves.toEqual({
      agreementId: spec.datasets[0]!.transferTxId,
      runSeconds: 60,
      payment: null,
      datasets: [
        {
          did: dataset.did,
          folder: dataset.did.slice('did:op:'.length),
          chainId: 8996,
          serviceId: dataset.serviceIds[0],
          transferTxId: spec.datasets[0]!.transferTxId,
          ddo: dataset.ddo,
        },
      ],
      algorithm: expect.objectContaining({ did: algorithm.did, ddo: algorithm.ddo }),
      container,
      algorithmFileDigests: null,
    });
  });

  test('the requested run time is lowered to the environment’s', async () => {
    const { spec } = await payAll(await world.publishDataset());
    const admission = await world.ocean.admit({ ...spec, maxJobDuration: 1e9 }, environment);
    expect(admission.runSeconds).toBe(environment.maxJobDuration);
  });

  test('classic jobs are named after the algorithm’s order', async () => {
    const { spec } = await payAll(await world.publishDataset());
    const admission = await world.ocean.admit({ ...spec, surface: 'classic' }, environment);
    expect(admission.agreementId).toBe(spec.algorithm.transferTxId);
  });

  test('the files of an admitted dataset open with the snapshot alone', async () => {
    const { spec } = await payAll(await world.publishDataset());
    const admission = await world.ocean.admit(spec, environment);
    expect(world.ocean.filesOf(admission.datasets[0]!)).toEqual([expect.objectContaining({ type: 'url', method: 'GET' })]);
  });
});

describe('admit refuses an order', () => {
  let dataset: PublishedAsset;
  beforeAll(async () => {
    dataset = await world.publishDataset();
  });

  test('that is missing', async () => {
    const { spec } = await payAll(dataset);
    const unpaid = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId: null }] };
    await expect(world.ocean.admit(unpaid, environment)).rejects.toEqual(
      refusal('OrderMissing', `Missing transferTxId for DDO ${dataset.did}`),
    );
  });

  test.each([
    ['that the chain does not know', `0x${'12'.repeat(32)}`, /the order transaction is not found$/],
    ['that is no transaction id', 'abc', /it is no transaction id$/],
  ])('%s', async (_name, transferTxId, message) => {
    const { spec } = await payAll(dataset);
    const bad = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId }] };
    await expect(world.ocean.admit(bad, environment)).rejects.toEqual(refusal('OrderInvalid', message));
    await expect(world.ocean.admit(bad, environment)).rejects.toEqual(
      refusal('OrderInvalid', new RegExp(`^TxId Service ${transferTxId} is not valid for DDO ${dataset.did} and service `)),
    );
  });

  test('of another consumer', async () => {
    const { spec } = await payAll(dataset);
    const thief = { ...spec, consumerAddress: world.chain.accounts.otherConsumer.address };
    await expect(world.ocean.admit(thief, environment)).rejects.toEqual(refusal('OrderInvalid', /not the consumer or payer$/));
  });

  test('whose transaction failed', async () => {
    const { spec } = await payAll(dataset);
    const datatoken = loadArtifact('ERC20Template').abi;
    const data = datatoken.encodeFunctionData('mint', [nobody, 1]);
    const sent = await world.chain.accounts.consumer.sendTransaction({ to: dataset.datatokenAddress, data, gasLimit: 200_000n });
    await expect(sent.wait()).rejects.toThrow();
    const bad = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId: sent.hash }] };
    await expect(world.ocean.admit(bad, environment)).rejects.toEqual(refusal('OrderInvalid', /the order transaction failed$/));
  });

  test('that a foreign contract forged, perfect in every field but the address (complaint: orders of a foreign contract)', async () => {
    const { consumer } = world.chain.accounts;
    const { algorithm, spec } = await payAll(dataset);
    const quote = await world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), environment);
    const { providerFeeAddress, providerFeeToken, providerFeeAmount, providerData, v, r, s, validUntil } = feeOf(quote.datasets[0]);
    const abi: Interface = loadArtifact('ERC20Template').abi;
    const now = Math.floor(Date.now() / 1_000);
    const forged = [
      abi.encodeEventLog('OrderStarted', [providerFeeAddress, consumer.address, 10n ** 18n, 0, now, nobody, 1]),
      abi.encodeEventLog('ProviderFee', [providerFeeAddress, providerFeeToken, providerFeeAmount, providerData, v, r, s, validUntil]),
      abi.encodeEventLog('OrderReused', [spec.datasets[0]!.transferTxId, consumer.address, now, 1]),
    ];
    const transferTxId = await forgeLogs(consumer, forged);
    const receipt = await world.chain.provider.getTransactionReceipt(transferTxId);
    expect(receipt?.logs.map((log) => abi.parseLog(log)?.name)).toEqual(['OrderStarted', 'ProviderFee', 'OrderReused']);
    const bad = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId }] };
    await expect(world.ocean.admit(bad, environment)).rejects.toEqual(
      refusal('OrderInvalid', /the transaction holds no order of this datatoken$/),
    );
  });

  test('of another datatoken', async () => {
    const { spec } = await payAll(dataset);
    const other = await payAll(await world.publishDataset());
    const bad = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId: other.spec.datasets[0]!.transferTxId }] };
    await expect(world.ocean.admit(bad, environment)).rejects.toEqual(refusal('OrderInvalid', /no order of this datatoken$/));
  });

  test('made for another environment', async () => {
    const { spec } = await payAll(dataset);
    await expect(world.ocean.admit(spec, anEnvironment({ id: 'large' }))).rejects.toEqual(
      refusal('OrderInvalid', /mismatch between ordered c2d environment and selected one$/),
    );
  });

  test('whose fee another provider signed', async () => {
    const { spec, algorithm } = await payAll(dataset);
    const { consumer, otherConsumer } = world.chain.accounts;
    const quote = await world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), environment);
    const providerFee = signProviderFee(otherConsumer.privateKey, {
      environment: 'small',
      datatokenAddress: dataset.datatokenAddress,
      serviceId: dataset.serviceIds[0]!,
      token: nobody,
      amount: 0n,
      validUntil: 0,
      timestamp: 1,
    });
    const transferTxId = await payFor(world, { ...quote.datasets[0]!, providerFee }, { payer: consumer });
    const bad = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId }] };
    await expect(world.ocean.admit(bad, environment)).rejects.toEqual(refusal('OrderInvalid', /for another provider$/));
  });

  test('that has expired, also when it is reused afterwards: a reuse pays fees, it buys no time', async () => {
    const short = await world.publishDataset({ timeout: 600 });
    const { spec, algorithm } = await payAll(short);
    const orderTxId = spec.datasets[0]!.transferTxId!;
    await expect(world.ocean.admit(spec, environment)).resolves.toBeDefined();
    await world.chain.advance(900);
    await expect(world.ocean.admit(spec, environment)).rejects.toEqual(refusal('OrderInvalid', /the order has expired$/));
    const asked = quoteOf(aJob(world, { dataset: short, algorithm, datasetTx: orderTxId }));
    const quote = await world.ocean.quote(asked, environment);
    expect(quote.datasets[0]).toMatchObject({ validOrder: false, providerFee: expect.anything() });
    const providerFee = feeOf(quote.datasets[0]);
    const reused = await reuseOrder(world.chain.accounts.consumer, { datatokenAddress: short.datatokenAddress, orderTxId, providerFee });
    const again = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId: reused }] };
    await expect(world.ocean.admit(again, environment)).rejects.toEqual(refusal('OrderInvalid', /the order has expired$/));
  });

  test('for another service of the same asset and datatoken', async () => {
    const file = { type: 'url', url: world.files.serve('x') };
    const two = await world.publish({
      type: 'dataset',
      services: [
        { type: 'compute', timeout: 3_600, compute: trustAll, files: [file] },
        { type: 'compute', timeout: 3_600, compute: trustAll, files: [file] },
      ],
    });
    const { spec } = await payAll(two);
    const other = { ...spec, datasets: [{ ...spec.datasets[0]!, serviceId: two.serviceIds[1]! }] };
    await expect(world.ocean.admit(other, environment)).rejects.toEqual(refusal('OrderInvalid', /the order is for another service$/));
  });
});

describe('admit and reused orders', () => {
  test('an order that its payer reused with a new fee is good', async () => {
    const { dataset, algorithm, spec } = await payAll(await world.publishDataset());
    const orderTxId = spec.datasets[0]!.transferTxId!;
    const large = anEnvironment({ id: 'large' });
    const asked = aJob(world, { dataset, algorithm, datasetTx: orderTxId, algorithmTx: spec.algorithm.transferTxId });
    const quote = await world.ocean.quote(quoteOf(asked), large);
    expect(quote.datasets[0]).toMatchObject({ validOrder: orderTxId, providerFee: expect.anything() });
    const { consumer } = world.chain.accounts;
    const reuse = async (quoted: (typeof quote)['algorithm'], id: string): Promise<string> =>
      reuseOrder(consumer, { datatokenAddress: quoted!.datatoken, orderTxId: id, providerFee: feeOf(quoted) });
    const datasetTx = await reuse(quote.datasets[0]!, orderTxId);
    const algorithmTx = await reuse(quote.algorithm, spec.algorithm.transferTxId!);
    const paid = aJob(world, { dataset, algorithm, datasetTx, algorithmTx });
    await expect(world.ocean.admit(paid, large)).resolves.toMatchObject({ agreementId: datasetTx });
  });

  test('a stranger who reuses somebody else’s order gains nothing', async () => {
    const { dataset, algorithm, spec } = await payAll(await world.publishDataset());
    const { otherConsumer } = world.chain.accounts;
    const orderTxId = spec.datasets[0]!.transferTxId!;
    const own = await payAll(await world.publishDataset(), otherConsumer);
    const quote = await world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), environment);
    const providerFee = feeOf(quote.datasets[0]);
    const transferTxId = await reuseOrder(otherConsumer, { datatokenAddress: dataset.datatokenAddress, orderTxId, providerFee });
    const datasets = [aDatasetRequest({ documentId: dataset.did, serviceId: dataset.serviceIds[0]!, transferTxId })];
    await expect(world.ocean.admit({ ...own.spec, datasets }, environment)).rejects.toEqual(
      refusal('OrderInvalid', /not the consumer or payer$/),
    );
    // and the owner gains nothing from a reuse that a stranger made
    const theirs = { ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId }] };
    await expect(world.ocean.admit(theirs, environment)).rejects.toEqual(refusal('OrderInvalid', /reused by somebody else$/));
  });

  test('a reuse of a reuse is refused: one step, no chain of references', async () => {
    const { dataset, algorithm, spec } = await payAll(await world.publishDataset());
    const { consumer } = world.chain.accounts;
    const quote = await world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), environment);
    const reuse = (orderTxId: string): Promise<string> =>
      reuseOrder(consumer, { datatokenAddress: dataset.datatokenAddress, orderTxId, providerFee: feeOf(quote.datasets[0]) });
    const first = await reuse(spec.datasets[0]!.transferTxId!);
    const admitWith = (transferTxId: string) =>
      world.ocean.admit({ ...spec, datasets: [{ ...spec.datasets[0]!, transferTxId }] }, environment);
    await expect(admitWith(first)).resolves.toBeDefined();
    await expect(admitWith(await reuse(first))).rejects.toEqual(refusal('OrderInvalid', /no order of this datatoken$/));
    await expect(admitWith(await reuse(`0x${'34'.repeat(32)}`))).rejects.toEqual(refusal('OrderInvalid', /is not found$/));
  });
});

describe('admit and orders of several services in one transaction', () => {
  const orderBoth = async (payer: HDNodeWallet) => {
    const [dataset, algorithm] = [await world.publishDataset(), await world.publishAlgorithm()];
    const quote = await world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), environment);
    const quoted = [quote.datasets[0]!, quote.algorithm!];
    for (const { datatoken } of quoted) {
      await mintDatatokens(world.chain.accounts.publisher, { datatokenAddress: datatoken, to: payer.address });
    }
    const tx = await startOrders(
      payer,
      world.chain,
      quoted.map((one) => ({
        ...{ datatokenAddress: one.datatoken, consumer: one.consumerAddress, serviceIndex: 0, providerFee: feeOf(one) },
      })),
    );
    return aJob(world, { dataset, algorithm, datasetTx: tx, algorithmTx: tx });
  };

  test('are good for the sender of the transaction, though the factory is the payer', async () => {
    await expect(world.ocean.admit(await orderBoth(world.chain.accounts.consumer), environment)).resolves.toBeDefined();
  });

  test('are good for nobody else', async () => {
    await expect(world.ocean.admit(await orderBoth(world.chain.accounts.otherConsumer), environment)).rejects.toEqual(
      refusal('OrderInvalid', /not the consumer or payer$/),
    );
  });
});

describe('admit and trust', () => {
  const free = (dataset: PublishedAsset, algorithm: PublishedAsset | null) => aJob(world, { dataset, algorithm, isFree: true });
  const code = 'console.log("trusted")';
  const trusted = (did: string, over: Readonly<Record<string, unknown>> = {}) => ({
    publisherTrustedAlgorithms: [
      { did, filesChecksum: sha256Hex(code), containerSectionChecksum: containerSectionChecksum(container), ...over },
    ],
  });

  test('free jobs need no order', async () => {
    const spec = free(await world.publishDataset(), await world.publishAlgorithm());
    await expect(world.ocean.admit(spec, environment)).resolves.toMatchObject({ agreementId: '', runSeconds: 60 });
  });

  test('free jobs obey the trusted lists like any other (complaint: free jobs skip the trust rules)', async () => {
    const [dataset, algorithm] = [await world.publishDataset({ compute: {} }), await world.publishAlgorithm()];
    await expect(world.ocean.admit(free(dataset, algorithm), environment)).rejects.toEqual(
      refusal('AlgorithmNotTrusted', `Algorithm ${algorithm.did} not allowed to run on the dataset: ${dataset.did}`),
    );
  });

  test('raw code runs only where the dataset allows it', async () => {
    const closed = free(await world.publishDataset(), null);
    await expect(world.ocean.admit(closed, environment)).rejects.toEqual(refusal('RawAlgorithmNotAllowed'));
    const open = free(await world.publishDataset({ compute: { allowRawAlgorithm: true } }), null);
    await expect(world.ocean.admit(open, environment)).resolves.toMatchObject({ algorithm: null, container });
  });

  test('a pinned algorithm is admitted with the digests of its files', async () => {
    const algorithm = await world.publishAlgorithm(code);
    const dataset = await world.publishDataset({ compute: trusted(algorithm.did) });
    const admission = await world.ocean.admit(free(dataset, algorithm), environment);
    expect(admission.algorithmFileDigests).toEqual([sha256Hex(code)]);
  });

  test.each([
    ['files', { filesChecksum: 'ab' }, /the checksum of its files is not the trusted one$/],
    ['container', { containerSectionChecksum: 'ab' }, /the checksum of its container section is not the trusted one$/],
  ])('an algorithm whose %s differ from the pinned ones is refused', async (_name, over, message) => {
    const algorithm = await world.publishAlgorithm(code);
    const dataset = await world.publishDataset({ compute: trusted(algorithm.did, over) });
    await expect(world.ocean.admit(free(dataset, algorithm), environment)).rejects.toEqual(refusal('AlgorithmNotTrusted', message));
  });

  test('a pinned algorithm whose file is gone is refused without its address', async () => {
    const gone = world.files.serve((_req, res) => void res.writeHead(404).end());
    const algorithm = await world.publish({
      type: 'algorithm',
      algorithm: { container },
      services: [{ type: 'access', files: [{ type: 'url', url: gone }] }],
    });
    const dataset = await world.publishDataset({ compute: trusted(algorithm.did) });
    await expect(world.ocean.admit(free(dataset, algorithm), environment)).rejects.toEqual(
      refusal(
        'AlgorithmUnavailable',
        `Failed to retrieve algorithm checksums. Both container and files checksums are required. (the files of algorithm ${algorithm.did} cannot be checked: the data source answered with status 404)`,
      ),
    );
  });

  test('a dataset passed off as an algorithm is refused', async () => {
    const dataset = await world.publishDataset();
    await expect(world.ocean.admit(free(dataset, await world.publishDataset()), environment)).rejects.toEqual(
      refusal('RequestInvalid', /is not a valid algorithm$/),
    );
  });
});

describe('admit and assets', () => {
  let algorithm: PublishedAsset;
  beforeAll(async () => {
    algorithm = await world.publishAlgorithm();
  });
  const free = (dataset: PublishedAsset, over: Omit<Partial<JobSpec>, 'algorithm'> = {}) =>
    aJob(world, { dataset, algorithm, isFree: true, ...over });

  test.each([
    [1, 'it has reached its end of life'],
    [2, 'it is deprecated'],
    [3, 'it is revoked'],
    [4, 'ordering is temporarily disabled'],
  ])('an asset in state %d is refused', async (state, reason) => {
    const dataset = await world.publishDataset();
    await setAssetState(world.chain.accounts.publisher, dataset.nftAddress, state);
    await expect(world.ocean.admit(free(dataset), environment)).rejects.toEqual(
      refusal('AssetNotConsumable', `Asset ${dataset.did} is not consumable: ${reason}`),
    );
  });

  test('an unlisted asset is admitted', async () => {
    const dataset = await world.publishDataset();
    await setAssetState(world.chain.accounts.publisher, dataset.nftAddress, 5);
    await expect(world.ocean.admit(free(dataset), environment)).resolves.toBeDefined();
  });

  test('a consumer whom the asset or the service denies is refused', async () => {
    const { consumer, otherConsumer } = world.chain.accounts;
    const deny = { deny: [{ type: 'address', values: [consumer.address.toLowerCase()] }] };
    const denied = await world.publishDataset({ credentials: deny });
    await expect(world.ocean.admit(free(denied), environment)).rejects.toEqual(
      refusal('AccessDenied', `Error: Access to asset ${denied.did} was denied`),
    );
    await expect(world.ocean.admit(free(denied, { consumerAddress: otherConsumer.address }), environment)).resolves.toBeDefined();
    const file = { type: 'url', url: world.files.serve('x') };
    const closed = await world.publish({
      type: 'dataset',
      services: [{ type: 'compute', compute: trustAll, files: [file], credentials: deny }],
    });
    await expect(world.ocean.admit(free(closed), environment)).rejects.toEqual(
      refusal('AccessDenied', `Error: Access to service with id ${closed.serviceIds[0]} was denied`),
    );
  });

  test('an access list contract decides over members and strangers', async () => {
    const { consumer, otherConsumer, publisher } = world.chain.accounts;
    const { abi } = loadArtifact('AccessListFactory');
    const data = abi.encodeFunctionData('deployAccessListContract', ['L', 'L', false, publisher.address, [consumer.address], ['x']]);
    const receipt = await (await publisher.sendTransaction({ to: world.chain.contracts.accessListFactory, data })).wait();
    const list = receipt!.logs.map((log) => abi.parseLog(log)).find((event) => event?.name === 'NewAccessList')!.args[0] as string;
    const dataset = await world.publishDataset({ credentials: { allow: [{ type: 'accessList', chainId: 8996, accessList: list }] } });
    await expect(world.ocean.admit(free(dataset), environment)).resolves.toBeDefined();
    const stranger = free(dataset, { consumerAddress: otherConsumer.address });
    await expect(world.ocean.admit(stranger, environment)).rejects.toEqual(refusal('AccessDenied'));
    const closed = anEnvironment({ free: { access: { accessLists: [{ 8996: [list] }] } } });
    await expect(world.ocean.admit(free(await world.publishDataset()), closed)).resolves.toBeDefined();
    await expect(world.ocean.admit(free(await world.publishDataset(), { consumerAddress: otherConsumer.address }), closed)).rejects.toEqual(
      refusal('AccessDenied', 'Access denied'),
    );
  });

  test('an unknown DID and an unknown service are named', async () => {
    const dataset = await world.publishDataset();
    const did = `did:op:${'0'.repeat(64)}`;
    await expect(world.ocean.admit(free({ ...dataset, did }), environment)).rejects.toEqual(
      refusal('AssetNotFound', `DDO ${did} not found`),
    );
    await expect(world.ocean.admit(aJob(world, { dataset, algorithm, isFree: true, serviceId: 'x' }), environment)).rejects.toEqual(
      refusal('ServiceNotFound', `Cannot find service x in DDO ${dataset.did}`),
    );
  });

  test('files encrypted for another provider are refused', async () => {
    const foreign = await world.publish(
      { type: 'dataset', services: [{ type: 'compute', compute: trustAll, files: [{ type: 'url', url: 'http://127.0.0.1' }] }] },
      { publicKey: publicKeyOf(world.chain.accounts.otherConsumer.privateKey) },
    );
    await expect(world.ocean.admit(free(foreign), environment)).rejects.toEqual(
      refusal('FilesNotOurs', `Service ${foreign.serviceIds[0]} from DDO ${foreign.did} cannot be used in compute on this provider`),
    );
  });

  test('a bare file object is taken only where the environment permits it', async () => {
    const dataset = await world.publishDataset();
    const fileObject = { type: 'url', url: 'http://127.0.0.1/x' };
    const bare = { ...free(dataset), datasets: [aDatasetRequest({ documentId: null, serviceId: null, transferTxId: null, fileObject })] };
    await expect(world.ocean.admit(bare, environment)).rejects.toEqual(refusal('RequestInvalid', /no bare file objects$/));
    const open = anEnvironment({ allowFileObjects: true });
    await expect(world.ocean.admit(bare, open)).resolves.toMatchObject({ datasets: [{ did: null, folder: 'raw-0', ddo: null }] });
  });

  test('an environment without free jobs refuses them', async () => {
    const paidOnly = anEnvironment({ free: undefined });
    await expect(world.ocean.admit(free(await world.publishDataset()), paidOnly)).rejects.toEqual(
      refusal('RequestInvalid', 'This env does not support free jobs'),
    );
  });
});

describe('quote', () => {
  test('a good order with a good fee needs no new fee; payment names the escrow and asks for nothing', async () => {
    const { dataset, algorithm, spec } = await payAll(await world.publishDataset());
    const token = world.chain.contracts.ocean;
    const request = quoteOf(spec, { payment: { chainId: 8996, token, resources: { cpu: 1 } }, queueMaxWaitTime: 10 });
    await expect(world.ocean.quote(request, environment)).resolves.toEqual({
      datasets: [
        {
          datatoken: dataset.datatokenAddress,
          chainId: 8996,
          did: dataset.did,
          serviceId: dataset.serviceIds[0],
          validOrder: spec.datasets[0]!.transferTxId,
          consumerAddress: world.ocean.providerAddress,
        },
      ],
      algorithm: expect.objectContaining({ did: algorithm.did, validOrder: spec.algorithm.transferTxId }),
      payment: {
        escrowAddress: world.chain.contracts.escrow,
        payee: world.ocean.providerAddress,
        chainId: 8996,
        // run and queue, every phase at its longest, and an hour to claim
        minLockSeconds: 60 + 10 + 900 + 3_600 + 10 + 7_200 + 3_600,
        token,
        amount: '0',
      },
    });
  });

  test('a classic request that wants longer than the fee lasts gets a new fee for the same order', async () => {
    const { spec } = await payAll(await world.publishDataset());
    const validUntil = Math.floor(Date.now() / 1_000) + 1_000_000;
    const quote = await world.ocean.quote(quoteOf(spec, { surface: 'classic', validUntil }), environment);
    expect(quote.datasets[0]).toMatchObject({
      validOrder: spec.datasets[0]!.transferTxId,
      providerFee: { validUntil, providerFeeAmount: '0' },
    });
  });

  test('a chain without escrow cannot take payments', async () => {
    const { spec } = await payAll(await world.publishDataset());
    const payment = { chainId: 1, token: world.chain.contracts.ocean, resources: {} };
    await expect(world.ocean.quote(quoteOf(spec, { payment }), environment)).rejects.toEqual(
      refusal('RequestInvalid', 'Cannot handle payments on chainId: 1'),
    );
  });

  test('what a start would refuse is refused before anybody pays', async () => {
    const [dataset, algorithm] = [await world.publishDataset({ compute: {} }), await world.publishAlgorithm()];
    await expect(world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), environment)).rejects.toEqual(
      refusal('AlgorithmNotTrusted'),
    );
  });
});
