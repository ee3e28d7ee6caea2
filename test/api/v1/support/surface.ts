/** The REST surface of a real server with a real ledger, and a consumer who calls it and judges every answer. */

import type { Wallet } from 'ethers';
import { createApp } from '../../../../api/app.ts';
import type { JobStarter, StartVerdict } from '../../../../api/ports.ts';
import type { ApiDeps } from '../../../../api/ports.ts';
import { createTokens } from '../../../../api/tokens.ts';
import { v1Routes } from '../../../../api/v1/routes.ts';
import { problem as problemSchema, type Problem } from '../../../../api/v1/schemas.ts';
import { createJwts } from '../../../../infra/crypto/jwt.ts';
import { listenForChanges } from '../../../../infra/ledger/changes.ts';
import type { Ledger, ResultEntry } from '../../../../infra/ledger/ledger.ts';
import { createManifests } from '../../../../infra/manifest/manifests.ts';
import { listen } from '../../../../infra/process/listen.ts';
import { JobFailure } from '../../../../workflows/contract/failures.ts';
import type { OutputTarget } from '../../../../workflows/contract/output.ts';
import type { JobSpec } from '../../../../workflows/contract/spec.ts';
import { anAdmission } from '../../../support/builders.ts';
import { openTestLedger } from '../../../support/databases.ts';
import { aWallet, sign } from '../../support/consumer.ts';
import { aWorld } from '../../support/fakes.ts';

/** Judges jobs as told, and writes the verdict where the workflow would. */
export class LedgerJobs implements JobStarter {
  verdict: StartVerdict = { kind: 'accepted' };
  /** told that the service is away for so many calls */
  outages = 0;
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  readonly specs = new Map<string, JobSpec>();
  private readonly ledger: Ledger;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  async start({ spec }: { readonly spec: JobSpec }): Promise<StartVerdict> {
    if (this.outages > 0) {
      this.outages -= 1;
      throw new JobFailure('ServiceUnavailable', 'the workflow server is away', { retryAfterSeconds: 1 });
    }
    this.started.push(spec.jobId);
    this.specs.set(spec.jobId, spec);
    const { verdict } = this;
    if (verdict.kind === 'accepted')
      await this.ledger.acceptJob(spec.jobId, anAdmission({ ...spec, datasets: [], algorithm: { ...spec.algorithm, documentId: null } }));
    if (verdict.kind === 'refused') await this.ledger.refuseJob(spec.jobId, { type: verdict.type, reason: verdict.message });
    return verdict;
  }

  async stop(jobId: string): Promise<void> {
    this.stopped.push(jobId);
  }
}

/** Signs the manifests. */
export const manifestKey = `0x${'5a'.repeat(32)}`;

/** Opens the surface. Close it in `afterAll`. */
export const openSurface = async (over: Partial<ApiDeps> = {}) => {
  const { ledger, url: databaseUrl, keyring, close } = await openTestLedger();
  const changes = listenForChanges(databaseUrl, () => undefined);
  const jobs = new LedgerJobs(ledger);
  const reasons: JobFailure[] = [];
  const withdrawn = new Map<string, string>();
  const targets: { readonly probed: OutputTarget[]; failure?: JobFailure } = { probed: [] };
  const world = aWorld(over);
  const { deps, files, ending } = world;
  const app = createApp({
    ...deps,
    ledger: { ...ledger, watchJob: (jobId, onChange) => changes.watch(jobId, onChange) },
    jobs,
    manifests: createManifests({ ledger, privateKey: manifestKey, version: deps.version }),
    tokens: createTokens({ jwts: createJwts(keyring), ledger, longestSeconds: 3_600 }),
    assets: { ...deps.assets, examine: async () => reasons },
    withdrawals: async () => withdrawn,
    outputTargets: {
      async probe(target) {
        targets.probed.push(target);
        if (targets.failure !== undefined) throw targets.failure;
      },
    },
  });
  const listener = await listen(app, { host: '127.0.0.1', port: 0 }, { onDrain: () => ending.abort() });
  return {
    ...{ url: listener.url, app, ledger, jobs, files, reasons, withdrawn, targets, keyring },
    /** Moves an accepted job forward, as its pod would. */
    async progress(jobId: string, status: number, over: { reason?: string; progress?: unknown } = {}): Promise<void> {
      await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
      await ledger.recordProgress({ jobId, podAttempt: 1, status, reason: over.reason ?? '', ...over });
    },
    /** Publishes files and ends the job. */
    async finish(jobId: string, contents: Readonly<Record<string, string>>, status = 70): Promise<void> {
      await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
      // a manifest waits for what a node may be about to tell
      await ledger.recordImage({ jobId, podAttempt: 1, image: `sha256:${'1a'.repeat(32)}` });
      const entries = Object.entries(contents);
      const results = await Promise.all(
        entries.map(async ([filename, text], index): Promise<ResultEntry> => {
          files.set(`${jobId}/1/${index}`, Buffer.from(text));
          const digest = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('hex');
          const type = filename === 'algorithm.log' ? 'algorithmLog' : 'output';
          return { index, filename, filesize: Buffer.byteLength(text), type, n: index, sha256: digest };
        }),
      );
      await ledger.recordResults({ jobId, podAttempt: 1, results });
      const exitCode = status === 70 ? 0 : 3;
      const reason = `the algorithm ended with exit code ${exitCode}`;
      await ledger.recordJob({ jobId, podAttempt: 1, status, reason, end: { status, reason, exitCode, oomKilled: false } });
    },
    async close(): Promise<void> {
      await listener.close();
      await changes.close();
      await close();
    },
  };
};

