/** `GET /api/services/computeEnvironments`: what is offered, by chain. Classic Provider API §5. */

import { ZeroAddress } from 'ethers';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { classicPriceOf, classicResources } from '../../infra/environments/classicOffer.ts';
import { toNumber } from '../../infra/environments/decimal.ts';
import type { ComputeEnvironment, EnvironmentLoad, OfferedChain } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { classicEnvironments, type ClassicEnvironment } from './schemas.ts';

interface View {
  readonly loads: readonly EnvironmentLoad[];
  readonly chain: OfferedChain;
  readonly consumerAddress: string;
  readonly nowSeconds: number;
}

/** Devices that every job of the environment is given. */
const renderDevices = ({ devices }: ComputeEnvironment): Pick<ClassicEnvironment, 'gpuNumber' | 'gpuType'> => {
  const given = devices.filter(({ min }) => min > 0);
  return {
    gpuNumber: given.reduce((sum, { min }) => sum + min, 0),
    gpuType: given.map(({ description, id }) => description || id).join(', '),
  };
};

/** One environment on one chain; null where it takes no orders of that chain. */
const renderEnvironment = (environment: ComputeEnvironment, view: View): ClassicEnvironment | null => {
  const price = classicPriceOf(environment, view.chain.chainId, view.chain.feeToken);
  if (price === null) return null;
  const { cpu = 0, ram = 0, disk = 0 } = classicResources(environment);
  const load = view.loads.find((one) => one.environmentId === environment.id && !one.isFree);
  return {
    ...{ id: environment.id, cpuNumber: cpu, cpuType: environment.platform.architecture, ...renderDevices(environment) },
    ...{ ramGB: ram, diskGB: disk, priceMin: toNumber(price.perMinute), desc: environment.description },
    currentJobs: (load?.running ?? 0) + (load?.queued ?? 0),
    maxJobs: environment.maxJobs,
    consumerAddress: view.consumerAddress,
    storageExpiry: environment.storageExpiry,
    maxJobDuration: environment.maxJobDuration,
    lastSeen: String(view.nowSeconds),
    feeToken: price.feeToken ?? ZeroAddress,
  };
};

const outage = (chains: readonly OfferedChain[]): Refusal =>
  new Refusal(503, `Compute envs could not be retrieved for chainId ${chains[0]?.chainId ?? 0}, check configuration.`, {
    'Retry-After': '5',
  });

/** Environments that are withdrawn for now are left out. */
export const listClassicEnvironments = (deps: ClassicDeps): RequestHandler =>
  async function listClassicEnvironments(_req, res) {
    const { ledger, environments, withdrawals, chains, assets, logger } = deps;
    const [loads, withdrawn] = await Promise.all([ledger.environmentLoads(), withdrawals()]).catch((err: unknown) => {
      logger.error({ err }, 'the load of the environments is not known');
      throw outage(chains);
    });
    const offered = environments.filter(({ id }) => !withdrawn.has(id));
    const nowSeconds = Date.now() / 1_000;
    const view = { loads, consumerAddress: assets.providerAddress, nowSeconds };
    const listed = (chain: OfferedChain): readonly ClassicEnvironment[] =>
      offered.map((environment) => renderEnvironment(environment, { ...view, chain })).filter((one) => one !== null);
    res.set('Cache-Control', 'no-store').json(Object.fromEntries(chains.map((chain) => [String(chain.chainId), listed(chain)])));
  };

export const classicEnvironmentsRoute: ClassicRoute = {
  method: 'get',
  path: '/api/services/computeEnvironments',
  id: 'computeEnvironments',
  summary: 'Compute environments by chain',
  query: z.object({ chainId: z.string().optional() }),
  answers: { 200: { description: 'All environments', contentType: 'application/json', schema: classicEnvironments } },
  refusals: [503],
  handle: (deps) => [listClassicEnvironments(deps)],
};
