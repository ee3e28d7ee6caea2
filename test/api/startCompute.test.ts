import type { Wallet } from 'ethers';
import { createApp } from '../../api/app.ts';
import { aDid, anAddress, aTransaction } from '../support/builders.ts';
import { aWorld, escrowAddress, priced, type World } from './support/fakes.ts';
import { aWallet, call, post, sign, signed } from './support/consumer.ts';

const paths = { paid: '/api/services/compute', free: '/api/services/freeCompute' } as const;
type Kind = keyof typeof paths;
const commands = { paid: 'startCompute', free: 'freeStartCompute' } as const;

const noAuthentication = 'Invalid authentication, you need to provide either a token or an address, signature, message and nonce';

const dataset = () => ({ documentId: aDid(), serviceId: 'access', transferTxId: aTransaction() });

/** The body as ocean.js 8.6.2 builds it. */
const aStart = (wallet: Wallet, kind: Kind, over: Record<string, unknown> = {}): Record<string, unknown> => {
  const nonce = typeof over['nonce'] === 'string' ? over['nonce'] : '1';
  const datasets = (over['datasets'] as unknown[] | undefined) ?? [dataset()];
  return {
    consumerAddress: wallet.address,
    signature: sign(wallet, nonce, commands[kind]),
    nonce,
    environment: 'small',
    ...(kind === 'paid' && {
      maxJobDuration: 60,
      chainId: 8996,
      payment: { chainId: 8996, token: anAddress(), maxJobDuration: 60, resources: [] },
    }),
    resources: [{ id: 'cpu', amount: 1 }],
    dataset: datasets[0],
    datasets,
    algorithm: { documentId: aDid(), serviceId: 'algorithm', transferTxId: aTransaction() },
    ...over,
  };
};

const without = (body: Record<string, unknown>, ...fields: string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([field]) => !fields.includes(field)));

const onlySpec = ({ ledger }: World) => {
  expect(ledger.specs.size).toBe(1);
  return [...ledger.specs.values()][0]!;
};

