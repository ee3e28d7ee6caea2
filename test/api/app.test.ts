import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import request from 'supertest';
import { createApp } from '../../api/app.ts';
import { nodeRoutes } from '../../api/node/routes.ts';
import { failureHttpStatus } from '../../api/problems.ts';
import { failureTypes, faultOf } from '../../workflows/contract/failures.ts';
import { aWorld } from './support/fakes.ts';
import { aWallet, signed, sign } from './support/consumer.ts';

const bodyPaths = ['/api/services/compute', '/api/services/freeCompute', '/api/services/initializeCompute'];

/** and those that ask for no job */
const allBodyPaths = [
  ...bodyPaths,
  ...['fileInfo', 'decrypt', 'auth/token', 'auth/token/invalidate'].map((name) => `/api/services/${name}`),
];

const isRefusal = ({ status, type, text }: request.Response): boolean => {
  JSON.parse(text);
  return status >= 400 && status < 500 && type === 'application/json';
};

describe('unknown routes', () => {
  test.each(['/nothing', '/api/services/jobs', '/api/services/directCommand', '/directCommand', '/%E0%A4%A', '/api/docs/../package.json'])(
    '%s is a JSON 404 or 400',
    async (path) => {
      const response = await request(createApp(aWorld().deps)).get(path);
      expect(isRefusal(response)).toBe(true);
      expect(Object.keys(response.body)).toEqual(['error']);
    },
  );
});

describe('browsers', () => {
  test('any origin may ask, and read what it needs', async () => {
    const response = await request(createApp(aWorld().deps))
      .options('/api/services/compute')
      .set('Origin', 'https://x')
      .set('Access-Control-Request-Method', 'PUT');
    expect(response.status).toBe(204);
    expect(response.headers).toMatchObject({ 'access-control-allow-origin': '*' });
    expect(response.headers['access-control-allow-methods']).toContain('PUT');
    expect(response.headers['access-control-allow-headers']).toContain('Authorization');
    expect(response.headers['access-control-allow-headers']).toContain('Range');
  });

  test('nothing of others runs on our pages', async () => {
    const { headers } = await request(createApp(aWorld().deps)).get('/api/docs');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers).not.toHaveProperty('x-powered-by');
  });
});

describe('request ids', () => {
  test.each<[string | undefined, boolean]>([
    ['abc-1', true],
    ['a b', false],
    ['x'.repeat(65), false],
    [undefined, false],
  ])('%p is kept: %p', async (given, kept) => {
    const get = request(createApp(aWorld().deps)).get('/');
    const { headers } = await (given === undefined ? get : get.set('X-Request-Id', given));
    expect(headers['x-request-id'] === given).toBe(kept);
    expect(headers['x-request-id']).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
  });
});

describe('health and metrics', () => {
  test('live and ready', async () => {
    const app = createApp(aWorld().deps);
    expect((await request(app).get('/health/live')).status).toBe(200);
    expect((await request(app).get('/health/ready')).body).toMatchObject({ status: 'ready', dependencies: [{ name: 'ledger', ok: true }] });
  });

  test('a missing dependency is named, its reason is not told to consumers', async () => {
    const health = { chain: async () => Promise.reject(new Error('connect ECONNREFUSED 10.1.2.3:8545')) };
    const response = await request(createApp(aWorld({ health }).deps)).get('/health/ready');
    expect([response.status, response.body.dependencies[0].name]).toEqual([503, 'chain']);
    expect(response.text).not.toContain('10.1.2.3');
  });

  test('metrics count requests by route and jobs by environment', async () => {
    const world = aWorld();
    world.ledger.loads = [{ environmentId: 'small', isFree: true, running: 3, queued: 1, inUse: { cpu: 3 } }];
    const app = createApp(world.deps);
    await request(app).get('/api/services/computeEnvironments');
    const text = await world.registry.metrics();
    expect(text).toContain('c2d_api_requests_total{route="listEnvironments",method="GET",status="200"} 1');
    expect(text).toContain('c2d_jobs{environment="small",free="true",state="running"} 3');
  });
});

