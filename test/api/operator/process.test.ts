import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Wallet } from 'ethers';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';
import { aStage, aNonce, signAsProvider } from './support/operatorWorld.ts';

let opened: TestLedger;
let folder: string;
let child: ChildProcess | undefined;
beforeAll(async () => {
  opened = await openTestLedger();
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-operator-'));
});
afterEach(async () => {
  if (child === undefined || child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}, 30_000);
afterAll(async () => {
  await opened.close();
  await rm(folder, { recursive: true, force: true });
});

/** Starts an API process. @returns its line of readiness */
const startApi = async (settings: Record<string, string>): Promise<Record<string, string | undefined>> => {
  const root = path.join(import.meta.dirname, '../../..');
  child = spawn(process.execPath, ['api/main.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: opened.url,
      C2D_ENCRYPTION_KEYS: `a:${randomBytes(32).toString('base64')}`,
      C2D_ENVIRONMENTS: '[{"id":"small"}]',
      C2D_CHAINS: `[{"chainId":8996,"rpcUrl":"http://127.0.0.1:9","erc721FactoryAddress":"0x${'1'.repeat(40)}"}]`,
      C2D_PROVIDER_PRIVATE_KEY: Wallet.createRandom().privateKey,
      C2D_TEMPORAL_ADDRESS: '127.0.0.1:9',
      C2D_STORAGE_FOLDER: folder,
      ...{ C2D_API_PORT: '0', C2D_HEALTH_PORT: '0', ...settings },
    },
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    const entry = JSON.parse(line) as Record<string, string>;
    if (entry['msg'] === 'the API is ready') return entry;
  }
  throw new Error('the API ended before it was ready');
};

describe('an API process', () => {
  test('serves the operator-service API on a port of its own, and loses no start while Temporal is away', async () => {
    const provider = new Wallet(Wallet.createRandom().privateKey);
    const ready = await startApi({ C2D_OPERATOR_PORT: '0', C2D_OPERATOR_PROVIDERS: provider.address });
    expect(await (await fetch(`${ready['operator']!}/`)).json()).toMatchObject({ software: 'Operator service', algoTimeLimit: '3600' });
    expect((await fetch(`${ready['url']!}/api/v1/operator/environments`)).status).toBe(404);

    const owner = Wallet.createRandom().address;
    const nonce = aNonce();
    const providerSignature = signAsProvider(provider, owner + nonce);
    const body = { workflow: { stages: [aStage()] }, agreementId: '0xa', owner, providerSignature, environment: 'small', nonce };
    const answer = await fetch(`${ready['operator']!}/api/v1/operator/compute`, { method: 'POST', body: JSON.stringify(body) });
    // never 200 with an empty list
    expect([answer.status, typeof ((await answer.json()) as { error?: string }).error]).toEqual([503, 'string']);
    const rows = await opened.ledger.findProviderJobs({ providerAddress: provider.address, owner }, 10);
    expect(rows.map(({ admission, agreementId }) => [admission, agreementId])).toEqual([['pending', '0xa']]);
  }, 60_000);

  test('serves it only where a port is named', async () => {
    expect((await startApi({}))['operator']).toBeUndefined();
  }, 60_000);
});