describe.each<Kind>(['paid', 'free'])('starting a %s job', (kind) => {
  test('answers the accepted job as a list of one, with status 1', async () => {
    const world = aWorld();
    const wallet = aWallet();
    const response = await post(createApp(world.deps), paths[kind], aStart(wallet, kind));
    expect(response.status).toBe(200);
    expect(response.body).toHaveLength(1);
    expect(response.body[0]).toMatchObject({
      owner: wallet.address,
      status: 1,
      statusText: 'Job queued',
      isFree: kind === 'free',
      results: [],
    });
    expect(response.body[0].payment).toEqual(
      kind === 'free' ? null : { chainId: 8996, token: null, lockTx: null, claimTx: null, cancelTx: null, cost: 0 },
    );
    expect(world.jobs.started).toEqual([response.body[0].jobId]);
  });

  test('the same request again gets the same job and starts nothing', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    const body = aStart(aWallet(), kind);
    const first = await post(app, paths[kind], body);
    const again = await post(app, paths[kind], JSON.stringify(Object.fromEntries(Object.entries(body).toReversed()), null, 2));
    expect(again.status).toBe(200);
    expect(again.body[0].jobId).toBe(first.body[0].jobId);
    expect(world.jobs.started).toHaveLength(1);
  });

  test('the same refused request gets the same refusal', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    world.jobs.verdict = {
      kind: 'refused',
      type: 'AlgorithmNotTrusted',
      message: 'Algorithm did:a not allowed to run on the dataset: did:b',
    };
    const body = aStart(aWallet(), kind);
    const first = await post(app, paths[kind], body);
    world.jobs.verdict = { kind: 'accepted' };
    const again = await post(app, paths[kind], body);
    expect([first.status, first.body]).toEqual([400, 'Algorithm did:a not allowed to run on the dataset: did:b']);
    expect([again.status, again.body]).toEqual([first.status, first.body]);
    expect(world.jobs.started).toHaveLength(1);
  });

  test('an unknown verdict is a 202, and the same request asks for the verdict again', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    world.jobs.verdict = { kind: 'pending' };
    const body = aStart(aWallet(), kind);
    const first = await post(app, paths[kind], body);
    world.jobs.verdict = { kind: 'accepted' };
    const again = await post(app, paths[kind], body);
    expect([first.status, again.status]).toEqual([202, 200]);
    expect(again.body[0].jobId).toBe(first.body[0].jobId);
  });

  test('another request under a spent nonce is refused', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    const wallet = aWallet();
    await post(app, paths[kind], aStart(wallet, kind, { nonce: '7' }));
    const other = await post(app, paths[kind], aStart(wallet, kind, { nonce: '7' }));
    const older = await post(app, paths[kind], aStart(wallet, kind, { nonce: '6' }));
    expect([other.status, other.body]).toEqual([401, 'nonce: 7 is not a valid nonce']);
    expect([older.status, older.body]).toEqual([401, 'nonce: 6 is not a valid nonce']);
    expect(world.ledger.rows.size).toBe(1);
  });

  test('a refusal of the environment spends the nonce, and the same request again gets the same refusal', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    const wallet = aWallet();
    const refused = aStart(wallet, kind, { environment: 'nowhere', nonce: '7' });
    for (let times = 0; times < 2; times += 1) expect((await post(app, paths[kind], refused)).body).toBe('Invalid C2D Environment');
    const other = await post(app, paths[kind], aStart(wallet, kind, { nonce: '7' }));
    expect([other.status, other.body]).toEqual([401, 'nonce: 7 is not a valid nonce']);
    const older = await post(app, paths[kind], aStart(wallet, kind, { environment: 'nowhere', nonce: '6' }));
    expect([older.status, older.body]).toEqual([401, 'nonce: 6 is not a valid nonce']);
    expect((await post(app, paths[kind], aStart(wallet, kind, { nonce: '8' }))).status).toBe(200);
  });

  test.each<[string, Record<string, unknown>, number, string]>([
    ['environment', { environment: 'nowhere' }, 400, 'Invalid C2D Environment'],
    ['resources above the maximum', { resources: [{ id: 'ram', amount: 5 }] }, 400, 'Not enough ram resources. Requested 5, but max is 4'],
    ['a resource nobody has', { resources: [{ id: 'gpu', amount: 1 }] }, 400, 'Not enough gpu resources. Requested 1, but max is 0'],
    ['metadata over 1024 characters', { metadata: { a: 'x'.repeat(1_020) } }, 400, 'Metadata size is too large'],
    ['output with a bucket', { output: 'ab', outputBucketId: 'b' }, 400, 'output and outputBucketId are mutually exclusive'],
    ['bucket', { outputBucketId: 'b' }, 400, 'Persistent buckets are not offered here: leave out outputBucketId'],
    [
      'dockerfile',
      { algorithm: { meta: { rawcode: 'x', container: { image: 'node', dockerfile: 'FROM x' } } } },
      400,
      'Building images is not offered here: name an image, without a dockerfile',
    ],
    ['an algorithm of nothing', { algorithm: {} }, 400, 'The algorithm has neither a documentId nor a meta with a container'],
    [
      'an algorithm without image',
      { algorithm: { meta: { container: { entrypoint: 'sh' } } } },
      400,
      'The algorithm names no image: algorithm.meta.container.image is required',
    ],
    ['a dataset of nothing', { datasets: [{ serviceId: 'a' }] }, 400, 'Missing dataset did'],
    ['a viewer that is no address', { additionalViewers: ['0x12'] }, 400, 'additionalViewers.0: is not an address'],
    ['negative amounts', { resources: [{ id: 'cpu', amount: -1 }] }, 400, 'resources.0.amount: Too small: expected number to be >=0'],
    ['NUL characters', { metadata: 'a\u0000b' }, 400, 'The request body contains a NUL character or broken Unicode'],
    ['no nonce', { nonce: undefined, signature: '0x00' }, 401, noAuthentication],
    ['signature "null"', { signature: 'null' }, 401, noAuthentication],
    ['signature null', { signature: null }, 401, noAuthentication],
    ['a broken signature', { signature: '0x1234' }, 401, 'consumer address and nonce signature mismatch'],
    ['a signature that is no hex', { signature: 'hello' }, 401, 'consumer address and nonce signature mismatch'],
    ['a signature of another command', { signature: sign(aWallet(), 1, 'encrypt') }, 401, 'consumer address and nonce signature mismatch'],
    ['another address', { consumerAddress: anAddress() }, 401, 'consumer address and nonce signature mismatch'],
    ['an address that is none', { consumerAddress: '0x12' }, 400, 'Parameter : "consumerAddress" is not a valid web3 address'],
  ])('refuses %s', async (_what, over, status, text) => {
    const world = aWorld();
    const response = await post(createApp(world.deps), paths[kind], aStart(aWallet(), kind, over));
    expect([response.status, response.body]).toEqual([status, text]);
    expect(world.ledger.rows.size).toBe(0);
    // whoever did not sign it spends nobody's nonce
    if (status === 401) expect(world.ledger.nonces.size).toBe(0);
  });

  test.each(['-1', '1.5', '1e3', 'abc', ' 1', '9007199254740992', '0x10'])('nonce %p is none', async (nonce) => {
    const response = await post(createApp(aWorld().deps), paths[kind], aStart(aWallet(), kind, { nonce }));
    expect([response.status, response.body]).toEqual([401, `nonce: ${nonce} is not a valid nonce`]);
  });

  test('a JSON integer beyond 2^53−1 is read with all its digits, and refused', async () => {
    const body = JSON.stringify(aStart(aWallet(), kind)).replace('"nonce":"1"', '"nonce":1795337211363943707');
    const response = await post(createApp(aWorld().deps), paths[kind], body);
    expect([response.status, response.body]).toEqual([401, 'nonce: 1795337211363943707 is not a valid nonce']);
  });

  test('a JSON integer is as good a nonce as its text', async () => {
    const body = JSON.stringify(aStart(aWallet(), kind, { nonce: '1755500000001' })).replace('"1755500000001"', '1755500000001');
    expect((await post(createApp(aWorld().deps), paths[kind], body)).status).toBe(200);
  });

  test('a token that the service never gave is refused', async () => {
    const body = { ...aStart(aWallet(), kind), nonce: undefined, signature: undefined };
    const send = (authorization: string) =>
      call(createApp(aWorld().deps), 'post', paths[kind], (request) => request.set('Authorization', authorization).send(body));
    expect((await send('eyJ.x.y')).body).toBe('Invalid token');
    expect((await send('Bearer eyJ.x.y')).body).toBe('Invalid token');
    expect((await send('undefined')).body).toBe(noAuthentication);
  });

  test('a good signature counts although a token is sent too', async () => {
    const response = await call(createApp(aWorld().deps), 'post', paths[kind], (request) =>
      request.set('Authorization', 'undefined').send(aStart(aWallet(), kind)),
    );
    expect(response.status).toBe(200);
  });

  test('resources: missing ones are the minimum, small ones are raised to it', async () => {
    const world = aWorld();
    await post(
      createApp(world.deps),
      paths[kind],
      aStart(aWallet(), kind, {
        resources: [
          { id: 'ram', amount: 0.1 },
          { id: 'disk', amount: 3 },
        ],
      }),
    );
    expect(onlySpec(world).resources).toEqual({ cpu: 0.5, ram: 1, disk: 3 });
  });

  test.each([
    ['lowered to the longest', 10_000, { paid: 600, free: 60 }],
    ['raised to the shortest', 1, { paid: 10, free: 10 }],
    ['kept', 42, { paid: 42, free: 42 }],
  ])('the duration is %s', async (_what, maxJobDuration, expected) => {
    const world = aWorld();
    await post(createApp(world.deps), paths[kind], aStart(aWallet(), kind, { maxJobDuration }));
    expect(onlySpec(world).maxJobDuration).toBe(expected[kind]);
  });

  test('datasets win over dataset, which serves where datasets are missing', async () => {
    const [one, other] = [dataset(), dataset()];
    const world = aWorld();
    await post(createApp(world.deps), paths[kind], aStart(aWallet(), kind, { dataset: one, datasets: [other, one] }));
    expect(onlySpec(world).datasets.map(({ documentId }) => documentId)).toEqual([other.documentId, one.documentId]);
    const single = aWorld();
    const body = without(aStart(aWallet(), kind, { datasets: [one] }), 'datasets');
    expect((await post(createApp(single.deps), paths[kind], body)).status).toBe(200);
    expect(onlySpec(single).datasets.map(({ documentId }) => documentId)).toEqual([one.documentId]);
    const none = aWorld();
    expect((await post(createApp(none.deps), paths[kind], aStart(aWallet(), kind, { datasets: [] }))).status).toBe(200);
    expect(onlySpec(none).datasets).toEqual([]);
  });

  test('the meta of a published algorithm is ignored, whatever is in it', async () => {
    const world = aWorld();
    const documentId = aDid();
    const algorithm = { documentId, serviceId: 'a', meta: { rawcode: 'evil', container: { image: 'evil', dockerfile: 'FROM evil' } } };
    expect((await post(createApp(world.deps), paths[kind], aStart(aWallet(), kind, { algorithm }))).status).toBe(200);
    expect(onlySpec(world).algorithm).toMatchObject({ documentId, raw: null });
    const malformed = aWorld();
    const strange = aStart(aWallet(), kind, { algorithm: { documentId, serviceId: 'a', meta: 17 } });
    expect((await post(createApp(malformed.deps), paths[kind], strange)).status).toBe(200);
  });

  test('a raw algorithm brings its code, container, user data and variables', async () => {
    const world = aWorld();
    const algorithm = {
      meta: { rawcode: 'print(1)', container: { entrypoint: 'python3 $ALGO', image: 'python', tag: '3', checksum: 'sha256:00' } },
      algouserdata: { a: 1 },
      algocustomdata: 'text',
      envs: { N: 3, S: 's', O: { a: 1 } },
    };
    await post(createApp(world.deps), paths[kind], aStart(aWallet(), kind, { algorithm }));
    expect(onlySpec(world).algorithm).toEqual({
      documentId: null,
      serviceId: null,
      transferTxId: null,
      raw: {
        rawcode: 'print(1)',
        url: null,
        fileObject: null,
        container: { entrypoint: 'python3 $ALGO', image: 'python', tag: '3', checksum: 'sha256:00' },
      },
      userdata: { a: 1 },
      algocustomdata: 'text',
      envs: { N: '3', S: 's', O: '{"a":1}' },
    });
  });

  test('policyServer is ignored, and an environment id may carry an old prefix', async () => {
    const world = aWorld();
    const over = { policyServer: { x: 1 }, environment: `0x${'a'.repeat(64)}-small` };
    expect((await post(createApp(world.deps), paths[kind], aStart(aWallet(), kind, over))).status).toBe(200);
    expect(onlySpec(world).environmentId).toBe('small');
  });

  test('viewers are kept lower-case, the wait for a place within the limit', async () => {
    const world = aWorld();
    const viewer = aWallet().address;
    await post(createApp(world.deps), paths[kind], aStart(aWallet(), kind, { additionalViewers: [viewer], queueMaxWaitTime: 10_000 }));
    expect(onlySpec(world)).toMatchObject({ additionalViewers: [viewer.toLowerCase()], queueMaxWaitTime: 300, surface: 'node' });
  });

  test('the answer shows nothing of what was sent as code, file object or user data', async () => {
    const secret = 's3cret-in-the-request';
    const over = {
      datasets: [{ ...dataset(), userdata: { key: secret } }, { fileObject: { type: 'url', url: `https://${secret}/` } }],
      algorithm: {
        meta: { rawcode: secret, container: { image: 'node', entrypoint: secret } },
        envs: { A: secret },
        algocustomdata: secret,
      },
    };
    const response = await post(createApp(aWorld().deps), paths[kind], aStart(aWallet(), kind, over));
    expect(response.status).toBe(200);
    expect(response.text).not.toContain(secret);
  });
});

