/** `GET /environments`: what is offered. Operator-Service API §5. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { classicResources } from '../../infra/environments/classicOffer.ts';
import { dataOf, readRequestData } from '../classic/requestData.ts';
import type { ComputeEnvironment, EnvironmentLoad } from '../ports.ts';
import { readChainId } from './callData.ts';
import { priceFor } from './offer.ts';
import { base, type OperatorDeps, type OperatorRoute } from './ports.ts';
import { operatorEnvironments, type OperatorEnvironment } from './schemas.ts';

interface View {
  readonly loads: readonly EnvironmentLoad[];
  readonly consumerAddress: string;
  readonly nowSeconds: number;
}

const render = (environment: ComputeEnvironment, priceMin: number, { loads, consumerAddress, nowSeconds }: View): OperatorEnvironment => {
  const { cpu = 0, ram = 0, disk = 0 } = classicResources(environment);
  const devices = environment.devices.filter(({ min }) => min > 0);
  const load = loads.find((one) => one.environmentId === environment.id && !one.isFree);
  const { id, description: desc, maxJobs, storageExpiry, maxJobDuration } = environment;
  return {
    ...{ id, cpuNumber: cpu, cpuType: environment.platform.architecture },
    gpuNumber: devices.reduce((sum, { min }) => sum + min, 0),
    gpuType: devices.map(({ description, id: name }) => description || name).join(', '),
    ...{ ramGB: ram, diskGB: disk, priceMin, desc },
    currentJobs: (load?.running ?? 0) + (load?.queued ?? 0),
    ...{ maxJobs, consumerAddress, storageExpiry, maxJobDuration, lastSeen: String(nowSeconds) },
  };
};

/** Only those that take jobs now, and of the chain that is asked for. */
export const listOperatorEnvironments = (deps: OperatorDeps): RequestHandler =>
  async function listOperatorEnvironments(_req, res) {
    const chainId = readChainId(dataOf(res).exact);
    const [loads, withdrawn] = await Promise.all([deps.ledger.environmentLoads(), deps.withdrawals()]);
    const view = { loads, consumerAddress: deps.assets.providerAddress, nowSeconds: Date.now() / 1_000 };
    const offered = deps.environments
      .filter(({ id }) => !withdrawn.has(id))
      .flatMap((environment) => {
        const price = priceFor(environment, chainId, deps.chains);
        return price === null ? [] : [render(environment, price, view)];
      });
    res.set('Cache-Control', 'no-store').json(offered);
  };

export const operatorEnvironmentsRoute: OperatorRoute = {
  method: 'get',
  path: `${base}/environments`,
  id: 'getEnvironments',
  summary: 'Compute environments; without a chain, all of them',
  query: z.object({ chainId: z.string().optional(), chain_id: z.string().optional() }),
  answers: { 200: { description: 'Environments that take jobs', contentType: 'application/json', schema: operatorEnvironments } },
  refusals: [400, 413, 415, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), listOperatorEnvironments(deps)],
};
