/** A gateway with nothing behind it: the protocol on a socket, checked with its schemas; it keeps what it is given. */

import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import * as protocol from '../../../workers/gateway/protocol.ts';

export type Report = protocol.PhaseReport;

/** One output as it arrived. */
export interface ReceivedOutput extends protocol.OutputFile {
  readonly n: number;
  readonly bytes: Buffer;
}

/** A way to answer instead of the ordinary one. Return false to leave it to the ordinary one. */
export type Interception = (req: IncomingMessage, res: ServerResponse, body: Buffer) => boolean | Promise<boolean>;

export class TestGateway {
  readonly token: string;
  readonly plan: protocol.Plan;
  readonly files: ReadonlyMap<number, Buffer>;
  readonly events: protocol.Events[] = [];
  readonly reports: Report[] = [];
  readonly outputs: ReceivedOutput[] = [];
  readonly requests: string[] = [];
  readonly problems: string[] = [];
  intercept: Interception = () => false;
  over = false;
  attempt = 1_000;
  /** true: as a gateway of an earlier release, which knows parts only */
  takesPartsOnly = false;
  #parts = new Map<string, Buffer>();
  #wholes = new Map<number, Buffer>();
  #changed = new EventEmitter().setMaxListeners(0);
  #server: Server | undefined;

  constructor(plan: protocol.Plan, files: ReadonlyMap<number, Buffer> = new Map(), token = 'a-token') {
    this.plan = protocol.plan.parse(plan);
    this.files = files;
    this.token = token;
  }

  /** @param where a socket's path, an address, or 0 for a free port of 127.0.0.1 */
  async listen(where: string | { readonly host: string; readonly port: number } | 0): Promise<void> {
    this.#server = createServer((req, res) => void this.#serve(req, res));
    if (typeof where === 'string') {
      await rm(where, { force: true });
      this.#server.listen(where);
    } else this.#server.listen(where === 0 ? { host: '127.0.0.1', port: 0 } : where);
    await once(this.#server, 'listening');
    if (typeof where === 'string') await chmod(where, 0o666);
  }

  get port(): number {
    const address = this.#server?.address();
    if (typeof address !== 'object' || address === null) throw new Error('not on TCP');
    return address.port;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server === undefined ? resolve(undefined) : this.#server.close(resolve)));
    this.#server = undefined;
  }

  /** The log as it came in events. */
  get log(): string {
    const pieces = this.events.flatMap(({ logs }) => logs);
    const size = Math.max(0, ...pieces.map(({ offset, bytes }) => offset + Buffer.from(bytes, 'base64').length));
    const log = Buffer.alloc(size);
    for (const { offset, bytes } of pieces) Buffer.from(bytes, 'base64').copy(log, offset);
    return log.toString();
  }

  report(phase: Report['phase']): Report | undefined {
    return this.reports.findLast((report) => report.phase === phase);
  }

  output(name: string): ReceivedOutput | undefined {
    return this.outputs.find((output) => output.name === name);
  }

  /** What arrived in one request: its name comes with the report of the phase, if at all. */
  whole(n: number): Buffer | undefined {
    return this.#wholes.get(n);
  }

  /** Resolves once `condition` holds; looked at after every request. */
  async until<Result>(condition: () => Result | undefined | false | null, what: string, patienceMs = 20_000): Promise<Result> {
    const late = AbortSignal.timeout(patienceMs);
    for (;;) {
      const result = condition();
      if (result !== undefined && result !== false && result !== null) return result;
      await once(this.#changed, 'request', { signal: late }).catch(() => {
        const state = JSON.stringify({
          reports: this.reports,
          requests: this.requests.slice(-10),
          problems: this.problems,
          log: this.log.slice(-500),
        });
        throw new Error(`waited in vain for ${what}: ${state}`);
      });
    }
  }

  untilReport(phase: Report['phase'], patienceMs?: number): Promise<Report> {
    return this.until(() => this.report(phase), `a report of ${phase}`, patienceMs);
  }

