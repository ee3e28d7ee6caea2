import { Wallet, getBytes } from 'ethers';
import request from 'supertest';
import { createClassicApp } from '../../api/classic/app.ts';
import { classicStatusText } from '../../api/classic/jobView.ts';
import { withoutUrls } from '../../api/classic/problems.ts';
import { classicEndpoints } from '../../api/classic/root.ts';
import { classicRoutes } from '../../api/classic/routes.ts';
import { createRates } from '../../api/rates.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { aJobId, aSpec, anAddress, anAdmission, aTransaction } from '../support/builders.ts';
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
beforeAll(async () => {
  classic = await startClassicWorld();
});
afterAll(() => classic.close());

const services = '/api/services';
const noSignature = ['Invalid signature provided. Please check the nonce or documentId.'];
const aWallet = (): Wallet => new Wallet(Wallet.createRandom().privateKey);

/** An accepted job of `owner`, with three results if it is over. */
const aJob = async (owner: string, { ended = false, agreement = aTransaction() } = {}): Promise<string> => {
  const { ledger } = classic.opened;
  const spec = aSpec({ consumerAddress: owner, surface: 'classic' });
  const { jobId } = spec;
  await ledger.reserveJob({ spec, nonce: String(BigInt((await ledger.nonceOf(owner)) ?? '0') + 1n) });
  await ledger.acceptJob(jobId, anAdmission(spec, { agreementId: agreement }));
  if (!ended) return jobId;
  await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
  const results = ['a%2Fb.txt', 'naïve name..txt', 'algorithm.log'].map((filename, index) => {
    const bytes = Buffer.from(`content of ${filename}`);
    classic.files.set(`${jobId}/1/${index}`, bytes);
    const type = filename === 'algorithm.log' ? ('algorithmLog' as const) : ('output' as const);
    return { index, filename, filesize: bytes.length, type, n: index, sha256: 'a'.repeat(64) };
  });
  await ledger.recordResults({ jobId, podAttempt: 1, results });
  const end = { status: 70, reason: 'the algorithm ended with exit code 0', exitCode: 0, oomKilled: false };
  await ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: end.reason, end });
  return jobId;
};

const nextNonce = async (address: string): Promise<string> =>
  String(Number((await queryClassic(classic.app, 'get', `${services}/nonce`, { userAddress: address })).body.nonce) + 1);

describe('the root', () => {
  test('names every service exactly, with an address for each chain and none beside them', async () => {
    const { body, status } = await callClassic(classic.app, 'get', '/');
    expect(status).toBe(200);
    expect(body).toEqual({
      chainIds: [8996],
      providerAddresses: { 8996: classic.world.ocean.providerAddress },
      serviceEndpoints: classicEndpoints,
      software: 'Provider',
      version: '0.1.0',
    });
    expect(body.serviceEndpoints).toMatchObject({
      computeDelete: ['DELETE', '/api/services/compute'],
      create_auth_token: ['GET', '/api/services/createAuthToken'],
      initializeCompute: ['POST', '/api/services/initializeCompute'],
      validateContainer: ['POST', '/api/services/validateContainer'],
    });
  });

  test('names only what is served', () => {
    const served = classicRoutes.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    for (const [method, path] of Object.values(classicEndpoints)) expect(served).toContain(`${method} ${path}`);
  });
});

