import { Wallet, getAddress, hexlify, toUtf8Bytes, getBytes } from 'ethers';
import type { Express } from 'express';
import request from 'supertest';
import { createApp } from '../../api/app.ts';
import { encryptTo, publicKeyOf } from '../../infra/ocean/ecies.ts';
import { sha256Hex } from '../../infra/ocean/ids.ts';
import { startOrder, mintDatatokens } from '../../infra/toolchain/chain/orders.ts';
import { packXz } from '../../infra/toolchain/chain/packXz.ts';
import { setAssetState, type PublishedAsset } from '../../infra/toolchain/chain/publishAsset.ts';
import { anAddress, aDid, aTransaction } from '../support/builders.ts';
import { aJob, anEnvironment, payFor, quoteOf, startWorld, trustAll, type World } from '../infra/ocean/support/world.ts';
import { aWorld } from './support/fakes.ts';
import { call, post, sign, signed } from './support/consumer.ts';

const paths = {
  fileInfo: '/api/services/fileInfo',
  initialize: '/api/services/initialize',
  download: '/api/services/download',
  decrypt: '/api/services/decrypt',
} as const;

let world: World;
let app: Express;
let consumer: Wallet;
let stranger: Wallet;
let deps: ReturnType<typeof aWorld>['deps'];
beforeAll(async () => {
  world = await startWorld();
  deps = { ...aWorld().deps, assets: world.ocean, chains: [{ chainId: 8996, feeToken: world.chain.contracts.ocean }] };
  app = createApp(deps);
  consumer = new Wallet(world.chain.accounts.consumer.privateKey);
  stranger = new Wallet(world.chain.accounts.otherConsumer.privateKey);
});
afterAll(() => world.close());

let lastNonce = 0;
const credentials = (wallet = consumer) => signed(wallet, (lastNonce += 1), 'download');
const urlFile = (content: Parameters<World['files']['serve']>[0]) => ({ type: 'url', url: world.files.serve(content), method: 'GET' });
const content = Buffer.from('0123456789abcdefghij');

const publishAccess = (over: object = {}, files: readonly unknown[] = [urlFile(content)]): Promise<PublishedAsset> =>
  world.publish({ type: 'dataset', services: [{ type: 'access', timeout: 3_600, files, ...over }] });

const referTo = (asset: PublishedAsset, service = 0) => ({ documentId: asset.did, serviceId: asset.serviceIds[service]! });
const initialize = (query: Record<string, string>) => call(app, 'get', paths.initialize, (get) => get.query(query));
const download = (query: Record<string, string>, headers: Record<string, string> = {}) =>
  call(app, 'get', paths.download, (get) =>
    get
      .query(query)
      .set(headers)
      .buffer(true)
      .parse((res, done) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () => {
          const all = Buffer.concat(chunks);
          done(null, res.headers['content-type']?.startsWith('application/json') ? JSON.parse(all.toString()) : all);
        });
      }),
  );
const bytesOf = ({ body }: { body: unknown }): Buffer => body as Buffer;
const errorOf = ({ body }: { body: unknown }): unknown => body;

/** Orders as a client does: quote, datatoken, order. */
const order = async (asset: PublishedAsset, { payer = world.chain.accounts.consumer, service = 0 } = {}): Promise<string> => {
  const { body } = await initialize({ ...referTo(asset, service), consumerAddress: payer.address });
  await mintDatatokens(world.chain.accounts.publisher, { datatokenAddress: body.datatoken, to: payer.address });
  return startOrder(payer, {
    datatokenAddress: body.datatoken,
    consumer: payer.address,
    serviceIndex: service,
    providerFee: body.providerFee,
  });
};

