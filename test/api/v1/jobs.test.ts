import request from 'supertest';
import { createApp } from '../../../api/app.ts';
import { createRates } from '../../../api/rates.ts';
import { status } from '../../../workflows/contract/status.ts';
import type { JobDetails } from '../../../api/v1/schemas.ts';
import { aJobId } from '../../support/builders.ts';
import { aWallet } from '../support/consumer.ts';
import { aWorld } from '../support/fakes.ts';
import { aRequest, openCaller, openSurface, problemIn, startOne, type Caller, type Surface } from './support/surface.ts';

let surface: Surface;
let alice: Caller;
let bob: Caller;
beforeAll(async () => {
  surface = await openSurface();
  [alice, bob] = [await openCaller(surface), await openCaller(surface)];
});
beforeEach(() => {
  surface.jobs.verdict = { kind: 'accepted' };
  surface.withdrawn.clear();
});
afterAll(() => surface.close());

const post = (caller: Caller, body: unknown, key?: string) =>
  caller.call('/api/v1/jobs', { method: 'POST', body, headers: key === undefined ? {} : { 'Idempotency-Key': key } });
const details = async (caller: Caller, id: string): Promise<JobDetails> => {
  const { status: code, body } = await caller.call(`/api/v1/jobs/${id}`);
  expect(code).toBe(200);
  return body as JobDetails;
};