describe('every request', () => {
  test.each(['//api/services/nonce', '/api//services/nonce', '/provider/api/services/nonce', '/provider//api/services/nonce'])(
    '%s is the same place',
    async (path) => {
      const { status, body } = await request(classic.app).get(`${path}?userAddress=${anAddress()}`);
      expect([status, body]).toEqual([200, { nonce: '1' }]);
    },
  );

  test.each(['/provider', '/provider/'])('%s is the root', async (path) => {
    expect((await request(classic.app).get(path)).body).toMatchObject({ software: 'Provider' });
  });

  test.each<[string, string, object]>([
    ['a query, which wins over a body', `?userAddress=${anAddress()}`, { userAddress: '' }],
    ['a JSON body, also of a GET', '', { userAddress: anAddress() }],
  ])('has its data in %s', async (_name, query, body) => {
    const { status } = await request(classic.app).get(`${services}/nonce${query}`).set('Content-Type', 'application/json').send(JSON.stringify(body)); // prettier-ignore
    expect(status).toBe(200);
  });

  test.each(['', 'no JSON', '[1]', '"text"', 'null'])('the body %p counts as empty', async (body) => {
    expect(refused(await sendClassic(classic.app, 'get', `${services}/nonce`, body))).toEqual(
      fieldErrors({ userAddress: ['The userAddress field is required.'] }),
    );
  });

  test('a body above the limit is refused', async () => {
    const { status, type } = await sendClassic(classic.app, 'post', `${services}/compute`, { a: 'x'.repeat(1024 ** 2) });
    expect([status, type]).toEqual([413, 'application/json']);
  });

  test('may come from any web page, which may read the name of a download', async () => {
    const preflight = await request(classic.app).options(`${services}/compute`);
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, '*']);
    const { headers } = await request(classic.app).get('/');
    for (const name of ['Content-Disposition', 'Content-Range', 'Accept-Ranges'])
      expect(headers['access-control-expose-headers']).toContain(name);
  });

  test.each(['computeResult', 'createAuthToken'])('a HEAD of %s is refused, because it would spend a nonce', async (name) => {
    expect((await request(classic.app).head(`${services}/${name}`)).status).toBe(405);
  });

  test('what is not served is told with the data that came', async () => {
    expect(refused(await request(classic.app).get('/api/services/nothing?a=1'))).toEqual([
      404,
      {
        error:
          '404 Not Found: The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.',
        context: { a: '1' },
      },
    ]);
  });

  test('a method that is not served is told, too', async () => {
    expect(refused(await request(classic.app).patch(`${services}/compute`).send({ b: 2 }))).toEqual([
      405,
      { error: '405 Method Not Allowed: The method is not allowed for the requested URL.', context: { b: 2 } },
    ]);
  });

  test.each([
    ['no  space\n here', 'no space here'],
    ['see http://a.example/x?key=1 or "https://b.example" now', 'see <URL stripped for security reasons> or <URL stripped for security reasons> now'],
    ['did:op:1 is no address', 'did:op:1 is no address'],
  ])('addresses never stand in an error: %p', (text, expected) => {
    expect(withoutUrls(text)).toBe(expected);
  }); // prettier-ignore

  test('an outage is a 503 with the time to try again, and without the data', async () => {
    const nonceOf = () => Promise.reject(new JobFailure('ServiceUnavailable', 'the ledger does not answer at the moment'));
    const app = createClassicApp({ ...classic.deps, ledger: { ...classic.deps.ledger, nonceOf } });
    const { status, body, headers } = await request(app).get(`${services}/nonce?userAddress=${anAddress()}`);
    expect([status, body, headers['retry-after']]).toEqual([503, { error: 'the ledger does not answer at the moment' }, '5']);
  });

  test('is counted, and one too many is told when to come again', async () => {
    const rates = createRates({ perIpPerMinute: 1, perAddressPerMinute: 0, trustedProxies: [] });
    const app = createClassicApp({ ...classic.deps, rates });
    expect((await callClassic(app, 'get', '/')).status).toBe(200);
    const { status, body, headers } = await callClassic(app, 'get', '/');
    expect([status, body]).toEqual([429, { error: expect.stringMatching(/^Rate limit exceeded/) }]);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });

  test.each(['signature', 'token'])('of one consumer is counted once its %s was found good', async (proof) => {
    const rates = createRates({ perIpPerMinute: 0, perAddressPerMinute: 1, trustedProxies: [] });
    const app = createClassicApp({ ...classic.deps, rates });
    const wallet = aWallet();
    const AuthToken = classic.deps.tokens.issue({ address: wallet.address, nonce: '0', validUntilMs: null });
    const stop = (nonce: number, signer = wallet) => {
      const jobId = aJobId();
      const signature = proof === 'token' ? undefined : signText(signer, `${wallet.address}${jobId}${nonce}`);
      const body = { consumerAddress: wallet.address, jobId, nonce, signature };
      return sendClassic(app, 'put', `${services}/compute`, body, proof === 'token' && signer === wallet ? { AuthToken } : {});
    };
    expect((await stop(1, aWallet())).status).toBe(400);
    expect((await stop(1)).status).toBe(200);
    expect((await stop(2)).status).toBe(429);
    // the nonce is not spent by a request that is turned away
    expect(await classic.opened.ledger.nonceOf(wallet.address)).toBe('1');
  });

  test('the description is served', async () => {
    const { body } = await request(classic.app).get('/spec');
    const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(described.toSorted()).toEqual(classicRoutes.map(({ method, path }) => `${method} ${path}`).toSorted());
  });
});

