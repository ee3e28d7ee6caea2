import express from 'express';
import { Registry } from 'prom-client';
import request from 'supertest';
import { createApp } from '../../api/app.ts';
import { addSealGauge, createWithdrawals, withdrawalRoutes } from '../../api/withdrawals.ts';
import { aDid, anAddress, aTransaction } from '../support/builders.ts';
import { openTestLedger, type TestLedger } from '../support/databases.ts';
import { aWallet, call, post, sign } from './support/consumer.ts';
import { aWorld, feeToken } from './support/fakes.ts';

let opened: TestLedger;
beforeAll(async () => {
  opened = await openTestLedger();
});
afterAll(() => opened.close());
beforeEach(async () => {
  await opened.connection.pool.query('delete from environment_verdicts');
});

const environmentIds = ['small', 'paid-only'];
const withdrawals = () => createWithdrawals({ ledger: opened.ledger, environmentIds, freshSeconds: 1_800 });
const theWorld = () => aWorld({ withdrawals: withdrawals() });
const decide = (verdict: 'sealed' | 'unsealed' | 'unproved', reason = 'because of 10.96.0.1', environmentId = 'small') =>
  opened.ledger.recordVerdict({ environmentId, verdict, reason });
const growOld = (seconds: number) =>
  opened.connection.pool.query(`update environment_verdicts set decided_at = decided_at - make_interval(secs => $1)`, [seconds]);

const listed = async (): Promise<readonly string[]> => {
  const { body } = await call(createApp(theWorld().deps), 'get', '/api/services/computeEnvironments');
  return body.map(({ id }: { id: string }) => id);
};
const unavailable =
  'Environment small is not available now: that it isolates jobs has yet to be proved. Try again in a few minutes, or choose another environment';

const startFree = (world: ReturnType<typeof theWorld>, nonce = '1', wallet = aWallet()) =>
  post(createApp(world.deps), '/api/services/freeCompute', {
    ...{ consumerAddress: wallet.address, nonce, signature: sign(wallet, nonce, 'freeStartCompute'), environment: 'small' },
    datasets: [{ documentId: aDid(), serviceId: 'compute', transferTxId: aTransaction() }],
    algorithm: { documentId: aDid(), serviceId: 'algorithm' },
  });

describe('an environment that must prove its seal', () => {
  test('is not listed before it has', async () => {
    expect(await listed()).toEqual([]);
  });

  test('is listed from its proof on, each for itself', async () => {
    await decide('sealed');
    expect(await listed()).toEqual(['small']);
  });

  test('is withdrawn at once by a breach, and comes back with the next proof', async () => {
    await decide('sealed');
    await decide('unsealed');
    expect(await listed()).toEqual([]);
    await decide('sealed');
    expect(await listed()).toEqual(['small']);
  });

  test('stays while its proof is fresh, though a self-test came to no decision; goes when the proof is old', async () => {
    await decide('sealed');
    await decide('unproved');
    await growOld(1_700);
    expect(await listed()).toEqual(['small']);
    await growOld(200);
    expect(await listed()).toEqual([]);
  });
});

describe('a withdrawn environment', () => {
  test('takes no job: 503 with what to do, no reason of operators, and the nonce is not spent', async () => {
    await decide('unsealed');
    const world = theWorld();
    const wallet = aWallet();
    const refused = await startFree(world, '1', wallet);
    expect([refused.status, refused.body, refused.headers['retry-after']]).toEqual([503, unavailable, '60']);
    expect([world.ledger.rows.size, world.ledger.nonces.size]).toEqual([0, 0]);
    await decide('sealed');
    expect((await startFree(world, '1', wallet)).status).toBe(200);
  });

  test('quotes nothing, so that nobody orders for it', async () => {
    const world = theWorld();
    const response = await post(createApp(world.deps), '/api/services/initializeCompute', {
      datasets: [{ documentId: aDid(), serviceId: 'compute' }],
      algorithm: { documentId: aDid(), serviceId: 'algorithm' },
      environment: 'small',
      payment: { chainId: 8996, token: feeToken },
      maxJobDuration: 60,
      consumerAddress: anAddress(),
    });
    expect([response.status, response.body]).toEqual([503, { error: unavailable }]);
    expect(world.quotes).toEqual([]);
  });

  test('still answers for the jobs that it took', async () => {
    await decide('sealed');
    const world = theWorld();
    const wallet = aWallet();
    const body = {
      ...{ consumerAddress: wallet.address, nonce: '1', signature: sign(wallet, '1', 'freeStartCompute'), environment: 'small' },
      datasets: [],
      algorithm: { documentId: aDid(), serviceId: 'algorithm' },
    };
    const app = createApp(world.deps);
    const first = await post(app, '/api/services/freeCompute', body);
    await decide('unsealed');
    const again = await post(app, '/api/services/freeCompute', body);
    expect([again.status, again.body[0].jobId]).toEqual([200, first.body[0].jobId]);
  });
});

describe('operators', () => {
  test('read which environments are offered, and why the others are not', async () => {
    await decide('unsealed', 'reached the API at 10.96.0.1');
    await decide('sealed', '', 'paid-only');
    const { body } = await request(express().use(withdrawalRoutes(withdrawals(), environmentIds))).get('/environments');
    expect(body).toEqual([
      { id: 'small', offered: false, reason: expect.stringMatching(/^not sealed, found \d+ s ago: reached the API at 10\.96\.0\.1$/) },
      { id: 'paid-only', offered: true, reason: null },
    ]);
  });

  test('are told by a gauge', async () => {
    const registry = new Registry();
    addSealGauge(registry, withdrawals(), environmentIds);
    await decide('sealed');
    const text = await registry.metrics();
    expect(text).toContain('c2d_environment_sealed{environment="small"} 1');
    expect(text).toContain('c2d_environment_sealed{environment="paid-only"} 0');
  });
});
