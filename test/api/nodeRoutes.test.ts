import request from 'supertest';
import { createApp } from '../../api/app.ts';
import { nodeRoutes } from '../../api/node/routes.ts';
import { serviceEndpoints } from '../../api/node/root.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { status } from '../../workflows/contract/status.ts';
import { aDid, aJobId, anAddress, aTransaction } from '../support/builders.ts';
import { aJobRow, aWorld, escrowAddress, feeToken, priced } from './support/fakes.ts';
import { aWallet, call, post, sign, signed } from './support/consumer.ts';

describe('GET /', () => {
  test('tells addresses, chains as texts, and only paths that are served', async () => {
    const { deps } = aWorld();
    const { body } = await call(createApp(deps), 'get', '/');
    expect(body).toMatchObject({
      chainIds: ['8996', '1'],
      providerAddress: '0xe08A1dAe983BC701D05E492DB80e0144f8f4b909',
      nodePublicKey: '0x03c2848551d252af678ce0487085c769fabd89940b8def47ac91e9b41b24e44ead',
      version: '0.1.0',
    });
    expect(body.nodeId).toMatch(/^16Uiu2HA[1-9A-HJ-NP-Za-km-z]{45}$/);
    for (const [method, path] of Object.values(serviceEndpoints)) {
      expect(nodeRoutes.map((route) => `${route.method.toUpperCase()} ${route.path}`)).toContain(`${method} ${path}`);
    }
  });
});

describe('service endpoints', () => {
  test('have the names and paths that clients look for', () => {
    const services = (names: Record<string, string>) =>
      Object.fromEntries(Object.entries(names).map(([name, call]) => [name, call.replace(' ', ' /api/services/').split(' ')]));
    expect(serviceEndpoints).toEqual(
      services({
        computeEnvironments: 'GET computeEnvironments',
        computeResult: 'GET computeResult',
        initializeCompute: 'POST initializeCompute',
        computeStart: 'POST compute',
        freeCompute: 'POST freeCompute',
        computeStreamableLogs: 'GET computeStreamableLogs',
        computeStatus: 'GET compute',
        computeStop: 'PUT compute',
        computeDelete: 'DELETE compute',
        fileInfo: 'POST fileInfo',
        download: 'GET download',
        encrypt: 'POST encrypt',
        decrypt: 'POST decrypt',
        initialize: 'GET initialize',
        nonce: 'GET nonce',
        generateAuthToken: 'POST auth/token',
        invalidateAuthToken: 'POST auth/token/invalidate',
      }),
    );
  });
});

describe('GET nonce', () => {
  test('an address that never signed has nonce "0", and none is written', async () => {
    const { deps, ledger } = aWorld();
    expect((await call(createApp(deps), 'get', '/api/services/nonce', (get) => get.query({ userAddress: anAddress() }))).body).toEqual({
      nonce: '0',
    });
    expect(ledger.nonces.size).toBe(0);
  });

  test('the spelling of an address does not matter', async () => {
    const { deps, ledger } = aWorld();
    const { address } = aWallet();
    await ledger.spendNonce(address.toLowerCase(), '1755500000001');
    const response = await call(createApp(deps), 'get', '/api/services/nonce', (get) => get.query({ userAddress: address }));
    expect(response.body).toEqual({ nonce: '1755500000001' });
  });

  test.each([[{}], [{ userAddress: 'me' }], [{ userAddress: [anAddress(), anAddress()] }]])('%p names no address', async (query) => {
    const response = await call(createApp(aWorld().deps), 'get', '/api/services/nonce', (get) => get.query(query));
    expect([response.status, response.body.error]).toEqual([400, 'Parameter : "userAddress" is not a valid web3 address']);
  });
});

