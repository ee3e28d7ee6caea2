/** Who speaks: the pod of a bearer token, while the ledger names its attempt as the current one. */

import type { Request, RequestHandler, Response } from 'express';
import type { PodRef } from '../../workflows/contract/job.ts';
import { FailedTokens, type FailedTokenLimits } from './failedTokens.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { GatewayLedger, TokenReader } from './ports.ts';
import { Refusal, jobOver, unauthorized } from './problems.ts';

export interface AuthenticationDeps {
  readonly tokens: TokenReader;
  readonly ledger: Pick<GatewayLedger, 'currentPodAttempt'>;
  readonly metrics: GatewayMetrics;
  readonly failedTokens?: FailedTokenLimits;
}

/** A route's work, after the pod is known. */
export type PodHandler = (pod: PodRef, req: Request, res: Response) => Promise<void>;

const bearer = /^Bearer ([A-Za-z0-9._-]{1,200})$/i;

/**
 * Makes route handlers that run only for the current pod attempt of an unfinished job: 401 for a wrong or outdated
 * token, 410 once the job is over. Wrong tokens are limited per remote address; right ones never are, because an
 * algorithm shares its pod's address with the agent and must not be able to lock it out.
 */
export const forPods = ({ tokens, ledger, metrics, failedTokens }: AuthenticationDeps) => {
  const failures = new FailedTokens(failedTokens);
  const podOf = (req: Request): PodRef => {
    const [, token] = bearer.exec(req.headers.authorization ?? '') ?? [];
    const pod = token === undefined ? null : tokens.read(token);
    if (pod !== null) return pod;
    metrics.badTokens.inc();
    const wait = failures.count(req.socket.remoteAddress ?? 'local');
    if (wait === 0) throw unauthorized();
    throw new Refusal(429, 'AccessDenied', 'too many requests without a valid token', { retryAfterSeconds: wait });
  };
  return (handle: PodHandler, parseBody?: RequestHandler): RequestHandler =>
    async function handleForPod(req, res) {
      const pod = podOf(req);
      const current = await ledger.currentPodAttempt(pod.jobId);
      if (current === null) throw jobOver();
      if (current !== pod.podAttempt) throw unauthorized();
      // only after the token was checked: a stranger's body is never read
      if (parseBody !== undefined) await runParser(parseBody, req, res);
      await handle(pod, req, res);
    };
};

const runParser = (parseBody: RequestHandler, req: Request, res: Response): Promise<void> => {
  const parsed = Promise.withResolvers<void>();
  void parseBody(req, res, (err?: unknown) => (err === undefined ? parsed.resolve() : parsed.reject(err)));
  return parsed.promise;
};