describe('POST /api/v1/jobs', () => {
  test('starts a job, tells where it is and passes on what was asked', async () => {
    const { status: code, headers, body } = await post(alice, aRequest({ resources: [{ id: 'cpu', amount: 2 }], maxJobDuration: 30 }));
    const job = body as JobDetails;
    expect(code).toBe(201);
    expect(headers.get('location')).toBe(`/api/v1/jobs/${job.id}`);
    expect(job).toMatchObject({ owner: alice.wallet.address, phase: 'queued', status: 1, ended: false, free: true, refusal: null });
    expect(surface.jobs.specs.get(job.id)).toMatchObject({
      consumerAddress: alice.wallet.address,
      isFree: true,
      resources: { cpu: 2, ram: 1, disk: 1 },
      maxJobDuration: 30,
      queueMaxWaitTime: 60,
      algorithm: { documentId: null, raw: { rawcode: 'console.log(1)' } },
    });
  });

  test('a repeat under one key is the same job, however its JSON is written', async () => {
    const first = await post(alice, aRequest({ metadata: { a: 1, b: 2 } }), 'key-1');
    const { metadata: _metadata, ...rest } = aRequest();
    const again = await post(alice, JSON.stringify({ metadata: { b: 2, a: 1 }, ...rest }, null, 2), 'key-1');
    expect([first.status, again.status]).toEqual([201, 200]);
    expect((again.body as JobDetails).id).toBe((first.body as JobDetails).id);
    expect(surface.jobs.started.filter((id) => id === (first.body as JobDetails).id)).toHaveLength(1);
  });

  test('twenty repeats at once are one job', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(alice, aRequest(), 'key-race')));
    expect(answers.every(({ status: code }) => code === 200 || code === 201)).toBe(true);
    expect(new Set(answers.map(({ body }) => (body as JobDetails).id)).size).toBe(1);
    expect(answers.filter(({ status: code }) => code === 201)).toHaveLength(1);
  });

  test('a key with another body is refused, and starts nothing', async () => {
    await post(alice, aRequest(), 'key-2');
    const before = surface.jobs.started.length;
    const answer = await post(alice, aRequest({ maxJobDuration: 5 }), 'key-2');
    expect(answer.status).toBe(422);
    expect(problemIn(answer)).toMatchObject({ code: 'IdempotencyKeyReused', type: 'urn:durable-c2d:problem:IdempotencyKeyReused' });
    expect(surface.jobs.started).toHaveLength(before);
  });

  test('the same key of another consumer is another job; without a key every request is', async () => {
    const ids = [
      ((await post(alice, aRequest(), 'key-3')).body as JobDetails).id,
      ((await post(bob, aRequest(), 'key-3')).body as JobDetails).id,
      await startOne(alice),
      await startOne(alice),
    ];
    expect(new Set(ids).size).toBe(4);
  });

  test('a refused job is refused again under its key, without being judged again', async () => {
    surface.jobs.verdict = { kind: 'refused', type: 'OrderInvalid', message: 'the order has expired' };
    const first = await post(alice, aRequest({ free: false }), 'key-4');
    surface.jobs.verdict = { kind: 'accepted' };
    const again = await post(alice, aRequest({ free: false }), 'key-4');
    for (const answer of [first, again]) {
      expect(answer.status).toBe(400);
      expect(problemIn(answer)).toMatchObject({ code: 'OrderInvalid', detail: 'the order has expired', status: 400 });
      expect(problemIn(answer).hint).toMatch(/Order the service again/);
      expect(problemIn(answer).requestId).toBe(answer.headers.get('x-request-id'));
    }
  });

  test('a job whose verdict takes long is 202, and the same request asks for the verdict again', async () => {
    surface.jobs.verdict = { kind: 'pending' };
    const first = await post(alice, aRequest(), 'key-5');
    expect([first.status, (first.body as JobDetails).phase]).toEqual([202, 'judging']);
    surface.jobs.verdict = { kind: 'accepted' };
    const again = await post(alice, aRequest(), 'key-5');
    expect([again.status, (again.body as JobDetails).phase]).toEqual([200, 'queued']);
  });

  test('a service that is away answers 503 with Retry-After, and the job is there when it is back', async () => {
    surface.jobs.outages = 1;
    const away = await post(alice, aRequest(), 'key-6');
    expect([away.status, away.headers.get('retry-after'), problemIn(away).code]).toEqual([503, '1', 'ServiceUnavailable']);
    expect((await post(alice, aRequest(), 'key-6')).status).toBe(200);
  });

  test('what is refused before it is reserved may be corrected by the operator: the same key is judged anew', async () => {
    surface.withdrawn.set('small', 'secret reason with 10.0.0.1');
    const answer = await post(alice, aRequest(), 'key-7');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '60']);
    expect(answer.text).not.toContain('10.0.0.1');
    surface.withdrawn.clear();
    expect((await post(alice, aRequest(), 'key-7')).status).toBe(201);
  });

  test.each<[string, unknown, number, string, RegExp]>([
    ['no body', undefined, 400, 'RequestInvalid', /Missing required body/],
    ['no JSON', '{', 400, 'RequestInvalid', /not valid JSON/],
    ['a list', [], 400, 'RequestInvalid', /must be a JSON object/],
    ['an unknown field', aRequest({ enviroment: 'x' }), 400, 'RequestInvalid', /enviroment/],
    ['two problems', aRequest({ environment: 1, datasets: 'x' }), 400, 'RequestInvalid', /environment: .*; datasets: /],
    ['an unknown environment', aRequest({ environment: 'nowhere' }), 400, 'RequestInvalid', /Invalid C2D Environment/],
    ['no free jobs', aRequest({ environment: 'paid-only' }), 400, 'RequestInvalid', /does not support free jobs/],
    ['too much', aRequest({ resources: [{ id: 'cpu', amount: 99 }] }), 400, 'RequestInvalid', /Not enough cpu/],
    ['a huge number', aRequest({ maxJobDuration: 1e300 }), 400, 'RequestInvalid', /maxJobDuration/],
    ['large metadata', aRequest({ metadata: 'x'.repeat(2_000) }), 400, 'RequestInvalid', /metadata: is too large/],
    ['a viewer that is none', aRequest({ additionalViewers: ['x'] }), 400, 'RequestInvalid', /additionalViewers.0: is not an address/],
    ['a large body', `"${'x'.repeat(1_200_000)}"`, 413, 'BodyTooLarge', /larger than 1048576 bytes/],
  ])('%s is refused with a problem', async (_what, body, code, problemCode, detail) => {
    const before = surface.jobs.started.length;
    const answer = await post(alice, body);
    expect(answer.status).toBe(code);
    expect(problemIn(answer)).toMatchObject({ code: problemCode, detail: expect.stringMatching(detail) as string });
    expect(surface.jobs.started).toHaveLength(before);
  });

  test.each(['', 'a b', 'ä', 'x'.repeat(256)])('key %p is none', async (key) => {
    const answer = await post(alice, aRequest(), Buffer.from(key).toString('latin1'));
    expect(answer.status).toBe(400);
    expect(problemIn(answer).detail).toMatch(/Idempotency-Key/);
  });

  test('nothing that was sent as code, variable or user data is shown', async () => {
    const secret = 's3cret-of-the-consumer';
    const algorithm = {
      meta: { rawcode: secret, container: { image: 'node', entrypoint: secret } },
      envs: { A: secret },
      algocustomdata: secret,
    };
    const { body } = await post(alice, aRequest({ algorithm, datasets: [{ fileObject: { type: 'url', url: `https://${secret}/` } }] }));
    const { text } = await alice.call(`/api/v1/jobs/${(body as JobDetails).id}`);
    expect(JSON.stringify(body) + text).not.toContain(secret);
  });
});

