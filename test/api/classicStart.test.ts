import { SigningKey, Wallet, type HDNodeWallet } from 'ethers';
import { createClassicApp } from '../../api/classic/app.ts';
import { publicKeyOf } from '../../infra/ocean/ecies.ts';
import { containerSectionChecksum, sha256Hex } from '../../infra/ocean/ids.ts';
import { isProviderFeeSigned, parseProviderData } from '../../infra/ocean/providerFees.ts';
import { loadArtifact } from '../../infra/toolchain/chain/artifacts.ts';
import { mintDatatokens, reuseOrder, startOrder, type OrderFee } from '../../infra/toolchain/chain/orders.ts';
import { setAssetState, setDocument, type AssetTemplate, type PublishedAsset } from '../../infra/toolchain/chain/publishAsset.ts';
import { send } from '../../infra/toolchain/chain/send.ts';
import { aDid, aTransaction } from '../support/builders.ts';
import { container, trustAll } from '../infra/ocean/support/world.ts';
import { fieldErrors, refused, sendClassic, signText, startClassicWorld, type ClassicWorld } from './support/classicWorld.ts';

let classic: ClassicWorld;
let consumer: HDNodeWallet;

/** What a client puts into a request for an asset. */
interface Named {
  readonly documentId: string;
  readonly serviceId: string;
  readonly transferTxId?: string;
}

interface Item {
  readonly datatoken?: string;
  readonly providerFee?: OrderFee;
  readonly validOrder?: string;
}

interface Quote {
  readonly datasets: readonly Item[];
  readonly algorithm?: Item;
}

const compute = '/api/services/compute';
const initialize = '/api/services/initializeCompute';
const raw = { meta: { rawcode: 'console.log(1)', container } };
const anyRaw = { allowRawAlgorithm: true, publisherTrustedAlgorithms: ['*'] };

const nameAsset = (asset: PublishedAsset, transferTxId?: string): Named => ({
  documentId: asset.did,
  serviceId: asset.serviceIds[0]!,
  ...(transferTxId !== undefined && { transferTxId }),
});
const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;
const publish = (over: Partial<AssetTemplate> & { compute?: unknown; timeout?: number } = {}) => classic.world.publishDataset(over);
const publishAlgorithm = (over: Partial<AssetTemplate> = {}, publicKey?: string) =>
  classic.world.publish(
    {
      type: 'algorithm',
      algorithm: { language: 'js', version: '1', container },
      services: [{ type: 'access', files: [{ type: 'url', url: classic.world.files.serve('console.log(1)'), method: 'GET' }] }],
      ...over,
    },
    publicKey === undefined ? {} : { publicKey },
  );

const quote = (body: object) =>
  sendClassic(classic.app, 'post', initialize, {
    compute: { env: 'small', validUntil: inSeconds(3_000) },
    consumerAddress: consumer.address,
    ...body,
  });

/** Orders one item as clients do. @returns the transaction */
const pay = async ({ datatoken, providerFee }: Item, payer = consumer): Promise<string> => {
  const { chain, ocean } = classic.world;
  await mintDatatokens(chain.accounts.publisher, { datatokenAddress: datatoken!, to: payer.address });
  const amount = BigInt(providerFee!.providerFeeAmount);
  const token = { to: chain.contracts.ocean, abi: loadArtifact('MockERC20Decimals').abi };
  if (amount > 0n) {
    await send(chain.accounts.deployer, { ...token, method: 'transfer' }, payer.address, amount);
    await send(payer, { ...token, method: 'approve' }, datatoken, amount);
  }
  return startOrder(payer, { datatokenAddress: datatoken!, consumer: ocean.providerAddress, serviceIndex: 0, providerFee: providerFee! });
};