describe('bad input', () => {
  const anything: readonly unknown[] = ['\u0000', '\u{1F600}', '../..', 'x'.repeat(10_000), -1, 1e30, true, [], [[]], {}, { a: null }];
  const fields = ['consumerAddress', 'userAddress', 'address', 'decrypterAddress', 'jobId', 'agreementId', 'documentId', 'serviceId', 'did',
    'type', 'url', 'transferTxId', 'fileIndex', 'index', 'nonce', 'signature', 'token', 'expiration', 'environment', 'dataset', 'datasets',
    'algorithm', 'compute', 'chainId', 'dataNftAddress', 'transactionId', 'additionalDatasets', 'output', 'entrypoint'] as const; // prettier-ignore
  const calls = classicRoutes.filter(({ id }) => id !== 'encrypt').map(({ method, path }) => [method, path] as const);

  test.each(calls)('%s %s never answers it with 5xx', async (method, path) => {
    for (const value of anything) {
      const { status } = await sendClassic(classic.app, method, path, Object.fromEntries(fields.map((field) => [field, value])));
      expect([value, status >= 500]).toEqual([value, false]);
      const query = Object.fromEntries(
        fields.map((field) => [field, typeof value === 'string' ? value.slice(0, 100) : JSON.stringify(value)]),
      );
      expect((await queryClassic(classic.app, method, path, query)).status).toBeLessThan(500);
    }
  });

  test('what cannot be decoded is malformed', async () => {
    expect((await request(classic.app).get('/api/%E0%A4%A')).status).toBe(404);
    expect((await request(classic.app).get(`${services}/nonce?userAddress=%E0%A4%A`)).body).toEqual({ nonce: '1' });
  });
});

describe('GET nonce', () => {
  test('nothing is written by asking, and the spelling of an address does not matter', async () => {
    const { address } = aWallet();
    expect((await queryClassic(classic.app, 'get', `${services}/nonce`, { userAddress: address })).body).toEqual({ nonce: '1' });
    expect(await classic.opened.ledger.nonceOf(address)).toBeNull();
    await classic.opened.ledger.spendNonce(address, '1755500000001');
    expect((await queryClassic(classic.app, 'get', `${services}/nonce`, { userAddress: address.toLowerCase() })).body).toEqual({
      nonce: '1755500000001',
    });
  });
});

describe('POST encrypt', () => {
  const encrypt = (type: string, query: object, body: Buffer = Buffer.from('files')) =>
    callClassic(classic.app, 'post', `${services}/encrypt`, (test) => test.query(query).set('Content-Type', type).send(body));

  test('seals bytes to the key of this provider', async () => {
    const { status, text, type } = await encrypt('application/octet-stream', { chainId: 8996 });
    expect([status, type]).toEqual([201, 'text/plain']);
    expect(text).toMatch(/^0x04/);
    expect(Buffer.from(classic.world.ocean.decrypt(text)!).toString()).toBe('files');
  });

  test.each<[string, string, object, string]>([
    ['another content type', 'application/json', { chainId: 8996 }, 'Invalid request content type: should be application/octet-stream'],
    ['no chain', 'application/octet-stream', {}, 'Missing chainId query parameter.'],
    ['a chain that is not served', 'application/octet-stream', { chainId: 5 }, 'Failed to encrypt.'],
  ])('refuses %s', async (_name, type, query, error) => {
    expect(refused(await encrypt(type, query))).toEqual([400, { error }]);
  });
});

describe('GET computeEnvironments', () => {
  test('is a map by chain, with real numbers and the price of a minute', async () => {
    const { body, status } = await queryClassic(classic.app, 'get', `${services}/computeEnvironments`, { chainId: 8996 });
    expect(status).toBe(200);
    expect(Object.keys(body as object)).toEqual(['8996']);
    expect(body['8996'].map(({ id, priceMin }: { id: string; priceMin: number }) => [id, priceMin])).toEqual([
      ['small', 0],
      ['private', 0],
      ['paid', 0.6],
    ]);
    expect(body['8996'][0]).toEqual({
      ...{ id: 'small', cpuNumber: 1, cpuType: 'x86_64', gpuNumber: 0, gpuType: '', ramGB: 1, diskGB: 1, priceMin: 0 },
      ...{ desc: 'a small one', currentJobs: expect.any(Number), maxJobs: 8, storageExpiry: 604_800, maxJobDuration: 1_200 },
      consumerAddress: classic.world.ocean.providerAddress,
      lastSeen: expect.stringMatching(/^\d+(\.\d+)?$/),
      feeToken: classic.world.chain.contracts.ocean,
    });
  });

  test('without the ledger it is known to be unknown', async () => {
    const environmentLoads = () => Promise.reject(new Error('away'));
    const app = createClassicApp({ ...classic.deps, ledger: { ...classic.deps.ledger, environmentLoads } });
    expect(refused(await callClassic(app, 'get', `${services}/computeEnvironments`))).toEqual([
      503,
      { error: 'Compute envs could not be retrieved for chainId 8996, check configuration.' },
    ]);
  });
});

