/** The operator-service API in process, on a real chain and a real ledger, and a legacy Provider that calls it. */

import { Wallet, getBytes, id, type BaseWallet } from 'ethers';
import type { Express } from 'express';
import request, { type Response, type Test } from 'supertest';
import { createOperatorApp } from '../../../../api/operator/app.ts';
import { base, type OperatorDeps } from '../../../../api/operator/ports.ts';
import { operatorRoutes } from '../../../../api/operator/routes.ts';
import { operatorError } from '../../../../api/operator/schemas.ts';
import { computeEnvironments } from '../../../../infra/environments/environments.ts';
import { aTransaction } from '../../../support/builders.ts';
import { startClassicWorld, type ClassicWorld } from '../../support/classicWorld.ts';

export const admin = '0x00000000000000000000000000000000000aDmin';

export interface OperatorWorld extends Pick<ClassicWorld, 'world' | 'opened' | 'files' | 'stopped'> {
  readonly deps: OperatorDeps;
  readonly app: Express;
  /** on the list of the service */
  readonly provider: Wallet;
  /** on the list as well */
  readonly otherProvider: Wallet;
  readonly owner: string;
  close(): Promise<void>;
}

const aWallet = (): Wallet => new Wallet(Wallet.createRandom().privateKey);

/** Starts everything; one world a test file. */
export const startOperatorWorld = async (): Promise<OperatorWorld> => {
  const classic = await startClassicWorld();
  const { world, opened, files, stopped } = classic;
  const [provider, otherProvider] = [aWallet(), aWallet()];
  const fees = [{ chainId: 8996, feeToken: world.chain.contracts.ocean, prices: [{ id: 'cpu', price: 0.5 }, { id: 'ram', price: 0.1 }] }]; // prettier-ignore
  const deps: OperatorDeps = {
    ...classic.deps,
    ledger: { ...opened.ledger, watchJob: () => () => undefined },
    environments: computeEnvironments.parse([
      { id: 'small', description: 'a small one', maxJobDuration: 1_200 },
      { id: 'private', access: { addresses: [world.chain.accounts.publisher.address] } },
      { id: 'paid', maxJobDuration: 7_200, storageExpiry: 700_000, fees },
      { id: 'elsewhere', chainIds: [1] },
      { id: 'withdrawn' },
    ]),
    withdrawals: async () => new Map([['withdrawn', 'not sealed']]),
    settings: {
      providers: [provider.address.toLowerCase(), otherProvider.address.toLowerCase()],
      admins: [admin.toLowerCase()],
      takesOlderSignatures: false,
    },
  };
  return {
    ...{ world, opened, files, stopped, deps, provider, otherProvider, app: createOperatorApp(deps) },
    owner: world.chain.accounts.consumer.address,
    close: () => classic.close(),
  };
};

/** As a Provider signs: the hash of the text, and 00 or 01 at the end. */
export const signAsProvider = (wallet: BaseWallet, text: string): string => {
  const signature = wallet.signMessageSync(getBytes(id(text)));
  return signature.slice(0, -2) + (Number.parseInt(signature.slice(-2), 16) - 27).toString(16).padStart(2, '0');
};

let lastNonce = BigInt(Date.now()) * 1_000_000n + 707n;
/** As `time.time_ns()` gives it: 19 digits, more than a double holds. */
export const aNonce = (): string => String((lastNonce += 1n));

/** Fails unless the description allows this answer of this call. */
const judge = (method: string, path: string, { status, body, text, type }: Response): void => {
  const route = operatorRoutes.find((one) => one.method === method && one.path === path);
  if (route === undefined) return;
  const answer = route.answers[status];
  if (answer === undefined) {
    expect([...route.refusals, 405, 500, 503]).toContain(status);
    expect(type).toBe('application/json');
    operatorError.parse(body);
  } else if (answer.contentType === 'application/json') answer.schema.parse(body);
  else if (answer.contentType === 'text/plain') answer.schema.parse(text);
};

type Method = 'get' | 'post' | 'put' | 'delete';

/** Sends a request and judges the answer. @param path below the base, or from the root with a slash before it */
export const callOperator = async (app: Express, method: Method, path: string, refine: (test: Test) => Test = (test) => test) => {
  const full = path.startsWith('/') ? path : `${base}/${path}`;
  const response = await refine(request(app)[method](full));
  judge(method, full, response);
  return response;
};

/** Sends a JSON text, for any method. The nonce becomes an integer, as a Provider has it. */
export const sendOperator = (app: Express, method: Method, path: string, body: unknown) =>
  callOperator(app, method, path, (test) =>
    test
      .set('Content-Type', 'application/json')
      .send(typeof body === 'string' ? body : JSON.stringify(body).replace(/"nonce":"(\d+)"/, '"nonce":$1')),
  );

/** Sends everything in the query. */
export const queryOperator = (app: Express, method: Method, path: string, query: object, headers: Record<string, string> = {}) =>
  callOperator(app, method, path, (test) => test.query(query).set(headers));

/** Status and text of a refusal. */
export const refusal = ({ status, body }: Response): [number, unknown] => [status, body];

export const container = { entrypoint: 'node $ALGO', image: 'node', tag: '24', checksum: `sha256:${'a'.repeat(64)}` };

/** An input that Providers name by its order. */
export const orderedInput = (did: string, serviceId: string, over: object = {}) => ({
  ...{ index: 0, id: did, remote: { txId: aTransaction(), serviceId } },
  ...over,
});

/** A raw algorithm as Providers send it. */
export const rawAlgorithm = { id: '', url: null, rawcode: 'console.log(1)', container };

/** The only stage of a workflow. */
export const aStage = (over: object = {}) => ({
  index: 0,
  input: [{ index: 0, url: ['https://example.com/data.csv'] }],
  compute: { Instances: 1, namespace: 'ocean-compute', maxtime: 3_600 },
  algorithm: rawAlgorithm,
  output: { metadataUri: 'https://aquarius.example' },
  ...over,
});

/** A start as a Provider builds and signs it. */
export const signedStart = ({ provider, owner }: OperatorWorld, over: object = {}, signer: BaseWallet = provider) => {
  const nonce = aNonce();
  return {
    workflow: { stages: [aStage()] },
    providerSignature: signAsProvider(signer, owner + nonce),
    agreementId: aTransaction(),
    owner,
    providerAddress: signer.address,
    environment: 'small',
    validUntil: Math.floor(Date.now() / 1_000) + 3_600,
    nonce,
    chainId: 8996,
    ...over,
  };
};

/** Query of a call about jobs as a Provider builds and signs it. */
export const signedQuery = ({ provider }: OperatorWorld, named: { owner?: string; jobId?: string }, signer: BaseWallet = provider) => {
  const nonce = aNonce();
  const providerSignature = signAsProvider(signer, `${named.owner ?? 'None'}${named.jobId ?? ''}${nonce}`);
  return { ...named, nonce, providerSignature };
};
