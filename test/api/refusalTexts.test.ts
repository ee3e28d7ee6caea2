import { Wallet } from 'ethers';
import type { Express } from 'express';
import { createApp } from '../../api/app.ts';
import type { JobStarter, StartVerdict } from '../../api/ports.ts';
import { encryptTo, publicKeyOf } from '../../infra/ocean/ecies.ts';
import { isJobFailure } from '../../workflows/contract/failures.ts';
import { setAssetState, type PublishedAsset } from '../../infra/toolchain/chain/publishAsset.ts';
import { aDid, aTransaction, anAddress } from '../support/builders.ts';
import { aJob, anEnvironment, container, payFor, quoteOf, startWorld, trustAll, type World } from '../infra/ocean/support/world.ts';
import { aWorld } from './support/fakes.ts';
import { post, sign } from './support/consumer.ts';

const paths = { paid: '/api/services/compute', free: '/api/services/freeCompute', quote: '/api/services/initializeCompute' } as const;
type Path = keyof typeof paths;

const environments = [
  anEnvironment(),
  anEnvironment({ id: 'closed', access: { addresses: [anAddress()] }, free: { access: { addresses: [anAddress()] } } }),
];

let world: World;
let app: Express;
let ledger: ReturnType<typeof aWorld>['ledger'];
let consumer: Wallet;
let token: string;
/** a dataset and an algorithm with their orders */
let dataset: PublishedAsset;
let algorithm: PublishedAsset;
let orders: { datasetTx: string; algorithmTx: string };

/** Judges each job by the rules that the orchestrator applies, on the chain. */
const judging = (judge: World['ocean'], ledger: ReturnType<typeof aWorld>['ledger']): JobStarter => ({
  async start({ spec, environment }): Promise<StartVerdict> {
    try {
      await judge.admit(spec, environment);
      ledger.change(spec.jobId, { admission: 'accepted' });
      return { kind: 'accepted' };
    } catch (err) {
      if (!isJobFailure(err)) throw err;
      ledger.change(spec.jobId, { admission: 'refused', refusalType: err.type, reason: err.message });
      return { kind: 'refused', type: err.type, message: err.message };
    }
  },
  stop: async () => undefined,
});

beforeAll(async () => {
  world = await startWorld();
  const { deps, ledger: opened } = aWorld();
  ledger = opened;
  token = world.chain.contracts.ocean;
  const chains = [{ chainId: 8996, feeToken: token }];
  app = createApp({ ...deps, assets: world.ocean, environments, chains, jobs: judging(world.ocean, ledger) });
  consumer = new Wallet(world.chain.accounts.consumer.privateKey);
  [dataset, algorithm] = [await world.publishDataset(), await world.publishAlgorithm()];
  const quote = await world.ocean.quote(quoteOf(aJob(world, { dataset, algorithm })), anEnvironment());
  orders = { datasetTx: await payFor(world, quote.datasets[0]), algorithmTx: await payFor(world, quote.algorithm) };
});
afterAll(() => world.close());

let nonce = 0;
const referTo = (asset: PublishedAsset, transferTxId?: string) => ({
  documentId: asset.did,
  serviceId: asset.serviceIds[0]!,
  transferTxId,
});
const send = (path: Path, over: object = {}) => {
  nonce += 1;
  const command = path === 'free' ? 'freeStartCompute' : 'startCompute';
  return post(app, paths[path], {
    ...{ consumerAddress: consumer.address, nonce: String(nonce), signature: sign(consumer, nonce, command) },
    ...{ environment: 'small', maxJobDuration: 60, resources: [], chainId: 8996, payment: { chainId: 8996, token } },
    datasets: [referTo(dataset, orders.datasetTx)],
    algorithm: referTo(algorithm, orders.algorithmTx),
    ...over,
  });
};
const textOf = (path: Path, body: unknown): unknown => (path === 'quote' ? (body as { error: string }).error : body);

test.each<Path>(['paid', 'free', 'quote'])('%s: what is right is not refused', async (path) => {
  expect((await send(path)).status).toBe(200);
});

const seal = (value: unknown): string =>
  encryptTo(world.ocean.nodePublicKey, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))).slice(2);
