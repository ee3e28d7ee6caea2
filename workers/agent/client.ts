/** The gateway as the agent uses it: one function per route. */

import type { AgentPhase } from './progress.ts';
import type { Events, Order, OutputCompletion, PhaseAttempt, PhaseReport, Plan } from '../gateway/protocol.ts';
import { readJson, type Answer, type Send } from './http.ts';
import { persist } from './patience.ts';

/** Longer than the gateway holds a long poll. */
const longPollMs = 40_000;

/** Routes of `protocol.ts`. Each throws JobOver once the job is over. */
export interface Gateway {
  /** waits for the gateway as long as it takes */
  plan(): Promise<Plan>;
  /** one try; bytes from `offset` on, status 206, or all of them, status 200 */
  openFile(n: number, offset: number, options: { readonly idleMs: number; readonly signal: AbortSignal }): Promise<Answer>;
  /** one try */
  postEvents(events: Events): Promise<Order>;
  /** repeated until the gateway takes it */
  report(report: PhaseReport): Promise<Order>;
  /** one try */
  putPart(
    part: { readonly n: number; readonly k: number; readonly sha256: string; readonly isEncrypted: boolean },
    bytes: Buffer,
  ): Promise<void>;
  /** one try; a whole file of at most one part. @throws Refused 404 from a gateway of an earlier release */
  putOutput(file: { readonly n: number; readonly sha256: string; readonly isEncrypted: boolean }, bytes: Buffer): Promise<void>;
  /** one try */
  completeOutput(n: number, file: OutputCompletion): Promise<void>;
  /** start time of the phase's first attempt that is not `after`; waits for it as long as it takes */
  nextAttempt(phase: AgentPhase, after: number): Promise<number>;
}

/** @param send a sender for the pod's gateway */
export const createGateway = (send: Send): Gateway => {
  const post = async <Body>(path: string, body: unknown): Promise<Body | undefined> =>
    readJson<Body>(
      await send({ method: 'POST', path, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) }),
    );
  const ordered = async (path: string, body: unknown): Promise<Order> => (await post<Order>(path, body)) ?? { order: 'continue' };
  const put = async (
    path: string,
    { sha256, isEncrypted }: { readonly sha256: string; readonly isEncrypted: boolean },
    body: Buffer,
  ): Promise<void> => {
    const encryption = isEncrypted ? { 'c2d-encryption': 'age' } : {};
    const headers = { 'c2d-digest': sha256, 'content-type': 'application/octet-stream', ...encryption };
    (await send({ method: 'PUT', path, headers, body })).body.resume();
  };
  return {
    plan: () =>
      persist(async () => {
        const plan = await readJson<Plan>(await send({ method: 'GET', path: '/plan' }));
        if (plan === undefined) throw new Error('the gateway sent an empty plan');
        return plan;
      }),
    openFile: (n, offset, { idleMs, signal }) =>
      send({ method: 'GET', path: `/files/${n}`, idleMs, signal, headers: offset > 0 ? { range: `bytes=${offset}-` } : {} }),
    postEvents: (events) => ordered('/events', events),
    report: (report) => persist(() => ordered('/reports', report)),
    putPart: ({ n, k, ...facts }, bytes) => put(`/outputs/${n}/parts/${k}`, facts, bytes),
    putOutput: ({ n, ...facts }, bytes) => put(`/outputs/${n}`, facts, bytes),
    async completeOutput(n, file) {
      await post(`/outputs/${n}/complete`, file);
    },
    nextAttempt: (phase, after) =>
      persist(async () => {
        for (;;) {
          const answer = await send({ method: 'GET', path: `/phases/${phase}/attempt?after=${after}`, idleMs: longPollMs });
          const attempt = await readJson<PhaseAttempt>(answer);
          if (attempt !== undefined && attempt.startedAtMs !== after) return attempt.startedAtMs;
        }
      }),
  };
};