describe('GET computeEnvironments', () => {
  const path = '/api/services/computeEnvironments';

  test('is an array with load, limits, prices of 0 and free only where it is offered', async () => {
    const { deps, ledger } = aWorld();
    ledger.loads = [
      { environmentId: 'small', isFree: false, running: 2, queued: 1, inUse: { cpu: 3, ram: 2, disk: 2 } },
      { environmentId: 'small', isFree: true, running: 1, queued: 0, inUse: { cpu: 1 } },
    ];
    const { body } = await call(createApp(deps), 'get', path);
    expect(body).toHaveLength(2);
    expect(body[0]).toMatchObject({
      id: 'small',
      runningJobs: 2,
      runningfreeJobs: 1,
      queuedJobs: 1,
      queuedFreeJobs: 0,
      queMaxWaitTime: 300,
      queMaxWaitTimeFree: 0,
      runMaxWaitTime: 600,
      runMaxWaitTimeFree: 60,
      consumerAddress: deps.assets.providerAddress,
      free: { maxJobDuration: 60, allowImageBuild: false },
    });
    expect(body[0].resources).toContainEqual({ id: 'cpu', type: 'cpu', total: 4, max: 2, min: 0.5, inUse: 4 });
    expect(body[0].fees['8996']).toEqual([{ feeToken, prices: ['cpu', 'ram', 'disk'].map((id) => ({ id, price: 0 })) }]);
    expect(body[1]).toMatchObject({ id: 'paid-only', fees: {} });
    expect(body[1]).not.toHaveProperty('free');
  });

  test('devices are resources, with what is in use; free jobs see only what the free offer names', async () => {
    const { deps, ledger } = aWorld({ environments: priced });
    ledger.loads = [{ environmentId: 'large', isFree: false, running: 1, queued: 0, inUse: { cpu: 1, gpu: 2 } }];
    const { body } = await call(createApp(deps), 'get', path);
    const gpu = { id: 'gpu', type: 'gpu', description: 'A100', total: 4, max: 2, min: 0, inUse: 2 };
    expect(body[0].resources).toContainEqual(gpu);
    expect(body[0].free.resources).not.toContainEqual(expect.objectContaining({ id: 'gpu' }));
  });

  test('an environment with prices names them, and no chain on which it would cost nothing', async () => {
    const { body } = await call(createApp(aWorld({ environments: priced }).deps), 'get', path);
    const prices = [
      { id: 'cpu', price: 0 },
      { id: 'ram', price: 0 },
      { id: 'disk', price: 0 },
      { id: 'gpu', price: 0.5 },
    ];
    expect(body[0].fees).toEqual({ 1: [{ feeToken: escrowAddress, prices }] });
  });

  test.each([
    ['8996', ['small']],
    ['1', ['small', 'paid-only']],
    ['5', []],
  ])('chainId %s narrows the list', async (chainId, ids) => {
    const { body } = await call(createApp(aWorld().deps), 'get', path, (get) => get.query({ chainId }));
    expect(body.map(({ id }: { id: string }) => id)).toEqual(ids);
  });

  test('a chainId that is no number is refused', async () => {
    expect((await call(createApp(aWorld().deps), 'get', path, (get) => get.query({ chainId: 'x' }))).status).toBe(400);
  });
});

