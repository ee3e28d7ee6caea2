/** One consumer's jobs, orders and tokens on every surface, and somebody else who wants them. */

import { Wallet, type HDNodeWallet } from 'ethers';
import { createApp } from '../../../api/app.ts';
import { createClassicApp } from '../../../api/classic/app.ts';
import { createOperatorApp } from '../../../api/operator/app.ts';
import { createTokens } from '../../../api/tokens.ts';
import { createJwts } from '../../../infra/crypto/jwt.ts';
import { computeEnvironments } from '../../../infra/environments/environments.ts';
import { encryptTo } from '../../../infra/ocean/ecies.ts';
import { sha256Hex } from '../../../infra/ocean/ids.ts';
import { mintDatatokens, startOrder } from '../../../infra/toolchain/chain/orders.ts';
import { listen, type Listener } from '../../../infra/process/listen.ts';
import { status } from '../../../workflows/contract/status.ts';
import { anAdmission, aSpec, aTransaction } from '../../support/builders.ts';
import { payFor } from '../../infra/ocean/support/world.ts';
import { admin } from '../operator/support/operatorWorld.ts';
import { startClassicWorld, type ClassicWorld } from '../support/classicWorld.ts';

/** In everything that belongs to the owner. */
export const canary = 'canary';

/** An ordered service. */
export interface Order {
  readonly documentId: string;
  readonly serviceId: string;
  readonly transferTxId: string;
}

/** Everything that requests are made of. */
export interface AuthorizationScene {
  /** base addresses */
  readonly urls: { readonly node: string; readonly v1: string; readonly classic: string; readonly operator: string };
  readonly owner: Wallet;
  readonly stranger: Wallet;
  /** both on the list of the service; the jobs are the first one's */
  readonly provider: Wallet;
  readonly otherProvider: Wallet;
  readonly jobs: {
    readonly running: string;
    readonly ended: string;
    /** ended, and needed for nothing else */ readonly disposable: string;
    readonly providerRunning: string;
    readonly providerEnded: string;
  };
  /** one for downloads, and one for a start on each surface: an order carries one job at a time */
  readonly orders: Readonly<Record<'access' | 'node' | 'v1' | 'classic', Order>>;
  readonly document: {
    readonly dataNftAddress: string;
    readonly encryptedDocument: string;
    readonly flags: number;
    readonly documentHash: string;
  };
  /** good tokens of both, and two of the owner's that are not */
  readonly tokens: Readonly<Record<'owners' | 'strangers' | 'expired' | 'invalidated' | 'spare', string>>;
  nextNonce(): string;
  /** all that a call might change without a right to: jobs, stops, nonces and tokens of the owner */
  look(): Promise<unknown>;
  close(): Promise<void>;
}

const walletOf = ({ privateKey }: HDNodeWallet): Wallet => new Wallet(privateKey);

const appsOf = (classic: ClassicWorld, people: { readonly owner: Wallet; readonly providers: readonly Wallet[] }) => {
  const deps: ClassicWorld['deps'] = {
    ...classic.deps,
    environments: computeEnvironments.parse([{ id: 'small', free: {}, maxJobDuration: 1_200 }]),
    authorizedDecrypters: [people.owner.address],
  };
  const providers = people.providers.map(({ address }) => address.toLowerCase());
  const settings = { providers, admins: [admin.toLowerCase()], takesOlderSignatures: false };
  const ledger = { ...classic.opened.ledger, watchJob: () => () => undefined };
  return { node: createApp(deps), classic: createClassicApp(deps), operator: createOperatorApp({ ...deps, ledger, settings }) };
};

const publishOrders = async ({ world }: ClassicWorld): Promise<AuthorizationScene['orders'] & { readonly nftAddress: string }> => {
  const { chain, ocean } = world;
  const payer = chain.accounts.consumer;
  const files = [{ type: 'url', url: world.files.serve(`${canary} file`), method: 'GET' }];
  const compute = { allowRawAlgorithm: true, publisherTrustedAlgorithms: ['*'] };
  const accessAsset = await world.publish({ type: 'dataset', services: [{ type: 'access', timeout: 0, files }] });
  const computeAsset = await world.publish({ type: 'dataset', services: [{ type: 'compute', timeout: 0, compute, files }] });
  const referenceOf = ({ did, serviceIds }: typeof accessAsset) => ({ documentId: did, serviceId: serviceIds[0]! });
  const consumerAddress = payer.address;
  const accessQuote = await ocean.quoteAccess({ reference: referenceOf(accessAsset), consumerAddress, fileIndex: 0 });
  await mintDatatokens(chain.accounts.publisher, { datatokenAddress: accessQuote.datatoken, to: payer.address });
  const { datatoken: datatokenAddress, providerFee } = accessQuote;
  const accessTx = await startOrder(payer, { datatokenAddress, consumer: consumerAddress, serviceIndex: 0, providerFee });
  const environment = computeEnvironments.parse([{ id: 'small', free: {}, maxJobDuration: 1_200 }])[0]!;
  const spec = aSpec({ consumerAddress, surface: 'node', maxJobDuration: 600 });
  const quote = await ocean.quote(
    {
      ...{ surface: 'node', payment: null, queueMaxWaitTime: 0, validUntil: null, maxJobDuration: 600, consumerAddress },
      datasets: [{ ...spec.datasets[0]!, ...referenceOf(computeAsset), transferTxId: null }],
      algorithm: { ...spec.algorithm, documentId: null, serviceId: null, transferTxId: null, raw: rawOf() },
    },
    environment,
  );
  const orderCompute = async (): Promise<Order> => ({
    ...referenceOf(computeAsset),
    transferTxId: await payFor(world, quote.datasets[0]),
  });
  return {
    nftAddress: accessAsset.nftAddress,
    access: { ...referenceOf(accessAsset), transferTxId: accessTx },
    ...{ node: await orderCompute(), v1: await orderCompute(), classic: await orderCompute() },
  };
};

