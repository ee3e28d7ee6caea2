/** Numbers for operators: requests by route, and what the ledger says is running and waiting. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { JobLedger, RequestMetrics } from './ports.ts';

const labelNames = ['route', 'method', 'status'] as const;

const buckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60];

/** Adds the jobs of each environment to `registry`; they are counted when they are asked for. */
const addJobGauge = (registry: Registry, ledger: Pick<JobLedger, 'environmentLoads'>): void => {
  new Gauge({
    name: 'c2d_jobs',
    help: 'Accepted, unfinished jobs by environment',
    labelNames: ['environment', 'free', 'state'],
    registers: [registry],
    async collect() {
      const counts = await ledger.environmentLoads();
      this.reset();
      for (const count of counts) {
        const labels = { environment: count.environmentId, free: String(count.isFree) };
        this.set({ ...labels, state: 'running' }, count.running);
        this.set({ ...labels, state: 'queued' }, count.queued);
      }
    },
  });
};

/** Adds the metrics of the API to `registry`, once per registry. */
export const createMetrics = (registry: Registry, ledger: Pick<JobLedger, 'environmentLoads'>): RequestMetrics => {
  const requests = new Counter({ name: 'c2d_api_requests_total', help: 'Requests by route and status', labelNames, registers: [registry] });
  const seconds = new Histogram({
    name: 'c2d_api_request_seconds',
    help: 'Duration of requests until the answer was sent',
    labelNames: ['route'],
    buckets,
    registers: [registry],
  });
  addJobGauge(registry, ledger);
  return {
    measure: (route) =>
      function measure(req, res, next) {
        const stop = seconds.startTimer({ route });
        res.once('close', () => {
          stop();
          requests.inc({ route, method: req.method, status: String(res.statusCode) });
        });
        next();
      },
  };
};