describe('POST initializeCompute', () => {
  const path = '/api/services/initializeCompute';

  test.each<[string, number, Record<string, unknown>, string | undefined]>([
    ['a resource without a price', 200, { chainId: 1, token: escrowAddress }, undefined],
    ['a resource with a price', 200, { chainId: 1, token: escrowAddress, resources: [{ id: 'gpu', amount: 1 }] }, undefined],
    [
      'another token than that of the prices',
      400,
      { chainId: 1, token: feeToken },
      `This compute env does not accept payments on chain: 1 using token ${feeToken}`,
    ],
    [
      'another chain than that of the prices',
      400,
      { chainId: 8996, token: feeToken },
      `This compute env does not accept payments on chain: 8996 using token ${feeToken}`,
    ],
  ])('where prices are named, %s is answered %d', async (_what, code, payment, error) => {
    const { deps, quotes } = aWorld({ environments: priced });
    const response = await post(createApp(deps), path, aBody({ environment: 'large', payment }));
    expect([response.status, response.body.error]).toEqual([code, error]);
    expect(quotes).toHaveLength(code === 200 ? 1 : 0);
  });

  test('an output that the environment does not take is refused before anything is ordered', async () => {
    const { deps, quotes } = aWorld({ environments: priced, deliveryRefusal: ({ environment: { id } }) => `${id} takes none` });
    const s3Access = { endpoint: 'https://s3.example', bucket: 'mine', objectKey: 'a/', accessKeyId: 'a', secretAccessKey: 'b' };
    const sealed = Buffer.from(Buffer.from(JSON.stringify({ remoteStorage: { type: 's3', s3Access } })).toReversed()).toString('hex');
    const body = aBody({ environment: 'large', payment: { chainId: 1, token: escrowAddress } });
    const response = await post(createApp(deps), path, { ...body, output: sealed });
    expect([response.status, response.body.error, quotes]).toEqual([400, 'large takes none', []]);
    expect((await post(createApp(deps), path, body)).status).toBe(200);
  });

  /** the body as ocean.js 8.6.2 builds it */
  const aBody = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
    datasets: [{ documentId: aDid(), serviceId: 'access' }],
    algorithm: { documentId: aDid(), serviceId: 'algorithm' },
    environment: 'small',
    payment: { chainId: 8996, token: feeToken, resources: [{ id: 'cpu', amount: 1 }] },
    maxJobDuration: 60,
    consumerAddress: anAddress(),
    ...over,
  });

  test('answers what to order and what to lock', async () => {
    const { deps, quotes } = aWorld();
    const { status: code, body } = await post(createApp(deps), path, aBody({ queueMaxWaitTime: 20, signature: 'ignored' }));
    expect(code).toBe(200);
    expect(body.payment).toEqual({
      escrowAddress,
      payee: deps.assets.providerAddress,
      chainId: 8996,
      minLockSeconds: 80,
      token: feeToken,
      amount: '0',
    });
    expect(quotes[0]).toMatchObject({ surface: 'node', maxJobDuration: 60, queueMaxWaitTime: 20, validUntil: null });
  });

  test('needs no signature and spends no nonce', async () => {
    const { deps, ledger } = aWorld();
    await post(createApp(deps), path, aBody());
    expect(ledger.nonces.size).toBe(0);
  });

  test.each<[string, Record<string, unknown>]>([
    [
      'Not enough cpu resources. Requested 3, but max is 2',
      { payment: { chainId: 8996, token: feeToken, resources: [{ id: 'cpu', amount: 3 }] } },
    ],
    [
      'Not enough gpu resources. Requested 1, but max is 0',
      { payment: { chainId: 8996, token: feeToken, resources: [{ id: 'gpu', amount: 1 }] } },
    ],
    ['Missing algorithm', { algorithm: undefined }],
    ['Missing algorithm', { algorithm: null }],
    ['Missing dataset did', { datasets: [{ serviceId: 'a' }] }],
    ['Missing dataset did', { datasets: ['did:op:1'] }],
    ['Parameter : "consumerAddress" is not a valid web3 address', { consumerAddress: 'me' }],
    ['Invalid payment options', { payment: undefined }],
    ['Invalid payment options', { payment: { chainId: 8996 } }],
    ['Invalid payment options', { payment: { chainId: 'x', token: feeToken } }],
    ['Invalid maxJobDuration', { maxJobDuration: 0 }],
    ['Invalid maxJobDuration', { maxJobDuration: 'long' }],
    ['Invalid C2D Environment', { environment: 'nowhere' }],
    ['Invalid C2D Environment', { environment: undefined }],
    ['Cannot handle payments on chainId: 5', { payment: { chainId: 5, token: feeToken } }],
    [
      `This compute env does not accept payments on chain: 8996 using token ${escrowAddress}`,
      { payment: { chainId: 8996, token: escrowAddress } },
    ],
    [
      `This compute env does not accept payments on chain: 8996 using token ${feeToken}`,
      { environment: 'paid-only', payment: { chainId: 8996, token: feeToken } },
    ],
  ])('%s', async (text, over) => {
    const response = await post(createApp(aWorld().deps), path, aBody(over));
    expect([response.status, response.body]).toEqual([400, { error: text }]);
  });

  test('an empty body is missing', async () => {
    const response = await call(createApp(aWorld().deps), 'post', path);
    expect([response.status, response.body]).toEqual([400, { error: 'Missing required body' }]);
  });

  test.each<[JobFailure, number]>([
    [new JobFailure('AssetNotFound', 'DDO did:op:1 not found'), 404],
    [new JobFailure('AccessDenied', 'Error: Access to asset did:op:1 was denied'), 403],
    [new JobFailure('RequestInvalid', 'Failed to retrieve algorithm checksums. Both container and files checksums are required.'), 400],
    [new JobFailure('ChainUnavailable', 'the chain does not answer, try again', { retryAfterSeconds: 1 }), 503],
  ])('a failed quote keeps its text: %#', async (failure, code) => {
    const world = aWorld();
    const assets = { ...world.deps.assets, quote: async () => Promise.reject(failure) };
    const response = await post(createApp({ ...world.deps, assets }), path, aBody());
    expect([response.status, response.body]).toEqual([code, { error: failure.message }]);
    expect(response.headers['retry-after']).toBe(code === 503 ? '1' : undefined);
  });
});

