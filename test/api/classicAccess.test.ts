import { SigningKey, Wallet, hexlify, type HDNodeWallet } from 'ethers';
import { createClassicApp } from '../../api/classic/app.ts';
import { encryptTo, publicKeyOf } from '../../infra/ocean/ecies.ts';
import { sha256Hex } from '../../infra/ocean/ids.ts';
import { mintDatatokens, startOrder, type OrderFee } from '../../infra/toolchain/chain/orders.ts';
import { packXz } from '../../infra/toolchain/chain/packXz.ts';
import { setAssetState, type AssetTemplate, type PublishedAsset } from '../../infra/toolchain/chain/publishAsset.ts';
import { aDid, aTransaction, anAddress } from '../support/builders.ts';
import { trustAll } from '../infra/ocean/support/world.ts';
import {
  callClassic,
  fieldErrors,
  queryClassic,
  refused,
  sendClassic,
  signText,
  startClassicWorld,
  type ClassicWorld,
} from './support/classicWorld.ts';

let classic: ClassicWorld;
let consumer: HDNodeWallet;
const content = '0123456789abcdefghij';
const net = 'Provider Ganache: ';

beforeAll(async () => {
  classic = await startClassicWorld();
  consumer = classic.world.chain.accounts.consumer;
});
afterAll(() => classic.close());

const urlFile = (body: Parameters<ClassicWorld['world']['files']['serve']>[0]) => ({
  type: 'url',
  url: classic.world.files.serve(body),
  method: 'GET',
});
const publishAccess = (over: Partial<AssetTemplate> & { files?: readonly unknown[]; timeout?: number } = {}, publicKey?: string) => {
  const { files = [urlFile(content)], timeout = 3_600, ...asset } = over;
  return classic.world.publish(
    { type: 'dataset', services: [{ type: 'access', timeout, files }], ...asset },
    publicKey === undefined ? {} : { publicKey },
  );
};
const nameOf = (asset: PublishedAsset) => ({ documentId: asset.did, serviceId: asset.serviceIds[0]! });
const foreignKey = (): string => publicKeyOf(new SigningKey(Wallet.createRandom().privateKey).privateKey);

const initialize = (query: object) => queryClassic(classic.app, 'get', '/api/services/initialize', query);
const order = async (asset: PublishedAsset, payer = consumer, consumerAddress = payer.address): Promise<string> => {
  const { body } = await initialize({ ...nameOf(asset), consumerAddress });
  await mintDatatokens(classic.world.chain.accounts.publisher, { datatokenAddress: asset.datatokenAddress, to: payer.address });
  const providerFee = body.providerFee as OrderFee;
  return startOrder(payer, { datatokenAddress: asset.datatokenAddress, consumer: consumerAddress, serviceIndex: 0, providerFee });
};

let lastNonce = 10;
const signedDownload = (asset: { did: string; serviceIds: readonly string[] }, transferTxId: string, wallet: HDNodeWallet = consumer) => {
  const nonce = String((lastNonce += 1));
  return {
    ...{ documentId: asset.did, serviceId: asset.serviceIds[0]!, transferTxId, fileIndex: 0, nonce, consumerAddress: wallet.address },
    signature: signText(wallet, `${asset.did}${nonce}`),
  };
};
const download = (query: object, headers = {}) => queryClassic(classic.app, 'get', '/api/services/download', query, headers);