describe('POST fileInfo', () => {
  const ask = (body: object) => post(app, paths.fileInfo, body);

  test('tells every file of a service, with its checksum when it is asked for', async () => {
    const typed = urlFile((_req, res) => void res.writeHead(200, { 'content-type': 'text/csv', 'content-length': 3 }).end('a,b'));
    const asset = await publishAccess({}, [urlFile(content), typed]);
    const { did } = asset;
    const { status, body } = await ask({ did, serviceId: asset.serviceIds[0], checksum: true });
    expect(status).toBe(200);
    expect(body).toEqual([
      {
        ...{ index: 0, valid: true, type: 'url', contentLength: '20', checksumType: 'sha256' },
        name: expect.stringMatching(/^\d+$/),
        checksum: sha256Hex(content),
      },
      {
        ...{ index: 1, valid: true, type: 'url', contentLength: '3', contentType: 'text/csv', checksumType: 'sha256' },
        name: expect.stringMatching(/^\d+$/),
        checksum: sha256Hex('a,b'),
      },
    ]);
    const one = await ask({ did, serviceId: asset.serviceIds[0], fileIndex: 1 });
    expect(one.body).toEqual([
      { index: 1, valid: true, type: 'url', contentLength: '3', contentType: 'text/csv', name: expect.any(String) },
    ]);
  });

  test.each<[string, (file: object) => object]>([
    ['beside the flag', (file) => ({ ...file, checksum: true })],
    ['as file', (file) => ({ file, checksum: true })],
  ])('takes a file object %s', async (_what, wrap) => {
    const { body } = await ask(wrap(urlFile('hello')));
    expect(body).toMatchObject([{ valid: true, contentLength: '5', checksum: sha256Hex('hello') }]);
  });

  test('a file that cannot be read is not valid, and its address is not told', async () => {
    const missing = { type: 'url', url: `${world.files.serve('x')}9999?secret=1`, method: 'GET' };
    const { status, body, text } = await ask(missing);
    expect([status, body]).toEqual([200, [{ index: 0, valid: false, type: 'url', name: expect.any(String) }]]);
    expect(text).not.toContain('secret');
  });

  test.each([
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/',
    'http://[::1]:22/',
    'http://0x7f.1.1.1/',
    'http://localtest.invalid/',
  ])('nothing is fetched from %s', async (url) => {
    expect((await ask({ type: 'url', url, method: 'GET' })).body).toMatchObject([{ valid: false }]);
  });

  test('a checksum of a large file is not computed', async () => {
    const { body } = await ask({ ...urlFile(Buffer.alloc(5 * 1024 ** 2 + 1)), checksum: true });
    expect(body[0]).toMatchObject({ valid: true, contentLength: String(5 * 1024 ** 2 + 1) });
    expect(body[0]).not.toHaveProperty('checksum');
  });

  test.each<[object, number, string | RegExp]>([
    [{}, 400, /^Missing did/],
    [{ did: 'did:op:1' }, 400, 'Missing serviceId'],
    [{ type: 'url' }, 400, 'malformed service files, missing required keys.'],
    [{ type: 'url', url: 'ftp://x' }, 400, 'malformed service files, missing required keys.'],
    [{ type: 'url', url: 'https://x.invalid', method: 'delete' }, 400, 'Unsafe method delete.'],
    [{ type: 'ftp', url: 'x' }, 400, 'Unsupported type ftp'],
    [{ type: 'arweave' }, 400, 'malformed service files, missing transactionId.'],
    [{ did: 17 }, 400, /^did: /],
    [{ did: 'did:op:1', serviceId: 'x' }, 404, 'DDO did:op:1 not found'],
  ])('%j is refused', async (body, code, text) => {
    const response = await ask(body);
    expect(response.status).toBe(code);
    expect(response.body.error).toEqual(typeof text === 'string' ? text : expect.stringMatching(text));
  });

  test('an unknown service is a 404, a file that the service does not have a 400', async () => {
    const asset = await publishAccess();
    expect((await ask({ did: asset.did, serviceId: 'x' })).body).toEqual({ error: `Cannot find service x in DDO ${asset.did}` });
    expect((await ask({ did: asset.did, serviceId: asset.serviceIds[0], fileIndex: 1 })).body).toEqual({ error: 'No such fileIndex 1' });
  });

  test('files that were encrypted for another provider are a 400', async () => {
    const asset = await world.publish(
      { type: 'dataset', services: [{ type: 'access', files: [urlFile('x')] }] },
      { publicKey: publicKeyOf(`0x${'22'.repeat(32)}`) },
    );
    expect((await ask({ did: asset.did, serviceId: asset.serviceIds[0] })).status).toBe(400);
  });
});

