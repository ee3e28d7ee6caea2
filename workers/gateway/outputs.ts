/** `PUT outputs/{n}`, `PUT outputs/{n}/parts/{k}` and `POST outputs/{n}/complete`: results on their way into the store. */

import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request } from 'express';
import type { ComputeEnvironment } from '../../infra/environments/environments.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { ResolveJob } from './jobFiles.ts';
import type { GatewayMetrics } from './metrics.ts';
import { requireEnvironment } from './plan.ts';
import type { PodHandler } from './podAuthentication.ts';
import type { EnvironmentOf, UploadStore } from './ports.ts';
import { Refusal, malformed } from './problems.ts';
import { outputCompletion } from './protocol.ts';

export interface OutputsDeps {
  readonly store: UploadStore;
  readonly resolveJob: ResolveJob;
  readonly environmentOf: EnvironmentOf;
  readonly partBytes: number;
  readonly metrics: GatewayMetrics;
}

const parseNumber = (text: unknown): number => {
  if (typeof text !== 'string' || !/^\d{1,9}$/.test(text)) throw malformed('files and parts are numbered from 0');
  return Number(text);
};

const outputsTooLarge = (message: string): Refusal => new Refusal(413, 'OutputsTooLarge', message);

/** The agent counts all files together; this holds even for an agent that does not. One number more than outputs: the log. */
const checkLimits = ({ environment: { limits }, isEncrypted }: PodJob, n: number, endBytes: number): void => {
  if (n > limits.outputFiles) throw outputsTooLarge(`more than the ${limits.outputFiles} output files that this environment takes`);
  const most = Math.max(limits.outputBytes, limits.logBytes);
  if (endBytes > most + (isEncrypted ? encryptionOverhead(most) : 0))
    throw outputsTooLarge(`the outputs are larger than the ${limits.outputBytes} bytes that this environment takes`);
};

/** Sixteen bytes for every 64 KiB, and a header. */
const encryptionOverhead = (bytes: number): number => 16 * Math.ceil(bytes / 65_536) + 4_096;

interface PodJob {
  readonly environment: ComputeEnvironment;
  readonly store: string;
  readonly isRead: boolean;
  readonly isEncrypted: boolean;
}

/** An agent that does not know how to encrypt must not store what was to be encrypted. */
const requireEncryption = ({ isEncrypted }: PodJob, isDone: boolean): void => {
  if (isEncrypted && !isDone)
    throw new Refusal(409, 'StorageRefused', 'the results were to be encrypted, and the agent did not; the agent image is too old');
};

/** Where the pod runs, and whether anybody will read its results: nobody does a self-test's, and there are many of those. */
const jobOfPod = async ({ resolveJob, environmentOf }: OutputsDeps, pod: PodRef): Promise<PodJob> => {
  const { spec, store } = await resolveJob(pod.jobId);
  const environment = requireEnvironment(environmentOf, spec.environmentId);
  return { environment, store, isRead: spec.surface !== 'selfTest', isEncrypted: spec.encryption !== undefined };
};

const lengthOf = (req: Request, partBytes: number): number => {
  const text = req.headers['content-length'];
  if (text === undefined) throw new Refusal(411, 'RequestInvalid', 'a part needs its Content-Length');
  const length = Number(text);
  if (length > partBytes) throw new Refusal(413, 'RequestInvalid', `a part has at most ${partBytes} bytes`);
  return length;
};

/**
 * The body as a stream of its own: a store that gives up destroys what it reads, and must not take the connection, on
 * which it still has to be answered, along.
 */
const bodyOf = (req: Request): Readable => Readable.from(req.iterator({ destroyOnReturn: false }), { objectMode: false });

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

const digestIn = ({ headers: { 'c2d-digest': sha256 } }: Request): string => {
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) throw malformed('bytes need the header c2d-digest: their SHA-256, hex');
  return sha256;
};

const saysEncrypted = (req: Request): boolean => req.headers['c2d-encryption'] === 'age';

/** Streams a whole file of at most one part into the store in constant memory; 204 once it is verified and durable. */
export const takeOutput = (deps: OutputsDeps): PodHandler =>
  async function takeOutput(pod, req, res) {
    const { store: stores, partBytes, metrics } = deps;
    const n = parseNumber(req.params['n']);
    const sha256 = digestIn(req);
    const sizeBytes = lengthOf(req, partBytes);
    const job = await jobOfPod(deps, pod);
    checkLimits(job, n, sizeBytes);
    requireEncryption(job, saysEncrypted(req));
    if (job.isRead) {
      await stores.putWhole({ store: job.store, ...pod, n }, { sizeBytes, sha256 }, bodyOf(req));
      metrics.storedBytes.inc(sizeBytes);
    } else await pipeline(bodyOf(req), nowhere());
    res.status(204).end();
  };

/** Streams one part into the store in constant memory; 204 once its digest has been verified. */
export const takePart = (deps: OutputsDeps): PodHandler =>
  async function takePart(pod, req, res) {
    const { store: stores, partBytes, metrics } = deps;
    const [n, k] = [parseNumber(req.params['n']), parseNumber(req.params['k'])];
    const sha256 = digestIn(req);
    const length = lengthOf(req, partBytes);
    const offset = k * partBytes;
    const job = await jobOfPod(deps, pod);
    checkLimits(job, n, offset + length);
    requireEncryption(job, saysEncrypted(req));
    if (job.isRead) {
      await stores.putPart({ store: job.store, ...pod, n }, { k, offset, sizeBytes: length, sha256 }, bodyOf(req));
      metrics.storedBytes.inc(length);
    } else await pipeline(bodyOf(req), nowhere());
    res.status(204).end();
  };

/** 204 once the whole file is verified and durable. */
export const completeOutput = (deps: OutputsDeps): PodHandler =>
  async function completeOutput(pod, req, res) {
    const { store: stores, partBytes } = deps;
    const n = parseNumber(req.params['n']);
    const { sizeBytes, sha256, parts, partDigests, plaintext } = outputCompletion.parse(req.body);
    if (parts !== Math.ceil(sizeBytes / partBytes)) throw malformed('a file has as many parts as its size needs');
    const job = await jobOfPod(deps, pod);
    checkLimits(job, n, sizeBytes);
    requireEncryption(job, plaintext !== undefined);
    const expected = { sizeBytes, sha256, parts, partBytes, ...(partDigests !== undefined && { partDigests }) };
    if (job.isRead) await stores.complete({ store: job.store, ...pod, n }, expected);
    res.status(204).end();
  };