describe('POST fileinfo', () => {
  const fileinfo = (body: object) => sendClassic(classic.app, 'post', '/api/services/fileinfo', body);

  test('tells size, name and checksum of each file of a service', async () => {
    const asset = await publishAccess({ files: [urlFile(content), urlFile((_req, res) => void res.writeHead(500).end())] });
    const { body, status } = await fileinfo({ did: asset.did, serviceId: asset.serviceIds[0], checksum: true });
    expect([status, body]).toEqual([
      200,
      [
        {
          ...{ index: 0, valid: true, type: 'url', contentLength: '20', filename: expect.stringMatching(/^\d+$/) },
          ...{ checksum: sha256Hex(content), checksumType: 'sha256' },
        },
        { index: 1, valid: false, type: 'url', filename: expect.stringMatching(/^\d+$/) },
      ],
    ]);
  });

  test('tells of a file object of whoever asks, without a checksum unless it is asked for', async () => {
    const { body } = await fileinfo(urlFile(content));
    expect(body).toMatchObject([{ index: 0, valid: true, contentLength: '20' }]);
    expect(body[0]).not.toHaveProperty('checksum');
  });

  test.each<[string, object, object]>([
    [
      'nothing',
      {},
      {
        type: ['The type field is required when did is not present.'],
        did: ['The did field is required when type is not present.'],
        serviceId: ['The serviceId field is required when type is not present.'],
      },
    ],
    ['no url', { type: 'url' }, { url: ['The url field is required when type is url.'] }],
    ['no hash', { type: 'ipfs' }, { hash: ['The hash field is required when type is ipfs.'] }],
    ['no transaction', { type: 'arweave' }, { transactionId: ['The transactionId field is required when type is arweave.'] }],
    ['another type', { type: 'ftp' }, { type: ['The selected type is invalid.'] }],
    ['no DID', { did: 'ocean', serviceId: '1' }, { did: ['The did format is invalid.'] }],
    ['no service', { did: aDid() }, { serviceId: ['The serviceId field is required when type is not present.'] }],
  ])('%s is a field error', async (_name, body, errors) => {
    expect(refused(await fileinfo(body))).toEqual(fieldErrors(errors));
  });

  test.each<[string, object, string]>([
    ['a method that changes things', { type: 'url', url: 'http://a.example', method: 'DELETE' }, 'Unsafe method delete.'],
    ['no web address', { type: 'url', url: 'ftp://a.example' }, 'malformed service files, missing required keys.'],
    ['headers that are none', { type: 'url', url: 'http://a.example', headers: 'x' }, 'malformed file object.'],
    ['no endpoint', { type: 'graphql' }, 'missing graphql endpoint'],
    ['no query', { type: 'graphql', url: 'http://a.example' }, 'missing graphql query'],
    ['no contract', { type: 'smartcontract' }, 'malformed smartcontract type, missing contract address'],
    ['no abi', { type: 'smartcontract', address: anAddress() }, 'invalid abi'],
  ])('%s is refused', async (_name, body, error) => {
    expect(refused(await fileinfo(body))).toEqual([400, { error }]);
  });

  test('services that are not there, or not ours, are told', async () => {
    const [asset, foreign] = [await publishAccess(), await publishAccess({}, foreignKey())];
    const error = async (body: object) => refused(await fileinfo(body));
    expect(await error({ did: aDid(), serviceId: '1' })).toEqual([400, { error: 'Cannot resolve DID' }]);
    expect(await error({ did: asset.did, serviceId: 'none' })).toEqual([400, { error: `${net}Invalid serviceId.` }]);
    expect(await error({ did: foreign.did, serviceId: foreign.serviceIds[0] })).toEqual([
      400,
      { error: `${net}Unable to get dataset files` },
    ]);
  });

  test.each(['http://10.0.0.1/', 'http://169.254.169.254/latest', 'http://[::1]:1/', 'http://0x7f.0.0.2/'])('nobody learns whether %s is there', async (url) => {
    const { status, body } = await fileinfo({ type: 'url', url });
    // the test's own data server is allowed, and no other private address
    expect([status, body]).toMatchObject([200, [{ valid: false }]]);
    expect(body[0]).not.toHaveProperty('contentLength');
  }); // prettier-ignore
});

