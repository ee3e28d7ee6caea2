/** `GET /api/v1/environments`: what can be computed on, and how busy it is. */

import type { RequestHandler } from 'express';
import { longestStorageOf } from '../../infra/environments/environments.ts';
import { renderEnvironment } from '../node/environmentView.ts';
import type { ApiDeps, ComputeEnvironment } from '../ports.ts';
import type { Route } from '../route.ts';
import { environmentList, type EnvironmentView } from './environmentSchemas.ts';

type Rendered = ReturnType<typeof renderEnvironment>;

const renderResources = (resources: Rendered['resources']): EnvironmentView['paid']['resources'] =>
  resources.map(({ id, type, description, min, max, total, inUse }) => ({
    id,
    type,
    description: description ?? null,
    min,
    max,
    total,
    inUse,
  }));

const renderPrices = (fees: Rendered['fees']): EnvironmentView['prices'] =>
  Object.entries(fees).flatMap(([chainId, offers]) =>
    offers.map(({ feeToken, prices }) => ({
      chainId: Number(chainId),
      token: feeToken,
      perMinute: prices.map(({ id, price }) => ({ resource: id, price })),
    })),
  );

/** The same facts as on every other surface, in plainer words. */
export const renderOffer = (environment: ComputeEnvironment, seen: Rendered): EnvironmentView => ({
  id: seen.id,
  description: seen.description,
  architecture: seen.platform.architecture,
  os: seen.platform.os,
  minJobDuration: seen.minJobDuration,
  maxQueueTime: environment.maxQueueTime,
  storageSeconds: seen.storageExpiry,
  maxStorageSeconds: longestStorageOf(environment),
  consumerAddress: seen.consumerAddress,
  paid: {
    maxJobDuration: seen.maxJobDuration,
    maxJobs: seen.maxJobs,
    runningJobs: seen.runningJobs,
    queuedJobs: seen.queuedJobs,
    resources: renderResources(seen.resources),
  },
  free:
    seen.free === undefined
      ? null
      : {
          maxJobDuration: seen.free.maxJobDuration,
          maxJobs: seen.free.maxJobs,
          runningJobs: seen.runningfreeJobs,
          queuedJobs: seen.queuedFreeJobs,
          resources: renderResources(seen.free.resources),
        },
  prices: renderPrices(seen.fees),
});

type Deps = Pick<ApiDeps, 'ledger' | 'environments' | 'withdrawals' | 'chains' | 'assets'>;

/** Without what is withdrawn for now. */
export const readEnvironments = ({ ledger, environments, withdrawals, chains, assets }: Deps): RequestHandler =>
  async function readEnvironments(_req, res) {
    const [loads, withdrawn] = await Promise.all([ledger.environmentLoads(), withdrawals()]);
    const offered = environments.filter(({ id }) => !withdrawn.has(id));
    const render = (environment: ComputeEnvironment) =>
      renderOffer(environment, renderEnvironment({ environment, loads, chains, consumerAddress: assets.providerAddress }));
    res.set('Cache-Control', 'no-store').json({ environments: offered.map(render) });
  };

export const readEnvironmentsRoute: Route = {
  method: 'get',
  path: '/api/v1/environments',
  id: 'readEnvironments',
  summary: 'Compute environments: resources, limits, load and prices',
  answers: { 200: { description: 'All that are offered now', contentType: 'application/json', schema: environmentList } },
  refusals: [503],
  handle: (deps) => [readEnvironments(deps)],
};