describe('failures', () => {
  test('only what the consumer could not have asked better is a 5xx', () => {
    const wrong = failureTypes.filter((type) => faultOf(type) === 'consumer' && failureHttpStatus[type] >= 500);
    expect(wrong).toEqual([]);
  });

  test.each(bodyPaths)('what nobody foresaw at %s is told without its text', async (path) => {
    const world = aWorld();
    const wallet = aWallet();
    const boom = async () => Promise.reject(new Error('password=hunter2'));
    const deps = { ...world.deps, assets: { ...world.deps.assets, verifyMessage: boom, quote: boom } };
    const response = await request(createApp(deps))
      .post(path)
      .send({
        ...{ consumerAddress: wallet.address, nonce: '1', signature: sign(wallet, 1, 'startCompute') },
        ...{ environment: 'small', maxJobDuration: 1, datasets: [], algorithm: { documentId: 'did:op:1' } },
        payment: { chainId: 1, token: wallet.address },
      });
    expect(response.status).toBe(500);
    expect(response.text).not.toContain('hunter2');
    expect(response.text).toContain(response.headers['x-request-id']);
  });

  test('a ledger that is down is told, not an empty list', async () => {
    const world = aWorld();
    const ledger = Object.assign(world.ledger, { findJobs: async () => Promise.reject(new Error('no database')) });
    const response = await request(createApp({ ...world.deps, ledger })).get(`/api/services/compute?consumerAddress=${aWallet().address}`);
    expect(response.status).toBe(500);
  });
});