describe('GET initialize', () => {
  test('answers the datatoken and a fee of nothing that the contract accepts', async () => {
    const asset = await publishAccess();
    const consumerAddress = Wallet.createRandom().address;
    const { status, body } = await initialize({ ...nameOf(asset), consumerAddress, fileIndex: 0, environment: 'small', validUntil: 1 });
    expect([status, body]).toMatchObject([
      200,
      { datatoken: asset.datatokenAddress, nonce: null, providerFee: { providerFeeAmount: '0', validUntil: 0 } },
    ]);
    const providerData = Buffer.from(String(body.providerFee.providerData).slice(2), 'hex').toString();
    expect(providerData).toMatch(/^\{"environment":null,"timestamp":\d+(\.\d+)?,"dt":"0x\w{40}","id":"\w{64}"\}$/);
    await expect(order(asset)).resolves.toMatch(/^0x/);
  });

  test('answers a good order of the same consumer as it is', async () => {
    const asset = await publishAccess();
    const transferTxId = await order(asset);
    const ask = (consumerAddress: string) => initialize({ ...nameOf(asset), consumerAddress, transferTxId });
    expect((await ask(consumer.address)).body).toEqual({ validOrder: transferTxId });
    expect((await ask(anAddress())).body).toHaveProperty('providerFee');
  });

  test('tells the last nonce', async () => {
    const { address } = Wallet.createRandom();
    await classic.opened.ledger.spendNonce(address, '41');
    expect((await initialize({ ...nameOf(await publishAccess()), consumerAddress: address })).body.nonce).toBe('41');
  });

  test('refuses what cannot be downloaded', async () => {
    const consumerAddress = consumer.address;
    const asset = await publishAccess();
    const error = async (query: object) => refused(await initialize({ consumerAddress, ...query }));
    expect(await error({ documentId: aDid(), serviceId: '1' })).toEqual([400, { error: 'Cannot resolve DID' }]);
    expect(await error({ documentId: asset.did, serviceId: '1' })).toEqual([400, { error: `${net}Invalid serviceId.` }]);
    const compute = await classic.world.publishDataset();
    expect(await error(nameOf(compute))).toEqual([400, { error: `${net}Use the initializeCompute endpoint to initialize compute jobs.` }]);
    const denied = await publishAccess({ credentials: { deny: [{ type: 'address', values: [consumerAddress] }] } });
    expect(await error(nameOf(denied))).toEqual([
      400,
      { error: `${net}Error: Access to asset ${denied.did} was denied with code: ConsumableCodes.CREDENTIAL_IN_DENY_LIST.` },
    ]);
    const ended = await publishAccess();
    await setAssetState(classic.world.chain.accounts.publisher, ended.nftAddress, 2);
    expect(await error(nameOf(ended))).toEqual([400, { error: `${net}Asset is not consumable.` }]);
    const broken = await publishAccess({ files: [urlFile((_req, res) => void res.writeHead(404).end())] });
    for (const [one, fileIndex] of [
      [broken, '0'],
      [asset, '1'],
    ] as const)
      // prettier-ignore
      expect(await error({ ...nameOf(one), fileIndex })).toEqual([
        400,
        {
          error: `${net}Asset URL not found, not available or invalid. Payload was: {'consumerAddress': '${consumerAddress}', 'documentId': '${one.did}', 'serviceId': '${one.serviceIds[0]}', 'fileIndex': '${fileIndex}'}`,
        },
      ]);
  });

  test('needs its fields', async () => {
    expect(refused(await callClassic(classic.app, 'get', '/api/services/initialize'))).toEqual(
      fieldErrors({
        documentId: ['The documentId field is required.'],
        serviceId: ['The serviceId field is required.'],
        consumerAddress: ['The consumerAddress field is required.'],
      }),
    );
    const query = { documentId: aDid(), serviceId: '1', consumerAddress: anAddress(), fileIndex: 'first' };
    expect(refused(await initialize(query))).toEqual(fieldErrors({ fileIndex: ['The fileIndex must be an integer.'] }));
  });
});