describe('POST validateContainer', () => {
  const good = { entrypoint: 'node $ALGO', image: 'node', tag: '24', checksum: `sha256:${'a'.repeat(64)}`, more: [1] };
  const validate = (container: unknown) => sendClassic(classic.app, 'post', `${services}/validateContainer`, container);

  test.each([good, { ...good, tag: {} }, { ...good, tag: undefined }])('answers the same object: %j', async (container) => {
    expect(refused(await validate(container))).toEqual([200, JSON.parse(JSON.stringify(container))]);
  });

  test.each<[unknown, string]>([
    [{ ...good, entrypoint: '' }, 'missing_entrypoint_image_checksum'],
    [{ ...good, image: undefined }, 'missing_entrypoint_image_checksum'],
    [{ ...good, checksum: null }, 'missing_entrypoint_image_checksum'],
    [{ ...good, image: 1 }, 'missing_entrypoint_image_checksum'],
    [{ ...good, entrypoint: ['node'] }, 'missing_entrypoint_image_checksum'],
    ['nothing', 'missing_entrypoint_image_checksum'],
    [{ ...good, checksum: 'a'.repeat(64) }, 'checksum_prefix'],
  ])('refuses %j', async (container, error) => {
    expect(refused(await validate(container))).toEqual([400, { error }]);
  });
});

describe('signatures', () => {
  const stop = (wallet: Wallet, over: object, jobId = aJobId()) => {
    const body = { consumerAddress: wallet.address, jobId, documentId: 'did:op:1', nonce: '5' };
    return { ...body, signature: signText(wallet, `${wallet.address}${jobId}did:op:1${body.nonce}`), ...over };
  };
  const put = (body: object, headers = {}) => sendClassic(classic.app, 'put', `${services}/compute`, body, headers);

  test('errors of all fields add up, each with its first', async () => {
    expect(refused(await put({}))).toEqual(
      fieldErrors({
        jobId: ['The jobId field is required.'],
        consumerAddress: ['The consumerAddress field is required.'],
        nonce: ['The nonce field is required.'],
      }),
    );
    expect(refused(await put({ consumerAddress: anAddress(), nonce: '7' }))).toEqual(
      fieldErrors({ jobId: ['The jobId field is required.'], signature: noSignature }),
    );
  });

  test.each(['abc', '1.5', '-1', '9007199254740992', 9007199254740993n, '1e3', true])('the nonce %p is no number', async (nonce) => {
    const body = JSON.stringify(stop(aWallet(), { nonce: 0 })).replace('"nonce":0', `"nonce":${typeof nonce === 'string' ? `"${nonce}"` : nonce}`);
    const response = await sendClassic(classic.app, 'put', `${services}/compute`, body);
    expect(refused(response)).toEqual(fieldErrors({ nonce: ['The nonce must be a number.'] }));
  }); // prettier-ignore

  test('a wrong signer is told who signed', async () => {
    const [wallet, other] = [aWallet(), aWallet()];
    const jobId = aJobId();
    const signature = signText(other, `${wallet.address}${jobId}did:op:15`);
    expect(refused(await put(stop(wallet, { signature }, jobId)))).toEqual(
      fieldErrors({
        signature: `Invalid signature ${signature} for ethereum address ${wallet.address}, message ${wallet.address}${jobId}did:op:1 and nonce 5. Got ${other.address}`,
      }),
    );
  });

  test.each([undefined, null, '', 'nonsense', '0x12', `0x${'0'.repeat(130)}`])('%p is no signature', async (signature) => {
    expect(refused(await put(stop(aWallet(), { signature })))).toEqual(fieldErrors({ signature: noSignature }));
  });

  test('a personal signature of the text itself is not good', async () => {
    const wallet = aWallet();
    const jobId = aJobId();
    const signature = wallet.signMessageSync(`${wallet.address}${jobId}did:op:15`);
    expect((await put(stop(wallet, { signature }, jobId))).status).toBe(400);
  });

  test.each<[string, (signature: string) => string]>([
    ['as ethers ends it', (signature) => signature],
    ['as Python ends it', (signature) => signature.replace(/1b$/, '00').replace(/1c$/, '01')],
  ])('a signature is good %s', async (_name, end) => {
    const wallet = aWallet();
    const body = stop(wallet, {});
    expect(refused(await put({ ...body, signature: end(body.signature) }))).toEqual([200, []]);
    expect(getBytes(body.signature)).toHaveLength(65);
  });

  test.each(['5', '4', 5])('after 5 the nonce %p is too low', async (nonce) => {
    const wallet = aWallet();
    await classic.opened.ledger.spendNonce(wallet.address, '5');
    const jobId = aJobId();
    const signature = signText(wallet, `${wallet.address}${jobId}did:op:1${nonce}`);
    expect(refused(await put(stop(wallet, { nonce, signature }, jobId)))).toEqual(
      fieldErrors({ signature: `Invalid signature expected nonce (5) > current nonce (${nonce}).` }),
    );
  });
});

