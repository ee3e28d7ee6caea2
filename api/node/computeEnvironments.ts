/** `GET /api/services/computeEnvironments`: what is offered, and how busy it is. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { ApiDeps } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { chainsOf, renderEnvironment } from './environmentView.ts';
import { computeEnvironmentAnswer } from './schemas.ts';

/** Always an array, without what is withdrawn for now. `chainId` narrows it to environments that take orders on that chain; `node` has no meaning here. */
export const listEnvironments = ({
  ledger,
  environments,
  withdrawals,
  chains,
  assets,
}: Pick<ApiDeps, 'ledger' | 'environments' | 'withdrawals' | 'chains' | 'assets'>): RequestHandler =>
  async function listEnvironments(req, res) {
    const chainId = req.query['chainId'];
    if (chainId !== undefined && (typeof chainId !== 'string' || !/^\d{1,15}$/.test(chainId)))
      throw new Refusal(400, 'chainId is no number');
    const [loads, withdrawn] = await Promise.all([ledger.environmentLoads(), withdrawals()]);
    const offered = environments.filter(
      (environment) =>
        !withdrawn.has(environment.id) &&
        (chainId === undefined || chainsOf(environment, chains).some((chain) => chain.chainId === Number(chainId))),
    );
    res
      .set('Cache-Control', 'no-store')
      .json(offered.map((environment) => renderEnvironment({ environment, loads, chains, consumerAddress: assets.providerAddress })));
  };

export const computeEnvironmentsRoute: Route = {
  method: 'get',
  path: '/api/services/computeEnvironments',
  id: 'listEnvironments',
  summary: 'Compute environments: resources, limits, load and prices',
  query: z.object({ chainId: z.string().optional(), node: z.string().optional() }),
  answers: { 200: { description: 'All environments', contentType: 'application/json', schema: z.array(computeEnvironmentAnswer) } },
  refusals: [400],
  handle: (deps) => [listEnvironments(deps)],
};