describe('GET /api/v1/jobs', () => {
  interface Page {
    jobs: { id: string; environment: string; phase: string }[];
    next: string | null;
  }
  const page = async (caller: Caller, query = ''): Promise<Page> => (await caller.call(`/api/v1/jobs${query}`)).body as Page;

  test('pages through all of one consumer, newest first, none twice, also while jobs are added', async () => {
    const carol = await openCaller(surface);
    const started: string[] = [];
    for (let n = 0; n < 7; n += 1) started.push(await startOne(carol));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const answer: Page = await page(carol, `?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`);
      seen.push(...answer.jobs.map(({ id }) => id));
      if (cursor === null) await startOne(carol);
      cursor = answer.next;
    } while (cursor !== null);
    expect(seen).toEqual(started.toReversed());
  });

  test('filters by phase, status and environment', async () => {
    const carol = await openCaller(surface);
    const [running, done, failed, waiting] = [await startOne(carol), await startOne(carol), await startOne(carol), await startOne(carol)];
    await surface.progress(running, status.running);
    await surface.finish(done, {});
    await surface.finish(failed, {}, status.algorithmFailed);
    const ids = async (query: string) => (await page(carol, query)).jobs.map(({ id }) => id);
    expect(await ids('?phase=running')).toEqual([running]);
    expect(await ids('?phase=succeeded')).toEqual([done]);
    expect(await ids('?phase=failed')).toEqual([failed]);
    expect(await ids('?status=82&phase=failed')).toEqual([failed]);
    expect(await ids('?status=82&phase=succeeded')).toEqual([]);
    expect(await ids('?phase=queued&environment=small')).toEqual([waiting]);
    expect(await ids('?environment=paid-only')).toEqual([]);
  });

  test('shows nobody the jobs of another, nor with a cursor of another', async () => {
    const [carol, dave] = [await openCaller(surface), await openCaller(surface)];
    const id = await startOne(carol);
    expect((await page(dave)).jobs).toEqual([]);
    expect(await page(dave, `?cursor=${id}`)).toEqual({ jobs: [], next: null });
  });

  test('leaves refused jobs out', async () => {
    const carol = await openCaller(surface);
    surface.jobs.verdict = { kind: 'refused', type: 'AccessDenied', message: 'Access denied' };
    expect((await post(carol, aRequest())).status).toBe(403);
    expect((await page(carol)).jobs).toEqual([]);
  });

  test.each(['?limit=0', '?limit=101', '?limit=x', '?phase=nowhere', '?cursor=x', '?status=-1', '?pahse=running', '?limit=1&limit=2'])(
    '%s is refused',
    async (query) => {
      expect((await alice.call(`/api/v1/jobs${query}`)).status).toBe(400);
    },
  );
});