let lastNonce = 100;
/** A start as ocean.js sends it. */
const signedStart = (dataset: object, over: object = {}, wallet: HDNodeWallet | Wallet = consumer) => {
  const nonce = String((lastNonce += 1));
  const { documentId = '' } = dataset as Partial<Named>;
  const signature = signText(wallet, `${wallet.address}${documentId}${nonce}`);
  return { consumerAddress: wallet.address, signature, nonce, environment: 'small', dataset, ...over };
};
const start = (body: object, headers = {}) => sendClassic(classic.app, 'post', compute, body, headers);
const coded = (resource: string, code: string): [number, unknown] => [400, { error: { [resource]: code } }];

interface Ordered {
  readonly dataset: Named;
  readonly algorithm: Named;
}

/** A dataset and an algorithm, published and ordered. */
const orderPair = async (dataset?: PublishedAsset, env = 'small', seconds = 3_000): Promise<Ordered & { readonly answer: Quote }> => {
  const assets = [dataset ?? (await publish()), await publishAlgorithm()] as const;
  const [named, algorithm] = assets.map((asset) => nameAsset(asset));
  const answer = (await quote({ datasets: [named], algorithm, compute: { env, validUntil: inSeconds(seconds) } })).body as Quote;
  const datasetTx = await pay(answer.datasets[0]!);
  const algorithmTx = await pay(answer.algorithm!);
  return { dataset: nameAsset(assets[0], datasetTx), algorithm: nameAsset(assets[1], algorithmTx), answer };
};

/** Ends a job, so that its agreement is free again. */
const end = async (jobId: string): Promise<void> => {
  const reason = 'ended by the test';
  const outcome = { status: 70, reason, exitCode: 0, oomKilled: false };
  await classic.opened.ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason, end: outcome });
};

let good: Ordered;
/** takes raw algorithms; ordered */
let rawDataset: Named;

beforeAll(async () => {
  classic = await startClassicWorld();
  consumer = classic.world.chain.accounts.consumer;
  good = await orderPair();
  const dataset = await publish({ compute: anyRaw });
  const { body } = await quote({ datasets: [nameAsset(dataset)], algorithm: raw });
  rawDataset = nameAsset(dataset, await pay((body as Quote).datasets[0]!));
}, 60_000);
afterAll(() => classic.close());