describe('GET download', () => {
  test('sends the file under its name, whole or in part', async () => {
    const asset = await publishAccess();
    const tx = await order(asset);
    const whole = await download(signedDownload(asset, tx));
    expect([whole.status, whole.body.toString()]).toEqual([200, content]);
    expect(whole.headers['content-disposition']).toMatch(/^attachment;filename=\d+$/);
    const part = await download(signedDownload(asset, tx), { Range: 'bytes=10-12' });
    expect([part.status, part.headers['content-range'], part.body.toString()]).toEqual([206, 'bytes 10-12/20', 'abc']);
    const behind = await download(signedDownload(asset, tx), { Range: 'bytes=20-' });
    expect([behind.status, behind.headers['content-range']]).toEqual([416, 'bytes */20']);
  });

  test('an address is good for one fetch', async () => {
    const asset = await publishAccess();
    const query = signedDownload(asset, await order(asset));
    expect((await download(query)).status).toBe(200);
    expect(refused(await download(query))).toEqual(
      fieldErrors({ signature: `Invalid signature expected nonce (${query.nonce}) > current nonce (${query.nonce}).` }),
    );
  });

  test('an environment fetches what it computes on; nobody else downloads from a compute service', async () => {
    const { provider } = classic.world.chain.accounts;
    const asset = await classic.world.publishDataset({ compute: trustAll });
    const { body } = await sendClassic(classic.app, 'post', '/api/services/initializeCompute', {
      datasets: [nameOf(asset)],
      algorithm: nameOf(await classic.world.publishAlgorithm()),
      compute: { env: 'small', validUntil: Math.floor(Date.now() / 1_000) + 600 },
      consumerAddress: consumer.address,
    });
    await mintDatatokens(classic.world.chain.accounts.publisher, { datatokenAddress: asset.datatokenAddress, to: consumer.address });
    const [{ providerFee }] = body.datasets as [{ providerFee: OrderFee }];
    const tx = await startOrder(consumer, { datatokenAddress: asset.datatokenAddress, consumer: provider.address, serviceIndex: 0, providerFee });
    expect((await download(signedDownload(asset, tx, provider))).body.toString()).toBe('data');
    expect(refused(await download(signedDownload(asset, tx)))).toEqual([
      400,
      { error: `${net}Service with index=${asset.serviceIds[0]} is not an access service.` },
    ]);
  }); // prettier-ignore

  test('orders that are not good are told why', async () => {
    const { otherConsumer } = classic.world.chain.accounts;
    const [asset, other] = [await publishAccess(), await publishAccess()];
    const [tx, otherTx, unknown] = [await order(asset), await order(other), aTransaction()];
    const error = async (transferTxId: string, wallet = consumer) => refused(await download(signedDownload(asset, transferTxId, wallet)));
    const because = (id: string, text: string) => [
      400,
      { error: `${net}Order with tx_id ${id} could not be validated due to error: ${text}` },
    ];
    expect(await error(unknown)).toEqual(because(unknown, 'order transaction failed.'));
    expect(await error(otherTx)).toEqual(because(otherTx, `Cannot find the event for the order transaction with tx id ${otherTx}.`));
    expect(await error(tx, otherConsumer)).toEqual(because(tx, 'sender of order transaction is not the consumer/payer.'));
  });

  test('an order ends with the time that its service gives', async () => {
    const asset = await publishAccess({ timeout: 60 });
    const tx = await order(asset);
    expect((await download(signedDownload(asset, tx))).status).toBe(200);
    await classic.world.chain.advance(120);
    expect(refused(await download(signedDownload(asset, tx)))).toEqual([
      400,
      { error: `${net}Order with tx_id ${tx} could not be validated due to error: The order has expired.` },
    ]);
  });

  test('there is no file behind the last one', async () => {
    const asset = await publishAccess();
    const tx = await order(asset);
    for (const fileIndex of [1, -1])
      expect(refused(await download({ ...signedDownload(asset, tx), fileIndex }))).toEqual([
        400,
        { error: `${net}No such fileIndex ${fileIndex}` },
      ]);
  });

  test('needs its fields', async () => {
    expect(refused(await callClassic(classic.app, 'get', '/api/services/download'))).toEqual(
      fieldErrors({
        documentId: ['The documentId field is required.'],
        serviceId: ['The serviceId field is required.'],
        transferTxId: ['The transferTxId field is required.'],
        fileIndex: ['The fileIndex field is required.'],
        consumerAddress: ['The consumerAddress field is required.'],
        nonce: ['The nonce field is required.'],
      }),
    );
  });
});

