/** Which environments are not offered for now, and what operators see of that. */

import { Router } from 'express';
import { Gauge, type Registry } from 'prom-client';
import { withdrawalOf, type SealRecord } from '../infra/environments/standing.ts';
import type { Withdrawals } from './ports.ts';

/** What the look-up is made of. */
export interface WithdrawalsDeps {
  readonly ledger: { readSeals(): Promise<readonly SealRecord[]> };
  readonly environmentIds: readonly string[];
  /** how long a proof counts */
  readonly freshSeconds: number;
}

/** Asks the ledger each time, so that a breach counts at once in every process. */
export const createWithdrawals =
  ({ ledger, environmentIds, freshSeconds }: WithdrawalsDeps): Withdrawals =>
  async () => {
    const seals = await ledger.readSeals();
    return new Map(
      environmentIds.flatMap((id) => {
        const reason = withdrawalOf(
          seals.find(({ environmentId }) => environmentId === id),
          freshSeconds,
        );
        return reason === null ? [] : [[id, reason]];
      }),
    );
  };

/** A runtime without a network has no seal that could break. */
export const noWithdrawals: Withdrawals = async () => new Map();

/** Adds `c2d_environment_sealed` to `registry`: 1 for an environment that is offered, 0 for one that is withdrawn. */
export const addSealGauge = (registry: Registry, withdrawals: Withdrawals, environmentIds: readonly string[]): void => {
  new Gauge({
    name: 'c2d_environment_sealed',
    help: '1: a fresh self-test has proved that the environment is sealed; 0: it is not offered, GET /environments tells why',
    labelNames: ['environment'],
    registers: [registry],
    async collect() {
      const withdrawn = await withdrawals();
      for (const environment of environmentIds) this.set({ environment }, withdrawn.has(environment) ? 0 : 1);
    },
  });
};

/** `GET /environments` for operators: what is offered, and why the rest is not. Not for consumers: reasons name addresses. */
export const withdrawalRoutes = (withdrawals: Withdrawals, environmentIds: readonly string[]): Router => {
  const router = Router();
  router.get('/environments', async (_req, res) => {
    const withdrawn = await withdrawals();
    res.json(environmentIds.map((id) => ({ id, offered: !withdrawn.has(id), reason: withdrawn.get(id) ?? null })));
  });
  return router;
};
