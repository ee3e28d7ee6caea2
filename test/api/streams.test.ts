import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import request from 'supertest';
import { createApp } from '../../api/app.ts';
import { listen, type Listener } from '../../infra/process/listen.ts';
import type { JobRow } from '../../api/ports.ts';
import { status } from '../../workflows/contract/status.ts';
import { aJobId } from '../support/builders.ts';
import { aJobRow, aWorld, type World } from './support/fakes.ts';
import { aWallet, call, signed } from './support/consumer.ts';

const resultPath = '/api/services/computeResult';
const logsPath = '/api/services/computeStreamableLogs';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const aFinishedJob = (world: World, owner: string, contents: Readonly<Record<string, string>>, over: Partial<JobRow> = {}): JobRow => {
  const results = Object.entries(contents).map(([filename, text], index) => ({
    index,
    filename,
    filesize: Buffer.byteLength(text),
    type: filename === 'algorithm.log' ? ('algorithmLog' as const) : ('output' as const),
    n: index + 10,
    sha256: sha256(Buffer.from(text)),
  }));
  const row = world.ledger.put(aJobRow({ owner, status: 70, finishedAtMs: 1, podAttempt: 2, results, ...over }));
  for (const { n, filename } of results) world.files.set(`${row.jobId}/2/${n}`, Buffer.from(contents[filename]!));
  return row;
};