describe('GET compute', () => {
  const read = (query: object) => queryClassic(classic.app, 'get', `${services}/compute`, query);

  test('shows a job in the classic form, and its status in the classic words', async () => {
    const { address } = aWallet();
    const agreement = aTransaction();
    const jobId = await aJob(address, { agreement });
    const { body } = await read({ consumerAddress: address.toLowerCase(), jobId });
    expect(body).toEqual([
      {
        ...{ agreementId: agreement, jobId, owner: address, status: 1, statusText: 'Warming up' },
        ...{ dateCreated: expect.stringMatching(/^\d+(\.\d+)?$/), dateFinished: null, results: '', stopreq: 0, removed: 0 },
        ...{ algoDID: expect.stringMatching(/^did:op:/), inputDID: [expect.stringMatching(/^did:op:/)], terminationDetails: null },
      },
    ]);
  });

  test('shows results by their position, without where they lie', async () => {
    const { address } = aWallet();
    const { body } = await read({ consumerAddress: address, jobId: await aJob(address, { ended: true }) });
    expect(body[0]).toMatchObject({ status: 70, statusText: 'Job finished', terminationDetails: { exitCode: 0, OOMKilled: false } });
    expect(Number(body[0].dateFinished)).toBeGreaterThan(0);
    expect(body[0].results[0]).toEqual({ filename: 'a%2Fb.txt', filesize: 20, type: 'output' });
    expect(body[0].results.map(({ type }: { type: string }) => type)).toEqual(['output', 'output', 'algorithmLog']);
  });

  test('an address alone lists all its jobs; an agreement narrows the list, with or without 0x, unless a job is named', async () => {
    const { address } = aWallet();
    const agreement = aTransaction();
    const [first, second] = [await aJob(address, { agreement }), await aJob(address)];
    const ids = async (query: object): Promise<string[]> =>
      ((await read({ consumerAddress: address, ...query })).body as { jobId: string }[]).map(({ jobId }) => jobId).toSorted();
    expect(await ids({})).toEqual([first, second].toSorted());
    expect(await ids({ agreementId: agreement })).toEqual([first]);
    expect(await ids({ agreementId: agreement.slice(2).toUpperCase() })).toEqual([first]);
    expect(await ids({ agreementId: agreement, jobId: second })).toEqual([second]);
    expect(await ids({ agreementId: 'nonsense' })).toEqual([]);
  });

  test.each(['a job of somebody else', 'no job', 'no address'])('%s is an empty list', async (what) => {
    const jobId = what === 'no job' ? aJobId() : await aJob(anAddress());
    const consumerAddress = what === 'no address' ? 'me' : anAddress();
    expect(refused(await read({ consumerAddress, jobId }))).toEqual([200, []]);
  });

  test('an address is required', async () => {
    expect(refused(await read({ jobId: aJobId() }))).toEqual(fieldErrors({ consumerAddress: ['The consumerAddress field is required.'] }));
  });

  test.each([
    [1, 'Warming up'],
    [20, 'Configuring volumes'],
    [30, 'Provisioning success'],
    [31, 'Data provisioning failed'],
    [32, 'Algorithm provisioning failed'],
    [40, 'Running algorithm '],
    [50, 'Filtering results'],
    [60, 'Publishing results'],
    [70, 'Job finished'],
    [10, 'Pulling algorithm image'],
    [80, 'Job stopped'],
    [99, 'Unknown status'],
  ])('status %i is %p', (number, text) => {
    expect(classicStatusText(number)).toBe(text);
  });
});