describe('a start', () => {
  test('of a published algorithm answers the job, on the agreement of the algorithm', async () => {
    const { status, body } = await start(signedStart(good.dataset, { algorithm: good.algorithm }));
    expect([status, body]).toMatchObject([
      200,
      [
        {
          ...{ owner: consumer.address, status: 1, statusText: 'Warming up', results: '', stopreq: 0, dateFinished: null },
          ...{ agreementId: good.algorithm.transferTxId, algoDID: good.algorithm.documentId, inputDID: [good.dataset.documentId] },
        },
      ],
    ]);
    expect(body[0].jobId).toMatch(/^[0-9a-f]{32}$/);
    expect(await classic.opened.ledger.readJob(body[0].jobId as string)).toMatchObject({ maxJobDuration: 1_200, surface: 'classic' });
    await end(body[0].jobId as string);
  });

  test('of raw code is on the agreement of the dataset, and one order serves many jobs, one after another', async () => {
    const body = () => signedStart(rawDataset, { algorithm: raw });
    const first = await start(body());
    expect(first.body).toMatchObject([{ agreementId: rawDataset.transferTxId, algoDID: '' }]);
    expect(refused(await start(body()))).toEqual([400, { error: '`agreementId` already in use for other job.' }]);
    await end(first.body[0].jobId as string);
    const again = await start(body());
    expect(again.status).toBe(200);
    await end(again.body[0].jobId as string);
  });

  test('that is repeated gets the same job, also after it has ended, and its nonce is good for nothing else', async () => {
    const body = signedStart(rawDataset, { algorithm: raw });
    const first = await start(body);
    const [{ jobId }] = first.body as [{ jobId: string }];
    expect((await start(body)).body).toMatchObject([{ jobId }]);
    await end(jobId);
    expect((await start(body)).body).toMatchObject([{ jobId, status: 70 }]);
    expect(refused(await start({ ...body, more: 1 }))).toEqual(
      fieldErrors({ signature: `Invalid signature expected nonce (${body.nonce}) > current nonce (${body.nonce}).` }),
    );
  });

  test('as ocean.py sends it: a number as nonce, an empty list of inputs under its own name, a signature that ends in 00 or 01', async () => {
    const { nonce, signature, ...body } = signedStart(rawDataset, { algorithm: raw, additionalInputs: [] });
    const { status, body: jobs } = await start({ ...body, nonce: Number(nonce), signature: signature.replace(/1b$/, '00').replace(/1c$/, '01') });
    expect(status).toBe(200);
    await end(jobs[0].jobId as string);
  }); // prettier-ignore

  test('is judged by the nonce before everything else', async () => {
    const nonce = '5';
    const documentId = aDid();
    const signature = signText(consumer, `${consumer.address}${documentId}${nonce}`);
    const dataset = { documentId, serviceId: '0', transferTxId: aTransaction() };
    const body = { consumerAddress: consumer.address, signature, nonce, environment: 'none', dataset, algorithm: raw };
    expect(refused(await start(body))).toEqual(
      fieldErrors({ signature: `Invalid signature expected nonce (${lastNonce}) > current nonce (5).` }),
    );
  });

  test("uses nobody else's order", async () => {
    const stranger = classic.world.chain.accounts.otherConsumer;
    expect(refused(await start(signedStart(rawDataset, { algorithm: raw }, stranger)))).toEqual(
      coded('dataset.serviceId', 'order_invalid'),
    );
  });

  test('needs its fields', async () => {
    expect(refused(await start({}))).toEqual(
      fieldErrors({
        'dataset.documentId': ['The dataset.documentId field is required.'],
        'dataset.serviceId': ['The dataset.serviceId field is required.'],
        'dataset.transferTxId': ['The dataset.transferTxId field is required.'],
        'algorithm.documentId': ['The algorithm.documentId field is required when algorithm.meta is not present.'],
        'algorithm.meta': ['The algorithm.meta field is required when algorithm.documentId is not present.'],
        consumerAddress: ['The consumerAddress field is required.'],
        nonce: ['The nonce field is required.'],
      }),
    );
  });

  test.each([undefined, 'nowhere', 7])('in the environment %p is refused', async (environment) => {
    expect(refused(await start(signedStart(rawDataset, { algorithm: raw, environment })))).toEqual([
      400,
      { error: 'Environment invalid or does not exist' },
    ]);
  });

  test('in an environment for others is denied', async () => {
    expect(refused(await start(signedStart(rawDataset, { algorithm: raw, environment: 'private' })))).toEqual([
      403,
      { error: 'Access denied' },
    ]);
  });

  test('in an environment that is withdrawn may be asked for again, with the same request', async () => {
    const body = signedStart(rawDataset, { algorithm: raw });
    const app = createClassicApp({ ...classic.deps, withdrawals: async () => new Map([['small', 'a breach']]) });
    const response = await sendClassic(app, 'post', compute, body);
    expect([response.status, response.headers['retry-after']]).toEqual([503, '60']);
    expect(response.text).not.toContain('a breach');
    const { status, body: jobs } = await start(body);
    expect(status).toBe(200);
    await end(jobs[0].jobId as string);
  });
});

/** Changes the document of an asset as its publisher. */
const rewrite = async (asset: PublishedAsset, change: (ddo: Record<string, unknown>) => unknown): Promise<PublishedAsset> => {
  const { publisher, provider } = classic.world.chain.accounts;
  const ddo = change(structuredClone(asset.ddo));
  await setDocument({ signer: publisher, providerPublicKey: publicKeyOf(provider.privateKey), providerUrl: 'http://x' }, { nftAddress: asset.nftAddress, ddo });
  return asset;
}; // prettier-ignore

const stranger = (): string => publicKeyOf(new SigningKey(Wallet.createRandom().privateKey).privateKey);