  changed(): void {
    this.#changed.emit('request');
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      this.requests.push(`${req.method} ${req.url}`);
      if (req.headers.authorization !== `Bearer ${this.token}`) answer(res, 401);
      else if (this.over) answer(res, 410);
      else if (!(await this.intercept(req, res, body))) this.#answer(req, res, body);
    } catch (err) {
      this.problems.push(String(err));
      if (!res.headersSent) answer(res, 400, { type: 'RequestInvalid', message: String(err), retryable: false });
    }
    this.changed();
  }

  #answer(req: IncomingMessage, res: ServerResponse, body: Buffer): void {
    const url = new URL(req.url ?? '', 'http://gateway');
    const [resource = '', n = '', , k = ''] = url.pathname.slice(`${protocol.agentBasePath}/`.length).split('/');
    const json = (): unknown => JSON.parse(body.toString());
    if (resource === 'plan') answer(res, 200, this.plan);
    else if (resource === 'files') serveBytes(req, res, this.files.get(Number(n)));
    else if (resource === 'events') {
      this.events.push(protocol.events.parse(json()));
      answer(res, 200, { order: 'continue' });
    } else if (resource === 'reports') {
      const report = protocol.phaseReport.parse(json());
      if (report.outcome === 'done' && report.phase === 'publishOutputs') this.#nameWholes(report.result.files);
      this.reports.push(report);
      answer(res, 200, { order: 'continue' });
    } else if (resource === 'phases') {
      const after = Number(url.searchParams.get('after'));
      if (this.attempt > after) answer(res, 200, { startedAtMs: this.attempt });
      else setTimeout(() => answer(res, 204), 20);
    } else if (resource === 'outputs' && req.method === 'PUT' && k === '' && !this.takesPartsOnly) {
      this.#wholes.set(Number(n), checkedPart(req, body));
      answer(res, 204);
    } else if (resource === 'outputs' && req.method === 'PUT' && k !== '') {
      this.#parts.set(`${n}/${k}`, checkedPart(req, body));
      answer(res, 204);
    } else if (resource === 'outputs' && req.method === 'POST') {
      this.outputs.push(this.#complete(Number(n), protocol.outputFile.parse(json())));
      answer(res, 204);
    } else answer(res, 404, { type: 'RequestInvalid', message: 'no such route', retryable: false });
  }

  #nameWholes(files: readonly (protocol.OutputFile & { readonly n: number })[]): void {
    for (const file of files) {
      const bytes = this.#wholes.get(file.n);
      if (bytes === undefined) continue;
      if (bytes.length !== file.sizeBytes || digest(bytes) !== file.sha256) throw new Error(`output ${file.n} is not what was announced`);
      this.outputs.push({ ...file, bytes });
    }
  }

  #complete(n: number, file: protocol.OutputFile): ReceivedOutput {
    const parts = Array.from({ length: file.parts }, (_unused, k) => this.#parts.get(`${n}/${k}`) ?? Buffer.alloc(0));
    const bytes = Buffer.concat(parts);
    if (bytes.length !== file.sizeBytes || digest(bytes) !== file.sha256) throw new Error(`output ${n} is not what was announced`);
    return { ...file, n, bytes };
  }
}

export const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export const answer = (res: ServerResponse, status: number, body?: unknown, headers: Record<string, string> = {}): void => {
  res.writeHead(status, { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers });
  res.end(body === undefined ? undefined : JSON.stringify(body));
};

const checkedPart = (req: IncomingMessage, body: Buffer): Buffer => {
  if (req.headers['c2d-digest'] !== digest(body)) throw new Error('the part does not have its digest');
  return body;
};

const serveBytes = (req: IncomingMessage, res: ServerResponse, bytes: Buffer | undefined): void => {
  if (bytes === undefined) return answer(res, 404, { type: 'InputUnavailable', message: 'the source has no such file', retryable: false });
  const start = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
  if (start > 0 && start >= bytes.length)
    return answer(res, 416, { type: 'InputUnavailable', message: 'nothing after that', retryable: false });
  res.writeHead(start > 0 ? 206 : 200, { 'content-length': String(bytes.length - start) });
  res.end(bytes.subarray(start));
};

/** A plan with nothing to stage; every limit generous. */
export const aPlan = (
  changes: Partial<Omit<protocol.Plan, 'limits'>> & { readonly limits?: Partial<protocol.Plan['limits']> } = {},
): protocol.Plan => ({
  jobId: 'f'.repeat(32),
  podAttempt: 1,
  files: [],
  heartbeatSeconds: 1,
  seal: { kind: 'noNetwork' },
  ...changes,
  limits: {
    inputBytes: 10_000_000,
    logBytes: 1_000_000,
    outputBytes: 50_000_000,
    outputFiles: 1_000,
    partBytes: 1_000_000,
    stageSeconds: 60,
    transferPatienceSeconds: 5,
    ...changes.limits,
  },
});