describe('starting a job', () => {
  test.each<[Kind, string, string]>([
    ['paid', 'environment', 'environment,algorithm,datasets,maxJobDuration'],
    ['paid', 'algorithm', 'environment,algorithm,datasets,maxJobDuration'],
    ['paid', 'datasets', 'environment,algorithm,datasets,maxJobDuration'],
    ['paid', 'maxJobDuration', 'environment,algorithm,datasets,maxJobDuration'],
    ['free', 'algorithm', 'algorithm,datasets,environment'],
    ['free', 'datasets', 'algorithm,datasets,environment'],
    ['free', 'environment', 'algorithm,datasets,environment'],
  ])('a %s start without %s names the field', async (kind, field, list) => {
    const body = without(aStart(aWallet(), kind), field, ...(field === 'datasets' ? ['dataset'] : []));
    const response = await post(createApp(aWorld().deps), paths[kind], body);
    expect([response.status, response.body]).toEqual([
      400,
      `Missing one ( "${field}" ) or more required field(s) for command: "${commands[kind]}". Required fields: ${list}`,
    ]);
  });

  test('an environment without free jobs says so', async () => {
    const response = await post(createApp(aWorld().deps), paths.free, aStart(aWallet(), 'free', { environment: 'paid-only' }));
    expect([response.status, response.body]).toEqual([400, 'This env does not support free jobs']);
  });

  test('a nonce spent on a free start is not good for a paid one', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    const wallet = aWallet();
    const body = aStart(wallet, 'paid', { nonce: '3' });
    await post(app, paths.free, { ...body, signature: sign(wallet, '3', 'freeStartCompute') });
    const response = await post(app, paths.paid, body);
    expect([response.status, response.body]).toEqual([401, 'nonce: 3 is not a valid nonce']);
    expect(world.jobs.started).toHaveLength(1);
  });

  test('a nonce spent on a start is not good for a stop', async () => {
    const app = createApp(aWorld().deps);
    const wallet = aWallet();
    const { body } = await post(app, paths.free, aStart(wallet, 'free', { nonce: '5' }));
    const stop = await call(app, 'put', '/api/services/compute', (request) =>
      request.query({ ...signed(wallet, 5, 'stopCompute'), jobId: body[0].jobId }),
    );
    expect([stop.status, stop.body]).toEqual([401, { error: 'nonce: 5 is not a valid nonce' }]);
  });
});

