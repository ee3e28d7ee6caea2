import { randomBytes } from 'node:crypto';
import { createKeyring } from '../../../infra/crypto/keyring.ts';
import { createPodTokens } from '../../../infra/crypto/podToken.ts';
import { FailedTokens } from '../../../workers/gateway/failedTokens.ts';
import { closeAll, startGateway } from './harness.ts';

afterEach(closeAll);

describe("the gateway's door", () => {
  test("the current attempt's token opens it", async () => {
    const { call } = await startGateway();
    expect((await call('/plan')).status).toBe(200);
  });

  test.each(['', 'x', 'a.1.b', `${'0'.repeat(32)}.1.${'A'.repeat(43)}`, 'ü'.repeat(3)])('the token %j does not', async (token) => {
    const { call } = await startGateway();
    const response = await call('/plan', { headers: { authorization: `Bearer ${Buffer.from(token).toString('latin1')}` } });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ type: 'AccessDenied', retryable: false });
  });

  test('no token at all does not', async () => {
    const { url } = await startGateway();
    expect((await fetch(`${url}/agent/v1/plan`)).status).toBe(401);
  });

  test('a token that another key has signed does not', async () => {
    const { call, pod } = await startGateway();
    const others = createPodTokens(createKeyring([{ id: 'other', secret: randomBytes(32) }]));
    expect((await call('/plan', { token: others.tokenOf(pod) })).status).toBe(401);
  });

  test("a token cannot be turned into another job's or attempt's", async () => {
    const { call, tokens, pod } = await startGateway();
    const [, , mac] = tokens.tokenOf(pod).split('.');
    expect((await call('/plan', { token: `${pod.jobId}.2.${mac}` })).status).toBe(401);
    expect((await call('/plan', { token: `${'f'.repeat(32)}.1.${mac}` })).status).toBe(401);
  });

  test('an outdated attempt is told to end, on every route, and changes nothing (complaint: zombies go on after a failure)', async () => {
    const { call, post, ledger, temporal } = await startGateway();
    temporal.start('stageInputs/1');
    ledger.current = 2;
    const done = { outcome: 'done', phase: 'stageInputs', result: { files: 0, bytes: 0 } };
    const answers = [
      await call('/plan'),
      await call('/files/0'),
      await post('/events', { sequence: 1, logs: [{ offset: 0, bytes: 'aGk=' }] }),
      await post('/reports', done),
      await call('/outputs/0/parts/0', { method: 'PUT', body: 'x', headers: { 'c2d-digest': '0'.repeat(64) } }),
      await post('/outputs/0/complete', {}),
      await call('/phases/stageInputs/attempt'),
    ];
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    expect(ledger.log.size + temporal.reports).toBe(0);
  });

  test('once the job is over, and for a job that is not in the ledger, it says so', async () => {
    const { call, ledger, tokens } = await startGateway();
    expect((await call('/plan', { token: tokens.tokenOf({ jobId: 'e'.repeat(32), podAttempt: 1 }) })).status).toBe(410);
    ledger.current = null;
    expect((await call('/plan')).status).toBe(410);
  });

  test('wrong tokens are limited and counted, and a right one still passes', async () => {
    const { call, metrics } = await startGateway({ deps: { failedTokens: { perWindow: 2, windowMs: 60_000 } } });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await call('/plan', { token: 'wrong' })).status);
    expect(statuses).toEqual([401, 401, 429, 429]);
    expect((await call('/plan')).status).toBe(200);
    expect(await metrics.registry.metrics()).toMatch(/c2d_gateway_bad_tokens_total 4/);
  });

  test('the body of a stranger is not read', async () => {
    const { call } = await startGateway();
    const response = await call('/events', { method: 'POST', token: 'wrong', body: '{', headers: { 'content-type': 'application/json' } });
    expect(response.status).toBe(401);
  });

  test.each([
    ['/nothing', 404],
    ['/files/%E0%A4%A', 400],
    ['/files/x', 404],
    ['/files/999', 404],
    ['/files/-1', 404],
    ['/phases/dance/attempt', 400],
    ['/phases/stageInputs/attempt?after=x', 400],
    ['/phases/stageInputs/attempt?after=1&after=2', 400],
  ])('GET %s is a bad request, never a failure of ours', async (path, status) => {
    const { call } = await startGateway();
    const response = await call(path);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ type: 'RequestInvalid', retryable: false });
  });

  test.each([
    ['not JSON', '{'],
    ['an array', '[]'],
    ['a wrong type', '{"sequence":"one"}'],
    ['nothing', ''],
  ])('%s as a body is a bad request', async (_name, body) => {
    const { call } = await startGateway();
    for (const path of ['/events', '/reports', '/outputs/0/complete']) {
      const response = await call(path, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
      expect(response.status).toBe(400);
    }
  });

  test('a body beyond the limit is refused', async () => {
    const { post } = await startGateway();
    const response = await post('/events', { sequence: 1, logs: [{ offset: 0, bytes: 'A'.repeat(3 * 1024 * 1024) }] });
    expect(response.status).toBe(413);
  });
});

describe('FailedTokens', () => {
  test('counts each address alone and begins again after the window', () => {
    let now = 0;
    const failures = new FailedTokens({ perWindow: 1, windowMs: 1_000, now: () => now });
    expect([failures.count('a'), failures.count('a'), failures.count('b')]).toEqual([0, 1, 0]);
    now = 1_000;
    expect(failures.count('a')).toBe(0);
  });

  test('any number of addresses needs bounded memory', () => {
    const failures = new FailedTokens({ perWindow: 1, windowMs: 1_000_000 });
    failures.count('first');
    for (let i = 0; i < 10_001; i++) failures.count(`address ${i}`);
    expect(failures.count('first')).toBe(0);
  });
});