describe('PUT compute', () => {
  const put = (body: object) => sendClassic(classic.app, 'put', `${services}/compute`, body);

  test('stops the job, in a body or in the query', async () => {
    for (const isQuery of [false, true]) {
      const wallet = aWallet();
      const jobId = await aJob(wallet.address);
      const nonce = await nextNonce(wallet.address);
      const documentId = 'did:op:1';
      const signature = signText(wallet, `${wallet.address}${jobId}${documentId}${nonce}`);
      const body = { consumerAddress: wallet.address, jobId, documentId, nonce, signature };
      const response = await (isQuery ? queryClassic(classic.app, 'put', `${services}/compute`, body) : put(body));
      expect([response.status, response.body]).toMatchObject([200, [{ jobId, stopreq: 1 }]]);
      expect(classic.stopped).toContain(jobId);
      expect(await classic.opened.ledger.nonceOf(wallet.address)).toBe(nonce);
    }
  });

  test('a job that has ended stays as it is', async () => {
    const wallet = aWallet();
    const jobId = await aJob(wallet.address, { ended: true });
    const nonce = await nextNonce(wallet.address);
    const signature = signText(wallet, `${wallet.address}${jobId}${nonce}`);
    const { body } = await put({ consumerAddress: wallet.address, jobId, nonce, signature });
    expect(body).toMatchObject([{ jobId, status: 70, stopreq: 0 }]);
    expect(classic.stopped).not.toContain(jobId);
  });

  test("somebody else's job does not exist", async () => {
    const wallet = aWallet();
    const jobId = await aJob(anAddress());
    const signature = signText(wallet, `${wallet.address}${jobId}2`);
    expect(refused(await put({ consumerAddress: wallet.address, jobId, nonce: '2', signature }))).toEqual([200, []]);
    expect(classic.stopped).not.toContain(jobId);
  });

  describe('as ocean.js 3.4 sends it, with a nonce that it does not sign', () => {
    const quirk = (wallet: Wallet, jobId: string, nonce = '777') => ({
      ...{ signature: signText(wallet, `${wallet.address}${jobId}`), agreementId: '', consumerAddress: wallet.address, nonce, jobId },
    });

    test('stops the job, stores no nonce, and can only stop it again', async () => {
      const wallet = aWallet();
      const jobId = await aJob(wallet.address);
      const before = await classic.opened.ledger.nonceOf(wallet.address);
      for (const nonce of ['777', '999999999']) {
        expect((await put(quirk(wallet, jobId, nonce))).body).toMatchObject([{ jobId, stopreq: 1 }]);
      }
      expect(await classic.opened.ledger.nonceOf(wallet.address)).toBe(before);
    });

    test('is good for one job of the signer only', async () => {
      const wallet = aWallet();
      const [jobId, other] = [await aJob(wallet.address), await aJob(wallet.address)];
      expect((await put({ ...quirk(wallet, jobId), jobId: other })).status).toBe(400);
      expect(classic.stopped).not.toContain(other);
    });

    test('is refused where the operator says so', async () => {
      const app = createClassicApp({ ...classic.deps, settings: { basePath: '', takesUnsignedNonces: false } });
      const wallet = aWallet();
      const jobId = await aJob(wallet.address);
      expect((await sendClassic(app, 'put', `${services}/compute`, quirk(wallet, jobId))).status).toBe(400);
      expect(classic.stopped).not.toContain(jobId);
    });
  });
});

describe('DELETE compute', () => {
  const remove = (body: object, app = classic.app) => sendClassic(app, 'delete', `${services}/compute`, body);

  test('answers an empty text and deletes nothing', async () => {
    const wallet = aWallet();
    const jobId = await aJob(wallet.address, { ended: true });
    const nonce = await nextNonce(wallet.address);
    const signature = signText(wallet, `${wallet.address}${jobId}did:op:1${nonce}`);
    const { status, text } = await remove({ consumerAddress: wallet.address, jobId, documentId: 'did:op:1', nonce, signature });
    expect([status, text]).toEqual([200, '""']);
    expect(await classic.opened.ledger.readJob(jobId)).toMatchObject({ results: { length: 3 } });
  });

  test('ocean.js signs the next nonce and does not send it', async () => {
    const wallet = aWallet();
    const documentId = 'did:op:1';
    const jobId = aJobId();
    const nonce = await nextNonce(wallet.address);
    const body = { documentId, consumerAddress: wallet.address, jobId, signature: signText(wallet, `${wallet.address}${jobId}${documentId}${nonce}`) };
    expect(refused(await remove(body))).toEqual([200, '']);
    expect(await classic.opened.ledger.nonceOf(wallet.address)).toBe(nonce);
    // a replay is signed for a nonce that has been spent
    expect((await remove(body)).status).toBe(400);
    const strict = createClassicApp({ ...classic.deps, settings: { basePath: '', takesUnsignedNonces: false } });
    expect(refused(await remove(body, strict))).toEqual(fieldErrors({ nonce: ['The nonce field is required.'] }));
  }); // prettier-ignore
});