describe('bodies', () => {
  const app = createApp(aWorld().deps);
  const send = (path: string, body: Buffer | string, type = 'application/json') =>
    request(app)
      .post(path)
      .set('Content-Type', type)
      .serialize((data: unknown) => data as string)
      .send(body);

  test.each<[string, Buffer | string]>([
    ['cut off', '{"a":'],
    ['no JSON', 'hello'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['a number', '1'],
    ['null', 'null'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['a key twice', '{"nonce":"1","nonce":"2"}'],
    ['nested too deeply', `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
    ['a prototype', '{"__proto__":{"x":1},"constructor":{"prototype":{}}}'],
    ['a broken surrogate', '{"algorithm":"\\ud800"}'],
    ['a huge number', '{"maxJobDuration":1e999,"nonce":1e999}'],
  ])('%s is a 400', async (_what, body) => {
    for (const path of allBodyPaths) {
      const response = await send(path, body);
      expect([response.status, isRefusal(response)]).toEqual([400, true]);
    }
  });

  test('one MB of raw code is read, more than the limit is a 413, also when compressed (complaint: bodies of 100 kB at most)', async () => {
    const large = JSON.stringify({ algorithm: { meta: { rawcode: 'x'.repeat(1_000_000) } } });
    expect((await send(bodyPaths[0]!, large)).status).toBe(400);
    const tooLarge = JSON.stringify({ a: 'x'.repeat(1024 ** 2) });
    expect((await send(bodyPaths[0]!, tooLarge)).status).toBe(413);
    const bomb = await request(app)
      .post(bodyPaths[0]!)
      .set('Content-Encoding', 'gzip')
      .serialize((data: unknown) => data as string)
      .send(gzipSync(tooLarge));
    expect([bomb.status, typeof bomb.body]).toEqual([413, 'string']);
  });

  test('an encoding nobody knows is a 415', async () => {
    const response = await request(app).post(bodyPaths[2]!).set('Content-Encoding', 'lzma').send('{}');
    expect([response.status, response.body]).toEqual([415, { error: 'The encoding of the request body is not supported' }]);
  });

  test('a body is read whatever its content type says', async () => {
    expect((await send(bodyPaths[2]!, '{"algorithm":{}}', 'text/plain')).body.error).toMatch(/consumerAddress/);
  });

  test('whatever bytes come: never a 5xx, always JSON', async () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.json(),
      fc.json().map((text) => text.slice(0, -1)),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...allBodyPaths), hostile, async (path, body) => isRefusal(await send(path, body))),
      { numRuns: 150 },
    );
  });

  test('whatever values the known fields have: never a 5xx, always JSON', async () => {
    const wallet = aWallet();
    let nonce = 0;
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom<unknown>(
        'small',
        {},
        [],
        null,
        '',
        1e300,
        -1,
        [{}],
        [{ id: 'cpu', amount: 1e9 }],
        { meta: { container: {} } },
        { documentId: '\u0000' },
      ),
    );
    const fields = fc.record(
      Object.fromEntries(
        [
          'environment',
          'maxJobDuration',
          'resources',
          'dataset',
          'datasets',
          'algorithm',
          'metadata',
          'additionalViewers',
          'chainId',
          'payment',
          'queueMaxWaitTime',
          'output',
        ].map((name) => [name, value]),
      ),
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fields, fc.boolean(), async (body, isFree) => {
        nonce += 1;
        const signature = sign(wallet, nonce, isFree ? 'freeStartCompute' : 'startCompute');
        const base = { environment: 'small', maxJobDuration: 60, datasets: [], algorithm: { documentId: 'did:op:1' } };
        const response = await send(
          bodyPaths[isFree ? 1 : 0]!,
          JSON.stringify({ ...base, ...body, consumerAddress: wallet.address, nonce, signature }),
        );
        JSON.parse(response.text);
        return response.status < 500;
      }),
      { numRuns: 200 },
    );
  });

  test('whatever a query says: never a 5xx, always JSON', async () => {
    const wallet = aWallet();
    let nonce = 0;
    const calls = [
      ['get', '/api/services/compute', 'encrypt'],
      ['put', '/api/services/compute', 'stopCompute'],
      ['get', '/api/services/computeResult', 'getComputeResult'],
      ['get', '/api/services/computeStreamableLogs', 'getComputeStreamableLogs'],
      ['get', '/api/services/nonce', 'encrypt'],
      ['get', '/api/services/computeEnvironments', 'encrypt'],
      ['get', '/api/services/initialize', 'encrypt'],
      ['get', '/api/services/download', 'download'],
    ] as const;
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom('null', '-1', '0', '%00', '', "';--", 'a'.repeat(32)),
    );
    const query = fc.record(
      Object.fromEntries(
        ['jobId', 'index', 'agreementId', 'userAddress', 'chainId', 'consumerAddress', 'nonce', 'signature']
          .concat(['documentId', 'serviceId', 'fileIndex', 'transferTxId', 'userdata'])
          .map((name) => [name, value]),
      ),
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...calls), query, fc.boolean(), async ([method, path, command], hostile, isSigned) => {
        nonce += 1;
        const wellFormed = Object.fromEntries(Object.entries(hostile).map(([name, text]) => [name, text!.toWellFormed()]));
        const sent = request(app)[method](path);
        const response = await sent.query({ ...wellFormed, ...(isSigned && signed(wallet, nonce, command)) });
        JSON.parse(response.text);
        return response.status < 500;
      }),
      { numRuns: 300 },
    );
  });
});

describe('tokens', () => {
  test('whatever an Authorization header says: refused or no token, never a 5xx', async () => {
    const app = createApp(aWorld().deps);
    const wallet = aWallet();
    const part = fc.oneof(
      fc.base64String({ maxLength: 80 }),
      fc.constantFrom('eyJhbGciOiJub25lIn0', 'e30', '', 'Bearer', 'undefined', '.'),
    );
    const header = fc
      .array(part, { maxLength: 4 })
      .chain((parts) => fc.constantFrom(parts.join('.'), parts.join(' '), `Bearer ${parts.join('.')}`));
    await fc.assert(
      fc.asyncProperty(header, async (authorization) => {
        const response = await request(app)
          .get('/api/services/compute')
          .query({ consumerAddress: wallet.address })
          .set('Authorization', authorization);
        JSON.parse(response.text);
        return response.status === 401 || (response.status === 200 && response.text === '[]');
      }),
      { numRuns: 200 },
    );
  });
});

describe('the description', () => {
  test('has every route and nothing else', async () => {
    const { body } = await request(createApp(aWorld().deps)).get('/api/openapi.json');
    const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, calls]) =>
      Object.keys(calls).map((method) => `${method} ${path}`),
    );
    expect(body.openapi).toBe('3.1.0');
    expect(described.toSorted()).toEqual(nodeRoutes.map(({ method, path }) => `${method} ${path.replace(':did', '{did}')}`).toSorted());
  });

  test('names each call once, with its refusals', async () => {
    const { body } = await request(createApp(aWorld().deps)).get('/api/openapi.json');
    const calls = Object.values(body.paths as Record<string, Record<string, { operationId: string; responses: object }>>).flatMap(
      Object.values,
    );
    expect(new Set(calls.map(({ operationId }) => operationId)).size).toBe(nodeRoutes.length);
    for (const { id, refusals } of nodeRoutes) {
      const { responses } = calls.find(({ operationId }) => operationId === id);
      for (const status of [...refusals, 500]) expect(Object.keys(responses)).toContain(String(status));
    }
    expect(body.components.schemas).toHaveProperty('ComputeJob');
  });

  test.each(['/api', '/api/v1'])('the page below %s needs nothing from elsewhere and no inline script', async (base) => {
    const app = createApp(aWorld().deps);
    const { text } = await request(app).get(`${base}/docs`);
    expect(text).not.toMatch(/https?:|<script>|<style|\son\w+=/);
    const links = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link!);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) expect((await request(app).get(`${base}/${link}`)).status).toBe(200);
    const slash = await request(app).get(`${base}/docs/`);
    expect([slash.status, slash.headers['location']]).toEqual([301, '../docs']);
  });
});
