/** Outputs of jobs that become assets: the real activity on a real chain, ledger and result store. */

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Wallet, type HDNodeWallet } from 'ethers';
import { publishAsset, type PublishAssetDeps } from '../../../../activities/publishAsset.ts';
import { createAssetMaker, type AssetMaker } from '../../../../infra/ocean/assets/assetMaker.ts';
import { createResultFiles } from '../../../../infra/ocean/assets/resultFiles.ts';
import { chainConfig } from '../../../../infra/ocean/config.ts';
import { publicKeyOf } from '../../../../infra/ocean/ecies.ts';
import { connectOcean, type Ocean } from '../../../../infra/ocean/ocean.ts';
import { openNode } from '../../../../infra/ocean/transactions/node.ts';
import { createTransactions } from '../../../../infra/ocean/transactions/transactions.ts';
import { localStore } from '../../../../infra/storage/local.ts';
import { loadArtifact } from '../../../../infra/toolchain/chain/artifacts.ts';
import { mintDatatokens, startOrder, type OrderFee } from '../../../../infra/toolchain/chain/orders.ts';
import { publishAsset as publishByHand } from '../../../../infra/toolchain/chain/publishAsset.ts';
import { send } from '../../../../infra/toolchain/chain/send.ts';
import { startChain, type LocalChain } from '../../../../infra/toolchain/chain/startChain.ts';
import type { AssetRequest } from '../../../../workflows/contract/asset.ts';
import { status } from '../../../../workflows/contract/status.ts';
import { aSpec, anAdmission, anAssetRequest } from '../../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../../support/databases.ts';
import { openLossyChain } from '../../../support/lossyChain.ts';
import { fundWallet } from '../../../support/people.ts';

const patienceMs = 30_000;
const terms = { chainId: 8996, serviceEndpoint: 'http://127.0.0.1:8030', orderSeconds: 3_600, nftTemplate: 1, datatokenTemplate: 1 };
const outputs = ['first output', 'second, which is longer'];

let chain: LocalChain;
let db: TestLedger;
let folder: string;
const opened: (() => void)[] = [];
let lastNonce = 0;

beforeAll(async () => {
  [chain, db, folder] = await Promise.all([startChain(), openTestLedger(), mkdtemp(path.join(tmpdir(), 'c2d-assets-'))]);
});
afterEach(() => opened.splice(0).forEach((close) => close()));
afterAll(async () => {
  await Promise.all([chain?.close(), db?.close(), rm(folder, { recursive: true, force: true })]);
});

const configOf = (rpcUrl: string) =>
  chainConfig.parse({ chainId: 8996, rpcUrl, erc721FactoryAddress: chain.contracts.erc721Factory, feeToken: chain.contracts.ocean });

const makerOf = (wallet: { readonly privateKey: string }, rpcUrl = chain.rpcUrl): AssetMaker => {
  const nodes = new Map([[8996, openNode(configOf(rpcUrl))]]);
  const transactions = createTransactions({
    ...{ nodes, ledger: db.ledger, privateKey: wallet.privateKey },
    patience: { waitMs: 10_000, tendMs: 40, replaceMs: 60_000 },
  });
  opened.push(() => transactions.close());
  return createAssetMaker({ transactions, nodes, publicKey: publicKeyOf(wallet.privateKey) });
};

const store = () => localStore({ folder });