describe('GET computeResult', () => {
  const wallet = aWallet();
  let nonce = 0;
  const fetchResult = (world: World, query: Record<string, string>, headers: Record<string, string> = {}) => {
    nonce += 1;
    return call(createApp(world.deps), 'get', resultPath, (get) =>
      get
        .query({ ...signed(wallet, nonce, 'getComputeResult'), ...query })
        .set(headers)
        .buffer(true)
        .parse((res, done) => {
          const pieces: Buffer[] = [];
          res.on('data', (piece: Buffer) => pieces.push(piece));
          res.on('end', () =>
            done(
              null,
              res.headers['content-type']?.startsWith('application/json')
                ? JSON.parse(Buffer.concat(pieces).toString())
                : Buffer.concat(pieces),
            ),
          );
        }),
    );
  };

  test('streams a file with its name, size and type', async () => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address.toLowerCase(), { 'a.csv': '1,2,3', 'algorithm.log': 'hello' });
    const output = await fetchResult(world, { jobId, index: '0' });
    expect([output.status, output.body.toString()]).toEqual([200, '1,2,3']);
    expect(output.headers).toMatchObject({
      'content-disposition': 'attachment;filename=a.csv',
      'content-type': 'application/octet-stream',
      'content-length': '5',
      'accept-ranges': 'bytes',
      'access-control-allow-origin': '*',
    });
    expect(output.headers['access-control-expose-headers']).toMatch(/^Content-Disposition, Content-Range, Accept-Ranges/);
    const log = await fetchResult(world, { jobId: `0x${'0'.repeat(64)}-${jobId}`, index: '1' });
    expect([log.headers['content-type'], log.body.toString()]).toEqual(['text/plain; charset=utf-8', 'hello']);
  });

  test.each<[string, number, string, string | undefined]>([
    ['bytes=2-', 206, '23456789', 'bytes 2-9/10'],
    ['bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=8-100', 206, '89', 'bytes 8-9/10'],
    ['bytes=-100', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=5-2', 200, '0123456789', undefined],
    ['bytes=0-1,4-5', 200, '0123456789', undefined],
    ['items=0-1', 200, '0123456789', undefined],
  ])('Range %s', async (range, code, text, contentRange) => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: '0123456789' });
    const response = await fetchResult(world, { jobId, index: '0' }, { Range: range });
    expect([response.status, response.body.toString(), response.headers['content-range']]).toEqual([code, text, contentRange]);
    expect(response.headers['content-length']).toBe(String(text.length));
  });

  test.each([
    ['bytes=10-', '0123456789', 'bytes */10'],
    ['bytes=0-', '', 'bytes */0'],
    ['bytes=-0', '0123456789', 'bytes */10'],
  ])('a range behind the end is a 416: %s of %p', async (range, text, contentRange) => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: text });
    const response = await fetchResult(world, { jobId, index: '0' }, { Range: range });
    expect([response.status, response.headers['content-range']]).toEqual([416, contentRange]);
    expect(response.body.error).toMatch(/behind its end/);
  });

  test('If-Range with another digest gets the whole file', async () => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: '0123456789' });
    const range = { Range: 'bytes=2-' };
    expect((await fetchResult(world, { jobId, index: '0' }, { ...range, 'If-Range': '"other"' })).status).toBe(200);
    expect(
      (await fetchResult(world, { jobId, index: '0' }, { ...range, 'If-Range': `"${sha256(Buffer.from('0123456789'))}"` })).status,
    ).toBe(206);
  });

  test('an empty file is a whole answer', async () => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: '' });
    const response = await fetchResult(world, { jobId, index: '0' });
    expect([response.status, response.headers['content-length']]).toEqual([200, '0']);
  });

  test.each([
    ['a b"c.txt', 'attachment;filename=a%20b%22c.txt'],
    ['a%2Fb.txt', 'attachment;filename=a%2Fb.txt'],
    ['../../etc/passwd', 'attachment;filename=%2E%2E%2F%2E%2E%2Fetc%2Fpasswd'],
    ['…', 'attachment;filename=%E2%80%A6'],
    ['a\r\nSet-Cookie: x', 'attachment;filename=a%0D%0ASet-Cookie%3A%20x'],
    ['...', 'attachment;filename=%2E%2E.'],
    ['~+@=,-_', 'attachment;filename=~+@=,-_'],
  ])('the name %p is harmless in a header', async (filename, header) => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { [filename]: 'x' });
    expect((await fetchResult(world, { jobId, index: '0' })).headers['content-disposition']).toBe(header);
  });

  test('a viewer may read, in any spelling; a stranger may not', async () => {
    const world = aWorld();
    const viewed = aFinishedJob(world, aWallet().address, { a: 'x' }, { additionalViewers: [wallet.address.toLowerCase()] });
    const foreign = aFinishedJob(world, aWallet().address, { a: 'x' });
    expect((await fetchResult(world, { jobId: viewed.jobId, index: '0' })).status).toBe(200);
    const refused = await fetchResult(world, { jobId: foreign.jobId, index: '0' });
    expect([refused.status, refused.body]).toEqual([
      403,
      { error: `${wallet.address} is not authorized to get results for job with id ${foreign.jobId}` },
    ]);
  });

  test.each(['-1', '1.5', 'x', '', '1e1', '9'.repeat(40)])('index %p is none', async (index) => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: 'x' });
    const response = await fetchResult(world, { jobId, index });
    expect([response.status, response.body]).toEqual([400, { error: 'Invalid result index' }]);
  });

  test('an index behind the list, a job without results and an unknown job are 404', async () => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: 'x' });
    const running = world.ledger.put(aJobRow({ owner: wallet.address, status: status.running }));
    const unknown = aJobId();
    const refused = world.ledger.put(aJobRow({ owner: wallet.address, admission: 'refused' }));
    const expired = world.ledger.put(aJobRow({ owner: wallet.address, status: status.finished, finishedAtMs: 1, expiresAtMs: 2 }));
    const texts: [string, string, string][] = [
      [jobId, '1', 'No such index 1 in this compute job'],
      [running.jobId, '0', `No results for job ${running.jobId}`],
      [expired.jobId, '0', `Results of job ${expired.jobId} were kept until 1970-01-01T00:00:00.002Z and are gone`],
      [unknown, '0', `Cannot find job with id ${unknown}`],
      [refused.jobId, '0', `Cannot find job with id ${refused.jobId}`],
    ];
    for (const [id, index, text] of texts) {
      const response = await fetchResult(world, { jobId: id, index });
      expect([response.status, response.body]).toEqual([404, { error: text }]);
    }
  });

  test('the URL is good for one fetch; HEAD does not use it up', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    const { jobId } = aFinishedJob(world, wallet.address, { a: 'x' });
    const query = { ...signed(wallet, 1_000, 'getComputeResult'), jobId, index: '0' };
    expect((await request(app).head(resultPath).query(query)).status).toBe(405);
    expect((await request(app).get(resultPath).query(query)).status).toBe(200);
    expect((await request(app).get(resultPath).query(query)).body).toEqual({ error: 'nonce: 1000 is not a valid nonce' });
  });

  test('an address alone, as clients with a token send it, is a 401', async () => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: 'x' });
    const response = await call(createApp(world.deps), 'get', resultPath, (get) =>
      get.query({ consumerAddress: wallet.address, jobId, index: '0' }),
    );
    expect(response.status).toBe(401);
  });

  test('a file that breaks in the middle cuts the answer, so that nobody takes it for complete', async () => {
    const world = aWorld();
    const { jobId } = aFinishedJob(world, wallet.address, { a: '0123456789' });
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('01234');
        throw new Error('disk gone');
      })(),
    );
    const app = createApp({ ...world.deps, results: { read: async () => broken } });
    const fetching = request(app)
      .get(resultPath)
      .query({ ...signed(wallet, 2_000, 'getComputeResult'), jobId, index: '0' });
    await expect(fetching).rejects.toThrow(/aborted|socket hang up|ECONNRESET/);
  });
});