describe('GET compute', () => {
  const path = '/api/services/compute';
  const ask = (world: ReturnType<typeof aWorld>, query: Record<string, string>) =>
    call(createApp(world.deps), 'get', path, (get) => get.query(query));

  test('without a filter it is refused', async () => {
    const response = await ask(aWorld(), {});
    expect([response.status, response.body]).toEqual([400, { error: 'Missing one of ["jobId","consumerAddress","agreementId"]' }]);
    expect((await ask(aWorld(), { consumerAddress: 'undefined', jobId: '' })).status).toBe(400);
  });

  test('a job is found with and without the prefix of its cluster, and told without', async () => {
    const world = aWorld();
    const { jobId, owner } = world.ledger.put(aJobRow());
    for (const text of [jobId, `0x${'ab'.repeat(32)}-${jobId}`, jobId.toUpperCase()]) {
      expect((await ask(world, { jobId: text, consumerAddress: owner })).body).toMatchObject([{ jobId }]);
    }
  });

  test.each(['unknown', '', 'x'.repeat(32), "' or 1=1 --", '%00'])('job %p matches nothing of others', async (text) => {
    const world = aWorld();
    world.ledger.put(aJobRow());
    const response = await ask(world, { jobId: text, consumerAddress: anAddress() });
    expect([response.status, response.body]).toEqual([200, []]);
  });

  test('owners are compared without case, agreements with and without 0x', async () => {
    const world = aWorld();
    const { address } = aWallet();
    const agreementId = aTransaction();
    world.ledger.put(aJobRow({ owner: address, agreementId }));
    expect((await ask(world, { consumerAddress: address.toLowerCase() })).body).toHaveLength(1);
    expect((await ask(world, { agreementId })).body).toHaveLength(1);
    expect((await ask(world, { agreementId: agreementId.slice(2) })).body).toHaveLength(1);
    expect((await ask(world, { agreementId, consumerAddress: anAddress() })).body).toEqual([]);
  });

  test.each(['refused', 'pending'] as const)('a %s job is not listed', async (admission) => {
    const world = aWorld();
    const { jobId } = world.ledger.put(aJobRow({ admission }));
    expect((await ask(world, { jobId })).body).toEqual([]);
  });

  test('an ended job has texts for times, its exit, results without storage references, and the escrow name', async () => {
    const world = aWorld();
    const row = aJobRow({
      jobId: '4d32947065bb46c8b87c1f7adfb7ed8b',
      status: status.algorithmFailed,
      finishedAtMs: 1_742_291_075_500,
      algorithmStartedAtMs: 1_742_291_070_000,
      algorithmFinishedAtMs: 1_742_291_072_500,
      termination: { exitCode: 3, OOMKilled: false, reason: 'the algorithm ended with exit code 3' },
      results: [{ index: 0, filename: 'a%2Fb.txt', filesize: 3, type: 'output', n: 4, sha256: 'ab'.repeat(32) }],
    });
    world.ledger.put(row);
    const { body } = await ask(world, { jobId: row.jobId });
    expect(body[0]).toMatchObject({
      jobIdHash: '0xbd7d4d2e64eceabc118c16691fadee1cb2b161eff89a87cecb56682f82f97ad7',
      status: 82,
      statusText: 'Algorithm exited with an error',
      statusReason: row.reason,
      dateCreated: '1742291065.119',
      dateFinished: '1742291075.5',
      algoStartTimestamp: '1742291070',
      algoStopTimestamp: '1742291072.5',
      algoDuration: 2.5,
      terminationDetails: { exitCode: 3, OOMKilled: false, reason: 'the algorithm ended with exit code 3' },
      results: [{ filename: 'a%2Fb.txt', filesize: 3, type: 'output', index: 0 }],
    });
    expect(Object.keys(body[0].results[0])).toEqual(['filename', 'filesize', 'type', 'index']);
  });

  test('an unfinished job has no end, and zeros for what is not known yet', async () => {
    const world = aWorld();
    const { jobId } = world.ledger.put(aJobRow());
    expect((await ask(world, { jobId })).body[0]).toMatchObject({
      dateFinished: null,
      algoStartTimestamp: '0',
      algoStopTimestamp: '0',
      algoDuration: 0,
      results: [],
    });
  });

  test('a strange token is refused, an empty one is none', async () => {
    const world = aWorld();
    const { jobId } = world.ledger.put(aJobRow());
    const withToken = (token: string) =>
      call(createApp(world.deps), 'get', path, (get) => get.query({ jobId }).set('Authorization', token));
    expect([(await withToken('eyJ')).status, (await withToken('undefined')).status]).toEqual([401, 200]);
  });
});

