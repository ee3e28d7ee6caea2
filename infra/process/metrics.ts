/** `GET /metrics` for Prometheus, the same in every process. */

import express, { type Router } from 'express';
import { Registry, collectDefaultMetrics } from 'prom-client';

/** @param registry the process's own metrics; memory, event loop and the like are added */
export const metricsRoute = (registry = new Registry()): Router => {
  collectDefaultMetrics({ register: registry });
  const router = express.Router();
  router.get('/metrics', async (_req, res) => {
    res.type(registry.contentType).send(await registry.metrics());
  });
  return router;
};