describe('POST decrypt', () => {
  const document = Buffer.from(JSON.stringify({ id: 'a document' }));
  const documentHash = `0x${sha256Hex(document)}`;
  let asset: PublishedAsset;
  beforeAll(async () => {
    asset = await publishAccess();
  });

  const ownKey = (): string => publicKeyOf(classic.world.chain.accounts.provider.privateKey);
  const decrypt = (over: object = {}, app = classic.app) => {
    const nonce = String((lastNonce += 1));
    const body: Record<string, unknown> = { decrypterAddress: consumer.address, chainId: 8996, dataNftAddress: asset.nftAddress, nonce, ...over };
    const subject = body['transactionId'] ?? body['dataNftAddress'];
    const signature = signText(consumer, `${String(subject)}${String(body['decrypterAddress'])}${String(body['chainId'])}${nonce}`);
    return sendClassic(app, 'post', '/api/services/decrypt', { signature, ...body });
  }; // prettier-ignore

  test.each<[string, () => object]>([
    ['plain', () => ({ encryptedDocument: hexlify(document), flags: 0, documentHash })],
    ['encrypted', () => ({ encryptedDocument: encryptTo(ownKey(), document), flags: 2, documentHash })],
    ['compressed', () => ({ encryptedDocument: hexlify(packXz(document)), flags: '1', documentHash })],
    ['both', () => ({ encryptedDocument: encryptTo(ownKey(), packXz(document)), flags: 3, documentHash })],
  ])('opens a document that is %s', async (_name, body) => {
    const { status, text, type } = await decrypt(body());
    expect([status, type, text]).toEqual([201, 'text/plain', document.toString()]);
  });

  test('opens the document of a transaction', async () => {
    const published = await classic.world.publish(
      { type: 'dataset', services: [{ type: 'access', files: [urlFile(content)] }] },
      { form: { encrypted: true, compressed: true } },
    );
    const logs = await classic.world.chain.provider.getLogs({ address: published.nftAddress, fromBlock: 0 });
    const transactionId = logs.at(-1)!.transactionHash;
    const { status, text } = await decrypt({ transactionId, dataNftAddress: published.nftAddress });
    expect(status).toBe(201);
    expect(JSON.parse(text)).toEqual(published.ddo);
    expect(refused(await decrypt({ transactionId: aTransaction() }))).toEqual([400, { error: 'Failed to process transaction id.' }]);
  });

  test.each<[string, () => object, number, string]>([
    ['a chain that is not served', () => ({ chainId: 5 }), 400, 'Unsupported chain ID 5'],
    ['an NFT of another factory', () => ({ dataNftAddress: anAddress() }), 400, 'Asset not deployed by the data NFT factory.'],
    ['no document', () => ({}), 400, 'Failed to convert input args to bytes.'],
    ['no hex', () => ({ encryptedDocument: 'xyz', flags: 2, documentHash }), 400, 'Failed to convert input args to bytes.'],
    ['somebody else\'s', () => ({ encryptedDocument: encryptTo(foreignKey(), document), flags: 2, documentHash }), 400, 'Failed to decrypt.'],
    ['not compressed', () => ({ encryptedDocument: hexlify(document), flags: 1, documentHash }), 400, 'Failed to decompress'],
    ['another hash', () => ({ encryptedDocument: hexlify(document), flags: 0, documentHash: `0x${'0'.repeat(64)}` }), 400, "Checksum doesn't match."],
  ])('refuses %s', async (_name, body, status, error) => {
    expect(refused(await decrypt(body()))).toEqual([status, { error }]);
  }); // prettier-ignore

  test.each([
    [1, 'Asset end of life'],
    [2, 'Asset deprecated'],
    [3, 'Asset revoked'],
  ])('refuses the documents of state %i', async (state, error) => {
    const ended = await publishAccess();
    await setAssetState(classic.world.chain.accounts.publisher, ended.nftAddress, state);
    const body = { dataNftAddress: ended.nftAddress, encryptedDocument: hexlify(document), flags: 0, documentHash };
    expect(refused(await decrypt(body))).toEqual([403, { error }]);
  });

  test('opens for decrypters of the list only, where there is one', async () => {
    const body = { encryptedDocument: hexlify(document), flags: 0, documentHash };
    const only = (address: string) => createClassicApp({ ...classic.deps, authorizedDecrypters: [address] });
    expect(refused(await decrypt(body, only(anAddress())))).toEqual([403, { error: 'Decrypter not authorized' }]);
    expect((await decrypt(body, only(consumer.address.toLowerCase()))).status).toBe(201);
  });

  test('needs its fields', async () => {
    expect(refused(await sendClassic(classic.app, 'post', '/api/services/decrypt', {}))).toEqual(
      fieldErrors({
        chainId: ['The chainId field is required.'],
        dataNftAddress: ['The dataNftAddress field is required.'],
        decrypterAddress: ['The decrypterAddress field is required.'],
        nonce: ['The nonce field is required.'],
      }),
    );
  });
});