describe('GET computeStreamableLogs', () => {
  const wallet = aWallet();
  let listener: Listener | undefined;
  afterEach(async () => {
    await listener?.close();
    listener = undefined;
  });

  const open = async (world: World, jobId: string, nonce: number): Promise<IncomingMessage> => {
    const { url } = (listener ??= await listen(
      createApp(world.deps),
      { host: '127.0.0.1', port: 0 },
      { onDrain: () => world.ending.abort() },
    ));
    const query = new URLSearchParams({ ...signed(wallet, nonce, 'getComputeStreamableLogs'), jobId });
    const [response] = (await once(httpGet(`${url}${logsPath}?${query.toString()}`), 'response')) as [IncomingMessage];
    return response;
  };
  const text = async (response: IncomingMessage): Promise<string> => Buffer.concat(await response.toArray()).toString();
  const aRunningJob = (world: World, over: Partial<JobRow> = {}) =>
    world.ledger.put(aJobRow({ owner: wallet.address, status: status.running, ...over }));

  test('begins at the beginning, follows what is written and ends when the job ends', async () => {
    const world = aWorld();
    const { jobId } = aRunningJob(world);
    world.ledger.writeLog(jobId, 'one\n');
    const response = await open(world, jobId, 1);
    expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'application/octet-stream']);
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(first.toString()).toBe('one\n');
    response.pause();
    world.ledger.writeLog(jobId, 'two\n');
    world.ledger.change(jobId, { status: 70, finishedAtMs: 1 });
    expect(await text(response)).toBe('two\n');
    expect(world.ledger.changes.listenerCount(jobId)).toBe(0);
  });

  test('a log larger than one piece arrives whole', async () => {
    const world = aWorld();
    const { jobId } = aRunningJob(world);
    const long = 'x'.repeat(1_000_000);
    world.ledger.writeLog(jobId, long);
    const response = await open(world, jobId, 1);
    world.ledger.change(jobId, { finishedAtMs: 1 });
    expect((await text(response)).length).toBe(long.length);
  });

  test("after a lost pod its successor's log follows from the beginning", async () => {
    const world = aWorld();
    const { jobId } = aRunningJob(world);
    world.ledger.writeLog(jobId, 'first pod, a long line\n');
    const response = await open(world, jobId, 1);
    await once(response, 'data');
    response.pause();
    world.ledger.writeLog(jobId, 'second\n', 2);
    world.ledger.change(jobId, { finishedAtMs: 1 });
    expect(await text(response)).toBe('second\n');
  });

  test('ends when the process ends', async () => {
    const world = aWorld();
    const { jobId } = aRunningJob(world);
    const response = await open(world, jobId, 1);
    const rest = text(response);
    await listener?.close();
    listener = undefined;
    expect(await rest).toBe('');
  });

  test('a client that leaves is forgotten', async () => {
    const world = aWorld();
    const { jobId } = aRunningJob(world);
    const response = await open(world, jobId, 1);
    expect(world.ledger.changes.listenerCount(jobId)).toBe(1);
    const gone = new Promise<void>((resolve) => world.ledger.changes.once('removeListener', () => resolve()));
    response.destroy();
    await gone;
    expect(world.ledger.changes.listenerCount(jobId)).toBe(0);
  });

  test.each<[string, Partial<JobRow>]>([
    ['waiting', { status: status.queued }],
    ['pulling its image', { status: status.pullingImage }],
    ['over', { status: 70, finishedAtMs: 1 }],
    ['refused', { admission: 'refused' }],
  ])('a job that is %s has no live log', async (_what, over) => {
    const world = aWorld();
    const { jobId } = aRunningJob(world, over);
    const response = await call(createApp(world.deps), 'get', logsPath, (get) =>
      get.query({ ...signed(wallet, 1, 'getComputeStreamableLogs'), jobId }),
    );
    expect([response.status, response.body]).toEqual([404, { error: 'Job not found or not running' }]);
  });

  test('an unknown job is the same 404; a stranger is refused; HEAD is refused', async () => {
    const world = aWorld();
    const app = createApp(world.deps);
    const { jobId } = aRunningJob(world, { owner: aWallet().address });
    const query = (nonce: number, id: string) => ({ ...signed(wallet, nonce, 'getComputeStreamableLogs'), jobId: id });
    expect((await call(app, 'get', logsPath, (get) => get.query(query(1, aJobId())))).body).toEqual({
      error: 'Job not found or not running',
    });
    const stranger = await call(app, 'get', logsPath, (get) => get.query(query(2, jobId)));
    expect([stranger.status, stranger.body]).toEqual([
      403,
      { error: `${wallet.address} is not authorized to get logs for job with id ${jobId}` },
    ]);
    expect((await request(app).head(logsPath).query(query(3, jobId))).status).toBe(405);
  });
});
