import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { closeAll, serve, startGateway, type HarnessOptions } from './harness.ts';

afterEach(closeAll);

const content = randomBytes(100_000);

/** The number of the only dataset file in the plan. */
const inputNumber = async (call: (path: string) => Promise<Response>): Promise<number> => {
  const { files } = (await (await call('/plan')).json()) as { files: { n: number; path: string }[] };
  return files.find(({ path }) => path === 'inputs/aaaa/0')!.n;
};

/** A gateway in front of one data source. */
const startWithSource = async (listener: RequestListener, options: HarnessOptions = {}, extra: object = {}) => {
  const { url } = await serve(listener);
  const file = { type: 'url', url: `${url}/secret-path?signature=abc`, method: 'GET', ...extra };
  const gateway = await startGateway({ files: { 'did:op:aaaa': [file] }, admission: { algorithm: null }, ...options });
  const n = await inputNumber(gateway.call);
  const get = (start?: number): Promise<Response> =>
    gateway.call(`/files/${n}`, start === undefined ? {} : { headers: { range: `bytes=${start}-` } });
  return { ...gateway, get, n, sourceUrl: url };
};

const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

/** Answers ranges as web servers do. */
const withRanges: RequestListener = (req, res) => {
  const [, digits] = /^bytes=(\d+)-$/.exec(req.headers.range ?? '') ?? [];
  if (digits === undefined) return void res.writeHead(200, { 'content-length': content.length }).end(content);
  const start = Number(digits);
  if (start >= content.length) return void res.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
  res.writeHead(206, { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }).end(content.subarray(start));
};
const withoutRanges: RequestListener = (_req, res) => void res.writeHead(200, { 'content-length': content.length }).end(content);
const withoutSize: RequestListener = (_req, res) => void res.writeHead(200).end(content.subarray(0, 50_000), () => undefined);
const chunked: RequestListener = (_req, res) => {
  res.writeHead(200);
  res.write(content.subarray(0, 60_000));
  res.end(content.subarray(60_000));
};