const container = { entrypoint: 'node $ALGO', image: 'node', tag: '24', checksum: '' };
const rawOf = () => ({ rawcode: 'console.log(1)', url: null, fileObject: null, container });

const files = [
  { filename: `${canary}.csv`, type: 'output' as const },
  { filename: 'algorithm.log', type: 'algorithmLog' as const },
];

/** A job of the owner's that runs, or has ended with results. */
const aJob = async (
  { opened, files: stored }: ClassicWorld,
  { owner, provider, isEnded }: { readonly owner: Wallet; readonly provider: Wallet | null; readonly isEnded: boolean },
): Promise<string> => {
  const { ledger } = opened;
  const surface = provider === null ? 'node' : 'operator';
  const spec = aSpec({ consumerAddress: owner.address, surface, metadata: { text: canary } });
  const { jobId } = spec;
  const agreementId = aTransaction();
  if (provider === null) await ledger.reserveJob({ spec, nonce: null });
  else await ledger.reserveProviderJob({ spec, providerAddress: provider.address, agreementId, algorithmDid: '' });
  await ledger.acceptJob(jobId, anAdmission(spec, { agreementId }));
  await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
  await ledger.recordProgress({ jobId, podAttempt: 1, status: status.running, reason: canary, algorithmStartedAtMs: Date.now() });
  const log = Buffer.from(`${canary} log\n`);
  await ledger.appendLog({ jobId, podAttempt: 1, offset: 0, bytes: log });
  if (!isEnded) return jobId;
  files.forEach((_file, index) => stored.set(`${jobId}/1/${index}`, log));
  const results = files.map((file, index) => ({ ...file, index, filesize: log.length, n: index, sha256: 'a'.repeat(64) }));
  await ledger.recordResults({ jobId, podAttempt: 1, results });
  const end = { status: 70, reason: canary, exitCode: 0, oomKilled: false };
  await ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason: canary, end });
  return jobId;
};

/** Tokens as the service makes them; the expired one is as if it had been made yesterday. */
const makeTokens = async ({ deps, opened }: ClassicWorld, owner: Wallet, stranger: Wallet): Promise<AuthorizationScene['tokens']> => {
  const day = 86_400_000;
  const yesterday = createTokens({
    ...{ jwts: createJwts(opened.keyring), ledger: opened.ledger, longestSeconds: 3_600, now: () => Date.now() - day },
  });
  const issue = (tokens: typeof yesterday, { address }: Wallet): string => tokens.issue({ address, nonce: '1', validUntilMs: null });
  const invalidated = issue(deps.tokens, owner);
  await deps.tokens.invalidate(invalidated, owner.address);
  return {
    ...{ owners: issue(deps.tokens, owner), spare: issue(deps.tokens, owner), strangers: issue(deps.tokens, stranger) },
    ...{ expired: issue(yesterday, owner), invalidated },
  };
};

/** Starts everything; one scene a test file. */
export const startAuthorizationScene = async (): Promise<AuthorizationScene> => {
  const classic = await startClassicWorld();
  const { world, opened, deps, stopped } = classic;
  const [owner, stranger] = [walletOf(world.chain.accounts.consumer), walletOf(world.chain.accounts.otherConsumer)];
  const [provider, otherProvider] = [1, 2].map(() => new Wallet(Wallet.createRandom().privateKey)) as [Wallet, Wallet];
  const apps = appsOf(classic, { owner, providers: [provider, otherProvider] });
  const listeners = await Promise.all([apps.node, apps.classic, apps.operator].map((app) => listen(app, { host: '127.0.0.1', port: 0 })));
  const [node, classicListener, operator] = listeners as [Listener, Listener, Listener];
  const jobOf = (by: Wallet | null, isEnded: boolean): Promise<string> => aJob(classic, { owner, provider: by, isEnded });
  const { nftAddress, ...orders } = await publishOrders(classic);
  const document = Buffer.from(`${canary} document`);
  const tokens = await makeTokens(classic, owner, stranger);
  let lastNonce = Date.now();
  return {
    urls: { node: node.url, v1: node.url, classic: classicListener.url, operator: operator.url },
    ...{ owner, stranger, provider, otherProvider, orders, tokens },
    jobs: {
      ...{ running: await jobOf(null, false), ended: await jobOf(null, true), disposable: await jobOf(null, true) },
      ...{ providerRunning: await jobOf(provider, false), providerEnded: await jobOf(provider, true) },
    },
    document: {
      dataNftAddress: nftAddress,
      encryptedDocument: encryptTo(world.ocean.nodePublicKey, document),
      ...{ flags: 2, documentHash: sha256Hex(document) },
    },
    nextNonce: () => String((lastNonce += 1)),
    look: async () => ({
      jobs: (await opened.connection.pool.query('select job_id, stop_requested, status, expires_at from jobs where owner = $1 order by job_id', [owner.address.toLowerCase()])).rows,
      nonces: [await opened.ledger.nonceOf(owner.address), await opened.ledger.nonceOf(provider.address)],
      tokens: await Promise.all([tokens.owners, tokens.spare].map(async (token) => (await deps.tokens.examine(token)).kind)),
      stopped: [...stopped],
    }),
    close: async () => {
      await Promise.all(listeners.map((listener) => listener.close()));
      await classic.close();
    },
  }; // prettier-ignore
};