describe('GET initialize', () => {
  test('answers datatoken, nonce, address and a fee that costs nothing and ends with the order', async () => {
    const asset = await publishAccess();
    const before = Math.floor(Date.now() / 1_000);
    const { status, body } = await initialize({ ...referTo(asset), consumerAddress: consumer.address, fileIndex: '0', userdata: '{}' });
    expect(status).toBe(200);
    expect(body).toEqual({
      datatoken: asset.datatokenAddress,
      nonce: expect.stringMatching(/^\d+$/),
      computeAddress: world.ocean.providerAddress,
      providerFee: expect.objectContaining({
        providerFeeAddress: world.ocean.providerAddress,
        providerFeeToken: getAddress(world.chain.contracts.ocean),
        providerFeeAmount: '0',
      }),
    });
    expect(body.providerFee.validUntil - before).toBeGreaterThanOrEqual(3_600);
    expect(JSON.parse(Buffer.from(getBytes(body.providerFee.providerData)).toString())).toEqual({
      environment: null,
      timestamp: expect.any(Number),
      dt: asset.datatokenAddress,
      id: asset.serviceIds[0],
    });
  });

  test('an order without end has a fee without end', async () => {
    const asset = await publishAccess({ timeout: 0 });
    expect((await initialize({ ...referTo(asset), consumerAddress: consumer.address })).body.providerFee.validUntil).toBe(0);
  });

  test('a compute service has its own call', async () => {
    const asset = await world.publishDataset();
    const response = await initialize({ ...referTo(asset), consumerAddress: consumer.address });
    expect([response.status, response.body]).toEqual([400, { error: 'Use the initializeCompute endpoint to initialize compute jobs' }]);
  });

  test.each<[Record<string, string>, number, string]>([
    [
      {},
      400,
      'Missing one ( "documentId" ) or more required field(s) for command: "initialize". Required fields: documentId,serviceId,consumerAddress',
    ],
    [{ documentId: 'did:op:1', serviceId: 'x', consumerAddress: 'me' }, 400, 'Parameter : "consumerAddress" is not a valid web3 address'],
    [
      { documentId: 'did:op:1', serviceId: 'x', consumerAddress: anAddress(), fileIndex: '-1' },
      400,
      'fileIndex is no index: it must be an integer from 0',
    ],
    [{ documentId: 'did:op:1', serviceId: 'x', consumerAddress: anAddress() }, 404, 'DDO did:op:1 not found'],
  ])('%j is refused', async (query, code, error) => {
    const response = await initialize(query);
    expect([response.status, response.body]).toEqual([code, { error }]);
  });

  test('nobody is told to pay for what would be refused', async () => {
    const asset = await publishAccess();
    const ask = (over: Record<string, string>) => initialize({ ...referTo(asset), consumerAddress: consumer.address, ...over });
    expect((await ask({ fileIndex: '1' })).body).toEqual({ error: 'No such fileIndex 1' });
    expect((await ask({ serviceId: 'x' })).status).toBe(404);
    const denied = await publishAccess({ credentials: { allow: [{ type: 'address', values: [anAddress()] }], deny: [] } });
    expect((await initialize({ ...referTo(denied), consumerAddress: consumer.address })).status).toBe(403);
    await setAssetState(world.chain.accounts.publisher, asset.nftAddress, 3);
    expect((await ask({})).status).toBe(400);
  });
});