export type Surface = Awaited<ReturnType<typeof openSurface>>;

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** of a JSON answer */
  readonly body: unknown;
}

const routeOf = (method: string, path: string) =>
  v1Routes.find((route) => route.method === method.toLowerCase() && new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path));

/** Fails unless the description allows this answer of this call. */
export const judge = (method: string, path: string, { status, headers, text, body }: Answer): void => {
  const route = routeOf(method, path);
  if (route === undefined) throw new Error(`${method} ${path} is no route`);
  const type = headers.get('content-type')?.split(';')[0];
  const described = route.answers[status];
  if (described === undefined) {
    expect([...route.refusals, 429, 500, 503]).toContain(status);
    expect(type).toBe('application/problem+json');
    expect(problemSchema.parse(body).status).toBe(status);
    return;
  }
  if (/json$/.test(described.contentType)) {
    expect(type).toBe(described.contentType);
    described.schema.parse(body);
  } else described.schema.parse(text);
};

/** One request; `token` false sends none. */
export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly token?: string | false;
}

/** A consumer with a token. */
export interface Caller {
  readonly wallet: Wallet;
  readonly token: string;
  fetch(path: string, ask?: Ask): Promise<Response>;
  /** Sends, reads the whole answer and judges it. */
  call(path: string, ask?: Ask): Promise<Answer>;
}

const read = async (response: Response): Promise<Answer> => {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as unknown) : undefined };
};

/** Gets a token by signing, as everybody does. */
export const obtainToken = async (url: string, wallet: Wallet): Promise<string> => {
  const { nonce } = (await (await fetch(`${url}/api/services/nonce?userAddress=${wallet.address}`)).json()) as { nonce: string };
  const next = String(Number(nonce) + 1);
  const body = JSON.stringify({ address: wallet.address, nonce: next, signature: sign(wallet, next, 'createAuthToken') });
  const response = await fetch(`${url}/api/services/auth/token`, { method: 'POST', body });
  return ((await response.json()) as { token: string }).token;
};

export const openCaller = async ({ url }: Pick<Surface, 'url'>, wallet = aWallet()): Promise<Caller> => {
  const token = await obtainToken(url, wallet);
  const send: Caller['fetch'] = (path, { method = 'GET', headers = {}, body, token: other = token } = {}) =>
    fetch(`${url}${path}`, {
      method,
      headers: { ...(other !== false && { authorization: `Bearer ${other}` }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return {
    wallet,
    token,
    fetch: send,
    async call(path, ask) {
      const answer = await read(await send(path, ask));
      judge(ask?.method ?? 'GET', path.split('?')[0] ?? '', answer);
      return answer;
    },
  };
};

/** The problem in an answer. */
export const problemIn = ({ body }: Answer): Problem => problemSchema.parse(body);

/** A free job with code of one's own. */
export const aRequest = (over: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  environment: 'small',
  free: true,
  algorithm: { meta: { rawcode: 'console.log(1)', container: { image: 'node', tag: '24', entrypoint: 'node $ALGO' } } },
  queueMaxWaitTime: 60,
  ...over,
});

/** Starts a job. @returns its id */
export const startOne = async (caller: Caller, over: Readonly<Record<string, unknown>> = {}): Promise<string> => {
  const { status, body } = await caller.call('/api/v1/jobs', { method: 'POST', body: aRequest(over) });
  expect(status).toBe(201);
  return (body as { id: string }).id;
};
