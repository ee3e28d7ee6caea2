/** The classic API in process, on a real chain and a real ledger. Jobs are judged as the workflow judges them, and not run. */

import { Readable } from 'node:stream';
import { getBytes, id, type BaseWallet } from 'ethers';
import type { Express } from 'express';
import { Registry } from 'prom-client';
import request, { type Response, type Test } from 'supertest';
import { createClassicApp } from '../../../api/classic/app.ts';
import type { ClassicDeps } from '../../../api/classic/ports.ts';
import { classicRoutes } from '../../../api/classic/routes.ts';
import { classicError } from '../../../api/classic/schemas.ts';
import { createMetrics } from '../../../api/metrics.ts';
import type { JobStarter, StartVerdict } from '../../../api/ports.ts';
import { createLoad } from '../../../api/load.ts';
import { createRates } from '../../../api/rates.ts';
import { createTokens } from '../../../api/tokens.ts';
import { createJwts } from '../../../infra/crypto/jwt.ts';
import { computeEnvironments } from '../../../infra/environments/environments.ts';
import { createManifests } from '../../../infra/manifest/manifests.ts';
import { createLogger } from '../../../infra/process/logger.ts';
import { isJobFailure } from '../../../workflows/contract/failures.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';
import { startWorld, type World, type WorldOptions } from '../../infra/ocean/support/world.ts';

/** Everything that a test of the classic API works with. */
export interface ClassicWorld {
  readonly world: World;
  readonly opened: TestLedger;
  readonly deps: ClassicDeps;
  readonly app: Express;
  /** published files by `<job>/<pod attempt>/<n>` */
  readonly files: Map<string, Buffer>;
  /** jobs that were asked to stop */
  readonly stopped: string[];
  /** how far the clock of tokens is ahead */
  readonly clock: { aheadMs: number };
  close(): Promise<void>;
}

const storageOf = (files: Map<string, Buffer>): ClassicDeps['results'] => ({
  async read({ jobId, podAttempt, n }, range) {
    const bytes = files.get(`${jobId}/${podAttempt}/${n}`);
    if (bytes === undefined) throw new Error(`no file ${n}`);
    return Readable.from([range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)]);
  },
});

/** Admits or refuses by the real rules and tells the ledger, as the workflow does. */
const judgeJobs = ({ ocean }: World, { ledger }: TestLedger, stopped: string[]): JobStarter => ({
  async start({ spec, environment }): Promise<StartVerdict> {
    try {
      await ledger.acceptJob(spec.jobId, await ocean.admit(spec, environment));
      return { kind: 'accepted' };
    } catch (err) {
      if (!isJobFailure(err)) throw err;
      await ledger.refuseJob(spec.jobId, { type: err.type, reason: err.message });
      return { kind: 'refused', type: err.type, message: err.message };
    }
  },
  async stop(jobId) {
    stopped.push(jobId);
  },
});

/** Two that cost nothing, and one that costs 0.6 tokens a minute. */
const environmentsOf = ({ chain }: World) =>
  computeEnvironments.parse([
    { id: 'small', description: 'a small one', maxJobDuration: 1_200 },
    { id: 'private', access: { addresses: [chain.accounts.publisher.address] } },
    {
      id: 'paid',
      maxJobDuration: 7_200,
      fees: [{ chainId: 8996, feeToken: chain.contracts.ocean, prices: [{ id: 'cpu', price: 0.5 }, { id: 'ram', price: 0.1 }] }],
    },
  ]); // prettier-ignore