describe('GET download', () => {
  let asset: PublishedAsset;
  let transferTxId: string;
  const query = (over: Record<string, string> = {}, wallet = consumer): Record<string, string> => ({
    ...{ ...referTo(asset), transferTxId, fileIndex: '0' },
    ...credentials(wallet),
    ...over,
  });
  beforeAll(async () => {
    asset = await publishAccess();
    transferTxId = await order(asset);
  });

  test('streams the file to whoever ordered it', async () => {
    const response = await download(query());
    expect([response.status, bytesOf(response).toString()]).toEqual([200, content.toString()]);
    expect(response.headers).toMatchObject({
      'content-length': '20',
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
    });
    expect(response.headers['content-disposition']).toMatch(/^attachment;filename=\d+$/);
  });

  test.each<[string, number, string, string | undefined]>([
    ['bytes=5-', 206, '56789abcdefghij', 'bytes 5-19/20'],
    ['bytes=0-4', 206, '01234', 'bytes 0-4/20'],
    ['bytes=3-3', 206, '3', 'bytes 3-3/20'],
    ['bytes=-4', 206, 'ghij', 'bytes 16-19/20'],
    ['bytes=10-1000', 206, 'abcdefghij', 'bytes 10-19/20'],
    ['lines=1-2', 200, content.toString(), undefined],
  ])('Range %s', async (range, code, text, contentRange) => {
    const response = await download(query(), { Range: range });
    expect([response.status, bytesOf(response).toString(), response.headers['content-range']]).toEqual([code, text, contentRange]);
  });

  test('a range behind the end is a 416', async () => {
    const response = await download(query(), { Range: 'bytes=20-' });
    expect([response.status, response.headers['content-range']]).toEqual([416, 'bytes */20']);
  });

  test('a range is cut out where the source knows none; a size that nobody knows makes everything', async () => {
    const deaf = urlFile((_req, res) => void res.writeHead(200, { 'content-length': content.length }).end(content));
    const endless = urlFile((_req, res) => void res.writeHead(200).end(content));
    const both = await publishAccess({}, [deaf, endless]);
    const tx = await order(both);
    const from = (fileIndex: string) =>
      download({ ...referTo(both), transferTxId: tx, fileIndex, ...credentials() }, { Range: 'bytes=7-9' });
    const cut = await from('0');
    expect([cut.status, bytesOf(cut).toString()]).toEqual([206, '789']);
    const whole = await from('1');
    expect([whole.status, bytesOf(whole).toString(), whole.headers['accept-ranges']]).toEqual([200, content.toString(), 'none']);
  });

  test("the source's content type is passed on, unless it is none", async () => {
    const typed = (type: string) => urlFile((_req, res) => void res.writeHead(200, { 'content-type': type }).end('x'));
    const both = await publishAccess({}, [typed('text/csv; charset=utf-8'), typed('x')]);
    const tx = await order(both);
    const types = [];
    for (const fileIndex of ['0', '1']) {
      types.push((await download({ ...referTo(both), transferTxId: tx, fileIndex, ...credentials() })).headers['content-type']);
    }
    expect(types).toEqual(['text/csv; charset=utf-8', 'application/octet-stream']);
  });

  test('a token stands for the signature', async () => {
    const token = deps.tokens.issue({ address: consumer.address, nonce: '1', validUntilMs: null });
    const { consumerAddress: _address, nonce: _nonce, signature: _signature, ...rest } = query();
    expect((await download(rest, { Authorization: token })).status).toBe(200);
    const others = deps.tokens.issue({ address: stranger.address, nonce: '1', validUntilMs: null });
    expect((await download(rest, { Authorization: others })).status).toBe(400);
  });

  test('a URL is good once', async () => {
    const once = query();
    expect((await download(once)).status).toBe(200);
    const again = await download(once);
    expect([again.status, errorOf(again)]).toEqual([401, { error: `nonce: ${once['nonce']} is not a valid nonce` }]);
  });

  test('HEAD would spend the nonce for nothing', async () => {
    expect((await request(app).head(paths.download).query(query())).status).toBe(405);
  });

  const refusals: readonly (readonly [string, () => Promise<Record<string, string>> | Record<string, string>, number, RegExp])[] = [
    [
      'a stranger with somebody else’s order',
      () => query({}, stranger),
      400,
      /^Order with tx_id 0x\w+ could not be validated due to error: the sender of the order transaction is not the consumer or payer$/,
    ],
    ['a transaction that does not exist', () => query({ transferTxId: aTransaction() }), 400, /the order transaction is not found$/],
    ['no transaction', () => query({ transferTxId: '' }), 400, /^Missing one \( "transferTxId" \)/],
    ['a file that the service does not have', () => query({ fileIndex: '1' }), 400, /^No such fileIndex 1$/],
    ['an index that is none', () => query({ fileIndex: 'x' }), 400, /^fileIndex is no index/],
    ['an unknown asset', () => query({ documentId: aDid() }), 404, /^DDO did:op:\w+ not found$/],
    ['an unknown service', () => query({ serviceId: 'x' }), 404, /^Cannot find service x in DDO/],
    [
      'a signature of another call',
      () => ({ ...query(), signature: sign(consumer, lastNonce, 'encrypt') }),
      401,
      /^consumer address and nonce signature mismatch$/,
    ],
    ['no signature', () => query({ signature: 'undefined' }), 401, /^Invalid authentication/],
    [
      'another order',
      async () => query({ transferTxId: await order(await publishAccess()) }),
      400,
      /the transaction holds no order of this datatoken$/,
    ],
  ];
  test.each(refusals)('%s is refused', async (_what, make, code, text) => {
    const response = await download(await make());
    expect([response.status, errorOf(response)]).toEqual([code, { error: expect.stringMatching(text) }]);
  });

  test('an order of one service opens no other', async () => {
    const two = await world.publish({
      type: 'dataset',
      services: [0, 1].map(() => ({ type: 'access' as const, timeout: 3_600, files: [urlFile(content)] })),
    });
    const tx = await order(two, { service: 0 });
    const ask = (service: number) => download({ ...referTo(two, service), transferTxId: tx, fileIndex: '0', ...credentials() });
    expect([(await ask(0)).status, (await ask(1)).status]).toEqual([200, 400]);
  });

  test('a compute service hands nothing out, though its order is good', async () => {
    const dataset = await world.publishDataset();
    const spec = aJob(world, { dataset, algorithm: await world.publishAlgorithm() });
    const tx = await payFor(world, (await world.ocean.quote(quoteOf(spec), anEnvironment())).datasets[0]);
    const response = await download({ ...referTo(dataset), transferTxId: tx, fileIndex: '0', ...credentials() });
    expect([response.status, errorOf(response)]).toEqual([
      400,
      { error: `Service with index=${dataset.serviceIds[0]} is not an access service.` },
    ]);
  });

  test('an order that has expired is refused', async () => {
    const short = await publishAccess({ timeout: 60 });
    const tx = await order(short);
    const ask = () => download({ ...referTo(short), transferTxId: tx, fileIndex: '0', ...credentials() });
    expect((await ask()).status).toBe(200);
    await world.chain.advance(100);
    const late = await ask();
    expect([late.status, errorOf(late)]).toEqual([400, { error: expect.stringMatching(/: the order has expired$/) }]);
  });

  test('revoked assets and denied consumers get nothing, whatever they paid', async () => {
    const revoked = await publishAccess();
    const tx = await order(revoked);
    await setAssetState(world.chain.accounts.publisher, revoked.nftAddress, 3);
    expect((await download({ ...referTo(revoked), transferTxId: tx, fileIndex: '0', ...credentials() })).status).toBe(400);
    const denied = await publishAccess({ credentials: { allow: [], deny: [{ type: 'address', values: [consumer.address] }] } });
    expect((await download({ ...referTo(denied), transferTxId: tx, fileIndex: '0', ...credentials() })).status).toBe(403);
  });

  test('an algorithm’s service of type access is downloaded only with its own order', async () => {
    const algorithm = await world.publishAlgorithm('the code');
    const tx = await order(algorithm);
    const response = await download({ ...referTo(algorithm), transferTxId: tx, fileIndex: '0', ...credentials() });
    expect(bytesOf(response).toString()).toBe('the code');
    expect((await download({ ...referTo(algorithm), transferTxId, fileIndex: '0', ...credentials() })).status).toBe(400);
  });

  test.each<[string, (url: string) => object, number]>([
    ['is gone', (url) => ({ type: 'url', url: `${url}9999` }), 400],
    ['must not be reached', () => ({ type: 'url', url: 'http://169.254.169.254/latest' }), 400],
    ['is out of order', () => urlFile((_req, res) => void res.writeHead(502).end()), 503],
  ])('a source that %s is told without its address', async (_what, file, code) => {
    const broken = await publishAccess({}, [file(world.files.serve('x'))]);
    const tx = await order(broken);
    const response = await download({ ...referTo(broken), transferTxId: tx, fileIndex: '0', ...credentials() });
    expect([response.status, errorOf(response)]).toEqual([
      code,
      { error: expect.stringMatching(/^Asset URL not found, not available or invalid: /) },
    ]);
    expect(JSON.stringify(response.body)).not.toMatch(/127\.0\.0\.1|169\.254|files\//);
    expect(response.headers).not.toHaveProperty('content-disposition');
  });

  test('what breaks off in the middle is cut off, not ended', async () => {
    const breaking = urlFile((_req, res) => {
      res.writeHead(200, { 'content-length': 1_000 }).write('half');
      setTimeout(() => res.destroy(), 50);
    });
    const broken = await publishAccess({}, [breaking]);
    const tx = await order(broken);
    await expect(download({ ...referTo(broken), transferTxId: tx, fileIndex: '0', ...credentials() })).rejects.toThrow(/aborted|hang up/);
  });
});

describe('POST decrypt', () => {
  const document = Buffer.from('{"id":"did:op:1","secret":true}');
  let asset: PublishedAsset;
  beforeAll(async () => {
    asset = await world.publish({ type: 'dataset', services: [{ type: 'compute', compute: trustAll, files: [urlFile('x')] }] });
  });
  const decrypt = (over: object = {}, target = app) => {
    lastNonce += 1;
    return post(target, paths.decrypt, {
      ...{ decrypterAddress: consumer.address, chainId: 8996, dataNftAddress: asset.nftAddress, nonce: String(lastNonce) },
      signature: sign(consumer, lastNonce, 'decryptDDO'),
      ...over,
    });
  };
  const encrypted = (plain: Uint8Array, flags: number, over: object = {}) => ({
    encryptedDocument: (flags & 2) === 2 ? encryptTo(world.ocean.nodePublicKey, plain) : hexlify(plain),
    flags,
    documentHash: `0x${sha256Hex(document)}`,
    ...over,
  });

  test.each<[string, () => object]>([
    ['plain', () => encrypted(document, 0)],
    ['compressed', () => encrypted(packXz(document), 1)],
    ['encrypted', () => encrypted(document, 2)],
    ['compressed, then encrypted', () => encrypted(packXz(document), 3)],
    ['with flags as hex', () => encrypted(document, 2, { flags: '0x02' })],
    ['with a hash without 0x', () => encrypted(document, 2, { documentHash: sha256Hex(document) })],
  ])('opens a document that is %s', async (_what, body) => {
    const response = await decrypt(body());
    expect([response.status, response.type, response.text]).toEqual([200, 'text/plain', document.toString()]);
  });

  test.each([{ encrypted: true }, { encrypted: true, compressed: true }, {}])('finds a document in its transaction: %j', async (form) => {
    const published = await world.publish({ type: 'dataset', services: [{ type: 'access', files: [urlFile('x')] }] }, { form });
    const block = await world.chain.provider.getBlock('latest');
    const hash = block!.transactions[0]!;
    const response = await decrypt({ dataNftAddress: published.nftAddress, transactionId: hash });
    expect(JSON.parse(response.text)).toEqual(published.ddo);
    // an event of another NFT proves nothing about this one
    const foreign = await decrypt({ transactionId: hash });
    expect([foreign.status, foreign.body]).toEqual([400, { error: 'Failed to process transaction id.' }]);
  });

  test.each<[string, () => object, number, string]>([
    ['another chain', () => ({ ...encrypted(document, 2), chainId: 5 }), 400, 'Unsupported chain ID 5'],
    [
      'no NFT of the factory',
      () => ({ ...encrypted(document, 2), dataNftAddress: anAddress() }),
      400,
      'Asset not deployed by the data NFT factory.',
    ],
    ['nothing to decrypt', () => ({}), 400, 'Failed to convert input args to bytes.'],
    ['no hex', () => encrypted(document, 2, { encryptedDocument: 'hello' }), 400, 'Failed to convert input args to bytes.'],
    ['no hash', () => encrypted(document, 2, { documentHash: null }), 400, 'Failed to convert input args to bytes.'],
    ['an unknown transaction', () => ({ transactionId: aTransaction() }), 400, 'Failed to process transaction id.'],
    ['a transaction id that is none', () => ({ transactionId: 'x' }), 400, 'Failed to process transaction id.'],
    [
      'another key',
      () => encrypted(document, 2, { encryptedDocument: encryptTo(publicKeyOf(`0x${'22'.repeat(32)}`), document) }),
      400,
      'Failed to decrypt.',
    ],
    ['what is not compressed', () => encrypted(document, 1), 400, 'Failed to decompress'],
    ['another document', () => encrypted(toUtf8Bytes('{}'), 2), 400, "Checksum doesn't match."],
    ['a chain that is no number', () => ({ ...encrypted(document, 2), chainId: 'x' }), 400, 'Unsupported chain ID: it is no number'],
    [
      'a decrypter that is no address',
      () => ({ decrypterAddress: 'me' }),
      400,
      'Parameter : "decrypterAddress" is not a valid web3 address',
    ],
    [
      'another signer',
      () => ({ ...encrypted(document, 2), decrypterAddress: anAddress() }),
      401,
      'consumer address and nonce signature mismatch',
    ],
    [
      'a missing field',
      () => ({ dataNftAddress: null }),
      400,
      'Missing one ( "dataNftAddress" ) or more required field(s) for command: "decryptDDO". Required fields: decrypterAddress,chainId,dataNftAddress',
    ],
  ])('%s is refused', async (_what, body, code, error) => {
    const response = await decrypt(body());
    expect([response.status, response.body]).toEqual([code, { error }]);
  });

  test.each<[number, number, string]>([
    [1, 403, 'Asset end of life'],
    [2, 403, 'Asset deprecated'],
    [3, 403, 'Asset revoked'],
    [4, 200, ''],
    [5, 200, ''],
  ])('an asset in state %d is answered %d', async (state, code, error) => {
    await setAssetState(world.chain.accounts.publisher, asset.nftAddress, state);
    const response = await decrypt(encrypted(document, 2));
    await setAssetState(world.chain.accounts.publisher, asset.nftAddress, 0);
    expect([response.status, response.body.error ?? '']).toEqual([code, error]);
  });

  test('files of a service are not opened by whoever copies their ciphertext', async () => {
    const { files } = (asset.ddo as { services: { files: string }[] }).services[0]!;
    const response = await decrypt({ encryptedDocument: files, flags: 2, documentHash: `0x${'0'.repeat(64)}` });
    expect([response.status, response.body]).toEqual([400, { error: "Checksum doesn't match." }]);
  });

  test('only decrypters of the list may ask, in any spelling', async () => {
    const only = (address: string) => createApp({ ...deps, authorizedDecrypters: [address] });
    const denied = await decrypt(encrypted(document, 2), only(anAddress()));
    expect([denied.status, denied.body]).toEqual([403, { error: 'Decrypter not authorized' }]);
    expect((await decrypt(encrypted(document, 2), only(consumer.address.toLowerCase()))).status).toBe(200);
  });
});