const storage = { remoteStorage: { type: 'url', url: 'https://secret.example/put' } };

const s3Access = {
  ...{ endpoint: 'secret.example', bucket: 'bucket', objectKey: 'results/' },
  ...{ accessKeyId: 'hunter2', secretAccessKey: 'hunter2' },
};

/** What a request asks, the code and the text; a text that ends in … may go on. */
type Row = readonly [string, readonly Path[], () => object | Promise<object>, number, string | (() => string)];
const all: readonly Path[] = ['paid', 'free', 'quote'];
const starts: readonly Path[] = ['paid', 'free'];

const onlyDataset = async (over: Parameters<World['publishDataset']>[0]) => {
  const published = await world.publishDataset(over);
  last = published.did;
  return { datasets: [referTo(published, orders.datasetTx)] };
};
let last = '';

const rows: readonly Row[] = [
  ['an unknown environment', all, () => ({ environment: 'nowhere' }), 400, 'Invalid C2D Environment'],
  ['an environment for others', all, () => ({ environment: 'closed' }), 403, 'Access denied'],
  [
    'more than the environment has',
    starts,
    () => ({ resources: [{ id: 'cpu', amount: 1_000 }] }),
    400,
    'Not enough cpu resources. Requested 1000, but max is …',
  ],
  ['an unknown dataset', all, () => ({ datasets: [{ documentId: (last = aDid()), serviceId: 'x' }] }), 404, () => `DDO ${last} not found`],
  ['an unknown algorithm', all, () => ({ algorithm: { documentId: (last = aDid()), serviceId: 'x' } }), 404, () => `DDO ${last} not found`],
  [
    'an unknown service',
    all,
    () => ({ datasets: [{ ...referTo(dataset, orders.datasetTx), serviceId: 'x' }] }),
    404,
    () => `Cannot find service x in DDO ${dataset.did}`,
  ],
  [
    'an asset that denies the consumer',
    all,
    () => onlyDataset({ credentials: { deny: [{ type: 'address', values: [consumer.address] }], allow: [] } }),
    403,
    () => `Error: Access to asset ${last} was denied`,
  ],
  [
    'a service that denies the consumer',
    all,
    () => {
      const credentials = { allow: [{ type: 'address', values: [anAddress()] }], deny: [] };
      const files = [{ type: 'url', url: 'https://x.invalid/' }];
      return onlyDataset({ services: [{ id: 's', type: 'compute', compute: trustAll, files, credentials }] });
    },
    403,
    'Error: Access to service with id s was denied',
  ],
  [
    'files of another provider',
    all,
    async () => {
      const files = [{ type: 'url', url: 'https://x.invalid/' }];
      const published = await world.publish(
        { type: 'dataset', services: [{ type: 'compute', compute: trustAll, files }] },
        { publicKey: publicKeyOf(`0x${'22'.repeat(32)}`) },
      );
      last = `Service ${published.serviceIds[0]} from DDO ${published.did} cannot be used in compute on this provider`;
      return { datasets: [referTo(published)] };
    },
    400,
    () => last,
  ],
  [
    'an algorithm that is not trusted',
    all,
    () => onlyDataset({ compute: { allowRawAlgorithm: false, publisherTrustedAlgorithms: [] } }),
    400,
    () => `Algorithm ${algorithm.did} not allowed to run on the dataset: ${last}`,
  ],
  [
    'raw code on a dataset that takes none',
    all,
    () => ({ algorithm: { meta: { rawcode: 'x', container } } }),
    400,
    () => `Raw algorithms are not allowed to run on the dataset: ${dataset.did}`,
  ],
  [
    'an algorithm whose pinned files are gone',
    all,
    async () => {
      const published = await world.publish({
        type: 'algorithm',
        algorithm: { language: 'js', version: '1', container },
        services: [{ type: 'access', files: [{ type: 'url', url: `${world.files.serve('x')}9999` }] }],
      });
      const trusted = { did: published.did, filesChecksum: 'ab'.repeat(32), containerSectionChecksum: '*' };
      const pinning = await onlyDataset({ compute: { allowRawAlgorithm: false, publisherTrustedAlgorithms: [trusted] } });
      return { ...pinning, algorithm: referTo(published) };
    },
    400,
    'Failed to retrieve algorithm checksums. Both container and files checksums are required.…',
  ],
  ['no order', ['paid'], () => ({ datasets: [referTo(dataset)] }), 400, () => `Missing transferTxId for DDO ${dataset.did}`],
  [
    'no order of the algorithm',
    ['paid'],
    () => ({ algorithm: referTo(algorithm) }),
    400,
    () => `Missing transferTxId for DDO ${algorithm.did}`,
  ],
  [
    'an order that is none',
    ['paid'],
    () => ({ datasets: [referTo(dataset, (last = aTransaction()))] }),
    400,
    () => `TxId Service ${last} is not valid for DDO ${dataset.did} and service ${dataset.serviceIds[0]}…`,
  ],
  ['a dataset as algorithm', all, () => ({ algorithm: referTo(dataset) }), 400, () => `DDO ${dataset.did} is not a valid algorithm`],
  [
    'a revoked asset',
    all,
    async () => {
      const published = await world.publishDataset();
      await setAssetState(world.chain.accounts.publisher, published.nftAddress, 3);
      last = published.did;
      return { datasets: [referTo(published)] };
    },
    400,
    () => `Asset ${last} is not consumable: it is revoked`,
  ],
  [
    'a bare file where none is taken',
    all,
    () => ({ datasets: [{ fileObject: { type: 'url', url: 'https://x.invalid' } }] }),
    400,
    'The compute environment takes published datasets only, no bare file objects',
  ],
  [
    'output and a bucket',
    all,
    () => ({ output: seal(storage), outputBucketId: 'b' }),
    400,
    'output and outputBucketId are mutually exclusive',
  ],
  ['output that is no hex', all, () => ({ output: 'hello' }), 400, 'Invalid output: it is no hex text'],
  [
    'output for another provider',
    all,
    () => ({ output: encryptTo(publicKeyOf(`0x${'22'.repeat(32)}`), Buffer.from('{}')) }),
    400,
    'Invalid output: it is not encrypted to the key of this provider',
  ],
  ['output that is no JSON', all, () => ({ output: seal('{') }), 400, 'Invalid output: it holds no JSON'],
  ['output without a place', all, () => ({ output: seal({}) }), 400, 'Invalid output: it names no remoteStorage'],
  [
    'output encrypted without a key',
    all,
    () => ({ output: seal({ ...storage, encryption: { encryptMethod: 'AES' } }) }),
    400,
    'Encryption required, but no key',
  ],
  [
    'output encrypted in another way',
    all,
    () => ({ output: seal({ ...storage, encryption: { encryptMethod: 'ROT13', key: 'ab'.repeat(32) } }) }),
    400,
    'Only AES encryption is supported',
  ],
  [
    'output with a short key',
    all,
    () => ({ output: seal({ ...storage, encryption: { encryptMethod: 'AES', key: 'ab'.repeat(16) } }) }),
    400,
    'AES key must be at least 32 bytes (64 hex chars), got 16 bytes',
  ],
  ['output to a url', all, () => ({ output: seal(storage) }), 400, 'Storage class has no support for upload…'],
  ['output to S3 that names none', all, () => ({ output: seal({ remoteStorage: { type: 's3' } }) }), 400, 'Invalid output: s3Access: …'],
  ...(
    [
      ['without a bucket', { bucket: undefined }, 's3Access.bucket: …'],
      ['with a bucket that is a host', { bucket: 'secret.example/x' }, 's3Access.bucket: is no name of a bucket'],
      ['without a key', { objectKey: '' }, 's3Access.objectKey: …'],
      ['with a key from the root', { objectKey: '/secret.example' }, 's3Access.objectKey: begins with a slash'],
      ['with a key of two lines', { objectKey: 'a\nb' }, 's3Access.objectKey: has control characters'],
      ['without an endpoint', { endpoint: '' }, 's3Access.endpoint: is no address of a server…'],
      ['with a path in its endpoint', { endpoint: 'https://secret.example/x' }, 's3Access.endpoint: is no address of a server…'],
      [
        'with credentials in its endpoint',
        { endpoint: 'https://me:hunter2@secret.example' },
        's3Access.endpoint: is no address of a server…',
      ],
      ['with another protocol', { endpoint: 'ftp://secret.example' }, 's3Access.endpoint: is no address of a server…'],
      ['without a secret', { secretAccessKey: undefined }, 's3Access.secretAccessKey: …'],
    ] as const
  ).map(([what, over, text]): Row => [
    `output to S3 ${what}`,
    all,
    () => ({ output: seal({ remoteStorage: { type: 's3', s3Access: { ...s3Access, ...over } } }) }),
    400,
    `Invalid output: ${text}`,
  ]),
  ['a bucket', all, () => ({ outputBucketId: 'b' }), 400, 'Persistent buckets are not offered here: leave out outputBucketId'],
  [
    'registry credentials that cannot be opened',
    all,
    () => ({ encryptedDockerRegistryAuth: 'abcd' }),
    400,
    'Invalid encryptedDockerRegistryAuth :it is not encrypted to the key of this provider',
  ],
  [
    'registry credentials without a name',
    all,
    () => ({ encryptedDockerRegistryAuth: seal({ password: 'hunter2' }) }),
    400,
    'Invalid encryptedDockerRegistryAuth :it has neither auth nor username and password',
  ],
  [
    'registry credentials whose auth is no pair',
    all,
    () => ({ encryptedDockerRegistryAuth: seal({ auth: Buffer.from('hunter2').toString('base64') }) }),
    400,
    'Invalid encryptedDockerRegistryAuth :auth is not the base 64 form of username:password',
  ],
];

