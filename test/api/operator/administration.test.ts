import { readFileSync } from 'node:fs';
import { operatorDescription } from '../../../api/operator/app.ts';
import { operatorRoutes } from '../../../api/operator/routes.ts';
import { describeApi } from '../../../api/openapi.ts';
import { status } from '../../../workflows/contract/status.ts';
import {
  admin,
  callOperator,
  queryOperator,
  refusal,
  sendOperator,
  signedStart,
  startOperatorWorld,
  type OperatorWorld,
} from './support/operatorWorld.ts';

let operator: OperatorWorld;
beforeAll(async () => {
  operator = await startOperatorWorld();
}, 60_000);
afterAll(() => operator.close());

const asAdmin = (method: 'get' | 'post', path: string, query: object = {}, value = admin) =>
  queryOperator(operator.app, method, path, query, { Admin: value });
const startJob = async (over: object = {}): Promise<{ jobId: string; agreementId: string }> =>
  (await sendOperator(operator.app, 'post', 'compute', signedStart(operator, over))).body[0];

describe('routes of operators', () => {
  const routes: ['get' | 'post', string][] = [
    ['get', 'runningjobs'],
    ['get', 'list'],
    ['get', 'info'],
    ['get', 'logs'],
    ['post', 'pgsqlinit'],
  ];
  test.each(routes)('%s %s asks for the Admin header', async (method, path) => {
    expect(refusal(await callOperator(operator.app, method, path))).toEqual([400, { error: 'Admin header is empty.\nstatus code: 400' }]);
    expect(refusal(await asAdmin(method, path, {}, '0x1'))).toEqual([
      401,
      { error: 'Access admin route failed due to invalid admin address.\nstatus code: 401' },
    ]);
  });

  test('take it in any case', async () => {
    for (const value of [admin, admin.toLowerCase(), admin.toUpperCase()]) {
      const { status: code, text, type } = await asAdmin('post', 'pgsqlinit', {}, value);
      expect([code, text, type]).toEqual([200, '', 'text/plain']);
    }
  });

  test('tell of the jobs that run', async () => {
    const { jobId, agreementId } = await startJob();
    const ended = await startJob();
    const end = { status: 70, reason: '', exitCode: 0, oomKilled: false };
    await operator.opened.ledger.recordJob({ jobId: ended.jobId, podAttempt: 1, status: 70, reason: '', end });
    const { body } = await asAdmin('get', 'runningjobs');
    expect(body).toEqual([
      {
        ...{ agreementId, jobId, owner: operator.owner, status: 1, statusText: 'Warming up' },
        ...{ dateCreated: expect.stringMatching(/^\d/), namespace: 'small', algoDID: '', inputDID: [] },
      },
    ]);
    expect((await asAdmin('get', 'list')).body).toEqual([jobId]);
    expect((await asAdmin('get', 'info', { jobId: ended.jobId })).body).toMatchObject({ jobId: ended.jobId, status: 70 });
    expect(refusal(await asAdmin('get', 'info', { jobId: 'x' }))).toEqual([404, { error: 'Workflow x not found' }]);
  });

  test('read the log of an algorithm while it runs, and from the results once it is put away', async () => {
    const { jobId } = await startJob();
    const { ledger } = operator.opened;
    const logs = (component: string) => asAdmin('get', 'logs', { jobId, component });
    const missing = (component: string) => [404, { error: `Pod with workflow=${jobId} and component=${component} not found` }];
    expect(refusal(await logs('algorithm'))).toEqual(missing('algorithm'));
    expect(refusal(await logs('publish'))).toEqual(missing('publish'));
    expect(refusal(await logs('none'))).toEqual(missing('none'));
    expect((await logs('configure')).text).toMatch(/^\d{4}-\S+Z 1 Warming up\n/);
    await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
    await ledger.recordProgress({ jobId, podAttempt: 1, status: status.running, reason: 'runs', algorithmStartedAtMs: Date.now() });
    await ledger.appendLog({ jobId, podAttempt: 1, offset: 0, bytes: Buffer.from('line one\n') });
    await ledger.appendLog({ jobId, podAttempt: 1, offset: 9, bytes: Buffer.from('line two\n') });
    const { text, type } = await logs('algorithm');
    expect([text, type]).toEqual(['line one\nline two\n', 'text/plain']);
    const entry = { index: 0, filename: 'algorithmLog', filesize: 3, type: 'algorithmLog' as const, n: 0, sha256: 'a'.repeat(64) };
    await ledger.recordResults({ jobId, podAttempt: 1, results: [entry] });
    operator.files.set(`${jobId}/1/0`, Buffer.from('put'));
    await ledger.recordProgress({ jobId, podAttempt: 1, status: status.publishing, reason: 'publishes' });
    const end = { status: 70, reason: 'all is well', exitCode: 0, oomKilled: false };
    await ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: end.reason, end });
    await ledger.dropEndedLogs(new Date(Date.now() + 60_000));
    expect((await logs('algorithm')).text).toBe('put');
    expect((await logs('publish')).text).toMatch(/ 60 Publishing results\n\S+ 70 Job finished\nall is well\n$/);
  });
});

