import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { closeAll, startGateway } from './harness.ts';

afterEach(closeAll);

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
const partBytes = 10;

type Gateway = Awaited<ReturnType<typeof startGateway>>;

const putPart = ({ call }: Gateway, [n, k]: [number | string, number | string], body: string, digest = sha256(body)): Promise<Response> =>
  call(`/outputs/${n}/parts/${k}`, { method: 'PUT', body, headers: { 'c2d-digest': digest } });

const completion = (text: string, rest: object = {}) => ({
  name: 'out.csv',
  type: 'output',
  sizeBytes: text.length,
  sha256: sha256(text),
  parts: Math.ceil(text.length / partBytes),
  ...rest,
});

describe('outputs', () => {
  test('parts in any order, repeated, become one verified file', async () => {
    const gateway = await startGateway();
    const text = 'twenty-five characters...';
    for (const k of [2, 0, 1, 0]) expect((await putPart(gateway, [4, k], text.slice(k * partBytes, (k + 1) * partBytes))).status).toBe(204);
    for (const _ of [1, 2]) expect((await gateway.post('/outputs/4/complete', completion(text))).status).toBe(204);
    const stored = await gateway.store.read({ ...gateway.pod, n: 4 });
    expect((await buffer(stored)).toString()).toBe(text);
    expect(await gateway.metrics.registry.metrics()).toMatch(/c2d_gateway_stored_bytes_total 35/);
  });

  test('a self-test’s are taken and kept nowhere: nobody reads them', async () => {
    const gateway = await startGateway({ spec: { surface: 'selfTest' } });
    expect((await putPart(gateway, [0, 0], 'some text')).status).toBe(204);
    expect((await gateway.post('/outputs/0/complete', completion('some text'))).status).toBe(204);
    const whole = { method: 'PUT', body: 'some text', headers: { 'c2d-digest': sha256('some text') } };
    expect((await gateway.call('/outputs/0', whole)).status).toBe(204);
    await expect(gateway.store.read({ ...gateway.pod, n: 0 })).rejects.toThrow();
    expect(await gateway.metrics.registry.metrics()).toMatch(/c2d_gateway_stored_bytes_total 0/);
  });

  test('what was to be encrypted is not taken from an agent that did not', async () => {
    const encryption = { recipient: 'aa', secret: 'bb', wrapped: 'cc' };
    const gateway = await startGateway({ spec: { encryption } });
    expect((await gateway.call('/plan')).ok).toBe(true);
    const whole = (headers: object) =>
      gateway.call('/outputs/1', { method: 'PUT', body: 'sealed', headers: { 'c2d-digest': sha256('sealed'), ...headers } });
    expect([(await whole({})).status, (await whole({ 'c2d-encryption': 'age' })).status]).toEqual([409, 204]);
    const plain = await putPart(gateway, [0, 0], 'plain');
    expect([plain.status, await plain.json()]).toMatchObject([409, { type: 'StorageRefused', retryable: false }]);
    const headers = { 'c2d-digest': sha256('sealed'), 'c2d-encryption': 'age' };
    expect((await gateway.call('/outputs/0/parts/0', { method: 'PUT', body: 'sealed', headers })).status).toBe(204);
    expect((await gateway.post('/outputs/0/complete', completion('sealed'))).status).toBe(409);
    const plaintext = { sizeBytes: 5, sha256: sha256('plain') };
    expect((await gateway.post('/outputs/0/complete', completion('sealed', { plaintext }))).status).toBe(204);
  });

  test('a part that arrives damaged is to be sent again', async () => {
    const gateway = await startGateway();
    const response = await putPart(gateway, [0, 0], 'damaged', sha256('whole'));
    expect([response.status, await response.json()]).toMatchObject([503, { type: 'StorageUnavailable', retryable: true }]);
    expect((await putPart(gateway, [0, 0], 'whole')).status).toBe(204);
  });

  test('a file with a missing part is not complete', async () => {
    const gateway = await startGateway();
    const text = 'twenty-five characters...';
    await putPart(gateway, [0, 2], text.slice(20));
    expect((await gateway.post('/outputs/0/complete', completion(text))).status).toBe(503);
  });

  test('a whole file is verified and durable after one request, which may be repeated', async () => {
    const gateway = await startGateway();
    const put = (n: number, body: string, digest = sha256(body)) =>
      gateway.call(`/outputs/${n}`, { method: 'PUT', body, headers: { 'c2d-digest': digest } });
    for (const body of ['whole', '']) {
      for (const _ of [1, 2]) expect((await put(body.length, body)).status).toBe(204);
      expect((await buffer(await gateway.store.read({ ...gateway.pod, n: body.length }))).toString()).toBe(body);
    }
    expect((await put(1, 'damaged', sha256('whole'))).status).toBe(503);
    await expect(gateway.store.read({ ...gateway.pod, n: 1 })).rejects.toMatchObject({ type: 'StorageRefused' });
    expect((await put(1, 'eleven char')).status).toBe(413);
    expect((await put(1, 'no digest', 'abc')).status).toBe(400);
  });

  test('an upload that is cut stores nothing that counts, and the connection is free for the next', async () => {
    const gateway = await startGateway();
    const { port } = new URL(gateway.url);
    const token = gateway.tokens.tokenOf(gateway.pod);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `PUT /agent/v1/outputs/0/parts/0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nc2d-digest: ${sha256('whole')}\r\nContent-Length: 5\r\n\r\nwh`,
      () => socket.destroy(),
    );
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await gateway.post('/outputs/0/complete', completion('whole'))).status).toBe(503);
    await putPart(gateway, [0, 0], 'whole');
    expect((await gateway.post('/outputs/0/complete', completion('whole'))).status).toBe(204);
  });

  test('a store that refuses is told with its reason, final or not', async () => {
    const refuse = async (): Promise<never> => {
      throw new JobFailure('StorageRefused', 'the result store is read-only: mount it writable');
    };
    const gateway = await startGateway({ deps: { store: { putPart: refuse, complete: refuse, putWhole: refuse } } });
    const response = await putPart(gateway, [0, 0], 'x');
    expect([response.status, await response.json()]).toEqual([
      424,
      { type: 'StorageRefused', message: 'the result store is read-only: mount it writable', retryable: false },
    ]);
  });

  test.each<[string, [number | string, number | string], string, string | undefined, number]>([
    ['a number that is none', ['x', 0], 'a', undefined, 400],
    ['a number that climbs', ['..%2F..', 0], 'a', undefined, 400],
    ['a negative part', [0, -1], 'a', undefined, 400],
    ['a digest that is none', [0, 0], 'a', 'abc', 400],
    ['a part that is too large', [0, 0], 'eleven char', undefined, 413],
    ['more files than allowed', [6, 0], 'a', undefined, 413],
    ['more bytes than allowed', [0, 10], 'a', undefined, 413],
  ])('%s is refused', async (_name, where, body, digest, status) => {
    const gateway = await startGateway({ limits: { outputFiles: 5, outputBytes: 100, logBytes: 50 } });
    expect((await putPart(gateway, where, body, digest ?? sha256(body))).status).toBe(status);
  });

  test('a part without a length is refused', async () => {
    const { call } = await startGateway();
    const body: ReadableStream<Uint8Array> = new Blob(['x']).stream();
    const init = { method: 'PUT', body, duplex: 'half', headers: { 'c2d-digest': sha256('x') } } as const;
    expect((await call('/outputs/0/parts/0', init)).status).toBe(411);
  });

  test.each<[string, object]>([
    ['a wrong number of parts', { parts: 2 }],
    ['a negative size', { sizeBytes: -1 }],
    ['a digest that is none', { sha256: 'x' }],
    ['an unknown type', { type: 'malware' }],
    ['no name', { name: '' }],
  ])('a completion with %s is refused', async (_name, rest) => {
    const gateway = await startGateway();
    await putPart(gateway, [0, 0], 'whole');
    expect((await gateway.post('/outputs/0/complete', completion('whole', rest))).status).toBe(400);
  });

  test('an empty file needs no part', async () => {
    const gateway = await startGateway();
    expect((await gateway.post('/outputs/0/complete', completion(''))).status).toBe(204);
  });

  test("another job's files are out of reach: the token alone says whose they are", async () => {
    const first = await startGateway();
    await putPart(first, [0, 0], 'mine');
    await first.post('/outputs/0/complete', completion('mine'));
    await expect(first.store.read({ ...first.pod, podAttempt: 2, n: 0 })).rejects.toMatchObject({ type: 'StorageRefused' });
  });
});
