/** Health endpoints, the same in every process: `/health/live` and `/health/ready`. */

import express, { type Router } from 'express';

/** One dependency of a process: resolves when usable, rejects with a reason for operators. */
export type HealthCheck = () => Promise<void>;

interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly milliseconds: number;
  readonly reason?: string;
}

const runCheck = async (name: string, check: HealthCheck, patienceMs: number): Promise<CheckResult> => {
  const startedAt = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startedAt);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${patienceMs} ms`)), patienceMs);
  });
  try {
    await Promise.race([check(), late]);
    return { name, ok: true, milliseconds: elapsed() };
  } catch (err) {
    return { name, ok: false, milliseconds: elapsed(), reason: err instanceof Error ? err.message : String(err) };
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Routes `GET /health/live` (200 while the process serves) and `GET /health/ready` (200, or 503 with the
 * dependency that is missing). Reasons are for operators: mount this only where consumers may read them.
 * @param checks name of each dependency and how to look at it
 */
export const healthRoutes = (checks: Readonly<Record<string, HealthCheck>>, { patienceMs = 2_000 } = {}): Router => {
  const router = express.Router();
  router.get('/health/live', (_req, res) => {
    res.json({ status: 'live' });
  });
  router.get('/health/ready', async (_req, res) => {
    const dependencies = await Promise.all(Object.entries(checks).map(([name, check]) => runCheck(name, check, patienceMs)));
    const ready = dependencies.every((dependency) => dependency.ok);
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not ready', dependencies });
  });
  return router;
};
