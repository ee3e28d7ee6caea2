import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { createCaller, send, type RawAnswer, type RawRequest } from '../support/callers.ts';
import { firstEnvironment } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { expectNothingStarted } from '../support/traces.ts';

const scene = useScene();
const patienceMs = 120_000;
const paths = ['/api/services/compute', '/api/services/freeCompute', '/api/services/initializeCompute'] as const;
const commands = { [paths[0]]: 'startCompute', [paths[1]]: 'freeStartCompute', [paths[2]]: 'startCompute' } as const;

const caller = createCaller();
let environmentId: string;
let startsBefore: number;

/** How often the process has started: a crash would be seen as one more, or as silence. */
const countStarts = async (): Promise<number> => {
  const log = await readFile(path.join(scene().stack.folder, 'logs', 'api.log'), 'utf8');
  return log.split('\n').filter((line) => line.includes('the API is ready')).length;
};

beforeAll(async () => {
  environmentId = (await firstEnvironment(scene().consumer)).id;
  startsBefore = await countStarts();
  expect(startsBefore).toBeGreaterThan(0);
});

/** Refused, politely, whatever came. */
const expectRefusal = ({ status, type, json, text }: RawAnswer): void => {
  expect([status, text.slice(0, 200)]).toEqual([expect.any(Number), expect.any(String)]);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect(type).toMatch(/^application\/json/);
  const message = typeof json === 'string' ? json : (json as { error?: unknown } | undefined)?.error;
  expect(typeof message).toBe('string');
  expect((message as string).length).toBeGreaterThan(0);
  // nothing of our insides
  expect(text).not.toMatch(/node_modules|\.ts:\d|at async|SELECT|ECONNREFUSED/);
};

const postTo = (route: string, request: RawRequest): Promise<RawAnswer> => send(scene().stack.apiUrl, 'POST', route, request);

const anyRoute = fc.constantFrom(...paths);

/** Good but for its assets, which nobody has published: whatever is changed in it, it starts nothing. */
const aRequest = (): Record<string, unknown> => ({
  environment: environmentId,
  datasets: [{ documentId: `did:op:${'0'.repeat(64)}`, serviceId: 'none', transferTxId: `0x${'0'.repeat(64)}` }],
  algorithm: { documentId: `did:op:${'1'.repeat(64)}`, serviceId: 'none', transferTxId: `0x${'1'.repeat(64)}` },
  maxJobDuration: 60,
  chainId: 8996,
  payment: { chainId: 8996, token: scene().stack.token, resources: [] },
  resources: [{ id: 'cpu', amount: 1 }],
});