const depsOf = (world: World, opened: TestLedger, over: Partial<ClassicDeps>): ClassicDeps => ({
  ledger: { ...opened.ledger, watchJob: () => () => undefined },
  jobs: judgeJobs(world, opened, []),
  results: storageOf(new Map()),
  manifests: createManifests({ ledger: opened.ledger, privateKey: `0x${'5a'.repeat(32)}`, version: '0.1.0' }),
  assets: world.ocean,
  orders: world.ocean.classic,
  tokens: createTokens({ jwts: createJwts(opened.keyring), ledger: opened.ledger, longestSeconds: 3_600 }),
  environments: environmentsOf(world),
  withdrawals: async () => new Map(),
  authorizedDecrypters: [],
  load: createLoad({ requests: 512, answers: 4_096, streamsPerConsumer: 32 }),
  rates: createRates({ perIpPerMinute: 0, perAddressPerMinute: 0, trustedProxies: [] }),
  acceptsOlderMessages: false,
  outputTargets: { probe: async () => undefined },
  deliveryRefusal: () => null,
  takesRegistryCredentials: true,
  chains: [{ chainId: 8996, feeToken: world.chain.contracts.ocean }],
  limits: { jsonBytes: 1024 ** 2, encryptBytes: 26 * 1024 ** 2 },
  health: { ledger: opened.ledger.check },
  metrics: createMetrics(new Registry(), opened.ledger),
  logger: createLogger('classic-test', 'silent'),
  version: '0.1.0',
  ending: new AbortController().signal,
  settings: { basePath: '/provider', takesUnsignedNonces: true },
  ...over,
});

/** Starts everything; one world a test file. */
export const startClassicWorld = async (options: WorldOptions = {}): Promise<ClassicWorld> => {
  const [world, opened] = await Promise.all([startWorld(options), openTestLedger()]);
  const files = new Map<string, Buffer>();
  const stopped: string[] = [];
  const clock = { aheadMs: 0 };
  const deps = depsOf(world, opened, {
    jobs: judgeJobs(world, opened, stopped),
    results: storageOf(files),
    tokens: createTokens({
      jwts: createJwts(opened.keyring),
      ledger: opened.ledger,
      longestSeconds: 3_600,
      now: () => Date.now() + clock.aheadMs,
    }),
  });
  const close = async (): Promise<void> => void (await Promise.all([world.close(), opened.close()]));
  return { ...{ world, opened, deps, files, stopped, clock, close }, app: createClassicApp(deps) };
};

/** As classic clients sign: the hash of the text, not the text. */
export const signText = (wallet: BaseWallet, text: string): string => wallet.signMessageSync(getBytes(id(text)));

/** Fails unless the description allows this answer of this call. */
const judge = (method: string, path: string, { status, body, text, type }: Response): void => {
  const route = classicRoutes.find((one) => one.method === method && one.path === path);
  if (route === undefined) return;
  const answer = route.answers[status];
  if (answer === undefined) {
    expect([...route.refusals, 429, 500, 503]).toContain(status);
    expect(type).toBe('application/json');
    classicError.parse(body);
  } else if (answer.contentType === 'application/json') answer.schema.parse(body);
  else if (answer.contentType === 'text/plain') answer.schema.parse(text);
};

type Method = 'get' | 'post' | 'put' | 'delete';

/** Sends a request and judges the answer by the description. */
export const callClassic = async (app: Express, method: Method, path: string, refine: (test: Test) => Test = (test) => test) => {
  const response = await refine(request(app)[method](path));
  judge(method, path, response);
  return response;
};

/** Sends a JSON body. */
export const sendClassic = (app: Express, method: Method, path: string, body: unknown, headers: Record<string, string> = {}) =>
  callClassic(app, method, path, (test) =>
    test.set({ 'Content-Type': 'application/json', ...headers }).send(typeof body === 'string' ? body : JSON.stringify(body)),
  );

/** Sends everything in the query. */
export const queryClassic = (app: Express, method: Method, path: string, query: object, headers: Record<string, string> = {}) =>
  callClassic(app, method, path, (test) => test.query(query).set(headers));

/** Status and body of a refusal. */
export const refused = ({ status, body }: Response): [number, unknown] => [status, body];

/** What field rules answer. */
export const fieldErrors = (errors: object): [number, unknown] => [400, { errors, message: 'Validation error', success: false }];
