/**
 * A person with a wallet who publishes, orders and runs jobs with the unmodified client library `@oceanprotocol/lib` of
 * the classic generation. A process of its own; driven over JSON lines: `{id, call, args}` in, `{id, value}` or
 * `{id, error}` out.
 */

import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

// stdout carries answers only; whatever the library prints goes to stderr
for (const method of ['log', 'info', 'debug', 'warn']) console[method] = console.error;

const { CONSUMER_CLIENTS: clients, CONSUMER_RPC: rpcUrl, CONSUMER_API: apiUrl, CONSUMER_KEY: privateKey } = process.env;
const load = createRequire(path.join(clients, 'package.json'));
const ocean = load('@oceanprotocol/lib');
const { ethers } = load('ethers');

const chainId = 8996;
const provider = new ethers.providers.StaticJsonRpcProvider(rpcUrl, { chainId, name: 'development' });
provider.pollingInterval = 20;
const signer = new ethers.Wallet(privateKey, provider);
const config = new ocean.ConfigHelper().getConfig(chainId);
const client = ocean.ProviderInstance;
const own = signer.address;

const createTokens = async (name) => {
  const factory = new ocean.NftFactory(config.nftFactoryAddress, signer, chainId);
  const sent = await factory.createNftWithDatatoken(
    { name, symbol: 'C2D', templateIndex: 1, tokenURI: 'data:', transferable: true, owner: own },
    {
      templateIndex: 1,
      cap: '100000',
      feeAmount: '0',
      paymentCollector: own,
      feeToken: ocean.ZERO_ADDRESS,
      minter: own,
      mpFeeAddress: ocean.ZERO_ADDRESS,
      name,
      symbol: 'DT',
    },
  );
  const receipt = await sent.wait();
  const created = (event) => ocean.getEventFromTx(receipt, event).args[0];
  return { nftAddress: created('NFTCreated'), datatokenAddress: created('TokenCreated') };
};

const publishAsset = async ({ kind, files, serviceType, compute, algorithm }) => {
  const { nftAddress, datatokenAddress } = await createTokens(`a ${kind}`);
  const serviceId = createHash('sha256').update(datatokenAddress).digest('hex');
  const created = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const encrypted = await client.encrypt({ datatokenAddress, nftAddress, files }, chainId, apiUrl);
  const service = { id: serviceId, type: serviceType, files: encrypted, datatokenAddress, serviceEndpoint: apiUrl, timeout: 3600 };
  const metadata = { created, updated: created, type: kind, name: `a ${kind}`, description: kind, author: own, license: 'none' };
  const did = ocean.generateDid(nftAddress, chainId);
  const ddo = {
    '@context': ['https://w3id.org/did/v1'],
    ...{ id: did, version: '4.1.0', chainId, nftAddress },
    metadata: { ...metadata, ...(algorithm && { algorithm }) },
    services: [{ ...service, ...(compute && { compute }) }],
  };
  const document = JSON.stringify(ddo);
  const hash = `0x${createHash('sha256').update(document).digest('hex')}`;
  const data = ethers.utils.hexlify(ethers.utils.toUtf8Bytes(document));
  const sent = await new ocean.Nft(signer, chainId).setMetadata(nftAddress, own, 0, apiUrl, '', '0x00', data, hash);
  await sent.wait();
  return { did, serviceId, datatokenAddress };
};

/** As the library's own examples order: use a good order, renew one whose fee has ended, else start one. */
const order = async ({ item, datatokenAddress, consumer }) => {
  if (item.validOrder && !item.providerFee) return item.validOrder;
  const datatoken = new ocean.Datatoken(signer, chainId);
  const { providerFee } = item;
  if (providerFee.providerFeeAmount !== '0') {
    const abi = ['function approve(address spender, uint256 amount) returns (bool)'];
    const token = new ethers.Contract(providerFee.providerFeeToken, abi, signer);
    await (await token.approve(datatokenAddress, providerFee.providerFeeAmount)).wait();
  }
  if (item.validOrder) return (await (await datatoken.reuseOrder(datatokenAddress, item.validOrder, providerFee)).wait()).transactionHash;
  await (await datatoken.mint(datatokenAddress, own, '1')).wait();
  return (await (await datatoken.startOrder(datatokenAddress, consumer, 0, providerFee)).wait()).transactionHash;
};

const download = async (url) => {
  const response = await globalThis.fetch(url);
  const text = await response.text();
  return { status: response.status, name: /attachment;filename=(.+)/.exec(response.headers.get('content-disposition') ?? '')?.[1], text };
};

const calls = {
  isValidProvider: () => client.isValidProvider(apiUrl),
  environments: () => client.getComputeEnvironments(apiUrl),
  publishAsset,
  order,
  fileInfo: ({ did, serviceId }) => client.checkDidFiles(did, serviceId, apiUrl, true),
  initialize: ({ did, serviceId }) => client.initialize(did, serviceId, 0, own, apiUrl),
  download: async ({ did, serviceId, transferTxId }) =>
    download(await client.getDownloadUrl(did, serviceId, 0, transferTxId, apiUrl, signer)),
  initializeCompute: ({ datasets, algorithm, environment, validUntil }) =>
    client.initializeCompute(datasets, algorithm, environment, validUntil, apiUrl, own),
  computeStart: ({ environment, dataset, algorithm, additional }) =>
    client.computeStart(apiUrl, signer, environment, dataset, algorithm, undefined, additional),
  computeStatus: ({ jobId, agreementId }) => client.computeStatus(apiUrl, own, jobId, agreementId),
  computeStop: ({ did, jobId }) => client.computeStop(did, own, jobId, apiUrl, signer),
  computeDelete: ({ did, jobId }) => client.computeDelete(did, signer, jobId, apiUrl),
  computeResult: async ({ jobId, index }) => download(await client.getComputeResultUrl(apiUrl, signer, jobId, index)),
};

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

// one after another, as a person does: most calls use up a nonce
let lane = Promise.resolve();
const serve = async ({ id, call, args = {} }) => {
  try {
    answer({ id, value: (await calls[call](args)) ?? null });
  } catch (err) {
    answer({ id, error: err instanceof Error ? err.message : String(err) });
  }
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    lane = lane.then(() => serve(JSON.parse(line)));
  })
  .on('close', () => process.exit(0));
