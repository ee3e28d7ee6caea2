/**
 * A person with a wallet: publishes, orders and runs jobs with the unmodified client library `@oceanprotocol/lib`.
 * A process of its own, because the library lives in its own folder with its own dependencies. It is driven over
 * JSON lines: `{id, call, args}` in, `{id, value}` or `{id, error}` out, `{id, piece}` for parts of a stream.
 */

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

// stdout carries answers only; whatever the library prints goes to stderr
for (const method of ['log', 'info', 'debug', 'warn']) console[method] = console.error;

const { CONSUMER_CLIENTS: clients, CONSUMER_RPC: rpcUrl, CONSUMER_API: apiUrl, CONSUMER_KEY: privateKey } = process.env;
const load = createRequire(path.join(clients, 'package.json'));
const ocean = load('@oceanprotocol/lib');
const { JsonRpcProvider, Network, Wallet, hexlify, toUtf8Bytes } = load('ethers');

const chainId = 8996;
const network = Network.from(chainId);
const provider = new JsonRpcProvider(rpcUrl, network, { staticNetwork: network, pollingInterval: 20, cacheTimeout: -1 });
const signer = new Wallet(privateKey, provider);
const config = { ...new ocean.ConfigHelper().getConfig(chainId), oceanNodeUri: apiUrl };
const client = ocean.ProviderInstance;
const ownAddress = signer.address;

/** NFT and datatoken; the datatoken is free: anyone can have one from the dispenser. */
const createTokens = async (name) => {
  const factory = new ocean.NftFactory(config.nftFactoryAddress, signer, chainId);
  const sent = await factory.createNftWithDatatokenWithDispenser(
    { name, symbol: 'C2D', templateIndex: 1, tokenURI: 'data:', transferable: true, owner: ownAddress },
    {
      templateIndex: 1,
      cap: '100000',
      feeAmount: '0',
      paymentCollector: ownAddress,
      feeToken: config.oceanTokenAddress,
      minter: ownAddress,
      mpFeeAddress: ocean.ZERO_ADDRESS,
    },
    {
      dispenserAddress: config.dispenserAddress,
      maxTokens: '1',
      maxBalance: '100000000',
      withMint: true,
      allowedSwapper: ocean.ZERO_ADDRESS,
    },
  );
  const receipt = await sent.wait();
  const created = (event) => ocean.getEventFromTx(receipt, event).args[0];
  return { nftAddress: created('NFTCreated'), datatokenAddress: created('TokenCreated') };
};

/** What the owner of an asset without a price does to have others use it free of charge. */
const offerForFree = async ({ datatokenAddress }) => {
  const datatoken = new ocean.Datatoken(signer, chainId);
  // unlike the factory, the datatoken takes base units
  const terms = { maxTokens: String(10n ** 18n), maxBalance: String(10n ** 20n), withMint: true, allowedSwapper: ocean.ZERO_ADDRESS };
  await (await datatoken.createDispenser(datatokenAddress, ownAddress, config.dispenserAddress, terms)).wait();
};

const encryptFiles = async ({ nftAddress, datatokenAddress, files }) => {
  const encrypted = await client.encrypt({ nftAddress, datatokenAddress, files }, chainId, apiUrl, signer);
  // the library hands the answer on whatever its status was
  if (!/^0x[0-9a-f]+$/i.test(encrypted ?? '')) throw new Error(`the service did not encrypt the files: ${encrypted}`);
  return encrypted;
};

const writeDocument = async ({ nftAddress, ddo }) => {
  const document = JSON.stringify(ddo);
  const hash = createHash('sha256').update(document).digest('hex');
  const nft = new ocean.Nft(signer, chainId);
  const data = hexlify(toUtf8Bytes(document));
  await (await nft.setMetadata(nftAddress, ownAddress, 0, apiUrl, '', '0x00', data, `0x${hash}`)).wait();
};

const publishAsset = async ({
  kind,
  name,
  description,
  files,
  timeout,
  serviceType,
  compute,
  algorithm,
  credentials,
  version,
  additionalInformation,
}) => {
  const { nftAddress, datatokenAddress } = await createTokens(name);
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const serviceId = createHash('sha256').update(datatokenAddress).digest('hex');
  const ddo = {
    '@context': ['https://w3id.org/did/v1'],
    id: ocean.generateDid(nftAddress, chainId),
    version,
    chainId,
    nftAddress,
    metadata: {
      ...{
        created: now,
        updated: now,
        type: kind,
        name,
        description,
        author: ownAddress,
        license: 'https://market.oceanprotocol.com/terms',
      },
      ...(algorithm && { algorithm }),
    },
    services: [
      {
        ...{ id: serviceId, type: serviceType, datatokenAddress, serviceEndpoint: apiUrl, timeout },
        files: await encryptFiles({ nftAddress, datatokenAddress, files }),
        ...(compute && { compute }),
        ...(additionalInformation && { additionalInformation }),
      },
    ],
    ...(credentials && { credentials }),
  };
  await writeDocument({ nftAddress, ddo });
  return { did: ddo.id, nftAddress, datatokenAddress, serviceId, ddo };
};

/** An order as the library's own users place it: keep a good one, renew an old one, else take a datatoken and order. */
const placeOrder = async ({ asset, quote, consumerAddress }) => {
  if (quote.validOrder && !quote.providerFee) return quote.validOrder;
  const datatoken = new ocean.Datatoken(signer, chainId);
  const priced = { ...asset.ddo, datatokens: [{ address: asset.datatokenAddress, name: '', symbol: '', serviceId: asset.serviceId }] };
  const sent = quote.validOrder
    ? await datatoken.reuseOrder(asset.datatokenAddress, quote.validOrder, quote.providerFee)
    : await ocean.orderAsset(priced, signer, config, datatoken, apiUrl, consumerAddress, undefined, quote.providerFee);
  return (await sent.wait()).hash;
};