describe('GET files/{n}', () => {
  test.each<[string, RequestListener]>([
    ['that answers ranges', withRanges],
    ['that ignores ranges', withoutRanges],
    ['that tells no size', chunked],
  ])('a file of a source %s arrives whole, and from any byte on', async (_name, source) => {
    const { get, metrics } = await startWithSource(source);
    const whole = await get();
    expect([whole.status, (await bytesOf(whole)).equals(content)]).toEqual([200, true]);
    for (const start of [1, 65_536, 99_999]) {
      const rest = await get(start);
      expect([rest.status, (await bytesOf(rest)).equals(content.subarray(start))]).toEqual([206, true]);
    }
    expect(await metrics.registry.metrics()).toMatch(/c2d_gateway_staged_bytes_total [1-9]/);
  });

  test.each<[string, RequestListener]>([
    ['answers ranges', withRanges],
    ['ignores ranges', withoutRanges],
    ['tells no size', chunked],
  ])('resuming at the very end gives nothing more when the source %s', async (_name, source) => {
    const { get } = await startWithSource(source);
    const rest = await get(content.length);
    expect([rest.status, (await bytesOf(rest)).length]).toEqual([206, 0]);
  });

  test('a source that breaks off cuts the answer, and the rest can be fetched', async () => {
    let calls = 0;
    const { get } = await startWithSource((req, res) => {
      calls += 1;
      if (calls > 1) return withRanges(req, res);
      res.writeHead(200, { 'content-length': content.length });
      res.write(content.subarray(0, 40_000), () => res.destroy());
    });
    const first = await get();
    const chunks: Buffer[] = [];
    await expect(
      (async () => {
        for await (const chunk of first.body!) chunks.push(Buffer.from(chunk as Uint8Array));
      })(),
    ).rejects.toThrow();
    const got = Buffer.concat(chunks);
    const rest = await bytesOf(await get(got.length));
    expect(Buffer.concat([got, rest]).equals(content)).toBe(true);
  });

  test('a source without a size that breaks off is never taken for a whole file (complaint: inputs cut off unnoticed)', async () => {
    const { get } = await startWithSource((_req, res) => {
      res.writeHead(200);
      res.write(content.subarray(0, 1_000), () => res.destroy());
    });
    await expect(bytesOf(await get())).rejects.toThrow();
  });

  test.each<[number, boolean]>([
    [404, false],
    [410, false],
    [429, true],
    [500, true],
    [503, true],
  ])('a source that answers %i is worth a retry: %s; the text names file and cause, never the address', async (status, retryable) => {
    const { get, sourceUrl } = await startWithSource((_req, res) => res.writeHead(status).end('go away'));
    const response = await get();
    expect(response.status).toBe(retryable ? 502 : 424);
    const problem = (await response.json()) as { message: string };
    expect(problem).toMatchObject({ type: 'InputUnavailable', retryable });
    expect(problem.message).toContain('dataset 1 file 0 (did:op:aaaa)');
    expect(problem.message).toContain(String(status));
    expect(JSON.stringify(problem)).not.toMatch(/secret-path|signature|127\.0\.0\.1/);
    expect(JSON.stringify(problem)).not.toContain(new URL(sourceUrl).port);
  });

  test('a source that is away is worth a retry', async () => {
    const { call } = await startGateway({ files: { 'did:op:aaaa': [{ type: 'url', url: 'http://127.0.0.1:1/x', method: 'GET' }] } });
    const response = await call(`/files/${await inputNumber(call)}`);
    expect([response.status, response.headers.get('retry-after')]).toEqual([502, '1']);
  });

  test.each(['http://169.254.169.254/latest/meta-data', 'http://10.0.0.1/', 'http://[::1]/', 'http://0.0.0.0/'])(
    'the inside of the network is refused for good: %s',
    async (url) => {
      const { call } = await startGateway({ files: { 'did:op:aaaa': [{ type: 'url', url, method: 'GET' }] } });
      const response = await call(`/files/${await inputNumber(call)}`);
      expect(response.status).toBe(424);
      const problem = (await response.json()) as { message: string; retryable: boolean };
      expect(problem.retryable).toBe(false);
      expect(problem.message).not.toMatch(/169|meta-data|10\.0|::1/);
    },
  );

  test("a failure of the algorithm's file is called so", async () => {
    const { url } = await serve((_req, res) => res.writeHead(404).end());
    const { call } = await startGateway({ files: { 'did:op:bbbb': [{ type: 'url', url, method: 'GET' }] }, admission: { datasets: [] } });
    const { files } = (await (await call('/plan')).json()) as { files: { n: number; path: string }[] };
    const { n } = files.find(({ path }) => path === 'transformations/algorithm')!;
    expect(await (await call(`/files/${n}`)).json()).toMatchObject({
      type: 'AlgorithmUnavailable',
      message: expect.stringContaining('algorithm file 0 (did:op:bbbb)'),
    });
  });

  test("a file whose announced size is beyond the environment's limit is refused before a byte of it", async () => {
    const { get } = await startWithSource(withRanges, { limits: { inputBytes: 99_999 } });
    const response = await get();
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ type: 'InputTooLarge', retryable: false });
  });

  test('a source that tells no size is cut at the limit, and asking for more is refused for good', async () => {
    const { get } = await startWithSource(chunked, { limits: { inputBytes: 70_000 } });
    await expect(bytesOf(await get())).rejects.toThrow();
    const more = await get(70_001);
    expect([more.status, await more.json()]).toMatchObject([413, { type: 'InputTooLarge', retryable: false }]);
  });

  test('a file of exactly the limit passes', async () => {
    const { get } = await startWithSource(withoutSize, { limits: { inputBytes: 50_000 } });
    expect((await bytesOf(await get())).length).toBe(50_000);
  });

  test("the consumer's parameters and the publisher's headers reach the source", async () => {
    const seen: { url: string; key: unknown }[] = [];
    const { get } = await startWithSource(
      (req, res) => {
        seen.push({ url: req.url ?? '', key: req.headers['x-key'] });
        res.end('x');
      },
      {
        spec: {
          datasets: [{ documentId: 'did:op:aaaa', serviceId: 's', transferTxId: '0x1', userdata: { year: '2020' }, fileObject: null }],
        },
      },
      { headers: { 'x-key': 'k' } },
    );
    await bytesOf(await get());
    expect(seen).toEqual([{ url: '/secret-path?signature=abc&year=2020', key: 'k' }]);
  });

  test('a pod that goes away ends the download from the source', async () => {
    let closed: () => void;
    const sourceClosed = new Promise<void>((resolve) => (closed = resolve));
    const { call, n } = await startWithSource((_req, res) => {
      res.once('close', () => closed());
      res.writeHead(200);
      const write = (): void => void (res.destroyed || res.write(content, () => setImmediate(write)));
      write();
    });
    const aborter = new AbortController();
    const response = await call(`/files/${n}`, { signal: aborter.signal });
    await response.body!.getReader().read();
    aborter.abort();
    await sourceClosed;
  });

  test.each(['bytes=1-2', 'bytes=-5', 'bytes=0-0,5-', 'lines=1-', 'bytes=99999999999999999999-'])(
    'the range %s is refused',
    async (range) => {
      const { call, n } = await startWithSource(withRanges);
      expect((await call(`/files/${n}`, { headers: { range } })).status).toBe(400);
    },
  );

  test('a file that is in the plan itself cannot be downloaded', async () => {
    const { call } = await startGateway();
    expect((await call('/files/0')).status).toBe(404);
  });

  test('256 MiB pass in constant memory (complaint: large inputs take memory)', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 1);
    const { get } = await startWithSource((_req, res) => {
      res.writeHead(200, { 'content-length': 256 * chunk.length });
      let left = 256;
      const write = (): void => {
        while (left-- > 0) if (!res.write(chunk)) return void res.once('drain', write);
        res.end();
      };
      write();
    });
    const before = process.memoryUsage().rss;
    let peak = 0;
    let total = 0;
    for await (const piece of (await get()).body!) {
      total += (piece as Uint8Array).length;
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    expect(total).toBe(256 * chunk.length);
    expect(peak - before).toBeLessThan(100 * 1024 * 1024);
  });
});