const oceanOf = (wallet: { readonly privateKey: string }): Ocean => {
  const ocean = connectOcean({
    ...{ chains: [configOf(chain.rpcUrl)], providerPrivateKey: wallet.privateKey },
    ...{ ipfsGateway: 'http://127.0.0.1:9', arweaveGateway: 'http://127.0.0.1:9' },
    guardedFetch: () => Promise.reject(new Error('no address is asked for results')),
    results: createResultFiles({ ledger: db.ledger, store: store() }),
  });
  opened.push(() => ocean.close());
  return ocean;
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const aFinishedJob = async (over: Partial<AssetRequest> = {}, contents: readonly string[] = outputs) => {
  const spec = aSpec({ asset: anAssetRequest(over) });
  const { jobId } = spec;
  await db.ledger.reserveJob({ spec, nonce: String((lastNonce += 1)) });
  await db.ledger.acceptJob(jobId, anAdmission(spec));
  await db.ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
  const results = [];
  for (const [index, content] of [...contents, 'the log'].entries()) {
    const bytes = Buffer.from(content);
    const file = { jobId, podAttempt: 1, n: index };
    await store().putPart(file, { k: 0, offset: 0, sizeBytes: bytes.length, sha256: sha256(content) }, Readable.from([bytes]));
    await store().complete(file, { sizeBytes: bytes.length, sha256: sha256(content), parts: 1, partBytes: 1_000 });
    const isLog = index === contents.length;
    const type = isLog ? ('algorithmLog' as const) : ('output' as const);
    results.push({
      index,
      filename: isLog ? 'algorithm.log' : `out-${index}`,
      filesize: bytes.length,
      type,
      n: index,
      sha256: sha256(content),
    });
  }
  await db.ledger.recordResults({ jobId, podAttempt: 1, results });
  const end = { status: status.finished, reason: 'ended', exitCode: 0, oomKilled: false };
  await db.ledger.recordJob({ jobId, podAttempt: 1, status: status.finished, reason: 'ended', end });
  return spec;
};

const counts: string[] = [];
const run = (jobId: string, assetMaker: PublishAssetDeps['assetMaker']): Promise<void> =>
  new MockActivityEnvironment().run(
    publishAsset({
      ...{ publications: db.ledger, assetMaker, assetTermsOf: () => terms },
      assetCounts: { inc: ({ outcome }) => void counts.push(outcome) },
    }),
    { jobId },
  );

const assetOf = async (jobId: string) => (await db.ledger.readJob(jobId))!.asset!;

const aService = async (): Promise<HDNodeWallet | Wallet> => {
  const wallet = new Wallet(Wallet.createRandom().privateKey, chain.provider);
  await fundWallet(chain.rpcUrl, wallet.address);
  return wallet;
};

/** How many NFTs the factory has made for one key. */
const nftsOf = async (creator: string): Promise<number> => {
  const { abi } = loadArtifact('ERC721Factory');
  const logs = await chain.provider.getLogs({
    address: chain.contracts.erc721Factory,
    fromBlock: 0,
    topics: abi.encodeFilterTopics('NFTCreated', []),
  });
  return logs.filter((log) => String(abi.parseLog(log)?.args['creator']).toLowerCase() === creator.toLowerCase()).length;
};

const onNft = (to: string) => ({ to, abi: loadArtifact('ERC721Template').abi });
const onDatatoken = (to: string) => ({ to, abi: loadArtifact('ERC20Template').abi });

/** As an owner of an asset does who wants others to have it. */
const buy = async (ocean: Ocean, { owner, consumer, did }: { owner: HDNodeWallet; consumer: HDNodeWallet; did: string }) => {
  const { ddo } = await ocean.resolve(did);
  const [service] = ddo.services;
  const reference = { documentId: did, serviceId: service!.id };
  const quote = await ocean.quoteAccess({ reference, consumerAddress: consumer.address, fileIndex: 0 });
  await send(owner, { ...onDatatoken(quote.datatoken), method: 'addMinter' }, owner.address);
  await mintDatatokens(owner, { datatokenAddress: quote.datatoken, to: consumer.address });
  const providerFee: OrderFee = quote.providerFee;
  const order = { datatokenAddress: quote.datatoken, consumer: consumer.address, serviceIndex: 0, providerFee };
  return { reference, transferTxId: await startOrder(consumer, order) };
};

const textOf = async (stream: Readable): Promise<string> => Buffer.concat(await stream.toArray()).toString();

describe('a new asset', () => {
  test(
    'is on chain with its provenance, belongs to whom it was asked for, and its files can be bought',
    async () => {
      const { publisher: owner, consumer } = chain.accounts;
      const service = await aService();
      const spec = await aFinishedJob({ owner: owner.address });
      await run(spec.jobId, makerOf(service));
      const asset = await assetOf(spec.jobId);
      expect(asset).toMatchObject({ state: 'published', chainId: 8996, reason: null });
      expect(Object.values(asset.transactions)).not.toContain(null);

      const ocean = oceanOf(service);
      const { ddo, state, owner: holder } = await ocean.resolve(asset.did!);
      expect({ state, holder, nft: ddo.nftAddress }).toEqual({ state: 0, holder: owner.address, nft: asset.nftAddress });
      const { metadata } = ddo.document as { metadata: { additionalInformation: { provenance: object } } };
      expect(metadata.additionalInformation.provenance).toMatchObject({
        ...{ kind: 'compute-to-data', jobId: spec.jobId, provider: service.address, environment: 'small' },
        algorithm: { did: spec.algorithm.documentId, orderTx: spec.algorithm.transferTxId },
        inputs: spec.datasets.map(({ documentId, transferTxId }) => ({ did: documentId, orderTx: transferTxId })),
        outputs: {
          files: 2,
          bytes: outputs.join('').length,
          sha256: sha256(outputs.map((text, n) => `${sha256(text)}  out-${n}\n`).join('')),
        },
      });

      const order = { ...(await buy(ocean, { owner, consumer, did: asset.did! })), consumerAddress: consumer.address, userdata: null };
      for (const [fileIndex, content] of outputs.entries()) {
        const { name, open } = await ocean.authorizeDownload({ ...order, fileIndex });
        const { stream, sizeBytes } = await open(0, AbortSignal.timeout(5_000));
        expect([name, await textOf(stream), sizeBytes]).toEqual([`out-${fileIndex}`, content, content.length]);
        const rest = await open(6, AbortSignal.timeout(5_000));
        expect([rest.start, await textOf(rest.stream)]).toEqual([6, content.slice(6)]);
      }
      await expect(ocean.authorizeDownload({ ...order, fileIndex: 2 })).rejects.toThrow('No such fileIndex 2');
    },
    patienceMs,
  );

  test(
    'leaves the service without any right on it',
    async () => {
      const service = await aService();
      const spec = await aFinishedJob();
      await run(spec.jobId, makerOf(service));
      const { nftAddress, datatokenAddress } = await assetOf(spec.jobId);
      const data = onNft(nftAddress!).abi.encodeFunctionData('getPermissions', [service.address]);
      const [permissions] = onNft(nftAddress!).abi.decodeFunctionResult(
        'getPermissions',
        await chain.provider.call({ to: nftAddress!, data }),
      );
      expect([...(permissions as Iterable<boolean>)]).toEqual([false, false, false, false]);
      await expect(mintDatatokens(service, { datatokenAddress: datatokenAddress!, to: service.address })).rejects.toThrow();
    },
    patienceMs,
  );

  test(
    'is made once, by however many processes at the same time and however often',
    async () => {
      const service = await aService();
      const spec = await aFinishedJob();
      await Promise.all([run(spec.jobId, makerOf(service)), run(spec.jobId, makerOf(service)), run(spec.jobId, makerOf(service))]);
      await run(spec.jobId, makerOf(service));
      expect([await nftsOf(service.address), await chain.provider.getTransactionCount(service.address)]).toEqual([1, 3]);
    },
    patienceMs,
  );

  test(
    'is made once when every answer to a sent transaction is lost',
    async () => {
      const service = await aService();
      const lossy = await openLossyChain(chain.rpcUrl);
      try {
        const spec = await aFinishedJob();
        await run(spec.jobId, makerOf(service, lossy.rpcUrl));
        expect(await assetOf(spec.jobId)).toMatchObject({ state: 'published' });
        expect(lossy.lost()).toBeGreaterThanOrEqual(3);
        expect([await nftsOf(service.address), await chain.provider.getTransactionCount(service.address)]).toEqual([1, 3]);
      } finally {
        await lossy.close();
      }
    },
    patienceMs,
  );

  test.each(['createTokens', 'writeDocument', 'handOver'] as const)(
    'is made once when the process is killed after %s',
    async (step) => {
      const service = await aService();
      const spec = await aFinishedJob();
      const maker = makerOf(service);
      const dying = {
        ...maker,
        [step]: async (...args: never[]) => {
          await (maker[step] as (...all: never[]) => Promise<unknown>)(...args);
          throw new Error('killed');
        },
      };
      await expect(run(spec.jobId, dying)).rejects.toThrow('killed');
      expect(await assetOf(spec.jobId)).toMatchObject({
        state: 'publishing',
        reason: expect.stringContaining('unexpected error') as unknown,
      });
      await run(spec.jobId, makerOf(service));
      expect(await assetOf(spec.jobId)).toMatchObject({ state: 'published', reason: null });
      expect([await nftsOf(service.address), await chain.provider.getTransactionCount(service.address)]).toEqual([1, 3]);
    },
    patienceMs,
  );

  test(
    'waits for funds with a reason, and is made once they are there',
    async () => {
      const service = Wallet.createRandom();
      const maker = makerOf(service);
      await expect(maker.requireFunds(8996)).rejects.toMatchObject({ type: 'KeyNeedsFunds', retryAfterSeconds: undefined });
      const spec = await aFinishedJob();
      await expect(run(spec.jobId, maker)).rejects.toMatchObject({
        type: 'KeyNeedsFunds',
        retryAfterSeconds: expect.any(Number) as unknown,
      });
      expect((await assetOf(spec.jobId)).reason).toMatch(/needs funds/);
      await fundWallet(chain.rpcUrl, service.address);
      await maker.requireFunds(8996);
      await run(spec.jobId, maker);
      expect(await assetOf(spec.jobId)).toMatchObject({ state: 'published', reason: null });
    },
    patienceMs,
  );

  test(
    'costs less gas than is asked for before a job starts, with a long document too',
    async () => {
      const service = await aService();
      const allow = Array.from({ length: 100 }, () => Wallet.createRandom().address);
      const many = Array.from({ length: 80 }, (_, n) => `output ${n}`);
      const spec = await aFinishedJob({ allow, services: ['access', 'compute'], withLog: true }, many);
      await run(spec.jobId, makerOf(service));
      const { transactions } = await assetOf(spec.jobId);
      const receipts = await Promise.all(Object.values(transactions).map((hash) => chain.provider.getTransactionReceipt(hash)));
      const gas = receipts.map((receipt) => Number(receipt!.gasUsed));
      expect(gas.reduce((sum, used) => sum + used, 0)).toBeLessThan(3_000_000);
    },
    patienceMs,
  );

  test(
    'is for those on its list alone',
    async () => {
      const { consumer, otherConsumer } = chain.accounts;
      const service = await aService();
      const spec = await aFinishedJob({ allow: [consumer.address] });
      await run(spec.jobId, makerOf(service));
      const { did } = await assetOf(spec.jobId);
      const ocean = oceanOf(service);
      const { ddo } = await ocean.resolve(did!);
      const reference = { documentId: did!, serviceId: ddo.services[0]!.id };
      await ocean.quoteAccess({ reference, consumerAddress: consumer.address, fileIndex: null });
      await expect(ocean.quoteAccess({ reference, consumerAddress: otherConsumer.address, fileIndex: null })).rejects.toMatchObject({
        type: 'AccessDenied',
      });
    },
    patienceMs,
  );

  test('is not made of a job without outputs, and says so', async () => {
    const spec = await aFinishedJob({}, []);
    await expect(run(spec.jobId, makerOf(await aService()))).rejects.toMatchObject({ type: 'RequestInvalid' });
    expect((await assetOf(spec.jobId)).reason).toMatch(/no outputs/);
  });
});

describe("results that somebody else's asset names", () => {
  test(
    'are not handed out, whoever encrypted what',
    async () => {
      const { publisher } = chain.accounts;
      const service = await aService();
      const spec = await aFinishedJob();
      await run(spec.jobId, makerOf(service));
      const stolen = { type: 'c2dResults', jobId: spec.jobId, count: 2 };
      const forged = await publishByHand({
        ...{ chain, signer: publisher, providerPublicKey: publicKeyOf(service.privateKey), providerUrl: 'http://127.0.0.1:8030' },
        asset: { type: 'dataset', services: [{ type: 'access', files: [stolen] }] },
      });
      const ocean = oceanOf(service);
      const [serviceId] = forged.serviceIds;
      const facts = await ocean.describeFiles({
        reference: { documentId: forged.did, serviceId: serviceId! },
        checksum: true,
        userdata: null,
      });
      expect(facts.map(({ valid, contentLength, checksum }) => ({ valid, contentLength, checksum }))).toEqual(
        Array.from({ length: 2 }, () => ({ valid: false, contentLength: null, checksum: null })),
      );
    },
    patienceMs,
  );

  test.each([
    { type: 'c2dResults', jobId: 'a'.repeat(32), count: 1 },
    { type: 'c2dResult', jobId: 'a'.repeat(32), index: 0, nftAddress: `0x${'1'.repeat(40)}` },
  ])('cannot be asked for as a file object: $type', async (fileObject) => {
    const ocean = oceanOf(await aService());
    await expect(ocean.describeFiles({ fileObject, checksum: false, userdata: null })).rejects.toThrow(/Unsupported type c2dResult/);
  });
});