const downloadResult = async ({ jobId, index, file, offset = 0 }) => {
  const digest = createHash('sha256');
  let bytes = 0;
  const measure = new Transform({
    transform(chunk, _encoding, done) {
      digest.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const stream = await client.getComputeResult(apiUrl, signer, jobId, index, offset);
  await pipeline(Readable.from(stream), measure, createWriteStream(file, { flags: offset > 0 ? 'a' : 'w' }));
  return { bytes, sha256: digest.digest('hex') };
};

const pipeLogs = async (id, stream) => {
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.length;
    answer({ id, piece: Buffer.from(piece).toString('base64') });
  }
  return { bytes };
};

const downloadAsset = async ({ asset, fileIndex, transferTxId }) => {
  const { did, serviceId } = asset;
  const url = await client.getDownloadUrl(did, serviceId, fileIndex, transferTxId, apiUrl, signer);
  const { data, filename } = await ocean.downloadFile(url, fileIndex);
  return { text: Buffer.from(data).toString(), filename };
};

/** What a person does before a job that costs something, in the client library's own words. Amounts in whole tokens. */
const fundEscrow = async ({ escrowAddress, token, payee, deposit, allowance, lockSeconds }) => {
  const escrow = new ocean.EscrowContract(escrowAddress, signer, chainId);
  return escrow.verifyFundsForEscrowPayment(token, payee, deposit, allowance, String(lockSeconds), '10');
};

const setState = async ({ nftAddress, state }) => {
  await (await new ocean.Nft(signer, chainId).setMetadataState(nftAddress, ownAddress, state)).wait();
};

/** Calls that neither sign nor send: they may run beside anything. */
const readingCalls = {
  environments: () => client.getComputeEnvironments(apiUrl),
  computeStatus: ({ jobId, agreementId, authToken }) => client.computeStatus(apiUrl, authToken ?? signer, jobId, agreementId),
  getNonce: () => client.getNonce(apiUrl, ownAddress),
  fileInfo: ({ file, checksum }) => client.getFileInfo(file, apiUrl, checksum),
  didFiles: ({ asset, checksum }) => client.checkDidFiles(asset.did, asset.serviceId, apiUrl, checksum),
  initialize: ({ asset, fileIndex }) => client.initialize(asset.did, asset.serviceId, fileIndex, ownAddress, apiUrl),
  resolveDdo: ({ did }) => client.resolveDdo(apiUrl, did),
  initializeCompute: ({ datasets, algorithm, environment, token, maxJobDuration, resources }) =>
    client.initializeCompute(datasets, algorithm, environment, token, maxJobDuration, apiUrl, ownAddress, resources, chainId),
};

/** Calls that use up a nonce, of the service or of the chain: one after another, as a person does. */
const signedCalls = {
  encryptFiles,
  publishAsset,
  writeDocument,
  setState,
  fundEscrow,
  offerForFree,
  placeOrder,
  computeStart: ({
    environment,
    datasets,
    algorithm,
    maxJobDuration,
    token,
    resources,
    metadata,
    additionalViewers,
    output,
    queueMaxWaitTime,
  }) =>
    client.computeStart(
      ...[apiUrl, signer, environment, datasets, algorithm, maxJobDuration, token, resources, chainId],
      ...[metadata, additionalViewers, output, undefined, undefined, queueMaxWaitTime],
    ),
  freeComputeStart: ({ environment, datasets, algorithm, resources, metadata, additionalViewers, output, queueMaxWaitTime, authToken }) =>
    client.freeComputeStart(
      ...[apiUrl, authToken ?? signer, environment, datasets, algorithm, resources],
      ...[metadata, additionalViewers, output, undefined, undefined, queueMaxWaitTime],
    ),
  computeStop: ({ jobId, authToken }) => client.computeStop(jobId, apiUrl, authToken ?? signer),
  computeResult: downloadResult,
  computeResultUrl: ({ jobId, index }) => client.getComputeResultUrl(apiUrl, signer, jobId, index),
  generateAuthToken: () => client.generateAuthToken(signer, apiUrl),
  invalidateAuthToken: ({ authToken }) => client.invalidateAuthToken(signer, authToken, apiUrl),
  downloadAsset,
};

const toJson = (message) => JSON.stringify(message, (_key, value) => (typeof value === 'bigint' ? value.toString() : value));

/** JSON leaves U+2028 and U+2029 as they are, which count as line breaks where lines are read. */
const answer = (message) => process.stdout.write(`${toJson(message).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}\n`);

let lane = Promise.resolve();
const inTurn = (work) => {
  const result = lane.then(work);
  lane = result.catch(() => undefined);
  return result;
};

const perform = async ({ id, call, args = {} }) => {
  if (call === 'computeStreamableLogs') {
    // only opening the stream uses a nonce: others need not wait for its end
    const stream = await inTurn(() => client.computeStreamableLogs(apiUrl, signer, args.jobId));
    if (!stream) throw new Error('the service streams no logs of this job now');
    return pipeLogs(id, stream);
  }
  if (Object.hasOwn(readingCalls, call)) return readingCalls[call](args);
  if (Object.hasOwn(signedCalls, call)) return inTurn(() => signedCalls[call](args));
  throw new Error(`there is no call named ${call}`);
};

const serve = async (line) => {
  const request = JSON.parse(line);
  try {
    answer({ id: request.id, value: (await perform(request)) ?? null });
  } catch (err) {
    answer({ id: request.id, error: err instanceof Error ? err.message : String(err) });
  }
};

createInterface({ input: process.stdin })
  .on('line', (line) => void serve(line))
  .on('close', () => process.exit(0));
answer({ ready: ownAddress });