const credentials = (list: 'allow' | 'deny') => ({
  allow: [],
  deny: [],
  [list]: [{ type: 'address', values: [list === 'deny' ? consumer.address : classic.world.chain.accounts.publisher.address] }],
});

const entry = (over: object) => ({ did: '*', filesChecksum: '*', containerSectionChecksum: '*', ...over });

describe('the checks of a start, in their order', () => {
  /** An algorithm that nobody ordered: what is checked before its order. */
  const unordered = async (asset: PublishedAsset) => nameAsset(asset, aTransaction());
  const withAlgorithm = async (algorithm: object) => refused(await start(signedStart(good.dataset, { algorithm })));
  const withDataset = async (asset: PublishedAsset, over: object = {}) =>
    refused(await start(signedStart({ ...(await unordered(asset)), ...over }, { algorithm: good.algorithm })));

  test('1: additional datasets are a list', async () => {
    for (const additionalDatasets of ['text', { documentId: aDid() }, 7])
      expect(refused(await start(signedStart(good.dataset, { algorithm: good.algorithm, additionalDatasets })))).toEqual(
        coded('additional_input', 'invalid'),
      );
  });

  test('2: there is an algorithm', async () => {
    expect(await withAlgorithm({ meta: {} })).toEqual(coded('algorithm', 'missing_meta_documentId'));
  });

  test('3: its document can be used, and somebody knows it', async () => {
    const broken = await rewrite(await publishAlgorithm(), ({ services: _services, ...ddo }) => ddo);
    expect(await withAlgorithm(await unordered(broken))).toEqual(coded('algorithm', 'file_unavailable'));
    expect(await withAlgorithm({ documentId: aDid(), serviceId: '0' })).toEqual(coded('algorithm', 'did_not_found'));
    expect(await withAlgorithm({ documentId: 'no did', serviceId: '0' })).toEqual(coded('algorithm', 'did_not_found'));
  });

  test('4: it is an algorithm', async () => {
    expect(await withAlgorithm(good.dataset)).toEqual(coded('algorithm', 'not_algo'));
  });

  test('5: its service is named', async () => {
    expect(await withAlgorithm({ documentId: good.algorithm.documentId })).toEqual(coded('algorithm.serviceId', 'missing'));
  });

  test('6: its files can be read', async () => {
    const gone = await publishAlgorithm({ services: [{ type: 'access', files: [{ type: 'url', url: `${classic.world.files.serve('x')}999` }] }] });
    const down = await publishAlgorithm({ services: [{ type: 'access', files: [{ type: 'url', url: 'http://127.0.0.1:9/' }] }] });
    const foreign = await publishAlgorithm({}, stranger());
    for (const asset of [gone, down, foreign]) expect(await withAlgorithm(await unordered(asset))).toEqual(coded('algorithm', 'file_unavailable'));
    expect(await withAlgorithm({ ...good.algorithm, serviceId: 'none' })).toEqual(coded('algorithm', 'file_unavailable'));
  }, 60_000); // prettier-ignore

  test('7: the consumer may have it', async () => {
    const asset = await publishAlgorithm({ credentials: credentials('deny') });
    const text = `Error: Access to asset ${asset.did} was denied with code: ConsumableCodes.CREDENTIAL_IN_DENY_LIST.`;
    expect(await withAlgorithm(await unordered(asset))).toEqual(coded('algorithm.credentials', text));
  });

  test.each(['documentId', 'transferTxId', 'serviceId'] as const)('8: another dataset has its %s', async (key) => {
    const { [key]: _missing, ...other } = good.dataset;
    const additionalDatasets = [other];
    expect(refused(await start(signedStart(good.dataset, { algorithm: good.algorithm, additionalDatasets })))).toEqual(
      coded(`datasets[1].${key}`, 'missing'),
    );
  });

  test('9: a dataset is known', async () => {
    const dataset = { documentId: aDid(), serviceId: '0', transferTxId: aTransaction() };
    expect(refused(await start(signedStart(dataset, { algorithm: good.algorithm })))).toEqual(coded('dataset.documentId', 'did_not_found'));
  });

  test('10: so is its service', async () => {
    expect(await withDataset(await publish(), { serviceId: 0 })).toEqual(coded('dataset.serviceId', 'not_found'));
  });

  test('11: it may be consumed, by its state and by the consumer', async () => {
    const ended = await publish();
    await setAssetState(classic.world.chain.accounts.publisher, ended.nftAddress, 1);
    expect(await withDataset(ended)).toEqual(coded('dataset', 'Asset is not consumable.'));
    const malformed = await rewrite(await publish(), ({ services: _services, ...ddo }) => ddo);
    expect(await withDataset(malformed)).toEqual(coded('dataset', 'Asset malformed or disabled.'));
    const denial = (did: string, code: string) => `Error: Access to asset ${did} was denied with code: ConsumableCodes.${code}.`;
    const disabled = await rewrite(await publish(), (ddo) => ({ ...ddo, nft: { state: 3 } }));
    expect(await withDataset(disabled)).toEqual(coded('dataset', denial(disabled.did, 'ASSET_DISABLED')));
    const denied = await publish({ credentials: credentials('deny') });
    expect(await withDataset(denied)).toEqual(coded('dataset', denial(denied.did, 'CREDENTIAL_IN_DENY_LIST')));
    const unlisted = await publish({ credentials: credentials('allow') });
    expect(await withDataset(unlisted)).toEqual(coded('dataset', denial(unlisted.did, 'CREDENTIAL_NOT_IN_ALLOW_LIST')));
  });

  test('12 and 13: its service is for compute; of other datasets it may be for access', async () => {
    const withService = (type: string) =>
      publish({ services: [{ type: type as 'access', files: [{ type: 'url', url: classic.world.files.serve('x') }] }] });
    expect(await withDataset(await withService('wss'))).toEqual(coded('dataset.serviceId', 'service_not_access_compute'));
    const access = await withService('access');
    expect(await withDataset(access)).toEqual(coded('dataset.serviceId', 'main_service_compute'));
    const additionalDatasets = [await unordered(access)];
    // the next row that can fail is the order's
    expect(refused(await start(signedStart(good.dataset, { algorithm: good.algorithm, additionalDatasets })))).toEqual(
      coded('datasets[1].serviceId', 'order_invalid'),
    );
  });

  test('14: its files are ours', async () => {
    const foreign = await classic.world.publish(
      { type: 'dataset', services: [{ type: 'compute', compute: trustAll, files: [{ type: 'url', url: 'http://x' }] }] },
      { publicKey: stranger() },
    );
    expect(await withDataset(foreign)).toEqual(coded('dataset.serviceId', 'compute_services_not_in_same_provider'));
  });

  test('15: it takes raw code', async () => {
    expect(refused(await start(signedStart(good.dataset, { algorithm: raw })))).toEqual(coded('dataset', 'no_raw_algo_allowed'));
  });

  test('16 and 17: it trusts the algorithm, its publisher and both checksums', async () => {
    const checksums = {
      filesChecksum: sha256Hex('console.log(1)'),
      containerSectionChecksum: containerSectionChecksum(container),
    };
    const trusting = (rules: object) => publish({ compute: { allowRawAlgorithm: false, ...rules } });
    const cases: [object, string][] = [
      [{}, 'not_trusted_algo'],
      [{ publisherTrustedAlgorithms: [entry({ did: aDid() })] }, 'not_trusted_algo'],
      [{ publisherTrustedAlgorithmPublishers: [consumer.address] }, 'not_trusted_algo_publisher'],
      [{ publisherTrustedAlgorithms: ['nonsense'] }, 'no_publisherTrustedAlgorithms'],
      [{ publisherTrustedAlgorithms: [entry({ ...checksums, filesChecksum: 'ab' })] }, 'algorithm_file_checksum_mismatch'],
      [{ publisherTrustedAlgorithms: [entry({ ...checksums, containerSectionChecksum: 'ab' })] }, 'algorithm_container_checksum_mismatch'],
      [{ publisherTrustedAlgorithms: [entry({ ...checksums, did: good.algorithm.documentId })] }, 'passes'],
    ];
    for (const [rules, code] of cases) {
      const outcome = code === 'passes' ? coded('dataset.serviceId', 'order_invalid') : coded('dataset', code);
      expect([rules, await withDataset(await trusting(rules))]).toEqual([rules, outcome]);
    }
  }, 60_000);

  test('18: it was ordered', async () => {
    for (const transferTxId of [aTransaction(), 'nonsense', good.algorithm.transferTxId])
      expect(refused(await start(signedStart({ ...good.dataset, transferTxId }, { algorithm: good.algorithm })))).toEqual(
        coded('dataset.serviceId', 'order_invalid'),
      );
  });

  test("19: the algorithm's compute service is ours", async () => {
    const files = [{ type: 'url', url: 'http://x' }];
    const foreign = await publishAlgorithm({ services: [{ type: 'compute', compute: trustAll, files }] }, stranger());
    expect(await withAlgorithm(await unordered(foreign))).toEqual(coded('algorithm', 'compute_services_not_in_same_provider'));
  });

  test('20: the algorithm was ordered', async () => {
    const { transferTxId: _missing, ...algorithm } = good.algorithm;
    for (const named of [
      algorithm,
      { ...algorithm, transferTxId: aTransaction() },
      { ...algorithm, transferTxId: good.dataset.transferTxId },
    ])
      expect(await withAlgorithm(named)).toEqual(coded('algorithm', 'in_use_or_not_on_chain'));
  });

  test('21: there is something to run', async () => {
    const algorithm = { meta: { container } };
    expect(refused(await start(signedStart(rawDataset, { algorithm })))).toEqual(coded('algorithm', 'meta_oneof_url_rawcode_remote'));
  });

  test.each<[string, object, string]>([
    ['an entrypoint', { ...container, entrypoint: '' }, 'missing_entrypoint_image_checksum'],
    ['an image', { ...container, image: undefined }, 'missing_entrypoint_image_checksum'],
    ['a checksum', { ...container, checksum: null }, 'missing_entrypoint_image_checksum'],
    ['a checksum by sha256', { ...container, checksum: 'a'.repeat(64) }, 'checksum_prefix'],
  ])('22: its container names %s', async (_name, bad, code) => {
    const algorithm = { meta: { rawcode: 'x', container: bad } };
    expect(refused(await start(signedStart(rawDataset, { algorithm })))).toEqual(coded('algorithm.container', code));
  });

  test('24: an output that is a text is JSON', async () => {
    expect(refused(await start(signedStart(rawDataset, { algorithm: raw, output: '{' })))).toEqual(coded('output', 'invalid'));
    const { status, body } = await start(signedStart(rawDataset, { algorithm: raw, output: { publishOutput: true } }));
    expect(status).toBe(200);
    await end(body[0].jobId as string);
  });
});