describe('environments', () => {
  const list = async (query: object = {}) => (await queryOperator(operator.app, 'get', 'environments', query)).body;
  const ids = async (query: object = {}) => (await list(query)).map(({ id }: { id: string }) => id);

  test('are described by numbers, without asking who wants to know', async () => {
    const [small] = await list({ chainId: '8996' });
    expect(small).toEqual({
      ...{ id: 'small', cpuNumber: 1, cpuType: 'x86_64', gpuNumber: 0, gpuType: '', ramGB: 1, diskGB: 1, priceMin: 0 },
      ...{ desc: 'a small one', currentJobs: expect.any(Number), maxJobs: 8, consumerAddress: operator.world.ocean.providerAddress },
      ...{ storageExpiry: 604_800, maxJobDuration: 1_200, lastSeen: expect.stringMatching(/^\d+(\.\d+)?$/) },
    });
  });

  test('are those of the chain that take jobs now; without a chain, all that do', async () => {
    expect(await ids({ chainId: '8996' })).toEqual(['small', 'private', 'paid']);
    expect(await ids({ chain_id: '1' })).toEqual(['small', 'private', 'elsewhere']);
    expect(await ids({ chainId: 'x' })).toEqual([]);
    expect(await ids()).toEqual(['small', 'private', 'paid', 'elsewhere']);
    const fromBody = await sendOperator(operator.app, 'get', 'environments', { chainId: 8996 });
    expect(fromBody.body).toHaveLength(3);
  });

  test('tell what a minute costs', async () => {
    const prices = (await list({ chainId: '8996' })).map(({ priceMin }: { priceMin: number }) => priceMin);
    expect(prices).toEqual([0, 0, 0.6]);
    expect((await list()).find(({ id }: { id: string }) => id === 'paid').priceMin).toBe(0.6);
  });
});

describe('the service', () => {
  test('says what it is', async () => {
    const { status: code, body } = await callOperator(operator.app, 'get', '/');
    expect([code, body]).toEqual([
      200,
      {
        ...{ software: 'Operator service', version: '1.0.1', address: operator.world.ocean.providerAddress },
        ...{ algoTimeLimit: '7200', storageExpiry: '700000' },
      },
    ]);
  });

  test('describes itself at /spec, and on a page', async () => {
    expect((await callOperator(operator.app, 'get', '/spec')).body.info.title).toBe(operatorDescription.title);
    const page = await callOperator(operator.app, 'get', '/api/v1/docs');
    expect([page.status, page.headers['location']]).toEqual([302, '../docs']);
    expect((await callOperator(operator.app, 'get', '/api/docs')).type).toBe('text/html');
  });

  test.each<['get' | 'post' | 'delete', string, number]>([
    ['get', '/api/v1/operator/none', 404],
    ['get', '/api/services/compute', 404],
    ['post', '/api/v1/operator/environments', 405],
    ['delete', '/', 405],
    ['get', '/%E0%A4%A', 404],
  ])('%s %s is %i, as JSON', async (method, path, code) => {
    const answer = await callOperator(operator.app, method, path);
    expect([answer.status, answer.type, typeof answer.body.error]).toEqual([code, 'application/json', 'string']);
  });

  test('refuses bodies that are too large', async () => {
    const { status: code, body } = await sendOperator(operator.app, 'post', 'compute', `"${'x'.repeat(1_100_000)}"`);
    expect([code, typeof body.error]).toEqual([413, 'string']);
  });
});

describe('docs/openapi/operator.json', () => {
  const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));

  test('is the description of the routes as they are', () => {
    const { version } = read('../../../package.json') as { version: string };
    expect(JSON.parse(JSON.stringify(describeApi(operatorRoutes, version, operatorDescription)))).toEqual(
      read('../../../docs/openapi/operator.json'),
    );
  });
});
