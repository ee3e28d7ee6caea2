import { Wallet } from 'ethers';
import { createOperatorApp } from '../../../api/operator/app.ts';
import { aTransaction } from '../../support/builders.ts';
import {
  aNonce,
  callOperator,
  queryOperator,
  refusal,
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

const error = (status: number, text: string): [number, unknown] => [status, { error: text }];
const stranger = new Wallet(Wallet.createRandom().privateKey);

/** A job of the Provider's. */
const startJob = async (over: object = {}, signer = operator.provider): Promise<{ jobId: string; agreementId: string }> =>
  (await sendOperator(operator.app, 'post', 'compute', signedStart(operator, over, signer))).body[0];

const content = Buffer.from('0123456789');
const digest = 'f'.repeat(64);
const results = [
  { index: 1, filename: 'out.csv', filesize: content.length, type: 'output' as const, n: 0, sha256: digest },
  { index: 0, filename: 'algorithmLog', filesize: 4, type: 'algorithmLog' as const, n: 1, sha256: digest },
];

/** A job that has ended, with results. */
const endJob = async (jobId: string, number = 70): Promise<void> => {
  const { ledger } = operator.opened;
  await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
  await ledger.recordResults({ jobId, podAttempt: 1, results });
  operator.files.set(`${jobId}/1/0`, content);
  operator.files.set(`${jobId}/1/1`, Buffer.from('done'));
  const end = { status: number, reason: 'ended by the test', exitCode: 0, oomKilled: false };
  await ledger.recordJob({ jobId, podAttempt: 1, status: number, reason: end.reason, end });
};

const status = (query: object) => queryOperator(operator.app, 'get', 'compute', query);
const stop = (query: object) => queryOperator(operator.app, 'put', 'compute', query);
const stale = (nonce: string): string => `Invalid signature expected nonce (${nonce}) > current nonce (${nonce}).`;

describe('GET /compute', () => {
  test('answers the jobs that match every key', async () => {
    const [first, second] = [await startJob(), await startJob()];
    const ids = async (named: object) => (await status(named)).body.map(({ jobId }: { jobId: string }) => jobId);
    const { owner } = operator;
    expect(await ids(signedQuery(operator, { owner }))).toEqual(expect.arrayContaining([first.jobId, second.jobId]));
    expect(await ids(signedQuery(operator, { owner: owner.toLowerCase(), jobId: first.jobId }))).toEqual([first.jobId]);
    expect(await ids({ ...signedQuery(operator, { owner }), agreementId: second.agreementId.toUpperCase().replace('X', 'x') })).toEqual([
      second.jobId,
    ]);
    expect(await ids({ ...signedQuery(operator, { owner, jobId: first.jobId }), agreementId: second.agreementId })).toEqual([]);
  });

  test.each<[string, (jobId: string, agreementId: string) => object]>([
    ['a job', (jobId) => signedQuery(operator, { jobId })],
    ['an agreement', (_jobId, agreementId) => ({ ...signedQuery(operator, {}), agreementId })],
  ])('%s is found without its owner, whose place in the signed text takes None', async (_name, queryOf) => {
    const { jobId, agreementId } = await startJob();
    expect((await status(queryOf(jobId, agreementId))).body).toMatchObject([{ jobId, agreementId }]);
  });

  test('chainId has no effect, and a body counts where there is no query', async () => {
    const { jobId } = await startJob();
    expect(
      (await status({ ...signedQuery(operator, { jobId }), chainId: '5', documentId: 'x', consumerSignature: 'y' })).body,
    ).toHaveLength(1);
    expect((await sendOperator(operator.app, 'get', 'compute', signedQuery(operator, { jobId }))).body).toHaveLength(1);
  });

  test.each([{}, { owner: '' }, { owner: '0', jobId: 'x' }, { agreementId: 'a' }])('%j names no jobs', async (named) => {
    const asked = { ...named, providerSignature: '0x', nonce: '1' };
    expect(refusal(await status(asked))).toEqual(error(400, 'You have to specify one of agreementId, jobId or owner'));
  });

  test('says what is missing, in order', async () => {
    const text = (attribute: string) => `"${attribute}" is required in the call to GET:/compute`;
    expect(refusal(await status({ owner: operator.owner, nonce: '1' }))).toEqual(error(400, text('providerSignature')));
    expect(refusal(await status({ owner: operator.owner, providerSignature: '0x' }))).toEqual(error(400, text('nonce')));
    expect(refusal(await callOperator(operator.app, 'get', 'compute'))).toEqual(error(400, 'payload seems empty.'));
  });

  test('refuses signatures as a start does, with words of its own before a nonce', async () => {
    const { owner } = operator;
    const query = signedQuery(operator, { owner });
    expect((await status(query)).status).toBe(200);
    expect(refusal(await status(query))).toEqual(error(400, `Error getting the status: ${stale(query.nonce)}`));
    expect(refusal(await status({ owner, nonce: '1', providerSignature: 'x' }))).toEqual(error(400, 'Failed to recover address'));
    const { nonce, providerSignature } = signedQuery(operator, { owner }, stranger);
    const text = `Invalid signature ${providerSignature} of documentId ${owner}${nonce},the signing ethereum account ${stranger.address} is not authorized to use this service.`;
    expect(refusal(await status({ owner, nonce, providerSignature }))).toEqual(error(401, text));
    expect((await status({ ...signedQuery(operator, { owner }), nonce: 'x' })).status).toBe(400);
  });

  test.each<[string, (jobId: string) => object]>([
    ['a job of another Provider', (jobId) => signedQuery(operator, { jobId }, operator.otherProvider)],
    ['a job of another owner', (jobId) => signedQuery(operator, { owner: stranger.address, jobId })],
    ['what does not exist', () => signedQuery(operator, { jobId: 'f'.repeat(32) })],
    ['what can be no job', () => signedQuery(operator, { jobId: "x' or 1=1" })],
    ['a NUL character', () => signedQuery(operator, { owner: 'a\u0000b' })],
  ])('%s is an empty list', async (_name, queryOf) => {
    const { jobId } = await startJob();
    const { status: code, body } = await status(queryOf(jobId));
    expect([code, body]).toEqual([200, []]);
  });

  test.each([
    [70, 0],
    [81, 2],
    [82, 0],
  ])('a job that ended with %i has its results, its exit, and stopreq %i', async (number, stopreq) => {
    const { jobId } = await startJob();
    await endJob(jobId, number);
    const [job] = (await status(signedQuery(operator, { jobId }))).body;
    expect(job).toMatchObject({
      ...{ status: number, stopreq, removed: 0, dateFinished: expect.stringMatching(/^\d+(\.\d+)?$/) },
      results: [
        { filename: 'algorithmLog', filesize: 4, type: 'algorithmLog' },
        { filename: 'out.csv', filesize: 10, type: 'output' },
      ],
      terminationDetails: { exitCode: 0, OOMKilled: false, reason: 'ended by the test' },
    });
  });

  test('HEAD spends no nonce', async () => {
    const query = signedQuery(operator, { owner: operator.owner });
    const { default: request } = await import('supertest');
    expect((await request(operator.app).head('/api/v1/operator/compute').query(query)).status).toBe(405);
    expect((await status(query)).status).toBe(200);
  });
});

describe('PUT and DELETE /compute', () => {
  test.each(['owner', 'providerSignature', 'nonce'])('a stop needs %s', async (attribute) => {
    const query: Record<string, string> = { ...signedQuery(operator, { owner: operator.owner }) };
    delete query[attribute];
    expect(refusal(await stop(query))).toEqual(error(400, `"${attribute}" is required in the call to PUT:/compute`));
  });

  test('stops every job that matches, and none that does not', async () => {
    const wallet = new Wallet(Wallet.createRandom().privateKey);
    const own = async (signer = operator.provider) => {
      const nonce = aNonce();
      const providerSignature = signAsProvider(signer, wallet.address + nonce);
      return startJob({ owner: wallet.address, nonce, providerSignature }, signer);
    };
    const [first, second, ended] = [await own(), await own(), await own()];
    const others = [await own(operator.otherProvider), await startJob()];
    await endJob(ended.jobId);
    const answer = await stop(signedQuery(operator, { owner: wallet.address }));
    const stopped = Object.fromEntries(answer.body.map(({ jobId, stopreq }: { jobId: string; stopreq: number }) => [jobId, stopreq]));
    expect(stopped).toEqual({ [first.jobId]: 1, [second.jobId]: 1, [ended.jobId]: 0 });
    expect(operator.stopped).toEqual(expect.arrayContaining([first.jobId, second.jobId]));
    expect(operator.stopped.filter((jobId) => [ended, ...others].some((other) => other.jobId === jobId))).toEqual([]);
  });

  test('one key more narrows it', async () => {
    const [first, second] = [await startJob(), await startJob()];
    const { owner } = operator;
    expect((await stop(signedQuery(operator, { owner, jobId: first.jobId }))).body).toMatchObject([{ jobId: first.jobId, stopreq: 1 }]);
    const query = { ...signedQuery(operator, { owner }), agreementId: second.agreementId };
    expect((await stop(query)).body).toMatchObject([{ jobId: second.jobId, stopreq: 1 }]);
    expect((await stop({ ...signedQuery(operator, { owner }), agreementId: aTransaction() })).body).toEqual([]);
  });

  test('an owner that can be none stops nothing', async () => {
    const before = operator.stopped.length;
    expect((await stop(signedQuery(operator, { owner: 'x' }))).body).toEqual([]);
    expect((await stop({ ...signedQuery(operator, { owner: '' }), providerSignature: '0x' })).status).toBe(400);
    expect(operator.stopped).toHaveLength(before);
  });

  test('has words of its own before a nonce', async () => {
    const query = signedQuery(operator, { owner: operator.owner, jobId: 'f'.repeat(32) });
    await stop(query);
    expect(refusal(await stop(query))).toEqual(error(400, `Exception when stopping compute job: ${stale(query.nonce)}`));
  });

  test('DELETE does nothing, for everybody', async () => {
    const { status: code, body } = await callOperator(operator.app, 'delete', 'compute');
    expect([code, body]).toEqual([200, '']);
  });
});

describe('GET /getResult', () => {
  const fetchResult = (query: object, headers: Record<string, string> = {}, app = operator.app) =>
    queryOperator(app, 'get', 'getResult', query, headers);
  const ask = (jobId: string, index: string, signer = operator.provider, owner = operator.owner) => ({
    ...signedQuery(operator, { owner, jobId }, signer),
    index,
  });
  let jobId: string;
  beforeAll(async () => {
    ({ jobId } = await startJob());
    await endJob(jobId);
  });

  test.each(['owner', 'providerSignature', 'nonce', 'index', 'jobId'])('needs %s', async (attribute) => {
    const query: Record<string, unknown> = ask(jobId, '0');
    delete query[attribute];
    expect(refusal(await fetchResult(query))).toEqual(error(400, `"${attribute}" is required in the call to GET:/getResult`));
  });

  test('streams a file with its name', async () => {
    const answer = await fetchResult(ask(jobId, '1'));
    expect([answer.status, answer.body]).toEqual([200, content]);
    expect(answer.headers).toMatchObject({
      'content-disposition': 'attachment;filename=out.csv',
      'access-control-expose-headers': 'Content-Disposition',
      'content-length': '10',
    });
    const log = await sendOperator(operator.app, 'get', 'getResult', { ...ask(jobId, '0'), index: 0 });
    expect([log.status, log.text]).toEqual([200, 'done']);
  });

  test('streams a range', async () => {
    const answer = await fetchResult(ask(jobId, '1'), { Range: 'bytes=2-4' });
    expect([answer.status, answer.headers['content-range'], answer.body.toString()]).toEqual([206, 'bytes 2-4/10', '234']);
    expect((await fetchResult(ask(jobId, '1'), { Range: 'bytes=10-' })).status).toBe(416);
  });

  test.each<[string, () => object, string]>([
    ['another owner', () => ask(jobId, '0', operator.provider, stranger.address), `Owner ${stranger.address} mismatch for job`],
    ['another Provider', () => ask(jobId, '0', operator.otherProvider), `Owner`],
    ['no job', () => ask('f'.repeat(32), '0'), `mismatch for job ${'f'.repeat(32)}`],
    ['a negative index', () => ask(jobId, '-1'), 'Negative index -1'],
    ['an index too high', () => ask(jobId, '2'), 'No such index 2 in this compute job'],
  ])('%s is a 404', async (_name, query, text) => {
    const [code, body] = refusal(await fetchResult(query()));
    expect([code, (body as { error: string }).error]).toEqual([404, expect.stringContaining(text)]);
  });

  test('tells that there are no results yet', async () => {
    const running = await startJob();
    expect(refusal(await fetchResult(ask(running.jobId, '0')))).toEqual(error(404, `No results for job ${running.jobId}`));
    expect(refusal(await fetchResult(ask(running.jobId, '-1')))).toEqual(error(404, `No results for job ${running.jobId}`));
  });

  test('an index that is no number, and a nonce used twice, are told in its own words', async () => {
    const query = ask(jobId, 'first');
    const text = "Error getResult: invalid literal for int() with base 10: 'first'";
    expect(refusal(await fetchResult(query))).toEqual(error(400, text));
    expect(refusal(await fetchResult(query))).toEqual(error(400, `Error getResult: ${stale(query.nonce)}`));
    expect((await fetchResult(ask(jobId, '0', stranger))).status).toBe(401);
  });

  test('a storage that is away is asked again, and is a 502 in the end', async () => {
    const calls: number[] = [];
    const appWith = (failures: number) =>
      createOperatorApp({
        ...operator.deps,
        results: {
          async read(file, range) {
            if (calls.push(file.n) <= failures) throw new Error('http://storage.internal/secret is away');
            return operator.deps.results.read(file, range);
          },
        },
      });
    expect((await fetchResult(ask(jobId, '1'), {}, appWith(2))).status).toBe(200);
    expect(calls).toHaveLength(3);
    calls.length = 0;
    expect(refusal(await fetchResult(ask(jobId, '1'), {}, appWith(9)))).toEqual(error(502, 'Error getResult'));
  });

  test('of another surface is no Provider’s', async () => {
    const { ledger } = operator.opened;
    const { spec } = await ledger.readAdmission(jobId);
    const { provider: _terms, ...node } = { ...spec, jobId: 'e'.repeat(32), surface: 'node' as const };
    await ledger.reserveJob({ spec: node, nonce: null });
    expect((await fetchResult(ask('e'.repeat(32), '0'))).status).toBe(404);
    expect((await status(signedQuery(operator, { jobId: 'e'.repeat(32) }))).body).toEqual([]);
  });
});