describe.each(rows)('%s', (_what, callsOf, make, code, expected) => {
  test.each(callsOf)('is refused by %s, with its text', async (path) => {
    const { status, body, text } = await send(path, await make());
    const wanted = typeof expected === 'string' ? expected : expected();
    const said = String(textOf(path, body));
    expect(status).toBe(code);
    if (wanted.endsWith('…')) expect(said.slice(0, wanted.length - 1)).toBe(wanted.slice(0, -1));
    else expect(said).toBe(wanted);
    expect(text).not.toMatch(/secret\.example|hunter2/);
  });
});

test('where the operator takes no credentials for registries, a start with them says so and what to do', async () => {
  const { deps } = aWorld({ takesRegistryCredentials: false });
  const open = app;
  app = createApp({ ...deps, assets: world.ocean, environments });
  const { status, body } = await send('free', { encryptedDockerRegistryAuth: seal({ username: 'me', password: 'hunter2' }) });
  app = open;
  expect([status, body]).toEqual([
    400,
    'Private image registries are not offered here: leave out encryptedDockerRegistryAuth and use a public image',
  ]);
});

test.each([
  ['username and password', { username: 'me', password: 'hun:ter2' }],
  ['auth', { auth: Buffer.from('me:hun:ter2').toString('base64') }],
])('credentials for a registry as %s go with the job, and into no answer', async (_what, credentials) => {
  const { status, body, text } = await send('free', { encryptedDockerRegistryAuth: seal(credentials) });
  expect(status).toBe(200);
  const { jobId } = (body as { jobId: string }[])[0]!;
  expect(ledger.specs.get(jobId)?.registryCredentials).toEqual({ username: 'me', password: 'hun:ter2' });
  expect(text).not.toMatch(/ter2|aHVuOnRlcjI/);
});

test.each([
  ['as it is', {}, null],
  ['encrypted', { encryption: { encryptMethod: 'AES', key: `0x${'AB'.repeat(40)}` } }, 'ab'.repeat(32)],
])('a place for the outputs, %s, goes with the job, and into no answer', async (_what, encryption, aesKey) => {
  const { status, body, text } = await send('free', { output: seal({ remoteStorage: { type: 's3', s3Access }, ...encryption }) });
  expect(status).toBe(200);
  const { jobId } = (body as { jobId: string }[])[0]!;
  expect(ledger.specs.get(jobId)).toMatchObject({
    deliversOutputs: true,
    output: { ...s3Access, endpoint: 'https://secret.example', region: 'us-east-1', pathStyle: false, aesKey },
  });
  expect(text).not.toMatch(/secret\.example|hunter2|results\//);
});