describe('PUT compute', () => {
  const path = '/api/services/compute';
  const stop = (world: ReturnType<typeof aWorld>, query: Record<string, string>) =>
    call(createApp(world.deps), 'put', path, (put) => put.query(query));

  test.each([status.queued, status.pullingImage, status.running, status.publishing])('stops a job in status %p', async (number) => {
    const world = aWorld();
    const wallet = aWallet();
    const { jobId } = world.ledger.put(aJobRow({ owner: wallet.address.toLowerCase(), status: number }));
    const response = await stop(world, { ...signed(wallet, 1, 'stopCompute'), jobId });
    expect([response.status, response.body[0].stopRequested]).toEqual([200, true]);
    expect(world.jobs.stopped).toEqual([jobId]);
  });

  test('the owner may stop a job that was not judged yet', async () => {
    const world = aWorld();
    const wallet = aWallet();
    const { jobId } = world.ledger.put(aJobRow({ owner: wallet.address, admission: 'pending' }));
    expect((await stop(world, { ...signed(wallet, 1, 'stopCompute'), jobId })).status).toBe(200);
    expect(world.jobs.stopped).toEqual([jobId]);
  });

  test('a job that has ended is returned as it is', async () => {
    const world = aWorld();
    const wallet = aWallet();
    const { jobId } = world.ledger.put(aJobRow({ owner: wallet.address, status: 70, finishedAtMs: 1_742_291_075_500 }));
    const response = await stop(world, { ...signed(wallet, 1, 'stopCompute'), jobId });
    expect(response.body[0]).toMatchObject({ status: 70, stopRequested: false });
    expect(world.jobs.stopped).toEqual([]);
  });

  test('nobody else may stop it, not even a viewer', async () => {
    const world = aWorld();
    const wallet = aWallet();
    const { jobId } = world.ledger.put(aJobRow({ additionalViewers: [wallet.address.toLowerCase()] }));
    const response = await stop(world, { ...signed(wallet, 1, 'stopCompute'), jobId });
    expect([response.status, response.body]).toEqual([403, { error: `${wallet.address} is not authorized to stop job with id ${jobId}` }]);
    expect(world.jobs.stopped).toEqual([]);
  });

  test.each(['refused', 'pending'] as const)("a stranger's %s job does not exist", async (admission) => {
    const world = aWorld();
    const wallet = aWallet();
    const { jobId } = world.ledger.put(aJobRow({ admission }));
    const response = await stop(world, { ...signed(wallet, 1, 'stopCompute'), jobId });
    expect([response.status, response.body]).toEqual([404, { error: `Cannot find job with id ${jobId}` }]);
  });

  test('an unknown job is a 404, a missing one a 400', async () => {
    const wallet = aWallet();
    const jobId = aJobId();
    const unknown = await stop(aWorld(), { ...signed(wallet, 1, 'stopCompute'), jobId });
    expect([unknown.status, unknown.body]).toEqual([404, { error: `Cannot find job with id ${jobId}` }]);
    const missing = await stop(aWorld(), signed(wallet, 1, 'stopCompute'));
    expect(missing.status).toBe(400);
    expect(missing.body.error).toMatch(/^Missing one \( "jobId" \)/);
  });

  test('a stop is good once', async () => {
    const world = aWorld();
    const wallet = aWallet();
    const { jobId } = world.ledger.put(aJobRow({ owner: wallet.address }));
    const query = { ...signed(wallet, 9, 'stopCompute'), jobId };
    expect((await stop(world, query)).status).toBe(200);
    const again = await stop(world, query);
    expect([again.status, again.body]).toEqual([401, { error: 'nonce: 9 is not a valid nonce' }]);
  });

  test('signature=null in the query is no signature', async () => {
    const world = aWorld();
    const { jobId, owner } = world.ledger.put(aJobRow());
    const response = await stop(world, { consumerAddress: owner, nonce: '1', signature: 'null', jobId });
    expect(response.status).toBe(401);
    expect(response.body.error).toMatch(/^Invalid authentication/);
  });
});