describe('GET computeResult', () => {
  const ask = async (wallet: Wallet, jobId: string, index: number | string, headers = {}) => {
    const nonce = await nextNonce(wallet.address);
    const signature = signText(wallet, `${wallet.address}${jobId}${index}${nonce}`);
    const query = { consumerAddress: wallet.address, jobId, index: String(index), nonce, signature };
    return queryClassic(classic.app, 'get', `${services}/computeResult`, query, headers);
  };

  test('sends a file with a name that no client takes for another path', async () => {
    const wallet = aWallet();
    const response = await ask(wallet, await aJob(wallet.address, { ended: true }), 1);
    expect(response.status).toBe(200);
    expect(response.headers['content-disposition']).toBe('attachment;filename=na%C3%AFve%20name%2E%2Etxt');
    expect(response.body.toString()).toBe('content of naïve name..txt');
  });

  test('sends the part that is asked for', async () => {
    const wallet = aWallet();
    const jobId = await aJob(wallet.address, { ended: true });
    const part = await ask(wallet, jobId, 0, { Range: 'bytes=0-6' });
    expect([part.status, part.headers['content-range'], part.body.toString()]).toEqual([206, 'bytes 0-6/20', 'content']);
    const behind = await ask(wallet, jobId, 0, { Range: 'bytes=20-' });
    expect([behind.status, behind.headers['content-range']]).toEqual([416, 'bytes */20']);
  });

  test('an address is good for one fetch', async () => {
    const wallet = aWallet();
    const jobId = await aJob(wallet.address, { ended: true });
    const signature = signText(wallet, `${wallet.address}${jobId}050`);
    const query = { consumerAddress: wallet.address, jobId, index: 0, nonce: 50, signature };
    expect((await queryClassic(classic.app, 'get', `${services}/computeResult`, query)).status).toBe(200);
    expect(refused(await queryClassic(classic.app, 'get', `${services}/computeResult`, query))).toEqual(
      fieldErrors({ signature: 'Invalid signature expected nonce (50) > current nonce (50).' }),
    );
  });

  test('the number 0 in a JSON body is signed as nothing', async () => {
    const wallet = aWallet();
    const jobId = await aJob(wallet.address, { ended: true });
    const signature = signText(wallet, `${wallet.address}${jobId}50`);
    const body = { consumerAddress: wallet.address, jobId, index: 0, nonce: 50, signature };
    expect((await sendClassic(classic.app, 'get', `${services}/computeResult`, body)).status).toBe(200);
  });

  test('what is not there is told, and who does not own a job learns nothing of it', async () => {
    const [owner, other] = [aWallet(), aWallet()];
    const [ended, open, unknown] = [await aJob(owner.address, { ended: true }), await aJob(owner.address), aJobId()];
    const error = async (wallet: Wallet, jobId: string, index: number | string) => refused(await ask(wallet, jobId, index));
    expect(await error(other, ended, 0)).toEqual([404, { error: `Owner ${other.address} mismatch for job ${ended}` }]);
    expect(await error(owner, unknown, 0)).toEqual([404, { error: `Owner ${owner.address} mismatch for job ${unknown}` }]);
    expect(await error(owner, open, 0)).toEqual([404, { error: `No results for job ${open}` }]);
    expect(await error(owner, ended, -1)).toEqual([404, { error: 'Negative index -1' }]);
    expect(await error(owner, ended, 3)).toEqual([404, { error: 'No such index 3 in this compute job' }]);
    expect(await error(owner, ended, 'x')).toEqual(fieldErrors({ index: ['The index must be an integer.'] }));
    await classic.opened.ledger.setExpiry(ended, null);
    for (const index of [0, -1])
      expect(await error(owner, ended, index)).toEqual([404, { error: expect.stringMatching(/^Results of job .* and are gone$/) }]);
  });

  test('fields are required', async () => {
    expect(refused(await callClassic(classic.app, 'get', `${services}/computeResult`))).toEqual(
      fieldErrors({
        jobId: ['The jobId field is required.'],
        index: ['The index field is required.'],
        consumerAddress: ['The consumerAddress field is required.'],
        nonce: ['The nonce field is required.'],
      }),
    );
  });
});