describe('initializeCompute', () => {
  test('answers one object for each service, with providerData as providers write it', async () => {
    const [first, second, algorithm] = [await publish(), await publish(), await publishAlgorithm()];
    const validUntil = inSeconds(600);
    const { body } = await quote({
      datasets: [nameAsset(first), nameAsset(second)],
      algorithm: nameAsset(algorithm),
      compute: { env: 'small', validUntil },
    });
    const { datasets, algorithm: quoted } = body as Quote;
    expect([...datasets, quoted].map((item) => item!.datatoken)).toEqual([first, second, algorithm].map((asset) => asset.datatokenAddress));
    for (const item of [...datasets, quoted!]) {
      expect(Object.keys(item)).toEqual(['datatoken', 'providerFee']);
      const fee = item.providerFee!;
      expect(fee).toMatchObject({ providerFeeAddress: classic.world.ocean.providerAddress, providerFeeAmount: '0', validUntil });
      expect(isProviderFeeSigned({ ...fee, providerFeeAmount: 0n, validUntil: BigInt(validUntil) })).toBe(true);
      expect(Buffer.from(fee.providerData.slice(2), 'hex').toString()).toMatch(
        /^\{"environment":"small","timestamp":\d+(\.\d+)?,"dt":"0x\w{40}","id":"\w{64}"\}$/,
      );
    }
    expect(parseProviderData(datasets[1]!.providerFee!.providerData)).toMatchObject({ dt: second.datatokenAddress });
  });

  test('has no algorithm for raw code', async () => {
    expect(
      Object.keys((await quote({ datasets: [nameAsset(await publish({ compute: anyRaw }))], algorithm: raw })).body as object),
    ).toEqual(['datasets']);
  });

  test('answers a good order as it is, and one whose fee ends too early with a new fee to reuse it with', async () => {
    const ask = (validUntil: number) =>
      quote({ datasets: [good.dataset], algorithm: good.algorithm, compute: { env: 'small', validUntil } });
    expect((await ask(inSeconds(60))).body).toEqual({
      datasets: [{ validOrder: good.dataset.transferTxId }],
      algorithm: { validOrder: good.algorithm.transferTxId },
    });
    const { datasets } = (await ask(inSeconds(100_000))).body as Quote;
    expect(datasets).toMatchObject([{ validOrder: good.dataset.transferTxId, providerFee: { providerFeeAmount: '0' } }]);
    const [{ datatoken, validOrder, providerFee }] = datasets as [Required<Item>];
    const reused = await reuseOrder(consumer, { datatokenAddress: datatoken, orderTxId: validOrder, providerFee });
    const again = await quote({
      datasets: [{ ...good.dataset, transferTxId: reused }],
      algorithm: good.algorithm,
      compute: { env: 'small', validUntil: inSeconds(90_000) },
    });
    // the original order's transaction, also after a reuse
    expect((again.body as Quote).datasets).toEqual([{ validOrder: good.dataset.transferTxId }]);
    const { status, body } = await start(signedStart({ ...good.dataset, transferTxId: reused }, { algorithm: good.algorithm }));
    expect(status).toBe(200);
    await end(body[0].jobId as string);
  });

  test.each<[string, () => object, string]>([
    ['a time that has passed', () => ({ compute: { env: 'small', validUntil: inSeconds(-1) } }), 'The validUntil value is not correct.'],
    ['an unknown environment', () => ({ compute: { env: 'none', validUntil: inSeconds(60) } }), 'Compute environment does not exist'],
    ['an unknown algorithm', () => ({ algorithm: { documentId: aDid(), serviceId: '0' } }), 'DID is not a valid algorithm'],
    ['a dataset as algorithm', () => ({ algorithm: good.dataset }), 'DID is not a valid algorithm'],
    ['datasets that are no list', () => ({ datasets: 'x' }), 'The datasets must be a list of objects.'],
  ])('refuses %s', async (_name, over, error) => {
    expect(refused(await quote({ datasets: [good.dataset], algorithm: good.algorithm, ...over() }))).toEqual([400, { error }]);
  });

  test('refuses datasets with the codes of a start', async () => {
    const unknown = { documentId: aDid(), serviceId: '0' };
    const ask = async (datasets: object[]) => refused(await quote({ datasets, algorithm: good.algorithm }));
    expect(await ask([unknown])).toEqual(coded('dataset.documentId', 'did_not_found'));
    expect(await ask([good.dataset, unknown])).toEqual(coded('datasets[1].documentId', 'did_not_found'));
    expect(await ask([{ serviceId: '0' }])).toEqual(coded('dataset.documentId', 'missing'));
    expect(await ask([{ documentId: aDid() }])).toEqual(coded('dataset.serviceId', 'missing'));
    expect(await ask([])).toEqual(coded('dataset.documentId', 'missing'));
  });

  test('needs its fields', async () => {
    expect(refused(await sendClassic(classic.app, 'post', initialize, {}))).toEqual(
      fieldErrors({
        datasets: ['The datasets field is required.'],
        'algorithm.documentId': ['The algorithm.documentId field is required when algorithm.meta is not present.'],
        'algorithm.meta': ['The algorithm.meta field is required when algorithm.documentId is not present.'],
        'compute.env': ['The compute.env field is required.'],
        'compute.validUntil': ['The compute.validUntil field is required.'],
        consumerAddress: ['The consumerAddress field is required.'],
      }),
    );
    expect(refused(await quote({ datasets: [good.dataset], algorithm: raw, compute: { env: 'small', validUntil: 'soon' } }))).toEqual(
      fieldErrors({ 'compute.validUntil': ['The compute.validUntil must be an integer.'] }),
    );
  });
});