describe('GET /api/v1/jobs/{id}', () => {
  test('tells the place in the queue', async () => {
    const id = await startOne(alice);
    await surface.ledger.recordPositions([{ jobId: id, ahead: 2 }]);
    expect(await details(alice, id)).toMatchObject({ phase: 'queued', queue: { ahead: 2, orMore: false }, reason: 'queued: 2 jobs ahead' });
  });

  test('tells the progress of a transfer in bytes and percent, and of nothing else', async () => {
    const id = await startOne(alice);
    const progress = { phase: 'stageInputs', filesDone: 1, filesTotal: 4, bytesDone: 500, bytesTotal: 2_000 };
    await surface.progress(id, status.provisioningData, { progress });
    expect(await details(alice, id)).toMatchObject({
      phase: 'staging',
      progress: { filesDone: 1, filesTotal: 4, bytesDone: 500, bytesTotal: 2_000, percent: 25 },
      queue: null,
    });
    await surface.progress(id, status.running, { progress: { ...progress, phase: 'runAlgorithm' } });
    expect(await details(alice, id)).toMatchObject({ phase: 'running', progress: null });
  });

  test('breaks the time down by phase; a job that has ended takes no more (complaint: nobody knows where the time went)', async () => {
    const id = await startOne(alice);
    for (const number of [status.provisioningData, status.running, status.publishing]) await surface.progress(id, number);
    await surface.finish(id, { 'a.txt': 'x' });
    const job = await details(alice, id);
    expect(job.timing.phases.map(({ phase }) => phase)).toEqual(['queued', 'preparing', 'staging', 'running', 'publishing']);
    const sum = job.timing.phases.reduce((total, { seconds }) => total + seconds, 0);
    expect(Math.abs(sum - job.timing.totalSeconds)).toBeLessThan(0.5);
    expect(job).toMatchObject({ phase: 'succeeded', ended: true, termination: { exitCode: 0, outOfMemory: false } });
    expect((await details(alice, id)).timing).toEqual(job.timing);
  });

  test('tells why a job was refused', async () => {
    surface.jobs.verdict = { kind: 'refused', type: 'NoCapacity', message: 'all 4 places are taken' };
    await post(alice, aRequest(), 'key-refused');
    const [id] = surface.jobs.started.slice(-1);
    expect(await details(alice, id!)).toMatchObject({
      phase: 'refused',
      ended: true,
      refusal: { code: 'NoCapacity', cause: 'all 4 places are taken', hint: expect.stringMatching(/queueMaxWaitTime/) as string },
    });
  });
});

describe('POST /api/v1/jobs/{id}/stop', () => {
  test('stops a job in every phase, also before it is judged, and again', async () => {
    surface.jobs.verdict = { kind: 'pending' };
    const judging = ((await post(alice, aRequest())).body as JobDetails).id;
    surface.jobs.verdict = { kind: 'accepted' };
    const queued = await startOne(alice);
    for (const id of [judging, queued, queued]) {
      const { status: code, body } = await alice.call(`/api/v1/jobs/${id}/stop`, { method: 'POST' });
      expect([code, (body as JobDetails).stopRequested]).toEqual([200, true]);
    }
    expect(surface.jobs.stopped).toEqual([judging, queued, queued]);
  });

  test('leaves a job that has ended as it is', async () => {
    const id = await startOne(alice);
    await surface.finish(id, {});
    const before = surface.jobs.stopped.length;
    const { body } = await alice.call(`/api/v1/jobs/${id}/stop`, { method: 'POST' });
    expect(body).toMatchObject({ phase: 'succeeded', stopRequested: false });
    expect(surface.jobs.stopped).toHaveLength(before);
  });
});