describe('auth tokens', () => {
  const inAnHour = (): number => Math.floor(Date.now() / 1_000) + 3_000;
  const signed = async (wallet: Wallet) => {
    const nonce = await nextNonce(wallet.address);
    return { address: wallet.address, nonce, signature: signText(wallet, `${wallet.address}${nonce}`) };
  };
  const create = async (wallet: Wallet, over: object = {}) =>
    queryClassic(classic.app, 'get', `${services}/createAuthToken`, { ...(await signed(wallet)), expiration: inAnHour(), ...over });
  const aToken = async (wallet: Wallet): Promise<string> => (await create(wallet)).body.token as string;
  const remove = async (wallet: Wallet, token: string) =>
    sendClassic(classic.app, 'delete', `${services}/deleteAuthToken`, { ...(await signed(wallet)), token });
  const stopWith = (address: string, AuthToken: string, nonce: number, jobId = aJobId()) =>
    sendClassic(classic.app, 'put', `${services}/compute`, { consumerAddress: address, jobId, nonce }, { AuthToken });

  afterEach(() => {
    classic.clock.aheadMs = 0;
  });

  test('a token stands for signatures of its address, in any spelling', async () => {
    const wallet = aWallet();
    const token = await aToken(wallet);
    const jobId = await aJob(wallet.address);
    const response = await stopWith(wallet.address.toLowerCase(), token, 100, jobId);
    expect(response.body).toMatchObject([{ jobId, stopreq: 1 }]);
    expect(await classic.opened.ledger.nonceOf(wallet.address)).toBe('100');
  });

  test('a nonce that is too low is refused with a token, too', async () => {
    const wallet = aWallet();
    const token = await aToken(wallet);
    expect(refused(await stopWith(wallet.address, token, 1))).toEqual([
      400,
      { error: 'Invalid signature expected nonce (2) > current nonce (1).' },
    ]);
  });

  test('a token of another address, an altered one and none are no signature', async () => {
    const wallet = aWallet();
    const token = await aToken(aWallet());
    const own = await aToken(wallet);
    for (const bad of [token, `${own.slice(0, -1)}${own.endsWith('A') ? 'B' : 'A'}`, 'undefined', ' '])
      expect(refused(await stopWith(wallet.address, bad, 100))).toEqual(fieldErrors({ signature: noSignature }));
  });

  test('a signature that is not good is not mended by a token', async () => {
    const wallet = aWallet();
    const token = await aToken(wallet);
    const body = { consumerAddress: wallet.address, jobId: aJobId(), nonce: 100, signature: '0x12' };
    expect((await sendClassic(classic.app, 'put', `${services}/compute`, body, { AuthToken: token })).status).toBe(400);
  });

  test('a token ends at its time, and then it cannot be deleted', async () => {
    const wallet = aWallet();
    const token = await aToken(wallet);
    classic.clock.aheadMs = 3_001_000;
    expect((await stopWith(wallet.address, token, 100)).status).toBe(400);
    expect(refused(await remove(wallet, token))).toEqual([400, { error: 'Token is expired.' }]);
  });

  test('a deleted token is dead, and is told so', async () => {
    const wallet = aWallet();
    const token = await aToken(wallet);
    expect(refused(await remove(wallet, token))).toEqual([200, { success: 'Token has been deactivated.' }]);
    expect(refused(await remove(wallet, token))).toEqual([400, { error: 'Token is deleted.' }]);
    expect((await stopWith(wallet.address, token, 100)).status).toBe(400);
    expect((await stopWith(wallet.address, await aToken(wallet), 100)).status).toBe(200);
  });

  test("nobody deletes somebody else's token", async () => {
    const wallet = aWallet();
    const token = await aToken(wallet);
    expect(refused(await remove(aWallet(), token))).toEqual([400, { error: 'Token is invalid.' }]);
    expect(refused(await remove(wallet, 'nonsense'))).toEqual([400, { error: 'Token is invalid.' }]);
    expect((await stopWith(wallet.address, token, 100)).status).toBe(200);
  });

  test.each<[object, object]>([
    [{ expiration: '' }, { expiration: ['The expiration field is required.'] }],
    [{ expiration: 'soon' }, { expiration: ['The expiration must be an integer.'] }],
    [{ expiration: 1_700_000_000 }, { expiration: ['Invalid timestamp provided.'] }],
    [{ signature: '' }, { signature: ['The signature field is required.'] }],
    [{ address: '' }, { address: ['The address field is required.'] }],
    [{ nonce: '' }, { nonce: ['The nonce field is required.'] }],
  ])('%j cannot make a token', async (over, errors) => {
    expect(refused(await create(aWallet(), over))).toEqual(fieldErrors(errors));
  });

  test('deleting needs a token and a signature', async () => {
    expect(refused(await sendClassic(classic.app, 'delete', `${services}/deleteAuthToken`, { address: anAddress(), nonce: 1 }))).toEqual(
      fieldErrors({ token: ['The token field is required.'], signature: ['The signature field is required.'] }),
    );
  });

  test('a token cannot make another one', async () => {
    const wallet = aWallet();
    const query = { address: wallet.address, nonce: '900', expiration: inAnHour() };
    const response = await queryClassic(classic.app, 'get', `${services}/createAuthToken`, query, { AuthToken: await aToken(wallet) });
    expect(refused(response)).toEqual(fieldErrors({ signature: ['The signature field is required.'] }));
  });
});