describe('an environment that costs something', () => {
  const sixTenths = 6n * 10n ** 17n;

  test('is paid with the fee of the first dataset, for as long as it was paid', async () => {
    const { dataset, algorithm, answer } = await orderPair(undefined, 'paid', 3_600);
    const amount = BigInt(answer.datasets[0]!.providerFee!.providerFeeAmount);
    expect(amount).toBeGreaterThan((sixTenths * 3_590n) / 60n);
    expect(amount).toBeLessThanOrEqual((sixTenths * 3_600n) / 60n);
    expect(answer.algorithm!.providerFee!.providerFeeAmount).toBe('0');
    const { status, body } = await start(signedStart(dataset, { algorithm, environment: 'paid' }));
    expect([status, body]).toMatchObject([200, [{ agreementId: dataset.transferTxId }]]);
    const { maxJobDuration } = (await classic.opened.ledger.readJob(body[0].jobId as string))!;
    expect(maxJobDuration).toBeGreaterThan(3_590);
    expect(maxJobDuration).toBeLessThanOrEqual(3_600);
  }, 60_000);

  test('counts whole days (complaint: whole days are free)', async () => {
    const compute_ = { env: 'paid', validUntil: inSeconds(3 * 86_400) };
    const { datasets } = (await quote({ datasets: [nameAsset(await publish({ compute: anyRaw }))], algorithm: raw, compute: compute_ })).body as Quote;
    expect(BigInt(datasets[0]!.providerFee!.providerFeeAmount)).toBeGreaterThan((sixTenths * 2n * 86_400n) / 60n);
  }); // prettier-ignore

  test('23: is not paid with a fee that stood beside the charged one', async () => {
    const [first, second] = [await publish({ compute: anyRaw }), await publish({ compute: anyRaw })];
    const asked = { algorithm: raw, compute: { env: 'paid', validUntil: inSeconds(3_600) } };
    const { datasets } = (await quote({ ...asked, datasets: [nameAsset(first), nameAsset(second)] })).body as Quote;
    expect(datasets[1]!.providerFee!.providerFeeAmount).toBe('0');
    const dataset = nameAsset(second, await pay(datasets[1]!));
    const body = () => signedStart(dataset, { algorithm: raw, environment: 'paid' });
    expect(refused(await start(body()))).toEqual(coded('order', 'fees_not_paid'));
    // the admission of the job itself says so, too
    const check = async () => ({ kind: 'good', value: null }) as const;
    const app = createClassicApp({ ...classic.deps, orders: { ...classic.deps.orders, check } });
    expect((await sendClassic(app, 'post', compute, body())).status).toBe(400);
    // an order whose fee is too small is told to be reused with the whole fee
    const again = (await quote({ ...asked, datasets: [dataset] })).body as Quote;
    expect(again.datasets[0]).toMatchObject({ validOrder: dataset.transferTxId });
    expect(BigInt(again.datasets[0]!.providerFee!.providerFeeAmount)).toBeGreaterThan(0n);
  }, 60_000);

  test('takes no order of another environment', async () => {
    expect(refused(await start(signedStart(rawDataset, { algorithm: raw, environment: 'paid' })))).toEqual(
      coded('dataset.serviceId', 'order_invalid'),
    );
  });
});