describe('DELETE compute', () => {
  test('is not offered', async () => {
    const response = await call(createApp(aWorld().deps), 'delete', '/api/services/compute');
    expect([response.status, response.body]).toEqual([404, { error: 'Not yet implemented!' }]);
  });
});

describe('POST encrypt', () => {
  const path = '/api/services/encrypt';
  const send = (world: ReturnType<typeof aWorld>, query: Record<string, string>, bytes: Buffer, type = 'application/octet-stream') =>
    call(createApp(world.deps), 'post', path, (test) =>
      test
        .query({ chainId: '8996', ...query })
        .set('Content-Type', type)
        .serialize((data: unknown) => data as string)
        .send(bytes),
    );

  test.each(['application/octet-stream', 'application/json', 'text/plain'])('encrypts the bytes of a %s body as they are', async (type) => {
    const world = aWorld();
    const bytes = Buffer.from('{"files": [] }');
    const response = await send(world, signed(aWallet(), 1, 'encrypt'), bytes, type);
    expect([response.status, response.text]).toEqual([200, world.deps.assets.encrypt(bytes)]);
  });

  test('a signature is good once, and not for another command', async () => {
    const world = aWorld();
    const wallet = aWallet();
    const query = signed(wallet, 1, 'encrypt');
    await send(world, query, Buffer.from('x'));
    expect((await send(world, query, Buffer.from('x'))).body).toEqual({ error: 'nonce: 1 is not a valid nonce' });
    const other = await send(world, { ...query, nonce: '2', signature: sign(wallet, 2, 'stopCompute') }, Buffer.from('x'));
    expect([other.status, other.body]).toEqual([401, { error: 'consumer address and nonce signature mismatch' }]);
  });

  test('too much, and nothing, are refused and cost no nonce', async () => {
    const world = aWorld();
    const wallet = aWallet();
    const large = await send(world, signed(wallet, 1, 'encrypt'), Buffer.alloc(1024 ** 2 + 1));
    const empty = await call(createApp(world.deps), 'post', path, (test) => test.query(signed(wallet, 1, 'encrypt')));
    expect([large.status, large.body]).toEqual([413, { error: 'The request body is larger than 1048576 bytes' }]);
    expect([empty.status, empty.body]).toEqual([400, { error: 'Missing required body' }]);
    expect(world.ledger.nonces.size).toBe(0);
  });
});

describe('GET ddo', () => {
  test('answers the DDO as published', async () => {
    const world = aWorld();
    const did = aDid();
    world.ddos.set(did, { id: did, version: '4.1.0' });
    expect((await call(createApp(world.deps), 'get', `/api/aquarius/assets/ddo/${did}`)).body).toEqual({ id: did, version: '4.1.0' });
  });

  test.each([aDid(), 'did:op:1', 'x'])('%s is not found', async (did) => {
    const response = await call(createApp(aWorld().deps), 'get', `/api/aquarius/assets/ddo/${did}`);
    expect([response.status, response.body]).toEqual([404, { error: `DDO ${did} not found` }]);
  });
});

describe('service names', () => {
  test('are looked up without case', async () => {
    expect((await request(createApp(aWorld().deps)).get('/API/Services/COMPUTEENVIRONMENTS')).status).toBe(200);
  });
});
