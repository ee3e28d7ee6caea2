import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Contract } from 'ethers';
import { chainConfig } from '../../../infra/ocean/config.ts';
import { publicKeyOf } from '../../../infra/ocean/ecies.ts';
import { connectOcean, type Ocean } from '../../../infra/ocean/ocean.ts';
import { loadArtifact } from '../../../infra/toolchain/chain/artifacts.ts';
import { setAssetState, setDocument, type PublishedAsset } from '../../../infra/toolchain/chain/publishAsset.ts';
import { aJob, anEnvironment, payFor, quoteOf, startWorld, trustAll, type World } from './support/world.ts';

let world: World;
const connected: Ocean[] = [];
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  for (const ocean of connected) ocean.close();
  await world.close();
});

/** A second provider on the same chain. */
const connect = (over: { rpcUrl?: string; confirmations?: number; metadataCacheUrl?: string; key?: string } = {}): Ocean => {
  const { rpcUrl = world.chain.rpcUrl, confirmations = 1, metadataCacheUrl, key = world.chain.accounts.provider.privateKey } = over;
  const ocean = connectOcean({
    chains: [chainConfig.parse({ chainId: 8996, rpcUrl, confirmations, erc721FactoryAddress: world.chain.contracts.erc721Factory })],
    ...{ providerPrivateKey: key, ipfsGateway: 'http://127.0.0.1:9', arweaveGateway: 'http://127.0.0.1:9', metadataCacheUrl },
    guardedFetch: () => Promise.reject(new Error('no file is wanted here')),
  });
  connected.push(ocean);
  return ocean;
};
const notFound = (message: unknown) => expect.objectContaining({ type: 'AssetNotFound', message });
const compute = { type: 'compute' as const, compute: trustAll, files: [{ type: 'url', url: 'http://127.0.0.1/x' }] };

describe('resolve from the chain', () => {
  test.each([
    ['plain', {}],
    ['compressed', { compressed: true }],
    ['encrypted', { encrypted: true }],
    ['compressed, then encrypted', { compressed: true, encrypted: true }],
  ])('a %s document is read', async (_name, form) => {
    const asset = await world.publish({ type: 'dataset', services: [compute] }, { form });
    await expect(world.ocean.resolve(asset.did)).resolves.toMatchObject({
      ddo: { did: asset.did, document: asset.ddo },
      state: 0,
      owner: world.chain.accounts.publisher.address,
    });
  });

  test('a version 5 document is found under its own DID', async () => {
    const asset = await world.publish({ type: 'dataset', version: '5.0.0', services: [compute] });
    expect(asset.did).toMatch(/^did:ope:/);
    await expect(world.ocean.resolve(asset.did)).resolves.toMatchObject({ ddo: { version: '5.0.0' } });
    await expect(world.ocean.resolve(asset.did.replace('did:ope:', 'did:op:'))).rejects.toEqual(notFound(expect.any(String)));
  });

  test('an updated document and a changed state are seen at once', async () => {
    const asset = await world.publishDataset();
    const { publisher, provider } = world.chain.accounts;
    await world.ocean.resolve(asset.did);
    const changed = { ...asset.ddo, changed: true };
    const from = { signer: publisher, providerPublicKey: publicKeyOf(provider.privateKey), providerUrl: '' };
    await setDocument(from, { nftAddress: asset.nftAddress, ddo: changed });
    await setAssetState(publisher, asset.nftAddress, 5);
    await expect(world.ocean.resolve(asset.did)).resolves.toMatchObject({ ddo: { document: changed }, state: 5 });
    // and still, when the blocks with both are settled and not read any more
    await world.chain.mine(100);
    await world.ocean.resolve(asset.did);
    await expect(world.ocean.resolve(asset.did)).resolves.toMatchObject({ ddo: { document: changed }, state: 5 });
  });

  test('a document encrypted for another provider is not readable here', async () => {
    const asset = await world.publish({ type: 'dataset', services: [compute] }, { form: { encrypted: true } });
    const stranger = connect({ key: `0x${'22'.repeat(32)}` });
    await expect(stranger.resolve(asset.did)).rejects.toEqual(notFound(expect.stringMatching(/encrypted for another provider$/)));
  });

  const setRaw = async (asset: PublishedAsset, { flags, data, hash }: { flags: string; data: string; hash: string }): Promise<void> => {
    const nft = new Contract(asset.nftAddress, loadArtifact('ERC721Template').abi, world.chain.accounts.publisher);
    await (await nft.getFunction('setMetaData')(0, '', '', flags, data, hash, [])).wait();
  };

  test.each([
    ['whose checksum is wrong', { flags: '0x00', data: '0x7b7d', hash: `0x${'00'.repeat(32)}` }, /checksum does not match$/],
    ['that is not compressed as it says', { flags: '0x01', data: '0x7b7d', hash: `0x${'00'.repeat(32)}` }, /not compressed/],
    [
      'that is no DDO',
      { flags: '0x00', data: '0x7b7d', hash: '0x44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' },
      /malformed$/,
    ],
  ])('a document %s is not found', async (_name, form, message) => {
    const asset = await world.publishDataset();
    await setRaw(asset, form);
    await expect(world.ocean.resolve(asset.did)).rejects.toEqual(notFound(expect.stringMatching(message)));
  });

  test('a document that claims another asset’s DID is not found', async () => {
    const [mine, theirs] = [await world.publishDataset(), await world.publishDataset()];
    const { publisher, provider } = world.chain.accounts;
    const from = { signer: publisher, providerPublicKey: publicKeyOf(provider.privateKey), providerUrl: '' };
    await setDocument(from, { nftAddress: mine.nftAddress, ddo: theirs.ddo });
    await expect(world.ocean.resolve(mine.did)).rejects.toEqual(notFound(`DDO ${mine.did} not found`));
  });

  test.each(['', 'x', 'did:op:1', `did:op:${'a'.repeat(64)}`])('%j is not found', async (did) => {
    await expect(world.ocean.resolve(did)).rejects.toEqual(notFound(`DDO ${did} not found`));
  });

  test('a chain that does not answer is an outage, with a time to try again, and no address', async () => {
    const ocean = connect({ rpcUrl: 'http://127.0.0.1:9' });
    const outage = { type: 'ChainUnavailable', retryAfterSeconds: 1, message: 'chain 8996 cannot be read at the moment' };
    await expect(ocean.resolve(`did:op:${'a'.repeat(64)}`)).rejects.toMatchObject(outage);
    await expect(ocean.check()).rejects.toMatchObject(outage);
    await expect(world.ocean.check()).resolves.toBeUndefined();
  });
});

