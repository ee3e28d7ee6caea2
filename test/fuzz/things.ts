/** What the fuzzer is offered: assets that are ordered, jobs that ran or wait, tokens, and whole requests that are good. */

import { ask, inSeconds, publishAssets, type Assets, type OrderedService } from './assets.ts';
import { bodiesOf } from './bodies.ts';
import { endJob, runJob } from './jobs.ts';
import type { Offers } from './offers.ts';
import { adminKey, type Service, type SurfaceName } from './service.ts';
import { openSignature } from './signing.ts';

/** What one API offers, and the headers of somebody whom it knows. */
export interface Things {
  readonly offers: Offers;
  readonly headers: Readonly<Record<string, string>>;
}

type Each<Value> = Readonly<Record<SurfaceName, Value>>;
type Bodies = ReturnType<typeof bodiesOf>;

const startPaths: Each<string> = {
  node: '/api/services/freeCompute',
  v1: '/api/v1/jobs',
  classic: '/api/services/compute',
  operator: '/api/v1/operator/compute',
};

/** Starts a job as its API takes it. @returns its id, as the API names it */
const startJob = async ({ surfaces }: Service, name: SurfaceName, body: object, headers: Things['headers']): Promise<string> => {
  const url = `${surfaces[name].front.url}${startPaths[name]}`;
  const answer = await ask<{ id: string } | [{ jobId: string }]>(url, 'POST', body, headers);
  return Array.isArray(answer) ? answer[0].jobId : answer.id;
};

/** An ended job and one that waits. Of classic jobs only one at a time can have the order: the second waits for the first's end. */
const startPair = async (service: Service, name: SurfaceName, bodies: readonly [object, object], headers: Things['headers']) => {
  const ended = await startJob(service, name, bodies[0], headers);
  // node-style ids begin with a hash of the engine
  await endJob(service.classic, ended.slice(ended.lastIndexOf('-') + 1));
  return [ended, await startJob(service, name, bodies[1], headers)];
};

const startJobs = async (service: Service, bodies: Bodies, headers: Each<Things['headers']>): Promise<Each<readonly string[]>> => {
  const [node] = bodies.node['POST /api/services/freeCompute'];
  const [v1] = bodies.v1['POST /api/v1/jobs'];
  const [classic] = bodies.classic['POST /api/services/compute'];
  const [operator, other] = bodies.operator['POST /api/v1/operator/compute'];
  return {
    node: await startPair(service, 'node', [node!, node!], headers.node),
    v1: await startPair(service, 'v1', [v1!, v1!], headers.v1),
    classic: await startPair(service, 'classic', [classic!, classic!], headers.classic),
    operator: await startPair(service, 'operator', [operator!, other!], headers.operator),
  };
};

const logReaders = 8;

/** Jobs whose algorithm is running: their log is live until somebody follows it. */
const startLogs = async (service: Service, bodies: Bodies, headers: Things['headers']): Promise<readonly string[]> => {
  const [body] = bodies.node['POST /api/services/freeCompute'];
  const jobIds: string[] = [];
  for (let count = 0; count < logReaders; count += 1) {
    const jobId = await startJob(service, 'node', body!, headers);
    await runJob(service.classic, jobId.slice(jobId.lastIndexOf('-') + 1));
    jobIds.push(jobId);
  }
  return jobIds;
};

interface Known {
  readonly logs: readonly string[];
  readonly addresses: readonly string[];
  readonly assets: Assets;
  readonly jobIds: readonly string[];
  readonly token: string;
}

const servicesOf = ({ dataset, algorithm, file }: Assets): readonly OrderedService[] => [dataset, algorithm, file];

const each = (names: readonly string[], values: readonly unknown[]): Offers['values'] =>
  Object.fromEntries(names.map((name) => [name, values]));

const valuesOf = ({ addresses, assets, jobIds, token }: Known): Offers['values'] => ({
  ...each(['consumerAddress', 'userAddress', 'owner', 'address', 'decrypterAddress'], addresses),
  ...each(['signature', 'providerSignature'], [openSignature]),
  ...each(
    ['documentId', 'did'],
    servicesOf(assets).map(({ documentId }) => documentId),
  ),
  ...each(
    ['serviceId'],
    servicesOf(assets).map(({ serviceId }) => serviceId),
  ),
  ...each(
    ['transferTxId', 'txId'],
    servicesOf(assets).map(({ transferTxId }) => transferTxId),
  ),
  ...each(['index', 'fileIndex'], ['0', '1', '7']),
  ...each(['jobId', 'id'], jobIds),
  ...each(['environment', 'env'], ['small', 'paid', 'private', 'withdrawn']),
  ...each(['expiration', 'validUntil'], [String(inSeconds(3_000))]),
  chainId: ['8996'],
  nonce: ['1'],
  dataNftAddress: [assets.nftAddress],
  token: [token],
  component: ['algorithm', 'publish', 'configure'],
  Admin: [adminKey],
  Range: ['bytes=0-1', 'bytes=2-', 'bytes=99-'],
});

/** Calls with many parameters that have to fit. */
const onlyOf = ({ addresses, assets, jobIds, logs }: Known): NonNullable<Offers['only']> => {
  const { documentId, serviceId, transferTxId } = assets.file;
  const file = { documentId: [documentId], serviceId: [serviceId] };
  return {
    'GET /api/services/computeResult': { jobId: jobIds, index: ['0', '1', '7'] },
    'GET /api/services/computeStreamableLogs': { jobId: logs, signature: [openSignature], consumerAddress: addresses, nonce: ['1', '2'] },
    'GET /api/services/initialize': { ...file, consumerAddress: addresses },
    'GET /api/services/download': { ...file, transferTxId: [transferTxId], consumerAddress: addresses },
    'GET /api/v1/operator/getResult': { jobId: jobIds, index: ['0', '1', '7'] },
  };
};

/** Prepares everything that the fuzzer may ask for, through the APIs themselves. */
export const prepareThings = async (service: Service): Promise<Each<Things>> => {
  const { classic, surfaces } = service;
  const { consumer, otherConsumer } = classic.world.chain.accounts;
  const assets = await publishAssets(service);
  const bodies = bodiesOf(service, assets);
  const makeToken = async (): Promise<string> => {
    const [request] = bodies.node['POST /api/services/auth/token'];
    return (await ask<{ token: string }>(`${surfaces.node.front.url}/api/services/auth/token`, 'POST', request)).token;
  };
  const headers = { node: {}, v1: { authorization: `Bearer ${await makeToken()}` }, classic: {}, operator: {} };
  const jobs = await startJobs(service, bodies, headers);
  const logs = await startLogs(service, bodies, headers.node);
  const token = await makeToken();
  const thingsOf = (name: SurfaceName): Things => {
    const known = { addresses: [consumer.address, otherConsumer.address], assets, jobIds: jobs[name], logs, token };
    return { headers: headers[name], offers: { values: valuesOf(known), only: onlyOf(known), bodies: bodies[name] } };
  };
  return { node: thingsOf('node'), v1: thingsOf('v1'), classic: thingsOf('classic'), operator: thingsOf('operator') };
};
