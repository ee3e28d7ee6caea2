/** Numbers for operators: requests by route, and what the ledger says is running and waiting. */

import type { RequestHandler } from 'express';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { ApiDeps } from './ports.ts';

/** Measures requests and renders all metrics. */
export interface ApiMetrics {
  /** counts a route's requests and their seconds; the label is the route's name, never a path of a client */
  measure(route: string): RequestHandler;
  readonly render: RequestHandler;
}

const labelNames = ['route', 'method', 'status'] as const;

/** Metrics of one application, in a registry of its own. Job counts are read when they are asked for. */
export const createMetrics = ({ ledger, logger }: Pick<ApiDeps, 'ledger' | 'logger'>): ApiMetrics => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({ name: 'c2d_api_requests_total', help: 'Requests by route and status', labelNames, registers: [registry] });
  const seconds = new Histogram({
    name: 'c2d_api_request_seconds',
    help: 'Duration of requests until the answer was sent',
    labelNames: ['route'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
    registers: [registry],
  });
  new Gauge({
    name: 'c2d_jobs',
    help: 'Accepted, unfinished jobs by environment',
    labelNames: ['environment', 'free', 'state'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const count of await ledger.countJobs()) {
        const labels = { environment: count.environmentId, free: String(count.isFree) };
        this.set({ ...labels, state: 'running' }, count.running);
        this.set({ ...labels, state: 'queued' }, count.queued);
      }
    },
  });
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
    async render(_req, res) {
      try {
        res.type(registry.contentType).send(await registry.metrics());
      } catch (err) {
        logger.error({ err }, 'the metrics could not be collected');
        res.status(503).json({ error: 'The metrics cannot be collected now' });
      }
    },
  };
};
