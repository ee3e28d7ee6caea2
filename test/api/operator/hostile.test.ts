import request from 'supertest';
import {
  aStage,
  callOperator,
  container,
  queryOperator,
  rawAlgorithm,
  sendOperator,
  signAsProvider,
  signedQuery,
  signedStart,
  startOperatorWorld,
  type OperatorWorld,
} from './support/operatorWorld.ts';

let operator: OperatorWorld;
beforeAll(async () => {
  operator = await startOperatorWorld();
}, 60_000);
afterAll(() => operator.close());

const longText = 'x'.repeat(5_000);
const values: readonly unknown[] = [
  null,
  0,
  -1,
  1e308,
  '',
  'x',
  longText,
  '\u2028"\'\\',
  '../../etc',
  [],
  [[]],
  [null],
  {},
  { a: {} },
  true,
];

/** Every object with one value put in the place of each part, however deep. */
const spoilt = function* (value: unknown): Generator<unknown> {
  yield* values;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    for (const other of spoilt(part)) yield Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other };
  }
};

const stages = [
  aStage({ input: [{ id: 'did:op:1', remote: { txId: '0x1', serviceId: 's', userdata: {} } }] }),
  aStage({ algorithm: { ...rawAlgorithm, rawcode: '', url: ['http://a.example'], container } }),
];

describe('what nobody should send', () => {
  test('is never the service’s fault in a workflow, whoever signs it', async () => {
    const statuses = new Set<number>();
    for (const stage of stages) {
      for (const workflow of spoilt({ stages: [stage] })) {
        const { status, text } = await sendOperator(operator.app, 'post', 'compute', signedStart(operator, { workflow }));
        if (status >= 500) throw new Error(`${status} for ${JSON.stringify(workflow).slice(0, 500)}: ${text}`);
        statuses.add(status);
      }
    }
    expect([...statuses].toSorted()).toEqual([200, 400]);
  }, 110_000);

  test.each(['agreementId', 'owner', 'providerSignature', 'environment', 'nonce', 'chainId', 'validUntil', 'providerAddress'])(
    'is never the service’s fault as %s',
    async (field) => {
      for (const value of values) {
        const body: Record<string, unknown> = { ...signedStart(operator), environment: 'paid', [field]: value };
        const signed = {
          ...body,
          providerSignature: signAsProvider(operator.provider, `${String(body['owner'])}${String(body['nonce'])}`),
        };
        const { status } = await sendOperator(operator.app, 'post', 'compute', field === 'providerSignature' ? body : signed);
        expect([value, status]).toEqual([value, status < 500 ? status : 'less than 500']);
      }
    },
  );

  test.each(['agreementId', 'owner', 'jobId', 'index', 'nonce', 'providerSignature'])(
    'is a refusal as %s of other calls',
    async (field) => {
      for (const value of [...values, 'a\u0000b', '\ud800']) {
        const query = { ...signedQuery(operator, { owner: operator.owner, jobId: 'f'.repeat(32) }), index: '0', [field]: value };
        for (const [method, path] of [
          ['get', 'compute'],
          ['put', 'compute'],
          ['get', 'getResult'],
        ] as const) {
          const { status } = await sendOperator(operator.app, method, path, query);
          expect(status).toBeLessThan(500);
        }
      }
    },
  );

  test.each([
    '?owner=%00%00&nonce=1&providerSignature=0x',
    '?owner[]=a&owner[]=b&nonce=1&providerSignature=0x',
    '?owner=ab&owner=cd&nonce=1&nonce=2&providerSignature=0x',
    '?__proto__=1&owner=ab&nonce=1&providerSignature=0x',
    '?owner=%ff%fe&nonce=1&providerSignature=0x',
    '?&&&',
    `?owner=${longText}&nonce=${'9'.repeat(5_000)}&providerSignature=0x${'a'.repeat(130)}`,
  ])('is a refusal in a query: %s', async (query) => {
    for (const path of ['compute', 'getResult', 'environments', 'info', 'logs']) {
      const { status } = await request(operator.app).get(`/api/v1/operator/${path}${query}`);
      expect(status).toBeLessThan(500);
    }
  });

  test('is a refusal as a body of another kind', async () => {
    for (const body of ['{"a":1', '\u0000', '[[[[', '{"a":1,"a":2}', `{"workflow":${'['.repeat(200)}${']'.repeat(200)}}`]) {
      const { status } = await sendOperator(operator.app, 'post', 'compute', body);
      expect([400, 413]).toContain(status);
    }
    const encoded = await callOperator(operator.app, 'post', 'compute', (test) => test.set('Content-Encoding', 'unknown').send('{}'));
    expect([400, 415]).toContain(encoded.status);
    expect((await queryOperator(operator.app, 'post', 'compute', { workflow: 'x' })).status).toBe(400);
  });
});