describe('whose job it is', () => {
  const paths = ['', '/events', '/logs', '/results', '/results/0', '/manifest'];

  test('for a stranger a job does not exist, on no path', async () => {
    const id = await startOne(alice);
    await surface.finish(id, { a: 'secret' });
    const answers = await Promise.all([
      ...paths.map((path) => bob.call(`/api/v1/jobs/${id}${path}`)),
      bob.call(`/api/v1/jobs/${id}/stop`, { method: 'POST' }),
      bob.call(`/api/v1/jobs/${aJobId()}`),
    ]);
    for (const answer of answers)
      expect([answer.status, problemIn(answer).detail]).toEqual([404, 'There is no such job, or it is not yours']);
  });

  test('a viewer reads results and log, nothing else', async () => {
    const id = await startOne(alice, { additionalViewers: [bob.wallet.address] });
    await surface.finish(id, { a: 'result' });
    const codes = await Promise.all(paths.map(async (path) => (await bob.call(`/api/v1/jobs/${id}${path}`)).status));
    expect(codes).toEqual([404, 404, 200, 200, 200, 200]);
    expect((await bob.call(`/api/v1/jobs/${id}/stop`, { method: 'POST' })).status).toBe(404);
    expect((await bob.call(`/api/v1/jobs/${id}/results/0`)).text).toBe('result');
  });

  test.each([
    ['no token', false as const],
    ['no token of ours', 'eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['the literal text undefined', 'undefined'],
  ])('%s is a 401 on every path that needs one', async (_what, token) => {
    const id = await startOne(alice);
    const answers = await Promise.all([
      ...paths.map((path) => alice.call(`/api/v1/jobs/${id}${path}`, { token })),
      alice.call('/api/v1/jobs', { token }),
      alice.call('/api/v1/jobs', { token, method: 'POST', body: aRequest() }),
      alice.call('/api/v1/checks', { token, method: 'POST', body: aRequest() }),
      alice.call(`/api/v1/jobs/${id}/stop`, { token, method: 'POST' }),
    ]);
    for (const answer of answers) {
      expect([answer.status, problemIn(answer).code, answer.headers.get('www-authenticate')]).toEqual([401, 'Unauthorized', 'Bearer']);
    }
  });

  test('the spelling of an address changes nothing', async () => {
    const wallet = aWallet();
    const [checksummed, again] = [await openCaller(surface, wallet), await openCaller(surface, wallet)];
    const id = await startOne(checksummed);
    expect((await again.call(`/api/v1/jobs/${id}`)).status).toBe(200);
  });
});

describe('paths and methods', () => {
  test.each(['/api/v1', '/api/v1/', '/api/v1/nothing', '/api/v1/jobs/', '/api/v1/jobs/x/y/z'])('%s is a problem of 404', async (path) => {
    const response = await alice.fetch(path);
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/problem+json; charset=utf-8']);
    expect(await response.json()).toMatchObject({ code: 'NotFound', status: 404 });
  });

  test('a broken escape in a path is a problem of 400', async () => {
    const response = await alice.fetch('/api/v1/jobs/%E0%A4%A');
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'RequestInvalid']);
  });

  test.each([
    ['DELETE', '/api/v1/jobs', 'POST, GET, HEAD'],
    ['PUT', `/api/v1/jobs/${aJobId()}`, 'GET, HEAD'],
    ['HEAD', `/api/v1/jobs/${aJobId()}/events`, 'GET'],
    ['HEAD', `/api/v1/jobs/${aJobId()}/logs`, 'GET'],
  ])('%s %s is a 405 that names what is possible', async (method, path, allowed) => {
    const response = await alice.fetch(path, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allowed]);
  });

  test('browsers may send the headers of this surface', async () => {
    const response = await alice.fetch('/api/v1/jobs', { method: 'OPTIONS' });
    expect(response.headers.get('access-control-allow-headers')).toMatch(/Idempotency-Key.*Last-Event-ID/);
  });
});

describe('limits', () => {
  test('too many requests are a problem of 429 that says when to come back', async () => {
    const { deps } = aWorld({ rates: createRates({ perIpPerMinute: 1, perAddressPerMinute: 0, trustedProxies: [] }) });
    const app = createApp(deps);
    expect((await request(app).get('/api/v1/environments')).status).toBe(200);
    const refused = await request(app).get('/api/v1/jobs');
    expect([refused.status, refused.type, refused.headers['retry-after']]).toEqual([429, 'application/problem+json', '60']);
    expect(refused.body).toMatchObject({ code: 'TooManyRequests', status: 429 });
  });
});

describe('GET /api/v1/environments', () => {
  test('tells everybody what is offered, without what is withdrawn', async () => {
    const read = async () =>
      ((await alice.call('/api/v1/environments', { token: false })).body as { environments: { id: string; free: unknown }[] }).environments;
    expect((await read()).map(({ id }) => id)).toEqual(['small', 'paid-only']);
    expect((await read())[1]?.free).toBeNull();
    surface.withdrawn.set('small', 'not sealed');
    expect((await read()).map(({ id }) => id)).toEqual(['paid-only']);
  });
});