describe('resolve from a metadata cache', () => {
  let cache: Server;
  let url: string;
  let answer: { status: number; body: string };
  beforeAll(async () => {
    cache = createServer((_req, res) => void res.writeHead(answer.status).end(answer.body)).listen(0, '127.0.0.1');
    await once(cache, 'listening');
    url = `http://127.0.0.1:${(cache.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    cache.close();
    cache.closeAllConnections();
  });

  test('the document is the cache’s, state and owner are the chain’s', async () => {
    const asset = await world.publishDataset();
    await setAssetState(world.chain.accounts.publisher, asset.nftAddress, 5);
    answer = { status: 200, body: JSON.stringify({ ...asset.ddo, nft: { state: 0, owner: 'somebody' } }) };
    await expect(connect({ metadataCacheUrl: url }).resolve(asset.did)).resolves.toMatchObject({
      ...{ state: 5, owner: world.chain.accounts.publisher.address, ddo: { cachedState: 0 } },
    });
  });

  test('an asset whose NFT Ocean’s factory does not know is not found', async () => {
    const asset = await world.publishDataset();
    answer = { status: 200, body: JSON.stringify(asset.ddo) };
    const other = (await world.publishDataset()).did;
    const ocean = connect({ metadataCacheUrl: url });
    await expect(ocean.resolve(other)).rejects.toEqual(notFound(expect.stringMatching(/malformed$/)));
    const { computeDid } = await import('../../../infra/ocean/ids.ts');
    const nftAddress = world.chain.contracts.usdc;
    const did = computeDid(nftAddress, 8996);
    answer = { status: 200, body: JSON.stringify({ ...asset.ddo, id: did, nftAddress }) };
    await expect(ocean.resolve(did)).rejects.toEqual(notFound(expect.stringMatching(/not one of Ocean's factory$/)));
  });

  test.each([
    [404, '{}', 'AssetNotFound'],
    [500, '', 'ChainUnavailable'],
    [200, '<html>', 'ChainUnavailable'],
  ])('status %d with %j is %s', async (status, body, type) => {
    answer = { status, body };
    await expect(connect({ metadataCacheUrl: url }).resolve(`did:op:${'a'.repeat(64)}`)).rejects.toMatchObject({ type });
  });
});

describe('orders that need confirmations', () => {
  test('an order is pending until enough blocks lie on it', async () => {
    const environment = anEnvironment();
    const careful = connect({ confirmations: 3 });
    const [dataset, algorithm] = [await world.publishDataset(), await world.publishAlgorithm()];
    const quote = await careful.quote(quoteOf(aJob(world, { dataset, algorithm })), environment);
    const algorithmTx = await payFor(world, quote.algorithm);
    const datasetTx = await payFor(world, quote.datasets[0]);
    const spec = aJob(world, { dataset, algorithm, datasetTx, algorithmTx });
    await expect(careful.admit(spec, environment)).rejects.toMatchObject({
      ...{ type: 'OrderPending', retryAfterSeconds: 1, message: `order transaction ${datasetTx} has 1 of 3 confirmations` },
    });
    await world.chain.mine(2);
    await expect(careful.admit(spec, environment)).resolves.toMatchObject({ agreementId: datasetTx });
  });
});

describe('startChain', () => {
  test('the address file is what ocean.js reads', async () => {
    const { mkdtempSync, readFileSync, rmSync } = await import('node:fs');
    const { join } = await import('node:path');
    const { tmpdir } = await import('node:os');
    const folder = mkdtempSync(join(tmpdir(), 'addresses-'));
    world.chain.addressFile(join(folder, 'address.json'));
    const { development } = JSON.parse(readFileSync(join(folder, 'address.json'), 'utf8')) as { development: Record<string, unknown> };
    rmSync(folder, { recursive: true });
    expect(development).toMatchObject({
      chainId: 8996,
      ERC721Factory: world.chain.contracts.erc721Factory,
      ERC20Template: { 1: expect.any(String) },
    });
  });
});