const nastyText = fc.oneof(
  fc.constantFrom(
    '\u0000',
    '\ud800',
    '../../etc/passwd',
    "'; drop table jobs; --",
    '__proto__',
    'constructor',
    '${7*7}',
    '%00',
    '\r\nx: y',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
);
const nasty = fc.oneof(
  nastyText,
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(Number.MAX_VALUE, -1, 1e-320, 2 ** 53, {}, [], [[[]]], [null], { __proto__: null }, null, true),
  fc.bigInt({ min: 2n ** 64n, max: 2n ** 70n }).map(Number),
);

/** Every place in a request, as a path of names. */
const places = (value: unknown, at: readonly string[] = []): readonly (readonly string[])[] =>
  typeof value === 'object' && value !== null
    ? [...(at.length === 0 ? [] : [at]), ...Object.entries(value).flatMap(([name, inner]) => places(inner, [...at, name]))]
    : [at];

const replaceAt = (value: unknown, [name, ...rest]: readonly string[], by: unknown): unknown => {
  if (name === undefined) return by;
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[name] = replaceAt(copy[name], rest, by);
  return copy;
};

describe('malformed requests are refused with a reason in JSON, and the process lives on', () => {
  afterEach(async () => {
    expect((await send(scene().stack.apiUrl, 'GET', '/health/live')).status).toBe(200);
    expect(await countStarts()).toBe(startsBefore);
    await expectNothingStarted(scene(), caller.address);
  });

  test(
    'any JSON whatever',
    () =>
      fc.assert(
        fc.asyncProperty(anyRoute, fc.jsonValue(), async (route, body) => {
          expectRefusal(await postTo(route, { body: JSON.stringify(body) }));
        }),
        { numRuns: 120 },
      ),
    patienceMs,
  );

  test(
    'a good request with one part replaced, signed and all',
    () =>
      fc.assert(
        fc.asyncProperty(anyRoute, fc.nat(), nasty, async (route, position, by) => {
          const request = aRequest();
          const all = places(request);
          const changed = replaceAt(request, all[position % all.length]!, by) as Record<string, unknown>;
          expectRefusal(await postTo(route, { body: { ...changed, ...caller.credentials(commands[route]) } }));
        }),
        { numRuns: 120 },
      ),
    patienceMs,
  );

  test(
    'a request with anything as address, nonce or signature',
    () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(paths[0], paths[1]),
          fc.constantFrom('consumerAddress', 'nonce', 'signature'),
          nasty,
          async (route, field, by) => {
            const credentials = { ...caller.credentials(commands[route]), [field]: by };
            expectRefusal(await postTo(route, { body: { ...aRequest(), ...credentials } }));
          },
        ),
        { numRuns: 80 },
      ),
    patienceMs,
  );

  test(
    'JSON that is cut off, damaged or not text',
    () =>
      fc.assert(
        fc.asyncProperty(anyRoute, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 6 }), async (route, at, bytes) => {
          const whole = Buffer.from(JSON.stringify(aRequest()));
          const cut = 1 + (at % (whole.length - 1));
          expectRefusal(await postTo(route, { body: new Uint8Array(whole.subarray(0, cut)) }));
          expectRefusal(await postTo(route, { body: new Uint8Array(Buffer.concat([whole.subarray(0, cut), bytes, whole.subarray(cut)])) }));
        }),
        { numRuns: 80 },
      ),
    patienceMs,
  );

  test.each<[string, () => RawRequest]>([
    ['an empty body', () => ({ body: '' })],
    ['no body', () => ({})],
    ['a hundred thousand brackets', () => ({ body: '['.repeat(100_000) })],
    ['deep nesting that is closed', () => ({ body: `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}` })],
    ['a number of a hundred thousand digits', () => ({ body: `{"nonce":${'9'.repeat(100_000)}}` })],
    ['more than any request has', () => ({ body: `{"environment":"${'x'.repeat(20_000_000)}"}` })],
    ['a prototype', () => ({ body: '{"__proto__":{"consumerAddress":"0x0"},"constructor":{"prototype":{}}}' })],
    ['a form', () => ({ body: 'environment=local', headers: { 'content-type': 'application/x-www-form-urlencoded' } })],
    ['XML', () => ({ body: '<job/>', headers: { 'content-type': 'application/xml' } })],
    ['an unknown encoding', () => ({ body: '{}', headers: { 'content-encoding': 'zstd-of-tomorrow' } })],
    ['a body that is not what its encoding says', () => ({ body: '{}', headers: { 'content-encoding': 'gzip' } })],
    ['an unknown character set', () => ({ body: '{}', headers: { 'content-type': 'application/json; charset=klingon' } })],
  ])(
    '%s',
    async (_title, request) => {
      for (const route of paths) expectRefusal(await postTo(route, request()));
    },
    patienceMs,
  );

  test.each<[string, string, string]>([
    ['GET', '/api/services/compute', ''],
    ['GET', '/api/services/compute', '?jobId[]=1&jobId[$ne]=2'],
    ['GET', '/api/services/compute', '?jobId=a&jobId=b'],
    ['GET', '/api/services/compute', '?consumerAddress=%00'],
    ['PUT', '/api/services/compute', '?jobId=%ff'],
    ['PUT', '/api/services/compute', '?jobId[a]=b&consumerAddress[]=0x0&nonce[]=1&signature=0x'],
    ['GET', '/api/services/computeResult', '?jobId=..%2f..%2fetc&index=0'],
    ['GET', '/api/services/computeResult', '?jobId=a&index=-1'],
    ['GET', '/api/services/computeResult', '?jobId=a&index=1e9&consumerAddress=x&nonce=y&signature=z'],
    ['GET', '/api/services/computeStreamableLogs', '?jobId=%00'],
    ['GET', '/api/services/nonce', '?userAddress=0x'],
    ['GET', '/api/services/nonce', '?userAddress[]=0x'],
    ['POST', '/api/services/encrypt', '?nonce=1'],
    ['DELETE', '/api/services/compute', ''],
    ['GET', '/%', ''],
    ['GET', '/api/%c0%ae', ''],
    ['GET', '/../../etc/passwd', ''],
    ['PATCH', '/api/services/compute', ''],
  ])('%s %s%s', async (method, route, query) => {
    expectRefusal(await send(scene().stack.apiUrl, method, `${route}${query}`));
  });
});
