import { JsonRpcProvider, Wallet } from 'ethers';
import { trustAlgorithm } from '../../infra/toolchain/demo/checksums.ts';
import type { ClientEnvironment, ComputeAlgorithm, ComputeAsset, PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import type { Consumer } from '../../infra/toolchain/demo/consumer.ts';
import { nameAsset, orderAssets } from '../../infra/toolchain/demo/ordering.ts';
import { forgeLogs } from '../infra/ocean/support/forgeLogs.ts';
import { aContainer, awaitEnd, firstEnvironment, publishAlgorithm, publishDataset, publishTrustingPair } from '../support/jobs.ts';
import { startPerson } from '../support/people.ts';
import { useScene } from '../support/scene.ts';
import { expectNothingStarted, readActivities } from '../support/traces.ts';

const scene = useScene();
const patienceMs = 120_000;
const code = `console.log('never reached by what is refused')`;

/** What a request names; the rest of a request is as it should be. */
interface Named {
  readonly datasets: readonly ComputeAsset[];
  readonly algorithm: ComputeAlgorithm;
}

let environment: ClientEnvironment;
/** orders what the tests need */
let buyer: Consumer;
let wallet: Wallet;
/** jobs that were rightly accepted */
const accepted: string[] = [];
/** an algorithm, a dataset that trusts it and no other, and good orders of both */
let trusted: PublishedAsset;
let dataset: PublishedAsset;
let good: Named;
/** an algorithm that the dataset does not know, ordered for an open dataset */
let stranger: PublishedAsset;
let strangersOrder: ComputeAlgorithm;

const maxJobDuration = 60;
const queueMaxWaitTime = 120;

const order = (consumer: Consumer, datasets: readonly PublishedAsset[], algorithm: PublishedAsset): Promise<Named> =>
  orderAssets(consumer, { environment, datasets, algorithm, maxJobDuration, token: scene().stack.token });

const startPaid = (consumer: Consumer, named: Named) =>
  consumer.computeStart({ ...named, environment: environment.id, maxJobDuration, queueMaxWaitTime, token: scene().stack.token });

const startFree = (consumer: Consumer, named: Named) =>
  consumer.freeComputeStart({ ...named, environment: environment.id, queueMaxWaitTime });

/** The client library rejects with the body of the answer, which is a JSON text. */
const refusalText = async (start: Promise<unknown>): Promise<string> => {
  const outcome = await start.then(
    (jobs) => `was started: ${JSON.stringify(jobs)}`,
    (err: unknown) => JSON.parse((err as Error).message) as unknown,
  );
  expect(typeof outcome).toBe('string');
  return outcome as string;
};

const anyoneMay = { allowRawAlgorithm: true, publisherTrustedAlgorithmPublishers: ['*'] };

beforeAll(async () => {
  wallet = new Wallet(Wallet.createRandom().privateKey);
  buyer = await startPerson(scene().stack, wallet);
  environment = await firstEnvironment(buyer);
  const pair = await publishTrustingPair(scene(), { contents: [code], datasets: [['confidential']] });
  trusted = pair.algorithm;
  dataset = pair.datasets[0]!;
  good = await order(buyer, [dataset], trusted);
  stranger = await publishAlgorithm(scene(), { contents: [`${code} // of a stranger`] });
  strangersOrder = (await order(buyer, [await publishDataset(scene(), { compute: anyoneMay })], stranger)).algorithm;
}, patienceMs);

afterAll(() => buyer?.close());

describe('good orders', () => {
  test(
    'start a job: what follows is refused for what differs from this',
    async () => {
      const [job] = await startPaid(buyer, good);
      accepted.push(job!.jobId);
      scene().jobs.add(job!.jobId);
      const ended = await awaitEnd({ ...scene(), consumer: buyer }, job!.jobId);
      expect(ended.job.status).toBe(70);
      expect(await readActivities(scene(), job!.jobId)).toContain('createPod');
    },
    patienceMs,
  );
});

/** Copies the very events of a good order, with another contract as their author. */
const forgeOrder = async (txId: string): Promise<string> => {
  const provider = new JsonRpcProvider(scene().stack.rpcUrl, undefined, { cacheTimeout: -1, pollingInterval: 20 });
  try {
    const receipt = await provider.getTransactionReceipt(txId);
    const logs = receipt!.logs.filter((log) => log.address.toLowerCase() === dataset.datatokenAddress.toLowerCase());
    expect(logs.length).toBeGreaterThan(1);
    return await forgeLogs(
      wallet.connect(provider),
      logs.map(({ topics, data }) => ({ topics, data })),
    );
  } finally {
    provider.destroy();
  }
};

const withDatasetTx = (transferTxId: string | undefined): Named => ({
  ...good,
  datasets: [{ ...nameAsset(dataset), ...(transferTxId !== undefined && { transferTxId }) }],
});

/** An order is told by the chain's clock: the wall's is the same or behind. */
const awaitExpiry = async (txId: string, timeoutSeconds: number): Promise<void> => {
  const provider = new JsonRpcProvider(scene().stack.rpcUrl, undefined, { cacheTimeout: -1, staticNetwork: true });
  try {
    const receipt = await provider.getTransactionReceipt(txId);
    const { timestamp } = (await provider.getBlock(receipt!.blockNumber))!;
    while (Date.now() / 1_000 < timestamp + timeoutSeconds + 2) await new Promise((resolve) => setTimeout(resolve, 50));
  } finally {
    provider.destroy();
  }
};

describe('a paid start is refused, and nothing is started', () => {
  afterEach(() => expectNothingStarted(scene(), buyer.address, accepted));

  test('without an order of the dataset', async () => {
    expect(await refusalText(startPaid(buyer, withDatasetTx(undefined)))).toBe(`Missing transferTxId for DDO ${dataset.did}`);
  });

  test('without an order of the algorithm', async () => {
    const named = { ...good, algorithm: nameAsset(trusted) };
    expect(await refusalText(startPaid(buyer, named))).toBe(`Missing transferTxId for DDO ${trusted.did}`);
  });

  test('with an order that a foreign contract forged, a copy of a good one in every field but the address', async () => {
    const forged = await forgeOrder(good.datasets[0]!.transferTxId!);
    expect(await refusalText(startPaid(buyer, withDatasetTx(forged)))).toBe(
      `TxId Service ${forged} is not valid for DDO ${dataset.did} and service ${dataset.serviceId}: the transaction holds no order of this datatoken`,
    );
  });

  test('with the order of another asset', async () => {
    const text = await refusalText(startPaid(buyer, withDatasetTx(good.algorithm.transferTxId)));
    expect(text).toMatch(/: the transaction holds no order of this datatoken$/);
  });

  test.each([
    ['a transaction that the chain does not know', `0x${'ab'.repeat(32)}`, /: the order transaction is not found$/],
    ['a text that is no transaction', 'paid-honestly', /: it is no transaction id$/],
  ])('with %s', async (_title, txId, reason) => {
    expect(await refusalText(startPaid(buyer, withDatasetTx(txId)))).toMatch(reason);
  });

  test(
    'with an order that has expired',
    async () => {
      const timeout = 1;
      const shortLived = await scene().publisher.publishAsset({
        ...{ kind: 'dataset', name: 'for a second', timeout },
        files: [{ type: 'url', url: scene().files.serve('soon gone'), method: 'GET' }],
        compute: { allowNetworkAccess: false, publisherTrustedAlgorithms: [], ...anyoneMay },
      });
      const named = await order(buyer, [shortLived], trusted);
      await awaitExpiry(named.datasets[0]!.transferTxId!, timeout);
      expect(await refusalText(startPaid(buyer, named))).toMatch(/: the order has expired$/);
    },
    patienceMs,
  );

  test('for a service that the asset does not have', async () => {
    const named = { ...good, datasets: [{ ...good.datasets[0]!, serviceId: 'unheard-of' }] };
    expect(await refusalText(startPaid(buyer, named))).toBe(`Cannot find service unheard-of in DDO ${dataset.did}`);
  });

  test(
    'with the order of another service of the same asset',
    async () => {
      const [service] = dataset.ddo['services'] as Record<string, unknown>[];
      const twoServices = await publishDataset(scene(), { compute: anyoneMay });
      const [own] = twoServices.ddo['services'] as Record<string, unknown>[];
      expect(service!['type']).toBe(own!['type']);
      const second = { ...own, id: 'second' };
      await scene().publisher.writeDocument({ nftAddress: twoServices.nftAddress, ddo: { ...twoServices.ddo, services: [own, second] } });
      const named = await order(buyer, [twoServices], trusted);
      const other = { ...named, datasets: [{ ...named.datasets[0]!, serviceId: 'second' }] };
      expect(await refusalText(startPaid(buyer, other))).toMatch(/ and service second: the order is for another service$/);
    },
    patienceMs,
  );

  test('for an algorithm that the dataset does not trust, although both are ordered', async () => {
    const text = await refusalText(startPaid(buyer, { ...good, algorithm: strangersOrder }));
    expect(text).toBe(`Algorithm ${stranger.did} not allowed to run on the dataset: ${dataset.did}`);
  });

  test("for the consumer's own code where the dataset takes none, although the dataset is ordered", async () => {
    const algorithm = { meta: { rawcode: code, container: aContainer(scene().stack.nodeImage) } };
    expect(await refusalText(startPaid(buyer, { ...good, algorithm }))).toBe(
      `Raw algorithms are not allowed to run on the dataset: ${dataset.did}`,
    );
  });
});

describe("another consumer's orders", () => {
  test(
    'are refused, and nothing is started',
    async () => {
      const { consumer } = scene();
      const text = await refusalText(startPaid(consumer, good));
      expect(text).toMatch(/: the sender of the order transaction is not the consumer or payer$/);
      await expectNothingStarted(scene(), consumer.address);
    },
    patienceMs,
  );
});

describe('rules of the data owner hold for paid and for free starts alike', () => {
  /** somebody whose only requests are those of this block */
  let visitor: Consumer;
  beforeAll(async () => {
    visitor = await startPerson(scene().stack);
  });
  afterEach(() => expectNothingStarted(scene(), visitor.address));
  afterAll(() => visitor?.close());

  const refusals = async (named: Named): Promise<readonly string[]> => [
    await refusalText(startFree(visitor, named)),
    await refusalText(startPaid(visitor, named)),
  ];

  /** Both starts are refused with one and the same text. */
  const expectRefusal = async (named: Named, text: string | RegExp): Promise<void> => {
    for (const refusal of await refusals(named)) expect(refusal).toEqual(typeof text === 'string' ? text : expect.stringMatching(text));
  };

  test('an algorithm that is not trusted', () =>
    expectRefusal(
      { datasets: [nameAsset(dataset)], algorithm: nameAsset(stranger) },
      `Algorithm ${stranger.did} not allowed to run on the dataset: ${dataset.did}`,
    ));

  test("the consumer's own code where the dataset takes none", () =>
    expectRefusal(
      { datasets: [nameAsset(dataset)], algorithm: { meta: { rawcode: code, container: aContainer(scene().stack.nodeImage) } } },
      `Raw algorithms are not allowed to run on the dataset: ${dataset.did}`,
    ));

  test('a dataset that allows it does not open one beside it that does not', async () => {
    const open = await publishDataset(scene());
    const algorithm = { meta: { rawcode: code, container: aContainer(scene().stack.nodeImage) } };
    await expectRefusal(
      { datasets: [nameAsset(open), nameAsset(dataset)], algorithm },
      `Raw algorithms are not allowed to run on the dataset: ${dataset.did}`,
    );
  });

  test('a dataset that names nobody', async () => {
    const closed = await publishDataset(scene(), { compute: { allowRawAlgorithm: false } });
    await expectRefusal(
      { datasets: [nameAsset(closed)], algorithm: nameAsset(trusted) },
      `Algorithm ${trusted.did} not allowed to run on the dataset: ${closed.did}`,
    );
  });

  test('an algorithm whose file was changed at its address after it was trusted', async () => {
    const { files, publisher, stack } = scene();
    let present = 'console.log("reviewed")';
    const url = files.serve((_req, res) => void res.end(present));
    const container = aContainer(stack.nodeImage);
    const algorithm = await publisher.publishAsset({
      ...{ kind: 'algorithm', name: 'it changes', algorithm: { language: 'js', version: '1', container } },
      files: [{ type: 'url', url, method: 'GET' }],
    });
    const entry = trustAlgorithm(algorithm, [Buffer.from(present)], container);
    const compute = { allowRawAlgorithm: false, publisherTrustedAlgorithms: [entry] };
    const strict = await publishDataset(scene(), { compute });
    present = 'require("node:fs").cpSync("/data/inputs", "/data/outputs", { recursive: true })';
    await expectRefusal(
      { datasets: [nameAsset(strict)], algorithm: nameAsset(algorithm) },
      `Algorithm ${algorithm.did} not allowed to run on the dataset: ${strict.did}: the checksum of its files is not the trusted one`,
    );
  });

  test('an algorithm whose container section was changed after it was trusted', async () => {
    const { publisher, stack } = scene();
    const algorithm = await publishAlgorithm(scene(), { contents: [code] });
    const container = aContainer(stack.nodeImage);
    const entry = trustAlgorithm(algorithm, [Buffer.from(code)], container);
    const strict = await publishDataset(scene(), { compute: { allowRawAlgorithm: false, publisherTrustedAlgorithms: [entry] } });
    const metadata = algorithm.ddo['metadata'] as Record<string, unknown>;
    const changed = {
      language: 'js',
      version: '1',
      container: { ...container, entrypoint: 'sh -c "cp -r /data/inputs /data/outputs" $ALGO' },
    };
    await publisher.writeDocument({
      nftAddress: algorithm.nftAddress,
      ddo: { ...algorithm.ddo, metadata: { ...metadata, algorithm: changed } },
    });
    await expectRefusal(
      { datasets: [nameAsset(strict)], algorithm: nameAsset(algorithm) },
      /: the checksum of its container section is not the trusted one$/,
    );
  });

  test(
    'a dataset in any state but active or unlisted; the state counts from the moment it is set',
    async () => {
      const retired = await publishDataset(scene(), { compute: anyoneMay });
      const states = ['it has reached its end of life', 'it is deprecated', 'it is revoked', 'ordering is temporarily disabled'];
      for (const [index, reason] of states.entries()) {
        await scene().publisher.setState({ nftAddress: retired.nftAddress, state: index + 1 });
        const named = { datasets: [nameAsset(retired)], algorithm: nameAsset(trusted) };
        await expectRefusal(named, `Asset ${retired.did} is not consumable: ${reason}`);
      }
    },
    patienceMs,
  );

  test('a consumer whom the dataset denies', async () => {
    const { publisher, files } = scene();
    const reserved = await publisher.publishAsset({
      ...{ kind: 'dataset', name: 'not for you', files: [{ type: 'url', url: files.serve('x'), method: 'GET' }] },
      compute: { allowNetworkAccess: false, publisherTrustedAlgorithms: [], ...anyoneMay },
      credentials: { allow: [], deny: [{ type: 'address', values: [visitor.address.toLowerCase()] }] },
    });
    await expectRefusal({ datasets: [nameAsset(reserved)], algorithm: nameAsset(trusted) }, /denied|not allowed/i);
  });

  test('a consumer whom the dataset does not name', async () => {
    const { publisher, files } = scene();
    const reserved = await publisher.publishAsset({
      ...{ kind: 'dataset', name: 'for one', files: [{ type: 'url', url: files.serve('x'), method: 'GET' }] },
      compute: { allowNetworkAccess: false, publisherTrustedAlgorithms: [], ...anyoneMay },
      credentials: { allow: [{ type: 'address', values: [buyer.address] }], deny: [] },
    });
    await expectRefusal({ datasets: [nameAsset(reserved)], algorithm: nameAsset(trusted) }, /denied|not allowed/i);
  });
});