describe('devices and prices', () => {
  const unpriced: typeof priced = priced.map((environment) => ({ ...environment, fees: [] }));
  const startLarge = async (kind: Kind, gpus: number, environments = unpriced, over: Record<string, unknown> = {}) => {
    const world = aWorld({ environments });
    const body = aStart(aWallet(), kind, { environment: 'large', resources: [{ id: 'gpu', amount: gpus }], ...over });
    return { world, response: await post(createApp(world.deps), paths[kind], body) };
  };

  test('a paid job gets the devices that it asks for', async () => {
    const { world, response } = await startLarge('paid', 2);
    expect(response.status).toBe(200);
    expect(onlySpec(world).resources).toEqual({ cpu: 0.1, ram: 0.0625, disk: 0.0625, gpu: 2 });
  });

  test('a device that is not asked for is not given', async () => {
    const { world } = await startLarge('paid', 0);
    expect(onlySpec(world).resources).toEqual({ cpu: 0.1, ram: 0.0625, disk: 0.0625 });
  });

  test.each<[string, Kind, number, string]>([
    ['a part of a device', 'paid', 0.5, 'Not enough gpu resources. Requested 0.5, but only whole units can be given'],
    ['more devices than a job may have', 'paid', 3, 'Not enough gpu resources. Requested 3, but max is 2'],
    ['a device that free jobs do not get', 'free', 1, 'Not enough gpu resources. Requested 1, but max is 0'],
  ])('%s is refused', async (_what, kind, gpus, text) => {
    const { world, response } = await startLarge(kind, gpus);
    expect([response.status, response.body]).toEqual([400, text]);
    expect(world.ledger.rows.size).toBe(0);
  });

  test('a paid job that has a price says where and in which token it is paid', async () => {
    const { world, response } = await startLarge('paid', 1, priced, { payment: { chainId: 1, token: escrowAddress.toLowerCase() } });
    expect(response.status).toBe(200);
    expect(onlySpec(world).payment).toEqual({ chainId: 1, token: escrowAddress });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['no token', { payment: { chainId: 1 } }, /^Invalid payment options: environment large has prices, name chainId and token in payment/],
    ['another chain', { payment: { chainId: 8996, token: escrowAddress } }, /^This compute env does not accept payments on chain: 8996/],
  ])('one that names %s is refused rather than run unpaid', async (_what, over, text) => {
    const { world, response } = await startLarge('paid', 1, priced, over);
    expect([response.status, response.body]).toEqual([400, expect.stringMatching(text)]);
    expect(world.jobs.started).toEqual([]);
  });

  test.each<Kind>(['paid', 'free'])('a %s job that asks for nothing with a price runs', async (kind) => {
    expect((await startLarge(kind, 0, priced)).response.status).toBe(200);
  });
});
